#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-nat-puncher.sh GATEWAY [PORT]   npm: nat-puncher.  PCP (PROTO=pmp for NAT-PMP), UDP.
# It guesses gateways (default route, then a list of common home addresses); GATEWAY has to be the default route.
# addMapping never looks at the result code (an error looks like a mapping), so this script also
# listens in on its sockets and believes it only when the answer carried SUCCESS.
set -u
. "${0%/*}/common.sh"
node_modules
gw=${1:?gateway}
default_route_is "$gw"
exec timeout "${WAIT:-60}" node - "$gw" "${2:-18070}" "${PROTO:-pcp}" <<'JS'
const [gw, port, proto] = [process.argv[2], +process.argv[3], process.argv[4]];
const dgram = require('dgram');
const make = dgram.createSocket;
let code = -1;
dgram.createSocket = function (...a) {
  const s = make.apply(dgram, a);
  s.on('message', (b, r) => { if (r.address === gw && r.port === 5351 && b.length >= 16) code = b[0] === 0 ? b.readUInt16BE(2) : b[3]; });
  return s;
};
const np = require('nat-puncher');
const f = proto === 'pmp' ? np.addMappingPmp : np.addMappingPcp;
f.call(np, port, port, 120).then((m) => {
  if (!m || !(m.externalPort > 0) || !(m.lifetime > 0) || code !== 0) {
    console.log(`nat-puncher: no mapping, result code ${code}, it believes in ${m && m.externalIp}:${m && m.externalPort}`);
    process.exit(1);
  }
  console.log(`MAPPED udp ext=${m.externalIp || '-'}:${m.externalPort} int=${m.internalIp}:${m.internalPort} lifetime=${m.lifetime} proto=${m.protocol} client=npm:nat-puncher`);
  process.exit(0);
}, (e) => { console.log('nat-puncher:', e); process.exit(1); });
JS
