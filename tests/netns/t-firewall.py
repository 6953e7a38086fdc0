#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pinholes in an IPv6 firewall: what they let in, what not, and the ICMPv6 errors of what they let in."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import craft
import lab
import pcp
from lab import GW6, LAN6, WAN6, conf, wait
from pcp import SUCCESS

FAR6 = '2001:db8:2::77'
FLOWS = {
    craft.UDP: lambda a, b, reply: craft.udp(a, b),
    craft.TCP: lambda a, b, reply: craft.tcp(a, b, craft.SYN | craft.ACK if reply else craft.SYN, 1000, 1001 if reply else 0),
    craft.SCTP: lambda a, b, reply: craft.sctp(a, b, 5, craft.sctp_init_ack(9)) if reply
    else craft.sctp(a, b, 0, craft.sctp_init(5)),
    craft.DCCP: lambda a, b, reply: craft.dccp(a, b, 1 if reply else 0),
    craft.UDPLITE: lambda a, b, reply: craft.udp(a, b, protocol=craft.UDPLITE),
}
# the errors of RFC 4890 4.3.1 and 4.3.2: type, code, parameter
ERRORS = [*((1, code, 0) for code in range(7)), (2, 0, 1280), (3, 0, 0), (3, 1, 0), (4, 0, 40), (4, 1, 40), (4, 2, 40)]


def quiet(net, *sides):
    """The hosts themselves answer nothing: the packets of the test are all there are."""
    # conntrack takes UDP-Lite's checksum for UDP's, which shows where a packet does not come from this machine's stack
    net.sh('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_checksum=0')
    # associations are set up by hand here, which may take longer than the 3 s that it gives them
    net.run('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_sctp_timeout_cookie_wait=100',
            'net.netfilter.nf_conntrack_sctp_timeout_cookie_echoed=100')
    for side in sides:
        net.sh(side, 'nft', '-f', '-', input='''table inet quiet {
            chain input { type filter hook input priority filter; policy accept;
                icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
                ip6 saddr 2001:db8::/32 udp sport != 5351 drop
                ip6 saddr 2001:db8::/32 meta l4proto != udp drop
            }
        }''')


def mapped(net):
    """The protocols that can be mapped here."""
    tracked = net.run('gw', 'sysctl', 'net.netfilter.nf_conntrack_dccp_timeout_open').returncode == 0
    return [p for p in FLOWS if tracked or p != craft.DCCP]


def pinhole(client, protocol, port=5000, **options):
    r = client.map(protocol, port, address='::', **options)
    assert (r.result, r.external, r.address) == (SUCCESS, port, LAN6), vars(r)


def test_each_protocol(net):
    """Nothing gets in unasked; a pinhole lets in its protocol and port and no other, until it ends

    6092-2.3-01, 6092-3.2.3-20, 6092-3.4-48, 6887-11.3-34
    """
    d = net.daemon(conf('lifetime { min = 1 }'))
    quiet(net, 'lan', 'wan')
    c = net.client('lan', GW6)
    ports = iter(range(20000, 30000))

    def gets_in(wire, protocol, port=5000, look=craft.Wire.passes):
        # a port of its own each time, so that nothing is let in as an answer
        return look(wire, FLOWS[protocol]((WAN6, next(ports)), (LAN6, port), False))

    def stays_out(wire, protocol, port=5000):
        return gets_in(wire, protocol, port, craft.Wire.stops)
    with craft.Wire(net) as wire:
        for protocol in FLOWS:
            assert stays_out(wire, protocol), protocol
        for protocol in mapped(net):
            pinhole(c, protocol, lifetime=600)
            assert gets_in(wire, protocol) and all(stays_out(wire, p) for p in FLOWS if p != protocol), protocol
            assert stays_out(wire, protocol, 5001), protocol
            assert c.map(protocol, 5000, 5000, 0, address='::').result == SUCCESS
            assert stays_out(wire, protocol), protocol
        pinhole(c, craft.UDP, lifetime=600)
        assert gets_in(wire, craft.UDP)
        # no connection that would keep it
        net.forget()
        pinhole(c, craft.UDP, lifetime=1)
        wait(lambda: not d.leases())
        assert stays_out(wire, craft.UDP)


def test_any_remote(net):
    """A pinhole without a filter is for every remote address and port (6092-3.2.3-17, 6092-3.3.1-33)"""
    net.daemon()
    net.ip('wan', 'addr', 'add', FAR6 + '/128', 'dev', 'eth0', 'nodad')
    c = net.client('lan', GW6)
    for protocol, name in ((craft.UDP, 'udp'), (craft.TCP, 'tcp')):
        pinhole(c, protocol)
        for remote in ((WAN6, 7001), (WAN6, 7002), (FAR6, 7001)):
            assert net.through('lan', (LAN6, 5000), (LAN6, 5000), name, source=remote).inner == remote


