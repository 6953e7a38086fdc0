#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings of all ports of a protocol, and of all there is: what gets to their host, and to no other."""
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import craft
import json
import lab
import pcp
import probe
from lab import EXT, GW6, LAN, LAN2, LAN26, LAN6, WAN, WAN6, conf, wait
from pcp import (EXCESSIVE_REMOTE_PEERS, MALFORMED_OPTION, MALFORMED_REQUEST, NOT_AUTHORIZED, SUCCESS, TCP, UDP,
                 UNSUPP_PROTOCOL, peers)

ALL, GRE, ESP, ICMP6, TEST = 0, 47, 50, 58, 253
FAR6 = '2001:db8:2::77'
RULE = '''rule "hosts" { action = allow  wildcard = true
               clients = { "192.0.2.0/24", "2001:db8:1::/64", "fe80::/10" } }'''
ROUTED = 'external "wan" { interface = "wan0"  nat = false }'


def ask(client, protocol, internal=0, result=SUCCESS, **options):
    r = client.map(protocol, internal, address='::' if ':' in client.address else '0.0.0.0', **options)
    assert r.result == result, vars(r)
    return r


def end(net, client, protocol, internal=0):
    """Deletes it, when it has no connections that would keep it."""
    net.forget()
    assert ask(client, protocol, internal, lifetime=0).lifetime == 0


def opened(net, address, protocols=('udp', 'tcp'), ports=(4000, 53, 60001)):
    for proto in protocols:
        for port in ports:
            net.through('lan', (address, port), (address, port), proto)


def shut(net, address, *protocols, ports=(4000, 60001)):
    """Of the ports that were open before, others are asked for: connections may go on."""
    return all(net.closed((address, port + 1), proto, timeout=0.3) for proto in protocols for port in ports)


def raw(protocol, destination=LAN6, source=WAN6):
    """A packet of a protocol without ports."""
    if protocol == ICMP6:
        return craft.icmp6(source, destination, 128, 0, b'echo')
    payload = {GRE: struct.pack('!HH', 0, 0x0800) + b'x' * 20, ESP: struct.pack('!II', 7, 1) + b'x' * 16}
    return craft.ipv6(source, destination, protocol, payload.get(protocol, b'!'))


def echo(net, protocol, target, timeout=lab.SOON_S):
    """True if an IPv4 packet of the protocol gets from outside to the host that has the address."""
    token = os.urandom(8)
    with probe.inside(net.ns('lan')):
        host = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    with probe.inside(net.ns('wan')):
        far = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    with host, far:
        host.settimeout(timeout)
        far.sendto(struct.pack('!HH', 0, 0x0800) + token, (target, 0))
        try:
            while True:
                if host.recv(2048).endswith(token):
                    return True
        except TimeoutError:
            return False


def no_echo(net, protocol, target):
    """The opposite, as far as that can be told after a while."""
    return not echo(net, protocol, target, 0.5)


def handles(net):
    """The sets of mappings, with the numbers that they would not keep if they were made anew."""
    return dict(re.findall(r'(?:set|map) (\S+) \{ # handle (\d+)', net.nft('-a', 'list', 'table', 'inet', 'natpcpd')))


def test_all_ports(net):
    """All of UDP gets to its host: any port, no TCP, no other host (6887-11.3-05, 6887-11.1-07)"""
    net.daemon(conf(rule=RULE))
    c = net.client(server=GW6)
    assert shut(net, LAN6, 'udp', 'tcp')
    r = ask(c, UDP)
    assert (r.protocol, r.internal, r.external, r.address) == (UDP, 0, 0, LAN6), vars(r)
    opened(net, LAN6, ('udp',), (1, 53, 4000, 65535))
    assert shut(net, LAN6, 'tcp') and shut(net, LAN26, 'udp', 'tcp')
    with craft.Wire(net) as wire:
        assert wire.stops(raw(GRE)) and wire.stops(raw(ICMP6))
    # 6887-15.1-02: single ports beside it, TCP's and its own, are not its concern, nor it theirs
    ask(c, TCP, 80)
    ask(c, UDP, 53)
    end(net, c, UDP)
    assert shut(net, LAN6, 'udp')
    net.through('lan', (LAN6, 80), (LAN6, 80), 'tcp')
    net.through('lan', (LAN6, 53), (LAN6, 53))
    ask(c, UDP)
    end(net, c, UDP, 53)
    net.through('lan', (LAN6, 53), (LAN6, 53))
    net.through('lan', (LAN6, 5353), (LAN6, 5353))


