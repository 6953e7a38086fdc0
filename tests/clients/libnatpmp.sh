#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libnatpmp.sh GATEWAY [PORT]      Debian: libnatpmp-dev, through a small program of ours.  NAT-PMP.
set -u
. "${0%/*}/common.sh"
[ -e /usr/include/natpmp.h ] || { echo 'libnatpmp-dev is not installed'; exit 77; }
needs cc
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
cc -O -Wall -o "$d/libnatpmp" "${0%/*}/libnatpmp.c" -lnatpmp || exit 2
"$d/libnatpmp" "${1:?gateway}" "${2:-18003}"
