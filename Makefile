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
CFLAGS   ?= -O2 -g

Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(Q),@printf '  %-7s %s\n' $(1) $(@:$(O)/%=%);)

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wformat=2 -Wvla -Wundef \
        -Wwrite-strings -Wimplicit-fallthrough -Wcast-qual -Wold-style-definition -Wnull-dereference
SANF := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
XCFLAGS  = -std=gnu11 -D_GNU_SOURCE -I. $(WARN) $(SANF) $(CFLAGS)
XLDFLAGS = $(SANF) $(LDFLAGS)
pc       = $(shell pkg-config --libs $(1))

# bottom first; a layer may include only layers to its left
LAYERS := codec conf backends server/core server/io
PURE   := codec conf server/core
FORBID := socket|bind|send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg|read|write|open|open64|fopen|fopen64|poll|epoll_.*|select|ioctl|clock_gettime|gettimeofday|time|rand|random|getrandom|syslog|printf|fprintf|puts|event_.*|evtimer_.*|ev.*|mnl_.*|nftnl_.*

lib  = $(O)/lib$(subst /,_,$(1)).a
# not part of a layer's library: programs, and the file with sockets
APART := codec/conn.c codec/natpcpc.c
srcs = $(filter-out $(APART),$(sort $(wildcard $(1)/*.c)))
objs = $(patsubst %.c,$(O)/%.o,$(call srcs,$(1)))
LIBS_codec       :=
LIBS_conf        :=
LIBS_backends     = $(call pc,libmnl libnftnl)
LIBS_server/core  =
LIBS_server/io    = $(call pc,libevent_core libevent_extra libmnl libnftnl jansson libcap-ng)
BELOW_codec       := codec
BELOW_conf        := conf codec
BELOW_backends    := backends conf codec
BELOW_server/core := server/core backends conf codec
BELOW_server/io   := server/io server/core backends conf codec
archives = $(foreach l,$(BELOW_$(1)),$(call lib,$(l)))

PROGRAMS := $(O)/natpcpd $(O)/natpcpctl $(O)/natpcpc

.PHONY: all check check-unit check-layers check-netns bench fuzz install uninstall clean deps demo run
.DELETE_ON_ERROR:
.SECONDARY:
all: $(PROGRAMS)

define layer
$(call lib,$(1)): $(call objs,$(1))
	$$(call say,AR)rm -f $$@ && $$(AR) rcD $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(XCFLAGS) -MMD -MP -c -o $@ $<

$(O)/natpcpd: $(O)/server/main.o $(O)/server/server.o $(O)/server/views.o $(call archives,server/io)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(LIBS_server/io)
$(O)/natpcpctl: $(O)/server/natpcpctl.o $(call lib,codec)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^ $(call pc,jansson libcurl)
$(O)/natpcpc: $(O)/codec/natpcpc.o $(O)/codec/conn.o $(call lib,codec)
	$(call say,LD)$(CC) $(XLDFLAGS) -o $@ $^

# tests/unit/<layer>/test_<file>.c is linked with that layer and those below it
UNIT :=
define unit_layer
UNIT += $(patsubst %.c,$(O)/%,$(sort $(wildcard tests/unit/$(1)/test_*.c)))
$(O)/tests/unit/$(1)/test_%: $(O)/tests/unit/$(1)/test_%.o $(3) $(call archives,$(2))
	$$(call say,LD)$$(CC) $$(XLDFLAGS) -o $$@ $$^ $$(LIBS_backends) $$(if $(filter server/io,$(2)),$$(LIBS_server/io)) $$(call pc,cmocka)
endef
$(eval $(call unit_layer,codec,codec,$(O)/codec/conn.o))
$(eval $(call unit_layer,conf,conf,))
$(eval $(call unit_layer,backends,backends,))
$(eval $(call unit_layer,core,server/core,))
$(eval $(call unit_layer,io,server/io,))

check-unit: $(UNIT)
	$(Q)rc=0; for t in $(UNIT); do $$t >$$t.log 2>&1 && echo "  PASS    $${t#$(O)/}" || { rc=1; cat $$t.log; echo "  FAIL    $${t#$(O)/}"; }; done; exit $$rc

check-layers: $(foreach l,$(PURE),$(call lib,$(l)))
	$(Q)for l in $^; do f='$(FORBID)'; case $$l in */libcodec.a) f="$$f|malloc|calloc|realloc|free";; esac; \
	bad=$$(nm -u $$l | awk '$$1 == "U" { print $$2 }' | sort -u | grep -xE "$$f"); \
	[ -z "$$bad" ] || { echo "  FAIL    $${l##*/} is not pure:" $$bad; exit 1; }; done; echo '  PASS    layers'

check: check-layers check-unit

clean:
	rm -rf build build-san build-fuzz

-include $(shell [ -d $(O) ] && find $(O) -name '*.d')
