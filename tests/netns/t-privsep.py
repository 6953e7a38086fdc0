#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two processes: the one that reads packets may do nothing, and the other one does nothing that the configuration forbids."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import select
import shutil
import signal
import subprocess
import threading

import lab
import pcp
from lab import EXT, EXT2, GW, LAN, LAN2, LAN6, conf, wait
from pcp import SUCCESS, UDP

NOBODY = 'process { user = "nobody" }'
NET_ADMIN = 1 << 12
FORGER = os.path.join(lab.BUILD, 'tests/netns/forger')
TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
# one that another user may run, too
PYTHON = shutil.which('python3', path='/usr/bin') or sys.executable
UNIT, SERVICE = (os.path.join(TREE, name) for name in ('tests/lab/unit.py', 'conf/natpcpd.service.in'))


def status(pid):
    with open(f'/proc/{pid}/status') as f:
        return dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)


def warden(d):
    """The process id of a daemon's other process."""
    with open(f'/proc/{d.process.pid}/task/{d.process.pid}/children') as f:
        pids = [int(x) for x in f.read().split()]
    found = [p for p in pids if status(p)['Name'] == 'natpcpd-warden']
    assert len(found) == 1, (pids, found)
    return found[0]


def gone(pid):
    try:
        return status(pid)['State'].startswith('Z')
    except (FileNotFoundError, ProcessLookupError):
        return True


def sockets(pid):
    """The families of a process's sockets, as the kernel lists them: inode -> which of /proc/PID/net it is in."""
    mine = set()
    for fd in os.listdir(f'/proc/{pid}/fd'):
        try:
            to = os.readlink(f'/proc/{pid}/fd/{fd}')
        except FileNotFoundError:
            continue
        if to.startswith('socket:['):
            mine.add(to[8:-1])
    found = set()
    for name, column in (('udp', 9), ('udp6', 9), ('tcp', 9), ('raw', 9), ('netlink', 9), ('unix', 6)):
        with open(f'/proc/{pid}/net/{name}') as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                if len(fields) > column and fields[column] in mine:
                    found.add(name + fields[1] if name == 'netlink' else name)
    return found


def test_privileges(net):
    """The process that reads packets has no capability and no netfilter socket; the other one CAP_NET_ADMIN and no request socket"""
    d = net.daemon(conf(process=NOBODY))
    other = warden(d)
    main, side = status(d.process.pid), status(other)
    for s in (main, side):
        assert '0' not in s['Uid'].split() and '0' not in s['Gid'].split(), (s['Uid'], s['Gid'])
        assert s['Groups'].strip() == '', s['Groups']
        assert s['NoNewPrivs'] == '1'
        assert s['Seccomp'] == '2', s['Seccomp']
        for which in ('CapInh', 'CapAmb', 'CapBnd'):
            assert int(s[which], 16) == 0, (which, s[which])
    for which in ('CapEff', 'CapPrm'):
        assert int(main[which], 16) == 0, main[which]
        assert int(side[which], 16) == NET_ADMIN, side[which]
    # every thread of it, as capabilities are a thread's
    for thread in os.listdir(f'/proc/{other}/task'):
        assert int(status(f'{other}/task/{thread}')['CapPrm'], 16) == NET_ADMIN
    mine, others = sockets(d.process.pid), sockets(other)
    assert 'netlink12' not in mine and {'udp', 'udp6', 'unix'} <= mine, mine
    assert 'netlink12' in others and not others & {'udp', 'udp6', 'tcp'}, others
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert d.stop() == 0
    assert gone(other)


