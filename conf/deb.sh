#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# deb.sh DIR VERSION [dpkg-buildpackage's options]   makes Debian packages, source and binary, of this tree in DIR.
# The tree is copied, without what is not of it, and conf/debian becomes debian/ in the copy.
set -eu
cd "$(dirname "$0")/.."
version=$2
mkdir -p "$1"
out=$(cd "$1" && pwd)
copy=$out/natpcpd-$version
shift 2
for tool in dpkg-buildpackage dh; do
	command -v $tool >/dev/null || { echo "deb: there is no $tool; Debian: apt-get install dpkg-dev debhelper" >&2; exit 1; }
done
date=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y server/version.h)}

rm -rf "$copy"
mkdir "$copy"
{ git ls-files --cached --others --exclude-standard 2>/dev/null || find . -type f ! -path './build*' ! -path './.git/*'; } |
	while read -r f; do [ ! -f "$f" ] || echo "$f"; done | tar --mtime="@$date" -cf - -T - | tar -xf - -C "$copy"
cd "$copy"
cp -R conf/debian debian
cp conf/natpcpd.sysusers debian/natpcpd.sysusers
mkdir debian/source
echo '3.0 (native)' >debian/source/format
{
	echo "natpcpd ($version) unstable; urgency=medium"
	echo
	echo "  * Version $version."
	echo
	echo " -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -u -R -d "@$date")"
} >debian/changelog
# the names that programs may be linked with, and since when; a name that goes away makes the build fail
{
	echo 'libnatpcp.so.0 libnatpcp0 #MINVER#'
	echo '* Build-Depends-Package: libnatpcp-dev'
	sed -n 's/^\(LIBNATPCP_[0-9]*\) {$/ \1@\1 0.1/p; s/^\t\(natpcp_.*\);$/ \1@LIBNATPCP_0 0.1/p' codec/libnatpcp.map
} >debian/libnatpcp0.symbols
SOURCE_DATE_EPOCH=$date dpkg-buildpackage -us -uc "$@" >"$out/build.log" 2>&1 || {
	tail -n 20 "$out/build.log" >&2
	echo "deb: all of it is in $out/build.log" >&2
	exit 1
}
cd "$out"
ls -1 *"_$version"_*.deb "natpcpd_$version.dsc"
