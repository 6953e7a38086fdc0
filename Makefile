# SPDX-License-Identifier: GPL-2.0-or-later
# Non-recursive, out of tree in $(O).   make V=1 prints the commands.
# make SAN=address,undefined check      builds and tests a second tree, build-san.
# A layer is a static library and may use only the layers before it; the pure ones are proved pure by check-layers.
V        ?= 0
SAN      ?=
O        ?= build$(if $(SAN),-san)
PREFIX   ?= /usr/local
SBINDIR  ?= $(PREFIX)/sbin
BINDIR   ?= $(PREFIX)/bin
LIBDIR   ?= $(PREFIX)/lib
INCDIR   ?= $(PREFIX)/include
LABDIR   ?= $(PREFIX)/lib/natpcp-lab
MANDIR   ?= $(PREFIX)/share/man
BASHDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions
FISHDIR  ?= $(PREFIX)/share/fish/vendor_completions.d
SYSCONF  ?= /etc
UNITDIR  ?= $(PREFIX)/lib/systemd/system
# sanitizers make much code: at -O1, and with no more than what a trace of calls needs, it takes half the time to compile
CFLAGS   ?= $(if $(SAN),-O1 -g1,-O2 -g)
WERROR   ?=
OBJCOPY  ?= objcopy
STRIP    ?= strip

Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(Q),@printf '  %-7s %s\n' $(1) $(@:$(O)/%=%);)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2 -Wvla -Wundef \
        -Wwrite-strings -Wimplicit-fallthrough -Wcast-qual -Wold-style-definition -Wnull-dereference
# libmnl's loops cast const away; clang complains of that at their user, gcc does not
WARN += $(if $(findstring clang,$(CC)),-Wno-cast-qual)
# against what a mistake in memory would let a packet do: what this compiler knows of it, and not under sanitizers, which look closer.
# HARDENING= leaves it all out. tests/package/hardening.py looks whether the programs have it
HARDENING ?= $(if $(SAN),,1)
known    = $(shell for f in $(1); do echo 'int main(void) { return 0; }' | $(CC) -Werror $$f -x c -c -o /dev/null - 2>/dev/null && echo $$f; done)
fortify  = $(shell for n in 3 2; do f="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$$n"; \
	echo 'int main(void) { return 0; }' | $(CC) -Werror -O2 $$f -include stdlib.h -x c -fsyntax-only - 2>/dev/null && echo $$f && break; done)
ifneq ($(HARDENING),)
HARD := $(call known,-fstack-protector-strong -fstack-clash-protection -fcf-protection -mbranch-protection=standard)
# it wants an optimiser, and a builder may have said it already, as Debian's do
HARD += $(if $(filter -O1 -O2 -O3 -Os -Oz,$(CFLAGS)),$(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS) $(CC)),,$(fortify)))
HARDLD := -Wl,-z,relro,-z,now,-z,noexecstack
# a static program is at a fixed address: of musl there is no start for another kind
PIE    := $(if $(filter -static,$(LDFLAGS)),,-fPIE)
endif
SANF := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# much to link, too
SANLD := $(if $(SAN),$(if $(shell command -v ld.lld),-fuse-ld=lld))
LANGUAGE = -std=gnu11 -pthread -D_GNU_SOURCE $(PIE)
# where the tree lies is not for what is made from it: tests/package/reproducible.py
XCFLAGS  = $(LANGUAGE) -I. -ffile-prefix-map=$(CURDIR)=. $(WARN) $(if $(WERROR),-Werror) $(SANF) $(HARD) $(CPPFLAGS) $(CFLAGS)
XLDFLAGS = -pthread $(PIE:-fPIE=-pie) $(HARDLD) $(SANF) $(SANLD) $(LDFLAGS)
pc       = $(shell pkg-config --libs $(1))

# system calls are filtered where there is libseccomp; SECCOMP= builds without it
SECCOMP ?= $(shell pkg-config --exists libseccomp && echo 1)
NOT_HERE := server/io/$(if $(SECCOMP),sandbox_nofilter,sandbox_filter).c
# bottom first; a layer may include only layers to its left
LAYERS := codec conf backends server/core server/io
PURE   := codec conf server/core
FORBID := socket|bind|send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg|read|write|open|open64|fopen|fopen64|poll|epoll_.*|select|ioctl|clock_gettime|gettimeofday|time|rand|random|getrandom|syslog|printf|fprintf|puts|event_.*|evtimer_.*|ev.*|mnl_.*|nftnl_.*

