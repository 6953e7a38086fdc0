#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is seen of the gateway from outside of it: its addresses and ports, its silence, and flows beside mappings."""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import craft
import lab
import pcp
from lab import EXT, GW, GW6, LAN, LAN2, WAN, WAN2, conf, wait
from pcp import SUCCESS, TCP, UDP

LANB, GWB = '198.18.1.11', '198.18.1.1'


def test_one_server(net):
    """One server with one epoch and one state, on each of its addresses at port 5351

    6887-4-01, 6886-3.1-01, 6887-8.5-06, 6887-8.1-05
    """
    net.ip('gw', 'addr', 'add', '192.0.2.254/24', 'dev', 'br-lan')
    net.daemon()
    clients = [net.client('lan', s) for s in (GW, '192.0.2.254', GW6)]
    wait(lambda: clients[0].announce().epoch >= 2)
    epochs, begin = [], time.monotonic()
    for c in clients:
        r = c.announce()
        assert (r.result, c.heard[:2]) == (SUCCESS, c.server[:2]) and c.server[1] == 5351, c.heard
        epochs.append(r.epoch)
    assert epochs == sorted(epochs) and epochs[-1] - epochs[0] <= 1 + time.monotonic() - begin and epochs[0] >= 2, epochs
    # whatever port of the client's a request comes from
    for port in (53, 40001):
        assert net.client(port=port).announce().result == SUCCESS
    # what was made by one address is there by the other
    r = clients[0].map(UDP, 4000, 40000)
    again = clients[1].map(UDP, 4000, 0, nonce=clients[0].nonce)
    assert (again.result, again.external) == (SUCCESS, r.external) == (SUCCESS, 40000), vars(again)
    assert clients[1].map(UDP, 4000, 0, nonce=pcp.nonce()).result == pcp.NOT_AUTHORIZED
    assert clients[1].ask(pcp.natpmp_map(UDP, 4000, 0)).external == 40000


def test_not_a_client(net):
    """The gateway asks no gateway in front of it for anything (6887-3-06)"""
    tap = net.capture('wan', 'eth0')
    d = net.daemon()
    c = net.client()
    for lifetime in (7200, 0):
        assert c.map(UDP, 4000, 40000, lifetime).result == SUCCESS
    assert c.natpmp(UDP, 4001, 40001).result == SUCCESS
    net.through('lan', (LAN, 4001), (EXT, 40001))
    d.stop()
    seen = []
    tap.setblocking(False)
    try:
        while True:
            seen.append(lab.probe.transport(tap.recv(2048)))
    except BlockingIOError:
        pass
    assert any(t and t[2] == 40001 for t in seen), 'the tap hears nothing'
    assert not [t for t in seen if t and (t[1] in (5350, 5351) or t[2] in (5350, 5351))], seen


def test_port_of_announcements(net):
    """Announcements go to 5350 and not to 5351, and the router's own programs can listen there (6886-3.2.1-13)"""
    own = [net.listener('gw', '224.0.0.1', 'br-lan'), net.listener('gw', 'ff02::1', 'br-lan')]
    old = net.listener('lan', '224.0.0.1', port=pcp.PORT)
    old.settimeout(0.8)
    new = net.listener('lan', '224.0.0.1')
    d = net.daemon()
    assert pcp.decode(new.recv(100)).result == SUCCESS
    assert not [line for line in d.lines if 'address in use' in line.lower()]
    try:
        raise AssertionError(old.recv(100))
    except TimeoutError:
        pass
    for s in own:
        s.close()


def test_spoofed(net):
    """A request with an address of another network than the one it comes from gets nothing

    6887-8.2-02, 6887-17.1-01, 6887-18.3.2-01
    """
    net.ip('gw', 'link', 'add', 'br-b', 'type', 'bridge')
    net.ip('gw', 'link', 'set', 'lp2', 'master', 'br-b')
    net.ip('gw', 'link', 'set', 'br-b', 'up')
    net.ip('gw', 'addr', 'add', GWB + '/24', 'dev', 'br-b')
    net.ip('lan2', 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
    net.ip('lan2', 'addr', 'add', LANB + '/24', 'dev', 'eth0')
    # so that the kernel keeps nothing back that the daemon should
    net.sh('gw', 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.br-b.rp_filter=0',
           'net.ipv4.conf.br-b.arp_filter=0')
    net.sh('lan2', 'nft', 'insert rule inet guard output ip daddr 198.18.0.0/15 accept')
    d = net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan", "br-b" } }',
                        rule='rule "all" { action = allow }'))
    own, tap = net.client('lan2', GWB), net.capture('lan', 'eth0')
    assert own.map(UDP, 4000, 40000).result == SUCCESS
    net.ip('lan2', 'addr', 'add', LAN + '/32', 'dev', 'lo')
    forged = net.client('lan2', GWB, source=LAN)
    for data in (pcp.pcp_map(LAN, own.nonce, UDP, 4001, 40001), pcp.natpmp_map(TCP, 4001, 40001), pcp.announce(LAN)):
        assert forged.silent(data)
    assert [x['external_port'] for x in d.leases()] == [40000]
    tap.setblocking(False)
    try:
        while True:
            t = lab.probe.transport(tap.recv(2048))
            assert not t or t[1] != pcp.PORT or t[2] == pcp.CLIENT_PORT, t
    except BlockingIOError:
        pass
    # the owner of the address itself is served
    assert net.client().map(UDP, 4001, 40001).result == SUCCESS


