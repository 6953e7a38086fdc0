#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# deps.sh GROUP...   installs the Debian packages of the groups that are missing. Groups: build demo check targets analyze
#                    valgrind msan clients clients-all bench all
# Some more are only unpacked, since they would be started: bench and check have another server and a firewall, to be compared with
# and to work beside, in $PEER (build/peer), and check has Prometheus' promtool in $TOOLS (build/tools) judge what natpcpd tells it.
# A package counts as there when what it is wanted for is there, whoever brought it: a command, a pkg-config module, a file.
# fuzz, fuzz-afl: what make fuzz and the like need.
# package: what make deb and make check-deb need.
set -eu
table='
build       gcc                                  cmd:cc
build       libc6-dev                            file:/usr/include/stdlib.h
build       pkg-config                           cmd:pkg-config
build       libevent-dev                         pc:libevent_core
build       libmnl-dev                           pc:libmnl
build       libnftnl-dev                         pc:libnftnl
build       libjansson-dev                       pc:jansson
build       libcurl4-gnutls-dev                  pc:libcurl
build       libcap-ng-dev                        pc:libcap-ng
build       libseccomp-dev                       pc:libseccomp
build       zlib1g-dev                           pc:zlib
demo        iproute2                             cmd:ip
demo        nftables                             cmd:nft
demo        procps                               cmd:sysctl
demo        python3                              cmd:python3
demo        natpmpc                              cmd:natpmpc
demo        conntrack                            cmd:conntrack
check       binutils                             cmd:nm
check       util-linux                           cmd:setpriv
check       libcmocka-dev                        pc:cmocka
check       clang                                cmd:clang
check       lld                                  cmd:ld.lld
targets     libclang-rt-dev                      file:/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.msan*
check       clang-format                         cmd:clang-format
check       git                                  cmd:git
check       iptables                             cmd:iptables-nft
check       g++                                  cmd:g++
check       mandoc                               cmd:mandoc
targets     zsh                                  cmd:zsh
targets     fish                                 cmd:fish
check       busybox                              cmd:busybox
check       shellcheck                           cmd:shellcheck
targets     musl-tools                           cmd:musl-gcc
targets     gcc-i686-linux-gnu                   cmd:i686-linux-gnu-gcc
targets     libc6-dev-i386-cross                 file:/usr/i686-linux-gnu/include/stdlib.h
targets     gcc-s390x-linux-gnu                  cmd:s390x-linux-gnu-gcc
targets     libc6-dev-s390x-cross                file:/usr/s390x-linux-gnu/include/stdlib.h
targets     gcc-arm-linux-gnueabihf              cmd:arm-linux-gnueabihf-gcc
targets     libc6-dev-armhf-cross                file:/usr/arm-linux-gnueabihf/include/stdlib.h
targets     qemu-user                            cmd:qemu-s390x
targets     systemd                              cmd:systemd-analyze
targets     cppcheck                             cmd:cppcheck
analyze     clang                                cmd:clang
analyze     clang-tidy                           cmd:clang-tidy
analyze     cppcheck                             cmd:cppcheck
valgrind    valgrind                             cmd:valgrind
valgrind    libc6-dbg                            file:/usr/lib/debug/.build-id
bench       iperf3                               cmd:iperf3
bench       valgrind                             cmd:valgrind
clients     libnatpmp-dev                        file:/usr/include/natpmp.h
clients     nmap                                 cmd:nmap
clients     tshark                               cmd:tshark
clients     golang-go                            cmd:go
clients     golang-github-jackpal-go-nat-pmp-dev file:/usr/share/gocode/src/github.com/jackpal/go-nat-pmp/natpmp.go
clients     golang-github-audriusbutkevicius-go-nat-pmp-dev file:/usr/share/gocode/src/github.com/AudriusButkevicius/go-nat-pmp/natpmp.go
clients     python3-libtorrent                   file:/usr/lib/python3/dist-packages/libtorrent*.so
clients     net-tools                            cmd:netstat
clients     nodejs                               cmd:node
clients     npm                                  cmd:npm
clients     chromium                             cmd:chromium
clients     chromium-driver                      cmd:chromedriver
clients-all qbittorrent-nox                      cmd:qbittorrent-nox
clients-all transmission-daemon                  cmd:transmission-daemon
clients-all syncthing                            cmd:syncthing
clients-all baresip-core                         cmd:baresip
fuzz        clang                                cmd:clang
fuzz        llvm                                 cmd:llvm-cov
fuzz-afl    afl++                                cmd:afl-fuzz
package     dpkg-dev                             cmd:dpkg-buildpackage
package     debhelper                            cmd:dh
package     lintian                              cmd:lintian
package     mmdebstrap                           cmd:mmdebstrap
package     systemd-container                    cmd:systemd-nspawn
'
declare -A want
strict=0 peer='' judge=0
for g in "$@"; do
	case $g in
	build) want[build]=1 ;;
	demo) want[build]=1 want[demo]=1 ;;
	fuzz) want[build]=1 want[fuzz]=1 ;;
	fuzz-afl) want[fuzz-afl]=1 ;;
	package) want[build]=1 want[package]=1 ;;
	bench) want[build]=1 want[demo]=1 want[bench]=1 peer=miniupnpd-nftables ;;
	clients) want[build]=1 want[demo]=1 want[clients]=1 ;;
	targets) want[build]=1 want[targets]=1 ;;
	valgrind) want[build]=1 want[check]=1 want[valgrind]=1 ;;
	msan) want[build]=1 want[check]=1 want[targets]=1 ;;
	analyze) want[build]=1 want[analyze]=1 ;;
	clients-all) want[clients-all]=1 ;;
	check | all)
		[ "$g" = check ] || strict=1
		peer='miniupnpd-nftables ufw'
		want[build]=1 want[demo]=1 want[check]=1 want[clients]=1 want[targets]=1 judge=1
		[ "$g" = check ] || want[analyze]=1 want[valgrind]=1
		;;
	*) echo "deps: no group $g" >&2; exit 2 ;;
	esac
