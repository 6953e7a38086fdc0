#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcpc's exit codes and output: against a server made of struct.pack() on the loopback interface, and against
natpcpd with the memory backend where that is built.   natpcpc-loopback.py [BUILD]"""
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import parts
import tap

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else 'build')
NATPCPC = os.path.join(BUILD, 'natpcpc')
HOST = '127.0.0.1'
V4 = b'\0' * 10 + b'\xff\xff'
OUTSIDE = V4 + socket.inet_aton('198.51.100.1')
EPOCH = 12
WHEN = r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d '  # before what --keep says


class Server(threading.Thread):
    """Answers each datagram with what the function gives for it; remembers what came. What came raw was not to be well formed."""

    def __init__(self, answer, address=HOST, raw=False, port=0):
        super().__init__(daemon=True)
        self.answer, self.heard, self.raw, self.again, self.last = answer, [], raw, 0, None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(2000)
            except OSError:
                return
            if data == b'end':
                return
            # what is sent again, as the answer took its time, is not another request
            if (data, peer) == self.last:
                self.again += 1
            else:
                self.heard.append(data)
            self.last = data, peer
            if not self.raw:
                tap.keep('natpcpc', data)
            reply = self.answer(data)
            if reply:
                self.socket.sendto(reply, peer)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b'end', self.socket.getsockname())
        self.join()
        self.socket.close()


def pcp(data, result=0, lifetime=None):
    """Grants (or refuses) a PCP request; the external port is the suggested one."""
    if data[0] != 2:
        return bytes([2, data[1] | 128, 0, 1]) + struct.pack('!II', 30, EPOCH) + bytes(12)
    asked = struct.unpack('!I', data[4:8])[0]
    life = asked if lifetime is None else lifetime
    head = struct.pack('!BBBBII', 2, data[1] | 128, 0, result, life, EPOCH) + bytes(12)
    if data[1] == 0:
        return head
    body = bytearray(data[24:])
    if not result and asked:
        body[20:36] = OUTSIDE
        if body[18:20] == b'\0\0':
            body[18:20] = struct.pack('!H', 40000)
    return head + bytes(body)


def natpmp(data, result=0):
    if data[0] != 0:
        return struct.pack('!BBHI', 0, 128, 1, EPOCH)
    if data[1] == 0:
        return struct.pack('!BBHI4s', 0, 128, result, EPOCH, bytes(4) if result else OUTSIDE[12:])
    if data[1] > 2:
        return bytes([0, data[1] | 128]) + struct.pack('!H', 5)
    if len(data) < 12:
        return None
    _, inside, outside, life = struct.unpack('!HHHI', data[2:12])
    if result or not life:
        outside = life = 0
    return struct.pack('!BBHIHHI', 0, data[1] | 128, result, EPOCH, inside, outside, life)


def both(data):
    return natpmp(data) if data[0] == 0 else pcp(data)


def run(server, *arguments, timeout=60):
    argv = [NATPCPC, *arguments]
    if server:
        argv[1:1] = ['-s', HOST, '--port', str(server.port)]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors='replace',
                       timeout=timeout)
    return p.returncode, p.stdout, p.stderr


def same(got, want):
    assert got == want, f'got {got!r}, not {want!r}'


def matches(got, pattern):
    assert re.fullmatch(pattern, got.strip()), f'got {got!r}, not {pattern!r}'


def t_map_by_pcp():
    with Server(both) as s:
        same(run(s, 'map', 'tcp', '8080', '80', '-l', '1h'),
             (0, 'mapped tcp 127.0.0.1:8080 -> 198.51.100.1:80 for 3600 s (pcp, epoch 12)\n', ''))
        same(struct.unpack('!I', s.heard[0][4:8])[0], 3600)
        same(s.heard[0][8:24], V4 + socket.inet_aton(HOST))
        code, out, _ = run(s, '--json', 'map', 'udp', '53')
        r = json.loads(out)
        same((code, r['status'], r['protocol'], r['internal_port'], r['external_address'], r['external_port'],
              r['version'], r['result'], r['epoch_s'], r['lifetime_s']),
             (0, 'mapped', 'udp', 53, '198.51.100.1', 53, 'pcp', 'SUCCESS', 12, 7200))
        same(r['nonce'], s.heard[1][24:36].hex())


def t_peer():
    with Server(both) as s:
        same(run(s, 'peer', 'tcp', '8080', '203.0.113.5:443', '-l', '1h'),
             (0, 'mapped tcp 127.0.0.1:8080 with 203.0.113.5:443 -> 198.51.100.1:40000 for 3600 s (pcp, epoch 12)\n', ''))
        same((s.heard[0][1], len(s.heard[0])), (2, 80))
        same(s.heard[0][42:44] + s.heard[0][60:], bytes(2) + struct.pack('!HH', 443, 0) + V4 + socket.inet_aton('203.0.113.5'))
        code, out, _ = run(s, '--json', 'peer', 'udp', '53', '[2001:db8::5]:53', '5353')
        r = json.loads(out)
        same((code, r['operation'], r['status'], r['external_port'], r['remote_address'], r['remote_port']),
             (0, 'peer', 'mapped', 5353, '2001:db8::5', 53))
        # it ends without a word: PEER cannot delete
        s.heard.clear()
        p = subprocess.Popen([NATPCPC, '-s', HOST, '--port', str(s.port), '--keep', 'peer', 'tcp', '1', '203.0.113.5:1'],
                             stdout=subprocess.PIPE, text=True)
        matches(p.stdout.readline(), WHEN + 'mapped .*')
        p.terminate()
        same((p.wait(60), len(s.heard)), (0, 1))
        p.stdout.close()


def t_map_by_natpmp():
    with Server(natpmp) as s:
        want = (0, 'mapped udp 127.0.0.1:53 -> 198.51.100.1:53 for 7200 s (nat-pmp, epoch 12)\n', '')
        same(run(s, 'map', 'udp', '53'), want)
        same([d[:2] for d in s.heard], [b'\2\1', b'\0\1', b'\0\0'])
        s.heard.clear()
        same(run(s, '--natpmp', 'map', 'udp', '53'), want)
        same([d[:2] for d in s.heard], [b'\0\1', b'\0\0'])


def t_nonce_is_stable_and_its_own():
    def nonce(s, *arguments):
        s.heard.clear()
        run(s, *arguments)
        return s.heard[0][24:36]
    if not os.path.exists('/etc/machine-id') and not os.path.exists('/proc/sys/kernel/random/boot_id'):
        return 'nothing tells this host from others'
    with Server(both) as s, Server(both) as other:
        one = nonce(s, 'map', 'tcp', '8080')
        same(nonce(s, 'map', 'tcp', '8080', '99'), one)
        same(nonce(s, 'unmap', 'tcp', '8080'), one)
        assert nonce(s, 'map', 'tcp', '8081') != one
        assert nonce(s, 'map', 'udp', '8080') != one
        assert nonce(s, 'map', 'tcp', '8080', '--nonce', 'random') != one
        same(nonce(other, 'map', 'tcp', '8080', '--nonce', '00112233445566778899aabb').hex(), '00112233445566778899aabb')
    return None


def t_unmap():
    with Server(both) as s:
        same(run(s, 'unmap', 'tcp', '8080'), (0, 'unmapped tcp 127.0.0.1:8080 (pcp, epoch 12)\n', ''))
        same((s.heard[0][4:8], s.heard[0][42:44]), (bytes(4), bytes(2)))
        same(run(s, 'unmap-all', 'udp'), (0, 'unmapped udp 127.0.0.1 (nat-pmp, epoch 12)\n', ''))
        same(s.heard[1], b'\0\1' + bytes(10))


def t_address_and_announce():
    with Server(both) as s:
        same(run(s, 'address'), (0, 'address 198.51.100.1 (nat-pmp, epoch 12)\n', ''))
        same(run(s, '--pcp', 'address'), (0, 'address 198.51.100.1 (pcp, epoch 12)\n', ''))
        same(run(s, 'announce'), (0, 'announce answered by 127.0.0.1 (pcp, epoch 12)\n', ''))
        same(json.loads(run(s, '-j', 'announce')[1])['epoch_s'], 12)
    with Server(pcp) as s:
        same(run(s, 'address'), (0, 'address 198.51.100.1 (pcp, epoch 12)\n', ''))


def t_refused():
    with Server(lambda d: pcp(d, 2, 30)) as s:
        same(run(s, 'map', 'tcp', '8080'),
             (1, "refused map tcp 127.0.0.1:8080: NOT_AUTHORIZED (2) for 30 s: the gateway's rules do not let this host have it, "
                 'or the mapping has another nonce (pcp, epoch 12)\n', ''))
        code, out, _ = run(s, '--json', 'map', 'tcp', '8080')
        r = json.loads(out)
        same((code, r['status'], r['result'], r['code'], r['lifetime_s']), (1, 'refused', 'NOT_AUTHORIZED', 2, 30))
        assert 'rules' in r['meaning'], r
        same(run(s, 'map', '--keep', 'tcp', '8080')[0], 1)
    with Server(lambda d: natpmp(d, 3)) as s:
        same(run(s, '--natpmp', 'map', 'tcp', '8080'),
             (1, 'refused map tcp 127.0.0.1:8080: NETWORK_FAILURE (3): the gateway itself has no address outside at the moment '
                 '(nat-pmp, epoch 12)\n', ''))
    with Server(natpmp) as s:
        code, out, _ = run(s, 'map', 'tcp', '8080', '--filter', '203.0.113.0/24')
        same(code, 1)
        assert 'UNSUPP_VERSION' in out, out
        same(len(s.heard), 1)
        # by NAT-PMP port 0 would mean: delete everything
        s.heard.clear()
        same(run(s, 'unmap', 'tcp', 'all')[0], 1)
        same([d[:2] for d in s.heard], [b'\2\1'])


def t_no_answer():
    with Server(lambda d: None) as s:
        begin = time.monotonic()
        same(run(s, '--natpmp', '-t', '3', 'map', 'tcp', '8080'), (3, '', 'natpcpc: no answer from 127.0.0.1 to NAT-PMP\n'))
        assert 2.9 < time.monotonic() - begin < 30
        # at 0, 250, 750 and 1750 ms
        until(lambda: s.again >= 1)
        assert len(s.heard) == 1 and s.again <= 3, (s.heard, s.again)
        code, out, _ = run(s, '--json', '-t', '0.1', 'announce')
        r = json.loads(out)
        same((code, r['status'], r['reason']), (3, 'no answer', 'silence'))
        # --timeout bounds --keep, too
        code, _, err = run(s, '--keep', '-t', '0.3', 'map', 'tcp', '8080')
        same((code, err), (3, 'natpcpc: no answer from 127.0.0.1\n'))
    # nobody there at all: at once
    begin = time.monotonic()
    for command in ('map', 'tcp', '1'), ('raw', '0000'):
        same(run(s, *command), (3, '', f'natpcpc: no answer from 127.0.0.1: nobody listens on port {s.port} there\n'))
    same(json.loads(run(s, '-j', 'address')[1])['reason'], 'unreachable')
    assert time.monotonic() - begin < 30


def t_options_on_the_wire():
    with Server(both) as s:
        same(run(s, 'map', '132', '9', '77', '--third-party', '192.0.2.7', '--prefer-failure', '--filter',
                 '203.0.113.0/24:99', '--filter', '2001:db8::/32', '--description', 'web', '--external', '198.51.100.1')[0], 0)
        d = s.heard[0]
        same((d[36], d[40:44], d[44:60]), (132, struct.pack('!HH', 9, 77), OUTSIDE))
        same(d[60:].hex(),
             '01000010' + (V4 + socket.inet_aton('192.0.2.7')).hex() + '02000000'
             + '03000014' + '00780063' + (V4 + socket.inet_aton('203.0.113.0')).hex()
             + '03000014' + '00200000' + '20010db8' + '00' * 12
             + '80000003' + '77656200')
        s.heard.clear()
        for outside, port, address in (('80', 80, V4 + bytes(4)), ('198.51.100.1', 9, OUTSIDE), ('any', 0, V4 + bytes(4)),
                                       ('198.51.100.1:80', 80, OUTSIDE)):
            same(run(s, 'map', 'tcp', '9', '--external', outside)[0], 0)
            same((s.heard[-1][42:44], s.heard[-1][44:60]), (struct.pack('!H', port), address))
        # everything; there NAT-PMP must not be fallen back to, to which port 0 means something else
        same(run(s, 'map', 'all', 'all')[0], 0)
        same((s.heard[-1][36], s.heard[-1][40:44]), (0, bytes(4)))


def t_usage():
    bad = [[], ['peer', 'tcp', '1'], ['peer', 'tcp', '1', '203.0.113.5'], ['peer', 'tcp', '1', '203.0.113.5/32:1'],
           ['peer', 'tcp', '1', '203.0.113.5:0'], ['--natpmp', 'peer', 'tcp', '1', '203.0.113.5:1'], ['nonsense'], ['map'], ['map', 'tcp'], ['map', 'tcp', '65536'], ['map', 'tcp', '-1'], ['map', 'quic', '1'],
           ['map', '256', '1'], ['map', 'tcp', '1', '2', '3'], ['map', 'tcp', '1', '-l', '0'], ['map', 'tcp', '1', '-l', '2x'],
           ['map', 'tcp', '1', '--nonce', '00'], ['map', 'tcp', '1', '--filter', '203.0.113.0/33'],
           ['map', 'tcp', '1', '--external', 'here'], ['map', 'tcp', '1', '--third-party', '192.0.2'],
           ['map', 'tcp', '1', '--description', b'\xff'], ['--natpmp', 'map', 'sctp', '1'], ['unmap-all', 'sctp'],
           ['--pcp', 'unmap-all', 'tcp'], ['raw', '0'], ['raw', 'xy'], ['-t', '0', 'address'], ['--colour', 'address'],
           ['map', 'all', '80'], ['map', 'tcp', '80-79'], ['map', 'tcp', '0-9'], ['peer', 'tcp', '1-2', '203.0.113.5:1'],
           ['map', 'tcp', '1', '--exec', 'true'], ['map', 'tcp', '1', '--keep', '--exec', 'no-such-program'], ['map', 'tcp', '1', '--', 'x'],
           ['address', '--keep'], ['unmap', 'tcp', '1', '-l', '9'], ['map', 'tcp', '1-2', '9', '--prefer-failure'], ['-1', '-2', 'address'],
           ['--natpmp', 'unmap', 'tcp', 'all'], ['map', 'tcp', '1', '0', '--prefer-failure'], ['-4', 'address'], ['address', '-t']]
    with Server(both) as s:
        for arguments in bad:
            code, out, err = run(s, *arguments)
            assert code == 2 and not out and err, (arguments, code, out, err)
        same(s.heard, [])
    same(run(None, '-s', 'nowhere', 'address')[0], 2)
    same(run(None, '-s', HOST, '-i', 'no-such-if', 'address')[0], 2)
    code, out, err = run(None, '--help')
    same((code, err), (0, ''))
    assert 'usage: natpcpc' in out and 'unmap-all' in out
    commands = re.findall(r'^  ([a-z-]+) ', out, re.M)
    assert {'map', 'peer', 'unmap', 'address', 'raw'} <= set(commands), commands
    for command in commands:
        code, text, err = run(None, command, '--help')
        same((code, err), (0, ''))
        assert text.startswith('usage: natpcpc ' + command) and text != out, text
        assert ('--exec' in text) == (command in ('map', 'peer')), text


def t_raw():
    with Server(both, raw=True) as s:
        code, out, _ = run(s, 'raw', '0000')
        same((code, s.heard), (0, [b'\0\0']))
        assert '008000000000000cc6336401' in out and 'version=nat-pmp' in out and '198.51.100.1' in out, out
        r = json.loads(run(s, '--json', 'raw', '0200' + '0000' + '00' * 20)[1])
        same((r['version'], r['opcode'], r['result']), ('pcp', 'ANNOUNCE', 'SUCCESS'))
        same(json.loads(run(s, '--json', 'raw', '0500')[1])['result'], 'UNSUPP_VERSION')


def t_keep():
    state = {'outside': OUTSIDE}
    with Server(lambda d: pcp(d).replace(OUTSIDE, state['outside'])) as s:
        p = subprocess.Popen([NATPCPC, '-s', HOST, '--port', str(s.port), 'map', 'tcp', '8080', '-l', '8', '--keep'],
                             stdout=subprocess.PIPE, text=True)
        try:
            matches(p.stdout.readline(), WHEN + r'mapped tcp .* -> 198\.51\.100\.1:8080 for 8 s \(pcp, epoch 12\)')
            state['outside'] = V4 + socket.inet_aton('198.51.100.2')
            # the renewal tells the new address
            matches(p.stdout.readline(), WHEN + r'mapped tcp .* -> 198\.51\.100\.2:8080 for 8 s \(pcp, epoch 12\)')
            p.send_signal(signal.SIGTERM)
            matches(p.communicate(timeout=60)[0], WHEN + r'unmapped tcp 127\.0\.0\.1:8080 \(pcp, epoch 12\)')
            same(p.returncode, 0)
        finally:
            p.kill()
        same(s.heard[-1][4:8], bytes(4))
        same(len({d[24:36] for d in s.heard}), 1)


def t_keep_what_may_pass():
    """A gateway that has no address yet is waited for; one that says never is not."""
    answers = [7, 0]
    with Server(lambda d: pcp(d, answers.pop(0) if len(answers) > 1 else 0, None)) as s:
        p = subprocess.Popen([NATPCPC, '-s', HOST, '--port', str(s.port), '--json', 'map', 'tcp', '8080', '--keep'],
                             stdout=subprocess.PIPE, text=True)
        try:
            r = json.loads(p.stdout.readline())
            same((r['status'], r['code'], r['schema']), ('refused', 7, 1))
            same(p.poll(), None)
            p.send_signal(signal.SIGINT)
            p.communicate(timeout=60)
            same(p.returncode, 1)
        finally:
            p.kill()
    with Server(lambda d: pcp(d, 9, 30)) as s:
        same(run(s, 'map', '--keep', 'tcp', '8080')[0], 1)


HOOK = r'''#!/bin/sh
env | grep ^NATPCP_ | sort >"$1/$$.new"
echo "$2" >>"$1/$$.new"
mv "$1/$$.new" "$1/$NATPCP_EVENT.$NATPCP_EXTERNAL_ADDRESS"
[ ! -e "$1/hang" ] || while [ -e "$1/hang" ]; do sleep 0.05; done
echo chatter
exit 3
'''


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, 'not in time'
        threading.Event().wait(0.02)


def t_exec():
    state = {'outside': OUTSIDE}
    with Server(lambda d: pcp(d).replace(OUTSIDE, state['outside'])) as s, tempfile.TemporaryDirectory() as work:
        hook = os.path.join(work, 'hook with blanks; exit 1')
        with open(hook, 'w') as f:
            f.write(HOOK)
        os.chmod(hook, 0o755)
        open(os.path.join(work, 'hang'), 'w').close()
        p = subprocess.Popen([NATPCPC, '-s', HOST, '--port', str(s.port), 'map', 'tcp', '8080', '80', '-l', '8', '--keep', '--exec', hook,
                              '--', work, 'a $b `c`'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env=dict(os.environ, NATPCP_EVENT='mine', NATPCP_OTHER='mine'))
        try:
            first = os.path.join(work, 'mapped.198.51.100.1')
            until(lambda: os.path.exists(first))
            with open(first) as f:
                said = f.read()
            same(said, 'NATPCP_EVENT=mapped\nNATPCP_EXTERNAL_ADDRESS=198.51.100.1\nNATPCP_EXTERNAL_PORT=80\nNATPCP_GATEWAY=127.0.0.1\n'
                       'NATPCP_INTERNAL_ADDRESS=127.0.0.1\nNATPCP_INTERNAL_PORT=8080\nNATPCP_LIFETIME_S=8\n'
                       'NATPCP_OLD_EXTERNAL_ADDRESS=\nNATPCP_OLD_EXTERNAL_PORT=\nNATPCP_PORTS=1\nNATPCP_PROTOCOL=tcp\n'
                       'NATPCP_VERSION=pcp\na $b `c`\n')
            # it hangs, and renewing goes on; what changes meanwhile is told when it has ended
            state['outside'] = V4 + socket.inet_aton('198.51.100.2')
            matches(p.stdout.readline(), WHEN + 'mapped .*')
            matches(p.stdout.readline(), WHEN + r'mapped .*198\.51\.100\.2:80 .*')
            second = os.path.join(work, 'changed.198.51.100.2')
            assert not os.path.exists(second)
            os.unlink(os.path.join(work, 'hang'))
            until(lambda: os.path.exists(second))
            with open(second) as f:
                assert 'NATPCP_OLD_EXTERNAL_ADDRESS=198.51.100.1\n' in f.read()
            p.terminate()
            out, err = p.communicate(timeout=60)
            same(p.returncode, 0)
            # what it prints goes where the messages go
            assert 'chatter' in err and 'chatter' not in out and 'ended with 3' in err, (out, err)
            assert os.path.exists(os.path.join(work, 'unmapped.')), os.listdir(work)
        finally:
            p.kill()


def port_set(data, size):
    """Grants a set of so many ports, of those that were asked for."""
    r = bytearray(pcp(data))
    struct.pack_into('!H', r, 64, size)
    return bytes(r)


def t_port_set():
    with Server(lambda d: port_set(d, 4)) as s:
        same(run(s, 'map', 'udp', '4000-4007', '14000', '--parity'),
             (0, 'mapped udp 127.0.0.1:4000-4003 -> 198.51.100.1:14000-14003 for 7200 s (pcp, epoch 12)\n',
              'natpcpc: only 4 of 8 ports, which may be all that the gateway does at a time\n'))
        same(s.heard[0][60:].hex(), '82000005' + '0008' + '0fa0' + '01' + '000000')
        r = json.loads(run(s, '-j', 'map', 'udp', '4000-4007', '14000')[1])
        same((r['ports'], r['internal_port'], r['external_port']), (4, 4000, 14000))
        run(s, 'unmap', 'udp', '4000-4007')
        same(s.heard[-1][60:].hex(), '82000005' + '0008' + '0fa0' + '00' + '000000')


def t_several_gateways():
    with Server(both) as s, Server(lambda d: pcp(d, 2, 30), '127.0.0.2', port=s.port) as t:
        code, out, err = run(s, '-s', '127.0.0.2', 'map', 'tcp', '8080')
        same((code, err), (1, ''))
        lines = out.splitlines()
        matches(lines[0], r'mapped tcp 127\.0\.0\.1:8080 -> 198\.51\.100\.1:8080 for 7200 s \(pcp of 127\.0\.0\.1, epoch 12\)')
        matches(lines[1], r'refused map tcp .* \(pcp of 127\.0\.0\.2, epoch 12\)')
        assert s.heard[0][24:36] != t.heard[0][24:36]
        # one that refuses counts, whichever comes first
        same(run(None, '-s', '127.0.0.2', '-s', HOST, '--port', str(s.port), 'map', 'tcp', '8080')[0], 1)
        same(run(s, '-s', '127.0.0.3', 'map', 'tcp', '8080')[0], 3)


def t_listen():
    p = subprocess.Popen([NATPCPC, '-s', HOST, '-i', 'lo', '-n', '2', '-t', '60', '--json', 'listen'],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        matches(p.stderr.readline(), 'listening on lo port 5350')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                         struct.pack('4s4si', bytes(4), bytes(4), socket.if_nametoindex('lo')))
            s.bind((HOST, 0))
            for d in (b'\0\0', natpmp(b'\0\1' + bytes(10)), natpmp(b'\0\0'), pcp(b'\2\0' + bytes(22))):
                s.sendto(d, ('224.0.0.1', 5350))
        out, _ = p.communicate(timeout=90)
    finally:
        p.kill()
    first, second = (json.loads(line) for line in out.splitlines())
    same((p.returncode, first['version'], first['from'], first['external_address'], first['epoch_s']),
         (0, 'nat-pmp', HOST, '198.51.100.1', 12))
    same((second['version'], second['opcode'], second['epoch_s']), ('pcp', 'ANNOUNCE', 12))
    matches(first['time'], r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z')
    same(run(None, '-i', 'lo', '-s', HOST, '-t', '0.1', 'listen')[0], 3)


def probe(*arguments):
    p = subprocess.run([NATPCPC, 'probe', '-j', *arguments], stdout=subprocess.PIPE, text=True, timeout=180)
    r = json.loads(p.stdout)
    return p.returncode, r, {row['id']: row for row in r['rows']}


def t_probe_old_and_none():
    """A NAT-PMP gateway is told apart from one that is silent and one that is not there; and it does not take for ever."""
    with Server(natpmp, raw=True) as s:
        code, r, rows = probe('-s', HOST, '--port', str(s.port))
        same((code, r['natpmp'], r['pcp'], r['made'], r['deleted'], r['left']), (0, True, False, 2, 2, 0))
        same((rows['pcp-announce']['verdict'], rows['pcp-map-udp']['verdict'], rows['natpmp-map-tcp']['verdict']),
             ('no', 'unasked', 'ok'))
        same(rows['version-3']['verdict'], 'ok')
        assert 0 < r['rtt_ms'] < 30000
    with Server(lambda d: None, raw=True) as s:
        begin = time.monotonic()
        code, r, rows = probe('-s', HOST, '--port', str(s.port), '-t', '0.5')
        same((code, r['status'], r['reason']), (3, 'no answer', 'silence'))
        assert time.monotonic() - begin < 30
    same(probe('-s', HOST, '--port', str(s.port))[1]['reason'], 'unreachable')


def t_probe_cleans_up():
    """Whatever was made is deleted, also when a signal comes in the middle; a gateway that will not delete is told of."""
    there, asked = set(), threading.Event()

    def gateway(data, mute=None):
        if data[:2] == b'\2\1' and len(data) in (60, 68):
            (there.add if data[4:8] != bytes(4) else there.discard)((data[36], data[40:42]))
            # mapped, but nobody is told
            if data[36] == mute and data[4:8] != bytes(4):
                asked.set()
                return None
        return both(data)
    with Server(gateway, raw=True) as s:
        same(probe('-s', HOST, '--port', str(s.port))[0], 0)
        same(there, set())
    with Server(lambda d: gateway(d, socket.IPPROTO_TCP), raw=True) as s:
        p = subprocess.Popen([NATPCPC, 'probe', '-j', '-s', HOST, '--port', str(s.port)], stdout=subprocess.PIPE, text=True)
        assert asked.wait(60) and there
        p.terminate()
        r = json.loads(p.communicate(timeout=120)[0])
        same((there, r['left']), (set(), 0))

    def stubborn(data):
        return pcp(data, 2 if data[:2] == b'\2\1' and data[4:8] == bytes(4) else 0) if data[0] else natpmp(data)
    with Server(stubborn, raw=True) as s:
        _, r, _ = probe('-s', HOST, '--port', str(s.port))
        same((r['deleted'], r['left']), (2, r['made'] - 2))


def t_natpcpd():
    daemon, address = os.path.join(BUILD, 'natpcpd'), f'127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}.1'
    if not os.path.exists(daemon):
        return 'natpcpd is not built'
    p = subprocess.Popen([daemon, '-b', 'memory', '-l', address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        same(p.stdout.readline(), 'ready\n')
        for how, version in (('--pcp', 'pcp'), ('--natpmp', 'nat-pmp')):
            def ask(*arguments):
                q = subprocess.run([NATPCPC, '-s', address, how, *arguments], stdout=subprocess.PIPE, text=True, timeout=60)
                return q.returncode, q.stdout
            for proto in 'tcp', 'udp':
                code, out = ask('map', proto, '18080', '28080', '-l', '600')
                same(code, 0)
                matches(out, rf'mapped {proto} 127\.0\.0\.1:18080 -> 198\.51\.100\.1:28080 for 600 s \({version}, epoch \d+\)')
                code, out = ask('unmap', proto, '18080')
                same(code, 0)
                matches(out, rf'unmapped {proto} 127\.0\.0\.1:18080 \({version}, epoch \d+\)')
            code, out = ask('address')
            same(code, 0)
            matches(out, rf'address 198\.51\.100\.1 \({version}, epoch \d+\)')
            same(ask('announce')[0], 0)
        code, r, rows = probe('-s', address)
        same((code, r['schema'], r['natpmp'], r['pcp'], r['left'], r['made']), (0, 1, True, True, 0, r['deleted']))
        same({i: row['verdict'] for i, row in rows.items() if row['verdict'] != 'ok'},
             {'pcp-third-party': 'no', 'pcp-third-party-self': 'no'})
    finally:
        p.kill()
        p.wait()
    return None


sys.exit(0 if parts.play(dict(globals())) else 1)
