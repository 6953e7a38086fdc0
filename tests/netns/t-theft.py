#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A host inside, or outside, that wants what is another's: mappings, ports, addresses, the router's own services."""
import contextlib
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import craft
import forge
import lab
import pcp
from lab import EXT, EXT6, GW, GW6, LAN, LAN2, LAN6, WAN, WAN2, WAN6, conf, wait
from pcp import (CANNOT_PROVIDE_EXTERNAL, MALFORMED_OPTION, MALFORMED_REQUEST, NOT_AUTHORIZED, PORT, SUCCESS, TCP, UDP,
                 UNSUPP_OPTION, UNSUPP_PROTOCOL)

UNLIMITED = 'limits { requests-per-second = 0 }'
EVERYBODY = 'rule "all" { action = allow }'


def port_set(size, first, parity=0):
    return pcp.option(pcp.PORT_SET, struct.pack('!HHB', size, first, parity))


def shown(d):
    """What of the leases can be stolen, without the time that passes."""
    return sorted((x['protocol'], x['internal_address'], x['internal_port'], x['external_port'], x['origin'])
                  for x in d.leases())


def test_nonces(net):
    """Who does not know the nonce changes nothing, whatever he guesses, and learns nothing of it

    6887-11.3-11, 6887-15.1-01
    """
    d = net.daemon(conf(UNLIMITED))
    c = net.client()
    assert c.map(UDP, 4000, 40000, lifetime=3600).result == SUCCESS
    secret, (lease,), generation = c.nonce, d.leases(), net.generation()
    one = [bytes(a ^ b for a, b in zip(secret, (1 << i).to_bytes(12, 'big'))) for i in range(96)]
    guesses = [bytes(12), b'\xff' * 12, secret[1:] + secret[:1], secret[::-1], *one, *(pcp.nonce() for _ in range(100))]
    for guess in guesses:
        for lifetime in (0, 120, 7200):
            r = c.map(UDP, 4000, 40001, lifetime=lifetime, nonce=guess)
            assert r.result == NOT_AUTHORIZED and r.nonce == guess and secret not in r.raw, vars(r)
    assert net.generation() == generation
    after, = d.leases()
    assert lease['expires_in_s'] - 60 < after['expires_in_s'] <= lease['expires_in_s'], (lease, after)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert secret.hex() not in d.ctl('--json', 'leases').stdout + d.ctl('leases').stdout + d.log()


def test_zeros(net):
    """Port 0 and protocol 0 take nothing that is another's, open nothing, and end what their host may end

    6887-11.3-06, 6887-11.3-08, 6886-3.4-17, decision-17, decision-22
    """
    d = net.daemon(conf(UNLIMITED))
    victim, thief = net.client(), net.client('lan2')
    for protocol in (UDP, TCP):
        assert victim.map(protocol, 4000, 40000).result == SUCCESS
    assert victim.natpmp(UDP, 4001, 40001).result == SUCCESS
    there, generation = shown(d), net.generation()
    assert len(there) == 3
    for protocol in (UDP, TCP):
        for internal, external, lifetime in ((0, 0, 0), (0, 40000, 0), (4000, 40000, 0), (4001, 40001, 0)):
            thief.natpmp(protocol, internal, external, lifetime)
        for external, lifetime in ((0, 60), (40000, 60)):
            assert thief.natpmp(protocol, 0, external, lifetime).result == 2
    for nonce in (thief.nonce, victim.nonce):
        for protocol, internal in ((0, 0), (UDP, 0), (TCP, 0), (0, 4000), (47, 0), (UDP, 4000), (255, 1)):
            for lifetime, external in ((0, 0), (0, 40000), (600, 0), (600, 40000)):
                for address in ('0.0.0.0', EXT, LAN):
                    if lifetime and protocol == UDP and internal:
                        continue
                    r = thief.map(protocol, internal, external, address=address, lifetime=lifetime, nonce=nonce)
                    want = {(0, True): MALFORMED_REQUEST}.get((protocol, internal > 0),
                                                              UNSUPP_PROTOCOL if lifetime else SUCCESS)
                    assert r.result == want, (protocol, internal, lifetime, vars(r))
    for options in ([pcp.option(pcp.PREFER_FAILURE)], [port_set(0, 5000)]):
        assert thief.map(UDP, 5000, 0, options=options).result == MALFORMED_OPTION
    assert shown(d) == there and net.generation() == generation
    # the victim itself with protocol 0: what it has is not all of a host
    assert victim.map(0, 0, lifetime=0).result == SUCCESS and shown(d) == there


