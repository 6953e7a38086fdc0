#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcp-lab with our own client in it: what it does to packets, what it leaves, and that it leaves nothing else.

Each test runs labs of its own, several tests at a time: they wait much and do little.
"""
import concurrent.futures
import ipaddress
import json
import os
import pty
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.abspath(os.path.join(HERE, '../..'))
BUILD = os.path.abspath(os.environ.get('NATPCP_BUILD', os.path.join(TREE, 'build')))
LAB, CLIENT = os.path.join(TREE, 'server/lab/natpcp-lab'), os.path.join(BUILD, 'natpcpc')
ENV = dict(os.environ, NATPCP_BUILD=BUILD)
MAP = [CLIENT, 'map', 'tcp', '8080']
USAGE, BROKEN, NO_LAB = 2, 4, 77
ENOUGH_S = 60  # who asks while there is no outside address is told to wait for 30 s


class Skip(Exception):
    pass


class Packet:
    """A frame of a pcap file: at, source, destination; UDP: ports and data; ICMP: icmp, its type and code."""

    def __init__(self, at, frame):
        self.at, self.source, self.destination, self.icmp, self.ports, self.data = at, '', '', None, (0, 0), b''
        kind, p = struct.unpack_from('!H', frame, 12)[0], frame[14:]
        if kind == 0x0800:
            protocol, rest = p[9], p[(p[0] & 15) * 4:]
            self.source, self.destination = (str(ipaddress.ip_address(p[i:i + 4])) for i in (12, 16))
        elif kind == 0x86dd:
            protocol, rest = p[6], p[40:]
            self.source, self.destination = (str(ipaddress.ip_address(p[i:i + 16])) for i in (8, 24))
        else:
            return
        if protocol == 17:
            self.ports, self.data = struct.unpack_from('!HH', rest), rest[8:struct.unpack_from('!H', rest, 4)[0]]
        elif protocol in (1, 58):
            self.icmp = (rest[0], rest[1])

    def __repr__(self):
        return f'<{self.at:.3f} {self.source} {self.destination} {self.ports} {self.icmp} {self.data.hex()}>'


class Run:
    """A run that is over: code, out, facts (lab.json), packets. It ends as its command does, or is ended: by a signal
    when the command has said something, or when what was captured is enough."""

    def __init__(self, *options, command=MAP, send=None, after=None, until=None):
        with tempfile.TemporaryDirectory(prefix='t-lab-') as d:
            argv = [LAB, 'run', '--report', d, *options, '--', *command]
            p = subprocess.Popen(argv, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            capture = os.path.join(d, 'lan.pcap')
            try:
                if send:
                    line = p.stdout.readline()
                    assert after in line, line
                    p.send_signal(send)
                if until:
                    self.wait(p, capture, until)
                self.out = p.communicate(timeout=180)[0]
            finally:
                p.terminate()
                p.wait()
            self.code = p.returncode
            if self.code == NO_LAB:
                raise Skip(self.out.strip())
            try:
                with open(os.path.join(d, 'lab.json')) as f:
                    self.facts = json.load(f)
            except FileNotFoundError:
                raise AssertionError(self.out) from None
            self.take(capture)
            with open(os.path.join(d, 'gateway.log')) as f:
                self.log = f.read()
        self.events = [e['what'] for e in self.facts['events']]

    def take(self, path):
        """What was captured until now."""
        with open(path, 'rb') as f:
            self.packets = list(self.read(f.read()))
        self.asked = [p for p in self.packets if p.ports[1] == 5351]
        self.told = [p for p in self.packets if p.ports[0] == 5351 and p.ports[1] != 5350]
        self.news = [p for p in self.packets if p.ports == (5351, 5350)]

    def wait(self, p, path, until):
        """Ends the command when there is enough. If that never comes, whoever looks at the packets will say so."""
        deadline = time.monotonic() + ENOUGH_S
        while p.poll() is None and time.monotonic() < deadline:
            try:
                self.take(path)
                if until(self):
                    break
            except FileNotFoundError:
                pass
            time.sleep(0.05)
        p.send_signal(signal.SIGTERM)

    @staticmethod
    def read(octets):
        if not octets:  # just made
            return
        assert struct.unpack_from('<I', octets)[0] == 0xa1b23c4d
        at = 24
        while at < len(octets):
            s, ns, length, _ = struct.unpack_from('<IIII', octets, at)
            yield Packet(s + ns / 1e9, octets[at + 16:at + 16 + length])
            at += 16 + length


def once():
    """For what has nothing to do with the programs: not again with their other build."""
    if os.path.basename(BUILD) != 'build':
        raise Skip('once is enough')


def faults(*specs):
    return [word for spec in specs for word in ('--fault', spec)]


def test_plain():
    """without faults: an answer, the facts, and exit code 0"""
    r = Run()
    assert r.code == 0, r.out
    # who has no answer for 3 s asks the same again
    assert len({p.data for p in r.asked}) == 1 and r.told and not r.news, r.packets
    assert r.asked[0].source == '192.0.2.11' and r.told[0].source == '192.0.2.1'
    f = r.facts
    assert f['client'][:2] == ['192.0.2.11', '2001:db8:1::11'] and f['client'][2].startswith('fe80::'), f
    assert f['gateway'][:2] == ['192.0.2.1', '2001:db8:1::1'] and f['external'] == ['198.51.100.1'], f
    assert f['begin'] <= r.asked[0].at <= r.told[0].at <= f['end'], f
    assert (f['command'], f['exit'], f['alive_at_end'], f['faults'], f['events']) == (MAP, 0, False, [], []), f


def test_exit_code():
    """the command's exit code counts, unless another one or any is expected"""
    assert Run(*faults('result=NOT_AUTHORIZED')).code == 3
    r = Run(*faults('result=NO_RESOURCES hold=7s'), '--expect', '1')
    assert r.code == 0 and r.facts['exit'] == 1
    assert r.told[0].data[3] == 8 and struct.unpack_from('!I', r.told[0].data, 4)[0] == 7


