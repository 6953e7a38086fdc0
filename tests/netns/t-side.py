#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests that come from the wrong side, from a wrong source, to a wrong address or in a wrong form: nobody is answered,
nothing is mapped, and a counter says so."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import craft
import forge
import lab
import pcp
from lab import EXT, EXT6, GW, GW6, LAN, LAN2, LAN6, WAN, WAN6, conf, wait
from pcp import PORT, SUCCESS, TCP, UDP

# the second LAN, which is listened on as well
GWB, LANB, GWB6, LANB6 = '203.0.113.1', '203.0.113.11', '2001:db8:3::1', '2001:db8:3::11'
OWN6 = 'fe80::5eff:fe00:5301'  # br-lan's link-local address
ROUTERS6 = '2001:db8:1::'      # the subnet-router anycast address
MAPPED, MAPPED_GW = '::ffff:' + LAN, '::ffff:' + GW

# What counts a packet that is not answered. In words of /v1/status if natpcpd sees it, else in the kernel's:
# NOBODY: no socket is bound to that interface and port, and the kernel tells the sender so by ICMP
# IGNORED: the same for groups, of which it is silent
# MARTIAN, HEADER: no host can have such a source
ADDRESS, SOURCE, ENGINE = 'dropped_address', 'dropped_source', 'dropped.source'
NOBODY, NOBODY6, IGNORED = 'Udp.NoPorts', 'Udp6NoPorts', 'Udp.IgnoredMulti'
MARTIAN, HEADER, ONWARD6 = 'rt_cache.in_martian_src', 'Ip6InHdrErrors', 'Ip6OutForwDatagrams'

# what, from which wire, source, destination, counter; ports are 40000 and 5351 unless said
WRONG = (
    ('from outside to the outside address', 'wan', WAN, EXT, NOBODY),
    ('from outside to an inside address', 'wan', WAN, GW, NOBODY),
    ('from outside to all systems', 'wan', WAN, '224.0.0.1', IGNORED),
    ('from outside to the broadcast address', 'wan', WAN, '255.255.255.255', IGNORED),
    ('from outside with a source inside', 'wan', LAN, EXT, NOBODY),
    ('from outside with a source inside, to the inside', 'wan', LAN, GW, NOBODY),
    ('from outside with the source of the router', 'wan', GW, EXT, MARTIAN),
    ('from outside, IPv6', 'wan', WAN6, EXT6, NOBODY6),
    ('from outside to the inside, IPv6', 'wan', WAN6, GW6, NOBODY6),
    ('from outside with a source inside, IPv6', 'wan', LAN6, GW6, NOBODY6),
    ('from outside with the source of the router, IPv6', 'wan', GW6, EXT6, NOBODY6),

    ('from inside to the outside address', 'lan', LAN, EXT, ADDRESS),
    ('from inside to the address of the other LAN', 'lan', LAN, GWB, ADDRESS),
    ('from inside to all systems', 'lan', LAN, '224.0.0.1', ADDRESS),
    ('from inside to the broadcast address', 'lan', LAN, '255.255.255.255', ADDRESS),
    ('from inside to the broadcast address of the subnet', 'lan', LAN, '192.0.2.255', ADDRESS),
    ('from nobody to the broadcast address', 'lan', '0.0.0.0', '255.255.255.255', ADDRESS),
    ('from inside to the outside address, IPv6', 'lan', LAN6, EXT6, ADDRESS),
    ('from inside to the address of the other LAN, IPv6', 'lan', LAN6, GWB6, ADDRESS),
    ('from inside to any router of the link, IPv6', 'lan', LAN6, ROUTERS6, ADDRESS),
    ('from inside to all nodes, IPv6', 'lan', LAN6, 'ff02::1', ADDRESS),

    ('from the other LAN with a source of this one', 'lan2', LAN, GWB, SOURCE),
    ('from the other LAN to this one', 'lan2', LANB, GW, ADDRESS),
    ('from the other LAN with a source of this one, IPv6', 'lan2', LAN6, GWB6, SOURCE),
    ('from the other LAN to this one, IPv6', 'lan2', LANB6, GW6, ADDRESS),

    ('source 0.0.0.0', 'lan', '0.0.0.0', GW, MARTIAN),
    ('source 0.1.2.3', 'lan', '0.1.2.3', GW, SOURCE),
    ('source 127.0.0.1', 'lan', '127.0.0.1', GW, MARTIAN),
    ('source 224.0.0.1', 'lan', '224.0.0.1', GW, MARTIAN),
    ('source 240.0.0.1', 'lan', '240.0.0.1', GW, SOURCE),
    ('source 255.255.255.255', 'lan', '255.255.255.255', GW, MARTIAN),
    ('source: the broadcast address of the subnet', 'lan', '192.0.2.255', GW, SOURCE),
    ('source: the router, the address that is asked', 'lan', GW, GW, MARTIAN),
    ('source: the router, its outside address', 'lan', EXT, GW, MARTIAN),
    ('source: a host outside', 'lan', WAN, GW, SOURCE),
    ('source: a host of another network', 'lan', '198.18.0.1', GW, SOURCE),
    ('source ::', 'lan', '::', GW6, SOURCE),
    ('source ::1', 'lan', '::1', GW6, HEADER),
    ('source ff02::1', 'lan', 'ff02::1', GW6, HEADER),
    ('source: the router, the address that is asked, IPv6', 'lan', GW6, GW6, SOURCE),
    ('source: the router, another address of the link, IPv6', 'lan', OWN6, GW6, SOURCE),
    ('source: the router, its global address, to the link-local one', 'lan', GW6, OWN6, SOURCE),
    ('source: the address of any router of the link, IPv6', 'lan', ROUTERS6, GW6, SOURCE),
    ('source: the router, its outside address, IPv6', 'lan', EXT6, GW6, SOURCE),
    ('source: a host outside, IPv6', 'lan', WAN6, GW6, SOURCE),
    ('source: an IPv4-mapped address', 'lan', MAPPED, GW6, ENGINE),
    ('source: an IPv4-compatible address', 'lan', '::' + LAN, GW6, SOURCE),
    ('to an IPv4-mapped address', 'lan', LAN6, MAPPED_GW, ONWARD6),

    ('from port 0', 'lan', (LAN, 0), GW, ENGINE),
    ('from port 0, IPv6', 'lan', (LAN6, 0), GW6, ENGINE),
    ('from the port of servers', 'lan', (LAN, PORT), GW, ENGINE),
    ('from the port of servers, IPv6', 'lan', (LAN6, PORT), GW6, ENGINE),
    ('to the port of announcements', 'lan', LAN, (GW, pcp.CLIENT_PORT), NOBODY),
    ('to the port of announcements, IPv6', 'lan', LAN6, (GW6, pcp.CLIENT_PORT), NOBODY6),
    ('to the port of announcements, of all systems', 'lan', LAN, ('224.0.0.1', pcp.CLIENT_PORT), IGNORED),
)