def test_without_ports(net):
    """A protocol without ports gets to its host as a whole, whatever is in it (6887-11.2-09, 6092-3.2.2-11)"""
    net.daemon(conf(rule=RULE))
    c = net.client(server=GW6)
    with craft.Wire(net) as wire:
        for protocol in (GRE, ESP, ICMP6, TEST):
            assert wire.stops(raw(protocol)), protocol
            ask(c, protocol)
            # from any remote
            assert wire.passes(raw(protocol)) and wire.passes(raw(protocol, source=FAR6)), protocol
            assert wire.stops(raw(protocol, LAN26)), protocol
            ask(c, protocol, 80, UNSUPP_PROTOCOL)
            end(net, c, protocol)
            # a new flow, as the kernel knows that one
            assert wire.stops(raw(protocol, source='2001:db8:2::78')), protocol
    assert shut(net, LAN6, 'udp', 'tcp')


def test_whole_host(net):
    """All that is sent gets to a host that asked for it, and what to others does not (6887-11.3-07)"""
    net.daemon(conf(rule=RULE))
    c = net.client(server=GW6)
    r = ask(c, ALL)
    assert (r.protocol, r.internal, r.external, r.address) == (ALL, 0, 0, LAN6), vars(r)
    opened(net, LAN6)
    with craft.Wire(net) as wire:
        for protocol in (GRE, ESP, ICMP6, TEST):
            assert wire.passes(raw(protocol)) and wire.stops(raw(protocol, LAN26)), protocol
    assert shut(net, LAN26, 'udp', 'tcp')
    # 6887-11.3-09, 6887-15.1-04
    ask(c, ALL, 80, MALFORMED_REQUEST)
    ask(c, ALL, 80, MALFORMED_REQUEST, lifetime=0)
    # 6887-15.1-03: that of everything alone, and only with its nonce
    ask(c, TCP, 80)
    ask(c, UDP)
    ask(c, ALL, lifetime=0, result=NOT_AUTHORIZED, nonce=pcp.nonce())
    net.through('lan', (LAN6, 9), (LAN6, 9), 'tcp')
    end(net, c, ALL)
    assert shut(net, LAN6, 'tcp')
    net.through('lan', (LAN6, 80), (LAN6, 80), 'tcp')
    net.through('lan', (LAN6, 5), (LAN6, 5))


def test_translated(net):
    """Where addresses are translated nobody can have all, and nothing is opened (6887-11.3-06, 6887-11.3-08)"""
    net.daemon(conf(rule=RULE))
    c = net.client()
    ask(c, UDP, 4000)
    before = net.table()
    for protocol in (UDP, TCP, GRE, ALL):
        ask(c, protocol, result=UNSUPP_PROTOCOL)
    strip = re.compile(r'expires \S+')
    assert strip.sub('', net.table()) == strip.sub('', before)
    assert net.closed((EXT, 4001)) and no_echo(net, GRE, EXT)