def test_silence():
    """the first request is not answered: the second comes by itself"""
    r = Run(*faults('silence n=1'))
    assert r.code == 0 and len(r.asked) >= 2 and r.told, r.packets
    assert r.told[0].at > r.asked[1].at > r.asked[0].at + 2
    assert r.facts['events'][0]['client'] == '192.0.2.11' and r.facts['events'][0]['fault'] == 'silence n=1'
    assert r.facts['begin'] <= r.facts['events'][0]['at'] <= r.asked[1].at


def test_lies():
    """answers from elsewhere, with another nonce, cut, garbled, twice and spoofed: each is seen"""
    lies = ('source=192.0.2.12 n=1', 'nonce n=2', 'truncate=20 n=3', 'source-port=5352 n=4', 'garbage n=5', 'lengthen n=6', 'twice n=6',
            'spoof n=7', 'mute n=8')
    many = f'for p in 1 2 3 4 5 6 7 8; do {CLIENT} -t 30 map tcp 808$p & done; wait'
    r = Run('--expect', 'any', *faults(*lies), command=['sh', '-c', many])
    nonces = {p.data[24:36] for p in r.asked}
    answers = [p for p in r.packets if p.destination == '192.0.2.11' and p.ports[1] == r.asked[0].ports[0] or p in r.told]
    whole = [p for p in answers if len(p.data) == 60 and p.data[:2] == b'\x02\x81' and p.data[24:36] in nonces]
    # who has heard no answer that is one asks again, and is told the truth then
    assert len(nonces) == 8 and len(r.events) == 9, (r.events, r.packets)
    assert sum(p.source == '192.0.2.12' for p in whole) == 1
    assert sum(p.source == '192.0.2.66' for p in whole) == 1
    assert sum(len(p.data) == 20 for p in answers) == 1
    assert sum(len(p.data) == 64 for p in answers) == 2
    assert sum(p.data[:2] == b'\x02\x81' and bytes(b ^ 0xff for b in p.data[24:36]) in nonces for p in answers) == 1
    assert sum(p.source == '192.0.2.1' and p.ports[0] == 5352 for p in r.packets) == 1
    assert sum(len(p.data) == 60 and p.data[:2] != b'\x02\x81' for p in answers) == 1


