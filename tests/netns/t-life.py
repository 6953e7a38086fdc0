#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, reload, restart, the operator's tool: the daemon's life."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import json
import signal

import lab
import pcp
from lab import EXT, LAN, LAN2, conf, wait
from pcp import SUCCESS, TCP, UDP

GUESTS = 'rule "guests" { action = deny  clients = { "192.0.2.12" } }\n'


def test_restart_keeps(net):
    """SIGTERM leaves mappings working; the next start takes them over with their ports, and the epoch restarts

    6887-8.5-05 (which mappings were made since is not known without a journal), 6886-3.7-01, decision-21
    """
    d = net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    c.natpmp(TCP, 4001, 40001)
    n = net.elements()
    wait(lambda: c.announce().epoch >= 4 and c.public().epoch >= 4)
    before = c.moments()
    assert d.stop() == 0, d.log()
    net.through('lan', (LAN, 4000), (EXT, 40000))
    d = net.daemon()
    assert net.elements() == n
    assert sorted(x['external_port'] for x in d.leases()) == [40000, 40001]
    net.through('lan', (LAN, 4000), (EXT, 40000))
    # nobody else gets them; their holder does
    assert net.client('lan2').map(UDP, 4000, 40000).external not in (0, 40000)
    assert all(b.began_anew(a) for b, a in zip(before, c.moments())), before
    r = c.map(UDP, 4000, 40000)
    assert (r.result, r.external) == (SUCCESS, 40000), vars(r)
    assert c.natpmp(TCP, 4001).external == 40001
    # the first request set the nonce: another one is refused now
    assert c.map(UDP, 4000, 40000, nonce=pcp.nonce()).result == pcp.NOT_AUTHORIZED


def test_killed(net):
    """After kill -9 nothing is lost: packets flow, the next start takes everything over"""
    d = net.daemon()
    c = net.client()
    for i in range(10):
        c.map(UDP, 4000 + i, 40000 + i)
    n = net.elements()
    d.process.kill()
    d.end()
    net.through('lan', (LAN, 4009), (EXT, 40009))
    d = net.daemon()
    assert net.elements() == n and len(d.leases()) == 10
    assert c.map(UDP, 4000, 40000, 0).result == SUCCESS
    assert net.closed((EXT, 40000))


def test_operators_change_between(net):
    """What the configuration forbids is closed at the next start"""
    d = net.daemon()
    assert net.client('lan2').map(UDP, 4000, 40000).result == SUCCESS
    assert net.client('lan').map(UDP, 4001, 40001).result == SUCCESS
    d.stop()
    d = net.daemon(conf(rule=GUESTS + 'rule "hosts" { action = allow }'))
    assert [x['external_port'] for x in d.leases()] == [40001]
    assert net.closed((EXT, 40000))
    net.through('lan', (LAN, 4001), (EXT, 40001))


def test_reload(net):
    """SIGHUP: refused leases go, the others see no change, the new rules hold (6886-3.5-02)"""
    d = net.daemon()
    a, b = net.client('lan'), net.client('lan2')
    assert a.map(UDP, 4000, 40000).result == SUCCESS
    assert b.map(UDP, 4001, 40001).result == SUCCESS
    epoch = a.announce().epoch
    d.reload(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }',
                  rule=GUESTS + 'rule "hosts" { action = allow }'))
    wait(lambda: len(d.leases()) == 2)
    assert net.closed((EXT, 40001))
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan', (LAN, 8443), (EXT, 443), 'tcp')
    r = b.map(UDP, 4002, 40002)
    assert r.result == pcp.NOT_AUTHORIZED and r.lifetime == 1800, vars(r)
    assert b.natpmp(UDP, 4002, 40002).result == 2
    assert a.announce().epoch >= epoch
    d.reload(conf())
    wait(lambda: len(d.leases()) == 1)
    assert net.closed((EXT, 443), 'tcp')
    assert b.map(UDP, 4002, 40002).result == SUCCESS


def test_reload_bad(net):
    """SIGHUP with a bad file: one line with file, line and key; everything stays"""
    d = net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    mark = len(d.lines)
    d.write(conf() + 'lifetime { mim = 5 }\n')
    d.process.send_signal(signal.SIGHUP)
    d.logged(r'natpcpd\.conf:\d+: .*mim', start=mark)
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert len(d.leases()) == 2