def test_other_protocol(net):
    """NAT-PMP takes nothing that PCP made, and PCP of NAT-PMP's nothing that is another host's (decision-07)"""
    d = net.daemon(conf(UNLIMITED))
    victim, thief = net.client(), net.client('lan2')
    assert victim.map(UDP, 4000, 40000, lifetime=3600).result == SUCCESS
    assert victim.natpmp(TCP, 4001, 40001, 3600).result == 0
    there = shown(d)
    # by the victim's own address, as any program of that host could
    for external, lifetime in ((0, 0), (40000, 0), (40002, 1), (0, 1), (40000, 4294967295)):
        r = victim.natpmp(UDP, 4000, external, lifetime)
        assert (r.result, r.external) == ((2, 0) if lifetime == 0 else (0, 40000)), vars(r)
    assert victim.natpmp(UDP, 0, 0, 0).result == 2
    # by another's
    for protocol, port, external in ((UDP, 4000, 40000), (TCP, 4001, 40001), (UDP, 4001, 40001)):
        r = thief.map(protocol, port, external)
        assert r.result == SUCCESS and r.external != external, vars(r)
        assert thief.map(protocol, port, external, options=[pcp.option(pcp.PREFER_FAILURE)]).result == CANNOT_PROVIDE_EXTERNAL
        assert thief.map(protocol, port, lifetime=0).result == SUCCESS
        r = thief.natpmp(protocol, port, external)
        assert r.result == 0 and r.external != external, vars(r)
        assert thief.natpmp(protocol, port, 0, 0).result == 0
    assert shown(d) == there
    lease = next(x for x in d.leases() if x['origin'] == 'pcp')
    assert lease['expires_in_s'] > 3500, lease
    net.through('lan', (LAN, 4000), (EXT, 40000))


@contextlib.contextmanager
def service(net, port, address=''):
    """Something of the router's own that listens on TCP."""
    with lab.probe.tcp(net.ns('gw'), address, port) as s:
        s.listen(5)
        yield s


def reaches(net, side, target, seconds=lab.SOON_S):
    with lab.probe.tcp(net.ns(side), timeout=seconds) as s:
        return s.connect_ex(target) == 0


def barred(net, side, target):
    return not reaches(net, side, target, 0.5)


def test_for_others(net):
    """THIRD_PARTY: nobody who is not listed, and nobody at all for the router or for hosts that are not inside

    6887-13.1-07, 6887-13.1-08, 6887-18.3.1-01
    """
    d = net.daemon(conf(UNLIMITED + f'\nthird-party {{ clients = {{ "{LAN}", "{LAN6}" }} }}', rule=EVERYBODY))
    # an input chain that lets in what was forwarded, as OpenWrt's does
    net.nft('-f', '-', input='table inet filter { chain input { type filter hook input priority filter; policy drop;\n'
            'iifname { "br-lan", "lo" } accept; ct status dnat accept; ct state established,related accept; }; }')
    listed, listed6, other = net.client(), net.client('lan', GW6), net.client('lan2')
    generation = net.generation()
    for target in (LAN, GW, EXT, WAN, LAN2, '127.0.0.1'):
        r = other.map(TCP, 22, 40022, options=[pcp.third_party(target)])
        assert r.result == UNSUPP_OPTION, (target, vars(r))
    four = (GW, EXT, WAN, WAN2, '192.0.2.255', '198.51.100.255', '198.18.0.1', '127.0.0.1', '0.0.0.0', '224.0.0.1',
            '255.255.255.255', '240.0.0.1')
    six = (GW6, EXT6, WAN6, '2001:db8:9::1', '::1', '::', 'ff02::1', 'fe80::5eff:fe00:5301', '::' + LAN2)
    for c, targets in ((listed, four), (listed6, four), (listed6, six), (listed, six)):
        for target in targets:
            option = [pcp.third_party(target)]
            for r in (c.map(TCP, 22, 40022, options=option), c.map(TCP, 22, 40022, address='::', options=option),
                      c.ask(pcp.pcp_peer(c.address, c.nonce, TCP, 22, WAN6 if ':' in target else WAN, 80, 40022,
                                         options=option))):
                assert r.result in (NOT_AUTHORIZED, MALFORMED_OPTION, MALFORMED_REQUEST), (target, vars(r))
    assert net.generation() == generation and d.leases() == []
    with service(net, 22):
        assert reaches(net, 'lan', (GW, 22))
        assert barred(net, 'wan', (EXT, 22)) and barred(net, 'wan', (EXT, 40022))
        # and with a listed host's help for one that is there
        assert listed.map(TCP, 22, 40022, options=[pcp.third_party(LAN2)]).result == SUCCESS
        net.through('lan2', (LAN2, 22), (EXT, 40022), 'tcp')
        # deletions go on when the host has gone
        assert listed.map(TCP, 22, lifetime=0, options=[pcp.third_party(LAN2)]).result == SUCCESS


