#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings, seen by the packets that go through them."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, LAN, LAN2, WAN, WAN2, conf, wait
from pcp import SUCCESS, TCP, UDP


def test_natpmp(net):
    """NAT-PMP maps TCP and UDP, and outside hosts get in (6886-3.3-14, 6886-3.3-15, 6886-3.9-02, 6886-3.9-03)"""
    net.daemon()
    c = net.client()
    r = c.public()
    assert (r.result, r.address) == (SUCCESS, EXT), vars(r)
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        r = c.natpmp(proto, 4000 + proto, 40000 + proto, 600)
        assert (r.result, r.internal, r.external, r.lifetime) == (SUCCESS, 4000 + proto, 40000 + proto, 600), vars(r)
        seen = net.through('lan', (LAN, r.internal), (EXT, r.external), name)
        assert seen.inner[0] == WAN, seen.inner
    assert net.closed((EXT, 40000 + UDP), 'tcp') and net.closed((EXT, 40000 + TCP), 'udp')


def test_pcp(net):
    """PCP MAP of TCP and UDP: the answer is true as soon as it is there

    6887-11.3-24, 6887-11.3-37, 6887-3-01, 6887-11.1-04, 6887-11.3-34
    """
    net.daemon()
    c = net.client()
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        r = c.map(proto, 4000 + proto, 40000 + proto)
        assert (r.result, r.nonce, r.protocol, r.internal, r.external, r.address) == \
            (SUCCESS, c.nonce, proto, 4000 + proto, 40000 + proto, EXT), vars(r)
        net.through('lan', (LAN, r.internal), (EXT, r.external), name)
        assert net.closed((EXT, r.external), 'tcp' if name == 'udp' else 'udp', timeout=0.3)
        # endpoint-independent: from any outside host (6887-11-02)
        net.through('lan', (LAN, r.internal), (EXT, r.external), name, source=(WAN2, 0))


def test_any_port(net):
    """Without a suggestion a port is chosen, and it works (6886-3.3-06, 6887-11.3-32)"""
    net.daemon()
    c = net.client()
    for i in range(8):
        r = c.natpmp(UDP, 5000 + i)
        assert r.result == SUCCESS and r.external, vars(r)
        net.through('lan', (LAN, 5000 + i), (EXT, r.external))


def test_renewal(net):
    """A renewal keeps the port whatever is suggested, and the elements are not doubled (6886-3.3-22, 6887-11.3-20)"""
    net.daemon()
    c = net.client()
    first = c.map(UDP, 4000, 40000)
    n = net.elements()
    again = c.map(UDP, 4000, 41000)
    assert (again.result, again.external) == (SUCCESS, first.external), vars(again)
    assert net.elements() == n > 0
    assert c.natpmp(TCP, 4001, 40001).external == 40001
    assert c.natpmp(TCP, 4001, 41001).external == 40001
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_renewal_keeps_flow(net):
    """A renewal leaves no gap: a flow goes on through it, and new ones come in all the time"""
    net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    for i in range(30):
        c.send(pcp.pcp_map(LAN, c.nonce, UDP, 4000, 40000, lifetime=200 + i))
        net.through('lan', (LAN, 4000), (EXT, 40000), source=(WAN, 20000 + i))
        assert c.receive().result == SUCCESS


def outbound(net, proto):
    make = getattr(lab.probe, proto)
    with make(net.ns('wan'), WAN2, 7777) as server, make(net.ns('lan'), LAN, 4000) as client:
        if proto == 'tcp':
            server.listen(1)
            client.connect((WAN2, 7777))
            connection, peer = server.accept()
            connection.close()
            return peer
        client.sendto(b'hello', (WAN2, 7777))
        return server.recvfrom(100)[1]


def test_outbound(net):
    """A new flow from a mapped port to a new remote leaves with the mapping's port (6886-3.9-04, 6887-11-03)"""
    net.daemon()
    c = net.client()
    assert c.map(UDP, 4000, 40000).external == 40000
    assert c.map(TCP, 4000, 40000).external == 40000
    for proto in ('udp', 'tcp'):
        assert outbound(net, proto) == (EXT, 40000), proto


def test_outbound_unmapped(net):
    """A flow from a port without a mapping is the operator's: his masquerade applies"""
    net.daemon()
    assert net.client().map(UDP, 4001, 40001).external == 40001
    assert outbound(net, 'udp') == (EXT, 4000)


