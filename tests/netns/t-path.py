#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Routers that are not the simplest one: several insides and outsides, pools, other people's rules, long flows."""
import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, GW, LAN, LAN2, LAN6, WAN, WAN2, WAN6, conf, wait
from pcp import SUCCESS, TCP, UDP

POOL = '198.18.0.8'
LANB, GWB = '198.18.1.11', '198.18.1.1'
EXTB, WANB = '203.0.113.129', '203.0.113.130'


def second_lan(net):
    """The second host on a bridge of its own."""
    net.ip('gw', 'link', 'add', 'br-b', 'type', 'bridge')
    net.ip('gw', 'link', 'set', 'lp2', 'master', 'br-b')
    net.ip('gw', 'link', 'set', 'br-b', 'up')
    net.ip('gw', 'addr', 'add', GWB + '/24', 'dev', 'br-b')
    net.ip('lan2', 'addr', 'flush', 'dev', 'eth0')
    net.ip('lan2', 'addr', 'add', LANB + '/24', 'dev', 'eth0')
    net.ip('lan2', 'route', 'add', 'default', 'via', GWB)
    net.nft('-f', '-', input='''add rule inet filter forward iifname "br-b" oifname { "wan0", "wan1" } accept
        add rule inet nat postrouting oifname "wan0" ip saddr 198.18.1.0/24 masquerade''')
    net.sh('lan2', 'nft', 'insert rule inet guard output ip daddr 198.18.0.0/15 accept')


def second_wan(net):
    """Another provider, to whom what comes from the second bridge goes."""
    net.ip('gw', 'link', 'add', 'wan1', 'type', 'veth', 'peer', 'name', 'eth1', 'netns', net.ns('wan'))
    net.ip('wan', 'link', 'set', 'eth1', 'up')
    net.ip('wan', 'addr', 'add', WANB + '/25', 'dev', 'eth1')
    net.ip('gw', 'addr', 'add', EXTB + '/25', 'dev', 'wan1')
    net.ip('gw', 'link', 'set', 'wan1', 'up')
    net.ip('gw', 'route', 'add', 'default', 'via', WANB, 'table', '100')
    net.ip('gw', 'rule', 'add', 'iif', 'br-b', 'to', '192.0.2.0/24', 'lookup', 'main', 'priority', '98')
    net.ip('gw', 'rule', 'add', 'iif', 'br-b', 'lookup', '100', 'priority', '100')
    net.nft('add rule inet nat postrouting oifname "wan1" masquerade')
    net.nft('add rule inet filter forward iifname "br-lan" oifname "wan1" accept')


LANS = 'listen "b" { interfaces = { "br-b" }  external = "wan" }\n'
RULE = 'rule "hosts" { action = allow  clients = { "192.0.2.0/24", "198.18.1.0/24", "2001:db8:1::/64" } }'


def leaves_as(net, side, local, remote=(WAN, 9000)):
    """The source address and port that the outside sees of a new flow from local."""
    with lab.probe.udp(net.ns('wan'), *remote) as server, lab.probe.udp(net.ns(side), *local) as s:
        s.sendto(b'hello', remote)
        data, peer = server.recvfrom(100)
        assert data == b'hello'
        server.sendto(b'you', peer)
        assert s.recv(100) == b'you'
    return peer[:2]


def test_two_lans(net):
    """Two bridges, one outside: each host gets its port, and they reach each other's mappings (6887-3-03)"""
    second_lan(net)
    net.daemon(conf(LANS, rule=RULE))
    assert net.client('lan2', GWB).map(UDP, 4000, 40000).result == SUCCESS
    assert net.client('lan').map(UDP, 4000, 40001).result == SUCCESS
    net.through('lan2', (LANB, 4000), (EXT, 40000))
    net.through('lan', (LAN, 4000), (EXT, 40001))
    net.through('lan2', (LANB, 4000), (EXT, 40000), outer='lan')
    seen = net.through('lan', (LAN, 4000), (EXT, 40001), outer='lan2', source=(LANB, 4000))
    assert seen.inner == (EXT, 40000), seen.inner
    # the other bridge's address of the router is no server for this one
    assert net.client('lan2', GW).silent(pcp.natpmp_address())