def test_errors_from_outside(net):
    """ICMP errors from outside about what a mapped host sent get in, with the inner address in what they quote (6887-11-04)"""
    net.daemon()
    net.client().map(UDP, 4000, 40000)
    tap = net.capture('lan', 'eth0')
    with lab.probe.inside(net.ns('wan')):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    with raw, lab.probe.udp(net.ns('wan'), WAN, 9000) as outer, lab.probe.udp(net.ns('lan'), LAN, 4000) as inner:
        inner.sendto(b'out', (WAN, 9000))
        assert outer.recvfrom(100)[1] == (EXT, 40000)
        sent = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 31, 1, 0, 63, 17, 0, socket.inet_aton(EXT), socket.inet_aton(WAN))
        sent = sent[:10] + struct.pack('!H', craft.checksum(sent)) + sent[12:]
        for kind, code, rest in ((3, 4, 1000), (3, 3, 0), (3, 1, 0), (11, 0, 0)):
            icmp = struct.pack('!BBHHH', kind, code, 0, 0, rest) + sent + struct.pack('!HHHH', 40000, 9000, 11, 0)
            raw.sendto(icmp[:2] + struct.pack('!H', craft.checksum(icmp)) + icmp[4:], (EXT, 0))

            def inside(kind=kind, code=code):
                f = tap.recv(2048)
                return f if f[12:14] == b'\x08\x00' and f[23] == 1 and f[34:36] == bytes((kind, code)) else None
            f = wait(inside)
            assert f[30:34] == socket.inet_aton(LAN), f.hex()
            quoted = f[42:]
            assert quoted[12:20] == socket.inet_aton(LAN) + socket.inet_aton(WAN), quoted.hex()
            assert struct.unpack_from('!HH', quoted, 20) == (4000, 9000), quoted.hex()


def test_connections_end_mappings_do_not(net):
    """Neither the end nor the reset of a connection ends its mapping, be it from outside or from inside

    6887-15.1-14, 6887-16.2-01
    """
    d = net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }'))
    assert net.client().map(TCP, 4000, 40000, 600).result == SUCCESS
    reset = struct.pack('ii', 1, 0)
    for inner, outer in ((4000, 40000), (8443, 443)):
        for abort in (False, True):
            net.through('lan', (LAN, inner), (EXT, outer), 'tcp')
            with lab.probe.tcp(net.ns('lan'), LAN, inner) as s, lab.probe.tcp(net.ns('wan'), WAN) as c:
                s.listen(1)
                c.connect((EXT, outer))
                inside = s.accept()[0]
                with inside:
                    if abort:
                        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                        c.close()
                    else:
                        inside.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            with lab.probe.tcp(net.ns('wan'), WAN, 7777) as s, lab.probe.tcp(net.ns('lan'), LAN, inner) as c:
                s.listen(1)
                c.connect((WAN, 7777))
                connection, peer = s.accept()
                assert peer == (EXT, outer), peer
                if abort:
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                connection.close()
            net.through('lan', (LAN, inner), (EXT, outer), 'tcp', source=(WAN2, 0))
    assert sorted(x['external_port'] for x in d.leases()) == [443, 40000]


def test_flow_on_the_same_port(net):
    """Another host's flow that was translated to a mapping's port goes on; what is new goes to the mapping (6887-16.1-01, decision-24)"""
    net.daemon()
    with lab.probe.udp(net.ns('wan'), WAN, 7777) as far, lab.probe.udp(net.ns('lan2'), LAN2, 40000) as flow, \
            lab.probe.udp(net.ns('lan'), LAN, 4000) as server, lab.probe.udp(net.ns('wan'), WAN2, 8888) as new:
        flow.sendto(b'first', (WAN, 7777))
        assert far.recvfrom(100) == (b'first', (EXT, 40000))
        r = net.client().map(UDP, 4000, 40000)
        assert r.result == SUCCESS, vars(r)
        far.sendto(b'answer', (EXT, 40000))
        assert flow.recvfrom(100) == (b'answer', (WAN, 7777))
        new.sendto(b'new', (EXT, r.external))
        assert server.recvfrom(100) == (b'new', (WAN2, 8888))