done

there() { # kind:what
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	pc:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#pc:}" ;;
	file:*) compgen -G "${1#file:}" >/dev/null ;;
	esac
}

missing=() optional=()
while read -r group package probe; do
	[ -n "$group" ] && [ -n "${want[$group]:-}" ] || continue
	there "$probe" && continue
	case $group in clients* | targets) optional+=("$package") ;; *) missing+=("$package") ;; esac
done <<<"$table"

# PACKAGE DIRECTORY FILE PART: unpacks a part of a package, for a file in it. Without a network what needs it is left out.
unpack() {
	local into
	compgen -G "$2/$3" >/dev/null && return 0
	command -v apt-get >/dev/null || return 0
	into=$(mktemp -d)
	chmod 755 "$into" # apt fetches as a user of its own
	[ "$(id -u)" != 0 ] || chown _apt "$into" 2>/dev/null || true
	if (cd "$into" && { apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }; }) \
		>/dev/null 2>&1 && dpkg-deb --fsys-tarfile "$into/$1"_*.deb | tar -x -C "$into" "./$4" && rm "$into"/*.deb && mkdir -p "$2"; then
		# /lib is a link to usr/lib where it is to be laid over
		[ ! -d "$into/lib" ] || { mkdir -p "$into/usr" && cp -a "$into/lib" "$into/usr" && rm -r "${into:?}/lib"; }
		rm -rf "$into"/etc/*.d "$into"/usr/share/{doc,man,locale,lintian,bash-completion} "$into"/usr/share/ufw/messages
		cp -a "$into/." "$2" && chmod 755 "$2"
		echo "unpacked $1 into $2"
	else
		echo "deps: could not get $1; what needs it is left out"
	fi
	rm -rf "$into"
}
unpack_some() {
	local package
	for package in $peer; do
		unpack "$package" "${PEER:-build/peer}" "usr/sbin/${package%-nftables}" ''
	done
	[ $judge = 0 ] || command -v promtool >/dev/null || unpack prometheus "${TOOLS:-build/tools}" usr/bin/promtool usr/bin/promtool
}

[ ${#missing[@]} -gt 0 ] || [ ${#optional[@]} -gt 0 ] || { unpack_some; exit 0; }

if ! command -v apt-get >/dev/null; then
	echo "deps: this is no Debian; install what Debian calls: ${missing[*]} ${optional[*]}" >&2
	[ $strict = 0 ] && [ ${#missing[@]} -eq 0 ]
	exit
fi
if [ "$(id -u)" != 0 ]; then
	echo "deps: as root: apt-get install ${missing[*]} ${optional[*]}" >&2
	[ $strict = 0 ] && [ ${#missing[@]} -eq 0 ]
	exit
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
	echo "installing $*"
	apt-get install -y -q --no-install-recommends "$@" </dev/null >"$log" 2>&1 && return
	# most often the package lists are missing or old
	apt-get update -q </dev/null >"$log" 2>&1 || true
	apt-get install -y -q --no-install-recommends "$@" </dev/null >"$log" 2>&1
}
if [ ${#missing[@]} -gt 0 ] && ! install "${missing[@]}"; then
	tail -n 15 "$log" >&2
	exit 1
fi
# a client or a compiler that cannot be had is skipped by the tests, so each is tried alone if they do not install together
if [ ${#optional[@]} -gt 0 ] && ! install "${optional[@]}"; then
	for p in "${optional[@]}"; do
		install "$p" || echo "deps: could not install $p; tests that need it are skipped"
	done
fi
unpack_some