def test_two_wans(net):
    """Two outsides, each inside bound to one: mappings are on the right one, and each is translated on its own WAN"""
    second_lan(net)
    second_wan(net)
    net.daemon(conf('external "b" { interface = "wan1" }\nlisten "b" { interfaces = { "br-b" }  external = "b" }\n',
                    rule=RULE))
    a, b = net.client('lan'), net.client('lan2', GWB)
    assert b.public().address == EXTB and a.public().address == EXT
    assert b.map(UDP, 4000, 40000).address == EXTB
    assert a.map(UDP, 4000, 40000).address == EXT
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan2', (LANB, 4000), (EXTB, 40000), source=(WANB, 0))
    assert leaves_as(net, 'lan', (LAN, 4000)) == (EXT, 40000)
    assert leaves_as(net, 'lan2', (LANB, 4000), (WANB, 9000)) == (EXTB, 40000)
    # who goes out by the other one's WAN has none of its own address there, nor a port that is the other one's
    net.ip('gw', 'rule', 'add', 'iif', 'br-lan', 'to', WANB, 'lookup', '100', 'priority', '97')
    assert leaves_as(net, 'lan', (LAN, 4000), (WANB, 9001)) == (EXTB, 4000)
    # the one WAN down: what is left carries its address, and each mapping still has its own when it is back
    net.ip('gw', 'rule', 'del', 'iif', 'br-b', 'lookup', '100', 'priority', '100')
    assert leaves_as(net, 'lan2', (LANB, 4000), (WAN, 9002)) == (EXT, 4000)
    # hairpin from one inside to the other one's mapping: both see outside addresses
    seen = net.through('lan2', (LANB, 4000), (EXTB, 40000), outer='lan', source=(LAN, 4000))
    assert seen.inner == (EXT, 40000), seen.inner


def pool_routed(net):
    net.ip('wan', 'route', 'add', '198.18.0.8/29', 'via', EXT)
    net.sh('lan', 'nft', 'insert rule inet guard output ip daddr 198.18.0.0/15 accept')
    net.sh('lan2', 'nft', 'insert rule inet guard output ip daddr 198.18.0.0/15 accept')


def test_pool(net):
    """A routed pool: mappings are on its addresses, in, out and by hairpin; the interface's own stays free"""
    pool_routed(net)
    net.daemon(conf(external='external "wan" { interface = "wan0"  addresses = { "198.18.0.8/29" } }'))
    c = net.client()
    assert c.public().address == POOL
    r = c.map(UDP, 4000, 40000)
    assert (r.result, r.address, r.external) == (SUCCESS, POOL, 40000), vars(r)
    net.through('lan', (LAN, 4000), (POOL, 40000))
    net.through('lan', (LAN, 4000), (POOL, 40000), outer='lan2')
    net.through('lan', (LAN, 4000), (POOL, 40000), outer='lan')
    assert leaves_as(net, 'lan', (LAN, 4000)) == (POOL, 40000)
    assert net.closed((EXT, 40000))
    r = net.client('lan2').map(UDP, 4000, 40000, address='198.18.0.11')
    assert (r.result, r.address, r.external) == (SUCCESS, '198.18.0.11', 40000), vars(r)
    net.through('lan2', (LAN2, 4000), ('198.18.0.11', 40000))


def test_pool_without_interface(net):
    """A pool alone, no interface named: the same"""
    pool_routed(net)
    net.daemon(conf(external='external "wan" { addresses = { "198.18.0.8/29" } }'))
    r = net.client().map(UDP, 4000, 40000)
    assert (r.result, r.address, r.external) == (SUCCESS, POOL, 40000), vars(r)
    net.through('lan', (LAN, 4000), (POOL, 40000))
    net.through('lan', (LAN, 4000), (POOL, 40000), outer='lan2')
    assert leaves_as(net, 'lan', (LAN, 4000)) == (POOL, 40000)


