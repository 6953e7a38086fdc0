#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Links and addresses that go, come and change while packets flow: what is broken by it, and what clients are told."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import functools
import subprocess
import threading
import time

import lab
import pcp
from lab import EXT, EXT2, GW, GW6, LAN, LAN6, WAN, conf, wait
from pcp import SUCCESS, TCP, UDP

QUIET = 'log { level = "info" }'


def pause(seconds):
    threading.Event().wait(seconds)


def looked(seconds=0.5):
    """The daemon looks at changes after 50 ms, and another outside counts when it held for 250 ms. By now both are over, though
    nothing need come of it: there is no condition to wait for."""
    pause(seconds)


class Scene:
    def __init__(self, net, text=None):
        self.net = net
        self.d = net.daemon(text or conf(log=QUIET))
        self.c = net.client()
        for p in (UDP, TCP):
            assert self.c.map(p, 4000, 40000).result == SUCCESS
        assert self.c.map(UDP, 4001, 40001).result == SUCCESS
        self.ear = net.listener('lan', '224.0.0.1')
        # the copies of the start are over, but for those that are seconds apart
        wait(lambda: min(m.epoch for m in self.epochs()) >= 3)
        self.flows = {'udp': net.stream('lan', (LAN, 4000), (EXT, 40000)),
                      'tcp': net.stream('lan', (LAN, 4000), (EXT, 40000), 'tcp'),
                      'new': net.stream('lan', (LAN, 4001), (EXT, 40001), how='fresh')}
        self.before, self.mark = self.epochs(), len(self.d.lines)
        self.heard()  # a copy of the start that came before its epoch was asked for would look like a later start's

    def epochs(self):
        """Of PCP and NAT-PMP; whatever else comes in between is an update."""
        def announced():
            self.c.send(pcp.announce(self.c.address))
            r = self.c.receive()
            while r.opcode != pcp.ANNOUNCE:
                r = self.c.receive()
            return r.epoch
        s = self.net.client()
        return lab.Moment(announced), lab.Moment(lambda: s.public().epoch)

    def heard(self):
        """The PCP announcements that have come: of how many moments."""
        self.ear.setblocking(False)
        found = []
        try:
            while True:
                r = pcp.decode(self.ear.recv(2048))
                if r.version == 2:
                    found.append(r.epoch)
        except BlockingIOError:
            return found

    def told(self):
        """The IPv4 addresses, or None, that the engine was told of, one after the other."""
        v = [EXT]
        for line in self.d.lines[self.mark:]:
            if 'event=external-address external=wan' in line:
                m = re.search(r' address=([0-9.]+)( |$)', line)
                v += [m and m[1]] if v[-1] != (m and m[1]) else []
        return v[1:]

    def end(self, name, lost):
        """What the flows saw. lost: PCP's epoch restarts; NAT-PMP's never does."""
        pause(0.3)  # some packets after it
        seen = {k: f.end() for k, f in self.flows.items()}
        after = self.epochs()
        print(f'    {name:20} ' + '  '.join(f'{k} {r.lost}/{r.sent} {r.gap_ms} ms' for k, r in seen.items()) +
              f'  epochs {self.before} {after}  mappings 3 {len(self.d.leases())}', flush=True)
        assert len(self.d.leases()) == 3
        assert not seen['tcp'].broken or 'another' in name
        assert self.before[0].began_anew(after[0]) if lost else self.before[0].went_on(after[0]), (self.before, after)
        assert self.before[1].went_on(after[1]), (self.before, after)
        return seen

    def works(self, address=EXT):
        self.net.through('lan', (LAN, 4000), (address, 40000))
        self.net.through('lan', (LAN, 4000), (address, 40000), 'tcp')


def batch(net, *lines):
    net.sh('gw', 'ip', '-batch', '-', input='\n'.join(lines) + '\n')


def take(net, address=EXT):
    batch(net, f'addr del {address}/24 dev wan0')


def give(net, address=EXT):
    batch(net, *given(address))


def given(address):
    return f'addr add {address}/24 dev wan0', f'route replace default via {WAN}'


HELD_S = 0.2  # what is away for longer may be seen to be, and told


