#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-port-mapper-pcp.sh GATEWAY [PORT]   npm: port-mapper (colocohen).  PCP over IPv4.
#   PROTO=natpmp for NAT-PMP instead; with an IPv6 GATEWAY it asks for a PCP pinhole over IPv6.
set -u
. "${0%/*}/common.sh"
node_modules
exec timeout "${WAIT:-60}" node --input-type=module - "${1:?gateway}" "${2:-18060}" "${PROTO:-pcp}" <<'JS'
import { createMapper } from 'port-mapper';
const [gw, port, proto] = [process.argv[2], +process.argv[3], process.argv[4]];
const family = gw.includes(':') ? 'ipv6' : 'ipv4';
const m = createMapper({ family, bindAddress: family === 'ipv6' ? '::' : '0.0.0.0', gateway: gw, protocols: [proto], lifetime: 120, checkLocalPort: false, cleanupOnExit: !!process.env.STAY, stun: false });
const die = (w, e) => { console.log('port-mapper:', w, e && e.message || e); process.exit(1); };
m.start((err) => {
  if (err) die('start', err);
  const todo = ['udp', 'tcp'];
  (function next() {
    const protocol = todo.shift();
    if (!protocol) { setTimeout(() => m.stop(() => process.exit(0)), 1000 * (process.env.STAY || 0)); return; }
    m.map({ internalPort: port, externalPort: port, protocol, lifetime: 120, checkLocalPort: false }, (e, r) => {
      if (e) die(protocol, e);
      if (!r.externalPort || r.via.indexOf(proto) !== 0) die('unexpected', JSON.stringify(r));
      console.log(`MAPPED ${r.protocol} ext=${r.externalIp}:${r.externalPort} int=:${r.internalPort} lifetime=${r.lifetime} via=${r.via} client=npm:port-mapper`);
      next();
    });
  })();
});
JS
