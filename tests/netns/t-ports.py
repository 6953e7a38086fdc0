#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of ports (RFC 7753), seen by the packets that go through them."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, GW6, LAN, LAN2, LAN6, WAN, WAN2
from pcp import MALFORMED_REQUEST, SUCCESS, TCP, UDP


def elements(net):
    """Elements of mappings: without the names of interfaces."""
    return net.elements() - 2


def port_set(size, first, parity=0):
    return pcp.option(pcp.PORT_SET, struct.pack('!HHB', size, first, parity))


def ask(client, protocol, internal, size, external=0, lifetime=600, parity=0, **options):
    """The answer to a request for a set, with .first and .size as its option says; None, None without one."""
    r = client.map(protocol, internal, external, lifetime=lifetime, options=[port_set(size, internal, parity)], **options)
    return granted(r)


def granted(r):
    r.first = r.size = None
    for code, data in getattr(r, 'options', []):
        if code == pcp.PORT_SET:
            assert len(data) == 5
            r.size, r.first, flags = struct.unpack('!HHB', data)
    return r


def test_equal(net):
    """The same ports on both sides are one element: the first, a middle and the last one pass, their neighbours do not

    7753-4-10, 7753-4.2-14, 7753-4-02, 7753-4-06
    """
    net.daemon()
    c = net.client()
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        r = ask(c, proto, 50000, 32)
        assert (r.result, r.internal, r.external, r.address, r.first, r.size) == \
            (SUCCESS, 50000, 50000, EXT, 50000, 32), vars(r)
        for port in (50000, 50017, 50031):
            assert net.through('lan', (LAN, port), (EXT, port), name).inner[0] == WAN
        assert net.closed((EXT, 49999), name, timeout=0.3) and net.closed((EXT, 50032), name, timeout=0.3)
    table = net.table()
    assert f'udp . {EXT} . 50000-50031' in table and f'tcp . {LAN} . 50000-50031' in table, table
    assert elements(net) == 4, table
    # another host gets in to the same ports by the outside address, and so does the host itself
    net.through('lan', (LAN, 50003), (EXT, 50003), outer='lan2')
    net.through('lan', (LAN, 50003), (EXT, 50003), outer='lan')


def test_outbound(net):
    """A new flow from a port of the set leaves with that port, whatever masquerade follows (6887-11-03)"""
    net.daemon()
    c = net.client()
    assert ask(c, UDP, 50000, 4).size == 4
    for port in (50000, 50003):
        seen = net.through('wan', (WAN2, 7000), (WAN2, 7000), outer='lan', source=(LAN, port))
        assert seen.inner == (EXT, port), seen.inner
    # the other host has the same port, which is the first one's outside
    seen = net.through('wan', (WAN2, 7001), (WAN2, 7001), outer='lan2', source=(LAN2, 50000))
    assert seen.inner[0] == EXT


def test_pinhole(net):
    """For IPv6 a set is a range in the pinhole set"""
    net.daemon()
    c = net.client(server=GW6)
    r = ask(c, UDP, 6000, 100, address='::')
    assert (r.result, r.external, r.address, r.first, r.size) == (SUCCESS, 6000, LAN6, 6000, 100), vars(r)
    assert elements(net) == 1 and f'udp . {LAN6} . 6000-6099' in net.table(), net.table()
    for port in (6000, 6050, 6099):
        net.through('lan', (LAN6, port), (LAN6, port))
    assert net.closed((LAN6, 5999)) and net.closed((LAN6, 6100))
    net.forget()
    assert ask(c, UDP, 6000, 100, address='::', lifetime=0).result == SUCCESS
    assert elements(net) == 0 and net.closed((LAN6, 6050))


def test_shifted(net):
    """Where the same ports are not free, each of others is an element of its own, in the right order

    7753-4-10, 7753-4.2-09
    """
    net.daemon()
    assert ask(net.client('lan2'), UDP, 50000, 8).external == 50000
    c = net.client()
    r = ask(c, UDP, 50000, 8)
    assert (r.result, r.first, r.size) == (SUCCESS, 50000, 8) and r.external not in range(49993, 50008), vars(r)
    assert elements(net) == 2 + 16, net.table()
    for i in (0, 3, 7):
        net.through('lan', (LAN, 50000 + i), (EXT, r.external + i))
        net.through('lan2', (LAN2, 50000 + i), (EXT, 50000 + i))
        seen = net.through('wan', (WAN, 7000), (WAN, 7000), outer='lan', source=(LAN, 50000 + i))
        assert seen.inner == (EXT, r.external + i), seen.inner
    assert net.closed((EXT, r.external - 1)) and net.closed((EXT, r.external + 8))
    net.forget()
    assert ask(c, UDP, 50000, 8, lifetime=0).result == SUCCESS
    assert elements(net) == 2, net.table()
    assert net.closed((EXT, r.external)) and net.closed((EXT, r.external + 7))
    net.through('lan2', (LAN2, 50004), (EXT, 50004))