def two_lans(net):
    """The wires: br-lan with lan, br-b with lan2, and outside; the kernel keeps nothing back that the daemon should."""
    net.ip('gw', 'link', 'add', 'br-b', 'type', 'bridge')
    net.ip('gw', 'link', 'set', 'lp2', 'master', 'br-b')
    net.ip('gw', 'link', 'set', 'br-b', 'up')
    net.ip('gw', 'addr', 'add', GWB + '/24', 'dev', 'br-b')
    net.ip('gw', 'addr', 'add', GWB6 + '/64', 'dev', 'br-b', 'nodad')
    net.sh('gw', 'sysctl', '-qw', *(f'net.ipv4.conf.{i}.rp_filter=0' for i in ('all', 'br-lan', 'br-b', 'wan0')))
    d = net.daemon(conf('limits { requests-per-second = 0 }', rule='rule "all" { action = allow }',
                        listen='listen "lan" { interfaces = { "br-lan", "br-b" } }'))
    return d, {'lan': forge.Wire(net, 'lan', 'br-lan'), 'lan2': forge.Wire(net, 'lan2', 'br-b'),
               'wan': forge.Wire(net, 'wan', 'wan0')}


def messages(source):
    """Whatever could be answered or could map something, as if from the source."""
    n = bytes(12)
    asked = [pcp.pcp_map(source, n, UDP, 4000, 40000), pcp.announce(source), pcp.pcp_map(source, n, TCP, 4000, 0, lifetime=0),
             pcp.pcp_peer(source, n, UDP, 4001, WAN6 if ':' in source else WAN, 53, address='::')]
    return asked + ([] if ':' in source else [pcp.natpmp_address(), pcp.natpmp_map(TCP, 4000, 40000), b'\x09\x00'])


def pair(where, port):
    return where if isinstance(where, tuple) else (where, port)