def test_own_services(net):
    """A port where the router listens is given to nobody, by MAP, PEER, NAT-PMP or a set (6887-11.3-26)"""
    with service(net, 2222):
        d = net.daemon(conf(UNLIMITED))
        c = net.client()
        for i, ask in enumerate((
                lambda p: c.map(TCP, p, 2222), lambda p: c.natpmp(TCP, p, 2222), lambda p: c.map(TCP, 2222, 0),
                lambda p: c.map(TCP, p, 2220, options=[port_set(8, p)]),
                lambda p: c.map(TCP, 2218, 0, options=[port_set(3, 2218)]))):
            r = ask(5000 + 10 * i)
            assert r.result == SUCCESS and r.external != 2222, (i, vars(r))
        for r in (c.map(TCP, 5100, 2222, options=[pcp.option(pcp.PREFER_FAILURE)]),
                  c.ask(pcp.pcp_peer(LAN, c.nonce, TCP, 5100, WAN, 80, 2222))):
            assert r.result == CANNOT_PROVIDE_EXTERNAL, vars(r)
        for x in d.leases():
            assert not x['external_port'] <= 2222 <= x['external_port'] + x.get('ports', 1) - 1, x
        assert reaches(net, 'wan', (EXT, 2222)), 'the router does not hear on its own port'
    # an address that is not ours is no address to be given
    for address in (GW, WAN, WAN2, '198.51.100.9'):
        r = c.map(UDP, 6000, 46000, address=address, nonce=c.nonce)
        assert (r.result, r.address) == (SUCCESS, EXT), vars(r)
        r = c.map(UDP, 6001, 46001, address=address, options=[pcp.option(pcp.PREFER_FAILURE)])
        assert r.result == CANNOT_PROVIDE_EXTERNAL, vars(r)


def test_router_by_hairpin(net):
    """A mapping is no way to the router: its inside address has none, and its own outside ports stay its own"""
    with service(net, 2222):
        net.daemon()
        assert net.client().map(TCP, 4000, 40000).result == SUCCESS
        net.through('lan', (LAN, 4000), (EXT, 40000), 'tcp', outer='lan2')
        with lab.probe.tcp(net.ns('lan'), LAN, 4000) as inner:
            inner.listen(5)
            assert reaches(net, 'lan2', (EXT, 40000))
            for target in ((GW, 40000), ('192.0.2.255', 40000), (LAN, 40000)):
                assert barred(net, 'lan2', target), target
        assert reaches(net, 'lan2', (EXT, 2222)) and reaches(net, 'lan2', (GW, 2222))


