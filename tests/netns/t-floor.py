#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings whose clients want an earlier end, with connections that go on."""
import os
import signal
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, GW6, LAN, LAN6, WAN, WAN6, conf, wait
from pcp import SUCCESS, TCP, UDP


class Flow:
    """Datagrams of a host outside to a mapping and back."""

    def __init__(self, net, local, target, outside=WAN):
        self.inside, self.outside = net.udp('lan', *local), net.udp('wan', outside, 0)
        self.outside.sendto(b'first', target)
        self.peer = self.inside.recvfrom(100)[1]
        self.target = target
        assert self.works()

    def works(self):
        self.inside.sendto(b'out', self.peer)
        if self.outside.recvfrom(100)[0] != b'out':
            return False
        self.outside.sendto(b'in', self.target)
        return self.inside.recvfrom(100)[0] == b'in'


def timeouts(net, stream, single=None):
    net.sh('gw', 'sysctl', '-qw', f'net.netfilter.nf_conntrack_udp_timeout_stream={stream}',
           f'net.netfilter.nf_conntrack_udp_timeout={single or stream}')


def left(net, *words):
    """How many seconds the connections with these words have, the longest of them; 0: there are none."""
    lines = [line.split() for line in net.sh('gw', 'cat', '/proc/net/nf_conntrack').splitlines()]
    return max([int(line[4]) for line in lines if all(w in line for w in words)], default=0)


def bounded(net, ask, *words):
    """The answer, whose lifetime is what the connections have left, rounded up."""
    before = left(net, *words)
    r = ask()
    after = left(net, *words)
    assert before > 0 and after <= r.lifetime <= before + 1, (before, r, after)
    assert r.result == SUCCESS
    return r


def test_delete(net):
    """No deletion takes a mapping from a connection that goes on: 6887-15-10, 6887-15-12, decision-06"""
    net.daemon()
    timeouts(net, 100)
    c = net.client()
    assert c.map(UDP, 4001, 40001).lifetime == 7200
    flow = Flow(net, (LAN, 4001), (EXT, 40001))
    r = bounded(net, lambda: c.map(UDP, 4001, 0, lifetime=0), f'dst={EXT}', 'dport=40001')
    assert r.external == 40001 and r.address == EXT, r
    assert flow.works()
    # whoever comes new is let in as well, until it ends by itself
    flow.inside.close()
    Flow(net, (LAN, 4001), (EXT, 40001))
    assert net.table().count('40001') == 2
    # with shorter timeouts and nothing sent, it ends
    timeouts(net, 2)

    def short():
        """What it is given, unless the flow has ended before it was asked for."""
        assert c.map(UDP, 4002, 40002).result == SUCCESS
        flow = Flow(net, (LAN, 4002), (EXT, 40002))
        flow.inside.close()
        return c.map(UDP, 4002, 0, lifetime=0).lifetime
    assert wait(short) <= 3
    wait(lambda: '40002' not in net.table())


def test_shorten(net):
    """No shorter lifetime than the time that the connections would have without a packet: 6887-15-11"""
    net.daemon(conf('lifetime { min = 1 }'))
    timeouts(net, 100)
    c = net.client()
    assert c.map(UDP, 4001, 40001).lifetime == 7200
    flow = Flow(net, (LAN, 4001), (EXT, 40001))
    bounded(net, lambda: c.map(UDP, 4001, 40001, lifetime=10), f'dst={EXT}', 'dport=40001')
    assert flow.works()
    # longer ones need not be asked about, and a lease never has more than it had
    begin = time.monotonic()
    assert c.map(UDP, 4001, 40001, lifetime=150).lifetime == 150
    timeouts(net, 1000)
    assert flow.works()
    left_s = c.map(UDP, 4001, 0, lifetime=0).lifetime
    assert 149 - (time.monotonic() - begin) <= left_s <= 150, left_s


def test_none(net):
    """Without a connection that its host has a part in, a mapping is deleted: 6887-15-12"""
    net.daemon()
    c = net.client()
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    r = c.map(UDP, 4001, 77, lifetime=0)
    assert (r.result, r.lifetime, r.external) == (SUCCESS, 0, 77), r
    assert '40001' not in net.table()
    # what nobody answers keeps nothing alive
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    stranger, host = net.udp('wan', WAN, 0), net.udp('lan', LAN, 4001)
    stranger.sendto(b'?', (EXT, 40001))
    assert host.recv(100) == b'?' and left(net, f'dst={EXT}', 'dport=40001') > 0
    assert c.map(UDP, 4001, 0, lifetime=0).lifetime == 0
    assert '40001' not in net.table()


def test_found(net):
    """Nothing is searched where nothing came about since the last time, and no connection overlooked (6887-15-10, 6887-15-12)"""
    d = net.daemon()
    timeouts(net, 100)
    c = net.client()

    def deleted(port):
        return c.map(UDP, port, 0, lifetime=0).lifetime == 0

    def quick():
        assert c.map(UDP, 3999, 39999).result == SUCCESS
        before = d.status()['flow_searches']
        assert deleted(3999)
        return d.status()['flow_searches'] == before
    wait(quick)
    flows = []
    for port in range(4000, 4003):
        assert c.map(UDP, port, port + 36000).result == SUCCESS
        flows.append(Flow(net, (LAN, port), (EXT, port + 36000)))
        assert not deleted(port)
    wait(quick)
    assert quick() and not deleted(4001) and not deleted(4000)
    # a mapping that comes and goes, and comes again
    assert c.natpmp(UDP, 4005, 40005).result == 0
    flows.append(Flow(net, (LAN, 4005), (EXT, 40005)))
    wait(quick)
    assert c.natpmp(UDP, 4005, 0, lifetime=0).lifetime == 0
    assert c.map(UDP, 4005, 40005).external == 40005
    assert quick() and not deleted(4005)
    assert all(f.works() for f in flows)


