#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings with filters: who gets in, and who does not, by the packets that are sent."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, EXT2, GW6, LAN, LAN2, LAN6, WAN, WAN2, WAN6, conf, wait
from pcp import EXCESSIVE_REMOTE_PEERS, MALFORMED_OPTION, SUCCESS, TCP, UDP, description, peers

FAR6 = '2001:db8:2::77'
NAMES = {TCP: 'tcp', UDP: 'udp'}


def ask(client, protocol=UDP, internal=4000, external=40000, *filters, result=SUCCESS, **options):
    r = client.map(protocol, internal, external, options=filters, **options)
    assert r.result == result, vars(r)
    return r


def admitted(net, source, target=(EXT, 40000), inner=(LAN, 4000), proto='udp'):
    """True if a new flow from there gets to the host inside; that nothing at all gets there, if not. What gets there and is not
    answered in that time is tried again."""
    def one():
        try:
            net.through('lan', inner, target, proto, source=source, timeout=0.3)
            return ['yes']
        except (AssertionError, OSError):
            return ['no'] if net.closed(target, proto, source=source) else None
    return wait(one) == ['yes']


def test_prefix(net):
    """Peers within the prefix get in, others do not; TCP and UDP (6887-13.3-02, 6887-13.3-03, 6887-13.3-13)"""
    net.daemon()
    c = net.client()
    for proto, name in NAMES.items():
        r = ask(c, proto, 4000, 40000, peers('203.0.113.77/24'))
        assert r.options == [(pcp.FILTER, peers('203.0.113.77/24')[4:])], r.options
        assert admitted(net, (WAN2, 0), proto=name)
        assert not admitted(net, (WAN, 0), proto=name)
        # 6887-13.3-17: a renewal keeps them, and repeats none
        assert ask(c, proto, 4000, 40000).options == []
        assert admitted(net, (WAN2, 0), proto=name) and not admitted(net, (WAN, 0), proto=name)
        # 6887-13.3-16: another network is added
        ask(c, proto, 4000, 40000, peers(WAN + '/32'))
        assert admitted(net, (WAN2, 0), proto=name) and admitted(net, (WAN, 0), proto=name)
        # 6887-13.3-21: in their place
        ask(c, proto, 4000, 40000, peers(), peers('198.51.100.64/26'), peers(WAN + '/32'))
        assert not admitted(net, (WAN2, 0), proto=name) and admitted(net, (WAN, 0), proto=name)
        # 6887-13.3-08: open for everybody
        ask(c, proto, 4000, 40000, peers())
        assert admitted(net, (WAN2, 0), proto=name) and admitted(net, (WAN, 0), proto=name)


def test_ports(net):
    """A port in a filter admits that source port only, 0 any; overlapping filters are a union

    6887-13.3-07, 6887-13.3-15, 6887-13.3-11
    """
    net.daemon()
    c = net.client()
    ask(c, UDP, 4000, 40000, peers('203.0.113.0/24', 5000))
    assert admitted(net, (WAN2, 5000)) and not admitted(net, (WAN2, 5001)) and not admitted(net, (WAN, 5000))
    # each flow has ports of its own, for one that was turned away is known to the router for half a minute;
    # a host with any port within networks with one port, at the edge of one of them
    ask(c, UDP, 4001, 40001, peers('203.0.113.2/31', 5000), peers(WAN2 + '/32'), peers('0.0.0.0/0', 5002))
    assert all(admitted(net, (WAN2, p), (EXT, 40001), (LAN, 4001)) for p in (4999, 5000, 5001, 5002, 1, 65535, 0))
    assert not admitted(net, (WAN, 5000), (EXT, 40001), (LAN, 4001))
    assert admitted(net, (WAN, 5002), (EXT, 40001), (LAN, 4001))
    # any address, any port: the filter that erratum 3891 drops
    ask(c, UDP, 4002, 40002, peers('0.0.0.0/0'))
    assert all(admitted(net, (w, 0), (EXT, 40002), (LAN, 4002)) for w in (WAN, WAN2))


def test_refusals(net):
    """What is refused changes nothing in the packet filter (6887-13.3-18, 6887-13.3-19, 6887-13.3-22, 6887-7.4-17)"""
    net.daemon(conf('limits { filters-per-mapping = 2 }'))
    c = net.client()
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    before = net.generation()
    ask(c, UDP, 4000, 40000, peers(WAN + '/32'), peers('198.51.100.64/26'), result=EXCESSIVE_REMOTE_PEERS)
    ask(c, UDP, 4000, 40000, peers(), peers('2001:db8::/32'), result=MALFORMED_OPTION)
    ask(c, UDP, 4000, 0, peers(), lifetime=0, result=MALFORMED_OPTION)
    assert net.generation() == before
    assert admitted(net, (WAN2, 0)) and not admitted(net, (WAN, 0))