def test_below_the_range(net):
    """No port outside a rule's ranges is opened: by wish, by a set that begins or ends outside, or by IPv6

    6887-11.3-28, 7753-4.2-09, decision-28
    """
    d = net.daemon(conf(UNLIMITED, rule='rule "hosts" { action = allow  internal-ports = { "22", "1000-2000" }\n'
                        'external-ports = { "1024-65535" } }'))
    c, six = net.client(), net.client('lan', GW6)
    for protocol in (UDP, TCP):
        for wish in (1, 22, 80, 1023):
            for r in (c.natpmp(protocol, 1500, wish), c.map(protocol, 1600, wish)):
                assert r.result == SUCCESS and r.external >= 1024, vars(r)
        assert c.map(protocol, 22, 22).external >= 1024 and c.natpmp(protocol, 22, 22).external >= 1024
        assert c.map(protocol, 1601, 1023, options=[pcp.option(pcp.PREFER_FAILURE)]).result == CANNOT_PROVIDE_EXTERNAL
        # sets: begin below what is allowed; begin in it and end outside; outside ports begin below, and end there
        for first, wish in ((990, 2000), (999, 2000), (65530, 65530), (2001, 3000)):
            r = c.map(protocol, first, wish, options=[port_set(20, first)])
            assert r.result == NOT_AUTHORIZED, (first, vars(r))
        r = c.map(protocol, 1995, 0, options=[port_set(20, 1995)])
        assert r.result == SUCCESS and pcp.option(pcp.PORT_SET, struct.pack('!HHB', 6, 1995, 0)) in r.raw, vars(r)
        assert c.map(protocol, 1000, 1000, options=[port_set(30, 1000)]).external >= 1024
        assert c.map(protocol, 1100, 1020, options=[port_set(8, 1100)]).external >= 1024
        # IPv6, where the outside port is the inside one
        for port in (22, 1000, 1023):
            r = six.map(protocol, port, 5000, address='::')
            assert r.result == NOT_AUTHORIZED, vars(r)
            r = six.map(protocol, port, 5000, address='::', options=[port_set(40, port)])
            assert r.result == NOT_AUTHORIZED, vars(r)
        r = six.map(protocol, 1990, address='::', options=[port_set(20, 1990)])
        assert r.result == SUCCESS and pcp.option(pcp.PORT_SET, struct.pack('!HHB', 11, 1990, 0)) in r.raw, vars(r)
    for x in d.leases():
        assert x['external_port'] >= 1024, x
    # what the packet filter has, apart from what the daemon says
    table = net.nft('-n', 'list', 'table', 'inet', 'natpcpd')
    opened = [int(p) for name in ('dnat4', 'ports-dnat4', 'pin6', 'ports-pin6')
              for p in re.findall(r' \. (\d+)(?:-\d+)? (?:timeout|expires|:)', table.partition(f' {name} {{')[2].partition('\n\t}')[0])]
    assert len(opened) >= 10 and min(opened) >= 1024, opened
    assert net.closed((LAN6, 22), 'tcp', timeout=0.3) and net.closed((EXT, 22), 'tcp', timeout=0.3)


def test_bound_to_family(net):
    """Each rule that looks at addresses is of one family, and no IPv6 packet passes that looks like a mapping of IPv4"""
    net.daemon(conf(UNLIMITED))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert c.map(UDP, 4100, 4100, options=[port_set(8, 4100)]).external == 4100
    assert c.map(UDP, 4200, 40200, options=[pcp.peers(WAN + '/32')]).result == SUCCESS
    assert c.ask(pcp.pcp_peer(LAN, c.nonce, UDP, 4300, WAN, 9000, 40300)).result == SUCCESS
    assert c.natpmp(UDP, 4400, 40400).result == 0
    expressions = net.sh('gw', 'nft', '--debug=netlink', 'list', 'table', 'inet', 'natpcpd').split('\n\n')
    rules = [e for r in expressions if ' [ ' in r for e in re.split(r'\n(?=inet natpcpd \S+ \d+)', r) if ' [ ' in e]
    looking = [r for r in rules if 'network header' in r]
    assert len(looking) > 10, rules
    for r in looking:
        family = r.find('[ meta load nfproto => reg 1 ]\n  [ cmp eq reg 1 ')
        assert 0 <= family < r.find('network header'), r
    # the octets 12 to 20 of an IPv6 packet, where IPv4 has its addresses, are in the middle of its source
    with craft.Wire(net) as wire:
        for inside in (LAN, EXT):
            source = socket.inet_ntop(socket.AF_INET6, bytes.fromhex('20010db8') + socket.inet_aton(WAN)
                                      + socket.inet_aton(inside) + b'\0\0\0\1')
            for port in (40000, 4000, 4103, 40200, 4200, 40300, 4300, 40400, 4400):
                assert wire.stops(craft.udp((source, 9000), (LAN6, port)), timeout=0.05), (source, port)
        # such a packet comes through if there is a pinhole
        assert net.client('lan', GW6).map(UDP, 4000, address='::').result == SUCCESS
        assert wire.passes(craft.udp((source, 9000), (LAN6, 4000)))


