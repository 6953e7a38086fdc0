#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# qbittorrent-nox.sh GATEWAY [PORT]    Debian: qbittorrent-nox (libtorrent-rasterbar).  PCP first, then NAT-PMP.
# Gateway = default route.  Waits for its log line about the mapping.
set -u
. "${0%/*}/common.sh"
needs qbittorrent-nox
gw=${1:?gateway} port=${2:-18100}
default_route_is "$gw"
d=$(mktemp -d); pid=
trap 'finish $pid; rm -rf "$d"' EXIT
mkdir -p "$d/qBittorrent/config"
cat >"$d/qBittorrent/config/qBittorrent.conf" <<C
[LegalNotice]
Accepted=true
[BitTorrent]
Session\Port=$port
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\PeXEnabled=false
Session\Encryption=0
[Network]
PortForwardingEnabled=true
[Preferences]
Connection\UPnP=true
WebUI\Enabled=true
WebUI\Address=127.0.0.1
WebUI\Port=18199
WebUI\UseUPnP=false
C
HOME=$d qbittorrent-nox --profile="$d" >"$d/out" 2>&1 & pid=$!
log=$d/qBittorrent/data/logs/qbittorrent.log
both() { [ "$(grep -c 'port mapping succeeded' "$log" 2>/dev/null)" -ge 2 ]; }
wait_for "${WAIT:-30}" both
grep -iE 'UPnP|NAT-PMP' "$log" 2>/dev/null | grep -v succeeded | sed 's/^/# /'
maps=$(sed -nE 's#.*port mapping succeeded.*mapped port using NAT-PMP\. local: ([^ ]+) external port: (TCP|UDP)/([0-9]+).*#MAPPED \2 ext=-:\3 int=\1:'"$port"' client=qbittorrent-nox#p' "$log" 2>/dev/null)
[ "$(wc -l <<<"$maps")" -ge 2 ] || { echo "qbittorrent: not both mapped:"; echo "$maps"; tail -n 5 "$d/out" "$log"; exit 1; }
echo "$maps"
hold
