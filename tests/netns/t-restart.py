#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon ends and starts again, in every way: what it answered is there, packets flow, and the epochs tell no lie."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import shutil
import signal
import subprocess

import journal
import lab
import pcp
from lab import EXT, EXT2, LAN, conf, wait
from pcp import NOT_AUTHORIZED, SUCCESS, TCP, UDP

JOURNAL = 'journal { path = "@DIR@/leases.journal" }'
ALWAYS = 'journal { path = "@DIR@/leases.journal"  sync = always }'
FOREIGN_BOOT = bytes(range(16))
HOUR = 3600 * 1000


class World:
    """A daemon with mappings of every kind, and flows through them that run over whatever happens."""

    def __init__(self, net, tcp=True, **sections):
        """tcp: with a connection, which does not outlive what it runs through."""
        self.net = net
        self.text = conf(**{'journal': JOURNAL, **sections})
        self.path = os.path.join(net.dir, 'leases.journal')
        self.daemon = net.daemon(self.text)
        self.lan, self.lan2, self.six = net.client(), net.client('lan2'), net.client(server=lab.GW6)
        assert self.lan.map(UDP, 4000, 40000, options=(pcp.description('a game'),)).result == SUCCESS
        assert self.lan.map(UDP, 4001, 40001, options=(pcp.peers('198.51.100.0/24'),)).result == SUCCESS
        assert self.lan2.natpmp(TCP, 4002, 40002).result == SUCCESS
        assert self.six.map(TCP, 4003, address='::').result == SUCCESS
        wait(lambda: self.lan.announce().epoch >= 3 and self.lan.public().epoch >= 3)
        self.before, self.moments = self.leases(), self.epochs()
        self.flows = {'udp': net.stream('lan', (LAN, 4000), (EXT, 40000)),
                      'new': net.stream('lan', (LAN, 4001), (EXT, 40001), how='fresh')}
        if tcp:
            self.flows['tcp'] = net.stream('lan2', (lab.LAN2, 4002), (EXT, 40002), 'tcp')

    def leases(self):
        keep = ('protocol', 'internal_address', 'internal_port', 'external_address', 'external_port', 'origin',
                'description', 'filters', 'rule')
        return sorted(tuple(str(x.get(k)) for k in keep) for x in self.daemon.leases())

    def end(self, sig=signal.SIGKILL):
        self.elements = self.net.elements()
        self.daemon.process.send_signal(sig)
        code = self.daemon.end()
        assert code in (0, -9), (code, self.daemon.log())

    def start(self, text=None, **options):
        self.daemon = self.net.daemon(text or self.text, **options)

    def through(self, *args):
        """A packet of ours gets through; the flows, which would answer for it, have ended."""
        for flow in self.flows.values():
            flow.end()
        self.flows = {}
        self.net.through(*args)

    def again(self):
        """The first client on a socket of its own, to which nobody sends what it did not ask for."""
        c = self.net.client()
        c.nonce = self.lan.nonce
        return c

    def epochs(self):
        return self.again().moments()[::-1]

    def went_on(self):
        """For NAT-PMP and PCP: whether the epoch went on since all this began. It did, or it began anew."""
        now, went = self.epochs(), []
        for before, after in zip(self.moments, now):
            went.append(not before.began_anew(after))
            assert not went[-1] or before.went_on(after), (before, after)
        return went

    def check(self, natpmp, pcp_, same=True, gap=0, what='all'):
        """natpmp, pcp_: whether the epochs went on. gap: the longest that a flow may have been broken, in ms."""
        assert self.went_on() == [natpmp, pcp_], (self.moments, self.epochs(), self.daemon.log())
        if same:
            assert self.leases() == self.before, (self.leases(), self.before)
            assert self.net.elements() == self.elements
        results = {name: flow.end() for name, flow in self.flows.items()}
        self.flows = {}
        for name, r in results.items():
            assert r.sent > 50 and (r.gap_ms <= gap if gap else r.lost == 0), (name, results)
        print(f'    {what}: {len(self.before)} mappings before, {len(self.leases())} after, longest gap '
              f'{max(r.gap_ms for r in results.values())} ms, epochs {self.moments} {self.epochs()}')


def same_nonces(w):
    """PCP's nonces are remembered."""
    c = w.again()
    assert c.map(UDP, 4000, 40000, nonce=pcp.nonce()).result == NOT_AUTHORIZED
    assert c.map(UDP, 4000, 40000).result == SUCCESS


def new_nonce_once(w):
    """decision-23"""
    c = w.again()
    assert c.map(UDP, 4000, 40000, nonce=pcp.nonce()).result == SUCCESS
    assert c.map(UDP, 4000, 40000).result == NOT_AUTHORIZED


