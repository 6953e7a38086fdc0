#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-pmp.sh GATEWAY [PORT]      npm: pmp (level451).  NAT-PMP, TCP only.
# It finds the gateway itself (`ip route` / netstat); GATEWAY has to be the default route.
set -u
. "${0%/*}/common.sh"
node_modules
needs netstat
gw=${1:?gateway}
default_route_is "$gw"
timeout 30 node - "$gw" "${2:-18035}" <<'JS' | grep '^MAPPED'
const pmp = require('pmp');
const port = +process.argv[3];
const die = (w, e) => { console.log('pmp:', w, JSON.stringify(e)); process.exit(1); };
pmp.findGateway('', (err, gw) => {
  if (err) die('gateway', err);
  pmp.portMap(gw, port, port, 120, 'x', (e, r) => {
    if (e || !r || !r.publicPort || !r.ttl) die('map', r || e);
    console.log(`MAPPED tcp ext=${r.externalIP || gw.externalIP}:${r.publicPort} int=:${r.privatePort} lifetime=${r.ttl} client=npm:pmp`);
    process.exit(0);
  });
});
JS