def test_without_nat(net):
    """nat = false: IPv4 as IPv6, and no IPv6 with it"""
    net.nft('delete', 'table', 'inet', 'nat')
    net.ip('wan', 'route', 'add', '192.0.2.0/24', 'via', EXT)
    net.daemon(conf(external=ROUTED, rule=RULE))
    c = net.client()
    assert no_echo(net, GRE, LAN)
    r = ask(c, UDP)
    assert (r.internal, r.external, r.address) == (0, 0, LAN), vars(r)
    opened(net, LAN, ('udp',))
    assert shut(net, LAN, 'tcp') and shut(net, LAN2, 'udp', 'tcp') and no_echo(net, GRE, LAN)
    ask(c, GRE)
    assert echo(net, GRE, LAN) and no_echo(net, ESP, LAN)
    ask(c, ALL)
    opened(net, LAN)
    assert echo(net, ESP, LAN) and shut(net, LAN2, 'udp', 'tcp')
    # octets where an IPv4 packet has its destination say nothing in an IPv6 one
    with craft.Wire(net) as wire:
        packet = raw(GRE)
        assert wire.stops(packet) and wire.stops(packet[:16] + socket.inet_aton(LAN) + packet[20:])
    for protocol in (ALL, GRE, UDP):
        end(net, c, protocol)
    assert shut(net, LAN, 'udp', 'tcp') and no_echo(net, TEST, LAN)


def test_filters(net):
    """Filters hold for all ports, and for all there is (6887-13.3-02, 6887-13.3-03)"""
    net.daemon(conf(rule=RULE))
    c = net.client(server=GW6)
    near, far = WAN6, FAR6
    with craft.Wire(net) as wire:
        def udp(source, port=5000, to=4000):
            return craft.udp((source, port), (LAN6, to))
        ask(c, UDP, options=[peers(far + '/128')])
        assert wire.passes(udp(far)) and wire.passes(udp(far, to=9)) and wire.stops(udp(near))
        ask(c, UDP, options=[peers(), peers('2001:db8:2::/64', 443)])
        assert wire.passes(udp(near, 443, 70)) and wire.stops(udp(near, 444, 70))
        ask(c, UDP, options=[peers()])
        assert wire.passes(udp(near, 445, 71))
        end(net, c, UDP)
        assert wire.stops(udp(near, 446, 72))
        for protocol in (GRE, ICMP6):
            ask(c, protocol, options=[peers(far + '/128', 443)], result=MALFORMED_OPTION)
            ask(c, protocol, options=[peers(far + '/128')])
            assert wire.passes(raw(protocol, source=far)) and wire.stops(raw(protocol)), protocol
            end(net, c, protocol)
        ask(c, ALL, options=[peers('2001:db8:2::4/126')], result=SUCCESS)
        for protocol in (GRE, ESP, ICMP6):
            assert wire.passes(raw(protocol, source='2001:db8:2::6')), protocol
            assert wire.stops(raw(protocol, source='2001:db8:2::8')), protocol
        assert wire.passes(udp('2001:db8:2::5')) and wire.stops(udp('2001:db8:2::9'))
        assert wire.passes(craft.tcp(('2001:db8:2::5', 7), (LAN6, 80), craft.SYN))
        ask(c, ALL, options=[peers(f'2001:db8:9:{i:x}::/64') for i in range(8)], result=EXCESSIVE_REMOTE_PEERS)
    # and IPv4's alike
    net.nft('delete', 'table', 'inet', 'nat')
    net.ip('wan', 'route', 'add', '192.0.2.0/24', 'via', EXT)
    for d in net.daemons:
        assert d.stop() == 0
    net.daemon(conf(external=ROUTED, rule=RULE))
    c = net.client()
    for protocol in (GRE, ALL):
        ask(c, protocol, options=[peers('198.51.100.64/26')])
        assert no_echo(net, GRE, LAN)
        ask(c, protocol, options=[peers(WAN + '/31')])
        assert echo(net, GRE, LAN)
        end(net, c, protocol)


def test_connections(net):
    """A deletion leaves all ports open as long as connections go on that came in by them (6887-15-10, 6887-15.1-02)"""
    net.daemon(conf(rule=RULE))
    net.sh('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout_stream=100',
           'net.netfilter.nf_conntrack_udp_timeout=100')
    c = net.client(server=GW6)
    for protocol in (UDP, ALL):
        ask(c, protocol)
        inside, outside = net.udp('lan', LAN6, 7000 + protocol), net.udp('wan', WAN6, 0)
        for _ in range(2):
            outside.sendto(b'in', (LAN6, 7000 + protocol))
            inside.sendto(b'out', inside.recvfrom(100)[1])
            assert outside.recvfrom(100)[0] == b'out'
        assert 90 <= ask(c, protocol, lifetime=0).lifetime <= 101
        net.through('lan', (LAN6, 9), (LAN6, 9))
        end(net, c, protocol)
        assert shut(net, LAN6, 'udp')


