#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The sandbox of the running daemon: from /proc, by a life in it, and by attempts that a debugger makes inside it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import re
import shutil
import signal
import socket
import subprocess

import lab
import pcp
from lab import EXT, EXT2, LAN, WAN, conf, wait
from pcp import SUCCESS, TCP, UDP

SANITIZED = lab.BUILD.rstrip('/').endswith('-san')
NOBODY = 'process { user = "nobody" }'


def proc(d, name):
    with open(f'/proc/{d.process.pid}/{name}') as f:
        return f.read()


def status(d):
    return dict(line.split(':\t') for line in proc(d, 'status').splitlines())


def confined(net, *args, **section):
    d = net.daemon(conf(*args, **section))
    if not d.status()['sandbox']['seccomp']:
        raise lab.Skip(d.status()['sandbox']['missing'])
    return d


def writable(net):
    """A directory that the daemon may write to when it is nobody."""
    path = os.path.join(net.dir, 'j')
    os.mkdir(path)
    shutil.chown(path, 'nobody')
    os.chmod(path, 0o700)
    return f'journal {{ path = "{path}/leases.journal"  sync = always }}'


def test_proc(net):
    """/proc/PID shows another user, no capability, no new privileges, a filter, limits, no memory that is code and writable"""
    d = confined(net, process=NOBODY, journal=writable(net))
    s = status(d)
    told = d.status()['sandbox']
    print('    ' + '\n    '.join(f'{k}:\t{s[k]}' for k in (
        'Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters')))
    assert len(set(s['Uid'].split())) == 1 and s['Uid'].split()[0] == str(told['uid']) != '0', s['Uid']
    assert s['CapPrm'] == s['CapEff'] and int(s['CapEff'], 16) == 0, s['CapEff']
    assert int(s['CapInh'], 16) == int(s['CapBnd'], 16) == int(s['CapAmb'], 16) == 0
    assert (s['NoNewPrivs'], s['Seccomp'], s['Seccomp_filters']) == ('1', '2', '1')
    assert told['user'] == 'nobody' and told['on']
    limits = {line[:25].strip(): line[25:].split()[:2] for line in proc(d, 'limits').splitlines()[1:]}
    assert limits['Max core file size'] == ['0', '0'], limits
    assert int(limits['Max open files'][1]) <= 4096, limits
    assert SANITIZED or limits['Max address space'][0] != 'unlimited', limits
    both = [line for line in proc(d, 'maps').splitlines() if re.match(r'\S+ .w.?x|\S+ .wx', line)]
    assert not both, both
    assert 'user nobody, seccomp' in d.ctl('status').stdout
    assert d.stop() == 0


def test_life(net):
    """A whole life in it: mappings, reload with another interface, the journal anew, another outside address, the end"""
    net.ip('gw', 'link', 'add', 'br2', 'type', 'bridge')
    net.ip('gw', 'addr', 'add', '203.0.113.1/24', 'dev', 'br2')
    net.ip('gw', 'link', 'set', 'br2', 'up')
    journal = writable(net)
    more = 'limits { requests-per-second = 0  mappings-per-client = 5000 }\nbackend { type = "nftables"  forward-chain = "inet filter forward"  on-exit = clear }\n'
    section = {'process': NOBODY, 'journal': journal, 'backend': '', 'log': 'log { level = "info" }'}
    d = confined(net, more, **section)
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert c.natpmp(TCP, 4100, 40100).result == 0
    net.through('lan', (LAN, 4000), (EXT, 40000))
    # more records than a file keeps that are out of date
    for _ in range(9):
        for port in range(5000, 6000, 50):
            for p in range(port, port + 50):
                c.send(pcp.pcp_map(c.address, c.nonce, UDP, p, 0))
            for _ in range(50):
                c.receive()
    wait(lambda: d.status()['journal']['rewritten'] > 1)
    assert not d.status()['journal']['error']
    threads = os.listdir(f'/proc/{d.process.pid}/task')
    for t in threads:
        with open(f'/proc/{d.process.pid}/task/{t}/status') as f:
            s = f.read()
        assert '\nSeccomp:\t2' in s and '\nNoNewPrivs:\t1' in s and re.search(r'\nCapEff:\t0*\n', s), s
    assert len(threads) > 1
    d.reload(conf(more, **{**section, 'listen': 'listen "lan" { interfaces = { "br-lan", "br2" }  external = "wan" }'}))
    d.logged('event=listening interface=br2')
    d.reload(conf(more + 'hook "late" { exec = "/bin/true"  events = { made } }\n', **{**section, 'journal': f'journal {{ path = "{net.dir}/late" }}'}))
    d.logged('event=restart-needed key=hook.exec')
    if d.status()['sandbox']['landlock']:
        d.logged('event=restart-needed key=journal.path')
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    assert d.status()['hooks']['runs'] == d.status()['hooks']['failures'] == 0
    net.sh('gw', 'ip', '-batch', '-', input=f'addr add {EXT2}/24 dev wan0\naddr del {EXT}/24 dev wan0\nroute replace default via {WAN}\n')
    wait(lambda: {x['external_address'] for x in d.leases()} == {EXT2})
    assert c.map(UDP, 4000, 0, 0).result == SUCCESS
    d.ctl('revoke', '--all')
    assert d.stop() == 0
    assert not net.elements()