def test_killed(net):
    """SIGKILL: nothing changes for anybody, not even the epochs, nor a packet of a flow (6887-8.5-05, 6886-3.6-02)"""
    w = World(net)
    w.end()
    w.start()
    w.check(True, True, what='killed')
    same_nonces(w)
    # what was deleted stays so
    assert w.lan2.natpmp(TCP, 4002, 0, 0).result == SUCCESS
    w.end()
    w.start()
    assert len(w.leases()) == 3
    assert net.closed((EXT, 40002), 'tcp')


def test_ended(net):
    """SIGTERM: the same; the journal has an orderly end, and is not taken for one after the next start"""
    w = World(net)
    w.end(signal.SIGTERM)
    assert journal.kinds(w.path)[-1] == journal.STATE
    w.start()
    w.check(True, True, what='ended')
    same_nonces(w)
    w.end(signal.SIGKILL)
    with open(w.path, 'rb') as f:
        states = [r for r in journal.records(f.read()) if r[0] == journal.STATE]
    assert not states[-1][2] & 2, 'a clean end that is none'


def test_upgrade(net):
    """Another binary, the old journal: nothing changes"""
    w = World(net)
    w.end(signal.SIGTERM)
    other = os.path.join(net.dir, 'natpcpd-new')
    shutil.copy(os.path.join(lab.BUILD, 'natpcpd'), other)
    w.start(prefix=('sh', '-c', f'shift; exec {other} "$@"', 'sh'))
    w.check(True, True, what='upgrade')
    same_nonces(w)


def reboot(w, flush=True, **how):
    """The machine started anew: the packet filter and connection tracking are empty, and the boot is another."""
    journal.change(w.path, boot=FOREIGN_BOOT, **how)
    if flush:
        w.net.nft('delete', 'table', 'inet', 'natpcpd')
        w.net.sh('gw', 'conntrack', '-F')


def left(w, port):
    return next(x['expires_in_s'] for x in w.daemon.leases() if x['external_port'] == port)


def test_reboot(net):
    """A reboot in order: all is put back with the time that is left; NAT-PMP's seconds start anew, PCP's epoch goes on

    6886-3.7-01, 6886-3.7-04, 6887-8.5-05, decision-10, decision-21
    """
    w = World(net, False)
    w.end(signal.SIGTERM)
    reboot(w, wall=-HOUR)
    w.start()
    # an hour has passed
    assert 3500 < left(w, 40000) < 3601
    v2 = w.epochs()[1].epoch
    assert 3600 < v2 < 3700, v2
    w.check(False, True, gap=30000, what='reboot')
    same_nonces(w)
    w.through('lan', (LAN, 4000), (EXT, 40000))


def test_reboot_expired(net):
    """What ran out while the machine was off is not put back"""
    w = World(net, False)
    w.lan.map(UDP, 4004, 40004, lifetime=120)
    w.end(signal.SIGTERM)
    reboot(w, wall=-HOUR)
    w.start()
    assert w.leases() == w.before
    assert net.closed((EXT, 40004))


def test_reboot_clock_back(net):
    """The wall clock went back over a reboot, as on boxes without a battery: nobody knows how long it was; nothing is lost"""
    w = World(net, False)
    w.end(signal.SIGTERM)
    reboot(w, wall=HOUR)
    w.start()
    assert 7100 < left(w, 40000) <= 7200
    w.check(False, False, gap=30000, what='reboot, clock back')
    new_nonce_once(w)


def test_power_lost(net):
    """A reboot without an end: something may be missing, so both epochs start anew (6887-8.5-05)"""
    w = World(net, False)
    w.end()
    reboot(w)
    w.start()
    w.check(False, False, gap=30000, what='power lost')
    new_nonce_once(w)


def test_power_lost_always(net):
    """The same where every answer waits for the disk: nothing can be missing"""
    w = World(net, False, journal=ALWAYS)
    w.end()
    reboot(w)
    w.start()
    w.check(False, True, gap=30000, what='power lost, sync = always')
    same_nonces(w)


def test_journal_gone(net):
    """No journal, but the packet filter is full: the mappings are adopted, and both epochs start anew"""
    w = World(net)
    w.end()
    os.unlink(w.path)
    w.start()
    w.check(False, False, same=False, what='journal gone')
    assert net.elements() == w.elements and len(w.leases()) == 4
    new_nonce_once(w)


def test_kernel_gone(net):
    """A journal, but the packet filter is empty: all is put back, and no flow that was there is broken by that"""
    w = World(net, False)
    w.end()
    net.nft('delete', 'table', 'inet', 'natpcpd')
    w.start()
    w.check(True, True, gap=30000, what='packet filter empty')
    same_nonces(w)


