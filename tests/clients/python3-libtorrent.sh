#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# python3-libtorrent.sh GATEWAY [PORT]    Debian: python3-libtorrent (libtorrent-rasterbar, as in qBittorrent and Deluge).
# PCP first, NAT-PMP when the server answers 'unsupported version'.  Gateway = default route of each interface.
set -u
. "${0%/*}/common.sh"
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || { echo 'libtorrent is not installed'; exit 77; }
gw=${1:?gateway}
default_route_is "$gw"
exec timeout "${WAIT:-60}" /usr/bin/python3 - "$gw" "${2:-18080}" <<'PY'
import os, subprocess, sys, time
import libtorrent as lt
port = int(sys.argv[2])
me = [l for l in subprocess.check_output(['ip', '-o', 'route', 'get', sys.argv[1]], text=True).split()]
me = me[me.index('src') + 1]
s = lt.session({
    'listen_interfaces': '%s:%d' % (me, port),
    'enable_natpmp': True, 'enable_upnp': False, 'enable_dht': False, 'enable_lsd': False,
    'alert_mask': lt.alert.category_t.all_categories,
})
got, end, ext = {}, time.time() + float(os.environ.get('WAIT', 30)), '-'
while time.time() < end and len(got) < 2:
    s.wait_for_alert(500)
    for a in s.pop_alerts():
        n = type(a).__name__
        if n == 'portmap_log_alert':
            print('#', a.message())
        elif n == 'external_ip_alert':
            ext = a.external_address
        elif n == 'portmap_error_alert':
            print('# ERROR', a.message())
        elif n == 'portmap_alert':
            got[str(a.map_protocol)] = a.external_port
            print('MAPPED %s ext=%s:%d int=%s:%d client=libtorrent-%s' % (
                str(a.map_protocol).split('.')[-1], ext, a.external_port, me, port, lt.version))
ok = len(got) == 2 and all(got.values())
sys.stdout.flush()
if 'STAY' in os.environ:
    end = time.time() + float(os.environ['STAY'])
    while time.time() < end:
        s.wait_for_alert(500)
        s.pop_alerts()
    del s
os._exit(0 if ok else 1)      # without the destructor, which would delete the mappings again
PY
