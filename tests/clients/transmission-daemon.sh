#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# transmission-daemon.sh GATEWAY [PORT]     Debian: transmission-daemon (libnatpmp).  NAT-PMP (and UPnP).
# Gateway = default route.  Waits until the daemon's own log says that the port is forwarded.
set -u
. "${0%/*}/common.sh"
needs transmission-daemon
gw=${1:?gateway} port=${2:-18090}
default_route_is "$gw"
d=$(mktemp -d); pid=
trap 'finish $pid; rm -rf "$d"' EXIT
mkdir "$d/dl"
cat >"$d/settings.json" <<J
{ "dht-enabled": false, "lpd-enabled": false, "utp-enabled": true, "pex-enabled": false,
  "download-dir": "$d/dl", "peer-port": $port, "port-forwarding-enabled": true,
  "rpc-enabled": false, "message-level": 3 }
J
transmission-daemon -f -g "$d" --log-debug >"$d/log" 2>&1 & pid=$!
wait_for "${WAIT:-30}" grep -qE '[Pp]ort [0-9]+ forwarded successfully' "$d/log"
grep -iE 'nat-pmp|natpmp|forward' "$d/log" | sed 's/^/# /' | head -20
ext=$(sed -nE 's/.*Found public address "([0-9.]+)".*/\1/p' "$d/log" | head -1)
m=$(sed -nE 's/.*[Pp]ort ([0-9]+) forwarded successfully.*/\1/p' "$d/log" | head -1)
[ -n "$m" ] || { echo "transmission: not forwarded"; tail -5 "$d/log"; exit 1; }
echo "MAPPED tcp ext=$ext:$m int=:$port client=transmission-daemon"
hold