def test_end(net):
    """A set ends as a whole: by one request for one of its ports, in one transaction (7753-4.4-01)"""
    net.daemon()
    c = net.client()
    assert ask(c, UDP, 50000, 32).size == 32
    before = net.generation()
    r = granted(c.map(UDP, 50010, lifetime=0))
    assert (r.result, r.internal, r.first, r.size) == (SUCCESS, 50010, 50000, 32), vars(r)
    assert net.generation() == before + 1 and elements(net) == 0
    for port in (50000, 50010, 50031):
        assert net.closed((EXT, port), timeout=0.3)


def test_renewal(net):
    """A renewal keeps a flow, changes the time of the one element, and is one transaction (7753-4.4-01)"""
    net.daemon()
    c = net.client()
    assert ask(c, UDP, 50000, 32, lifetime=200).lifetime == 200
    before = net.generation()
    for i in range(10):
        c.send(pcp.pcp_map(LAN, c.nonce, UDP, 50000, 0, lifetime=300 + i, options=[port_set(32, 50000)]))
        net.through('lan', (LAN, 50031), (EXT, 50031), source=(WAN, 20000 + i))
        assert c.receive().result == SUCCESS
    assert net.generation() == before + 10 and elements(net) == 2
    assert all(250 < l['expires_in_s'] <= 310 for l in net.daemons[0].leases())


def test_restart(net):
    """What a daemon finds in the packet filter is a set again, and its client can renew it (7753-6.2-01)"""
    d = net.daemon()
    c, six = net.client(), net.client(server=GW6)
    assert ask(c, UDP, 50000, 32).size == 32 and ask(six, TCP, 6000, 10, address='::').size == 10
    assert ask(net.client('lan2'), UDP, 50000, 4).size == 4
    n = elements(net)
    assert d.stop() == 0 and elements(net) == n == 11
    net.through('lan', (LAN, 50031), (EXT, 50031))
    d = net.daemon()
    assert sorted((l['internal_port'], l.get('ports')) for l in d.leases() if l.get('ports')) == [(6000, 10), (50000, 32)]
    r = ask(c, UDP, 50000, 32)
    assert (r.result, r.external, r.first, r.size) == (SUCCESS, 50000, 50000, 32), vars(r)
    assert ask(six, TCP, 6005, 10, address='::').first == 6000
    assert elements(net) == n
    net.through('lan', (LAN, 50031), (EXT, 50031))
    d.ctl('revoke', '--all')
    assert elements(net) == 0


def test_views(net):
    """The operator sees a set as one lease with its ports"""
    d = net.daemon()
    c = net.client()
    assert ask(c, UDP, 50000, 32).size == 32
    l, = d.leases()
    assert (l['internal_port'], l['external_port'], l['ports']) == (50000, 50000, 32), l
    table = d.ctl('leases').stdout
    assert '50000-50031' in table, table
    d.logged(r'made.*internal=192\.0\.2\.11:50000.*ports=32')
    x = d.ctl('explain', LAN, 'udp', '50007').stdout
    assert '50000' in x, x
    assert d.ctl('revoke', 'udp', EXT, '50009').returncode == 0
    assert elements(net) == 0 and d.leases() == []


def test_stateless(net):
    """What is meant for algorithmic translators is malformed here (7753-5.2-01)"""
    net.daemon()
    r = ask(net.client(), 0, 1, 65535)
    assert r.result == MALFORMED_REQUEST, vars(r)
    assert elements(net) == 0


def test_listing_loads(net):
    """What nft prints of a set, nft can load"""
    d = net.daemon()
    assert ask(net.client(), UDP, 50000, 32).size == 32
    assert ask(net.client(server=GW6), UDP, 6000, 4, address='::').size == 4
    listing = net.table()
    d.stop()
    net.nft('delete', 'table', 'inet', 'natpcpd')
    # nft 1.0.6 prints flags that it cannot read
    net.nft('-f', '-', input='\n'.join(x for x in listing.split('\n') if x.strip() not in ('flags', 'flags owner')))
    assert elements(net) == 3, net.table()
    # the maps are the daemon's own again, not another version's
    net.daemon()
    assert elements(net) == 3


lab.main(globals())