def warden(d):
    """The process that changes the packet filter."""
    with open(f'/proc/{d.process.pid}/task/{d.process.pid}/children') as f:
        for pid in f.read().split():
            with open(f'/proc/{pid}/comm') as c:
                if c.read() == 'natpcpd-warden\n':
                    return int(pid)
    raise AssertionError('there is no warden')


def attempts(pid, *calls):
    """What calls return inside a process: {call: (value, errno)}; a debugger makes them."""
    script = ['set confirm off', 'set pagination off', 'set unwindonsignal on', 'set debuginfod enabled off']
    for call in calls:
        script += [f'print $value = {call}', 'print $e = *((int*(*)(void))__errno_location)()', 'printf "ANSWER %d %d\\n", $value, $e']
    p = subprocess.run(['gdb', '-q', '-nx', '-batch', '-p', str(pid), *sum((['-ex', x] for x in script), [])],
                       capture_output=True, text=True, timeout=300)
    answers = re.findall(r'^ANSWER (-?\d+) (-?\d+)$', p.stdout, re.M)
    assert len(answers) == len(calls), p.stdout[-3000:] + p.stderr[-3000:]
    return {call: (int(v), int(e)) for call, (v, e) in zip(calls, answers)}


def test_attempts(net):
    """In the running daemon itself files, sockets, other tables by a new socket, code and programs are refused"""
    if not shutil.which('gdb') or SANITIZED:
        raise lab.Skip('no gdb' if not SANITIZED else 'a sanitizer is between')
    d = confined(net, process=NOBODY, journal=writable(net))
    call = '((long(*)(long,...))syscall)'
    names = {'passwd': f'{call}(257, -100, (long)"/etc/passwd", 0, 0)', 'tmp': f'{call}(257, -100, (long)"/tmp/natpcpd-attempt", 0101, 0600)',
             'raw': f'{call}(41, {socket.AF_INET}, {socket.SOCK_RAW}, 255)', 'packet': f'{call}(41, 17, {socket.SOCK_RAW}, 0x300)',
             'nfnetlink': f'{call}(41, {socket.AF_NETLINK}, {socket.SOCK_RAW}, 12)', 'tcp': f'{call}(41, {socket.AF_INET}, 1, 6)',
             'udp': f'{call}(41, {socket.AF_INET}, {socket.SOCK_DGRAM}, 17)', 'code': f'{call}(9, 0, 4096, 7, 0x22, -1, 0)'}
    if os.uname().machine != 'x86_64':
        raise lab.Skip('the numbers of calls are those of x86-64')
    got = attempts(d.process.pid, *names.values())
    got = {k: got[v] for k, v in names.items()}
    print('    ' + ', '.join(f'{k} {os.strerror(e) if v < 0 else "done"}' for k, (v, e) in got.items()))
    for k in ('raw', 'packet', 'nfnetlink', 'tcp', 'code'):
        assert got[k] == (-1, 38), (k, got[k])
    if d.status()['sandbox']['landlock']:
        assert got['passwd'] == (-1, 13) and got['tmp'] == (-1, 13), got
    assert got['udp'][0] >= 0, got
    # the other process has fewer sockets yet: none that packets come in by, and no new one to nftables
    other = warden(d)
    at = attempts(other, *names.values())
    at = {k: at[v] for k, v in names.items()}
    print('    warden: ' + ', '.join(f'{k} {os.strerror(e) if v < 0 else "done"}' for k, (v, e) in at.items()))
    for k in ('raw', 'packet', 'nfnetlink', 'tcp', 'udp', 'code'):
        assert at[k] == (-1, 38), (k, at[k])
    if d.status()['sandbox']['landlock']:
        assert at['passwd'] == (-1, 13) and at['tmp'] == (-1, 13), at
    # it goes on, until somebody starts a program
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    subprocess.run(['gdb', '-q', '-nx', '-batch', '-p', str(d.process.pid), '-ex', f'print {call}(59, (long)"/bin/true", 0, 0)'],
                   capture_output=True, text=True, timeout=300)
    assert d.end() == -signal.SIGSYS, d.process.returncode
    # what was answered stands
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.daemons.remove(d)


def test_off(net):
    """sandbox = false: nothing but no_new_privs, and that is told"""
    d = net.daemon(conf(process='process { user = ""  sandbox = false }'))
    s = status(d)
    assert (s['NoNewPrivs'], s['Seccomp']) == ('1', '0')
    assert not d.status()['sandbox']['on']
    assert 'not confined: process { sandbox = false }' in d.ctl('status').stdout


def test_hooks(net):
    """With hooks their programs may do what programs do, and the process that reads packets is as confined as without"""
    path = os.path.join(net.dir, 'hook')
    with open(path, 'w') as f:
        f.write(f'#!/bin/sh\necho "$NATPCP_EVENT" >>{net.dir}/told\n')
    os.chmod(path, 0o755)
    before = net.daemon()
    without = before.status()['sandbox']
    assert before.stop() == 0
    d = confined(net, f'hook "h" {{ exec = "{path}"  events = {{ made }} }}\n')
    assert d.status()['sandbox'] == without
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    wait(lambda: os.path.exists(net.dir + '/told') and d.status()['hooks']['runs'] == 1)
    assert d.status()['hooks']['failures'] == 0


lab.main(globals())
