#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# natpmpc.sh GATEWAY [PORT]      Debian: natpmpc (libnatpmp).  NAT-PMP, one UDP and one TCP mapping.
set -u
. "${0%/*}/common.sh"
needs natpmpc
gw=${1:?gateway}; port=${2:-18001}; ok=0
for proto in udp tcp; do
  out=$(natpmpc -g "$gw" -a 0 "$port" "$proto" 120 2>&1)   # its exit code alone is not trusted
  ip=$(sed -n 's/^Public IP address : //p' <<<"$out" | tail -1)
  m=$(sed -nE 's/^Mapped public port ([0-9]+) protocol (UDP|TCP) to local port ([0-9]+) liftime ([0-9]+).*/\1 \2 \3 \4/p' <<<"$out")
  if [ -z "$m" ]; then echo "natpmpc: no $proto mapping:"; echo "$out"; exit 1; fi
  set -- $m
  [ "$4" -gt 0 ] && [ "$1" -gt 0 ] || { echo "natpmpc: useless mapping: $m"; exit 1; }
  echo "MAPPED ${2,,} ext=$ip:$1 int=:$3 lifetime=$4 client=natpmpc"
  ok=$((ok + 1))
done
[ $ok = 2 ]
