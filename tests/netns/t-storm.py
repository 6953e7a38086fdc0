#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random requests of many hosts in bursts, and misfortunes between them: what clients were told, what the daemon
shows and what the kernel does must be the same whenever it is quiet."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import json
import random
import signal
import threading
import time

import lab
import pcp
from lab import EXT, EXT2, GW, conf, wait
from pcp import SUCCESS, TCP, UDP

HOSTS, PORTS, SLACK = 40, 6, 1.3
LIMITS = 'limits { requests-per-second = 1000000  burst = 1000000  mappings-per-client = 8 }\n'
SHORT = 'lifetime { min = 1  max = 3600  hold = 2 }\n'
STORM, QUIET = LIMITS + SHORT, 'log { level = "info" }'


class Host:
    """One address with one socket: its answers come in the order of its requests."""

    def __init__(self, net, address):
        self.address, self.nonces = address, {}
        self.socket = net.udp('lan', address)
        self.server = (GW, pcp.PORT)
        self.asked = []

    def request(self, dice):
        protocol, port = dice.choice((UDP, TCP)), 4000 + dice.randrange(PORTS)
        lifetime = dice.choice((0, 0, 1, 2, 3, 600, 600, 3600))
        wish = dice.choice((0, 4000 + dice.randrange(PORTS), 40000 + dice.randrange(60)))
        if dice.random() < 0.4:
            if dice.random() < 0.05:
                port = lifetime = 0
            return 0, protocol, port, lifetime, pcp.natpmp_map(protocol, port, wish, lifetime)
        nonce = self.nonces.setdefault((protocol, port), pcp.nonce())
        if dice.random() < 0.05:
            nonce = pcp.nonce()
        options = [pcp.option(pcp.PREFER_FAILURE)] if lifetime and wish and dice.random() < 0.2 else []
        address = dice.choice(('0.0.0.0', '0.0.0.0', EXT, EXT2, '::'))
        return 2, protocol, port, lifetime, pcp.pcp_map(self.address, nonce, protocol, port, wish, address, lifetime,
                                                        options)

    def send(self, dice):
        ask = self.request(dice)
        # while the first one waits, it would be taken for the same, sent again
        if self.asked and self.asked[-1][4] == ask[4]:
            return
        self.asked.append((*ask, time.monotonic()))
        self.socket.sendto(ask[4], self.server)

    def collect(self, told, ours):
        """All answers that are due, and unsolicited updates among them."""
        while self.asked:
            r, data = self.next()
            version, protocol, port, lifetime, _, sent = self.asked[0]
            if version == 2 and r.version == 2 and (r.protocol, r.internal) != (protocol, port):
                self.take(r, told)  # an update
                continue
            assert r.version == version, (data.hex(), self.asked[0])
            self.asked.pop(0)
            self.apply(r, version, protocol, port, lifetime, sent, told, ours)

    def next(self):
        self.socket.settimeout(lab.SOON_S)
        data = self.socket.recv(2048)
        return pcp.decode(data), data

    def take(self, r, told):
        if r.result == SUCCESS:
            told[r.protocol, self.address, r.internal] = (r.address, r.external, time.monotonic() + r.lifetime)
        elif r.result == pcp.CANNOT_PROVIDE_EXTERNAL:
            # it was wanted with PREFER_FAILURE, and has ended
            told.pop((r.protocol, self.address, r.internal), None)

    def apply(self, r, version, protocol, port, lifetime, sent, told, ours):
        key = (protocol, self.address, port)
        if version == 0 and port == 0:
            # those of PCP stay and are what the answer tells of
            for k in [k for k in told if k[:2] == key[:2] and ours.get(k) == 0]:
                del told[k]
        elif r.result != SUCCESS:
            return
        elif r.lifetime == 0:
            told.pop(key, None)
        else:
            before = told.get(key)
            # NAT-PMP is told of a mapping of PCP and what it had left when it was asked, after it was sent; and does not change it
            if version == 0 and ours.get(key) == 2 and before and before[1] == r.external and \
                    before[2] > sent + r.lifetime - SLACK:
                return
            told[key] = (r.address if version else None, r.external, time.monotonic() + r.lifetime)
            ours[key] = version


def elements(net, name, foreign=()):
    p = net.run('gw', 'nft', '-j', 'list', 'map', 'inet', 'natpcpd', name)
    assert p.returncode == 0, p.stderr
    found = {}
    for o in json.loads(p.stdout)['nftables']:
        for e in o.get('map', {}).get('elem', []):
            key, data = e[0], e[1]
            key = key['elem']['val'] if 'elem' in key else key
            if tuple(key['concat']) not in foreign:
                found[tuple(key['concat'])] = tuple(data['concat'])
    return found