def test_disagree(net):
    """Both differ: what was not answered goes, what was answered comes back, what differs becomes as it was answered"""
    w = World(net, False)
    w.end()
    old = open(w.path, 'rb').read()
    w.start()
    # unknown to the old journal: another mapping, one that is gone, one that has another port
    assert w.lan.map(UDP, 4005, 40005).result == SUCCESS
    assert w.lan2.natpmp(TCP, 4002, 0, 0).result == SUCCESS
    assert w.lan.map(UDP, 4000, 0, 0).result == SUCCESS
    wait(lambda: len(w.leases()) >= 3)
    w.end()
    with open(w.path, 'wb') as f:
        f.write(old)
    w.start()
    assert w.leases() == w.before
    assert net.closed((EXT, 40005))
    w.through('lan2', (lab.LAN2, 4002), (EXT, 40002), 'tcp')
    w.through('lan', (LAN, 4000), (EXT, 40000))


def test_behind(net):
    """A journal that knows that it lacks something: the packet filter knows better; epochs start anew"""
    w = World(net, False)
    w.end()
    old = open(w.path, 'rb').read()
    w.start()
    assert w.lan.map(UDP, 4005, 40005).result == SUCCESS
    assert w.lan2.natpmp(TCP, 4002, 0, 0).result == SUCCESS
    w.end()
    with open(w.path, 'wb') as f:
        f.write(old)
    journal.change(w.path, behind=1)
    w.start()
    ports = sorted(x['external_port'] for x in w.daemon.leases())
    assert ports == [4003, 40000, 40001, 40005], ports
    assert w.went_on() == [False, False], w.epochs()
    w.through('lan', (LAN, 4005), (EXT, 40005))
    assert net.closed((EXT, 40002), 'tcp')


def elsewhere(net, section, sig=signal.SIGKILL):
    """For a while the journal is another, or none: the first one is out of date then, though it seems whole."""
    w = World(net, False)
    w.end(sig)
    w.start(w.text.replace(JOURNAL, section))
    assert w.lan.map(UDP, 4005, 40005).result == SUCCESS
    assert w.lan2.natpmp(TCP, 4002, 0, 0).result == SUCCESS
    w.end(sig)
    w.start()
    w.daemon.logged(r'journal-read.*why=')
    ports = sorted(x['external_port'] for x in w.daemon.leases())
    assert ports == [4003, 40000, 40001, 40005], ports
    assert w.went_on() == [False, False], w.epochs()
    w.through('lan', (LAN, 4005), (EXT, 40005))
    assert net.closed((EXT, 40002), 'tcp')
    new_nonce_once(w)
    # from here on it is the one again
    w.end(sig)
    w.start()
    assert sorted(x['external_port'] for x in w.daemon.leases()) == ports
    w.daemon.logged(r'journal-read.*found=whole.*epochs="go on"')


def test_no_journal_for_a_while(net):
    """What was answered without a journal is not taken for what nobody was told of"""
    elsewhere(net, 'journal { path = "" }')


def test_another_journal_for_a_while(net):
    """The same with a journal elsewhere, and an orderly end"""
    elsewhere(net, 'journal { path = "@DIR@/other.journal" }', signal.SIGTERM)


def test_user(net):
    """The user that it becomes can write the file anew, and the next start as root goes on from that"""
    nobody = 'process { user = "nobody" }'
    net.sh('gw', 'chmod', '755', net.dir)
    w = World(net, False, process=nobody, journal='journal { path = "@DIR@/own/leases.journal" }')
    other = os.path.join(net.dir, 'own', 'other.journal')
    text = w.text.replace('leases.journal', 'other.journal')
    w.daemon.reload(text)
    wait(lambda: os.path.exists(other) and not w.daemon.status()['journal']['behind'])
    assert os.stat(other).st_uid == 65534 and not os.path.exists(os.path.join(net.dir, 'own', 'leases.journal'))
    w.end()
    w.start(text)
    w.check(True, True, gap=30000, what='another user')
    same_nonces(w)


def test_user_without_rights(net):
    """Where the user that it becomes cannot write anew, that is said at once, and what it has goes on"""
    os.mkdir(os.path.join(net.dir, 'roots'), 0o755)
    w = World(net, False, process='process { user = "nobody" }', journal='journal { path = "@DIR@/roots/leases.journal" }')
    w.daemon.logged('cannot make files in .*roots.*chown 65534')
    assert not w.daemon.status()['journal']['behind']
    w.daemon.reload(w.text.replace('leases.journal', 'other.journal'))
    w.daemon.logged('a new file cannot be begun')
    assert 'lacks something: Permission denied' in w.daemon.ctl('status').stdout
    w.daemon.reload(w.text)
    assert 'but cannot be written anew: Permission denied' in w.daemon.ctl('status').stdout
    w.end()
    w.start()
    w.check(True, True, gap=30000, what='a directory of root')
    same_nonces(w)