def test_old_boxes():
    """versions are refused as old boxes do, and ICMP: the client goes on with NAT-PMP"""
    styles = ('natpmp', '00800001'), ('misprint', '00000001'), ('opcode', '00810001'), ('pcp1', '01810001')
    refused = [f'version={style} n={n}' for n, (style, _) in enumerate(styles, 1)]
    r = Run(*faults(*refused, 'unreachable n=5 protocol=pcp'), command=['sh', '-ec', '; '.join([' '.join(MAP)] * 5)])
    assert r.code == 0 and r.out.count('(nat-pmp,') == 5, r.out
    heads = [p.data[:4].hex() for p in r.told]
    assert [h for h in heads if h in dict(styles).values() and h != '00820000'] == [h for _, h in styles], heads
    assert [p.icmp for p in r.packets if p.icmp and p.source == '192.0.2.1'] == [(3, 3)], r.packets

    def unreachable(r):
        return [p.icmp for p in r.packets if p.icmp and p.icmp[0] == 1]
    r = Run(*faults('unreachable n=1'), '--expect', 'any', command=[CLIENT, '--server', '2001:db8:1::1', *MAP[1:]], until=unreachable)
    assert unreachable(r) == [(1, 4)], r.packets


def test_grants():
    """another port than the one wished for, and a short lifetime: what is told is so"""
    r = Run(*faults('port=9999', 'lifetime=10s'), command=['sh', '-c', f'{CLIENT} map tcp 8080 && {CLIENT} map tcp 8080'])
    assert r.code == 0 and len(r.told) >= 2 and {struct.unpack_from('!H', p.data, 42)[0] for p in r.told} == {9999}
    assert {struct.unpack_from('!I', p.data, 4)[0] for p in r.told} == {10}


def test_slow():
    """a late answer, and a bad line that delays as much each way"""
    r = Run(*faults('slow=300ms'))
    assert r.code == 0 and 0.29 <= r.told[0].at - r.asked[0].at < ENOUGH_S
    r = Run('--emulate', '--delay', '150ms')
    assert r.code == 0 and 0.29 <= r.told[0].at - r.asked[0].at < ENOUGH_S
    r = Run('--emulate', '--loss', '100%', '--direction', 'down', *faults('silence n=9'), '--expect', 'any',
            until=lambda r: len(r.asked) == 2)
    assert r.asked and not r.told
    assert r.facts['faults'] == ['silence n=9', 'loss=100% direction=down']
    r = Run('--emulate', '--duplicate', '--reorder')
    assert r.code == 0 and r.facts['faults'] == ['duplicate=10% direction=both', 'reorder=25% direction=both'], r.out


def test_line():
    """what is asked for of a bad line, in netem's words and in ours"""
    once()
    sys.path.insert(0, os.path.join(TREE, 'server/lab'))
    import lab_link
    assert lab_link.share('2.5%') == 2.5 and lab_link.duration_ms('1.5s') == 1500 and lab_link.duration_ms('2m') == 120000
    for read, text in ((lab_link.share, '101%'), (lab_link.share, '30'), (lab_link.duration_ms, '5')):
        try:
            read(text)
        except ValueError:
            continue
        raise AssertionError(text)
    line = lab_link.Faults(delay=200.0, jitter=50.0, loss=30.0, duplicate=1.5, reorder=25.0)
    assert ' '.join(line.netem()) == 'netem limit 10000 delay 200ms 50ms loss 30% duplicate 1.5% reorder 25%'
    assert ' '.join(lab_link.Faults(reorder=25.0).netem()) == 'netem limit 10000 delay 10ms reorder 25%'
    chance = random.Random(1).random
    times = [line.times(chance) for _ in range(10000)]
    lost, two = sum(t == [] for t in times), sum(len(t) == 2 for t in times)
    late = [t[0] for t in times if t]
    assert 2700 < lost < 3300 and 50 < two < 170, (lost, two)
    assert 0.2 < sum(t == 0 for t in late) / len(late) < 0.3 and all(t == 0 or 150 <= t <= 250 for t in late)