def test_errors_to_the_server(net):
    """Forged ICMP errors about its answers stop the server from nothing: not from hearing, nor from long answers"""
    d = net.daemon(conf(UNLIMITED))
    wire = forge.Wire(net, 'lan', 'br-lan')
    long = bytes((9, 1)) + bytes(1098)
    for c, own, server in ((net.client(), LAN, GW), (net.client('lan', GW6), LAN6, GW6)):
        assert c.announce().result == SUCCESS
        port = c.socket.getsockname()[1]
        answer = forge.udp((server, PORT), (own, port), bytes(1040))
        if ':' in own:
            errors = [craft.icmp6(own, server, kind, code, answer, mtu) for kind, code, mtu in
                      ((1, 4, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 0, 1280), (3, 0, 0), (4, 1, 6))]
        else:
            errors = [forge.icmp4(own, server, kind, code, answer, mtu) for kind, code, mtu in
                      ((3, 3, 0), (3, 1, 0), (3, 0, 0), (3, 2, 0), (3, 13, 0), (3, 4, 0), (3, 4, 68), (3, 4, 576), (4, 0, 0),
                       (11, 0, 0), (12, 0, 0), (5, 1, 0))]
        before = forge.kernel(net)['Icmp6InMsgs' if ':' in own else 'Icmp.InMsgs']
        wire.send(*errors)
        wait(lambda: forge.kernel(net)['Icmp6InMsgs' if ':' in own else 'Icmp.InMsgs'] >= before + len(errors))
        for data, length in ((pcp.announce(own), 24), (long, 1100), (pcp.announce(own), 24), (long, 1100)):
            r = c.ask(data)
            assert len(r.raw) == length, vars(r)
        assert net.client('lan2', GW).public().result == 0
    s = d.status()
    assert s['send_failures'] == 0 and 'failed' not in d.log(), d.log()


def test_errors_to_mappings(net):
    """Forged ICMP errors end no mapping and no flow, and those about what nobody sent do not get in"""
    d = net.daemon(conf(UNLIMITED))
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    ear, wire = net.capture('lan', 'eth0'), forge.Wire(net, 'wan', 'wan0')
    with lab.probe.udp(net.ns('lan'), LAN, 4000) as inner, lab.probe.udp(net.ns('wan'), WAN, 9000) as outer:
        inner.sendto(b'out', (WAN, 9000))
        assert outer.recvfrom(100)[1] == (EXT, 40000)
        kinds = ((3, 3, 0), (3, 4, 600), (3, 1, 0), (11, 0, 0), (3, 13, 0))
        nobodys = [forge.udp4(a, b, b'?' * 8) for a, b in (
            ((EXT, 40000), (WAN, 9001)), ((EXT, 40001), (WAN, 9000)), ((LAN, 4000), (WAN, 9000)), ((EXT, 40000), (WAN2, 9000)),
            ((LAN2, 4000), (WAN, 9000)))]
        wire.send(*(forge.icmp4(WAN, to, k, c, q, mtu) for k, c, mtu in kinds for q in nobodys for to in (EXT, LAN)))
        # what is about the flow does get in, as the last
        wire.send(*(forge.icmp4(WAN, EXT, k, c, forge.udp4((EXT, 40000), (WAN, 9000), b'out'), mtu) for k, c, mtu in kinds))
        seen = []
        while len(seen) < len(kinds):
            f = ear.recv(2048)
            if f[12:14] == b'\x08\x00' and f[23] == 1:
                seen.append(tuple(f[34:36]))
        assert seen == [k[:2] for k in kinds], seen
        for i in range(3):
            outer.sendto(b'in', (EXT, 40000))
            wait(lambda: quietly(inner) == b'in')
            with contextlib.suppress(ConnectionRefusedError):
                inner.sendto(b'out', (WAN, 9000))
                assert outer.recvfrom(100)[0] == b'out'
    assert [x['external_port'] for x in d.leases()] == [40000]
    net.through('lan', (LAN, 4000), (EXT, 40000), source=(WAN2, 0))


def quietly(s):
    """What comes; an error that was told to the socket is no answer."""
    try:
        return s.recv(100)
    except (ConnectionRefusedError, OSError):
        return None


lab.main(globals())
