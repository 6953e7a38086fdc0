#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that run through a mapping when it ends."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import craft
import lab
import probe
from lab import EXT, LAN, LAN6, WAN, WAN6, conf, wait
from pcp import SUCCESS, TCP, UDP


class Flow:
    """A connection from a host outside through a mapping, with something sent both ways."""

    def __init__(self, net, proto, local, target, outside=(WAN, 0)):
        self.proto = proto
        make = probe.udp if proto == UDP else probe.tcp
        inner, outer = net.ns('lan'), net.ns('wan')
        self.inside, self.outside = make(inner, *local), make(outer, *outside)
        net.sockets += [self.inside, self.outside]
        if proto == TCP:
            self.inside.listen(1)
        self.outside.connect(probe.resolve(outer, *target))
        if proto == TCP:
            self.inside, self.peer = self.inside.accept()
            self.inside.settimeout(lab.SOON_S)
            net.sockets.append(self.inside)
        else:
            self.outside.send(b'first')
            self.peer = self.inside.recvfrom(100)[1]
            self.inside.connect(self.peer)
        assert self.works(), 'no connection'

    def gets(self, source, sink, text, seconds):
        sink.settimeout(seconds)
        try:
            source.send(text)
            return sink.recv(100) == text
        except TimeoutError:
            return False

    def inward(self, seconds=lab.SOON_S):
        return self.gets(self.outside, self.inside, os.urandom(8), seconds)

    def outward(self, seconds=lab.SOON_S):
        return self.gets(self.inside, self.outside, os.urandom(8), seconds)

    def works(self):
        return self.inward() and self.outward()


def entries(net, *words):
    """The connections that the gateway knows of, those whose line has all the words."""
    lines = net.sh('gw', 'cat', '/proc/net/nf_conntrack').splitlines()
    return [line for line in lines if all(w in line.split() for w in words)]


def strict(net):
    """Connections are not picked up in their middle, so that what is cut cannot begin again as the host's own."""
    net.sh('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_loose=0')


def lasting(net):
    """What is not ended goes on for longer than any of this takes, also if nobody answers it."""
    net.sh('gw', 'sysctl', '-qw', *(f'net.netfilter.nf_conntrack_{x}=600' for x in (
        'udp_timeout', 'udp_timeout_stream', 'icmpv6_timeout')))
    # there if the kernel has a module for it
    net.run('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_gre_timeout=600')


def cut(net, flow, *words):
    wait(lambda: not entries(net, *words), what=f'no connection with {words}')
    assert not flow.inward(0.3)


def mapped(net, ask):
    assert ask(TCP, 4000, 40000).result == SUCCESS
    assert ask(UDP, 4001, 40001).result == SUCCESS
    return Flow(net, TCP, (LAN, 4000), (EXT, 40000)), Flow(net, UDP, (LAN, 4001), (EXT, 40001))


def test_revoked(net):
    """What the operator revokes ends with the connections that run through it, and no others"""
    strict(net)
    d = net.daemon()
    c = net.client()
    tcp, udp = mapped(net, c.map)
    assert c.map(UDP, 4002, 40002).result == SUCCESS
    other = Flow(net, UDP, (LAN, 4002), (EXT, 40002))
    d.ctl('revoke', 'tcp', EXT, '40000')
    cut(net, tcp, f'dst={EXT}', 'dport=40000')
    assert udp.works() and other.works()
    d.ctl('revoke', 'udp', EXT, '40001')
    cut(net, udp, f'dst={EXT}', 'dport=40001')
    assert other.works()
    d.logged('event=flows-ended')
    # of many at once, too, also those that have no connection
    for i in range(100):
        assert c.map(UDP, 5000 + i).result == SUCCESS
    assert c.map(TCP, 4003, 40003).result == SUCCESS
    tcp = Flow(net, TCP, (LAN, 4003), (EXT, 40003))
    d.ctl('revoke', '--all')
    cut(net, tcp, f'dst={EXT}', 'dport=40003')
    cut(net, other, f'dst={EXT}', 'dport=40002')


def test_outbound(net):
    """A connection that the host began from its mapped port ends with the mapping; one that used no mapping does not"""
    lasting(net)
    d = net.daemon()
    c = net.client()
    host = net.udp('lan', LAN, 4001)
    free = net.udp('lan', LAN, 4009)
    peer = net.udp('wan', WAN, 7000)
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    for s in (host, free):
        s.sendto(b'out', (WAN, 7000))
        text, seen = peer.recvfrom(100)
        assert seen[1] == (40001 if s is host else 4009), seen
        peer.sendto(b'back', seen)
        assert s.recv(100) == b'back'
    assert len(entries(net, f'src={LAN}', 'dport=7000')) == 2
    d.ctl('revoke', 'udp', EXT, '40001')
    wait(lambda: not entries(net, f'src={LAN}', 'sport=4001', 'dport=7000'))
    assert entries(net, f'src={LAN}', 'sport=4009', 'dport=7000')
    # what it sends from then on is a connection like any other
    host.sendto(b'again', (WAN, 7000))
    assert peer.recvfrom(100)[1][1] != 40001


