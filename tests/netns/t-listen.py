#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which requests are heard, and where the replies come from."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import socket
import struct

import lab
import pcp
from lab import EXT, EXT6, GW, GW6, LAN, LAN2, WAN, conf, wait
from pcp import NOT_AUTHORIZED, SUCCESS, TCP, UDP


def ask_all(client):
    """One request of each kind, none of which may be answered."""
    return [pcp.natpmp_address(), pcp.natpmp_map(UDP, 4000, 40000), pcp.announce(client.address),
            pcp.pcp_map(client.address, client.nonce, UDP, 4000, 40000), pcp.header(pcp.MAP, 0, client.address, version=9)]


def nothing(net, d, client, destination):
    for data in ask_all(client):
        client.socket.sendto(data, destination)
    try:
        client.receive(0.5)
        raise AssertionError(f'an answer from {client.heard}')
    except (TimeoutError, ConnectionRefusedError):
        pass
    assert d.leases() == []


def test_wan_side(net):
    """Requests on the outside interface get silence, whatever they are addressed to (6886-3.3-27, 6886-5-01, 6887-8.2-03)"""
    d = net.daemon()
    net.ip('wan', 'route', 'add', '192.0.2.0/24', 'via', EXT)
    for server in (EXT, GW, EXT6, GW6):
        nothing(net, d, net.client('wan', server), (server, pcp.PORT))


def test_wan_address(net):
    """Requests from inside to the outside address get silence (6886-3.3-26, 6886-3.3-28, decision-15)"""
    d = net.daemon()
    nothing(net, d, net.client('lan', EXT), (EXT, pcp.PORT))
    nothing(net, d, net.client('lan', EXT6), (EXT6, pcp.PORT))


def test_multicast(net):
    """Requests to multicast and broadcast addresses get silence (6886-3.3-28)"""
    d = net.daemon()
    c = net.client()
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for group in ('224.0.0.1', '192.0.2.255', '255.255.255.255'):
        with lab.probe.inside(net.ns('lan')):
            index = socket.if_nametoindex('eth0')
        c.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            struct.pack('=4s4si', b'\0' * 4, b'\0' * 4, index))
        if group == '255.255.255.255':
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'eth0')
        nothing(net, d, c, (group, pcp.PORT))
    c6 = net.client('lan', GW6)
    nothing(net, d, c6, lab.probe.resolve(net.ns('lan'), 'ff02::1%eth0', pcp.PORT))
    assert c.public().result == SUCCESS


def test_reply_source(net):
    """A reply leaves from the address that was asked, also from one that came later (6887-8.3-02, 6886-3.2-08)"""
    net.ip('gw', 'addr', 'add', '192.0.2.254/24', 'dev', 'br-lan')
    net.daemon()
    net.ip('gw', 'addr', 'add', '192.0.2.253/24', 'dev', 'br-lan')
    for server in (GW, '192.0.2.254', '192.0.2.253'):
        c = net.client('lan', server)

        def answered(c=c):
            try:
                c.ask(pcp.natpmp_address(), 0.3)
            except (TimeoutError, ConnectionRefusedError):
                return False
            return True
        wait(answered, what=f'an answer from {server}')
        assert c.heard[:2] == (server, pcp.PORT), c.heard
        assert c.announce().result == SUCCESS and c.heard[:2] == (server, pcp.PORT)


def test_one_server(net):
    """A mapping made by way of one address of the server is the same by way of another, to the same nonce (7488-3-10)"""
    net.ip('gw', 'addr', 'add', '192.0.2.254/24', 'dev', 'br-lan')
    d = net.daemon()
    first, second = net.client('lan', GW), net.client('lan', '192.0.2.254')
    made = first.map(UDP, 4000, 40000, lifetime=600)
    assert (made.result, made.external) == (SUCCESS, 40000), vars(made)
    renewed = second.map(UDP, 4000, 41000, lifetime=3600, nonce=first.nonce)
    assert (renewed.result, renewed.external, renewed.lifetime) == (SUCCESS, 40000, 3600), vars(renewed)
    assert second.map(UDP, 4000, 40000, nonce=pcp.nonce()).result == NOT_AUTHORIZED
    lease, = d.leases()
    assert lease['external_port'] == 40000 and lease['expires_in_s'] > 3000, lease
    assert second.map(UDP, 4000, lifetime=0, nonce=first.nonce).lifetime == 0
    assert not d.leases()