def test_read_only(net):
    """A disk that can be written to no more: the journal on it goes on to seem whole, and is not believed"""
    disk = os.path.join(net.dir, 'disk')
    os.mkdir(disk)
    subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', disk], check=True)
    try:
        w = World(net, False, journal='journal { path = "@DIR@/disk/leases.journal" }')
        w.end()
        subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
        w.start()
        assert w.daemon.status()['journal']['behind']
        assert w.lan.map(UDP, 4005, 40005).result == SUCCESS
        w.end()
        subprocess.run(['mount', '-o', 'remount,rw', disk], check=True)
        w.start()
        w.daemon.logged(r'journal-read.*found=part')
        w.through('lan', (LAN, 4005), (EXT, 40005))
        assert len(w.leases()) == 5 and w.went_on() == [False, False], w.epochs()
        w.end()
    finally:
        subprocess.run(['umount', '-l', disk])


def test_two(net):
    """A journal is one daemon's at a time, though another network may have one of its own"""
    w = World(net, False)
    other = w.text.replace('control.sock', 'other.sock')
    d = net.daemon(other, '-b', 'memory', side='lan2', ready=False)
    assert d.end() == 1
    assert f'another natpcpd has {w.path}' in d.log(), d.log()
    assert w.leases() == w.before and not w.daemon.status()['journal']['behind']
    # nor by a reload
    free = other.replace('leases.journal', 'other.journal')
    w.daemon.reload(w.text.replace('leases.journal', 'other.journal'))
    wait(lambda: not os.path.exists(w.path))
    d = net.daemon(w.text.replace('control.sock', 'other.sock'), '-b', 'memory', side='lan2', ready=False)
    d.logged('started')
    w.daemon.reload(w.text)
    w.daemon.logged('journal.*leases.journal: another natpcpd has it; the old one goes on')
    d.stop()
    assert w.daemon.status()['journal']['file'].endswith('other.journal')
    assert w.lan.map(UDP, 4005, 40005).result == SUCCESS
    w.end()
    w.start(free.replace('other.sock', 'control.sock'))
    assert len(w.leases()) == 5


def test_torn(net):
    """A torn end and flipped bits: the good part is used, the rest is named in a log line, and the epochs start anew"""
    w = World(net)
    w.end()
    size = os.path.getsize(w.path)
    os.truncate(w.path, size - 5)
    w.start()
    w.daemon.logged(r'journal-read.*found=part.*why=')
    assert w.leases() == w.before or len(w.leases()) == 4
    assert w.went_on() == [False, False], w.epochs()
    w.end()
    with open(w.path, 'r+b') as f:
        f.seek(3 * journal.SIZE + 30)
        c = f.read(1)
        f.seek(3 * journal.SIZE + 30)
        f.write(bytes([c[0] ^ 0x10]))
    w.start()
    w.daemon.logged(r'journal-read.*found=part.*why=')
    assert len(w.leases()) == 4
    w.through('lan', (LAN, 4000), (EXT, 40000))


def test_wan_changed(net):
    """The outside address is another when it starts again: mappings move, PCP's epoch starts anew, NAT-PMP's does not

    6887-8.5-03, 6886-3.6-04, decision-10
    """
    w = World(net, False)
    w.end()
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    w.start()
    assert w.went_on() == [True, False], w.epochs()
    assert w.lan.public().address == EXT2
    wait(lambda: len(w.leases()) == 4)
    w.through('lan', (LAN, 4000), (EXT2, 40000))
    same_nonces(w)


def test_conf_changed(net):
    """The configuration is another: what it forbids is closed, the rest is as it was, and so are the epochs"""
    w = World(net, False)
    w.end()
    w.start(conf(journal=JOURNAL, rule='rule "no" { action = deny clients = { "192.0.2.12" } }\nrule "hosts" { action = allow }'))
    assert [x for x in w.leases() if x[1] == lab.LAN2] == [] and len(w.leases()) == 3
    assert w.went_on() == [True, True], w.epochs()
    assert net.closed((EXT, 40002), 'tcp')
    same_nonces(w)


def test_clear(net):
    """-x: nothing is left, and nothing comes back"""
    w = World(net)
    w.end(signal.SIGTERM)
    w.start(None)
    w.daemon.stop()
    d = net.daemon(w.text, '-x')
    d.stop()
    w.start()
    assert w.leases() == [] and w.went_on() == [False, False], w.epochs()


lab.main(globals())
