#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""PCP PEER with packets: flows that are idle for longer than the kernel keeps them, and flows that are there already."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, LAN, LAN2, LAN6, WAN, WAN2, WAN6, conf, probe, wait
from pcp import NOT_AUTHORIZED, SUCCESS, TCP, UDP

IDLE = 2  # seconds for which the router's kernel keeps an idle flow of UDP


def peer(c, protocol, internal, remote, external=0, lifetime=600, **options):
    n = options.pop('nonce', c.nonce)
    return c.ask(pcp.pcp_peer(c.address, n, protocol, internal, *remote, external, lifetime=lifetime, **options))


def impatient(net):
    for key in ('nf_conntrack_udp_timeout', 'nf_conntrack_udp_timeout_stream'):
        net.sh('gw', 'sysctl', '-qw', f'net.netfilter.{key}={IDLE}')


def flows(net, internal, remote, protocol='udp'):
    """What the kernel tracks between the two, a line each."""
    lines = net.run('gw', 'conntrack', '-L', '-p', protocol, '--orig-port-src', str(internal)).stdout.splitlines()
    lines += net.run('gw', 'conntrack', '-L', '-p', protocol, '--orig-port-src', str(remote)).stdout.splitlines()
    return lines


def forgotten(net, internal, remote):
    wait(lambda: not flows(net, internal, remote), IDLE + 30)


def passes(source, target, at, text):
    source.sendto(text, target)
    data, sender = at.recvfrom(100)
    assert data == text, data
    return sender[:2]


def test_idle(net):
    """A UDP flow that was idle beyond the kernel's own timeout passes in both directions, with its port outside

    6887-12.3-06, 6887-12.3-12: for longer than a flow of its own would live; 6887-12-02: to and from its peer only
    """
    impatient(net)
    net.daemon()
    c = net.client()
    r = peer(c, UDP, 4000, (WAN, 7000), 40000)
    assert (r.result, r.opcode, r.external, r.address, r.lifetime) == (SUCCESS, pcp.PEER, 40000, EXT, 600), vars(r)
    assert (r.remote, r.remote_port, r.protocol, r.internal) == (WAN, 7000, UDP, 4000), vars(r)
    inside, outside = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    for text in (b'one', b'two'):
        assert passes(inside, (WAN, 7000), outside, text) == (EXT, 40000)
        assert passes(outside, (EXT, 40000), inside, b'back ' + text) == (WAN, 7000)
        forgotten(net, 4000, 7000)
    # the other end first
    assert passes(outside, (EXT, 40000), inside, b'are you there?') == (WAN, 7000)
    assert passes(inside, (WAN, 7000), outside, b'yes') == (EXT, 40000)
    forgotten(net, 4000, 7000)
    assert net.closed((EXT, 40000), source=(WAN, 7001)) and net.closed((EXT, 40000), source=(WAN2, 7000))
    assert passes(inside, (WAN2, 7000), net.udp('wan', WAN2, 7000), b'another') == (EXT, 4000)


def test_ends(net):
    """When the lifetime is over the way is closed, and an idle flow gets another port; one with traffic goes on

    6887-12.3-14, 6887-12.3-13
    """
    net.daemon(conf(lifetime='lifetime { min = 1  max = 86400 }'))
    c = net.client()
    empty = net.elements()
    inside, outside = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    busy, other = net.udp('lan', LAN, 4001), net.udp('wan', WAN, 7001)
    assert peer(c, UDP, 4000, (WAN, 7000), 40000, lifetime=8).lifetime == 8
    assert peer(c, UDP, 4001, (WAN, 7001), 40001, lifetime=8).lifetime == 8
    assert passes(inside, (WAN, 7000), outside, b'one') == (EXT, 40000)
    passes(busy, (WAN, 7001), other, b'tick')

    def over():
        assert passes(busy, (WAN, 7001), other, b'tick') == (EXT, 40001)
        assert passes(other, (EXT, 40001), busy, b'tock') == (WAN, 7001)
        return net.elements() == empty
    wait(over, 40)
    # what was idle for long, the kernel has forgotten
    for direction in ('--orig-port-src', '--orig-port-dst'):
        net.run('gw', 'conntrack', '-D', '-p', 'udp', direction, '7000')
    assert not flows(net, 4000, 7000)
    assert net.closed((EXT, 40000), source=(WAN, 7000))
    assert passes(inside, (WAN, 7000), outside, b'two') == (EXT, 4000)
    assert passes(other, (EXT, 40001), busy, b'tock') == (WAN, 7001)


