#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcpctl as it is used: at a terminal, in pipes, by programs."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import fcntl
import json
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import lab
import pcp
from lab import EXT, EXT2, GW6, LAN, LAN2, LAN6, conf, wait
from pcp import SUCCESS, TCP, UDP

CTL = os.path.join(lab.BUILD, 'natpcpctl')
TREE = os.path.join(lab.HERE, '../..')


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, **options)


class Terminal:
    """natpcpctl in a terminal of its own."""

    def __init__(self, net, *args, columns=80, lines=24, **environment):
        self.fd, other = os.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack('4H', lines, columns, 0, 0))
        env = {**os.environ, 'TERM': 'xterm', **environment}
        self.process = subprocess.Popen(
            net.command('gw', CTL, '-s', os.path.join(net.dir, 'control.sock'), *args), stdin=other, stdout=other, stderr=other,
            env={k: v for k, v in env.items() if v is not None}, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(other)
        self.shown = ''
        net.streams.append(self)

    def read(self, seconds):
        """What has come, until nothing does for so long; False: it has ended."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the other end is closed
            return False
        self.shown += data.decode(errors='replace')
        return bool(data)

    def until(self, condition, seconds=lab.SOON_S):
        end = time.monotonic() + seconds
        while not condition(self.shown):
            assert time.monotonic() < end and self.read(0.2), self.shown

    def end(self):
        """Its exit code, and all that it has shown."""
        end = time.monotonic() + lab.SOON_S
        while self.read(0.2):
            assert time.monotonic() < end, self.shown
        return self.process.wait(lab.SOON_S), self.shown

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.fd)


class Watch:
    """natpcpctl watch, its lines as they come."""

    def __init__(self, net, *args):
        self.lines, self.errors = [], []
        self.process = subprocess.Popen(
            net.command('gw', CTL, '-s', os.path.join(net.dir, 'control.sock'), *args), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.threads = [threading.Thread(target=lambda f=f, to=to: to.extend(iter(f.readline, '')), daemon=True)
                        for f, to in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for t in self.threads:
            t.start()
        net.streams.append(self)

    def end(self):
        """Its exit code and what it said was wrong."""
        code = self.process.wait(lab.SOON_S)
        for t in self.threads:
            t.join(lab.SOON_S)
        return code, ''.join(self.errors)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def readers(d):
    return d.status()['events_readers']


def test_sorted(net):
    """natpcpctl leases --sort: for people and for programs"""
    d = net.daemon()
    a, b = net.client('lan'), net.client('lan2')
    for client, proto, internal, external, lifetime in ((b, TCP, 4000, 40002, 3000), (a, UDP, 4001, 40001, 4000),
                                                        (a, TCP, 4002, 40003, 2000)):
        text = pcp.description('\x1b[2J\x9b\u202e')
        assert client.map(proto, internal, external, lifetime, options=[text]).result == SUCCESS
    for key, ports in (('client', [40001, 40003, 40002]), ('internal-port', [40002, 40001, 40003]),
                       ('external-port', [40001, 40002, 40003]), ('expires', [40003, 40002, 40001])):
        for order in (ports, ports[::-1]):
            more = () if order is ports else ('--reverse',)
            text = d.ctl('--json', 'leases', '--sort', key, *more).stdout
            assert text.isascii() and text.replace('\n', '').isprintable(), text
            x = json.loads(text)
            assert x['schema'] == 1 and [y['external_port'] for y in x['leases']] == order, (key, x)
            rows = d.ctl('leases', '--sort', key, *more).stdout.splitlines()
            assert [int(y.split()[1].split(':')[1]) for y in rows[1:]] == order, rows
    p = d.ctl('leases', '--sort', 'size', check=False)
    assert p.returncode == 2 and 'usage: natpcpctl leases' in p.stderr, vars(p)


def test_filters(net):
    """natpcpctl leases: by host, network, port, rule, protocol, family and origin, for people and for programs"""
    d = net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }',
                        rule='rule "low & high" { action = allow  internal-ports = { "1-4999" } }\nrule "b" { action = allow }'))
    a, b, c = net.client('lan'), net.client('lan2'), net.client('lan', GW6)
    assert a.map(UDP, 4000, 40000).result == SUCCESS and a.natpmp(TCP, 6000, 40001).result == SUCCESS
    assert b.map(TCP, 4001, 40002).result == SUCCESS and c.map(TCP, 5000, 5000, address='::').result == SUCCESS
    for filters, ports in ((('--client', LAN), {40000, 40001, 443}), (('--client', '192.0.2.0/24'), {40000, 40001, 40002, 443}),
                           (('--client', LAN2), {40002}), (('--client', LAN6), {5000}), (('--client', '2001:db8::/32'), {5000}),
                           (('-6',), {5000}), (('-4',), {40000, 40001, 40002, 443}), (('-4', '-6'), {40000, 40001, 40002, 443, 5000}),
                           (('--port', '40001'), {40001}), (('--port', '4001'), {40002}), (('--port', '1'), set()),
                           (('--rule', 'low & high'), {40000, 40002}), (('--rule', 'web'), {443}), (('--rule', 'none'), set()),
                           (('--proto', 'udp'), {40000}), (('--proto', '6'), {40001, 40002, 443, 5000}),
                           (('--origin', 'nat-pmp'), {40001}), (('--origin', 'static'), {443}),
                           (('--client', LAN, '--proto', 'tcp', '--origin', 'nat-pmp'), {40001})):
        x = json.loads(d.ctl('--json', 'leases', *filters).stdout)
        assert {y['external_port'] for y in x['leases']} == ports, (filters, x)
        rows = d.ctl('leases', *filters).stdout.splitlines()
        assert {int(y.split()[1].rsplit(':', 1)[1]) for y in rows[1:]} == ports, (filters, rows)
    for wrong in (('--client', 'x'), ('--client', '192.0.2.0/33'), ('--port', '70000'), ('--proto', 'frob'), ('--origin', 'x')):
        p = d.ctl('leases', *wrong, check=False)
        assert p.returncode == 1 and p.stderr.strip() and not p.stdout, (wrong, vars(p))


def test_rules(net):
    """natpcpctl rules: what each rule decided, refused, and allows now; and what no rule decided"""
    d = net.daemon(conf(rule='rule "guests" { action = deny  clients = { "192.0.2.12" } }\n'
                             'rule "hosts" { action = allow  clients = { "192.0.2.0/24" } }'))
    for i in range(3):
        assert net.client('lan').map(UDP, 4000 + i).result == SUCCESS
    assert net.client('lan2').map(UDP, 4000).result == pcp.NOT_AUTHORIZED
    assert net.client('lan', GW6).map(UDP, 4000, address='::').result == pcp.NOT_AUTHORIZED
    x = json.loads(d.ctl('--json', 'rules').stdout)
    assert x['schema'] == 1 and x['unmatched'] == 1, x
    assert [(r['name'], r['action'], r['hits'], r['refused'], r['mappings']) for r in x['rules']] == \
        [('guests', 'deny', 1, 1, 0), ('hosts', 'allow', 3, 0, 3)], x
    rows = [r.split() for r in d.ctl('rules').stdout.splitlines()]
    lines = [str(r['line']) for r in x['rules']]
    assert rows[1:3] == [[lines[0], 'deny', '1', '1', '0', 'guests'], [lines[1], 'allow', '3', '0', '3', 'hosts']], rows
    assert rows[3][-1] == '1', rows


def test_watch(net):
    """natpcpctl watch: a line for each thing as it happens, harmless whatever clients say; --types, --json; Ctrl-C and the end of a server"""
    d = net.daemon(conf(rule='rule "guests" { action = deny  clients = { "192.0.2.12" } }\nrule "hosts" { action = allow }'))
    people, programs, refused = (Watch(net, *a) for a in (('watch',), ('--json', 'watch'), ('watch', '--types', 'refused')))
    wait(lambda: readers(d) == 3)
    a = net.client()
    assert a.map(TCP, 4000, 40000, 600).result == SUCCESS
    wait(lambda: people.lines and programs.lines)
    line = people.lines[0].split()
    assert line[2:] == f'made pcp MAP tcp {LAN}:4000 -> {EXT}:40000 for 10m rule "hosts"'.split(), line
    x = json.loads(programs.lines[0])
    assert x['schema'] == 1 and abs(x['at'] - time.time()) < 60, x
    assert (x['event'], x['protocol'], x['internal_address'], x['internal_port'], x['external_port'], x['rule']) == \
        ('made', 'tcp', LAN, 4000, 40000, 'hosts'), x
    assert net.client('lan2').map(UDP, 4001).result == pcp.NOT_AUTHORIZED
    wait(lambda: refused.lines)
    assert all(word in refused.lines[0] for word in ('refused', LAN2, 'NOT_AUTHORIZED', 'guests')), refused.lines
    d.ctl('revoke', '--all')
    wait(lambda: any(' ended ' in y for y in people.lines))
    wait(lambda: any(json.loads(y)['event'] == 'ended' for y in programs.lines))
    d.ctl('reload')
    wait(lambda: any(' reload ' in y for y in people.lines))
    assert len(refused.lines) == 1
    # a line is whole when it comes: none waits for another
    stats = Watch(net, 'watch', '--types', 'stats')
    wait(lambda: stats.lines)
    assert ' stats ' in stats.lines[0] and 'requests 2' in stats.lines[0], stats.lines
    stats.process.send_signal(signal.SIGINT)
    assert stats.end() == (-signal.SIGINT, '')
    wait(lambda: readers(d) == 3)
    assert d.stop() == 0
    for w in (people, programs, refused):
        code, errors = w.end()
        assert code == 1 and 'the server has gone' in errors, (code, errors)
    p = d.ctl('watch', check=False)
    assert p.returncode == 1 and 'nobody answers' in p.stderr, vars(p)
    p = d.ctl('watch', '--types', 'made,frob', check=False)
    assert p.returncode == 2 and 'no events frob' in p.stderr, vars(p)


def test_refusals(net):
    """natpcpctl refusals: the last 64, the newest first, as watch shows them"""
    d = net.daemon(conf(rule='rule "guests" { action = deny  clients = { "192.0.2.12" } }\nrule "hosts" { action = allow }'))
    assert d.ctl('refusals').stdout == '' and json.loads(d.ctl('--json', 'refusals').stdout) == {'schema': 1, 'refusals': []}
    w = Watch(net, 'watch')
    wait(lambda: readers(d) == 1)
    for i in range(70):
        assert net.client('lan2').map(UDP, 4000 + i).result == pcp.NOT_AUTHORIZED
    wait(lambda: len(w.lines) >= 70)
    x = json.loads(d.ctl('--json', 'refusals').stdout)
    # a client that waited for long has asked twice
    ports = [*dict.fromkeys(y['internal_port'] for y in x['refusals'])]
    assert x['schema'] == 1 and len(x['refusals']) == 64 and ports == list(range(4069, 4069 - len(ports), -1)), x
    wait(lambda: [y.rstrip() for y in d.ctl('refusals').stdout.splitlines()] == [y.rstrip() for y in w.lines[:-65:-1]])


def test_killed(net):
    """natpcpctl watch: a server that is killed is told from one that has nothing to say"""
    d = net.daemon()
    w = Watch(net, 'watch')
    wait(lambda: readers(d) == 1)
    d.process.kill()
    d.end()
    code, errors = w.end()
    assert code == 1 and 'the server has gone' in errors, (code, errors)


def test_pipe(net):
    """natpcpctl into a pipe whose reader goes away ends by SIGPIPE, silently"""
    d = net.daemon()
    c = net.client()
    for i in range(3):
        c.map(UDP, 4000 + i, 40000 + i)
    sock = os.path.join(net.dir, 'control.sock')
    w = subprocess.Popen([CTL, '-s', sock, 'watch'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait(lambda: readers(d) == 1)
    w.stdout.close()
    assert c.map(UDP, 5000, 50000).result == SUCCESS
    assert w.wait(lab.SOON_S) == -signal.SIGPIPE and w.stderr.read() == ''
    w.stderr.close()
    with open('/dev/full', 'w') as full:
        p = subprocess.run([CTL, '-s', sock, 'leases'], stdout=full, stderr=subprocess.PIPE, text=True)
    assert p.returncode == 1 and 'cannot be written' in p.stderr, vars(p)


class Fake:
    """A server that answers each connection with the next of some texts, as they are."""

    def __init__(self, net, *answers):
        self.path = os.path.join(net.dir, 'fake.sock')
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen()
        self.asked = []
        net.sockets.append(self.socket)
        threading.Thread(target=self.serve, args=(answers,), daemon=True).start()

    def serve(self, answers):
        for answer in answers:
            connection, _ = self.socket.accept()
            with connection:
                request = b''
                while b'\r\n\r\n' not in request:
                    request += connection.recv(65536)
                self.asked.append(request.split()[1].decode())
                connection.sendall(answer.encode())


def http(body, status='200 OK', length=None):
    return f'HTTP/1.1 {status}\r\nContent-Length: {len(body.encode()) if length is None else length}\r\nConnection: close\r\n\r\n{body}'


def test_strange(net):
    """natpcpctl and servers that answer strangely, or break off: exit code 1, a line that says so, and no control character"""
    lease = '{"protocol": "tcp", "internal_address": "192.0.2.11", "internal_port": 1, "description": "\\u001b[2J\\u009b"}'
    for command, answers, said, shown in (
            ('status', [http('')], 'empty', ''),
            ('status', [http('nonsense')], 'no JSON', ''),
            ('status', [http('{"version": "1.0"', length=100)], 'fake.sock', ''),
            ('status', ['HTTP/1.1 200 OK\r\n'], 'empty', ''),
            ('status', [http('{"error": "no\\u001b[2J"}', '500 X')], 'no?[2J', ''),
            ('status', [http('gone', '500 X')], 'answered 500', ''),
            ('rules', [http('{"error": "there is no such path"}', '404 X')], 'older', ''),
            ('watch', [http('{"error": "there is no such path"}', '404 X')], 'older', ''),
            ('watch', [http('{"error": "too many read"}', '503 X')], 'too many read', ''),
            ('--json leases', [http('{"leases":[\n', length=100)], 'fake.sock', '{"leases":[\n'),
            ('watch', [http('event: made\ndata: {"by": "a\\u001b"}\n\ndata: {"cut', length=9999)], 'has gone', 'made     a?\n'),
            ('--json status', [http('{"a": "\x1b[2J\0"}', length=99)], 'fake.sock', '{"a": "?[2J?"}\n'),
            ('watch', [http('data: nonsense\x1b\n\n')], 'no JSON: nonsense?', ''),
            ('leases', [http(f'{{"leases": [{lease}], "next": 5}}'), http('{"leases": [', length=99)], 'fake.sock', '')):
        fake = Fake(net, *answers)
        p = run(CTL, '-s', fake.path, *command.split())
        assert p.returncode == 1 and said in p.stderr and p.stdout == shown, (command, answers, vars(p))
        assert not re.search('[\x00-\x09\x0b-\x1f\x7f-\x9f]', p.stdout + p.stderr), vars(p)
    # a cursor that goes back is no reason to ask for ever; what is no list has no rows
    fake = Fake(net, http(f'{{"leases": [{lease}], "next": 5}}'), http(f'{{"leases": [{lease}], "next": 5}}'))
    p = run(CTL, '-s', fake.path, 'leases', '--rule', 'a&b')
    assert p.returncode == 0 and p.stdout.count(f'{LAN}:1') == 2 and '?[2J?' in p.stdout, vars(p)
    assert fake.asked == [f'/v1/leases?rule=a%26b&limit=20000&cursor={n}' for n in (0, 5)], fake.asked
    for strange in ('{}', '[]', '{"leases": 7, "next": "x", "rules": {}, "externals": [1, null], "listens": {"a": 1}}'):
        for command in ('leases', 'status', 'rules', 'refusals', 'explain 192.0.2.11 tcp 1', 'reload'):
            p = run(CTL, '-s', Fake(net, http(strange)).path, *command.split())
            assert p.returncode == 0 and not p.stderr, (strange, command, vars(p))


def plain(text):
    return re.sub('\x1b\\[[0-9;]*m', '', text)


def test_terminal(net):
    """At a terminal: colors unless NO_COLOR, TERM or --color say otherwise, no line longer than it is wide; none of that in a pipe"""
    d = net.daemon()
    assert net.client().map(TCP, 4000, 40000, 600, options=[pcp.description('a long text ' * 10)]).result == SUCCESS
    for args, environment, colored in (((), {}, True), ((), {'NO_COLOR': '1'}, False), ((), {'NO_COLOR': ''}, True),
                                       ((), {'TERM': 'dumb'}, False), ((), {'TERM': None}, False), (('--color', 'never'), {}, False),
                                       (('--color=always',), {'NO_COLOR': '1'}, True)):
        for command in ('leases', 'status'):
            code, shown = Terminal(net, command, *args, **environment).end()
            assert code == 0 and ('\x1b[1m' in shown) == colored, (args, environment, shown)
            if not colored:
                assert '\x1b' not in shown, shown
    for columns in (80, 100):
        code, shown = Terminal(net, 'leases', columns=columns).end()
        rows = plain(shown).splitlines()
        assert [len(x) for x in rows[1:]] == [columns] and rows[1].endswith('~'), rows
        assert plain(shown).count('\n') == 2
    piped = d.ctl('leases').stdout
    assert 'a long text ' * 9 in piped and '\x1b' not in piped
    assert '\x1b[1m' in d.ctl('--color', 'always', 'leases').stdout
    p = d.ctl('--color', 'sometimes', 'leases', check=False)
    assert p.returncode == 2 and 'auto, always or never' in p.stderr


def test_live(net):
    """natpcpctl leases --watch: the table is drawn again when something happens; the terminal is as it was at the end"""
    d = net.daemon()
    c = net.client()
    assert c.map(TCP, 4000, 40000, 600).result == SUCCESS
    t = Terminal(net, 'leases', '--watch', '--client', LAN, lines=6)
    t.until(lambda x: f'{EXT}:40000' in x and '1 mapping' in x)
    assert t.shown.startswith('\x1b[?1049h')
    assert c.map(TCP, 4001, 40001, 600).result == SUCCESS
    t.until(lambda x: f'{EXT}:40001' in x and '2 mappings' in x)
    for i in range(6):
        assert c.map(TCP, 4002 + i, 40002 + i, 600).result == SUCCESS
    t.until(lambda x: 'the first 3 mappings' in x)
    assert plain(t.shown.rsplit('\x1b[H', 1)[1]).count('\n') <= 5, t.shown
    by_port = Terminal(net, 'leases', '--watch', '--sort', 'external-port', '--reverse', lines=6)
    by_port.until(lambda x: '8 mappings, the first of them:' in x and f'{EXT}:40005' in x)
    assert f'{EXT}:40004' not in by_port.shown
    by_port.process.send_signal(signal.SIGTERM)
    assert by_port.end()[0] == -signal.SIGTERM
    d.ctl('revoke', '--all')
    t.until(lambda x: '0 mappings' in x)
    t.type('\x03')
    code, shown = t.end()
    assert code == -signal.SIGINT and shown.endswith('\x1b[?25h\x1b[?1049l'), (code, shown[-80:])
    t = Terminal(net, 'leases', '--watch')
    t.until(lambda x: '0 mappings' in x)
    assert d.stop() == 0
    code, shown = t.end()
    assert code == 1 and 'natpcpctl: ' in shown.split('\x1b[?1049l')[1], (code, shown)
    for wrong in (('--json', 'leases', '--watch'), ('leases', '--watch')):
        p = d.ctl(*wrong, check=False)
        assert p.returncode == 2 and 'terminal' in p.stderr, vars(p)


def test_metrics(net):
    """natpcpctl metrics: as Prometheus reads it, and as JSON"""
    d = net.daemon()
    assert net.client().map(TCP, 4000, 40000).result == SUCCESS
    text = d.ctl('metrics').stdout
    assert re.search(r'^# TYPE natpcpd_\w+ counter$', text, re.M), text
    x = json.loads(d.ctl('--json', 'metrics').stdout)
    assert x['schema'] == 1
    samples = [line for line in text.splitlines() if line and line[0] != '#']
    assert len(x['metrics']) == len(samples) > 10
    for m, line in zip(x['metrics'], samples):
        assert line.startswith(m['name']) and m['type'] in ('counter', 'gauge', 'histogram'), (m, line)


def test_words(net):
    """natpcpctl status: what it says is true of this server"""
    d = net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan", "lan9" }  external = "wan" }'))
    assert net.client().map(TCP, 4000, 40000).result == SUCCESS
    x, shown = d.status(), d.ctl('status').stdout
    assert x['schema'] == 1
    lines = dict(re.findall(r'^(\S.{13}\S?) +(.*)$', shown, re.M))
    lines = {k.strip(): v for k, v in lines.items()}
    assert EXT in lines['external'] and 'interface wan0' in lines['external'] and ' for ' in lines['external'], shown
    assert 'NAT-PMP and PCP' in lines['listen'] and 'interface br-lan: ' in shown and 'lan9: not there' in shown, shown
    assert lines['leases'] == '1 of 1 host' and 'MAP 1' in lines['PCP asked'] and 'works' in lines['backend'], shown
    assert lines['answers'].endswith('(1 so far)'), shown
    net.ip('gw', 'addr', 'flush', 'dev', 'wan0')
    wait(lambda: 'no address' in d.ctl('status').stdout)
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    wait(lambda: EXT2 in d.ctl('status').stdout)


def keys(x, free=()):
    """The names of all members, but not of those whose members are counters by name."""
    if isinstance(x, list):
        return {k for y in x for k in keys(y, free)}
    if not isinstance(x, dict):
        return set()
    return set(x) | {k for name, y in x.items() if name not in free for k in keys(y, free)}


def test_schema(net):
    """Every object of --json has schema 1, and every key of it is in natpcpctl(8)"""
    d = net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }',
                        rule='rule "hosts" { action = allow  clients = { "192.0.2.11", "2001:db8:1::/64" } }',
                        journal='journal { path = "@DIR@/it.journal" }'))
    w = Watch(net, '--json', 'watch', '--types', 'made,renewed,ended,moved,adopted,refused,external,reload,backend,lost,stats')
    wait(lambda: readers(d) == 1)
    a, b = net.client('lan'), net.client('lan2')
    for _ in range(2):
        assert a.map(UDP, 4000, 40000, options=[pcp.description('x'), pcp.peers('203.0.113.0/24', 443)]).result == SUCCESS
    assert b.map(UDP, 4000, 40000).result == pcp.NOT_AUTHORIZED
    answers = {command: json.loads(d.ctl('--json', *command.split()).stdout) for command in (
        'status', 'leases', 'leases --sort client', 'rules', 'refusals', f'explain {LAN} udp 4000', f'explain {LAN2} udp 4000', 'metrics',
        'reload')}
    net.ip('gw', 'addr', 'flush', 'dev', 'wan0')
    wait(lambda: any('"external"' in line for line in w.lines) and any('"stats"' in line for line in w.lines))
    answers['revoke --all'] = json.loads(d.ctl('--json', 'revoke', '--all').stdout)
    wait(lambda: any('"ended"' in line for line in w.lines))
    assert d.stop() == 0
    for command in (f'check {d.path}', 'check /dev/null', f'journal {net.dir}/it.journal', f'journal --all {net.dir}/it.journal'):
        answers[command] = json.loads(run(CTL, '--json', *command.split()).stdout)
    answers.update((json.loads(line)['event'], json.loads(line)) for line in w.lines)
    assert {'made', 'renewed', 'refused', 'external', 'reload', 'ended', 'stats'} <= set(answers), answers.keys()
    page = open(os.path.join(TREE, 'server/natpcpctl.8')).read()
    page = page[page.index('.Sh JSON'):]
    named = {word for line in re.findall(r'^\.(?:It )?Va (.*)$|Va (\w+)', page, re.M) for word in re.findall(r'\w+', ' '.join(line))}
    for command, x in answers.items():
        assert x['schema'] == 1, (command, x)
        missing = keys(x, ('nat_pmp', 'pcp', 'dropped', 'labels')) - named
        assert not missing, (command, missing)


lab.main(globals())