def test_outbound(net):
    """What a host began from its mapped port counts, and what it began from another does not (6887-15-10, 6887-15-12)"""
    net.daemon()
    timeouts(net, 100)
    c = net.client()
    host, free, peer = net.udp('lan', LAN, 4001), net.udp('lan', LAN, 4009), net.udp('wan', WAN, 7000)
    for port in (4001, 4002):
        assert c.map(UDP, port, port + 36000).result == SUCCESS
    for s in (host, free):
        s.sendto(b'out', (WAN, 7000))
        peer.sendto(b'back', peer.recvfrom(100)[1])
        assert s.recv(100) == b'back'
    bounded(net, lambda: c.map(UDP, 4001, 0, lifetime=0), f'src={LAN}', 'sport=4001', 'dport=7000')
    assert c.map(UDP, 4002, 0, lifetime=0).lifetime == 0


def test_tcp(net):
    """An established connection keeps its mapping for as long as it was granted: 6887-15-11"""
    net.daemon()
    c = net.client()
    begin = time.monotonic()
    assert c.map(TCP, 4000, 40000, lifetime=600).lifetime == 600
    inner, outer = lab.probe.tcp(net.ns('lan'), LAN, 4000), lab.probe.tcp(net.ns('wan'), WAN, 0)
    net.sockets += [inner, outer]
    inner.listen(1)
    outer.connect((EXT, 40000))
    peer = inner.accept()[0]
    net.sockets.append(peer)
    left_s = c.map(TCP, 4000, 0, lifetime=0).lifetime
    assert 599 - (time.monotonic() - begin) <= left_s <= 600, left_s
    outer.send(b'in')
    peer.settimeout(lab.SOON_S)
    assert peer.recv(10) == b'in'


def test_pinhole(net):
    """Pinholes have the same floor: 6887-15-10"""
    net.daemon()
    timeouts(net, 100)
    c = net.client(server=GW6)
    assert c.map(UDP, 4001, 4001, address='::').result == SUCCESS
    flow = Flow(net, (LAN6, 4001), (LAN6, 4001), outside=WAN6)
    assert 90 < c.map(UDP, 4001, 0, address='::', lifetime=0).lifetime <= 101
    assert flow.works()


def test_set(net):
    """A set of ports goes on for as long as any of them, from wherever it began (6887-15-11, 6887-15-12)"""
    net.daemon()
    timeouts(net, 100)
    c = net.client()

    def ports(first, lifetime=7200):
        r = c.map(UDP, first, lifetime=lifetime,
                  options=[pcp.option(pcp.PORT_SET, struct.pack('!HHB', 100, first, 0))])
        assert r.result == SUCCESS and (not r.lifetime or r.options), r
        return r.lifetime
    for first in (4000, 5000, 6000):
        assert ports(first) == 7200
    flow = Flow(net, (LAN, 4070), (EXT, 4070))
    host, peer = net.udp('lan', LAN, 5099), net.udp('wan', WAN, 7000)
    host.sendto(b'out', (WAN, 7000))
    peer.sendto(b'back', peer.recvfrom(100)[1])
    assert host.recv(100) == b'back'
    assert 90 < ports(4000, 0) <= 101
    assert 90 < ports(5000, 0) <= 101
    assert ports(6000, 0) == 0
    assert flow.works()


def test_natpmp(net):
    """NAT-PMP deletes at once, whatever goes on: decision-06, 6886-3.4-01"""
    net.daemon()
    timeouts(net, 100)
    c = net.client()
    assert c.natpmp(UDP, 4001, 40001).result == 0
    Flow(net, (LAN, 4001), (EXT, 40001))
    assert c.natpmp(UDP, 4001, 0, lifetime=0).lifetime == 0
    assert '40001' not in net.table()


def test_order(net):
    """What a host asks for first happens first, and it is asked for once though it is sent again (6887-15-12)"""
    d = net.daemon()
    c = net.client()
    lease = pcp.pcp_map(c.address, c.nonce, UDP, 4001, 40001)
    end = pcp.pcp_map(c.address, c.nonce, UDP, 4001, 40001, lifetime=0)
    for _ in range(5):
        assert c.ask(lease).lifetime == 7200
        for data in (end, end, end, lease):
            c.send(data)
        heard = [c.receive().lifetime]
        while heard[-1] != 7200:
            heard.append(c.receive().lifetime)
        assert heard in ([0, 7200], [0, 0, 7200], [0, 0, 0, 7200]), heard
        assert net.table().count('40001') == 2
    assert d.status()['dropped_full'] == 0
    # others do not wait
    other = net.client('lan2')
    c.send(end)
    assert other.map(UDP, 4001, 40009).result == SUCCESS
    assert c.receive().lifetime == 0


def test_reload(net):
    """What waits outlives a reload in which the sections are others (6887-15-12)"""
    d = net.daemon()
    c = net.client()
    more = '''listen "none" { interfaces = { "nowhere0" }  external = "wan" }
        listen "lan" { interfaces = { "br-lan" }  external = "wan" }'''
    for i in range(4):
        assert c.map(UDP, 4001, 40001).result == SUCCESS
        d.write(conf(listen=more) if i % 2 else conf())
        c.send(pcp.pcp_map(c.address, c.nonce, UDP, 4001, 0, lifetime=0))
        d.process.send_signal(signal.SIGHUP)
        assert c.receive().lifetime == 0
    assert d.status()['reloads'] > 0


if __name__ == '__main__':
    lab.main(globals())