def test_found(net):
    """What the last search found keeps all ports as well, when nothing new came about (6887-15-10, 6887-15-12)"""
    d = net.daemon(conf(rule=RULE))
    net.sh('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_udp_timeout_stream=100',
           'net.netfilter.nf_conntrack_udp_timeout=100')
    c = net.client(server=GW6)
    ask(c, UDP)
    ask(c, ALL)
    inside, outside = net.udp('lan', LAN6, 7000), net.udp('wan', WAN6, 0)
    outside.sendto(b'in', (LAN6, 7000))
    inside.sendto(b'out', inside.recvfrom(100)[1])

    def quick():
        ask(c, TCP, 3999)
        before = d.status()['flow_searches']
        assert ask(c, TCP, 3999, lifetime=0).lifetime == 0
        return d.status()['flow_searches'] == before
    wait(quick)
    for protocol in (UDP, ALL):
        assert 1 < ask(c, protocol, lifetime=0).lifetime <= 101
    opened(net, LAN6, ('udp',))


def test_rules(net):
    """A rule that does not say wildcard, or leaves out a part, opens no host; what it allows it allows (decision-25)"""
    d = net.daemon()
    c = net.client(server=GW6)
    for protocol in (UDP, GRE, ALL):
        ask(c, protocol, result=NOT_AUTHORIZED)
    d.reload(conf(rule=RULE.replace('wildcard = true', 'wildcard = true  internal-ports = { "1024-65535" }')))
    ask(c, UDP, result=NOT_AUTHORIZED)
    d.reload(conf(rule=RULE.replace('wildcard = true', 'wildcard = true  protocols = { "udp", "47" }')))
    ask(c, UDP)
    ask(c, GRE)
    ask(c, TCP, result=NOT_AUTHORIZED)
    ask(c, ALL, result=NOT_AUTHORIZED)
    opened(net, LAN6, ('udp',))
    # what a new configuration forbids is closed
    d.reload(conf())
    assert shut(net, LAN6, 'udp')
    with craft.Wire(net) as wire:
        assert wire.stops(raw(GRE))


def test_outlives(net):
    """Over a restart, a crash and a flushed ruleset all stays as open as it was; lifetimes end"""
    net.nft('add', 'table', 'inet', 'natpcpd')  # without an owner, so that it can be flushed
    d = net.daemon(conf('lifetime { min = 1 }', rule=RULE))
    c = net.client(server=GW6)
    ask(c, UDP)
    ask(c, GRE, options=[peers('2001:db8:2::1:0/112')])
    ask(net.client('lan2', server=GW6), ALL)
    leases = {(x['protocol'], x['internal_address']) for x in d.leases()}
    made = handles(net)
    with craft.Wire(net) as wire, craft.Wire(net, 'lan2') as wire2:
        remotes = iter(range(1, 1000))

        def works():
            n = next(remotes)  # new flows each time, which know nothing of the ones before
            admitted, other = f'2001:db8:2::1:{n:x}', f'2001:db8:2::2:{n:x}'
            return wire.passes(raw(GRE, source=admitted), timeout=1) and wire2.passes(raw(ESP, LAN26, other), timeout=1) and \
                wire.stops(raw(ESP, source=admitted)) and wire.stops(raw(GRE, source=other))
        wait(works)
        for how in ('stop', 'kill'):
            if how == 'kill':
                d.process.kill()
                net.daemons.remove(d)
                d.process.wait()
            else:
                assert d.stop() == 0
            wait(works)
            d = net.daemon(conf('lifetime { min = 1 }', rule=RULE))
            wait(works)
            assert handles(net) == made
            assert {(x['protocol'], x['internal_address']) for x in d.leases()} == leases, d.leases()
        # the nonce is not known any more: the host sets it
        ask(c, UDP)
        net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')
        wait(works)
        opened(net, LAN6, ('udp',), (9,))
    net.forget()
    ask(c, UDP, lifetime=1)
    wait(lambda: len(d.leases()) == 2)
    assert shut(net, LAN6, 'udp')