def grown(before, after):
    return {k: after[k] - before[k] for k in after if after[k] != before[k]}


def answered(wires, replies, source, destination):
    """The same octets from where they belong are answered: it is for that and nothing else that others were not."""
    for data in messages(source):
        wires['lan'].send(forge.udp((source, 40000), (destination, PORT), data))
    seen = []
    wait(lambda: seen.extend(replies.read()) or len(seen) == len(messages(source)))


def test_wrong_side(net):
    """No request of the table is answered or maps anything, and each is counted where the table says

    6886-3.3-26, 6886-3.3-27, 6886-3.3-28, 6887-8.2-02, 6887-8.2-03, 6887-18.1-01, decision-15, decision-22, decision-27
    """
    d, wires = two_lans(net)
    replies, wrong, seen = forge.Replies(net), [], forge.counters(d)
    for what, side, source, destination, counter in WRONG:
        source, destination, told = pair(source, 40000), pair(destination, PORT), counter in seen
        data = messages(source[0])
        before = forge.kernel(net)
        wires[side].send(*(forge.udp(source, destination, m) for m in data))
        try:
            wait(lambda: (forge.counters(d) if told else forge.kernel(net))[counter]
                 >= (seen if told else before)[counter] + len(data))
        except AssertionError:
            wrong.append(f'{what}: the kernel counted {grown(before, forge.kernel(net))}')
        after = forge.counters(d)
        if grown(seen, after) != ({counter: len(data), 'datagrams': len(data)} if told else {}):
            wrong.append(f'{what}: {grown(seen, after)}')
        seen = after
    assert not wrong, '\n'.join(wrong)
    assert not replies.read() and d.leases() == []
    answered(wires, replies, LAN, GW)
    answered(wires, replies, LAN6, GW6)


def test_no_requests(net):
    """What is no request is not answered, and is counted (6886-3.5-08, 6887-8.2-12, 6887-8.2-10, decision-02, decision-18)"""
    d, wires = two_lans(net)
    replies = forge.Replies(net)
    for counter, four, six in (
            ('dropped.response', *2 * ([b'\x00\x80', b'\x00\x81' + bytes(14), b'\x02\x80' + bytes(22), b'\x02\x81' + bytes(58),
                                        b'\x09\x80' + bytes(22), b'\x00\xff'],)),
            ('dropped.short', [b'', b'\x00', b'\x02', b'\x02\x00', b'\x02\x01' + bytes(21), b'\x00\x01' + bytes(9)],
             [b'', b'\x02', b'\x02\x00', b'\x02\x01' + bytes(21)]),
            ('dropped.family', [], [pcp.natpmp_address(), pcp.natpmp_map(TCP, 4000, 40000)])):
        before, n = forge.counters(d), len(four + six)
        wires['lan'].send(*(forge.udp((LAN, 40000), (GW, PORT), m) for m in four),
                          *(forge.udp((LAN6, 40000), (GW6, PORT), m) for m in six))
        wait(lambda: forge.counters(d)['datagrams'] == before['datagrams'] + n)
        assert grown(before, forge.counters(d)) == {'datagrams': n, counter: n}, (counter, grown(before, forge.counters(d)))
    # damaged ones are the kernel's to count
    before, kernel = forge.counters(d), forge.kernel(net)
    for source, destination in ((LAN, GW), (LAN6, GW6)):
        p = forge.udp((source, 40000), (destination, PORT), pcp.pcp_map(source, bytes(12), UDP, 4000, 40000))
        wires['lan'].send(p[:-1] + b'\1', p[:-1] + b'\2')
    wait(lambda: [grown(kernel, forge.kernel(net)).get(k) for k in ('Udp.InCsumErrors', 'Udp6InCsumErrors')] == [2, 2])
    assert grown(before, forge.counters(d)) == {} and d.leases() == []
    assert not replies.read()