def test_no_nat(net):
    """nat = false: IPv4 that is routed is opened like IPv6, the same address and port, and nothing else"""
    net.nft('delete', 'table', 'inet', 'nat')
    net.ip('wan', 'route', 'add', '192.0.2.0/24', 'via', EXT)
    net.daemon(conf(external='external "wan" { interface = "wan0"  nat = false }'))
    c = net.client()
    r = c.map(UDP, 4000, 40000)
    assert (r.result, r.address, r.external) == (SUCCESS, LAN, 4000), vars(r)
    net.through('lan', (LAN, 4000), (LAN, 4000))
    assert net.closed((LAN, 4001)) and net.closed((LAN2, 4000)) and net.closed((EXT, 4000))
    assert leaves_as(net, 'lan', (LAN, 4000)) == (LAN, 4000)
    net.forget()
    assert c.map(UDP, 4000, 40000, lifetime=0).result == SUCCESS
    assert net.closed((LAN, 4000), source=(WAN2, 0))


def test_many_remotes(net):
    """A mapped port talks to many remotes at once, all see the mapping's port (6886-3.9-04, 6887-11-03, 6887-10.2-01)"""
    net.daemon()
    net.client().map(UDP, 4000, 40000)
    for port in range(9000, 9020):
        assert leaves_as(net, 'lan', (LAN, 4000), (WAN if port % 2 else WAN2, port)) == (EXT, 40000)


def test_udplite(net):
    """A protocol with ports that few know: UDP-Lite is mapped as UDP is (6887-2.2-01)"""
    try:
        with lab.probe.inside(net.ns('lan')):
            inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
        with lab.probe.inside(net.ns('wan')):
            outer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
    except OSError as e:
        raise lab.Skip(f'no UDP-Lite here: {e}') from None
    # the kernel's connection tracking checks the sums of UDP-Lite as if it were UDP
    net.sh('gw', 'sysctl', '-qw', 'net.netfilter.nf_conntrack_checksum=0')
    net.daemon()
    r = net.client().map(136, 4000, 40000)
    assert (r.result, r.external) == (SUCCESS, 40000), vars(r)
    with inner, outer:
        inner.bind((LAN, 4000))
        for s in (inner, outer):
            s.settimeout(lab.SOON_S)
        outer.sendto(b'light', (EXT, 40000))
        data, peer = inner.recvfrom(100)
        assert data == b'light'
        inner.sendto(b'back', peer)
        assert outer.recvfrom(100) == (b'back', (EXT, 40000))


def capture(net, side, interface):
    """A packet socket on an interface: every frame in or out."""
    with lab.probe.inside(net.ns(side)):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((interface, 3))
    s.settimeout(lab.SOON_S)
    return s


def checksum(data):
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def test_frag_needed(net):
    """An inner router's "fragmentation needed" reaches who sends to the mapping, with the outer address in it (6887-11-04)"""
    net.daemon()
    net.client().map(UDP, 4000, 40000)
    with lab.probe.udp(net.ns('lan'), LAN, 4000), lab.probe.udp(net.ns('wan'), WAN, 9000) as outer, \
            capture(net, 'lan', 'eth0') as tap:
        outer.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
        outer.connect((EXT, 40000))
        outer.send(b'x' * 1000)
        packet = wait(lambda: next((f[14:] for f in [tap.recv(2000)] if f[23:24] == b'\x11' and b'x' * 100 in f), None))
        icmp = struct.pack('!BBHHH', 3, 4, 0, 0, 800) + packet[:28]
        icmp = icmp[:2] + struct.pack('!H', checksum(icmp)) + icmp[4:]
        with lab.probe.inside(net.ns('lan')):
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with raw:
            raw.sendto(icmp, (WAN, 0))

        def told():
            try:
                outer.send(b'y' * 1000)
            except OSError as e:
                return e.errno == 90  # EMSGSIZE
            return False
        wait(told, what='the sender hears that its packets are too big')
        assert outer.getsockopt(socket.IPPROTO_IP, 14) == 800  # IP_MTU


