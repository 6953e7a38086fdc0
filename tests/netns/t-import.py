#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcpctl import miniupnpd, on a router: exit codes, and the daemon runs with what it prints."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from lab import EXT, LAN, LAN2
from pcp import NOT_AUTHORIZED, SUCCESS, UDP


def test_import(net):
    """An imported miniupnpd.conf: the interface is found by its address, and the rules decide as they did"""
    path = os.path.join(net.dir, 'miniupnpd.conf')
    with open(path, 'w') as f:
        f.write('ext_ifname=wan0\nlistening_ip=192.0.2.1/24\nenable_pcp_pmp=yes\n'
                'deny 0-65535 192.0.2.12 0-65535\nallow 1024-65535 192.0.2.0/24 1024-65535\n'
                'deny 0-65535 0.0.0.0/0 0-65535\n')
    tool = os.path.join(lab.BUILD, 'natpcpctl')
    p = net.run('gw', tool, 'import', 'miniupnpd', path)
    assert p.returncode == 0 and p.stderr == '' and 'interfaces = { "br-lan" }' in p.stdout, p
    text = p.stdout.replace('#forward-chain', 'forward-chain') + \
        'journal { path = "" }\ncontrol { socket = "@DIR@/control.sock" }\nprocess { user = "" }\n'
    assert json.loads(net.sh('gw', tool, '--json', 'import', 'miniupnpd', path)) == {'schema': 1, 'conf': p.stdout}
    net.daemon(text)
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert net.client('lan2').map(UDP, 4000, 40001).result == NOT_AUTHORIZED, LAN2
    assert net.client().map(UDP, 80, 40002).result == NOT_AUTHORIZED
    for arguments, code in (('miniupnpd', path + '.none'), 1), (('miniupnpd', net.dir), 1), (('miniupnpd',), 2), \
            (('other', path), 2), ((), 2):
        p = net.run('gw', tool, 'import', *arguments)
        assert p.returncode == code and p.stdout == '' and p.stderr.startswith('natpcpctl: '), (arguments, p)


lab.main(globals())