def test_flow_outlives_mapping(net):
    """A flow that a host began by itself is there before, beside and after a mapping of its port (6887-11.3-23)"""
    net.daemon()
    c = net.client()
    with lab.probe.udp(net.ns('wan'), WAN, 7777) as far, lab.probe.udp(net.ns('lan'), LAN, 4000) as near:
        near.sendto(b'before', (WAN, 7777))
        data, peer = far.recvfrom(100)
        assert (data, peer) == (b'before', (EXT, 4000))

        def both_ways(text):
            far.sendto(text, peer)
            assert near.recvfrom(100) == (text, (WAN, 7777))
            near.sendto(text, (WAN, 7777))
            assert far.recvfrom(100) == (text, peer)
        both_ways(b'flow')
        assert c.map(UDP, 4000).external == 4000
        both_ways(b'beside')
        assert c.map(UDP, 4000, 4000, 0).result == SUCCESS
        wait(lambda: net.closed((EXT, 4000), source=(WAN2, 0), timeout=0.3))
        both_ways(b'after')


def test_both_ways(net):
    """Implicit, explicit and static mappings work in both directions, with the daemon's rules loaded (6886-3.9-01, 6886-3.9-05)"""
    net.daemon(conf('static "s" { protocol = "udp"  external-port = 443  to = "192.0.2.11:8443" }'))
    c = net.client()
    assert c.natpmp(UDP, 4000, 40000).result == SUCCESS
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    with lab.probe.udp(net.ns('wan'), WAN, 7777) as far:
        for inner, outer in ((4000, 40000), (4001, 40001), (8443, 443), (5555, 5555)):
            with lab.probe.udp(net.ns('lan'), LAN, inner) as near:
                near.sendto(b'out', (WAN, 7777))
                data, peer = far.recvfrom(100)
                assert (data, peer) == (b'out', (EXT, outer)), (data, peer)
                far.sendto(b'in', peer)
                assert near.recvfrom(100) == (b'in', (WAN, 7777))
            if inner != 5555:
                net.through('lan', (LAN, inner), (EXT, outer), source=(WAN2, 0))


def test_lost_and_renewed(net):
    """After everything was lost a renewal is as good as a first request: the old port, by both protocols

    6886-3.3-09, 6886-3.7-03, 6887-11.4-05, 6887-16.3.1-01
    """
    d = net.daemon()
    c = net.client()
    assert (c.natpmp(UDP, 4000, 40000).external, c.map(TCP, 4001, 40001).external) == (40000, 40001)
    assert d.stop() == 0
    net.nft('delete', 'table', 'inet', 'natpcpd')
    assert net.closed((EXT, 40000))
    begin = time.monotonic()
    d = net.daemon()
    assert d.leases() == [] and net.closed((EXT, 40000))
    r = c.natpmp(UDP, 4000, 40000)
    assert (r.result, r.external) == (SUCCESS, 40000) and r.epoch <= time.monotonic() - begin, vars(r)
    r = c.map(TCP, 4001, 40001, address=EXT)
    assert (r.result, r.external, r.address) == (SUCCESS, 40001, EXT), vars(r)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp')


def test_filtered_looks_closed(net):
    """Who is kept out by a filter sees what he sees of a port without a mapping, ICMP error and all (6887-13.3-04)"""
    net.daemon()
    only = pcp.option(pcp.FILTER, struct.pack('!BBH', 0, 128, 0) + pcp.sixteen(WAN2))
    assert net.client().map(UDP, 4000, 40000, options=[only]).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000), source=(WAN2, 0))

    def answer(port, seconds=lab.SOON_S):
        with lab.probe.udp(net.ns('wan'), WAN, timeout=seconds) as s:
            s.connect((EXT, port))
            s.send(b'x')
            try:
                return s.recv(100)
            except OSError as e:
                return type(e)
    assert answer(40000) is answer(40001) is ConnectionRefusedError
    net.sh('gw', 'nft', '-f', '-', input='table inet mine { chain input { type filter hook input priority 0;'
           ' iifname "wan0" meta l4proto udp drop; }; }')
    assert answer(40000, 1) is answer(40001, 1) is TimeoutError


lab.main(globals())