def test_older_table(net):
    """A table of a version that knew no such mappings is added to; its mappings have no gap"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    d = net.daemon(conf(rule=RULE))
    c = net.client(server=GW6)
    ask(c, UDP, 4000)
    assert d.stop() == 0
    # what is new in this version, taken out
    rules = net.nft('-a', 'list', 'chain', 'inet', 'natpcpd', 'forward').splitlines()
    new = re.compile(r'(?:protocol|host)-pin[46]')
    for line in rules:
        if new.search(line):
            net.nft('delete', 'rule', 'inet', 'natpcpd', 'forward', 'handle', line.split()[-1])
    for chain in re.findall(r'chain (filtered-(?:protocol|host)-pin[46])', net.table()):
        net.nft('delete', 'chain', 'inet', 'natpcpd', chain)
    for name in re.findall(r'set ((?:filter-)?(?:protocol|host)-pin[46])', net.table()):
        net.nft('delete', 'set', 'inet', 'natpcpd', name)
    assert not new.search(net.table())
    before = handles(net)
    net.daemon(conf(rule=RULE))
    after = handles(net)
    assert {k: after[k] for k in before} == before and len(after) == len(before) + 8, (before, after)
    net.through('lan', (LAN6, 4000), (LAN6, 4000))
    ask(c, UDP)
    net.through('lan', (LAN6, 4001), (LAN6, 4001))


def test_operator(net):
    """natpcpctl shows, explains and revokes them by the word all"""
    d = net.daemon(conf(rule=RULE))
    c = net.client(server=GW6)
    for protocol, port in ((UDP, 0), (UDP, 4000), (GRE, 0), (ALL, 0)):
        ask(c, protocol, port)
    found = [(x['protocol'], x['internal_port'], x['external_port']) for x in d.leases()]
    assert sorted(found, key=str) == sorted([('udp', 0, 0), ('udp', 4000, 4000), (47, 0, 0), (0, 0, 0)], key=str), found
    lines = [x.split()[:3] for x in d.ctl('leases').stdout.splitlines()]
    for name, port in (('udp', 'all'), ('udp', '4000'), ('47', 'all'), ('all', 'all')):
        assert [name, f'[{LAN6}]:{port}', f'[{LAN6}]:{port}'] in lines, lines
    x = json.loads(d.ctl('--json', 'explain', LAN6, 'all', 'all').stdout)
    assert x['allowed'] and (x['protocol'], x['internal_port'], x['external_port']) == (0, 0, 0), x
    assert x['lease']['protocol'] == 0
    text = d.ctl('explain', LAN6, 'tcp', 'all').stdout
    assert 'allowed by rule "hosts"' in text and 'It would get all ports outside.' in text, text
    text = d.ctl('explain', LAN, 'tcp', 'all').stdout
    assert 'UNSUPP_PROTOCOL' in text, text
    d.logged(r'event=made by=pcp .*protocol=all internal=' + LAN6 + r' external=' + LAN6 + ' ports=all')
    for wrong in (('all', LAN6, '4000'), ('udp', LAN6, '0')):
        assert d.ctl('revoke', *wrong, check=False).returncode == 1, wrong
    assert len(d.leases()) == 4
    assert '1 ended' in d.ctl('revoke', 'udp', LAN6, 'all').stdout
    assert sorted(x['external_port'] for x in d.leases()) == [0, 0, 4000]
    assert '1 ended' in d.ctl('revoke', 'all', LAN6, 'all').stdout
    assert {x['protocol'] for x in d.leases()} == {'udp', 47}
    assert d.ctl('revoke', 'all', LAN6, 'all', check=False).returncode == 1


if __name__ == '__main__':
    lab.main(globals())
