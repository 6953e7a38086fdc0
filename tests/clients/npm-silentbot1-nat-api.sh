#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-silentbot1-nat-api.sh GATEWAY [PORT]     npm: @silentbot1/nat-api (webtorrent).  NAT-PMP from source port 5350.
# It finds the gateway itself (default route); GATEWAY only has to agree with that.
set -u
. "${0%/*}/common.sh"
node_modules
gw=${1:?gateway}
default_route_is "$gw"
exec timeout "${WAIT:-30}" node --input-type=module - "$gw" "${2:-18040}" <<'JS'
import NatAPI from '@silentbot1/nat-api';
const port = +process.argv[3];
const c = new NatAPI({ enablePMP: true, enableUPNP: false, ttl: 1200, autoUpdate: !!process.env.STAY });
const ok = await c.map({ publicPort: port, privatePort: port, protocol: null, ttl: 1200 }).catch((e) => { console.log('nat-api:', e.message); return false; });
if (!ok) { console.log('nat-api: not mapped'); process.exit(1); }
const ip = await c.externalIp().catch((e) => '-');
console.log(`MAPPED udp+tcp ext=${ip}:${port} int=:${port} client=npm:@silentbot1/nat-api`);
if (process.env.STAY) {
  await new Promise((r) => setTimeout(r, 1000 * process.env.STAY));
  await c.destroy();
}
process.exit(0);
JS