def test_restart():
    """the server loses all and says so; what it says is lost, or forged, if that is asked for"""

    def news(r, forged):
        return [p for p in r.news if (p.source in ('192.0.2.66', 'fe80::66')) == forged]

    def both(packets):
        return {p.destination for p in packets} == {'224.0.0.1', 'ff02::1'}
    r = Run('--expect', 'any', *faults('restart=forget n=1', 'forge n=2'), command=[*MAP, '--keep'],
            until=lambda r: both(news(r, True)) and both(news(r, False)))
    assert [e for e in r.events if 'rest' in e] == ['restart', 'restarted'], r.events
    assert both(news(r, True)) and both(news(r, False)), r.news
    epochs = [struct.unpack_from('!I', p.data, 8)[0] for p in [*r.told[:1], *news(r, False)] if p.data[0] == 2]
    assert epochs[0] >= 86400 and max(epochs[1:]) < 600, epochs
    # a server that answers again announces itself ten times
    r = Run('--expect', 'any', '--linger', '3s', *faults('restart n=1', 'announce=lost'), command=['sh', '-c', '; '.join([' '.join(MAP)] * 2)])
    assert not r.news and 'announce' in r.events, (r.events, r.packets)


def test_address():
    """another outside address: announced, and mappings move"""
    outside = bytes((198, 51, 100, 9))

    def moved(r):
        return r.news and any(p.data[:2] == b'\x02\x81' and p.data[56:60] == outside for p in r.told if p.at > r.news[0].at)

    def told(r):
        # while it is changed there may be none for a moment, which is another result
        return [p.data[8:12] for p in r.news if p.data[:4] == bytes((0, 128, 0, 0))]
    r = Run('--expect', 'any', *faults('address=198.51.100.9 n=1'), command=[*MAP, '--keep'], until=lambda r: told(r) and moved(r))
    assert told(r) and set(told(r)) == {outside}, r.packets
    # an answer that was on its way when it was announced may say the old one
    assert moved(r), r.packets


def test_script():
    """a script, one protocol alone, and mistakes that are told before anything happens"""
    with tempfile.NamedTemporaryFile('w', suffix='.faults') as f:
        f.write('# two of them\nsilence n=1 protocol=pcp   # the first\n\nresult=3 op=address\n')
        f.flush()
        r = Run('--script', f.name, '--only', 'natpmp', command=['sh', '-c', f'{CLIENT} --natpmp map tcp 8080; {CLIENT} --natpmp address; true'])
        assert r.facts['faults'] == ['silence n=1 protocol=pcp   # the first', 'result=3 op=address', 'only=natpmp'], r.facts
        assert r.events.count('result') >= 1 and 'silence' not in r.events
        f.write('slience\n')
        f.flush()
        p = subprocess.run([LAB, 'run', '--script', f.name, '--', 'true'], env=ENV, capture_output=True, text=True)
        assert p.returncode == USAGE and f'{f.name}:5: slience: there is no such fault' in p.stderr, p
    p = subprocess.run([LAB, 'run', '--script', f.name, '--', 'true'], env=ENV, capture_output=True, text=True)
    assert p.returncode == USAGE and 'Traceback' not in p.stderr, p