lib  = $(O)/lib$(subst /,_,$(1)).a
# not part of a layer's library: programs, and the files with sockets
CONN  := $(sort $(wildcard codec/conn*.c))
APART := $(CONN) $(sort $(wildcard codec/natpcpc*.c))
CTL   := $(sort $(wildcard server/natpcpctl*.c))
# the server without its main: what natpcpd and the lab's server share
SERVER := $(filter-out $(CTL) server/main.c,$(sort $(wildcard server/*.c)))
# what stands between that and its sockets in the lab's server
LAB    := $(filter-out server/lab/main.c,$(sort $(wildcard server/lab/*.c)))
srcs = $(filter-out $(APART) $(NOT_HERE),$(sort $(wildcard $(1)/*.c)))
objs = $(patsubst %.c,$(O)/%.o,$(call srcs,$(1)))
LIBS_codec       :=
LIBS_conf        :=
LIBS_backends     = $(call pc,libmnl libnftnl)
LIBS_server/core  = $(call pc,libmnl libnftnl zlib)
LIBS_server/io    = $(call pc,libevent_extra libevent_core libmnl libnftnl jansson libcap-ng zlib $(if $(SECCOMP),libseccomp))
BELOW_codec       := codec
BELOW_conf        := conf codec
BELOW_backends    := backends conf codec
BELOW_server/core := server/core backends conf codec
BELOW_server/io   := server/io server/core backends conf codec
archives = $(foreach l,$(BELOW_$(1)),$(call lib,$(l)))

PROGRAMS := $(O)/natpcpd $(O)/natpcpctl $(O)/natpcpc $(O)/natpcp-labd

# libnatpcp, for programs of others: all of codec/ but natpcpc. Plain C11, and no name that is not the library's own
VERSION  := $(shell sed -n 's/^.define NATPCPD_VERSION "\(.*\)"/\1/p' server/version.h)
ABI      := 0
LIBRARY  := $(O)/libnatpcp.a $(O)/libnatpcp.so.$(ABI)
LIB_OBJS := $(patsubst %.c,$(O)/%.o,$(call srcs,codec) $(CONN))
LIB_API  := $(patsubst %,$(O)/include/natpcp/%.h,codec client epoch conn)
LIB_MAN  := $(sort $(wildcard codec/*.3))
EXAMPLES := $(sort $(wildcard codec/examples/*.c))

.PHONY: all lib install-lib uninstall-lib objects pure pure-unit engine unit replay check check-unit check-layers check-format check-headers analyze check-valgrind check-msan check-targets check-reproducible check-netns check-clients conformance chaos bench bench-parts fuzz fuzz-minimise fuzz-coverage fuzz-afl \
	install uninstall clean deps demo run static manual deb check-deb
.DELETE_ON_ERROR:
.SECONDARY:
all: $(PROGRAMS) $(LIBRARY)
lib: $(LIBRARY)

define layer
$(call lib,$(1)): $(call objs,$(1))
	$$(call say,AR)rm -f $$@ && $$(AR) rcD $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(XCFLAGS) -MMD -MP -c -o $@ $<

$(LIB_OBJS): LANGUAGE = -std=c11 -pedantic -fPIC -ffunction-sections -fdata-sections
# names are made local in machine code, which is not what -flto among CFLAGS would leave
$(LIB_OBJS): XCFLAGS += -fno-lto
# one object: what the files of the library know of each other is no name in the programs that are linked with it
$(O)/natpcp.o: $(LIB_OBJS) codec/libnatpcp.map
	$(call say,LD)$(CC) -r -nostdlib -o $@ $(LIB_OBJS)
	$(Q)sed -n 's/^\t\(natpcp_.*\);$$/\1/p' codec/libnatpcp.map >$@.names && $(OBJCOPY) --keep-global-symbols=$@.names $@
$(O)/libnatpcp.a: $(O)/natpcp.o
	$(call say,AR)rm -f $@ && $(AR) rcD $@ $^
$(O)/libnatpcp.so.$(ABI): $(LIB_OBJS) codec/libnatpcp.map
	$(call say,LD)$(CC) $(HARDLD) $(SANF) $(SANLD) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script,codec/libnatpcp.map \
	-Wl,-Bsymbolic-functions -o $@ $(LIB_OBJS)

# the headers as they are installed, and the examples, which see no others
$(O)/include/natpcp/%.h: codec/%.h Makefile
	@mkdir -p $(@D)
	$(call say,HEADER)sed 's|^#include "codec/\(.*\)"|#include <natpcp/\1>|' $< >$@
$(EXAMPLES:%.c=$(O)/%.o): LANGUAGE = -std=c11 -pedantic $(PIE) -I$(O)/include
$(EXAMPLES:%.c=$(O)/%.o): $(LIB_API)
$(O)/codec/examples/%: $(O)/codec/examples/%.o $(O)/libnatpcp.a
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^

# the status page, and the policy that it is served with
PAGE := $(O)/server/page_html.o
$(O)/server/page_html.c: server/page.html server/page.sh
	@mkdir -p $(@D)
	$(call say,PAGE)server/page.sh $< >$@
$(PAGE): $(O)/server/page_html.c Makefile
	$(call say,CC)$(CC) $(XCFLAGS) -MMD -MP -c -o $@ $<

$(O)/natpcpd: $(O)/server/main.o $(SERVER:%.c=$(O)/%.o) $(PAGE) $(call archives,server/io)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/io)
# the same server with faults between it and its sockets
$(O)/natpcp-labd: $(O)/server/lab/main.o $(LAB:%.c=$(O)/%.o) $(SERVER:%.c=$(O)/%.o) $(PAGE) $(call archives,server/io)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/io)
$(O)/natpcpctl: $(CTL:%.c=$(O)/%.o) $(O)/server/views.o $(O)/server/settings.o $(call archives,server/io)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(call pc,jansson libcurl zlib libmnl libnftnl) -lm
$(O)/natpcpc: $(APART:%.c=$(O)/%.o) $(call lib,codec)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^

# the parts of natpcpc, for their unit tests
NATPCPC := $(O)/libnatpcpc.a
$(NATPCPC): $(patsubst %.c,$(O)/%.o,$(sort $(wildcard codec/natpcpc_*.c)))
	$(call say,AR)rm -f $@ && $(AR) rcD $@ $^

# those of natpcpctl
NATPCPCTL := $(O)/libnatpcpctl.a
$(NATPCPCTL): $(patsubst %.c,$(O)/%.o,$(filter-out server/natpcpctl.c,$(CTL)))
	$(call say,AR)rm -f $@ && $(AR) rcD $@ $^

# the processes that natpcpd starts
STARTED := $(O)/libstarted.a
$(STARTED): $(patsubst %.c,$(O)/%.o,$(wildcard server/runner.c server/warden*.c))
	$(call say,AR)rm -f $@ && $(AR) rcD $@ $^

# tests/unit/<layer>/test_<file>.c is linked with that layer and those below it
UNIT :=
define unit_layer
UNIT += $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/unit/$(1)/test_*.c)))
$(O)/tests/unit/$(1)/test_%: $(O)/tests/unit/$(1)/test_%.o $(3) $(call archives,$(2))
	$$(call say,LD)$$(CC) $$(XLDFLAGS) -o $$@ $$^ $$(LIBS_$(2)) $$(call pc,cmocka)
endef
$(eval $(call unit_layer,codec,codec,$(CONN:%.c=$(O)/%.o) $(NATPCPC)))
$(eval $(call unit_layer,conf,conf,))
$(eval $(call unit_layer,backends,backends,))
$(eval $(call unit_layer,core,server/core,))
$(eval $(call unit_layer,io,server/io,$(NATPCPCTL) $(STARTED) $(patsubst %,$(O)/server/%.o,report replies views settings guard external history hooks hook_event confine parking histogram \
	json_text event_text events meter grown metrics_text)))
$(O)/tests/unit/io/test_natpcpctl_%: LIBS_server/io += $(call pc,libcurl) -lm
$(O)/tests/unit/io/test_nameinfo: $(O)/server/nameinfo.o
$(eval $(call unit_layer,lab,server/io,$(LAB:%.c=$(O)/%.o)))

# those parts of the engine whose work could grow with what others have, which tell a test of each step that they take
STEPS := $(patsubst %,$(O)/steps/server/core/%.o,choice index lease lease_peers limit mapper mapper_do mapper_set network outside outside_busy peer ports portset \
	runs upkeep wheel)
$(O)/steps/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(XCFLAGS) -fsanitize-coverage=trace-pc -MMD -MP -c -o $@ $<
$(O)/tests/unit/core/test_steps: $(O)/tests/unit/core/test_steps.o $(STEPS) $(call archives,server/core)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/core) $(call pc,cmocka)

# the messages that tests/unit/codec/judge.sh lets another program read
EMIT := $(O)/tests/unit/codec/emit
$(EMIT): $(O)/tests/unit/codec/emit.o $(call lib,codec)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^

# plays tests/scenario/*.txt against the engine and the memory backend
PLAYER := $(O)/tests/scenario/player
$(PLAYER): $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/scenario/player*.c))) $(call archives,server/core)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/core)


# what tests/lab/driver.py drives
DRIVER := $(O)/tests/netns/backend_driver
$(DRIVER): $(DRIVER).o $(call archives,backends)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_backends)

# a server that was taken over, and asks the one that changes the packet filter for what it never asks for
FORGER := $(O)/tests/netns/forger
$(FORGER): $(FORGER).o $(SERVER:%.c=$(O)/%.o) $(PAGE) $(call archives,server/io)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/io)

# what tests/lab/trouble.py preloads into the daemon
TROUBLE := $(O)/tests/netns/trouble.so
$(TROUBLE): tests/netns/trouble.c Makefile
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(filter-out $(SANF),$(XCFLAGS)) -fPIC -shared -o $@ $< -ldl

# the flows that tests/lab/lab.py watches while something happens: no sanitizer, which would take longer to start than most of them run
STREAM := $(O)/tests/netns/stream
$(STREAM): tests/netns/stream.c Makefile
	@mkdir -p $(@D)
	$(call say,LD)$(CC) $(filter-out $(SANF),$(XCFLAGS)) $(PIE:-fPIE=-pie) -o $@ $<

# the table of the configuration in mdoc, for tests/package/; make manual puts it into natpcpd.conf(5), beside the prose there
KEYS := $(O)/tests/package/keys
$(KEYS): $(KEYS).o $(call lib,conf)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^
manual: $(KEYS)
	$(Q)tests/package/manual.py $(KEYS) conf/natpcpd.conf.5 --write

# every source, linked or not: what a second compiler is asked to look at
SOURCES := $(sort $(filter-out $(if $(SECCOMP),,$(NOT_HERE)),$(wildcard codec/*.c conf/*.c backends/*.c server/*.c server/core/*.c server/io/*.c server/lab/*.c tests/unit/*/*.c \
	tests/scenario/*.c tests/netns/*.c tests/fuzz/*.c tests/bench/*.c tests/library/*.c tests/package/*.c \
	codec/examples/*.c)))

# tests wait for what they test; only that is worth an optimiser, which took most of the time to compile them. Two compute much themselves
$(O)/tests/unit/%.o $(O)/tests/scenario/%.o $(if $(filter -%,$(FUZZ_ENGINE)),,$(O)/tests/fuzz/%.o): XCFLAGS += -O0 -U_FORTIFY_SOURCE
$(patsubst %,$(O)/tests/unit/core/test_%.o,index runs): XCFLAGS += -O2
ifneq ($(filter memory,$(SAN)),)
$(foreach l,$(PURE),$(O)/$(l)/%.o): XCFLAGS += -O1
# nothing of these is linked with it: of them it is wanted what clang says
$(patsubst %.c,$(O)/%.o,$(filter-out server/core/%,$(filter server/% codec/examples/% $(patsubst %,tests/%/%,unit/backends unit/io unit/lab netns bench library \
	package),$(SOURCES)))): XCFLAGS += -fno-sanitize=memory -g0
endif

unit: $(UNIT) $(EMIT) $(KEYS) $(PLAYER) $(DRIVER) $(FORGER) $(TROUBLE) $(STREAM) $(EXAMPLES:%.c=$(O)/%)
check-unit: $(UNIT)
	$(Q)rc=0; for t in $(UNIT); do $$t >$$t.log 2>&1 && echo "  PASS    $${t#$(O)/}" || { rc=1; cat $$t.log; echo "  FAIL    $${t#$(O)/}"; }; done; exit $$rc

FUZZ  := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
# those that use no library but C's
FUZZ_PURE := $(filter $(patsubst %,$(O)/tests/fuzz/fuzz_%,client codec conf engine proxy record restore warden),$(FUZZ))
# what tests/lab/check.py runs under clang's memory sanitizer: that wants to see all that writes memory, and the pure layers use no
# library but C's. make O=build-msan CC=clang SAN=memory pure
pure: pure-unit engine $(FUZZ_PURE)
pure-unit: $(patsubst %.c,$(O)/%,$(sort $(wildcard $(patsubst %,tests/unit/%/test_*.c,codec conf core))))
# the warden's target is linked with messages of nftables
engine: $(PLAYER) $(filter-out %/fuzz_warden,$(FUZZ_PURE))

check-layers: $(foreach l,$(PURE),$(call lib,$(l)))
	$(Q)for l in $^; do f='$(FORBID)'; case $$l in */libcodec.a) f="$$f|malloc|calloc|realloc|free";; esac; \
	bad=$$(nm -u $$l | awk '$$1 == "U" { sub(/^__/, "", $$2); sub(/_(chk|2)$$/, "", $$2); print $$2 }' | sort -u | grep -xE "$$f"); \
	[ -z "$$bad" ] || { echo "  FAIL    $${l##*/} is not pure:" $$bad; exit 1; }; done; echo '  PASS    layers'

HEADERS := $(sort $(wildcard codec/*.h conf/*.h backends/*.h server/*.h server/core/*.h server/io/*.h server/lab/*.h tests/*/*.h))
objects: $(SOURCES:%.c=$(O)/%.o)

check-headers: $(HEADERS:%=$(O)/%.alone)
$(O)/%.h.alone: %.h
	@mkdir -p $(@D)
	$(call say,HEADER)printf '#include "%s"\n' $< | $(CC) $(XCFLAGS) -Werror -fsyntax-only -x c - && touch $@

check-format:
	$(Q)clang-format --dry-run -Werror $(SOURCES) $(HEADERS) $(wildcard tests/clients/*.c)
	$(Q)tests/lab/tidy.sh

# what static analyzers say of what is shipped: tests/lab/analyze.sh. A file is looked at again if it, or a header of its, has changed
ANALYZERS := cppcheck gcc clang-tidy
ANALYZED  := $(filter-out tests/%,$(SOURCES))
$(foreach a,$(ANALYZERS),$(eval $(O)/%.$(a): %.c $(O)/%.o tests/lab/analyze.sh .clang-tidy ; $$(call say,ANALYZE)O=$(O) tests/lab/analyze.sh $(a) $$< && touch $$@))
analyze-%: ; +$(Q)$(MAKE) -s -k $(ANALYZED:%.c=$(O)/%.$*)
analyze:
	$(Q)tests/lab/deps.sh analyze
	+$(Q)$(MAKE) -s -j$(JOBS) -k $(foreach a,$(ANALYZERS),$(ANALYZED:%.c=$(O)/%.$(a)))

BENCH := $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/bench/bench_*.c)))
$(O)/tests/bench/%: $(O)/tests/bench/%.o $(call archives,server/io)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/io)

# A target's seeds are replayed by check. make fuzz looks for new ones, FUZZ_S seconds for each of FUZZ_TARGETS (names without fuzz_);
# make fuzz-minimise takes into the tree those that reach something that no other does; make fuzz-coverage tells what seeds and finds
# reach of the files that a target is for.
FUZZ_SERVER := $(O)/tests/fuzz/server.a
$(FUZZ_SERVER): $(SERVER:%.c=$(O)/%.o) $(PAGE)
	$(call say,AR)rm -f $@ && $(AR) rcD $@ $^
# FUZZ_ENGINE brings the main of libFuzzer, or of another; else files are replayed
FUZZ_ENGINE ?= $(O)/tests/fuzz/replay.o
# in place of the kernel, where nothing else is behind a socket
$(O)/tests/fuzz/fuzz_nft $(O)/tests/fuzz/fuzz_netlink: $(O)/tests/fuzz/kernel.o
define fuzz_link
$(1): $(O)/tests/fuzz/%: $(O)/tests/fuzz/%.o $(filter %.o,$(FUZZ_ENGINE)) $(2)
	$$(call say,LD)$$(CC) $$(XLDFLAGS) -o $$@ $$(filter-out %.a,$$^) $(filter-out %.o,$(FUZZ_ENGINE)) $(2) $$(LIBS_$(3)) $(4)
endef
$(eval $(call fuzz_link,$(FUZZ_PURE),$(call archives,server/core),server/core))
$(eval $(call fuzz_link,$(filter-out $(FUZZ_PURE),$(FUZZ)),$(NATPCPCTL) $(FUZZ_SERVER) $(call archives,server/io),server/io,$$(call pc,libcurl) -lm))
replay: $(FUZZ)
FUZZ_TARGETS ?= $(FUZZ:$(O)/tests/fuzz/fuzz_%=%)
FUZZ_BUILD := $(MAKE) --no-print-directory O=build-fuzz CC=clang SAN=fuzzer-no-link,address,undefined FUZZ_ENGINE=-fsanitize=fuzzer \
	$(FUZZ_TARGETS:%=build-fuzz/tests/fuzz/fuzz_%)
fuzz fuzz-minimise:
	$(Q)tests/lab/deps.sh fuzz
	+$(Q)$(FUZZ_BUILD)
	$(Q)tests/fuzz/run.sh $(if $(filter fuzz,$@),fuzz,minimise) build-fuzz $(FUZZ_TARGETS)
fuzz-coverage:
	$(Q)tests/lab/deps.sh fuzz
	+$(Q)$(MAKE) --no-print-directory O=build-fuzz/coverage CC=clang CFLAGS='-O1 -g -fprofile-instr-generate -fcoverage-mapping' \
	LDFLAGS=-fprofile-instr-generate $(FUZZ_TARGETS:%=build-fuzz/coverage/tests/fuzz/fuzz_%)
	$(Q)tests/fuzz/run.sh coverage build-fuzz $(FUZZ_TARGETS)
# the same by AFL++
fuzz-afl:
	$(Q)tests/lab/deps.sh fuzz fuzz-afl
	+$(Q)$(MAKE) --no-print-directory O=build-afl CC=afl-clang-fast HARDENING= FUZZ_ENGINE=-fsanitize=fuzzer $(FUZZ_TARGETS:%=build-afl/tests/fuzz/fuzz_%)
	$(Q)tests/fuzz/run.sh afl build-afl $(FUZZ_TARGETS)
# parts alone: nanoseconds of this machine
bench-parts: $(BENCH)
	$(Q)for b in $(BENCH); do $$b || exit 1; done
# rates as ratios to the floor loop, in namespaces: as root. BENCH_ARGS='--rows create --n 1000' for a part
bench:
	$(Q)PEER=$(O)/peer tests/lab/deps.sh bench
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(patsubst %,$(O)/tests/bench/%,load flood floor flows instructions)
	$(Q)PYTHONDONTWRITEBYTECODE=1 tests/bench/bench.py $(O) --json $(O)/bench.json --svg $(O)/bench.svg $(BENCH_ARGS)

# Entry points: they install what is missing first, so nothing that needs a compiler is a prerequisite of theirs.
JOBS ?= $(shell nproc)
deps:
	$(Q)tests/lab/deps.sh all
check:
	$(Q)tests/lab/deps.sh check
	+$(Q)MAKE='$(MAKE)' tests/lab/check.py --jobs $(JOBS) --build $(O) all
# what is too dear for make check: all unit tests, scenarios and seeds by valgrind; those of the pure layers by clang's memory sanitizer,
# and for big-endian (s390x) and 32-bit (armhf) processors, by qemu
check-valgrind check-msan check-targets: check-%:
	$(Q)tests/lab/deps.sh $*
	+$(Q)MAKE='$(MAKE)' tests/lab/check.py --jobs $(JOBS) --build $(O) $*
# all that is installed, and the packages, twice: in another place, with another umask, time zone and number of jobs
check-reproducible:
	$(Q)tests/lab/deps.sh package
	$(Q)tests/package/reproducible.py all
	$(Q)tests/package/reproducible.py deb
# which requirements of the RFCs are proved by tests that ran; uses the verdicts of a check that is still true
conformance:
	$(Q)tests/lab/deps.sh demo
	+$(Q)MAKE='$(MAKE)' tests/requirements/conformance.py --jobs $(JOBS) --build $(O)
check-netns:
	$(Q)tests/lab/deps.sh demo
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all $(DRIVER) $(FORGER) $(TROUBLE) $(STREAM) $(EXAMPLES:%.c=$(O)/%)
	$(Q)tests/lab/check.py --jobs $(JOBS) --build $(O) netns
# CHAOS_S seconds of misfortunes; SEED=N tells the story of that seed again
chaos:
	$(Q)tests/lab/deps.sh demo
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)NATPCP_BUILD=$(abspath $(O)) tests/chaos/chaos.py --seconds $${CHAOS_S:-60} $(if $(SEED),--seed $(SEED))
check-clients:
	$(Q)tests/lab/deps.sh clients $(if $(ALL),clients-all)
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)ALL=$(ALL) tests/clients/run.sh $(O) $(CLIENTS)
demo:
	$(Q)tests/lab/deps.sh demo
	$(Q)$(MAKE) --no-print-directory -j$(JOBS) all
	$(Q)tests/lab/demo.sh $(O)
# sudo make run WAN=eth0 LAN=br-lan
run:
	+$(Q)MAKE='$(MAKE)' JOBS=$(JOBS) tests/lab/run.sh $(O) '$(WAN)' '$(LAN)'

# Debian packages, source and binary, in build-deb; DEB_VERSION=0.1.1 makes them of that version
DEB         := $(abspath $(O))-deb
DEB_VERSION ?= $(VERSION)
deb:
	$(Q)conf/deb.sh $(DEB) $(DEB_VERSION) $(DEB_OPTIONS)
	$(Q)! command -v lintian >/dev/null || lintian --fail-on warning $(DEB)/natpcpd_$(DEB_VERSION)_*.changes
# they are installed, upgraded, removed and purged in a Debian of their own; takes minutes
check-deb:
	$(Q)tests/lab/deps.sh package
	+$(Q)$(MAKE) --no-print-directory deb
	$(Q)tests/package/chroot.sh $(DEB)

# natpcpd, natpcpctl and natpcpc for a box with little memory: one file each, linked with musl and the libraries of conf/static.sh.
# STATIC_SRC=DIR has the sources of libraries that are not to be fetched, as DIR/libmnl and so on
STATIC     := $(abspath $(O))-static
STATIC_CC  ?= musl-gcc
STATIC_OUT := $(STATIC)/out/natpcpd $(STATIC)/out/natpcpctl $(STATIC)/out/natpcpc
static:
	$(Q)STATIC_CC='$(STATIC_CC)' conf/static.sh $(STATIC) $(STATIC_SRC)
	+$(Q)PKG_CONFIG_LIBDIR=$(STATIC)/lib/pkgconfig $(MAKE) --no-print-directory -j$(JOBS) O=$(STATIC)/out SAN= CC='$(STATIC_CC)' \
	CFLAGS='-Os -g -ffunction-sections -fdata-sections -isystem $(STATIC)/include -idirafter $(STATIC)/kernel' \
	LDFLAGS='-static -Wl,--gc-sections -Wl,-Map,$$@.map -L$(STATIC)/lib' $(STATIC_OUT)
	$(Q)for p in $(STATIC_OUT); do $(STRIP) -o $(STATIC)/$${p##*/} $$p || exit 1; done
	$(Q)conf/sizes.py $(foreach p,$(notdir $(STATIC_OUT)),$(STATIC)/$(p)=$(STATIC)/out/$(p).map)

# what the authors of clients need: no part of the daemon, and no library but C's to build it
install-lib: lib $(LIB_API)
	install -D -m 0644 $(O)/libnatpcp.a $(DESTDIR)$(LIBDIR)/libnatpcp.a
	install -D -m 0644 $(O)/libnatpcp.so.$(ABI) $(DESTDIR)$(LIBDIR)/libnatpcp.so.$(VERSION)
	ln -sf libnatpcp.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libnatpcp.so.$(ABI)
	ln -sf libnatpcp.so.$(ABI) $(DESTDIR)$(LIBDIR)/libnatpcp.so
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCDIR)/natpcp $(DESTDIR)$(MANDIR)/man3
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCDIR@|$(INCDIR)|; s|@VERSION@|$(VERSION)|' codec/libnatpcp.pc.in \
	>$(DESTDIR)$(LIBDIR)/pkgconfig/libnatpcp.pc
	chmod 0644 $(DESTDIR)$(LIBDIR)/pkgconfig/libnatpcp.pc
	install -m 0644 $(LIB_API) $(DESTDIR)$(INCDIR)/natpcp
	install -m 0644 $(LIB_MAN) $(DESTDIR)$(MANDIR)/man3
uninstall-lib:
	rm -f $(patsubst %,$(DESTDIR)$(LIBDIR)/libnatpcp.%,a so so.$(ABI) so.$(VERSION)) $(DESTDIR)$(LIBDIR)/pkgconfig/libnatpcp.pc
	rm -f $(patsubst codec/%,$(DESTDIR)$(MANDIR)/man3/%,$(LIB_MAN))
	rm -rf $(DESTDIR)$(INCDIR)/natpcp
install: all install-lib
	install -D -m 0755 $(O)/natpcpd $(DESTDIR)$(SBINDIR)/natpcpd
	install -D -m 0755 $(O)/natpcpctl $(DESTDIR)$(BINDIR)/natpcpctl
	install -D -m 0755 $(O)/natpcpc $(DESTDIR)$(BINDIR)/natpcpc
	install -D -m 0644 codec/natpcpc.1 $(DESTDIR)$(MANDIR)/man1/natpcpc.1
	install -D -m 0644 server/natpcpctl.8 $(DESTDIR)$(MANDIR)/man8/natpcpctl.8
	install -D -m 0644 conf/completion/natpcpctl.bash $(DESTDIR)$(BASHDIR)/natpcpctl
	install -D -m 0644 conf/completion/natpcpctl.zsh $(DESTDIR)$(ZSHDIR)/_natpcpctl
	install -D -m 0644 conf/completion/natpcpctl.fish $(DESTDIR)$(FISHDIR)/natpcpctl.fish
	install -d $(DESTDIR)$(LABDIR) $(DESTDIR)$(MANDIR)/man1
	install -m 0755 $(O)/natpcp-labd server/lab/natpcp-lab $(DESTDIR)$(LABDIR)
	install -m 0644 $(sort $(wildcard server/lab/*.py)) $(DESTDIR)$(LABDIR)
	ln -sfr $(DESTDIR)$(LABDIR)/natpcp-lab $(DESTDIR)$(BINDIR)/natpcp-lab
	install -m 0644 server/lab/natpcp-lab.1 $(DESTDIR)$(MANDIR)/man1
	install -D -m 0644 server/natpcpd.8 $(DESTDIR)$(MANDIR)/man8/natpcpd.8
	install -D -m 0644 conf/natpcpd.conf.5 $(DESTDIR)$(MANDIR)/man5/natpcpd.conf.5
	[ -e $(DESTDIR)$(SYSCONF)/natpcpd.conf ] || install -D -m 0644 conf/natpcpd.conf $(DESTDIR)$(SYSCONF)/natpcpd.conf
	install -D -m 0644 conf/natpcpd.conf $(DESTDIR)$(PREFIX)/share/doc/natpcpd/natpcpd.conf
	install -m 0644 $(sort $(wildcard conf/doc/*.md)) $(DESTDIR)$(PREFIX)/share/doc/natpcpd
	install -d $(DESTDIR)$(UNITDIR)
	sed 's|@SBINDIR@|$(SBINDIR)|; s|@SYSCONF@|$(SYSCONF)|' conf/natpcpd.service.in >$(DESTDIR)$(UNITDIR)/natpcpd.service
	chmod 0644 $(DESTDIR)$(UNITDIR)/natpcpd.service
	install -D -m 0644 conf/natpcpd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/natpcpd.conf
# the operator's natpcpd.conf and the journal stay
uninstall: uninstall-lib
	rm -f $(DESTDIR)$(SBINDIR)/natpcpd $(DESTDIR)$(BINDIR)/natpcpctl $(DESTDIR)$(BINDIR)/natpcpc $(DESTDIR)$(BINDIR)/natpcp-lab
	rm -f $(DESTDIR)$(MANDIR)/man1/natpcpc.1 $(DESTDIR)$(MANDIR)/man1/natpcp-lab.1 $(DESTDIR)$(MANDIR)/man8/natpcpctl.8
	rm -f $(DESTDIR)$(BASHDIR)/natpcpctl $(DESTDIR)$(ZSHDIR)/_natpcpctl $(DESTDIR)$(FISHDIR)/natpcpctl.fish
	rm -f $(DESTDIR)$(UNITDIR)/natpcpd.service $(DESTDIR)$(PREFIX)/lib/sysusers.d/natpcpd.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/natpcpd $(DESTDIR)$(LABDIR)
	rm -f $(DESTDIR)$(MANDIR)/man8/natpcpd.8 $(DESTDIR)$(MANDIR)/man5/natpcpd.conf.5

clean:
	rm -rf build build-san build-clang build-engine build-s390x build-armhf build-valgrind build-fuzz build-afl build-static build-deb

-include $(shell [ -d $(O) ] && find $(O) -name '*.d' -type f)