def number(name):
    return {'tcp': TCP, 'udp': UDP}.get(name, name)


def compare(net, d, told, foreign=()):
    """Whenever it is quiet: shown == dnat4 == snat4 == told, but for what expires this very moment."""
    def look():
        shown = {(number(x['protocol']), x['internal_address'], x['internal_port']):
                 (x['external_address'], x['external_port']) for x in d.leases()}
        into = {(number(p), ia, ip): (ea, ep) for (p, ea, ep), (ia, ip) in elements(net, 'dnat4', foreign).items()}
        out = {(number(p), ia, ip): (ea, ep) for (p, ia, ip), (ea, ep) in elements(net, 'snat4-wan', foreign).items()}
        now = time.monotonic()
        for k in [k for k in told if told[k][2] < now - SLACK]:
            del told[k]
        sure = {k: v for k, v in told.items() if v[2] > now + SLACK}
        known = {k: v[1] for k, v in told.items()}
        wrong = []
        if into != out:
            wrong.append(('dnat4 and snat4 differ', set(into.items()) ^ set(out.items())))
        if shown != into:
            wrong.append(('shown and kernel differ', set(shown.items()) ^ set(into.items())))
        missing = {k: v for k, v in sure.items() if k not in shown or shown[k][1] != v[1] or
                   v[0] not in (None, shown[k][0])}
        if missing:
            wrong.append(('told but not there', missing, {k: shown.get(k) for k in missing}))
        extra = {k: v for k, v in shown.items() if known.get(k) != v[1]}
        if extra:
            wrong.append(('there but not told', extra))
        return wrong
    deadline = time.monotonic() + 30
    while True:
        wrong = look()
        if not wrong:
            return
        assert time.monotonic() < deadline, wrong
        threading.Event().wait(0.1)


class Storm:
    def __init__(self, net, d, seed=None):
        self.net, self.d = net, d
        self.seed = seed if seed is not None else random.randrange(1 << 32)
        print(f'    seed {self.seed}')
        self.dice = random.Random(self.seed)
        self.told, self.ours, self.copies = {}, {}, {}
        net.sh('lan', 'ip', '-batch', '-', input=''.join(
            f'addr add 192.0.2.{20 + i}/24 dev eth0\n' for i in range(HOSTS)))
        self.hosts = [Host(net, f'192.0.2.{20 + i}') for i in range(HOSTS)]

    def burst(self, n):
        """Many at once: the daemon sleeps while they come in, and finds them in one wake-up."""
        asleep = self.dice.random() < 0.8
        if asleep:
            self.d.process.send_signal(signal.SIGSTOP)
        few = self.dice.sample(self.hosts, self.dice.choice((2, 5, HOSTS)))
        for _ in range(n):
            self.dice.choice(few).send(self.dice)
        if asleep:
            self.d.process.send_signal(signal.SIGCONT)
        for h in self.hosts:
            h.collect(self.told, self.ours)

    def blow(self, bursts):
        for _ in range(bursts):
            self.burst(self.dice.choice((1, 10, 64, 150)))

    def updates(self):
        """What clients hear without having asked: nothing is open, so all of it are updates."""
        for h in self.hosts:
            h.socket.setblocking(False)
            try:
                while True:
                    r = pcp.decode(h.socket.recv(2048))
                    h.take(r, self.told)
                    key = r.protocol, h.address, r.internal
                    self.copies[key] = self.copies.get(key, 0) + 1
            except BlockingIOError:
                pass

    def three_copies(self):
        """Until all updates have come, as one that comes later could be taken for an answer: the third copies of those that live
        long come with those of the others."""
        lasting = {(number(x['protocol']), x['internal_address'], x['internal_port']) for x in self.d.leases()
                   if x['origin'] == 'pcp' and x['expires_in_s'] > 60}

        def come():
            self.updates()
            return all(self.copies.get(k, 0) >= 3 for k in lasting)
        wait(come)
        threading.Event().wait(0.3)
        self.updates()
        self.copies.clear()

    def compare(self, foreign=()):
        self.updates()
        compare(self.net, self.d, self.told, foreign)

    def restarted(self, d):
        """Nobody knows any more who asked for what is there."""
        self.d = d
        self.ours = dict.fromkeys(self.told, 0)


def test_storm(net):
    """Bursts of creations, renewals and deletions with short lifetimes, several for one lease (6886-3.5-15, 6887-7.3-11)"""
    s = Storm(net, net.daemon(conf(STORM, log=QUIET)))
    for _ in range(6):
        s.blow(20)
        s.compare()
    wait(lambda: all(x['expires_in_s'] > 5 for x in s.d.leases()))
    s.compare()