class Orders:
    """Lines to one ip, which does each when it is given: to start one for each could take longer than what is to be done."""

    def __init__(self, net):
        self.process = subprocess.Popen(['ip', '-o', '-n', net.ns('gw'), '-batch', '-'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        with self.process:
            self.process.stdin.close()
            assert kind or self.process.wait(lab.SOON_S) == 0

    def do(self, *lines):
        """They have been done when this returns."""
        print(*lines, 'link show lo', sep='\n', file=self.process.stdin, flush=True)
        assert ' lo:' in self.process.stdout.readline()

    def without(self, seconds, *lines):
        """Away for so long, then the lines; how long it may have been away."""
        begin = time.monotonic()
        self.do(lines[0])
        pause(seconds)
        self.do(*lines[1:])
        return time.monotonic() - begin


def flap(net, times, last, away=0.05, back=0.05, address=EXT):
    """Away and back; the longest time for which it may have been away."""
    longest = 0
    with Orders(net) as o:
        for i in range(times):
            end = i + 1 == times
            away_s = o.without(0 if end else away, f'addr del {address}/24 dev wan0', *given(last if end else address))
            longest = max(longest, away_s)
            pause(back)
    return longest


def brief(test):
    """A test whose address is to be away for moments only, and which returns how long it was, or fails: if the machine had something
    else to do in such a moment, that says nothing, and it is done again."""
    @functools.wraps(test)
    def again(net):
        for left in reversed(range(12)):
            away_s, wrong = [], None
            try:
                test(net, away_s)
                return
            except AssertionError as e:
                wrong = e
            if max(away_s, default=0) < HELD_S or not left:
                raise wrong
            print(f'    away for {max(away_s):.2f} s: once more', flush=True)
            for s in net.streams:
                s.kill()
            for d in net.daemons:
                d.stop()
            net.daemons.clear()
            net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')
            net.run('gw', 'ip', 'addr', 'flush', 'dev', 'wan0', 'scope', 'global')
            net.ip('gw', 'link', 'set', 'wan0', 'up')
            give(net)
    return again


@brief
def test_flap(net, away_s):
    """The outside address flaps ten times a second and is the same in the end: nobody is told anything (6887-8.5-03)"""
    s = Scene(net)
    away_s.append(flap(net, 20, EXT))
    looked()
    assert s.told() == [], s.d.log()
    assert all(e >= s.before[0].epoch for e in s.heard())
    s.end('address flaps', lost=False)
    s.works()


@brief
def test_flap_in_step(net, away_s):
    """The same, but that it is away whenever somebody looks 50 ms after a change: that it is back counts all the same
    (6887-8.5-03)"""
    s = Scene(net)
    away_s.append(flap(net, 25, EXT, away=0.065, back=0.035))
    looked()
    assert s.told() == [], s.d.log()
    assert all(e >= s.before[0].epoch for e in s.heard())
    s.end('address flaps in step', lost=False)
    s.works()


@brief
def test_second_in_step(net, away_s):
    """The same of another address that the interface has: it is no news either (6887-8.5-03)"""
    batch(net, f'addr replace {EXT2}/24 dev wan0')
    d = net.daemon(conf(log=QUIET))
    mark = len(d.lines)
    away_s.append(flap(net, 20, EXT2, away=0.075, back=0.025, address=EXT2))
    looked()
    assert not [x for x in d.lines[mark:] if 'event=external-address' in x], d.log()


def test_renewed_meanwhile(net):
    """One address is renewed all the time, and its link changes in what does not count: what becomes of the other is told
    (6887-8.5-03)"""
    d = net.daemon(conf(log=QUIET))

    def has(address):
        return address in d.status()['externals'][0]['addresses']
    with subprocess.Popen(['ip', '-n', net.ns('gw'), '-batch', '-'], stdin=subprocess.PIPE, text=True) as p:
        def until(condition, n=0):
            end = time.monotonic() + lab.SOON_S
            while not condition():
                assert time.monotonic() < end, d.log()
                n += 1
                print(f'addr change {EXT}/24 dev wan0 valid_lft {3000 + n} preferred_lft {3000 + n}',
                      f'link set wan0 mtu {1400 + n % 50}', sep='\n', file=p.stdin, flush=True)
                pause(0.05)
        print(f'addr add {EXT2}/24 dev wan0', file=p.stdin, flush=True)
        until(lambda: has(EXT2))
        print(f'addr del {EXT2}/24 dev wan0', file=p.stdin, flush=True)
        until(lambda: not has(EXT2), 100)
        p.stdin.close()
        assert p.wait(lab.SOON_S) == 0
    assert has(EXT)


@brief
def test_flap_to_another(net, away_s):
    """It flaps and is another in the end: told once, one series of announcements (6887-8.5-03, 6886-3.2.1-03)"""
    s = Scene(net)
    away_s.append(flap(net, 11, EXT2))
    begin = time.monotonic() - away_s[-1]
    wait(lambda: len(s.told()) == 1)
    epochs = []
    # 0, 250, 750, 1750 ms after the change, and so on; no moment has copies of another series
    wait(lambda: epochs.extend(e for e in s.heard() if e < s.before[0].epoch) or len(epochs) >= 4)
    due, gap, most = 0, 0.25, 0
    while due <= time.monotonic() - begin:
        most, due, gap = most + 1, due + gap, gap * 2
    assert 4 <= len(epochs) <= most, (epochs, most)
    assert epochs == sorted(epochs)
    assert len(s.told()) == 1, s.d.log()
    # what moves to another address ends
    assert s.end('flaps to another', lost=True)['tcp'].broken
    s.works(EXT2)


@brief
def test_same_again(net, away_s):
    """DHCP takes the address away and gives it again at once: no epoch restarts, and flows go on (6887-8.5-03)"""
    s = Scene(net)
    with Orders(net) as o:  # it is seen, and held for less than 250 ms
        away_s.append(o.without(0.12, f'addr del {EXT}/24 dev wan0', *given(EXT)))
    looked()
    assert s.told() == [], s.d.log()
    seen = s.end('same at once', lost=False)
    assert seen['udp'].after > 50, vars(seen['udp'])
    s.works()


def test_same_later(net):
    """The same address is back after a second: hosts were refused meanwhile, so PCP's epoch restarts and they are told"""
    s = Scene(net)
    take(net)
    wait(lambda: len(s.told()) == 1)
    assert s.c.map(TCP, 4005, 40005).result == pcp.NETWORK_FAILURE
    give(net)
    wait(lambda: len(s.told()) == 2)
    seen = s.end('same later', lost=True)
    assert seen['udp'].after > 50, vars(seen['udp'])
    wait(lambda: any(e < s.before[0].epoch for e in s.heard()))
    s.works()


@brief
def test_down_up(net, away_s):
    """The link goes down and up again: at once is nothing, for a while is a change; flows go on"""
    s = Scene(net)
    with Orders(net) as o:  # it is seen, and held for less than 250 ms
        away_s.append(o.without(0.12, 'link set wan0 down', 'link set wan0 up', f'route replace default via {WAN}'))
    looked()
    assert s.told() == [], s.d.log()
    s.end('down and up', lost=False)
    s.works()


def test_index(net):
    """The WAN interface is deleted and made anew under another index, with the same address, as PPPoE does: flows go on"""
    s = Scene(net)

    def index():
        return net.ip('gw', '-o', 'link', 'show', 'wan0').split(':')[0]
    old = index()
    batch(net, 'link del wan0', 'link add dummy7 type bridge',
          f'link add wan0 type veth peer name eth0 netns {net.ns("wan")}')
    net.sh('wan', 'ip', '-batch', '-', input=f'link set eth0 up\naddr add {WAN}/24 dev eth0\n')
    batch(net, 'link set wan0 up', f'addr add {EXT}/24 dev wan0', f'route replace default via {WAN}')
    assert index() != old
    wait(lambda: s.d.status()['externals'][0]['addresses'][:1] == [EXT])
    looked(0.8)
    seen = s.end('another index', lost=s.told() != [])
    assert seen['udp'].after > 50, vars(seen['udp'])
    s.works()


def test_renamed(net):
    """The interfaces are renamed and get their names back: refused or not heard meanwhile, then all is as it was"""
    s = Scene(net)
    for f in s.flows.values():
        f.end()
    batch(net, 'link set wan0 down', 'link set wan0 name wanx', 'link set wanx up', f'route replace default via {WAN}')
    wait(lambda: s.net.client().public().result == 3)
    assert s.c.map(TCP, 4005, 40005).result == pcp.NETWORK_FAILURE and len(s.d.leases()) == 3
    batch(net, 'link set wanx down', 'link set wanx name wan0', 'link set wan0 up', f'route replace default via {WAN}')
    wait(lambda: s.net.client().public().address == EXT)
    s.works()
    batch(net, 'link set br-lan down', 'link set br-lan name lanx', 'link set lanx up')
    s.d.logged('event=interface-absent')
    c = net.client()
    assert c.silent(pcp.natpmp_address())
    batch(net, 'link set lanx down', 'link set lanx name br-lan', 'link set br-lan up', f'addr replace {GW}/24 dev br-lan')

    def answered():
        try:
            return net.client().ask(pcp.natpmp_address(), 0.3).address == EXT
        except (TimeoutError, ConnectionRefusedError):
            return False
    wait(answered)
    assert s.c.map(UDP, 4000, 40000).external == 40000
    s.works()


NEW6, NEWGW6 = '2001:db8:3::11', '2001:db8:3::1'


def test_renumbered(net):
    """Another IPv6 prefix inside: heard on the new address, pinholes there; those of the old one close with their lifetime"""
    d = net.daemon(conf('lifetime { min = 1 }', log=QUIET, rule='rule "all" { action = allow }'))
    c, old = net.client(), net.client('lan', GW6)
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert old.map(UDP, 5000, lifetime=600, address='::').result == SUCCESS
    assert old.map(UDP, 5001, lifetime=3, address='::', nonce=pcp.nonce()).result == SUCCESS
    net.through('lan', (LAN6, 5000), (LAN6, 5000))
    wait(lambda: min(c.announce().epoch, c.public().epoch) >= 2)
    before = c.announce().epoch
    for side, device, gone, new in (('gw', 'br-lan', GW6, NEWGW6), ('lan', 'eth0', LAN6, NEW6)):
        net.ip(side, 'addr', 'add', new + '/64', 'dev', device, 'nodad')
        net.ip(side, 'addr', 'del', gone + '/64', 'dev', device)
    net.ip('lan', 'route', 'replace', 'default', 'via', NEWGW6)
    net.ip('wan', 'route', 'add', '2001:db8:3::/64', 'via', lab.EXT6)

    def heard():
        try:
            return net.client('lan', NEWGW6).ask(pcp.announce(NEW6), 0.3)
        except (TimeoutError, ConnectionRefusedError):
            return None
    # it is no address of the router's outside: no epoch restarts
    assert wait(heard).epoch >= before
    fresh = net.client('lan', NEWGW6)
    r = fresh.map(UDP, 5000, address='::')
    assert (r.result, r.address, r.external) == (SUCCESS, NEW6, 5000), vars(r)
    net.through('lan', (NEW6, 5000), (NEW6, 5000))
    # an address that nobody has is asked by nobody: what was promised to it ends by itself
    wait(lambda: sorted(x['external_port'] for x in d.leases()) == [5000, 5000, 40000])
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_default_route(net):
    """The default route moves to another external's interface and back: mappings stay on their own, flows go on"""
    net.ip('gw', 'link', 'add', 'wan1', 'type', 'veth', 'peer', 'name', 'eth1', 'netns', net.ns('wan'))
    batch(net, 'addr add 203.0.113.129/25 dev wan1', 'link set wan1 up')
    net.sh('wan', 'ip', '-batch', '-', input='addr add 203.0.113.130/25 dev eth1\nlink set eth1 up\n')
    net.nft('add rule inet nat postrouting oifname "wan1" masquerade')
    net.nft('add rule inet filter forward iifname "br-lan" oifname "wan1" accept')
    s = Scene(net, conf('external "b" { interface = "wan1" }\n', log=QUIET))
    batch(net, 'route replace default via 203.0.113.130')
    looked()
    # not by UDP, whose port here is the flow's
    net.through('lan', (LAN, 4000), (EXT, 40000), 'tcp')
    assert s.c.map(UDP, 4000, 40000).address == EXT
    batch(net, f'route replace default via {WAN}')
    looked()
    assert s.told() == [], s.d.log()
    seen = s.end('default route', lost=False)
    assert all(r.lost <= (2 if k == 'tcp' else 0) for k, r in seen.items()), seen
    s.works()


lab.main(globals())