def test_hairpin_other(net):
    """Another LAN host reaches the mapping by the outside address (6886-4.3.4-01, 6886-4.3.4-02, 6887-3-03)"""
    net.daemon()
    c = net.client()
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        assert c.map(proto, 4000, 40000).external == 40000
        seen = net.through('lan', (LAN, 4000), (EXT, 40000), name, outer='lan2')
        assert seen.inner[0] not in (LAN, LAN2), seen.inner


def test_hairpin_self(net):
    """A host reaches its own mapping by the outside address (6886-4.3.4-01, 6887-3-03)"""
    net.daemon()
    c = net.client()
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        assert c.map(proto, 4000, 40000).external == 40000
        seen = net.through('lan', (LAN, 4000), (EXT, 40000), name, outer='lan')
        assert seen.inner[0] != LAN, seen.inner


def test_hairpin_mapped_source(net):
    """Two mapped hosts talk by their outside addresses, each seen with its mapping's port (6886-3.9-04)"""
    net.daemon()
    a, b = net.client(), net.client('lan2')
    assert a.map(UDP, 4000, 40000).external == 40000
    assert b.map(UDP, 4000, 40001).external == 40001
    seen = net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2', source=(LAN2, 4000))
    assert seen.inner == (EXT, 40001), seen.inner


def test_delete_natpmp(net):
    """NAT-PMP delete: answered right, elements gone, port closed (6886-3.4-07, 6886-3.4-08, 6886-3.4-09)"""
    net.daemon()
    c = net.client()
    empty = net.elements()
    c.natpmp(UDP, 4000, 40000)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    for _ in range(2):
        r = c.natpmp(UDP, 4000, 40000, 0)
        assert (r.result, r.internal, r.external, r.lifetime) == (SUCCESS, 4000, 0, 0), vars(r)
        assert net.elements() == empty, net.table()
    assert net.closed((EXT, 40000))


def test_delete_all_natpmp(net):
    """NAT-PMP delete-all takes one transport of one client (6886-3.4-16, 6886-3.4-17, 6886-3.4-21)"""
    d = net.daemon()
    a, b = net.client(), net.client('lan2')
    for i in range(3):
        a.natpmp(UDP, 4000 + i, 40000 + i)
    a.natpmp(TCP, 4000, 40010)
    b.natpmp(UDP, 4000, 40020)
    r = a.natpmp(UDP, 0, 0, 0)
    assert (r.result, r.internal, r.external, r.lifetime) == (SUCCESS, 0, 0, 0), vars(r)
    assert sorted((x['protocol'], x['external_port']) for x in d.leases()) == [('tcp', 40010), ('udp', 40020)]
    assert all(net.closed((EXT, 40000 + i)) for i in range(3))
    net.through('lan2', (LAN2, 4000), (EXT, 40020))
    net.through('lan', (LAN, 4000), (EXT, 40010), 'tcp')


def test_delete_pcp(net):
    """PCP delete with the nonce closes the port; with another nonce it is refused (6887-15.1-01, 6887-11.3-11)"""
    net.daemon()
    c = net.client()
    empty = net.elements()
    granted = c.map(TCP, 4000, 40000, 600)
    r = c.map(TCP, 4000, 40000, 0, nonce=pcp.nonce())
    assert r.result == pcp.NOT_AUTHORIZED and 0 < r.lifetime <= granted.lifetime, vars(r)
    net.through('lan', (LAN, 4000), (EXT, 40000), 'tcp')
    net.forget()
    r = c.map(TCP, 4000, 40000, 0)
    assert (r.result, r.lifetime, r.external) == (SUCCESS, 0, 40000), vars(r)
    assert net.elements() == empty, net.table()
    assert net.closed((EXT, 40000), 'tcp')


def test_expiry(net):
    """A mapping that is not renewed is gone when its lifetime is over (6886-3.4-01, 6887-3-05)"""
    d = net.daemon(conf('lifetime { min = 1  max = 3600 }'))
    c = net.client()
    empty = net.elements()
    assert c.natpmp(UDP, 4000, 40000, 3000).lifetime == 3000
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert c.natpmp(UDP, 4000, 40000, 1).lifetime == 1
    assert c.map(TCP, 4001, 40001, 1).lifetime == 1
    assert c.map(TCP, 4002, 40002, 3000).lifetime == 3000
    wait(lambda: len(d.leases()) == 1)
    net.through('lan', (LAN, 4002), (EXT, 40002), 'tcp')
    assert net.closed((EXT, 40000)) and net.closed((EXT, 40001), 'tcp')
    net.forget()
    assert c.map(TCP, 4002, 40002, 0).result == SUCCESS
    assert net.elements() == empty, net.table()