def test_packet_too_big(net):
    """ICMPv6 "packet too big" of a pinhole's flow passes the firewall outwards"""
    net.daemon()
    r = net.client('lan', lab.GW6).map(UDP, 4000, address='::')
    assert r.result == SUCCESS, vars(r)
    with lab.probe.udp(net.ns('lan'), LAN6, 4000), lab.probe.udp(net.ns('wan'), WAN6, 9000) as outer, \
            capture(net, 'lan', 'eth0') as tap:
        outer.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO
        outer.connect((LAN6, 4000))
        outer.send(b'x' * 1400)
        packet = wait(lambda: next((f[14:] for f in [tap.recv(2000)] if f[20:21] == b'\x11' and b'x' * 100 in f), None))
        with lab.probe.inside(net.ns('lan')):
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        with raw:
            raw.sendto(struct.pack('!BBHI', 2, 0, 0, 1280) + packet[:1200], (WAN6, 0))

        def told():
            try:
                outer.send(b'y' * 1400)
            except OSError as e:
                return e.errno == 90  # EMSGSIZE
            return False
        wait(told, what='the sender hears that its packets are too big')


class Stream:
    """Datagrams from outside to a mapping, numbered, all the time; what arrives is counted. The host answers once, so
    that it is a flow and not a knocking."""

    def __init__(self, net, target, local):
        self.inner = lab.probe.udp(net.ns('lan'), *local)
        self.outer = lab.probe.udp(net.ns('wan'), WAN)
        self.target, self.sent, self.stop, self.seen = target, 0, threading.Event(), set()
        self.outer.sendto(b'first', target)
        self.inner.sendto(b'hello', self.inner.recvfrom(100)[1])
        assert self.outer.recvfrom(100) == (b'hello', target)
        self.inner.setblocking(False)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.wait(0.001):
            self.outer.sendto(struct.pack('!I', self.sent), self.target)
            self.sent += 1
            # as they come, as no buffer has room for all that is sent while others take their time
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.read()

    def read(self):
        self.seen.add(struct.unpack('!I', self.inner.recv(100))[0])

    def end(self):
        """How many were sent, and which are missing."""
        self.stop.set()
        self.thread.join()
        self.inner.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while len(self.seen) < self.sent:
                self.read()
        self.inner.close()
        self.outer.close()
        return self.sent, sorted(set(range(self.sent)) - self.seen)


def test_stream(net):
    """A stream of 2,000 datagrams while its mapping is renewed 200 times, by both protocols, loses none"""
    net.daemon(conf('limits { requests-per-second = 0 }'))
    for c, renew in ((net.client(), lambda c: c.map(UDP, 4000, 40000)),
                     (net.client('lan'), lambda c: c.natpmp(UDP, 4001, 40001))):
        assert renew(c).result == SUCCESS
        s = Stream(net, (EXT, renew(c).external), (LAN, renew(c).internal))
        for _ in range(200):
            assert renew(c).result == SUCCESS
        wait(lambda: s.sent >= 2000, 60)
        sent, missing = s.end()
        assert sent >= 2000 and not missing, (sent, missing[:10], len(missing))


def test_established(net):
    """A flow goes on over reload, restart, kill and the operator's own reload of his ruleset"""
    text = conf()
    d = net.daemon(text)
    net.client().map(UDP, 4000, 40000)
    operator = net.nft('list', 'table', 'inet', 'filter') + net.nft('list', 'table', 'inet', 'nat')
    operator = '\n'.join(line for line in operator.splitlines() if 'comment "natpcpd"' not in line)
    s = Stream(net, (EXT, 40000), (LAN, 4000))
    wait(lambda: s.sent > 50)
    d.reload(text)
    d.stop()
    d = net.daemon(text)
    d.process.kill()
    d.end()
    d = net.daemon(text)
    net.nft('-f', '-', input='flush ruleset\n' + operator)
    wait(lambda: any('natpcpd' in r for r in net.rules()))
    assert len([r for r in net.rules() if 'natpcpd' in r]) == 1, net.rules()
    wait(lambda: s.sent > 1000, 60)
    sent, missing = s.end()
    assert not missing, (sent, missing[:10], len(missing))
    net.through('lan', (LAN, 4000), (EXT, 40000), source=(WAN2, 0))