def test_fragments(net):
    """A request in fragments is a request; what overlaps, contradicts itself or never ends is none"""
    d, wires = two_lans(net)
    replies = forge.Replies(net)
    request = pcp.pcp_map(LAN, bytes(12), UDP, 4000, 40000)
    whole = [forge.udp4((LAN, 40000), (GW, PORT), request, i) for i in range(1, 5)]
    six = craft.udp((LAN6, 40000), (GW6, PORT), pcp.pcp_map(LAN6, bytes(12), UDP, 4000, address='::'))
    before, kernel = forge.counters(d), forge.kernel(net)
    # the end is missing; another end, over what is there; the beginning again with another port
    wires['lan'].send(forge.piece(whole[0], 0, 24), forge.piece(whole[0], 24, 48))
    wires['lan'].send(forge.piece(whole[1], 0, 32), forge.piece(whole[1], 16, 68))
    wires['lan'].send(forge.piece(whole[2], 0, 32), forge.piece(whole[2][:20] + b'\x13\x88' + whole[2][22:], 0, 40),
                      forge.piece(whole[2], 32, 68))
    wires['lan'].send(forge.piece6(six, 0, 32), forge.piece6(six, 16, 68))
    wait(lambda: grown(kernel, forge.kernel(net)).get('Ip.ReasmReqds', 0) == 7)
    assert grown(before, forge.counters(d)) == {} and not replies.read() and d.leases() == []
    # in any order
    wires['lan'].send(forge.piece(whole[3], 48, 68), forge.piece(whole[3], 0, 24), forge.piece(whole[3], 24, 48))
    wait(replies.read)
    wires['lan'].send(forge.piece6(six, 32, 68, 8), forge.piece6(six, 0, 32, 8))
    wait(replies.read)
    # a source of another network is one in fragments, too
    alien = forge.udp4((WAN, 40000), (GW, PORT), pcp.pcp_map(WAN, bytes(12), UDP, 4000, 40000), 9)
    wires['lan'].send(forge.piece(alien, 0, 24), forge.piece(alien, 24, 68))
    wait(lambda: forge.counters(d)['dropped_source'] == before['dropped_source'] + 1)
    assert {x['internal_address'] for x in d.leases()} == {LAN, LAN6}, d.leases()


def test_two_servers(net):
    """Two servers that a forger makes talk say nothing to each other (6886-3.5-08, 6887-8.2-12, decision-02, decision-27)"""
    a = net.daemon(conf('limits { requests-per-second = 0 }'))
    b = net.daemon(conf('limits { requests-per-second = 0 }', control='control { socket = "@DIR@/b.sock" }',
                        external='external "wan" { addresses = { "198.51.100.77" } }',
                        backend='backend { type = "memory" }',
                        listen='listen "lan" { interfaces = { "eth0" }  external = "wan" }'), side='lan2')
    to_a, seen_a, seen_b = forge.Wire(net, 'lan', 'br-lan'), forge.Replies(net), forge.Replies(net, 'lan2')
    to_b = forge.Wire(net, 'lan', 'br-lan')
    to_b.router = bytes.fromhex(net.ip('lan2', '-o', 'link', 'show', 'eth0').split('link/ether ')[1][:17].replace(':', ''))
    before = forge.counters(a)
    answers = [b'\x02\x80' + bytes(22), b'\x00\x80\x00\x01' + bytes(4), b'\x00\x00\x00\x01' + bytes(4), b'\x02\x81\x00\x01' + bytes(56)]
    for data in messages(LAN2) + answers:
        to_a.send(forge.udp4((LAN2, PORT), (GW, PORT), data))
    for data in messages(GW) + answers:
        to_b.send(forge.udp4((GW, PORT), (LAN2, PORT), data))
    n = len(messages(GW) + answers)
    wait(lambda: forge.counters(a)['datagrams'] >= before['datagrams'] + n)
    assert not seen_a.read() and not seen_b.read()
    # b hears: a host that asks it is answered
    assert net.client('lan', LAN2).public().result == SUCCESS
    assert not seen_a.read() and a.leases() == [] and b.process.poll() is None


def test_bound_address(net):
    """An address to listen on instead of an interface hears nothing from outside, whatever source is claimed (6886-3.3-27)"""
    net.sh('gw', 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.wan0.rp_filter=0')
    d = net.daemon(conf(listen=f'listen "lan" {{ addresses = {{ "{GW}", "{GW6}" }}  external = "wan" }}',
                        rule='rule "all" { action = allow }'))
    outside, replies = forge.Wire(net, 'wan', 'wan0'), forge.Replies(net)
    n = 0
    for source, destination in ((WAN, GW), (LAN, GW), (WAN6, GW6), (LAN6, GW6)):
        for data in messages(source):
            outside.send(forge.udp((source, 40000), (destination, PORT), data))
            n += 1
    wait(lambda: forge.counters(d)['dropped_source'] == n)
    assert not replies.read() and d.leases() == []
    assert net.client().public().result == SUCCESS and net.client('lan', GW6).announce().result == SUCCESS


lab.main(globals())