def test_double_nat():
    """two routers, both of which serve and forward"""
    once()
    look = "import socket; s = socket.socket(); s.settimeout(20)\ntry: s.connect(('198.51.100.2', 9))\nexcept ConnectionRefusedError: pass"
    r = Run('--double-nat', command=['sh', '-ec', f'{CLIENT} map tcp 8080; {sys.executable} -c "{look}"; '
                                                  f'{CLIENT} --natpmp --server 198.18.0.1 address'])
    assert r.facts['exit'] == 0 and '198.18.0.2:8080' in r.out and '198.51.100.1' in r.out, r.out
    assert sorted(r.facts['external']) == ['198.18.0.2', '198.51.100.1']


def test_stays():
    """up, shell, a fault in a lab that runs, down: as ordinary users have it, two at once"""
    once()
    names = [f't{os.getpid()}{x}' for x in 'ab']

    def lab(what, name, *words):
        return subprocess.run([LAB, what, '--name', name, *words], env=ENV, capture_output=True, text=True, timeout=180)
    for name in names:
        p = lab('up', name, '--user-namespace')
        if p.returncode == NO_LAB and not name.endswith('b'):
            raise Skip(p.stderr.strip())
        assert p.returncode == 0, p
    try:
        assert lab('up', names[0]).returncode == BROKEN
        assert lab('fault', names[0], 'result=3').returncode == 0
        assert lab('fault', names[0], 'result').returncode == 2
        assert lab('fault', names[1], 'lifetime=40s').returncode == 0
        answers = [lab('shell', name, 'lan', '--', *MAP) for name in names]
        assert [p.returncode for p in answers] == [1, 0] and ' for 40 s ' in answers[1].stdout, answers
        assert '198.51.100.2' in lab('shell', names[1], 'wan', '--', 'ip', 'addr').stdout
    finally:
        ended = [lab('down', name) for name in names]
    assert [p.returncode for p in ended] == [0, 0], ended
    assert lab('down', names[0]).returncode == BROKEN


def test_nothing_left():
    """interrupted, it ends the command, says what it saw, and nothing goes on"""
    once()
    for number in (signal.SIGINT, signal.SIGTERM):
        mark = f'3{os.getpid()}.{number}'
        r = Run('--expect', 'any', command=['sh', '-c', f'setsid sleep {mark} & exec {CLIENT} map tcp 8080 --keep'],
                send=number, after='192.0.2.11:8080')
        assert r.code == 0 and r.facts['alive_at_end'] and 'terminate' in r.events, r.out
        assert [struct.unpack_from('!I', p.data, 4)[0] for p in r.asked][-1] == 0  # it had time to clean up
        assert subprocess.run(['pgrep', '-f', f'sleep {mark}'], capture_output=True).returncode == 1


def test_ctrl_c():
    """Ctrl-C in a terminal: the command gets that one signal, and has its time to clean up"""
    once()
    with tempfile.TemporaryDirectory(prefix='t-lab-') as d:
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(LAB, [LAB, 'run', '--report', d, '--', *MAP, '--keep'], ENV)
        out = b''
        try:
            while data := os.read(terminal, 4096):
                if b' -> ' in data and b' -> ' not in out:
                    os.write(terminal, b'\x03')
                out += data
        except OSError:  # the end of a terminal
            pass
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
        if code == NO_LAB:
            raise Skip(out.decode().strip())
        with open(os.path.join(d, 'lab.json')) as f:
            facts = json.load(f)
        assert code == 0 and b'unmapped' in out, out.decode()
        assert facts['exit'] == 0 and facts['alive_at_end'] and [e['what'] for e in facts['events']] == ['interrupt'], facts


def test_ended_while_down():
    """the gateway is away for long when the client ends: nobody waits for it, and that is no failure of the lab"""
    r = Run('--expect', 'any', *faults('restart=forget n=1 down=1m'), command=[CLIENT, '-t', '2', *MAP[1:]])
    assert r.code == 0 and 'restart' in r.events and 'restarted' not in r.events, r.out


