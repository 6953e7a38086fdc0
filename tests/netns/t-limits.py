#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Quotas, rates, and the memory backend for client tests."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import LAN, conf, wait
from pcp import SUCCESS, TCP, UDP


def test_quota(net):
    """A client's quota ends its creations, not its renewals and not others (6887-11.3-36, 6887-7.4-13, 6887-7.4-18)"""
    d = net.daemon(conf(rule='rule "hosts" { action = allow  mappings-max = 3 }'))
    a, b = net.client('lan'), net.client('lan2')
    for i in range(3):
        assert a.map(UDP, 4000 + i, 40000 + i).result == SUCCESS
    n = net.elements()
    r = a.map(UDP, 4003, 40003)
    assert r.result == pcp.USER_EX_QUOTA and 0 < r.lifetime <= 60 and r.external == 40003, vars(r)
    r = a.natpmp(TCP, 4003, 40003)
    assert (r.result, r.external, r.lifetime) == (4, 0, 0), vars(r)
    assert net.elements() == n
    assert a.map(UDP, 4000, 40000).result == SUCCESS
    assert b.map(UDP, 4000, 41000).result == SUCCESS
    assert a.map(UDP, 4000, 40000, 0).result == SUCCESS
    assert a.map(UDP, 4003, 40003).result == SUCCESS
    assert len(d.leases()) == 4


def test_rate(net):
    """Beyond the rate a client is not served; others are, and so is the client a moment later (6887-8.2-15)"""
    d = net.daemon(conf('limits { requests-per-second = 20  burst = 10 }'))
    a, b = net.client('lan'), net.client('lan2')
    begin = time.monotonic()
    with d.asleep():
        for _ in range(100):
            a.send(pcp.natpmp_address())
    wait(lambda: d.status()['datagrams'] == 100)
    took_s = time.monotonic() - begin
    answers = 0
    try:
        while True:
            a.receive(0.05)
            answers += 1
    except TimeoutError:
        pass
    # what came while it slept it has read within a moment
    assert 10 <= answers <= 30 + 20 * took_s, (answers, took_s)
    assert b.public().result == SUCCESS

    def served():
        try:
            return a.ask(pcp.natpmp_address(), 0.5).result == SUCCESS
        except TimeoutError:
            return False
    wait(served)


def test_port_range_full(net):
    """A full range of outside ports is an error to the client, and a freed port is given again to its last holder"""
    net.daemon(conf(rule='rule "hosts" { action = allow  external-ports = { "40000-40003" } }'))
    a, b = net.client('lan'), net.client('lan2')
    given = {a.map(UDP, 4000 + i).external for i in range(4)}
    assert given == {40000, 40001, 40002, 40003}, given
    r = b.map(UDP, 4000)
    assert r.result == pcp.NO_RESOURCES, vars(r)
    assert b.natpmp(UDP, 4000).result == 4
    first = a.map(UDP, 4000)
    assert a.map(UDP, 4000, 0, 0).result == SUCCESS
    # kept from others for a while (6887-15-13), not from its holder (6887-15-15)
    assert b.map(UDP, 4000).result == pcp.NO_RESOURCES
    assert a.map(UDP, 4000).external == first.external


def test_map_e(net):
    """Only the outside ports that are ours are given"""
    net.daemon(conf(external='external "wan" { interface = "wan0"  ports = { "5000-5015", "9000-9015" } }'))
    c = net.client()
    given = {c.map(UDP, 4000 + i, 4000 + i).external for i in range(32)}
    assert given == set(range(5000, 5016)) | set(range(9000, 9016)), given
    assert c.map(UDP, 4100).result == pcp.NO_RESOURCES
    net.through('lan', (LAN, 4000), (lab.EXT, c.map(UDP, 4000).external))


def test_lifetimes(net):
    """Lifetimes are kept within limits; NAT-PMP never gets more than it asked for (6886-3.3-32, 6887-15-01, 6887-15-02)"""
    net.daemon(conf('lifetime { min = 300  max = 1000 }',
                    rule='rule "b" { action = allow  clients = { "192.0.2.12" }  lifetime-max = 500 }\n'
                         'rule "a" { action = allow }'))
    a, b = net.client('lan'), net.client('lan2')
    assert [a.map(UDP, 4000, 40000, t).lifetime for t in (1, 400, 5000, 0xffffffff)] == [300, 400, 1000, 1000]
    assert [a.natpmp(UDP, 4001, 40001, t).lifetime for t in (1, 400, 5000, 0xffffffff)] == [1, 400, 1000, 1000]
    assert b.map(UDP, 4000, 0, 5000).lifetime == 500
    assert b.natpmp(UDP, 4001, 0, 5000).lifetime == 500


def memory(net, *args):
    """The memory backend as an ordinary user without any privilege, in a namespace without rules of ours."""
    return net.daemon(None, '-b', 'memory', *args, prefix=(
        'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'))


def test_memory_backend(net):
    """-b memory -l 127.0.0.1 serves as an ordinary user, without kernel state"""
    before = net.nft('list', 'ruleset')
    d = memory(net, '-l', '127.0.0.1')
    c = net.client('gw', '127.0.0.1')
    assert c.public().address == '198.51.100.1'
    assert c.natpmp(UDP, 4000, 40000).external == 40000
    r = c.map(TCP, 4001, 40001)
    assert (r.result, r.external, r.address) == (SUCCESS, 40001, '198.51.100.1'), vars(r)
    assert c.map(TCP, 4001, 40001, 0).result == SUCCESS
    assert c.announce().result == SUCCESS
    assert net.nft('list', 'ruleset') == before
    assert d.stop() == 0


def test_memory_address(net):
    """-e gives the outside address, -l another loopback address"""
    memory(net, '-l', '127.0.0.5', '-e', '203.0.113.77')
    c = net.client('gw', '127.0.0.5')
    assert c.public().address == '203.0.113.77'
    assert c.heard[:2] == ('127.0.0.5', pcp.PORT)
    assert c.map(UDP, 4000, 40000).address == '203.0.113.77'


lab.main(globals())
