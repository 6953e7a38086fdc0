#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# natpcpc.sh GATEWAY [PORT]      our own client.  PCP (PROTO=natpmp for NAT-PMP).
set -u
. "${0%/*}/common.sh"
gw=${1:?gateway} port=${2:-18005} how=--pcp
[ "${PROTO:-pcp}" = pcp ] || how=--natpmp
for proto in udp tcp; do
	out=$("${BUILD:?}/natpcpc" -s "$gw" $how --json -l 120 map $proto "$port") || { echo "natpcpc: $out"; exit 1; }
	/usr/bin/python3 -c '
import json, sys
r = json.loads(sys.argv[1].splitlines()[-1])
print("MAPPED %s ext=%s:%d int=:%d lifetime=%d client=natpcpc" %
      (sys.argv[2], r["external_address"], r["external_port"], r["internal_port"], r["lifetime_s"]))' "$out" $proto || exit 1
done