def test_wan_flap(net):
    """The WAN link goes down and comes up with the same address: the flow goes on, nothing is announced as lost"""
    d = net.daemon()
    net.client().map(UDP, 4000, 40000)
    epoch = d.status()['epoch_s']['pcp']
    s = Stream(net, (EXT, 40000), (LAN, 4000))
    wait(lambda: s.sent > 50)
    net.ip('gw', 'link', 'set', 'wan0', 'down')
    net.ip('gw', 'link', 'set', 'wan0', 'up')
    net.ip('gw', 'route', 'replace', 'default', 'via', WAN)
    at = s.sent
    wait(lambda: any(n > at for n in [*s.seen]))
    at = s.sent
    wait(lambda: s.sent > at + 500)
    sent, missing = s.end()
    assert not [m for m in missing if m > at], (sent, at, missing[:10], len(missing))
    assert d.status()['epoch_s']['pcp'] >= epoch
    assert net.client().map(UDP, 4002, 40002).result == SUCCESS


def test_operators_marks(net):
    """The operator's own bits of the connection mark and the packet mark survive ours"""
    net.nft('-f', '-', input='''table inet marks {
        chain before {
            type filter hook prerouting priority mangle
            iifname "wan0" ct state new ct mark set 0x7
        }
        chain restore {
            type filter hook prerouting priority mangle + 1
            meta mark set ct mark and 0xff
        }
        chain after {
            type filter hook postrouting priority 200
            ct mark and 0xff == 7 meta mark and 0xff == 7 counter
        }
        chain save {
            type filter hook postrouting priority 201
            ct mark set meta mark
        }
    }''')
    net.daemon()
    net.client().map(UDP, 4000, 40000)
    for _ in range(3):
        net.through('lan', (LAN, 4000), (EXT, 40000))
    counted = net.nft('list', 'chain', 'inet', 'marks', 'after')
    assert int(counted.split('packets ')[1].split()[0]) >= 6, counted


def test_operators_dnat(net):
    """A port that the operator forwards himself stays his, whoever was first"""
    net.nft('-f', '-', input='''table inet own {
        chain before {
            type nat hook prerouting priority dstnat
            iifname "wan0" udp dport 40000 dnat ip to 192.0.2.12:7000
        }
    }
    add rule inet filter forward ip daddr 192.0.2.12 udp dport 7000 accept''')
    net.daemon()
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan2', (LAN2, 7000), (EXT, 40000))
    # and once it is taken away, the mapping works; firewalld's come later, so there the mapping is first
    net.nft('-f', '-', input='''delete table inet own
    table inet later {
        chain before {
            type nat hook prerouting priority dstnat + 10
            iifname "wan0" udp dport 40000 dnat ip to 192.0.2.12:7000
        }
    }''')
    net.through('lan', (LAN, 4000), (EXT, 40000), source=(WAN2, 0))


