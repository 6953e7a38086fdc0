#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-setup.sh DIR [all]   installs the npm clients into DIR, by name and exact version; no install script is run.
set -eu
d=$(realpath -m "${1:?directory}")
clients='nat-pmp@1.0.0 pmp@0.5.0 @silentbot1/nat-api@0.4.9 @achingbrain/nat-port-mapper@4.0.5 nat-puncher@0.1.8 port-mapper@0.1.3'
[ "${2:-}" != all ] || clients+=' @number0/iroh@0.35.0'
[ "$(cat "$d/installed" 2>/dev/null)" != "$clients" ] || exit 0
mkdir -p "$d"
cd "$d"
rm -f installed
[ -f package.json ] || echo '{"name":"natpcp-clients","private":true}' >package.json
# shellcheck disable=SC2086
timeout 180 npm install --no-audit --no-fund --ignore-scripts --fetch-retries 1 --cache "$d/cache" $clients >log 2>&1 || {
	echo "npm: $(grep -m 1 -iE 'err' log || tail -n 1 log)"
	exit 1
}
echo "$clients" >installed
