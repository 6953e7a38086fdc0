#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP connections of a NAT-PMP mapping that ends: both ends are told (RFC 6886 3.4)."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import probe
from lab import EXT, LAN, WAN, conf, wait
from pcp import SUCCESS, TCP

RST = 4


def pair(net, listens, listener, connects, connector, target):
    """A TCP connection, as (the end that was called, the one that called), in which something was sent both ways."""
    server = probe.tcp(net.ns(listens), *listener)
    server.listen(1)
    caller = probe.tcp(net.ns(connects), *connector)
    net.sockets += [server, caller]
    caller.connect(target)
    called = server.accept()[0]
    net.sockets.append(called)
    server.close()
    for s in called, caller:
        s.settimeout(lab.SOON_S)
    assert works(called, caller)
    return called, caller


def inbound(net, port=4000, external=40000, source=0):
    """Host inside, host outside."""
    return pair(net, 'lan', (LAN, port), 'wan', (WAN, source), (EXT, external))


def outbound(net, port=4000, external=40000, remote=7000):
    """The same, begun inside from the mapped port."""
    outside, inside = pair(net, 'wan', (WAN, remote), 'lan', (LAN, port), (WAN, remote))
    assert outside.getpeername() == (EXT, external), outside.getpeername()
    return inside, outside


def works(a, b):
    for source, sink in (a, b), (b, a):
        text = os.urandom(8)
        source.send(text)
        try:
            if sink.recv(100) != text:
                return False
        except TimeoutError:
            return False
    return True


def is_reset(s, seconds=lab.SOON_S):
    """Its end hears so without having sent anything. Only a segment with acceptable numbers does that."""
    s.settimeout(seconds)
    try:
        return s.recv(100) and False
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


def entries(net, *words):
    lines = net.sh('gw', 'cat', '/proc/net/nf_conntrack').splitlines()
    return [line for line in lines if all(w in line.split() for w in words)]


def resets(capture):
    """What was captured of TCP resets: (source, destination) each."""
    found = []
    capture.settimeout(0.1)
    try:
        while True:
            frame = capture.recv(2048)
            if frame[12:14] == b'\x08\x00' and frame[23] == TCP and frame[47] & RST:
                found.append(tuple(socket.inet_ntoa(frame[i:i + 4]) for i in (26, 30)))
    except TimeoutError:
        return found


def ends(net, d, c, how):
    if how == 'deleted':
        assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    elif how == 'revoked':
        d.ctl('revoke', 'tcp', EXT, '40000')
    else:
        assert c.natpmp(TCP, 4000, 40000, 1).lifetime == 1


def proves(net, how):
    d = net.daemon()
    c = net.client()
    for port in 4000, 4002:
        assert c.natpmp(TCP, port, port + 36000).external == port + 36000
    assert c.map(TCP, 4003, 40003).result == SUCCESS
    others = [inbound(net, 4002, 40002), outbound(net, 4002, 40002), inbound(net, 4003, 40003),
              pair(net, 'wan', (WAN, 7009), 'lan', (LAN, 4009), (WAN, 7009))]
    a, b = inbound(net), outbound(net)
    captures = [net.capture('gw', i) for i in ('wan0', 'br-lan')]
    ends(net, d, c, how)
    assert all(is_reset(s) for s in (*a, *b))
    outside, inside = map(resets, captures)
    assert outside.count((EXT, WAN)) == 2 and inside.count((WAN, LAN)) == 2, (outside, inside)
    assert all(works(*other) for other in others)
    # the mapping again, for new connections
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    assert works(*inbound(net)) and works(*outbound(net, remote=7001))
    # what made the ends answer left nothing behind
    assert not [line for line in entries(net, 'dport=4000') if line.index(f'src={WAN}') < line.index(f'dst={LAN}') < line.index(f'dst={EXT}')]


def test_expired(net):
    """Both ends of idle connections are reset when their NAT-PMP mapping expires; others go on (6886-3.4-14, decision-13)"""
    proves(net, 'expired')


def test_deleted(net):
    """The same when its client deletes it (6886-3.4-14, decision-13)"""
    proves(net, 'deleted')


def test_revoked(net):
    """The same when the operator revokes it (6886-3.4-14, decision-13)"""
    proves(net, 'revoked')


def test_strict(net):
    """The same where connections are not taken up in their middle, and by a daemon without privileges"""
    net.sh('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_loose=0')
    net.daemon(conf(process='process { user = "nobody" }', control='control { socket = "" }'))
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    a, b = inbound(net), outbound(net)
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    assert all(is_reset(s) for s in (*a, *b))