def test_masquerade_apart(net):
    """A masquerade with ports of its own, as the manual gives it, takes no mapping's port for another host's flow"""
    net.nft('-f', '-', input='''flush chain inet nat postrouting
    add rule inet nat postrouting oifname "wan0" meta l4proto { tcp, udp } masquerade to :1024-32767
    add rule inet nat postrouting oifname "wan0" masquerade''')
    net.daemon(conf(rule='rule "hosts" { action = allow  external-ports = { "32768-65535" } }'))
    assert leaves_as(net, 'lan2', (LAN2, 40000))[1] < 32768
    assert net.client().map(UDP, 4000, 40000).external == 40000
    assert leaves_as(net, 'lan', (LAN, 4000)) == (EXT, 40000)
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_iptables_nft(net):
    """A firewall made by iptables-nft: its FORWARD chain is named as any other, and comes back after iptables-restore"""
    if net.run('gw', 'sh', '-c', 'command -v iptables-nft').returncode:
        raise lab.Skip('iptables-nft is not installed')
    rules = """*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i br-lan -o wan0 -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT
-A POSTROUTING -s 192.0.2.0/24 -o wan0 -j MASQUERADE
COMMIT
"""
    net.nft('delete table inet filter; delete table inet nat')
    rules6 = '''*filter
:INPUT ACCEPT
:FORWARD DROP
:OUTPUT ACCEPT
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
COMMIT
'''
    net.sh('gw', 'iptables-nft-restore', input=rules)
    net.sh('gw', 'ip6tables-nft-restore', input=rules6)
    d = net.daemon(conf(backend='backend { forward-chain = "ip filter FORWARD" }'))
    assert net.client('lan', lab.GW6).map(UDP, 4000, address='::').result == SUCCESS
    assert net.closed((LAN6, 4000))
    # what the log says is to be written
    written = d.logged(r'event=ruleset-drops .*ip6 filter FORWARD.* write (backend {.*})"')[1].replace('\\"', '"')
    assert written == 'backend { forward-chain = { "ip filter FORWARD", "ip6 filter FORWARD" } }', written
    start = len(d.lines)
    d.reload(conf(backend=written))
    assert 'ruleset-drops' not in '\n'.join(d.lines[start:]), d.log()
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    for _ in range(2):
        net.through('lan', (LAN, 4000), (EXT, 40000))
        net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2')
        assert leaves_as(net, 'lan', (LAN, 4000)) == (EXT, 40000)
        net.through('lan', (LAN6, 4000), (LAN6, 4000))
        net.forget()
        net.sh('gw', 'iptables-nft-restore', input=rules)
        net.sh('gw', 'ip6tables-nft-restore', input=rules6)
        for family in ('ip', 'ip6'):
            wait(lambda f=family: len([r for r in net.rules(f + ' filter FORWARD') if 'natpcpd' in r]) == 1)
    for command in ('iptables-nft', 'ip6tables-nft'):
        said = net.sh('gw', command, '-S', 'FORWARD')
        assert '-m mark --mark 0x10000000/0x10000000' in said and '-j ACCEPT' in said, said
    assert net.closed((LAN6, 4001))


def test_two_families_warned(net):
    """Chains that drop are told of for each family, with all that is named already, until none is left"""
    net.nft('delete table inet filter; delete table inet nat')
    for command in ('iptables-nft', 'ip6tables-nft'):
        if net.run('gw', command, '-P', 'FORWARD', 'DROP').returncode:
            raise lab.Skip('iptables-nft is not installed')

    def warned(d, start=0):
        lines = [line for line in d.lines[start:] if 'event=ruleset-drops' in line]
        return lines[0].replace('\\"', '"') if lines else ''

    d = net.daemon(conf(backend='backend { type = "nftables" }'))
    both = '{ "ip filter FORWARD", "ip6 filter FORWARD" }'
    d.logged('event=ruleset-drops')
    assert f'write backend {{ forward-chain = {both} }}' in warned(d), d.log()
    net.nft('add table ip mine; add chain ip mine fw { type filter hook forward priority 5; policy drop; }')
    for named, expected in (('"ip filter FORWARD"', '{ "ip filter FORWARD", "ip6 filter FORWARD", "ip mine fw" }'),
                            ('{ "ip6 filter FORWARD", "ip mine fw" }', '{ "ip6 filter FORWARD", "ip mine fw", "ip filter FORWARD" }'),
                            ('{ "ip6 filter FORWARD", "ip mine fw", "ip filter FORWARD" }', None)):
        start = len(d.lines)
        d.reload(conf(backend=f'backend {{ forward-chain = {named} }}'))
        said = warned(d, start)
        assert f'write backend {{ forward-chain = {expected} }}' in said if expected else said == '', (named, said)


