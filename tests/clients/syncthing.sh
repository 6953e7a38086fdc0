#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# syncthing.sh GATEWAY       Debian: syncthing (jackpal/go-nat-pmp).  NAT-PMP: TCP 22000 to a random high port.
# Gateway = default route.  Waits for the line about its own new mapping.
set -u
. "${0%/*}/common.sh"
needs syncthing
gw=${1:?gateway}
default_route_is "$gw"
d=$(mktemp -d); pid=
trap 'finish $pid; rm -rf "$d"' EXIT
export HOME=$d STNODEFAULTFOLDER=1 STNOUPGRADE=1 STTRACE=nat,pmp STNORESTART=1
syncthing generate --home="$d/c" --no-default-folder --skip-port-probing >"$d/gen" 2>&1 || { cat "$d/gen"; exit 2; }
# nothing but NAT traversal: no announce, relays, usage or crash reports
sed -i -e 's#<globalAnnounceEnabled>true#<globalAnnounceEnabled>false#' \
  -e 's#<localAnnounceEnabled>true#<localAnnounceEnabled>false#' -e 's#<relaysEnabled>true#<relaysEnabled>false#' \
  -e 's#<crashReportingEnabled>true#<crashReportingEnabled>false#' -e 's#<urAccepted>0#<urAccepted>-1#' \
  -e 's#<startBrowser>true#<startBrowser>false#' -e 's#<autoUpgradeIntervalH>12#<autoUpgradeIntervalH>0#' "$d/c/config.xml"
syncthing serve --home="$d/c" --no-browser --no-restart --no-upgrade >"$d/log" 2>&1 & pid=$!
wait_for "${WAIT:-60}" grep -q 'New NAT port mapping' "$d/log"
m=$(sed -nE 's/.*New NAT port mapping: external TCP address ([^ ]+) to local address ([^ ]+)\.$/\1 \2/p' "$d/log" | head -1)
grep -iE 'nat|pmp' "$d/log" | cut -c1-160 | sed 's/^/# /' | head -20
[ -n "$m" ] || { echo "syncthing: no mapping"; tail -5 "$d/log"; exit 1; }
set -- $m
echo "MAPPED tcp ext=$1 int=$2 client=syncthing"
hold