def test_errors_come_in(net):
    """ICMPv6 errors of a pinhole's flows get in, each that RFC 4890 asks for, whatever the protocol

    6092-3.2.3-18, 6092-3.3.1-36, 6092-3.3.2-41, 4890-4.3.1-01, 4890-4.3.1-02, 4890-4.3.1-03,
    4890-4.3.1-04, 4890-4.3.2-01
    """
    net.daemon()
    quiet(net, 'lan', 'wan')
    c = net.client('lan', GW6)
    with craft.Wire(net) as wire:
        for protocol in mapped(net):
            make, inside, outside = FLOWS[protocol], (LAN6, 5000), (WAN6, 6000)
            pinhole(c, protocol)
            assert wire.passes(make(outside, inside, False)), protocol
            answer = make(inside, outside, True)
            assert wire.passes(answer, outward=True), protocol
            for error in ERRORS:
                # from a router on the way
                assert wire.passes(craft.icmp6(FAR6, LAN6, *error[:2], answer, error[2])), (protocol, error)
            come = make(outside, inside, False)
            for error in ERRORS:
                assert wire.passes(craft.icmp6(LAN6, WAN6, *error[:2], come, error[2]), outward=True), (protocol, error)


def test_errors_of_nothing(net):
    """An error about a packet that nobody sent does not get in, pinhole or not (6092-3.2.1-10, 4890-4.1-03)"""
    net.daemon()
    quiet(net, 'lan', 'wan')
    c = net.client('lan', GW6)
    for protocol in (craft.UDP, craft.TCP):
        pinhole(c, protocol)
    with craft.Wire(net) as wire:
        for quoted in (craft.udp((LAN6, 5000), (WAN6, 6000)), craft.udp((LAN6, 5001), (WAN6, 6000)),
                       craft.tcp((LAN6, 5000), (WAN6, 6000), craft.SYN | craft.ACK), b'\0' * 48):
            for error in ERRORS:
                assert wire.stops(craft.icmp6(FAR6, LAN6, *error[:2], quoted, error[2]), timeout=0.05), error


def test_errors_end_nothing(net):
    """ICMPv6 errors of flows that began inside get in and end nothing: the flow goes on, by its state alone

    6092-3.2.3-19, 6092-3.3.1-37, 6092-3.3.2-42, 6092-3.3.3-45, 6092-3.3.3-46
    """
    net.daemon()
    quiet(net, 'lan', 'wan')
    with craft.Wire(net) as wire:
        for protocol, make in FLOWS.items():
            inside, outside = (LAN6, 5000), (WAN6, 6000)
            first, answer = make(inside, outside, False), make(outside, inside, True)
            assert wire.stops(answer), protocol
            assert wire.passes(first, outward=True), protocol
            for kind, code, parameter in ERRORS:
                assert wire.passes(craft.icmp6(FAR6, LAN6, kind, code, first, parameter)), (protocol, kind, code)
                assert wire.passes(answer), (protocol, kind, code)


def test_tcp_opens(net):
    """TCP through a pinhole: the handshake from outside, and both ends opening at once (6092-3.3.1-31)"""
    net.daemon()
    quiet(net, 'lan', 'wan')
    inside, outside = (LAN6, 5000), (WAN6, 6000)
    pinhole(net.client('lan', GW6), craft.TCP)
    with craft.Wire(net) as wire:
        assert wire.passes(craft.tcp(outside, inside, craft.SYN, 1000))
        assert wire.passes(craft.tcp(inside, outside, craft.SYN | craft.ACK, 2000, 1001), outward=True)
        assert wire.passes(craft.tcp(outside, inside, craft.ACK, 1001, 2001))
        # at once, by its own pinhole and by a flow that began inside
        for port in (5000, 5001):
            inside, outside = (LAN6, port), (WAN6, 6001)
            assert wire.passes(craft.tcp(inside, outside, craft.SYN, 2000), outward=True)
            assert wire.passes(craft.tcp(outside, inside, craft.SYN, 1000))
            assert wire.passes(craft.tcp(inside, outside, craft.SYN | craft.ACK, 2000, 1001), outward=True)
            assert wire.passes(craft.tcp(outside, inside, craft.SYN | craft.ACK, 1000, 2001))
            assert wire.passes(craft.tcp(outside, inside, craft.ACK, 1001, 2001))


def test_sctp_opens(net):
    """SCTP through a pinhole: an association from outside, and both ends at once (6092-3.3.2-38)"""
    net.daemon()
    quiet(net, 'lan', 'wan')
    inside, outside = (LAN6, 5000), (WAN6, 6000)
    with craft.Wire(net) as wire:
        assert wire.stops(craft.sctp(outside, inside, 0, craft.sctp_init(5)))
        pinhole(net.client('lan', GW6), craft.SCTP)
        assert wire.passes(craft.sctp(outside, inside, 0, craft.sctp_init(5)))
        assert wire.passes(craft.sctp(inside, outside, 5, craft.sctp_init_ack(9)), outward=True)
        assert wire.passes(craft.sctp(outside, inside, 9, craft.SCTP_COOKIE_ECHO))
        assert wire.passes(craft.sctp(inside, outside, 5, craft.SCTP_COOKIE_ACK), outward=True)
        outside = (WAN6, 6001)
        assert wire.passes(craft.sctp(inside, outside, 0, craft.sctp_init(9)), outward=True)
        assert wire.passes(craft.sctp(outside, inside, 0, craft.sctp_init(5)))