def link_local(net, side, interface):
    text = net.ip(side, '-6', '-o', 'addr', 'show', 'dev', interface, 'scope', 'link')
    return text.split('inet6 ')[1].split('/')[0]


def test_ipv6_addresses(net):
    """PCP over IPv6 is answered on the link-local and on the global address (6887-8.3-02)"""
    net.daemon()
    for server in (GW6, link_local(net, 'gw', 'br-lan') + '%eth0'):
        c = net.client('lan', server)
        r = c.announce()
        assert r.result == SUCCESS, vars(r)
        assert c.heard[0].partition('%')[0] == server.partition('%')[0] and c.heard[1] == pcp.PORT, c.heard


def test_natpmp_over_ipv6(net):
    """NAT-PMP over IPv6 does not exist: silence"""
    net.daemon()
    c = net.client('lan', GW6)
    assert c.silent(pcp.natpmp_address())
    assert c.announce().result == SUCCESS


def test_responses(net):
    """A response is never answered, whatever its version: no reflection loops (6886-3.5-08, 6887-8.2-12)"""
    net.daemon()
    c = net.client()
    for data in (b'\x00\x80', b'\x00\x81' + bytes(14), b'\x02\x81' + bytes(58), b'\x09\x80' + bytes(22), b'\x01\xff'):
        c.send(data)
    for data in (b'', b'\x00', b'\x02', b'\x02\x00', b'\x02\x01' + bytes(21), b'\x00\x01' + bytes(9)):
        c.send(data)
    assert c.silent(b'\x02\x80' + bytes(22))
    assert c.public().result == SUCCESS


def test_versions(net):
    """Unknown versions are told which there are (6887-9-01, 6887-8.2-13, 6887-9-08)"""
    net.daemon()
    c = net.client()
    for version in (1, 3, 255):
        for data in (bytes((version, 0)), pcp.header(1, 0, LAN, version) + bytes(36)):
            r = c.ask(data)
            assert (r.version, r.result) == (2, pcp.UNSUPP_VERSION), vars(r)
    # an unknown opcode gets the whole request back with its code in octets 2 and 3 (6886-3.5-09)
    request = bytes((0, 9, 0, 0)) + b'and more'
    r = c.ask(request)
    assert r.raw[:4] == bytes((0, 137, 0, 5)) and r.raw[8:] == request[8:], r.raw


def test_long(net):
    """Too long and odd lengths are MALFORMED_REQUEST, cut to 1100 octets (6887-8.2-16, 6887-8.2-17, 6887-8.2-08)"""
    net.daemon()
    c = net.client()
    whole = pcp.pcp_map(LAN, c.nonce, UDP, 4000, 40000)
    for size, expected in ((1104, 1100), (1400, 1100), (61, 64), (59, 60)):
        r = c.ask((whole + bytes(1400))[:size])
        assert r.result == pcp.MALFORMED_REQUEST and len(r.raw) == expected, (size, len(r.raw), vars(r))
        assert r.raw[24:min(size, 1100)] == (whole + bytes(1400))[24:min(size, 1100)]


def test_address_mismatch(net):
    """A client field that is not the source address: ADDRESS_MISMATCH, echoed whole (6887-8.2-19, 6887-7.3-12)"""
    d = net.daemon()
    c = net.client()
    r = c.map(UDP, 4000, 40000, client=LAN2)
    assert r.result == pcp.ADDRESS_MISMATCH and (r.internal, r.external) == (4000, 40000), vars(r)
    # the IPv4-compatible spelling of the right address is another address
    r = c.map(UDP, 4000, 40000, client='::' + LAN)
    assert r.result == pcp.ADDRESS_MISMATCH, vars(r)
    assert d.leases() == []


def raw_udp(net, side, source, destination, source_port, data):
    """Sends a datagram with a source of choice."""
    def checksum(b):
        s = sum(struct.unpack(f'!{len(b) // 2}H', b))
        s = (s & 0xffff) + (s >> 16)
        return ~(s + (s >> 16)) & 0xffff
    src, dst = socket.inet_aton(source), socket.inet_aton(destination)
    u = struct.pack('!HHHH', source_port, pcp.PORT, 8 + len(data), 0)
    padded = data + b'\0' * (len(data) % 2)
    u = u[:6] + struct.pack('!H', checksum(src + dst + struct.pack('!HH', 17, 8 + len(data)) + u + padded) or 0xffff)
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0, src, dst)
    gw_mac = bytes.fromhex(net.ip('gw', '-o', 'link', 'show', 'br-lan').split('link/ether ')[1][:17].replace(':', ''))
    with lab.probe.inside(net.ns(side)):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        s.bind(('eth0', 0x0800))
    with s:
        mine = s.getsockname()[4]
        s.send(gw_mac + mine + b'\x08\x00' + ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:] + u + data)


