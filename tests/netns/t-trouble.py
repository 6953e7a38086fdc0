#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A packet filter that others keep from us for a while: no wrong success, and recovery."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import subprocess

import lab
import pcp
from lab import EXT, LAN, wait
from pcp import SUCCESS, TCP, UDP


def test_taken_table(net):
    """A table that another program takes and lets go: errors meanwhile, then all is back (6887-11.3-37, 6887-7.4-10, 6886-3.5-03)"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    d = net.daemon()
    a, b = net.client(), net.client('lan2')
    a.map(UDP, 4000, 40000)
    b.natpmp(UDP, 4100, 40100)
    n = net.elements()
    thief = subprocess.Popen(net.command('gw', 'nft', '-i'), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, text=True)
    thief.stdin.write('delete table inet natpcpd; add table inet natpcpd { flags owner; }\n')
    thief.stdin.flush()
    wait(lambda: 'flags owner' in net.table())
    for port in (4000, 4001):
        r = a.map(UDP, port, 36000 + port)
        assert (r.result, r.lifetime) == (pcp.NETWORK_FAILURE, 30), vars(r)
    for protocol in (UDP, TCP):
        r = b.natpmp(protocol, 4100, 40100)
        assert (r.result, r.external, r.lifetime) == (3, 0, 0), vars(r)
    assert sorted(x['external_port'] for x in d.leases()) == [40000, 40100]
    # the kernel removes the table with its owner, and says nothing
    thief.stdin.close()
    thief.wait()
    wait(lambda: net.elements() == n, 40)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert a.map(UDP, 4001, 40001).result == SUCCESS
    assert len(d.leases()) == 3


lab.main(globals())