def test_dccp_opens(net):
    """DCCP: a server outside is reached, one inside by a pinhole, or that is refused where the kernel cannot do it (6092-3.3.3-43)"""
    net.daemon()
    quiet(net, 'lan', 'wan')
    inside, outside = (LAN6, 5000), (WAN6, 6000)
    c = net.client('lan', GW6)
    with craft.Wire(net) as wire:
        assert wire.stops(craft.dccp(outside, inside))
        r = c.map(craft.DCCP, 5000, address='::')
        if craft.DCCP in mapped(net):
            assert r.result == SUCCESS, vars(r)
            assert wire.passes(craft.dccp(outside, inside))
            assert wire.passes(craft.dccp(inside, outside, 1), outward=True)
            assert wire.stops(craft.dccp(outside, (LAN6, 5001)))
        else:
            assert (r.result, r.lifetime) == (pcp.UNSUPP_PROTOCOL, 1800), vars(r)
            assert wire.stops(craft.dccp(outside, inside))
        outside = (WAN6, 6001)
        assert wire.passes(craft.dccp(inside, outside), outward=True)
        assert wire.passes(craft.dccp(outside, inside, 1))


def test_transparent(net):
    """Where the operator's firewall lets everything through, PCP restricts nothing (6092-3.4-49)"""
    net.nft('-f', '-', input='flush chain inet filter forward\nadd chain inet filter forward { policy accept; }')
    net.daemon()
    quiet(net, 'lan', 'wan')
    c = net.client('lan', GW6)
    with craft.Wire(net) as wire:
        for protocol in mapped(net):
            make = FLOWS[protocol]
            pinhole(c, protocol)
            for port in (5000, 5001):
                assert wire.passes(make((WAN6, 6000), (LAN6, port), False)), (protocol, port)
            assert c.map(protocol, 5000, 5000, 0, address='::').result == SUCCESS
            assert wire.passes(make((WAN6, 6001), (LAN6, 5000), False)), protocol


def test_no_icmp_rules(net):
    """No rule of ours lets ICMPv6 in, or keeps it out (4890-4.1-01)"""
    net.daemon()
    c = net.client('lan', GW6)
    pinhole(c, craft.UDP)
    mine = net.table() + '\n'.join(r for r in net.rules() if 'natpcpd' in r)
    mine = mine.replace('meta l4proto tcp reject with tcp reset', '')
    assert 'icmp' not in mine and 'l4proto 58' not in mine and 'drop' not in mine and 'reject' not in mine, mine
    quiet(net, 'lan')
    with craft.Wire(net) as wire:
        # neither an echo request nor anything link-local's passes for a pinhole
        for kind in (128, 133, 135, 137, 138, 139):
            assert wire.stops(craft.icmp6(WAN6, LAN6, kind, 0, b'x' * 16), timeout=0.1), kind


def test_no_service_outside(net):
    """Nothing listens on TCP, and UDP 5351 answers nobody outside, not even as a host inside

    6092-3.5-50, 6887-8-01, 6887-18.1-01
    """
    d = net.daemon()
    assert net.client().announce().result == SUCCESS
    assert not net.sh('gw', 'ss', '-Hltn').strip()
    net.ip('wan', 'route', 'add', '192.0.2.0/24', 'via', lab.EXT)
    for server in (lab.EXT, lab.EXT6, lab.GW, GW6):
        c = net.client('wan', lab.EXT6 if ':' in server else lab.EXT)
        where = lab.probe.resolve(net.ns('wan'), server, pcp.PORT)
        assert c.silent(pcp.announce(c.address), where), server
        assert c.silent(pcp.pcp_map(c.address, c.nonce, craft.UDP, 4000), where), server
    # whoever says that he is a host inside
    for address in (lab.LAN, LAN6):
        net.ip('wan', 'addr', 'add', address + ('/128' if ':' in address else '/32'), 'dev', 'lo')
    for server in (lab.EXT, lab.EXT6, lab.GW, GW6):
        c = net.client('wan', server, source=LAN6 if ':' in server else lab.LAN)
        assert c.silent(pcp.announce(c.address)) and c.silent(pcp.natpmp_map(craft.UDP, 4000)), server
        assert c.silent(pcp.pcp_map(c.address, c.nonce, craft.UDP, 4000)), server
    assert d.leases() == []


lab.main(globals())