def test_pinhole(net):
    """An IPv6 pinhole with a filter lets its peers in and nobody else (6887-13.3-02, 6887-13.3-03, 6887-13.3-10)"""
    net.daemon()
    net.ip('wan', 'addr', 'add', FAR6 + '/128', 'dev', 'eth0', 'nodad')
    c = net.client('lan', GW6)

    def gets_in(source, name='udp'):
        return admitted(net, source, (LAN6, 4000), (LAN6, 4000), name)
    for proto, name in NAMES.items():
        ask(c, proto, 4000, 4000, peers(WAN6 + '/128'), address='::')
        assert gets_in((WAN6, 0), name) and not gets_in((FAR6, 0), name)
        ask(c, proto, 4000, 4000, peers('2001:db8:2::70/124', 7000), address='::')
        assert gets_in((WAN6, 0), name) and gets_in((FAR6, 7000), name) and not gets_in((FAR6, 7001), name)
        ask(c, proto, 4000, 4000, peers(), address='::')
        assert gets_in((FAR6, 0), name)
        ask(c, proto, 4000, 4000, peers('2000::/3'), lifetime=0, address='::', result=MALFORMED_OPTION)
        net.forget()
        assert ask(c, proto, 4000, 0, lifetime=0, address='::').lifetime == 0
        assert not gets_in((FAR6, 0), name)


def test_firewall(net):
    """The same for IPv4 without translation"""
    net.daemon(conf(external='external "wan" { interface = "wan0"  nat = false }'))
    c = net.client()
    net.ip('wan', 'route', 'replace', '192.0.2.0/24', 'via', EXT)
    ask(c, UDP, 4000, 4000, peers(WAN2 + '/32'))
    assert admitted(net, (WAN2, 0), (LAN, 4000)) and not admitted(net, (WAN, 0), (LAN, 4000))


def test_end(net):
    """Deleted or expired, a filtered mapping leaves nothing behind, and the next one on its port starts open"""
    d = net.daemon(conf('lifetime { min = 1  hold = 0 }'))
    c = net.client()
    empty = net.elements()
    filters = [peers(WAN2 + '/32'), peers('203.0.113.0/24', 443), peers(WAN + '/32', 53)]
    ask(c, UDP, 4000, 40000, *filters)
    assert net.elements() > empty
    ask(c, UDP, 4000, 0, lifetime=0)
    assert net.elements() == empty
    ask(c, UDP, 4000, 40000, *filters, lifetime=1)
    wait(lambda: not d.leases() and net.elements() == empty)
    ask(c, UDP, 4000, 40000)
    assert admitted(net, (WAN, 0))


def test_renewal_keeps_flows(net):
    """While filters change and are renewed, a flow of a peer that stays admitted loses no packet, and an unfiltered
    mapping is none of their business"""
    net.daemon()
    c = net.client()
    ask(c, UDP, 4001, 40001)
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    inner, outer = net.udp('lan', LAN, 4000), net.udp('wan', WAN2, 7000)
    for i in range(20):
        ask(c, UDP, 4000, 40000, *((peers(f'203.0.113.{i}/32'), ) if i % 3 else (peers(), peers(WAN2 + '/32'))))
        # the first of each flow is what the filter judges
        outer = net.udp('wan', WAN2, 7001 + i)
        outer.sendto(b'%d' % i, (EXT, 40000))
        assert inner.recvfrom(64)[0] == b'%d' % i
    assert admitted(net, (WAN, 0), (EXT, 40001), (LAN, 4001))


def test_existing_flow(net):
    """A flow that was let in lives on when its peer is no longer admitted; a new one of it is not let in"""
    net.daemon()
    c = net.client()
    ask(c, UDP, 4000, 40000)
    inner, outer = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    outer.sendto(b'one', (EXT, 40000))
    assert inner.recvfrom(64)[0] == b'one'
    inner.sendto(b'answer', (WAN, 7000))
    assert outer.recvfrom(64) == (b'answer', (EXT, 40000))
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    outer.sendto(b'two', (EXT, 40000))
    assert inner.recvfrom(64)[0] == b'two'
    outer.close(), inner.close()
    assert not admitted(net, (WAN, 0))


def test_outbound(net):
    """A host with a filtered mapping talks to whom it likes, from the mapping's port, and is answered (6887-11-02)"""
    net.daemon()
    c = net.client()
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    inner, outer = net.udp('lan', LAN, 4000), net.udp('wan', WAN, 7000)
    inner.sendto(b'out', (WAN, 7000))
    data, source = outer.recvfrom(64)
    assert (data, source) == (b'out', (EXT, 40000))
    outer.sendto(b'back', source)
    assert inner.recvfrom(64)[0] == b'back'


def test_hairpin(net):
    """Around the hairpin it is the LAN host's own address that a filter admits or not"""
    net.daemon()
    c = net.client()
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))

    def around(seconds):
        inner, outer = net.udp('lan', LAN, 4000, timeout=seconds), net.udp('lan2', LAN2)
        outer.sendto(b'x', (EXT, 40000))
        try:
            return inner.recvfrom(64)[0] == b'x'
        except (TimeoutError, ConnectionRefusedError):
            return False
        finally:
            inner.close(), outer.close()
    assert not around(0.4)
    ask(c, UDP, 4000, 40000, peers(LAN2 + '/32'))
    assert around(lab.SOON_S)