def test_conf_test(net):
    """-t says file:line: key: why and exits 2, or 0 for a good file, without touching anything"""
    before = net.nft('list', 'ruleset')
    for text, line in ((conf(), None), (conf() + 'listem { }', 10), (conf(external='external "wan" { interface = 5'), None),
                       (conf(rule='rule "x" { action = allow clients = { "192.0.2.0/33" } }'), 3),
                       (conf(rule='rule "x" { action = allow external-ports = { "9-5" } }'), 3),
                       (conf(listen='listen "lan" { interfaces = { "wan0" } }'), 2)):
        d = net.daemon(text, '-t', ready=False)
        code = d.end()
        if text == conf():
            assert code == 0, d.log()
            continue
        assert code == 2, (text, code)
        blame = d.log() + '\n'.join(d.out)
        assert f'natpcpd.conf:{line or ""}' in blame, blame
    assert net.nft('list', 'ruleset') == before


def test_bad_command_line(net):
    """Bad usage exits 2"""
    for args in (('-Q',), ('-c', '/nonexistent/natpcpd.conf'), ('-c', '/'), ('-b', 'pf'), ('-l', '127.0.0.1'),
                 *(('-b', 'memory', '-l', a) for a in ('0.0.0.0', '::', '224.0.0.1', 'ff02::1', 'host')),
                 *(('-b', 'memory', '-l', '127.0.0.1', o, a) for o, a in
                   (('-e', '::1'), ('-e', '0.0.0.0'), ('-l', '::1'), ('-c', '/dev/null')))):
        d = net.daemon(None, *args, ready=False)
        assert d.end() == 2, (args, d.log())
        assert d.lines and 'ready' not in d.out


def test_closed_descriptors(net):
    """Started with its standard descriptors closed it writes nothing into a socket of its own, and serves"""
    d = net.daemon(conf(), prefix=('sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'), ready=False)
    wait(lambda: not net.client().silent(b'\0\0'))
    for fd in range(3):
        # by its numbers: a path would be another one in a container
        assert os.stat(f'/proc/{d.process.pid}/fd/{fd}').st_rdev == os.stat('/dev/null').st_rdev
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS


def test_ctl(net):
    """natpcpctl status, leases, explain and reload, for people and for programs"""
    d = net.daemon(conf(rule=GUESTS + 'rule "hosts" { action = allow  clients = { "192.0.2.0/24" } }'))
    c = net.client()
    c.map(TCP, 4000, 40000, 600)
    c.natpmp(UDP, 4001, 40001, 600)
    leases = {x['external_port']: x for x in d.leases()}
    for port, proto, origin in ((40000, 'tcp', 'pcp'), (40001, 'udp', 'nat-pmp')):
        x = leases[port]
        assert (x['protocol'], x['internal_address'], x['internal_port'], x['external_address'], x['origin']) == \
            (proto, LAN, port - 36000, EXT, origin), x
        assert 540 <= x['expires_in_s'] <= 600
        assert x.get('rule') == 'hosts', x
    people = d.ctl('leases').stdout
    assert all(w in people for w in (LAN, EXT, '40000', '40001', 'tcp', 'udp')), people
    assert isinstance(d.status(), dict) and EXT in json.dumps(d.status())
    assert EXT in d.ctl('status').stdout
    for client, rule, word in ((LAN, 'hosts', 'allow'), (LAN2, 'guests', 'deny')):
        for options in ((), ('--json',)):
            out = d.ctl(*options, 'explain', client, 'tcp', '5000').stdout
            assert rule in out, out
        assert json.loads(out)
    text = conf(rule=GUESTS)
    d.write(text)
    d.ctl('reload')
    wait(lambda: d.leases() == [])
    d.write('nonsense')
    p = d.ctl('reload', check=False)
    assert p.returncode == 1 and 'natpcpd.conf:1' in p.stdout + p.stderr, (p.returncode, p.stdout, p.stderr)


def test_ctl_usage(net):
    """natpcpctl: 2 for bad usage, 1 when nobody is there"""
    ctl = os.path.join(lab.BUILD, 'natpcpctl')
    assert net.run('gw', ctl, 'frobnicate').returncode == 2
    assert net.run('gw', ctl).returncode == 2
    p = net.run('gw', ctl, '-s', net.dir + '/none.sock', 'status')
    assert p.returncode == 1 and p.stderr.strip(), p


