#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nmap.sh GATEWAY [PORT]      Debian: nmap (scripts nat-pmp-info, nat-pmp-mapport).  NAT-PMP.
set -u
. "${0%/*}/common.sh"
needs nmap
gw=${1:?gateway}; port=${2:-18010}; n=0
for proto in tcp udp; do
  out=$(nmap -n -Pn -sU -p 5351 --script nat-pmp-info,nat-pmp-mapport \
    --script-args "op=map,pubport=$port,privport=$port,protocol=$proto,lifetime=120" "$gw" 2>&1)
  m=$(sed -nE 's/.*Successfully mapped (tcp|udp) ([0-9.]+):([0-9]+) -> ([0-9.]+):([0-9]+).*/\1 ext=\2:\3 int=\4:\5/p' <<<"$out")
  if [ -z "$m" ]; then echo "nmap: no $proto mapping:"; echo "$out"; exit 1; fi
  grep -q 'WAN IP: ' <<<"$out" || { echo "nmap: nat-pmp-info got no WAN IP"; exit 1; }
  echo "MAPPED $m client=nmap"
  n=$((n + 1))
done
[ $n = 2 ]