def test_sudo():
    """what it made belongs to whoever called sudo, the verdict too, and nothing else does"""
    once()
    if os.geteuid() != 0:
        raise Skip('only for root')
    with tempfile.TemporaryDirectory(prefix='t-lab-') as d:
        there, new = os.path.join(d, 'there'), os.path.join(d, 'a/b')
        os.mkdir(there)
        other, tap = os.path.join(there, 'other'), os.path.join(d, 'tap')
        open(other, 'w').close()
        for report in (there, new):
            p = subprocess.run([LAB, 'run', '--report', report, '--tap', tap, '--', *MAP], capture_output=True, text=True,
                               env=dict(ENV, SUDO_UID='65534', SUDO_GID='65534'))
            if p.returncode == NO_LAB:
                raise Skip(p.stderr.strip())
            assert p.returncode == 0, p
        files = [os.path.join(r, name) for r in (there, new) for name in ('lan.pcap', 'lab.json', 'report.json', 'gateway.log')]
        owners = {path: os.stat(path).st_uid for path in (there, other, os.path.dirname(new), new, tap, *files)}
        assert {path for path, uid in owners.items() if uid == 0} == {there, other}, owners


def test_nothing_to_judge():
    """what is no report is no verdict"""
    once()
    with tempfile.TemporaryDirectory(prefix='t-lab-') as d:
        for name in ('lab.json', 'lan.pcap'):
            assert subprocess.run([LAB, 'judge', d], env=ENV, capture_output=True).returncode == BROKEN, name
            with open(os.path.join(d, name), 'w') as f:
                f.write('{"client": [], "gateway": []}')
        assert subprocess.run([LAB, 'judge', d], env=ENV, capture_output=True).returncode == BROKEN


def test_daemon_is_clean():
    """natpcpd has nothing of it"""
    def symbols(*files):
        out = subprocess.run(['nm', '--defined-only', *files], capture_output=True, text=True, check=True).stdout
        return set(re.findall(r'^[0-9a-f]+ [A-Z] (\w+)$', out, re.M)) - {'main'}
    objects = [os.path.join(BUILD, 'server/lab', f) for f in os.listdir(os.path.join(BUILD, 'server/lab')) if f.endswith('.o')]
    faults_code = symbols(*objects)
    common = {s for s in faults_code & symbols(os.path.join(BUILD, 'natpcpd')) if not s.startswith('__')}
    assert len(faults_code) > 30 and not common, common


def test_installed():
    """what make install leaves works without the tree"""
    once()
    with tempfile.TemporaryDirectory(prefix='t-lab-') as d:
        subprocess.run(['make', '-C', TREE, '-o', 'all', 'install', f'O={BUILD}', f'PREFIX={d}', f'SYSCONF={d}/etc'], check=True,
                       capture_output=True, env={k: v for k, v in os.environ.items() if not k.startswith('MAKE')})
        p = subprocess.run([f'{d}/bin/natpcp-lab', 'run', '--report', f'{d}/report', '--', f'{d}/bin/natpcpc', *MAP[1:]], cwd=d,
                           env={'PATH': os.environ['PATH']}, capture_output=True, text=True)
        if p.returncode == NO_LAB:
            raise Skip(p.stderr.strip())
        assert p.returncode == 0, p
        assert os.path.getsize(f'{d}/report/lan.pcap') > 200 and os.path.exists(f'{d}/share/man/man1/natpcp-lab.1')
        assert not os.path.isabs(os.readlink(f'{d}/bin/natpcp-lab'))  # so that it leads there from a DESTDIR, too


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith('test_') and sys.argv[1:] in ([], [n])]
    results = []

    def one(name, test):
        begin, what, log = time.monotonic(), test.__doc__.strip(), ''
        try:
            test()
            result = 'PASS'
        except Skip as e:
            result, what = 'SKIP', str(e)
        except Exception:
            result, log = 'FAIL', '    ' + traceback.format_exc().replace('\n', '\n    ') + '\n'
        results.append(result)
        print(f'{log}{result} {name}: {what} ({time.monotonic() - begin:.1f} s)', flush=True)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda t: one(*t), tests))
    sys.exit(1 if 'FAIL' in results else 0 if 'PASS' in results else NO_LAB)


main()
