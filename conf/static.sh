#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# static.sh DIR [SOURCES]   builds what natpcpd is linked with as static libraries for musl: DIR/lib, DIR/include.
# Debian has them for glibc only, so their source packages are fetched by apt-get and compiled. Those of which SOURCES has an
# unpacked tree (SOURCES/libmnl*/ and so on) are not fetched. Needs musl-tools, dpkg-dev, pkg-config; a tree without a
# configure script also autoconf, automake and libtool.
set -eu
mkdir -p "$1/src" "$1/lib"
to=$(cd "$1" && pwd)
given=${2:+$(cd "$2" && pwd)}
compiler=${STATIC_CC:-musl-gcc}
die() { echo "static: $*" >&2; exit 1; }
for tool in "$compiler" pkg-config make; do
	command -v "$tool" >/dev/null || die "there is no $tool; Debian: apt-get install musl-tools pkg-config make"
done

# apt's lists of sources are read into DIR, from the places that the machine has its packages from; its own are left alone
apt() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$to/apt/parts" -o Dir::State::lists="$to/apt/lists" \
		-o Dir::Cache="$to/apt/cache" -o APT::Sandbox::User=root "$@"
}
apt_begin() {
	[ ! -e "$to/apt/ready" ] || return 0
	mkdir -p "$to/apt/parts" "$to/apt/lists/partial" "$to/apt/cache/archives/partial"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
		[ -e "$f" ] || continue
		case $f in
		*.sources) sed 's/^Types:.*/Types: deb-src/' "$f" >"$to/apt/parts/${f##*/}" ;;
		*) sed -n 's/^deb[[:blank:]]/deb-src /p' "$f" >"$to/apt/parts/$(basename "$f" .list).list" ;;
		esac
	done
	apt update >"$to/apt/log" 2>&1 || { tail -n 5 "$to/apt/log" >&2; die "apt-get cannot read lists of sources"; }
	touch "$to/apt/ready"
}

# the kernel's headers, which musl has not
mkdir -p "$to/kernel"
multiarch=$(gcc -print-multiarch 2>/dev/null || true)
for d in linux asm-generic asm; do
	for from in "/usr/include/$d" "/usr/include/$multiarch/$d"; do
		[ ! -d "$from" ] || ln -sfn "$from" "$to/kernel/$d"
	done
done
# macros alone, which musl has not either
mkdir -p "$to/kernel/sys"
for from in /usr/include "/usr/include/$multiarch"; do
	[ ! -e "$from/sys/queue.h" ] || ln -sf "$from/sys/queue.h" "$to/kernel/sys/queue.h"
done

tree() { # LIBRARY -> where its source is
	for d in "$given/$1" "$given/$1"-* "$to/src/$1"-*; do
		[ -d "$d" ] && echo "$d" && return
	done
	return 0
}
fetch() { # LIBRARY
	command -v apt-get >/dev/null || die "there is no apt-get: unpack the source of $1 into a directory and name that: STATIC_SRC=DIRECTORY"
	apt_begin
	(cd "$to/src" && apt source "$1") >"$to/$1.log" 2>&1 || {
		grep -E '^(E|W):|404|dpkg-source' "$to/$1.log" | head -n 5 >&2
		die "the source of $1 cannot be had from Debian's archive; unpack it into a directory and name that: STATIC_SRC=DIRECTORY"
	}
}
# build LIBRARY [--configure-option...]   makes what is in $targets, one after the other
build() {
	name=$1
	shift
	[ ! -e "$to/lib/$name.done" ] || return 0
	[ -n "$(tree "$name")" ] || fetch "$name"
	echo "  STATIC  $name"
	rm -rf "$to/build/$name"
	mkdir -p "$to/build"
	cp -R "$(tree "$name")" "$to/build/$name"
	(
		cd "$to/build/$name"
		[ -e configure ] || autoreconf -fi
		export CC="$compiler" PKG_CONFIG_LIBDIR="$to/lib/pkgconfig" LDFLAGS="-L$to/lib"
		export CFLAGS="-Os -ffunction-sections -fdata-sections -isystem $to/include -idirafter $to/kernel"
		./configure --prefix="$to" "$@"
		# what a patch of Debian's made newer than what is made of it is good as it is
		for t in $targets; do
			directory=${t%:*}
			make -j"$(nproc)" -C "${directory:-.}" ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=: "${t#*:}"
		done
	) >"$to/$name.log" 2>&1 || { tail -n 15 "$to/$name.log" >&2; die "$name does not compile; all of it is in $to/$name.log"; }
	touch "$to/lib/$name.done"
}
static="--host=$(uname -m)-linux-musl --enable-static --disable-shared --disable-dependency-tracking"
targets=:install
build libmnl $static
build libnftnl $static
build jansson $static
build libcap-ng $static --without-python --without-python3
# its table of calls is made by gperf; natpcpd goes without its filter of system calls where that is missing
if command -v gperf >/dev/null; then
	build libseccomp $static
else
	echo "static: there is no gperf, so natpcpd is built without libseccomp; Debian: apt-get install gperf" >&2
fi
build libevent $static --disable-openssl --disable-samples --disable-libevent-regress --disable-debug-mode
build zlib --static
# of curl what natpcpctl uses: HTTP over a unix socket
targets='lib:install include:install :install-pkgconfigDATA'
off=
for o in ldap ftp file dict telnet tftp pop3 imap smtp gopher mqtt rtsp manual threaded-resolver cookies proxy netrc alt-svc \
	hsts doh mime http-auth ntlm; do off="$off --disable-$o"; done
for o in ssl zlib brotli zstd libpsl libidn2 nghttp2 librtmp; do off="$off --without-$o"; done
build curl $static $off