def test_log_lines(net):
    """One line for each mapping made, refused (with the rule) and ended; none for each datagram"""
    d = net.daemon(conf(rule=GUESTS + 'rule "hosts" { action = allow }', log='log { level = "info" }'))
    c = net.client()
    mark = len(d.lines)
    c.map(TCP, 4000, 40000)
    made = d.logged(r'.*40000.*', start=mark)
    assert LAN in made.group(0) and '4000' in made.group(0)
    net.client('lan2').map(TCP, 4001, 40001)
    refused = d.logged(r'.*4001.*', start=mark)
    assert 'guests' in refused.group(0), refused.group(0)
    lines = len(d.lines)
    for _ in range(20):
        c.map(TCP, 4000, 40000)
    c.map(TCP, 4000, 40000, 0)
    d.logged(r'.*40000.*', start=lines)
    assert len(d.lines) - lines <= 3, d.lines[lines:]


def test_privileges(net):
    """It gives root away and goes on working: mappings, WAN changes, reload"""
    d = net.daemon(conf(process='process { user = "nobody" }'))
    with open(f'/proc/{d.process.pid}/status') as f:
        status = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
    assert set(status['Uid'].split()) != {'0'} and '0' not in status['Uid'].split(), status['Uid']
    caps = int(status['CapEff'], 16)
    assert caps & ~(1 << 10 | 1 << 12 | 1 << 13) == 0, hex(caps)  # at most NET_BIND_SERVICE, NET_ADMIN, NET_RAW
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.ip('gw', 'addr', 'add', '192.0.2.254/24', 'dev', 'br-lan')
    late = net.client('lan', '192.0.2.254')

    def answered():
        try:
            return late.ask(pcp.natpmp_address(), 0.3).result == SUCCESS
        except (TimeoutError, ConnectionRefusedError):
            return False
    wait(answered)
    assert len(d.leases()) == 1
    assert d.stop() == 0


def test_notify(net):
    """READY=1 goes to the service manager's socket"""
    import socket
    path = net.dir + '/notify'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(lab.SOON_S)
        net.daemon(conf(), prefix=('env', 'NOTIFY_SOCKET=' + path))
        assert b'READY=1' in s.recv(1000)


def test_watchdog(net):
    """WATCHDOG=1 goes there while the loop turns, and no more once it stands"""
    import socket
    path = net.dir + '/notify'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(lab.SOON_S)

        def told():
            while s.recv(1000) != b'WATCHDOG=1':
                pass

        def drained():
            """What comes until nothing does for a second, which is ten times as long as it should take."""
            s.settimeout(1)
            try:
                while True:
                    s.recv(1000)
            except TimeoutError:
                s.settimeout(lab.SOON_S)
        d = net.daemon(conf(), prefix=('env', 'NOTIFY_SOCKET=' + path, 'WATCHDOG_USEC=200000'))
        for _ in range(3):
            told()
        d.process.send_signal(signal.SIGSTOP)
        drained()
        d.process.send_signal(signal.SIGCONT)
        told()
        assert d.stop() == 0
        # asked of another process: nobody wants to know
        s.settimeout(lab.SOON_S)
        d = net.daemon(conf(), prefix=('env', 'NOTIFY_SOCKET=' + path, 'WATCHDOG_USEC=200000', 'WATCHDOG_PID=1'))
        while s.recv(1000) != b'READY=1':
            pass
        s.settimeout(1)
        try:
            assert s.recv(1000) is None
        except TimeoutError:
            pass


def test_two_daemons(net):
    """A second daemon on the same interface does not start, and the first goes on"""
    net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    d = net.daemon(conf(), ready=False)
    assert d.end() in (1, 2), d.log()
    assert 'ready' not in d.out
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_ends_are_looked_at(net):
    """A daemon that died, and what a sanitizer said in any process of it, is a failure of whatever test that happens in"""
    def complains(d):
        try:
            d.close()
        except AssertionError:
            net.daemons.remove(d)
            return True
        return False
    d = net.daemon()
    d.process.send_signal(signal.SIGABRT)
    d.process.wait()
    assert complains(d)
    d = net.daemon()
    assert d.stop() == 0 and not complains(d)
    d.lines.append('==7==ERROR: AddressSanitizer: heap-buffer-overflow')
    assert complains(d)


lab.main(globals())
