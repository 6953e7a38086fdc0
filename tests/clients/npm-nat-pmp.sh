#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# npm-nat-pmp.sh GATEWAY [PORT]      npm: nat-pmp (TooTallNate).  NAT-PMP from source port 5350.
set -u
. "${0%/*}/common.sh"
node_modules
exec timeout "${WAIT:-20}" node - "${1:?gateway}" "${2:-18030}" <<'JS'
const natpmp = require('nat-pmp');
const [gw, port] = [process.argv[2], +process.argv[3]];
const c = natpmp.connect(gw);
const die = (m) => { console.log('nat-pmp:', m); process.exit(1); };
c.on('error', (e) => die(e.message));
c.externalIp((err, info) => {
  if (err) die('externalIp ' + err.message);
  const ip = info.ip.join('.');
  const todo = ['udp', 'tcp'];
  (function next() {
    const type = todo.shift();
    if (!type) { c.close(); process.exit(0); }
    c.portMapping({ type, private: port, public: 0 || port, ttl: 120 }, (e, m) => {
      if (e) die(type + ' ' + e.message);
      if (!m.public || !m.ttl || m.private !== port) die('bad answer ' + JSON.stringify(m));
      console.log(`MAPPED ${m.type} ext=${ip}:${m.public} int=:${m.private} lifetime=${m.ttl} epoch=${m.epoch} client=npm:nat-pmp`);
      next();
    });
  })();
});
JS