def test_odd_sources(net):
    """Spoofed and impossible sources do not confuse it, and get no mapping (6887-18.1-01, 6887-8.2-02)"""
    d = net.daemon()
    c = net.client()
    for source in (EXT, WAN, GW, '127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '192.0.2.255', '203.0.113.99'):
        raw_udp(net, 'lan', source, GW, 5555, pcp.pcp_map(source, c.nonce, UDP, 4000, 40000))
        raw_udp(net, 'lan', source, GW, 5555, pcp.natpmp_map(TCP, 4000, 40000))
    raw_udp(net, 'lan', LAN, GW, 0, pcp.natpmp_address())
    assert c.public().result == SUCCESS
    assert d.leases() == [], d.leases()
    # the same bytes with an honest source do work
    raw_udp(net, 'lan', LAN, GW, 5555, pcp.natpmp_map(TCP, 4000, 40000))
    wait(lambda: [x['external_port'] for x in d.leases()] == [40000])


def test_burst_is_one_transaction(net):
    """All datagrams that one wake-up finds are one transaction of the packet filter, and each has its answer (6887-8-02)"""
    d = net.daemon(conf('limits { requests-per-second = 0 }'))
    c = net.client()
    c.map(UDP, 3999, 39999)
    before = net.generation()
    with d.asleep():
        for i in range(64):
            c.send(pcp.pcp_map(LAN, c.nonce, UDP, 4000 + i, 40000 + i))
    answers = [c.receive() for _ in range(64)]
    assert all(r.result == SUCCESS for r in answers)
    assert {r.external for r in answers} == set(range(40000, 40064))
    spent = net.generation() - before
    assert spent == 1, spent
    for i in (0, 31, 63):
        net.through('lan', (LAN, 4000 + i), (EXT, 40000 + i))


def test_same_lease_twice_in_a_burst(net):
    """Requests of one burst see each other's effect: map, map, delete, map of the same port"""
    d = net.daemon(conf('limits { requests-per-second = 0 }'))
    c = net.client()
    c.public()
    with d.asleep():
        for lifetime in (600, 700, 0, 800):
            c.send(pcp.pcp_map(LAN, c.nonce, UDP, 4000, 40000, lifetime=lifetime))
    answers = [c.receive() for _ in range(4)]
    assert [(r.result, r.lifetime) for r in answers] == [(0, 600), (0, 700), (0, 0), (0, 800)], [vars(r) for r in answers]
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert len(d.leases()) == 1


def test_second_interface(net):
    """An interface that is not configured is not served; a second one that is named is"""
    net.ip('gw', 'link', 'set', 'lp2', 'nomaster')
    net.ip('gw', 'addr', 'add', '192.0.2.129/25', 'dev', 'lp2')
    net.ip('lan2', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
    net.ip('lan2', 'addr', 'add', '192.0.2.140/25', 'dev', 'eth0')
    d = net.daemon()
    c = net.client('lan2', '192.0.2.129')
    assert c.silent(pcp.natpmp_address())
    d.reload(conf(listen='listen "lan" { interfaces = { "br-lan", "lp2" } }'))

    def answered():
        try:
            return c.ask(pcp.natpmp_address(), 0.3).result == SUCCESS
        except (TimeoutError, ConnectionRefusedError):
            return False
    wait(answered)
    assert net.client().public().result == SUCCESS


def test_protocol_switches(net):
    """nat-pmp = false answers PCP's UNSUPP_VERSION; pcp = false answers NAT-PMP's (6886-5-04, 6887-A-02)"""
    d = net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan" }  nat-pmp = false }'))
    c = net.client()
    r = c.public()
    assert (r.version, r.result) == (2, pcp.UNSUPP_VERSION), vars(r)
    assert c.announce().result == SUCCESS
    d.stop()
    net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan" }  pcp = false }'))
    r = c.announce()
    assert r.raw[:4] == bytes((0, 128, 0, 1)) and len(r.raw) == 8, r.raw
    assert c.public().result == SUCCESS


lab.main(globals())