def test_same_ports(net):
    """What was reset is gone after some seconds: a connection between the same ports is a new one"""
    net.daemon()
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    a = inbound(net, source=6000)
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    assert all(is_reset(s) for s in a)
    # by the kernel's own timer
    assert all(int(line.split()[4]) < 8 for line in entries(net, 'sport=6000', 'dport=40000'))
    wait(lambda: not entries(net, 'sport=6000', 'dport=40000'))
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    assert works(*inbound(net, source=6000))


def test_hairpin(net):
    """Both ends may be hosts of the LAN"""
    d = net.daemon()
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    called, caller = pair(net, 'lan', (LAN, 4000), 'lan2', ('', 0), (EXT, 40000))
    d.ctl('revoke', 'tcp', EXT, '40000')
    assert is_reset(called) and is_reset(caller)


def test_many(net):
    """Many connections of one mapping"""
    net.daemon()
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    all_of_them = [inbound(net) for _ in range(200)]
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    assert all(is_reset(s) for p in all_of_them for s in p)


def test_unanswered(net):
    """Who does not answer to what is sent in the other's name is reset as soon as he sends something"""
    net.nft('add chain inet filter out { type filter hook output priority 0; }')
    net.nft('add rule inet filter out meta l4proto tcp ct state untracked drop')
    net.daemon()
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    a = inbound(net)
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    wait(lambda: [line for line in entries(net, 'dport=40000') if int(line.split()[4]) < 10])
    for s in a:
        assert not is_reset(s, 0.2)
        s.send(b'still there?')
        assert is_reset(s)


def test_filtered(net):
    """An end that was called hears of it behind a stateful filter of its own, too"""
    for side in 'lan', 'wan':
        net.sh(side, 'nft', '-f', '-', input="""table inet own { chain in { type filter hook input priority 0; policy drop;
            ct state invalid drop
            ct state established accept
            tcp dport { 4000, 7000 } ct state new accept
            udp sport 5351 accept
            icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        } }
""".replace('} }', '}\n}'))
        net.sh(side, 'sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_loose=0')
    net.daemon()
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    a, b = inbound(net), outbound(net)
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    assert is_reset(a[0]) and is_reset(b[1])


def test_no_privilege(net):
    """Without CAP_NET_RAW it is said, and all else works"""
    d = net.daemon(prefix=('setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'))
    d.logged('event=resets-late')
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    inside, outside = inbound(net)
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    wait(lambda: [line for line in entries(net, 'dport=40000') if int(line.split()[4]) < 10])
    outside.send(b'still there?')
    assert is_reset(outside)


def test_off(net):
    """natpmp-reset = false lets them go on, from a reload on as well (decision-13)"""
    off = conf(backend='''backend {
        type = "nftables"  forward-chain = "inet filter forward"  natpmp-reset = false }''')
    d = net.daemon(off)
    assert 'reject' not in net.table()
    c = net.client()
    assert c.natpmp(TCP, 4000, 40000).external == 40000
    a = inbound(net)
    assert c.natpmp(TCP, 4000, 0, 0).result == SUCCESS
    assert not is_reset(a[1], 1.5) and works(*a)
    d.reload(conf())
    assert c.natpmp(TCP, 4001, 40001).external == 40001
    b = inbound(net, 4001, 40001)
    assert c.natpmp(TCP, 4001, 0, 0).result == SUCCESS
    assert all(is_reset(s) for s in b) and works(*a)
    d.reload(off)
    assert 'reject' not in net.table()
    assert c.natpmp(TCP, 4002, 40002).external == 40002
    b = inbound(net, 4002, 40002)
    assert c.natpmp(TCP, 4002, 0, 0).result == SUCCESS
    assert not is_reset(b[1], 1.5) and works(*b)


def test_pcp(net):
    """Those of a PCP mapping go on when its client deletes it, and end unsaid when it is revoked (decision-13)"""
    d = net.daemon()
    c = net.client()
    assert c.map(TCP, 4000, 40000).result == SUCCESS
    a = inbound(net)
    assert c.map(TCP, 4000, 0, lifetime=0).result == SUCCESS
    assert not is_reset(a[1], 1.5) and works(*a)
    assert c.map(TCP, 4001, 40001).result == SUCCESS
    b = inbound(net, 4001, 40001)
    captures = [net.capture('gw', i) for i in ('wan0', 'br-lan')]
    d.ctl('revoke', 'tcp', EXT, '40001')
    wait(lambda: not entries(net, 'dport=40001'))
    assert not any(map(resets, captures)) and works(*a)


if __name__ == '__main__':
    lab.main(globals())
