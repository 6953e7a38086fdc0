#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcpctl as it is used: at a terminal, in pipes, by programs, by shells that complete what is typed."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import fcntl
import json
import re
import select
import shutil
import socket
import struct
import subprocess
import termios
import threading
import time

import lab
import pcp
from lab import LAN, conf
from pcp import SUCCESS, TCP, UDP

CTL = os.path.join(lab.BUILD, 'natpcpctl')
TREE = os.path.join(lab.HERE, '../..')
COMPLETION = os.path.join(TREE, 'conf/completion/natpcpctl.')


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

    def until(self, condition, seconds=5.0):
        end = time.monotonic() + seconds
        while not condition(self.shown):
            assert time.monotonic() < end and self.read(0.2), self.shown

    def end(self):
        """Its exit code, and all that it has shown."""
        end = time.monotonic() + 5
        while self.read(0.2):
            assert time.monotonic() < end, self.shown
        return self.process.wait(5), self.shown

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.fd)


def usage():
    """What natpcpctl says of itself: its commands with their options, and the options that go with all."""
    out = run(CTL, 'help').stdout
    commands, everywhere = out.split('For all commands:')
    everywhere = options(everywhere)
    own = {}
    for name in re.findall(r'^  (\w+) ', commands, re.M):
        own[name] = options(run(CTL, 'help', name).stdout.split('For all commands:')[0])
    assert {'status', 'leases', 'help'} <= set(own) and '--client' in own['leases'] and '--json' in everywhere
    return own, everywhere


def options(text):
    lines = re.findall(r'^  (-.*?)  ', text, re.M)
    return {word for line in lines for word in re.findall(r'(?:^|, )(-[-\w]+)', line)}


def test_check(net):
    """natpcpctl check: the messages of natpcpd -t, exit code 0 or 2, without a server"""
    path = os.path.join(net.dir, 'it.conf')
    for text, good in ((conf(), True), ('nonsense', False), (conf().replace('allow', 'alow'), False), ('', False)):
        with open(path, 'w') as f:
            f.write(text)
        said = run(CTL, 'check', path)
        daemon = run(os.path.join(lab.BUILD, 'natpcpd'), '-t', '-c', path)
        assert (said.returncode, said.stdout, said.stderr) == (daemon.returncode, daemon.stdout, daemon.stderr), said
        assert said.returncode == (0 if good else 2) and bool(said.stderr) != good
        x = json.loads(run(CTL, '--json', 'check', path).stdout)
        assert (x['schema'], x['good'], x['file']) == (1, good, path), x
        if not good:
            assert x['error'] == said.stderr.strip() and f'{path}:{x["line"]}:' in x['error'], x
    p = run(CTL, 'check', path + '.none')
    assert p.returncode == 2 and 'No such file' in p.stderr


def test_sorted(net):
    """natpcpctl leases --sort: for people and for programs"""
    d = net.daemon()
    a, b = net.client('lan'), net.client('lan2')
    for client, proto, internal, external, lifetime in ((b, TCP, 4000, 40002, 3000), (a, UDP, 4001, 40001, 4000),
                                                        (a, TCP, 4002, 40003, 2000)):
        assert client.map(proto, internal, external, lifetime).result == SUCCESS
    for key, ports in (('client', [40001, 40003, 40002]), ('internal-port', [40002, 40001, 40003]),
                       ('external-port', [40001, 40002, 40003]), ('expires', [40003, 40002, 40001])):
        for order in (ports, ports[::-1]):
            more = () if order is ports else ('--reverse',)
            x = json.loads(d.ctl('--json', 'leases', '--sort', key, *more).stdout)
            assert x['schema'] == 1 and [y['external_port'] for y in x['leases']] == order, (key, x)
            rows = d.ctl('leases', '--sort', key, *more).stdout.splitlines()
            assert [int(y.split()[1].split(':')[1]) for y in rows[1:]] == order, rows
    p = d.ctl('leases', '--sort', 'size', check=False)
    assert p.returncode == 2 and 'usage: natpcpctl leases' in p.stderr, vars(p)


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
        for command in ('leases', 'status', 'rules', 'explain 192.0.2.11 tcp 1', 'reload'):
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