def test_restart(net):
    """Filters outlive the daemon: it reads them from the packet filter, and knows them again (6887-13.3-17)"""
    d = net.daemon()
    c, c6 = net.client(), net.client('lan', GW6)
    ask(c, UDP, 4000, 40000, peers('203.0.113.0/24', 5000), peers(WAN2 + '/32'), peers('0.0.0.0/0', 53))
    ask(c6, TCP, 4000, 4000, peers('2001:db8:2::70/124', 443), address='::')
    ask(c, TCP, 4001, 40001)
    before = sorted((x['protocol'], tuple(sorted(x.get('filters', [])))) for x in d.leases())

    def listed():
        return {line.split(' expires ')[0].strip() for line in net.table().splitlines()
                if 'packets' not in line and 'chain journal-' not in line}
    table = listed()
    assert d.stop() == 0
    assert admitted(net, (WAN2, 5001)) and not admitted(net, (WAN, 5000))
    d = net.daemon()
    # what another filter covers is no longer told apart: 203.0.113.0/24 with a port holds more than one host, so it stays
    assert sorted((x['protocol'], tuple(sorted(x.get('filters', [])))) for x in d.leases()) == before
    assert listed() == table
    assert admitted(net, (WAN2, 5001)) and not admitted(net, (WAN, 5000)) and admitted(net, (WAN, 53))
    ask(net.client(), UDP, 4000, 40000, nonce=pcp.nonce())
    assert not admitted(net, (WAN, 5000)) and admitted(net, (WAN2, 5001))


def test_flushed(net):
    """A ruleset that is gone comes back with its filters"""
    d = net.daemon()
    c = net.client()
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    d.stop()
    net.nft('delete', 'table', 'inet', 'natpcpd')
    assert not admitted(net, (WAN2, 0))
    net.daemon()
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    assert admitted(net, (WAN2, 0)) and not admitted(net, (WAN, 0))


def test_moves(net):
    """Another address outside: the filters go along, and the client is told of them (6887-14.2-06)"""
    net.daemon()
    c = net.client(port=0)
    ask(c, UDP, 4000, 40000, peers(WAN2 + '/32'))
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    r = c.receive()
    assert (r.result, r.address, r.external) == (SUCCESS, EXT2, 40000), vars(r)
    assert r.options == [(pcp.FILTER, peers(WAN2 + '/32')[4:])]
    net.ip('gw', 'route', 'replace', 'default', 'via', WAN)
    assert admitted(net, (WAN2, 0), (EXT2, 40000)) and not admitted(net, (WAN, 0), (EXT2, 40000))


def test_description(net):
    """A text is shown to the operator, harmless whatever it is, and does not get into the kernel

    7220-3-07, 7220-3-09, 7220-3-12, 7220-3-05
    """
    d = net.daemon()
    c = net.client()
    r = ask(c, UDP, 4000, 40000, description('Tür \x1b[31m\n\x9b0m'))
    assert r.options == [(pcp.DESCRIPTION, 'Tür \x1b[31m\n\x9b0m'.encode())]
    assert [x['description'] for x in d.leases()] == ['Tür \x1b[31m\n\x9b0m']
    shown = d.ctl('leases').stdout
    assert 'Tür ' in shown and not any(ord(ch) < 32 and ch != '\n' or 0x7f <= ord(ch) < 0xa0 for ch in shown), shown
    assert len(shown.splitlines()) == 2
    assert 'Tür' not in net.table()
    ask(c, UDP, 4000, 40000, description('x' * 128))
    assert [x['description'] for x in d.leases()] == ['x' * 128]
    assert 'x' * 128 in d.ctl('leases').stdout
    ask(c, UDP, 4000, 40000, description(''))
    assert 'description' not in d.leases()[0] and 'DESCRIPTION' not in d.ctl('leases').stdout


def test_shown(net):
    """natpcpctl shows filters, in JSON and in the table"""
    d = net.daemon()
    ask(net.client(), UDP, 4000, 40000, peers('203.0.113.0/24', 443), peers(WAN + '/32'))
    ask(net.client('lan', GW6), TCP, 4000, 4000, peers('2001:db8:2::70/124', 443), address='::')
    assert sorted(x['filters'] for x in d.leases()) == [['2001:db8:2::70/124:443'], ['203.0.113.0/24:443', WAN + '/32']] \
        or sorted(x['filters'] for x in d.leases()) == [['203.0.113.0/24:443', WAN + '/32'], ['[2001:db8:2::70/124]:443']]
    assert '203.0.113.0/24:443' in d.ctl('leases').stdout


if __name__ == '__main__':
    lab.main(globals())