def test_expiry_without_daemon(net):
    """The kernel closes a port by itself when the daemon is dead: lifetime and at most 15 s of grace"""
    for _ in range(20):
        d = net.daemon(conf('lifetime { min = 1  max = 3600 }'))
        c = net.client()
        empty = net.elements()
        c.natpmp(UDP, 4000, 40000, 1)
        d.process.kill()
        d.end()
        # unless it has had the second that it takes to close it itself
        if net.elements() > empty:
            break
    left = [int(x) for x in re.findall(r'expires (\d+)s', net.table())]
    assert len(left) == 2 and max(left) <= 16, left
    net.through('lan', (LAN, 4000), (EXT, 40000))
    wait(lambda: net.elements() == empty, 40)
    assert net.closed((EXT, 40000))


def test_icmp_errors(net):
    """ICMP errors of mapped flows pass both ways, translated (6887-11-04)"""
    net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    # nobody listens on the inner port: the inner host's refusal has to reach the outside
    with lab.probe.udp(net.ns('wan'), WAN) as s:
        s.connect((EXT, 40000))
        s.send(b'x')
        try:
            s.recv(10)
            raise AssertionError('an answer from nobody')
        except ConnectionRefusedError:
            pass


def test_third_party_off(net):
    """Nobody maps for others unless the operator says so, by default

    6887-13.1-08, 6887-13.1-09, 6887-13.1-02, 6887-18.1-05, 6887-18.1.1-03, 6887-18.2-03
    """
    net.daemon()
    c = net.client()
    r = c.map(UDP, 4000, 40000, options=[pcp.third_party(LAN2)])
    assert (r.result, r.lifetime) == (pcp.UNSUPP_OPTION, 1800), vars(r)
    assert net.closed((EXT, 40000))


def test_third_party_on(net):
    """A host of the third-party list maps for another, and the packets go there (6887-11.3-03)"""
    net.daemon(conf('third-party { clients = { "192.0.2.12" } }'))
    c = net.client('lan2')
    r = c.map(UDP, 4000, 40000, options=[pcp.third_party(LAN)])
    assert r.result == SUCCESS and (pcp.THIRD_PARTY, pcp.sixteen(LAN)) in r.options, vars(r)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    r = net.client('lan').map(UDP, 4001, 40001, options=[pcp.third_party(LAN2)])
    assert r.result == pcp.UNSUPP_OPTION, vars(r)


def test_prefer_failure(net):
    """PREFER_FAILURE: the port that is taken or nothing; nothing stays behind (6887-11.3-31, 6887-7.3-11)"""
    net.daemon()
    a, b = net.client(), net.client('lan2')
    a.map(UDP, 4000, 40000)
    n = net.elements()
    r = b.map(UDP, 4000, 40000, options=[pcp.option(pcp.PREFER_FAILURE)])
    assert r.result == pcp.CANNOT_PROVIDE_EXTERNAL and r.external == 40000, vars(r)
    assert net.elements() == n
    r = b.map(UDP, 4000, 40001, options=[pcp.option(pcp.PREFER_FAILURE)])
    assert (r.result, r.external) == (SUCCESS, 40001), vars(r)
    net.through('lan2', (LAN2, 4000), (EXT, 40001))


def test_taken_port(net):
    """A port of another client is not given: another one is, and it works (6886-9.4-01, 6886-3.3-19, 6887-11.3-25)"""
    net.daemon()
    a, b = net.client(), net.client('lan2')
    assert a.natpmp(TCP, 80, 40080).external == 40080
    # the companion port too is kept for the holder (6886-3.3-16, 6886-3.3-17)
    for proto in (TCP, UDP):
        r = b.natpmp(proto, 80, 40080)
        assert r.result == SUCCESS and r.external not in (0, 40080), vars(r)
    assert a.natpmp(UDP, 81, 40080).external == 40080


lab.main(globals())
