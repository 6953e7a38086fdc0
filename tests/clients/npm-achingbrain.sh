#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-achingbrain.sh GATEWAY [PORT]     npm: @achingbrain/nat-port-mapper (js-libp2p).  NAT-PMP from source port 5350.
set -u
. "${0%/*}/common.sh"
node_modules
exec timeout "${WAIT:-20}" node --input-type=module - "${1:?gateway}" "${2:-18050}" <<'JS'
import { pmpNat } from '@achingbrain/nat-port-mapper';
import os from 'node:os';
const [gw, port] = [process.argv[2], +process.argv[3]];
const me = Object.values(os.networkInterfaces()).flat().find((a) => a.family === 'IPv4' && !a.internal).address;
const g = pmpNat().getGateway ? pmpNat().getGateway(gw) : pmpNat(gw);
for (const protocol of ['udp', 'tcp']) {
  const m = await g.map(port, me, { protocol, externalPort: port, autoRefresh: !!process.env.STAY }).catch((e) => { console.log('nat-port-mapper:', e.message); process.exit(1); });
  if (!m.externalPort) { console.log('nat-port-mapper:', JSON.stringify(m)); process.exit(1); }
  const ip = await g.externalIp();
  console.log(`MAPPED ${m.protocol} ext=${ip}:${m.externalPort} int=${m.internalHost}:${m.internalPort} client=npm:@achingbrain/nat-port-mapper`);
}
if (process.env.STAY) {
  await new Promise((r) => setTimeout(r, 1000 * process.env.STAY));
  await g.stop();
}
process.exit(0);
JS