def complete_bash(*words):
    script = f'. {COMPLETION}bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _natpcpctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    p = run('bash', '-c', script, 'bash', 'natpcpctl', *words)
    assert p.returncode == 0 and not p.stderr, p
    return p.stdout.split()


def test_bash(net):
    """What bash completes are the commands and options that there are"""
    own, everywhere = usage()
    assert set(complete_bash('')) == set(own) == set(complete_bash('help', ''))
    assert complete_bash('-s', '/x', 'le') == ['leases']
    for command, options in own.items():
        assert set(complete_bash(command, '-')) == options | everywhere, command
    assert set(complete_bash('-')) == everywhere
    assert complete_bash('explain', LAN, 'ud') == ['udp', 'udplite']
    assert complete_bash('watch', '--types', 'made,ren') == ['made,renewed']
    assert complete_bash('leases', '--sort', 'cl') == ['client'] == complete_bash('leases', '--sort', '=', 'cl')
    assert 'expires' in complete_bash('leases', '--sort', '=')
    assert complete_bash('check', COMPLETION + 'ba') == [COMPLETION + 'bash']


def test_zsh(net):
    """What zsh completes are the commands and options that there are"""
    if not shutil.which('zsh'):
        raise lab.Skip('zsh is not installed')
    assert run('zsh', '-n', COMPLETION + 'zsh').returncode == 0
    own, everywhere = usage()
    # what zsh would offer, as the function says it to zsh
    script = f'''
_arguments() {{ [[ $1 == -C ]] && {{ state=$STATE; return 1; }}; print -rl -- "$@"; }}
_describe() {{ print -rl -- $commands; }}
words=("$@"); . {COMPLETION}zsh'''

    def told(state, *words):
        p = run('zsh', '-fc', script, 'zsh', *words, env={**os.environ, 'STATE': state})
        assert p.returncode == 0 and not p.stderr, p
        return p.stdout
    assert set(re.findall(r'^(\w+):', told('command'), re.M)) == set(own)
    for command, options in own.items():
        found = set(re.findall(r'^(?:\(.*?\))?(-[-\w]+)', told('argument', command), re.M))
        assert found == options | everywhere, (command, found ^ (options | everywhere))


def test_fish(net):
    """What fish completes are the commands and options that there are"""
    if not shutil.which('fish'):
        raise lab.Skip('fish is not installed')

    def complete(line):
        p = run('fish', '-N', '-c', f'source {COMPLETION}fish; complete -C {json.dumps(line)}',
                env={**os.environ, 'HOME': net.dir, 'XDG_CONFIG_HOME': net.dir})
        assert p.returncode == 0 and not p.stderr, p
        return {x.split('\t')[0] for x in p.stdout.splitlines()}
    own, everywhere = usage()
    assert complete('natpcpctl ') == set(own)
    for command, options in own.items():
        assert complete(f'natpcpctl {command} -') == options | everywhere, command
    assert complete('natpcpctl watch --types made,ren') == {'made,renewed'}


def test_manual(net):
    """natpcpctl(8) has every command, option, order and event, and mandoc finds nothing wrong with it"""
    page = os.path.join(TREE, 'server/natpcpctl.8')
    text = open(page).read()
    own, everywhere = usage()
    assert set(re.findall(r'^\.Ss (\w+)$', text[text.index('.Sh COMMANDS'):text.index('.Sh JSON')], re.M)) == set(own)
    for command, options in own.items():
        section = re.search(rf'^\.Ss {command}$(.*?)^\.S[sh] ', text, re.M | re.S).group(1)
        named = {'-' + x for x in re.findall(r'(?:Fl|\|) (-?[a-z0-9][-a-z]*)', section)}
        assert options <= named, (command, options - named)
    for option in everywhere:
        assert f'Fl {option[1:]}' in text, option
    for name in re.search(r'by (.*)', run(CTL, 'help', 'leases').stdout).group(1).replace(' or ', ', ').split(', '):
        assert re.search(rf'^\.Cm {name}( [,.])?$', text, re.M), name
    p = run(CTL, 'watch', '--types', 'none')
    for name in re.search(r'but (\S+)', p.stderr).group(1).split(','):
        assert f'.It Cm {name}\n' in text, name
    if shutil.which('mandoc'):
        p = run('mandoc', '-Tlint', '-Wwarning', page)
        assert p.returncode == 0 and not p.stdout, p.stdout


lab.main(globals())
