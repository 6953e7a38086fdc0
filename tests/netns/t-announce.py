#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Announcements, and a WAN that changes, goes and returns."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import functools
import select
import struct
import time

import lab
import pcp
from lab import EXT, EXT2, GW, GW6, LAN, conf, wait
from pcp import SUCCESS, TCP, UDP

V4, V6 = '224.0.0.1', 'ff02::1'


def hear(sockets, seconds, enough=lambda heard: False):
    """Announcements from now on: (seconds since now, group, decoded, sender)."""
    begin, offset, heard = time.monotonic(), time.time(), []
    while not enough(heard):
        left = begin + seconds - time.monotonic()
        ready, _, _ = select.select(list(sockets), [], [], max(left, 0))
        if not ready:
            break
        for s in ready:
            # the kernel says when it came, however late this is read
            data, ancillary, _, sender = s.recvmsg(2048, 64)
            whole, nanoseconds = struct.unpack('qq', ancillary[0][2][:16])
            heard.append((whole + nanoseconds / 1e9 - offset, sockets[s], pcp.decode(data), sender))
    return heard


def ears(net, side='lan'):
    return {net.listener(side, V4): V4, net.listener(side, V6): V6}


def of(heard, group, version):
    return [(t, r, sender) for t, g, r, sender in heard if g == group and r.version == version]


def copies(*kinds):
    """Enough is four copies of each kind."""
    return lambda heard: all(len(of(heard, g, v)) >= 4 for g, v in kinds)


EVERY = ((V4, 0), (V4, 2), (V6, 2))


class Late(Exception):
    """A copy came so much later than it was due, or after one that was, that the machine may have had something else to do."""


def schedule(heard, group, version):
    """The first four copies come 0, 250, 500 and 1000 ms apart, each with the seconds of its own time."""
    got = of(heard, group, version)
    assert len(got) >= 4, (group, version, got)
    gaps = [got[i + 1][0] - got[i][0] for i in range(3)]
    for gap, due in zip(gaps, (0.25, 0.5, 1.0)):
        if not due - 0.03 <= gap <= due + 0.35:
            raise Late((group, version, gaps))
    assert got[3][1].epoch - got[0][1].epoch in (1, 2), [r.epoch for _, r, _ in got]
    assert len({r.raw[:4] for _, r, _ in got[:4]}) == 1
    return got


def in_time(test):
    """A schedule that is right is kept by a machine that has the time for it, and once is enough; one that is wrong is kept never."""
    @functools.wraps(test)
    def repeated(net):
        for again in reversed(range(6)):
            try:
                return test(net)
            except Late:
                if not again:
                    raise
                for d in net.daemons:
                    d.stop()
                net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')
    return repeated


@in_time
def test_start(net):
    """At the start both forms are announced on the RFCs' schedule

    6886-3.2.1-01, 6886-3.2.1-05, 6886-3.2.1-06, 6886-3.2.1-08, 6886-3.2.1-09, 6886-3.2.1-11, 6887-14.1.3-02,
    6887-14.1.3-03, 6887-14.1.3-05, 6887-14.1.3-08, 6887-14.1.3-09, 6887-14.1.1-07
    """
    e = ears(net)
    begin = time.monotonic()
    net.daemon()
    heard = hear(e, 30, copies(*EVERY))
    took_s = time.monotonic() - begin + 1
    for _, r, sender in schedule(heard, V4, 0):
        assert (r.opcode, r.result, r.address, len(r.raw)) == (0, 0, EXT, 12), vars(r)
        assert sender[:2] == (GW, pcp.PORT), sender
        assert r.epoch <= took_s, (r.epoch, took_s)
    for _, r, sender in schedule(heard, V4, 2):
        assert (r.opcode, r.result, r.lifetime, len(r.raw)) == (pcp.ANNOUNCE, 0, 0, 24), vars(r)
        assert sender[:2] == (GW, pcp.PORT), sender
        assert r.epoch <= took_s, (r.epoch, took_s)
    for _, r, sender in schedule(heard, V6, 2):
        assert (r.opcode, r.result) == (pcp.ANNOUNCE, 0) and sender[1] == pcp.PORT, (vars(r), sender)
    assert not of(heard, V6, 0)


@in_time
def test_not_outside(net):
    """Announcements go out once on each network inside, never out of the WAN interface (6887-14.1-05, 6886-3.2.1-15)"""
    outside = net.listener('wan', V4), net.listener('wan', V6)
    e = ears(net)
    net.daemon()
    heard = hear(e, 30, copies(*EVERY))
    for kind in EVERY:
        # a second copy at the same time would break the schedule
        schedule(heard, *kind)
    ready, _, _ = select.select(outside, [], [], 0)
    assert not ready


