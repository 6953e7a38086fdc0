#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods from one host and from made-up ones: others are served, and neither memory nor log nor journal grows with them."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import random
import socket
import threading

import forge
import lab
import pcp
from lab import EXT, GW, GW6, LAN, conf, wait
from pcp import SUCCESS, TCP, UDP

FRAMES, TURNS = 1500, 10  # packets of a flood, and how often they are sent
ASKED = 20
QUIET = {'log': 'log { level = "info" }'}
ANY = {'rule': 'rule "all" { action = allow }'}


def made_up(n):
    """Addresses of the block that is for such tests."""
    dice = random.Random(n)
    return [f'198.{18 + dice.randrange(2)}.{dice.randrange(256)}.{dice.randrange(1, 255)}' for _ in range(n)]


def messages(kind, source, dice):
    mapped = pcp.pcp_map(source, dice.randbytes(12), UDP, dice.randrange(1024, 65536), 0, '::' if ':' in source else '0.0.0.0')
    return {'address': pcp.natpmp_address(), 'map': mapped, 'short': b'\0', 'garbage': dice.randbytes(60),
            'response': mapped[:1] + b'\x81' + mapped[2:], 'version': b'\x09' + mapped[1:],
            'other': pcp.pcp_map(LAN, dice.randbytes(12), UDP, 4000, 0)}[kind]


def frames(kinds, sources, server=GW):
    dice = random.Random(len(sources))
    return [forge.udp((s, dice.randrange(1024, 65536)), (server, pcp.PORT), messages(dice.choice(kinds), s, dice))
            for s in sources]


class Flood:
    """Sends its packets some times over; ends with the with statement at the latest."""

    def __init__(self, net, packets, side='lan2', turns=TURNS, interface='br-lan'):
        self.wire, self.packets, self.turns, self.over = forge.Wire(net, side, interface), packets, turns, False
        self.sent = 0
        self.thread = threading.Thread(target=self.run)

    def run(self):
        for _ in range(self.turns):
            for p in self.packets:
                if self.over:
                    return
                try:
                    self.wire.send(p)
                    self.sent += 1
                except OSError:  # its queue is full
                    pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()


asked = 0  # how often heard() asked


def heard(c, data, tries=8):
    """The answer, as a client asks: again after 250 ms, and doubling (RFC 6886 3.1)."""
    global asked
    for i in range(tries):
        asked += 1
        try:
            return c.ask(data, 0.25 * 2 ** i)
        except TimeoutError:
            pass
    raise AssertionError('no answer')


def polite(c):
    """Renews its mapping, one request after the other, and has an answer to each. How often it asked."""
    before = asked
    for _ in range(ASKED):
        r = heard(c, pcp.pcp_map(c.address, c.nonce, UDP, 4000, 40000))
        assert r.result == SUCCESS and r.external in (4000, 40000), vars(r)
    return asked - before