def test_pinhole(net):
    """A revoked pinhole takes what came in by it, not what its host began"""
    strict(net)
    lasting(net)
    d = net.daemon()
    c = net.client(server=lab.GW6)
    assert c.map(UDP, 4001, 4001, address='::').result == SUCCESS
    flow = Flow(net, UDP, (LAN6, 4001), (LAN6, 4001), outside=(WAN6, 0))
    host, peer = net.udp('lan', LAN6, 4001), net.udp('wan', WAN6, 7000)
    host.sendto(b'out', (WAN6, 7000))
    peer.sendto(b'back', peer.recvfrom(100)[1])
    d.ctl('revoke', 'udp', LAN6, '4001')
    long = ':'.join(f'{int.from_bytes(socket.inet_pton(socket.AF_INET6, LAN6)[i:i + 2], "big"):04x}' for i in range(0, 16, 2))
    cut(net, flow, f'dst={long}', 'dport=4001', f'sport={flow.outside.getsockname()[1]}')
    assert entries(net, f'src={long}', 'sport=4001', 'dport=7000')


def test_all_ports(net):
    """A revoked mapping of all ports takes what came in by it; what another mapping still lets in goes on"""
    lasting(net)
    d = net.daemon(conf(rule='rule "hosts" { action = allow  wildcard = true }'))
    c, c2 = net.client(server=lab.GW6), net.client('lan2', server=lab.GW6)

    def ask(client, protocol, port=0):
        assert client.map(protocol, port, address='::').result == SUCCESS

    def long(address, key='dst='):
        octets = socket.inet_pton(socket.AF_INET6, address)
        return key + ':'.join(f'{int.from_bytes(octets[i:i + 2], "big"):04x}' for i in range(0, 16, 2))
    for protocol in (UDP, 47, craft.ICMP6):
        ask(c, protocol)
    ask(c, TCP, 4000)
    ask(c, UDP, 4002)
    ask(c2, 0)
    flows = {port: Flow(net, UDP, (LAN6, port), (LAN6, port), outside=(WAN6, 0)) for port in (1, 4001, 4002)}
    tcp = Flow(net, TCP, (LAN6, 4000), (LAN6, 4000), outside=(WAN6, 0))
    with craft.Wire(net) as wire:
        assert wire.passes(craft.ipv6(WAN6, LAN6, 47, b'\0\0\x08\0' + b'x' * 20))
        assert wire.passes(craft.icmp6(WAN6, LAN6, 128, 0, b'echo'))
    with craft.Wire(net, 'lan2') as wire:
        assert wire.passes(craft.udp((WAN6, 9), (lab.LAN26, 9)))
        assert wire.passes(craft.ipv6(WAN6, lab.LAN26, 50, b'x' * 20))
    d.ctl('revoke', 'udp', LAN6, 'all')
    cut(net, flows[1], long(LAN6), 'dport=1')
    cut(net, flows[4001], long(LAN6), 'dport=4001')
    assert flows[4002].works() and tcp.works()
    for protocol, number in (('47', '47'), (str(craft.ICMP6), '58')):
        assert entries(net, long(LAN6), number)
        d.ctl('revoke', protocol, LAN6, 'all')
        wait(lambda: not entries(net, long(LAN6), number))
    assert len(entries(net, long(WAN6, 'src='), long(lab.LAN26))) == 2
    d.ctl('revoke', 'all', lab.LAN26, 'all')
    wait(lambda: not entries(net, long(WAN6, 'src='), long(lab.LAN26)))
    assert tcp.works()


def test_forbidden(net):
    """What a new configuration forbids ends with its connections; what it allows sees nothing"""
    strict(net)
    d = net.daemon()
    tcp, udp = mapped(net, net.client().map)
    d.reload(conf(rule='rule "udp only" { action = allow  clients = { "192.0.2.0/24" }  protocols = { "udp" } }'))
    cut(net, tcp, f'dst={EXT}', 'dport=40000')
    assert udp.works()
    d.reload(conf('static "other" { protocol = "udp"  external-port = 40001  to = "192.0.2.12:80" }'))
    cut(net, udp, f'dst={EXT}', 'dport=40001')


def test_keep(net):
    """A mapping that expires or that its client deletes lets its connections go on, and lets no new ones in"""
    net.daemon(conf('lifetime { min = 1 }', backend='''backend {
        type = "nftables"  forward-chain = "inet filter forward"  natpmp-reset = false }'''))
    c = net.client()
    tcp, udp = mapped(net, c.natpmp)
    assert c.natpmp(UDP, 4001, 0, lifetime=0).lifetime == 0
    assert c.natpmp(TCP, 4000, 0, lifetime=1).lifetime == 1
    assert net.closed((EXT, 40001))
    wait(lambda: net.elements() == 2)  # the interfaces
    assert tcp.works() and udp.works()


def test_flush(net):
    """backend { expired-flows = flush } ends them"""
    strict(net)
    net.daemon(conf('lifetime { min = 1 }', backend='''backend {
        type = "nftables"  forward-chain = "inet filter forward"
        expired-flows = "flush"  natpmp-reset = false }'''))
    c = net.client()
    tcp, udp = mapped(net, c.natpmp)
    assert c.natpmp(UDP, 4001, 0, lifetime=0).lifetime == 0
    cut(net, udp, f'dst={EXT}', 'dport=40001')
    assert c.natpmp(TCP, 4000, 0, lifetime=1).lifetime == 1
    cut(net, tcp, f'dst={EXT}', 'dport=40000')


def test_moved(net):
    """With another outside address, a host that never stops sending gets it (6887-15-06)"""
    net.daemon()
    c = net.client()
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    host, peer = net.udp('lan', LAN, 4001), net.udp('wan', WAN, 7000)

    def seen():
        host.sendto(b'out', (WAN, 7000))
        return peer.recvfrom(100)[1]
    assert seen() == (EXT, 40001)
    net.ip('gw', 'addr', 'add', '198.51.100.77/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    net.ip('gw', 'route', 'replace', 'default', 'via', WAN)
    wait(lambda: seen()[0] == '198.51.100.77')


if __name__ == '__main__':
    lab.main(globals())