def test_switches(net):
    """A protocol that is switched off is not announced"""
    e = ears(net)
    net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan" }  nat-pmp = false }'))
    heard = hear(e, 30, copies((V4, 2), (V6, 2)))
    assert len(of(heard, V4, 2)) >= 4 and not of(heard, V4, 0), heard


def changed_back(net, c):
    net.ip('gw', 'addr', 'add', EXT + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT2 + '/24', 'dev', 'wan0')
    wait(lambda: c.public().address == EXT)


def test_address_change(net):
    """Another WAN address: announced, PCP's epoch restarts and NAT-PMP's goes on, mappings move (6886-3.2.1-03, 6887-8.5-03)"""
    d = net.daemon()
    c, old = net.client(), net.client('lan2')
    assert c.map(UDP, 4000, 40000).address == EXT
    assert old.natpmp(TCP, 4001, 40001).external == 40001
    # c hears of its mapping, which would be taken for answers
    asks, old_asks = net.client(), net.client('lan2')
    asks.nonce = c.nonce

    def changed(now, then):
        # so that a restart of the epoch shows
        wait(lambda: asks.announce().epoch >= 3 and asks.public().epoch >= 3)
        before, e = asks.moments(), ears(net)
        net.ip('gw', 'addr', 'add', then + '/24', 'dev', 'wan0')
        net.ip('gw', 'addr', 'del', now + '/24', 'dev', 'wan0')
        heard = hear(e, 30, lambda h: copies(*EVERY)([x for x in h if x[2].version == 2 or x[2].address == then]))
        passed_s = time.monotonic() - before[0].end
        heard = [x for x in heard if x[2].version == 2 or x[2].address == then]
        assert of(heard, V4, 2)[0][1].epoch <= passed_s, (before, heard)
        assert of(heard, V4, 0)[0][1].epoch >= before[1].epoch, (before, heard)
        for kind in EVERY:
            schedule(heard, *kind)
    for again in reversed(range(6)):
        try:
            changed(EXT, EXT2)
            break
        except Late:
            if not again:
                raise
            changed_back(net, asks)
    r = asks.map(UDP, 4000, 40000)
    assert (r.result, r.external, r.address) == (SUCCESS, 40000, EXT2), vars(r)
    assert old_asks.public().address == EXT2
    net.through('lan', (LAN, 4000), (EXT2, 40000))
    net.through('lan2', ('192.0.2.12', 4001), (EXT2, 40001), 'tcp')
    assert {x['external_address'] for x in d.leases()} == {EXT2}


def test_mapping_update(net):
    """A client hears by unicast where its mapping went (6887-14.2-01, 6887-14.2-02)"""
    net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    updates = []
    while len(updates) < 3:
        r = c.receive()
        if r.opcode == pcp.MAP and r.result == SUCCESS and r.address == EXT2:
            updates.append(r)
            assert (r.nonce, r.protocol, r.internal, r.external) == (c.nonce, UDP, 4000, 40000), vars(r)
            assert c.heard[:2] == (GW, pcp.PORT) and 0 < r.lifetime <= 7200