def rss_kib(d):
    with open(f'/proc/{d.process.pid}/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))


def way_back(net):
    net.ip('gw', 'route', 'add', '198.18.0.0/15', 'via', lab.LAN2, 'dev', 'br-lan')


def read(d, net):
    """All that came in has been read."""
    last = [-1]

    def same():
        n = d.status()['datagrams']
        before, last[0] = last[0], n
        return n == before
    wait(same, 60)


def test_refused(net):
    """Requests that make nothing leave nothing: no mapping, no memory, no lines, nothing in the journal (6887-8.2-15)"""
    path = os.path.join(net.dir, 'leases.journal')
    d = net.daemon(conf(journal=f'journal {{ path = "{path}" }}', **QUIET, **ANY))
    way_back(net)
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    kinds = ('address', 'short', 'garbage', 'response', 'version', 'other')
    for sources in (['192.0.2.12'] * FRAMES, made_up(FRAMES)):
        before, size, lines, leases = rss_kib(d), os.stat(path).st_size, len(d.lines), d.leases()
        with Flood(net, frames(kinds, sources)) as f:
            wait(lambda: f.sent > FRAMES)
            for _ in range(ASKED):
                assert heard(c, pcp.natpmp_address()).result == SUCCESS
            f.thread.join(60)
        read(d, net)
        s = d.status()
        print(f'    {f.sent} sent, {s["datagrams"]} read, {s["dropped"]}')
        assert s['datagrams'] > FRAMES
        assert os.stat(path).st_size == size
        assert [x['external_port'] for x in d.leases()] == [x['external_port'] for x in leases]
        assert len(d.lines) - lines < 40, d.log()
        assert rss_kib(d) - before < 6144, (before, rss_kib(d))


def test_one_host(net):
    """One host asks for mappings as fast as it can: it gets its share, and others theirs (6887-8.2-15, 6887-17.2-01)"""
    d = net.daemon(conf(**QUIET))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    with Flood(net, frames(('map',), ['192.0.2.12'] * FRAMES)) as f:
        wait(lambda: f.sent > FRAMES)
        polite(c)
    read(d, net)
    theirs = [x for x in d.leases() if x['internal_address'] == '192.0.2.12']
    assert 0 < len(theirs) <= 256, len(theirs)
    assert d.status()['dropped']['rate'] > 0


def test_made_up(net):
    """Thousands of hosts that do not exist ask for mappings: no more than there may be, and who has some goes on with them
    (6887-8.2-15, 6887-17.2-01, decision-29)"""
    d = net.daemon(conf('limits { mappings = 500 }', **QUIET, **ANY))
    way_back(net)
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    before = rss_kib(d)
    with Flood(net, frames(('map',), made_up(FRAMES))) as f:
        wait(lambda: f.sent > FRAMES)
        polite(c)
        f.thread.join(60)
    read(d, net)
    assert len(d.leases()) <= 500
    assert rss_kib(d) - before < 8192, (before, rss_kib(d))
    assert heard(c, pcp.pcp_map(LAN, c.nonce, UDP, 4000, 40000)).result == SUCCESS


def test_crowd(net):
    """When more came in than can be served, a host that has a mapping goes before hosts that have none (6887-8.2-15, decision-29)"""
    d = net.daemon(conf(**QUIET, **ANY))
    way_back(net)
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    with d.asleep(), Flood(net, frames(('map',), made_up(6 * FRAMES)), turns=1) as f:
        f.thread.join(60)
    mine = polite(c)
    read(d, net)
    s = d.status()
    # what the kernel keeps is what others wait for
    assert FRAMES < s['datagrams'] < 4000 + mine, s
    assert s['dropped']['crowd'] > FRAMES // 2, s


def test_outside(net):
    """From outside, whatever its sources: none of it reaches the server, whose sockets are its interfaces' alone"""
    d = net.daemon(conf(**QUIET, **ANY))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    before, asked = d.status()['datagrams'], forge.kernel(net)
    with Flood(net, frames(('map', 'address'), made_up(FRAMES), EXT) + frames(('map',), [LAN] * FRAMES, GW), 'wan',
               interface='wan0') as f:
        wait(lambda: f.sent > FRAMES)
        mine = polite(c)
        f.thread.join(60)
    wait(lambda: forge.kernel(net)['Udp.NoPorts'] - asked['Udp.NoPorts'] > 2 * FRAMES)
    assert d.status()['datagrams'] - before <= mine, (mine, d.status())
    assert len(d.leases()) == 1


def test_network(net):
    """A host with any number of IPv6 addresses has its network's share; who has a mapping there renews it (decision-26,
    decision-29)"""
    d = net.daemon(conf('limits { mappings-per-network = 40  requests-per-second = 10  burst = 10 }', **QUIET))
    c = net.client('lan', GW6)
    mine = pcp.pcp_map(c.address, c.nonce, TCP, 4000, 4000, '::')
    assert c.ask(mine).result == SUCCESS
    dice = random.Random(1)
    sources = [socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, '2001:db8:1::')[:8] + dice.randbytes(8))
               for _ in range(FRAMES)]
    # it goes on until they have all that there is for them, however few of them are served
    with Flood(net, frames(('map',), sources, GW6), turns=1000):
        wait(lambda: d.status()['results']['pcp']['USER_EX_QUOTA'] > 0, 60)
        for _ in range(5):
            assert heard(c, mine).result == SUCCESS
    read(d, net)
    assert len(d.leases()) == 40, len(d.leases())
    assert d.status()['dropped']['rate'] > 0


# for each neighbour that it looks for the kernel keeps 200 KB: these take more than a socket may send
NOBODY = range(64, 104)