def test_started_without_root(net):
    """Started as the unit does, without root, both give up what they were given for the other"""
    caps = '+net_admin,+net_raw,+net_bind_service'
    os.chmod(net.dir, 0o755)
    d = net.daemon(conf(control='control { socket = "" }'), prefix=(
        'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=' + caps, '--ambient-caps=' + caps,
        '--bounding-set=-all,' + caps, PYTHON, UNIT, SERVICE))
    main, side = status(d.process.pid), status(warden(d))
    for s in (main, side):
        assert s['NoNewPrivs'] == '1' and int(s['CapAmb'], 16) == 0, s
    assert int(main['CapPrm'], 16) == int(main['CapEff'], 16) == 0, main['CapPrm']
    assert int(side['CapPrm'], 16) == int(side['CapEff'], 16) == NET_ADMIN, side['CapPrm']
    # of one user, and yet neither may look into the other
    assert os.stat(f'/proc/{warden(d)}/mem').st_uid == 0
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_killed(net):
    """kill -9 of either ends both; a start at once has all mappings, and the table"""
    net.nft('add', 'table', 'inet', 'natpcpd')  # a table without an owner first: then with one
    for again in range(2):
        d = net.daemon(conf(process=NOBODY))
        other = warden(d)
        assert net.client().map(UDP, 4000, 40000).result == SUCCESS
        d.process.kill()
        d.process.wait()
        # the other one is not waited for: the table may still have its owner
        e = net.daemon(conf(process=NOBODY))
        assert [x['external_port'] for x in e.leases()] == [40000]
        wait(lambda: gone(other))
        net.through('lan', (LAN, 4000), (EXT, 40000))
        os.kill(warden(e), signal.SIGKILL)
        assert e.end() == 1
        assert 'event=warden-gone' in e.log() and f'signal {signal.SIGKILL:d} ended it' in e.log(), e.log()
        if again == 0:
            net.nft('delete', 'table', 'inet', 'natpcpd')
    d = net.daemon(conf(process=NOBODY))
    assert [x['external_port'] for x in d.leases()] == [40000]
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_killed_in_a_request(net):
    """The other process dies while it is asked: no success is told, and natpcpd ends with an error"""
    d = net.daemon(conf(process=NOBODY))
    other = warden(d)
    os.kill(other, signal.SIGSTOP)
    c = net.client()
    c.send(pcp.natpmp_map(UDP, 4000, 40000))
    # it waits for an answer that does not come
    wait(lambda: status(d.process.pid)['State'].startswith('S') and d.process.poll() is None)
    os.kill(other, signal.SIGKILL)
    assert d.end() == 1
    try:
        assert c.receive(0.5).result != SUCCESS
    except (TimeoutError, ConnectionRefusedError):
        pass


def test_signals(net):
    """A signal to the whole group, as a service manager sends it, ends natpcpd in order"""
    d = net.daemon(conf(process=NOBODY))
    other = warden(d)
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(other, sig)
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    os.kill(other, signal.SIGTERM)
    assert d.stop() == 0


def named(d, name):
    with open(f'/proc/{d.process.pid}/task/{d.process.pid}/children') as f:
        return [int(x) for x in f.read().split() if status(int(x))['Name'] == name]


