#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# baresip.sh GATEWAY        Debian: baresip-core (its own NAT-PMP code, module natpmp).  NAT-PMP, UDP (RTP and RTCP).
# A SIP call is placed with medianat=natpmp: the INVITE only leaves once the mapping is there.
# PEER (default 198.51.100.2) is the far host; nobody has to answer there.
set -u
. "${0%/*}/common.sh"
needs baresip
gw=${1:?gateway} peer=${PEER:-198.51.100.2}
d=$(mktemp -d); pid=
trap 'finish $pid; rm -rf "$d"' EXIT
me=$(own_address "$gw")
cat >"$d/config" <<C
sip_listen $me:5060
module_path /usr/lib/baresip/modules
module g711.so
module ausine.so
module aufile.so
module_tmp account.so
module_app menu.so
module natpmp.so
natpmp_server $gw
audio_source ausine,400
audio_player aufile,$d/o.wav
audio_alert aufile,$d/a.wav
ausrc_srate 8000
auplay_srate 8000
rtp_ports 18120-18140
C
echo "<sip:me@$me>;regint=0;medianat=natpmp" >"$d/accounts"
: >"$d/contacts"
baresip -4 -f "$d" -v -e "/dial sip:you@$peer" -t 20 >"$d/log" 2>&1 & pid=$!
both() { [ "$(grep -c 'mapping granted' "$d/log")" -ge 2 ]; }
wait_for "${WAIT:-20}" both
grep -i natpmp "$d/log" | sed 's/^/# /' | head
ext=$(sed -nE 's/.*discovered External address: ([0-9.]+).*/\1/p' "$d/log" | head -1)
m=$(sed -nE "s/.*mapping granted for comp ([0-9]+): internal_port=([0-9]+), external_port=([0-9]+), lifetime=([0-9]+).*/MAPPED udp ext=$ext:\3 int=$me:\2 lifetime=\4 client=baresip/p" "$d/log" | sort -u)
[ -n "$m" ] || { echo "baresip: no mapping"; tail -8 "$d/log"; exit 1; }
echo "$m"
hold