def test_existing(net):
    """A flow that is there: its port is told whatever is suggested, and kept beyond the flow (6887-12.3-05, 6887-12.3-09)"""
    net.daemon()
    first, inside, outside = net.udp('lan2', LAN2, 4000), net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    passes(first, (WAN, 7000), outside, b'first')
    sender = passes(inside, (WAN, 7000), outside, b'second')
    assert sender[0] == EXT and sender[1] != 4000, sender
    c = net.client()
    r = peer(c, UDP, 4000, (WAN, 7000), 44444, address='203.0.113.77')
    assert (r.result, r.address, r.external, r.lifetime) == (SUCCESS, *sender, 600), vars(r)
    # the nonce is remembered (6887-12.3-10)
    r = peer(c, UDP, 4000, (WAN, 7000), nonce=pcp.nonce())
    assert r.result == NOT_AUTHORIZED and 590 <= r.lifetime <= 600, vars(r)
    impatient(net)
    assert passes(inside, (WAN, 7000), outside, b'third') == sender
    forgotten(net, 4000, 7000)
    assert passes(outside, sender, inside, b'later') == (WAN, 7000)
    forgotten(net, 4000, 7000)
    assert passes(inside, (WAN, 7000), outside, b'and later') == sender


def test_existing_inbound(net):
    """A flow that came in by a mapping is found from the inside, too (6887-12.3-05)"""
    net.daemon()
    c = net.client()
    assert c.map(UDP, 4000, 40000).external == 40000
    inside, outside = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    passes(outside, (EXT, 40000), inside, b'hello')
    r = peer(c, UDP, 4000, (WAN, 7000), 44444)
    assert (r.result, r.external) == (SUCCESS, 40000), vars(r)


def session(net):
    server, client = probe.tcp(net.ns('wan'), WAN, 7000), probe.tcp(net.ns('lan'), LAN, 4000)
    net.sockets += [server, client]
    server.listen(1)
    client.connect((WAN, 7000))
    connection, sender = server.accept()
    connection.settimeout(lab.SOON_S)
    net.sockets.append(connection)
    return client, connection, sender


def test_tcp(net):
    """TCP: PEER before connect; the connection's port is the one that was told, and it ends as ever

    6887-12.3-06, 6887-12.3-15: a connection that was closed goes by the kernel's own timers
    6887-12.1-02, 6887-12.3-11: lifetime 0 and 1 tell how long the kernel keeps it, and end nothing
    """
    net.daemon()
    c = net.client()
    assert peer(c, TCP, 4000, (WAN, 7000), 40000).external == 40000
    client, connection, sender = session(net)
    assert sender == (EXT, 40000)
    for lifetime in (0, 1):
        r = peer(c, TCP, 4000, (WAN, 7000), lifetime=lifetime)
        assert (r.result, r.external) == (SUCCESS, 40000), vars(r)
        if lifetime:
            assert 400000 < r.lifetime <= 432000, vars(r)
    client.sendall(b'hello')
    assert connection.recv(100) == b'hello'
    client.close()
    assert connection.recv(100) == b''
    connection.close()
    wait(lambda: any('TIME_WAIT' in x for x in flows(net, 4000, 7000, 'tcp')))


def test_recreated(net):
    """A TCP session outlives a router that forgot everything, by PEER with the port it had (6887-10.4-01)"""
    d = net.daemon()
    c = net.client()
    assert peer(c, TCP, 4000, (WAN, 7000), 40000).external == 40000
    client, connection, sender = session(net)
    assert d.stop() == 0
    net.nft('delete table inet natpcpd')
    net.sh('gw', 'conntrack', '-F')
    net.daemon()
    r = peer(c, TCP, 4000, (WAN, 7000), sender[1], address=sender[0])
    assert (r.result, r.external) == (SUCCESS, 40000), vars(r)
    client.sendall(b'still here')
    assert connection.recv(100) == b'still here'
    connection.sendall(b'so am I')
    assert client.recv(100) == b'so am I'


