#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-iroh.sh GATEWAY [SECONDS]   npm: @number0/iroh@0.35.0 (Rust: n0's portmapper crate, prebuilt addon).  PCP.
# It finds the gateway itself, probes NAT-PMP (address request), PCP (ANNOUNCE) and UPnP at once and,
# with its next network report (about 26 s after the start), maps its own QUIC/UDP port by PCP MAP.
# 1.x never gets that far without a relay service, so 0.35.0 is pinned.
set -u
. "${0%/*}/common.sh"
node_modules
gw=${1:?gateway}
default_route_is "$gw"
me=$(own_address "$gw")
exec timeout "${WAIT:-120}" node --no-deprecation - "$me" "${2:-70}" <<'JS'
const { Iroh } = require('@number0/iroh');
const [me, secs] = [process.argv[2], +process.argv[3]];
(async () => {
  const node = await Iroh.memory();
  const t0 = Date.now();
  for (;;) {
    const all = (await node.net.nodeAddr()).addresses;
    const mine = all.find((a) => a.startsWith(me + ':'));
    const ext = all.find((a) => !a.startsWith('[') && !a.startsWith(me + ':') && !a.startsWith('127.'));
    if (ext) {
      console.log(`MAPPED udp ext=${ext} int=${mine || '-'} client=npm:@number0/iroh after=${Math.round((Date.now() - t0) / 1000)}s`);
      process.exit(0);
    }
    if (Date.now() - t0 > secs * 1000) { console.log('iroh: no outside address, only', all.join(' ')); process.exit(1); }
    await new Promise((r) => setTimeout(r, 500));
  }
})();
JS