def test_hooks(net):
    """Programs of hooks are started by a process that has no capability; the one that reads packets starts none, and goes on without it"""
    d = net.daemon(conf(process=NOBODY))
    assert named(d, 'natpcpd-hooks') == []
    assert d.stop() == 0
    out = os.path.join(net.dir, 'out')
    program = os.path.join(net.dir, 'program')
    with open(program, 'w') as f:
        f.write(f'#!/bin/sh\ngrep -e ^Cap -e ^NoNewPrivs -e ^Uid /proc/self/status >>{out}\n'
                f'tr "\\0" "\\n" </proc/$PPID/comm >>{out}\n')
    os.chmod(program, 0o755)
    os.chmod(net.dir, 0o777)
    d = net.daemon(conf(f'hook "one" {{ exec = "{program}"  events = {{ made }} }}', process=NOBODY))
    runner, = named(d, 'natpcpd-hooks')
    for pid, filtered in ((runner, None), (d.process.pid, '2')):
        s = status(pid)
        assert '0' not in s['Uid'].split() and s['NoNewPrivs'] == '1', s
        assert all(int(s[c], 16) == 0 for c in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')), s
        assert filtered in (None, s['Seccomp'])
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS

    def told():
        try:
            with open(out) as f:
                return 'natpcpd-hooks' in f.read()
        except FileNotFoundError:
            return False
    wait(told)
    os.kill(runner, signal.SIGKILL)
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    d.logged('event=hook-failed')
    net.through('lan', (LAN, 4001), (EXT, 40001))
    assert d.stop() == 0


class Forger:
    def __init__(self, net):
        if not os.path.exists(FORGER):
            raise lab.Skip('the forger was not built')
        self.net = net
        self.process = subprocess.Popen(net.command('gw', FORGER), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, bufsize=0)

    def ask(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        readable, _, _ = select.select([self.process.stdout], [], [], 120)
        assert readable, line
        return self.process.stdout.readline().decode().strip()

    def start(self, text):
        path = os.path.join(self.net.dir, 'forger.conf')
        with open(path, 'w') as f:
            f.write(text.replace('@DIR@', self.net.dir))
        answer = self.ask('start ' + path)
        assert answer.startswith('ok '), answer
        return int(answer.split()[1])

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)
        return self.process.stderr.read().decode()


RULES = '''rule "no" { action = deny  clients = { "192.0.2.64/26" } }
rule "hosts" { action = allow  clients = { "192.0.2.0/24", "2001:db8:1::/64" }  external-ports = { 1024-65535 } }
rule "guest" { action = allow  clients = { "203.0.113.0/24" }  interfaces = { "br-lan" } }'''


def test_forged(net):
    """Whoever has taken over the process that reads packets opens nothing that the configuration forbids, and touches no other table"""
    f = Forger(net)
    pid = f.start(conf('reserved-ports { tcp = { "8022" } }', rule=RULES, process=NOBODY))
    before = net.nft('list', 'ruleset')
    refused = {
        'another host\'s address outside': f'add nat 6 {LAN} 80 {EXT2} 8080',
        'the address of the inner side as the outer one': f'add nat 6 {LAN} 80 {GW} 8080',
        'a reserved port': f'add nat 6 {LAN} 80 {EXT} 8022',
        'PCP\'s own port': f'add nat 17 {LAN} 80 {EXT} 5351',
        'a port that no rule gives': f'add nat 6 {LAN} 80 {EXT} 443',
        'the router itself, inside': f'add nat 6 {GW} 22 {EXT} 2222',
        'the router itself, outside': f'add nat 6 {EXT} 22 {EXT} 2222',
        'loopback': f'add nat 6 127.0.0.1 22 {EXT} 2222',
        'multicast': f'add nat 17 224.0.0.1 22 {EXT} 2222',
        'a host outside': f'add nat 6 198.51.100.77 22 {EXT} 2222',
        'a client that a rule denies': f'add nat 6 192.0.2.70 80 {EXT} 8080',
        'a client that no rule has': f'add nat 6 198.18.0.1 80 {EXT} 8080',
        'another protocol': f'add nat 47 {LAN} 80 {EXT} 8080',
        'all ports': f'add nat 6 {LAN} 0 {EXT} 0',
        'a set that reaches a reserved port': f'add nat 6 {LAN} 8020 {EXT} 8020 99 0 5',
        'a set that wraps': f'add nat 6 {LAN} 65530 {EXT} 65530 99 0 10',
        'a peer on a reserved port': f'add nat 6 {LAN} 80 {EXT} 8022 99 0 0 203.0.113.9 443',
        'a peer of another family': f'add nat 6 {LAN} 80 {EXT} 8080 99 0 0 2001:db8::9 443',
        'an external that is not there': f'add nat 6 {LAN} 80 {EXT} 8080 99 7',
        'IPv6 that is translated': f'add nat 6 {LAN6} 80 {LAN6} 8080',
        'mixed families': f'add pin 6 {LAN6} 80 {EXT} 80',
        'IPv4 that is not translated': f'add pin 6 {LAN} 80 {LAN} 80',
        'a pinhole to another host': f'add pin 6 {LAN6} 80 2001:db8:1::12 80',
        'a pinhole for another port': f'add pin 6 {LAN6} 80 {LAN6} 81',
        'a pinhole of all ports': f'add pin 6 {LAN6} 0 {LAN6} 0',
        'a pinhole to the router': 'add pin 6 2001:db8:1::1 80 2001:db8:1::1 80',
        'a pinhole to a link-local address': 'add pin 6 fe80::1 80 fe80::1 80',
        'a renewal of what cannot be': f'renew nat 6 {LAN6} 80 {LAN6} 8080',
        'a removal of what cannot be': f'remove nat 6 {LAN} 80 {EXT} 8080 99 200',
    }
    for name, line in refused.items():
        assert f.ask(line) == 'EPERM', (name, line)
    after = net.nft('list', 'ruleset')
    assert before == after
    # what is there may be renewed, and a renewal may make what is not
    for line in list(refused.values()):
        assert f.ask(line.replace('add ', 'renew ')) == 'EPERM', line
    for line in (f'add nat 6 {LAN} 80 {EXT} 8080', f'add nat 17 {LAN2} 80 {EXT} 8080', f'add pin 6 {LAN6} 8080 {LAN6} 8080',
                 f'add nat 6 203.0.113.7 80 {EXT} 8081', f'add nat 6 {LAN} 700 {EXT} 700 99 0 0 203.0.113.9 443'):
        assert f.ask(line) == '0', line
    assert f.ask(f'remove nat 6 {LAN} 80 {EXT} 8080') == '0'
    assert status(pid)['Name'] == 'natpcpd-warden'
    f.ask('stop')
    log = f.end()
    assert 'event=change-refused' in log and log.count('\n') < 10, log


def test_owner_ends(net):
    """A start waits for a moment for a table whose owner is ending, and fails if it does not end"""
    gives_up = 'stop the other process if one owns the table'
    for again in range(10):
        f = Forger(net)
        f.start(conf(process=NOBODY))
        if again == 0:
            d = net.daemon(conf(), ready=False)
            assert d.end() == 1 and gives_up in d.log(), d.log()
        d = net.daemon(conf(), ready=False)
        d.logged('event=listening')
        # it has not failed a while later, nor is it ready
        threading.Event().wait(0.3)
        assert 'ready' not in d.out and (d.process.poll() is None or gives_up in d.log()), d.log()
        f.ask('stop')
        d.until(lambda: 'ready' in d.out or d.process.poll() is not None, 60, 'ready')
        f.end()
        # unless the owner took longer to be told to end than is waited for one that ends
        if 'ready' in d.out:
            break
        assert d.end() == 1 and gives_up in d.log(), d.log()
        net.daemons.remove(d)
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS


def test_follows_addresses(net):
    """An address that the router gets later may be mapped on, and one that it has no more may not"""
    f = Forger(net)
    f.start(conf(process=NOBODY))
    line = f'nat 6 {LAN} 80 {EXT2} 8080'
    other = f'nat 6 {LAN2} 80 {EXT2} 8080'
    assert f.ask('add ' + line) == 'EPERM'
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    assert f.ask('add ' + line) == '0'
    net.ip('gw', 'addr', 'del', EXT2 + '/24', 'dev', 'wan0')
    # what is there goes on, nothing else
    assert f.ask('renew ' + line) == '0'
    assert f.ask('renew ' + other) == 'EPERM'
    assert f.ask('remove ' + line) == '0'
    assert f.ask('renew ' + line) == 'EPERM'
    assert f.ask('add ' + line) == 'EPERM'
    f.ask('stop')
    f.end()


def test_nonsense(net):
    """Who does not speak as he should is not spoken to any more: the process ends, and the table stays"""
    f = Forger(net)
    text = conf(process=NOBODY)
    f.start(text)
    assert f.ask(f'add nat 6 {LAN} 80 {EXT} 8080') == '0'
    n = net.elements()
    change, mapping, item = 80, 64, 64
    for line in (f'raw 2 1 {change - 1}', f'raw 2 1 {change + 1}', f'raw 2 2 {change}', 'raw 2 4294967295 80', 'raw 2 0 1',
                 f'raw 5 3 {mapping}', 'raw 5 300000 64', 'raw 1 0 0', 'raw 6 0 0', 'raw 8 0 3', 'raw 12 0 7', 'raw 13 1 9',
                 'raw 14 0 0', 'raw 16 0 0', 'raw 17 1 72', 'raw 99 0 0', 'raw 2 1 4294967295', 'garbage 4096', 'search 70000 192',
                 f'search 1 {item - 1}', 'search 0 5', 'search 1 4294967295'):
        assert f.ask(line) == 'gone 1', line
        f.start(text)
        assert net.elements() == n, line
    # what is less than a message is waited for, and no harm: the other end goes
    f.ask('stop')
    log = f.end()
    assert 'event=warden-failed' in log, log


lab.main(globals())