def test_forgotten_flow(net):
    """The kernel forgot the connection, the mapping is there: what the other end sends gets in, and no RST (6887-10.4-03)"""
    net.daemon()
    c = net.client()
    assert peer(c, TCP, 4000, (WAN, 7000), 40000).external == 40000
    client, connection, sender = session(net)
    net.sh('gw', 'conntrack', '-F')
    connection.sendall(b'anybody there?')
    assert client.recv(100) == b'anybody there?'
    client.sendall(b'yes')
    assert connection.recv(100) == b'yes'


def test_ipv6(net):
    """IPv6: a pinhole for one peer, also after idle times (6887-12.3-06)"""
    impatient(net)
    net.daemon()
    c = net.client(server=lab.GW6, source=LAN6)
    r = peer(c, UDP, 4000, (WAN6, 7000), address='::')
    assert (r.result, r.external, r.address) == (SUCCESS, 4000, LAN6), vars(r)
    inside, outside = net.udp('lan', LAN6, 4000), net.udp('wan', WAN6, 7000)
    assert passes(outside, (LAN6, 4000), inside, b'one') == (WAN6, 7000)
    assert passes(inside, (WAN6, 7000), outside, b'two') == (LAN6, 4000)
    assert net.closed((LAN6, 4000), source=(WAN6, 7001)) and net.closed((LAN6, 4001), source=(WAN6, 7000))


def test_restart(net):
    """A restart takes them over: the way stays open, its host renews it, and leases tell the peer"""
    impatient(net)
    d = net.daemon()
    c = net.client()
    inside, outside = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    assert peer(c, UDP, 4000, (WAN, 7000), 40000).external == 40000
    assert passes(inside, (WAN, 7000), outside, b'one') == (EXT, 40000)
    assert [x['peer'] for x in d.leases()] == [f'{WAN}:7000']
    assert f'{WAN}:7000' in d.ctl('leases').stdout
    n = net.elements()
    assert d.stop() == 0
    forgotten(net, 4000, 7000)
    assert passes(outside, (EXT, 40000), inside, b'two') == (WAN, 7000)
    d = net.daemon()
    assert net.elements() == n and [x['peer'] for x in d.leases()] == [f'{WAN}:7000']
    forgotten(net, 4000, 7000)
    assert passes(inside, (WAN, 7000), outside, b'three') == (EXT, 40000)
    assert net.client('lan2').ask(pcp.pcp_peer(LAN2, pcp.nonce(), UDP, 4000, WAN, 7000, 40000)).result == \
        pcp.CANNOT_PROVIDE_EXTERNAL
    r = peer(c, UDP, 4000, (WAN, 7000), 0, 900)
    assert (r.result, r.external, r.lifetime) == (SUCCESS, 40000, 900), vars(r)
    d.ctl('revoke', '--client', LAN)
    wait(lambda: not d.leases())


def test_user(net):
    """Flows are found by a daemon without root, and a MAP gets the place of a PEER (6887-11.3-22)"""
    net.daemon(conf(process='process { user = "nobody" }'))
    inside, outside = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    first = net.udp('lan2', LAN2, 4000)
    passes(first, (WAN, 7000), outside, b'first')
    sender = passes(inside, (WAN, 7000), outside, b'second')
    c = net.client()
    assert peer(c, UDP, 4000, (WAN, 7000)).external == sender[1] != 4000
    assert c.map(UDP, 4000, 41000).external == sender[1]
    net.through('lan', (LAN, 4000), sender, source=(WAN2, 0))


def test_off(net):
    """Switched off, it is refused and what it made ends; MAP works (6887-12-01)"""
    d = net.daemon()
    c = net.client()
    assert peer(c, UDP, 4000, (WAN, 7000)).result == SUCCESS
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    d.reload(conf(listen='listen "lan" { interfaces = { "br-lan" }  external = "wan"  peer = false }'))
    r = peer(c, UDP, 4000, (WAN, 7000))
    assert (r.result, r.lifetime) == (NOT_AUTHORIZED, 1800), vars(r)
    wait(lambda: [x['internal_port'] for x in d.leases()] == [4001])
    assert c.map(UDP, 4001, 40001).result == SUCCESS


lab.main(globals())