def test_reload_and_restart(net):
    """Rules come and go, the daemon is killed and comes back, in the middle of it (6887-8.5-02)"""
    s = Storm(net, net.daemon(conf(STORM, log=QUIET)))
    denied = 'rule "denied" { action = deny  clients = { "192.0.2.16/28" } }\n' \
             'rule "narrow" { action = allow  clients = { "192.0.2.32/28" }  external-ports = { "40000-40030", "50000-50100" } }\n'
    for _ in range(4):
        s.blow(10)
        s.d.reload(conf(STORM, log=QUIET, rule=denied + 'rule "hosts" { action = allow }'))
        wait(lambda: not any(x.get('rule') not in ('narrow', 'hosts') for x in s.d.leases()))
        for k, v in list(s.told.items()):
            host = int(k[1].split('.')[3])
            if host < 32 or host < 48 and not (40000 <= v[1] <= 40030 or 50000 <= v[1] <= 50100):
                del s.told[k]
        s.compare()
        s.blow(10)
        s.d.reload(conf(STORM, log=QUIET))
        s.blow(5)
        s.compare()
        s.d.stop(signal.SIGKILL)
        s.restarted(net.daemon(conf(STORM, log=QUIET)))
        s.compare()


def test_outside(net):
    """The outside address changes, goes and returns (6887-14.2-01, 6887-14.2-02, 6887-7.4-10)"""
    s = Storm(net, net.daemon(conf(STORM, log=QUIET)))

    def addresses():
        return [a for a in s.d.status()['externals'][0]['addresses'] if ':' not in a]
    old, new = EXT, EXT2
    for _ in range(3):
        s.blow(10)
        net.ip('gw', 'addr', 'del', old + '/24', 'dev', 'wan0')
        net.ip('gw', 'addr', 'add', new + '/24', 'dev', 'wan0')
        wait(lambda: addresses() == [new])
        wait(lambda: all(x['external_address'] == new for x in s.d.leases()))
        s.three_copies()
        # NAT-PMP has no such updates: its clients ask again, and find what it is now
        shown = {(number(x['protocol']), x['internal_address'], x['internal_port']): x for x in s.d.leases()}
        for k, v in s.told.items():
            if s.ours[k] == 0 and k in shown:
                s.told[k] = (None, shown[k]['external_port'], v[2])
        s.compare()
        s.blow(10)
        s.compare()
        net.ip('gw', 'addr', 'del', new + '/24', 'dev', 'wan0')
        wait(lambda: addresses() == [])
        s.blow(5)
        net.ip('gw', 'addr', 'add', new + '/24', 'dev', 'wan0')
        wait(lambda: addresses() == [new])
        s.compare()
        old, new = new, old


def test_others(net):
    """Others put elements of their own in our way, or take all away, where the table has no owner (6887-11.3-37, 6887-7.3-11)"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    s = Storm(net, net.daemon(conf(STORM, log=QUIET)))
    foreign = {}
    for i in range(0, 60, 3):
        foreign[s.dice.choice(('tcp', 'udp')), EXT, 40000 + i] = ('192.0.2.250', 9)
    into = ', '.join(f'{p} . {a} . {n} : {t[0]} . {t[1]}' for (p, a, n), t in foreign.items())
    net.nft('add', 'element', 'inet', 'natpcpd', 'dnat4', '{', into, '}')
    inner = {}
    for i in range(0, HOSTS, 4):
        inner[s.dice.choice(('tcp', 'udp')), f'192.0.2.{20 + i}', 4000 + s.dice.randrange(PORTS)] = (EXT, 9)
    out = ', '.join(f'{p} . {a} . {n} : {t[0]} . {t[1]}' for (p, a, n), t in inner.items())
    net.nft('add', 'element', 'inet', 'natpcpd', 'snat4-wan', '{', out, '}')
    foreign.update(inner)
    for _ in range(3):
        s.blow(15)
        s.compare(foreign)
    assert not any((x['protocol'], x['internal_address'], x['internal_port']) in foreign for x in s.d.leases())
    assert s.d.status()['mappings']['refused_changes'] > 0
    # the table that is made again has an owner where the kernel knows owners, so the one that takes all comes last
    for words in (('flush', 'map', 'inet', 'natpcpd', 'dnat4'), ('flush', 'ruleset')):
        mark = len(s.d.lines)
        net.nft(*words)
        s.d.logged('ruleset-lost', start=mark)
        s.compare()
        s.blow(15)
        s.compare()


lab.main(globals())