def unanswered(net, d, server, sources, *clients):
    """Requests of sources to whom no answer can be handed, until the socket has as much as is for them; clients go on with
    their mappings."""
    any_ = '::' if ':' in server else '0.0.0.0'
    wishes = [pcp.pcp_map(c.address, c.nonce, UDP, 4000, 40000, any_) for c in clients]
    for c, wish in zip(clients, wishes):
        assert heard(c, wish).result == SUCCESS
    # the kernel looks for them as long as the test takes, and keeps what waits
    net.sh('gw', 'sysctl', '-qw', f'net.ipv{6 if ":" in server else 4}.neigh.br-lan.retrans_time_ms=3600000')
    failed = d.status()['send_failures']
    with Flood(net, [forge.udp((s, 4000), (server, pcp.PORT), pcp.announce(s)) for s in sources], turns=1 << 20):
        wait(lambda: d.status()['send_failures'] > failed, 60)
    for _ in range(ASKED):
        for c, wish in zip(clients, wishes):
            assert heard(c, wish).result == SUCCESS
    d.logged('No route to host')


def test_nobody_there(net):
    """Answers to hosts of the link that there are not wait in the kernel, which looks for them; others are answered
    meanwhile (6887-8.2-15)"""
    d = net.daemon(conf('limits { requests-per-second = 0 }', **QUIET, **ANY))
    for server, host in (GW, '192.0.2.{}'), (GW6, '2001:db8:1::1:{}'):
        unanswered(net, d, server, [host.format(n) for n in NOBODY], net.client('lan', server))


def test_routers_gone(net):
    """The same for hosts behind routers of the link that there are not, whom the kernel looks for in their place; a host
    behind one that is there is answered (6887-8.2-15)"""
    d = net.daemon(conf('limits { requests-per-second = 0 }', **QUIET, **ANY))
    for server, router, network, length, there, far in (
            (GW, '192.0.2.{}', '198.18.{}.', 24, lab.LAN2, '198.19.0.9'),
            (GW6, '2001:db8:1::1:{}', '2001:db8:100:{}::', 64, lab.LAN26, '2001:db8:200::9')):
        net.ip('lan2', 'address', 'add', far, 'dev', 'eth0')
        net.ip('gw', 'route', 'add', far, 'via', there)
        net.sh('gw', 'ip', '-batch', '-', input='\n'.join(
            f'route add {network.format(n)}{"" if length == 64 else 0}/{length} via {router.format(n)}' for n in NOBODY))
        unanswered(net, d, server, [f'{network.format(n)}{host}' for host in range(1, 5) for n in NOBODY],
                   net.client('lan', server), net.client('lan2', server, source=far))


def test_link_local(net):
    """One link-local host floods; another, which has no mapping, is served (6887-8.2-15, decision-29)"""
    d = net.daemon(conf('limits { requests-per-second = 10  burst = 10 }', **QUIET))
    with Flood(net, frames(('map',), ['fe80::5'] * FRAMES, GW6)) as f:
        wait(lambda: f.sent > FRAMES)
        c = net.client('lan', GW6)
        assert heard(c, pcp.announce(c.address)).result == SUCCESS
    read(d, net)
    assert d.status()['dropped']['rate'] > 0


def test_untracked(net):
    """An operator's rule keeps requests out of the kernel's table of connections, and they are answered as before"""
    d = net.daemon(conf(**QUIET, **ANY))
    way_back(net)
    net.nft('-f', '-', input='''
        table inet untracked {
          chain in { type filter hook prerouting priority raw; udp dport 5351 fib daddr type local notrack; }
          chain out { type filter hook output priority raw; udp sport 5351 notrack; }
        }''')
    net.forget()
    with Flood(net, frames(('address',), made_up(FRAMES)), turns=2) as f:
        f.thread.join(60)
    read(d, net)
    c = net.client()
    r = c.map(UDP, 4000, 40000)
    assert (r.result, r.address) == (SUCCESS, EXT)
    net.through('lan', (LAN, 4000), (EXT, r.external))
    n = int(net.sh('gw', 'cat', '/proc/sys/net/netfilter/nf_conntrack_count'))
    assert n < 100, n


lab.main(globals())