def test_final_rule_warned(net):
    """Where the policy accepts, but a last rule drops or rejects, the log says so as well; a condition makes it none"""
    if net.run('gw', 'iptables-nft', '-P', 'FORWARD', 'ACCEPT').returncode:
        raise lab.Skip('iptables-nft is not installed')
    net.nft('delete table inet filter; add table inet f; add chain inet f fw { type filter hook forward priority 1; }')
    d = net.daemon(conf(backend='backend { type = "nftables" }'))

    def warned():
        start = len(d.lines)
        d.reload(conf(backend='backend { type = "nftables" }'))
        return [line for line in d.lines[start:] if 'event=ruleset-drops' in line]

    assert 'ruleset-drops' not in d.log(), d.log()
    for rule in ('-i br-lan -j DROP', '-p udp -j REJECT', '-j LOG', '-m limit --limit 1/s -j DROP'):
        net.sh('gw', 'iptables-nft', '-A', 'FORWARD', *rule.split())
    net.nft('add rule inet f fw meta nfproto ipv4 counter drop; add rule inet f fw counter')
    assert not warned(), d.log()
    for end in ('-j DROP', '-j REJECT --reject-with icmp-host-prohibited'):
        net.sh('gw', 'iptables-nft', '-A', 'FORWARD', *end.split())
        assert 'forward-chain = \\"ip filter FORWARD\\"' in warned()[0], d.log()
        net.sh('gw', 'iptables-nft', '-D', 'FORWARD', *end.split())
    net.nft('add rule inet f fw counter log group 1 reject with icmpx admin-prohibited')
    assert 'forward-chain = \\"inet f fw\\"' in warned()[0], d.log()


def test_make_run(net):
    """What make run makes of two names of interfaces works on a router that drops what it forwards, by several chains"""
    net.nft('-f', '-', input='''table ip6 filter {
        chain FORWARD {
            type filter hook forward priority filter; policy drop;
            ct state established accept
        }
    }
    table inet fw {
        chain forward {
            type filter hook forward priority 10;
            ct state established accept
            iifname "br-lan" drop
            counter reject
        }
        chain other { type filter hook forward priority 11; iifname "wan1" drop; }
    }''')
    os.symlink(os.path.realpath(os.path.join(lab.BUILD, 'natpcpd')), os.path.join(net.dir, 'natpcpd'))
    script = os.path.join(lab.HERE, 'run.sh')
    # with the namespace's own /sys, and on a /run of its own
    p = subprocess.Popen(['ip', 'netns', 'exec', net.ns('gw'), 'unshare', '-m', 'sh', '-c',
                          'mount -t tmpfs none /run && exec "$@"', 'sh', 'env', 'MAKE=true', script, net.dir, 'wan0', 'br-lan'],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        seen = []
        while 'ready\n' not in seen:
            seen.append(p.stdout.readline())
            assert seen[-1], seen
        c = net.client()
        assert c.map(UDP, 4000, 40000).result == SUCCESS and c.natpmp(TCP, 4001, 40001).result == SUCCESS
        net.through('lan', (LAN, 4000), (EXT, 40000))
        net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp')
        assert any('forward-chain = { "inet filter forward", "ip6 filter FORWARD", "inet fw forward" }' in line for line in seen), seen
        assert net.client('lan', lab.GW6).map(UDP, 4000, address='::').result == SUCCESS
        net.through('lan', (LAN6, 4000), (LAN6, 4000))
    finally:
        p.terminate()
        p.communicate(timeout=60)
    assert p.returncode == 0, p.returncode


def test_policy_drop_without_chain(net):
    """A forward chain that drops and is not named: the log says which and what to write; once that is done, it works"""
    d = net.daemon(conf(backend='backend { type = "nftables" }'))
    net.client().map(UDP, 4000, 40000)
    assert net.closed((EXT, 40000))
    written = d.logged(r'event=ruleset-drops .* write (backend {.*})"')[1].replace('\\"', '"')
    start = len(d.lines)
    d.reload(conf(backend=written))
    net.through('lan', (LAN, 4000), (EXT, 40000), source=(WAN2, 0))
    assert 'ruleset-drops' not in '\n'.join(d.lines[start:]), d.log()


if __name__ == '__main__':
    lab.main(globals())