def test_mapping_update_second_interface(net):
    """A client on the section's second interface hears it too, from the address that it asked (6887-14.2-03)"""
    net.ip('gw', 'link', 'set', 'lp2', 'nomaster')
    net.ip('gw', 'addr', 'add', '192.0.2.129/25', 'dev', 'lp2')
    net.ip('lan2', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
    net.ip('lan2', 'addr', 'add', '192.0.2.140/25', 'dev', 'eth0')
    net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan", "lp2" } }'))
    c = net.client('lan2', '192.0.2.129')
    assert c.map(UDP, 4000, 40000).address == EXT
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    for _ in range(3):
        r = c.receive()
        while r.address != EXT2:
            r = c.receive()
        assert (r.opcode, r.nonce, r.external) == (pcp.MAP, c.nonce, 40000), vars(r)
        assert c.heard[:2] == ('192.0.2.129', pcp.PORT), c.heard


def test_wan_lost(net):
    """No WAN address: NETWORK_FAILURE, leases stay; it returns: everything works again (6886-3.5-03, 6887-7.4-10, 6886-3.2-04)"""
    d = net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    net.ip('gw', 'addr', 'flush', 'dev', 'wan0', 'scope', 'global')

    def failing():
        r = c.public()
        return (r.result, r.address) == (3, '0.0.0.0')
    wait(failing)
    r = c.map(UDP, 4001, 40001)
    assert r.result == pcp.NETWORK_FAILURE and 0 < r.lifetime <= 60, vars(r)
    r = c.natpmp(TCP, 4001, 40001)
    assert (r.result, r.internal, r.external, r.lifetime) == (3, 4001, 0, 0), vars(r)
    assert len(d.leases()) == 1
    e = ears(net)
    net.ip('gw', 'addr', 'add', EXT + '/24', 'dev', 'wan0')
    net.ip('gw', 'route', 'replace', 'default', 'via', lab.WAN)
    wait(lambda: c.public().address == EXT)
    assert of(hear(e, 20, lambda h: of(h, V4, 0)), V4, 0)
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert c.map(UDP, 4001, 40001).external == 40001


def test_wan_interface_again(net):
    """The WAN interface goes and comes again under another index, as PPPoE does: mappings work on it"""
    net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    net.ip('gw', 'link', 'del', 'wan0')
    wait(lambda: c.public().result == 3)
    net.ip('gw', 'link', 'add', 'dummy7', 'type', 'bridge')
    net.ip('gw', 'link', 'add', 'wan0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', net.ns('wan'))
    net.ip('wan', 'link', 'set', 'eth0', 'up')
    net.ip('wan', 'addr', 'add', lab.WAN + '/24', 'dev', 'eth0')
    net.ip('gw', 'link', 'set', 'wan0', 'up')
    net.ip('gw', 'addr', 'add', EXT + '/24', 'dev', 'wan0')
    net.ip('gw', 'route', 'add', 'default', 'via', lab.WAN)
    wait(lambda: c.public().address == EXT)
    assert c.map(UDP, 4000, 40000).external == 40000
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_wan_late(net):
    """Started before the WAN has an address: it answers NETWORK_FAILURE, then works (6886-3.2.1-02)"""
    net.ip('gw', 'addr', 'flush', 'dev', 'wan0', 'scope', 'global')
    net.daemon()
    c = net.client()
    assert c.public().result == 3
    assert c.announce().result == SUCCESS
    e = ears(net)
    net.ip('gw', 'addr', 'add', EXT + '/24', 'dev', 'wan0')
    net.ip('gw', 'route', 'replace', 'default', 'via', lab.WAN)
    wait(lambda: c.public().address == EXT)
    assert of(hear(e, 20, lambda h: any(r.address == EXT for _, r, _ in of(h, V4, 0))), V4, 0)
    assert c.map(UDP, 4000, 40000).external == 40000
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_lan_late(net):
    """A listening interface that comes later is served and announced on"""
    net.ip('gw', 'addr', 'flush', 'dev', 'br-lan', 'scope', 'global')
    net.daemon()
    e = ears(net)
    net.ip('gw', 'addr', 'add', GW + '/24', 'dev', 'br-lan')
    c = net.client()

    def answered():
        try:
            return c.ask(pcp.natpmp_address(), 0.3).address == EXT
        except (TimeoutError, ConnectionRefusedError):
            return False
    wait(answered)
    assert hear(e, 20, lambda h: of(h, V4, 0))


def test_private_wan(net):
    """A private WAN address is refused unless the operator allows it: a mapping there would help nobody"""
    # a pool, so that no interface has such an address
    pool = 'external "wan" { interface = "wan0"  addresses = { "100.64.0.1" }  private-address = "%s" }'
    d = net.daemon(conf(external=pool % 'refuse'))
    c = net.client()
    assert c.public().result == 3
    assert c.map(UDP, 4000, 40000).result == pcp.NETWORK_FAILURE
    d.logged('100.64.0.1')
    d.stop()
    net.daemon(conf(external=pool % 'allow'))
    assert c.public().address == '100.64.0.1'
    assert c.map(UDP, 4000, 40000).result == SUCCESS


def test_pool(net):
    """A fixed outside address is used whatever the interface has"""
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.daemon(conf(external='external "wan" { interface = "wan0"  addresses = { "198.51.100.9" } }'))
    c = net.client()
    assert c.public().address == EXT2
    assert c.map(UDP, 4000, 40000).address == EXT2
    net.through('lan', (LAN, 4000), (EXT2, 40000))
    assert net.closed((EXT, 40000))


def test_ipv6_epoch(net):
    """IPv6 clients see the same epoch as IPv4 ones (6887-8.5-06)"""
    net.daemon()
    a, b = net.client(), net.client('lan', GW6)
    first, second, third = a.announce().epoch, b.announce().epoch, a.announce().epoch
    assert first <= second <= third, (first, second, third)


lab.main(globals())
