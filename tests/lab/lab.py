# SPDX-License-Identifier: GPL-2.0-or-later
"""What the namespace tests stand on: a lab of its own for each test, the daemon in it, packets, conditions.

A test file holds functions test_*(net) and ends with `lab.main(globals())`. Each gets a fresh Lab and is reported in a
line of its own; the first line of its docstring names what it proves, with the ids of the requirements.
"""
import inspect
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager
from types import SimpleNamespace

import pcp
import probe
import tap
from undisturbed import undisturbed

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get('NATPCP_BUILD', os.path.join(HERE, '../../build'))
LAN, LAN2, GW, EXT, EXT2 = '192.0.2.11', '192.0.2.12', '192.0.2.1', '198.51.100.1', '198.51.100.9'
WAN, WAN2 = '198.51.100.2', '203.0.113.2'
LAN6, LAN26, GW6, EXT6, WAN6 = '2001:db8:1::11', '2001:db8:1::12', '2001:db8:1::1', '2001:db8:2::1', '2001:db8:2::2'
# the operator's own filter, as lab.sh makes it
OPERATOR = '''
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "br-lan" oifname "wan0" accept
    }
}'''


# What is to come soon may take this long, where the machine does other things meanwhile. Nobody waits for it to pass.
SOON_S = 20.0


class Skip(Exception):
    pass


def wait(condition, seconds=SOON_S, what=None):
    """Until condition() is true; its value. It is asked every 20 ms, and less often the longer it takes."""
    begin = time.monotonic()
    while True:
        value = condition()
        if value:
            return value
        waited = time.monotonic() - begin
        if waited > seconds:
            raise AssertionError(f'not within {seconds} s: {what or inspect.getsource(condition).strip()}')
        threading.Event().wait(min(0.02 + waited / 20, 0.2))


def conf(extra='', **section):
    """The configuration of the tests; a keyword (dashes as underscores) replaces a section, extra is appended."""
    text = {
        'external': 'external "wan" { interface = "wan0" }',
        'listen': 'listen "lan" { interfaces = { "br-lan" }  external = "wan" }',
        'rule': 'rule "hosts" { action = allow  clients = { "192.0.2.0/24", "2001:db8:1::/64", "fe80::/10" } }',
        'backend': 'backend { type = "nftables"  forward-chain = "inet filter forward" }',
        'journal': 'journal { path = "" }',
        'control': 'control { socket = "@DIR@/control.sock" }',
        'process': 'process { user = "" }',
        'log': 'log { level = "debug" }',
    }
    for key, value in section.items():
        text[key.replace('_', '-')] = value
    return '\n'.join(text.values()) + '\n' + extra + '\n'


# what sanitizers say
COMPLAINT = re.compile(r'ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|: runtime error: ')


class Daemon:
    def __init__(self, net, text=None, *args, side='gw', prefix=(), ready=True):
        self.net = net
        self.lines, self.condition, self.out, self.opened = [], threading.Condition(), [], False
        self.seen = False  # its end, by whoever asked for its exit code
        argv = [*prefix, os.path.join(BUILD, 'natpcpd')]
        if text is not None:
            self.path = os.path.join(net.dir, 'natpcpd.conf')
            self.write(text)
            argv += ['-c', self.path]
        self.process = subprocess.Popen(net.command(side, *argv, *args), stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.threads = [threading.Thread(target=self._read, args=a, daemon=True)
                        for a in ((self.process.stdout, self.out), (self.process.stderr, self.lines))]
        for t in self.threads:
            t.start()
        if ready:
            self.until(lambda: 'ready' in self.out or self.process.poll() is not None, 60, 'ready')
            assert 'ready' in self.out, f'natpcpd ended with {self.process.wait()}: {self.log()}'

    def write(self, text):
        with open(self.path, 'w') as f:
            f.write(text.replace('@DIR@', self.net.dir))

    def _read(self, stream, lines):
        for line in stream:
            with self.condition:
                lines.append(line.rstrip('\n'))
                self.condition.notify_all()
        with self.condition:
            self.condition.notify_all()

    def until(self, predicate, seconds, what):
        deadline = time.monotonic() + seconds
        with self.condition:
            # nobody tells of the end of a process, which comes after that of all that it says
            while not predicate():
                if time.monotonic() > deadline:
                    raise AssertionError(f'not within {seconds} s: {what}\n{self.log()}')
                self.condition.wait(0.1)

    def log(self):
        return '\n'.join(self.lines)

    def logged(self, pattern, seconds=SOON_S, start=0):
        """Waits for a log line that matches; returns the match."""
        def look():
            return next((m for m in (re.search(pattern, line) for line in self.lines[start:]) if m), None)
        self.until(look, seconds, f'a log line with {pattern!r}')
        return look()

    def end(self):
        """Waits for the end by itself; its exit code."""
        code = self.process.wait(60)
        for t in self.threads:
            t.join(SOON_S)
        self.seen = True
        return code

    @contextmanager
    def asleep(self):
        """It does nothing meanwhile; what happens is there for it when it goes on."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            wait(lambda: self.state() == 'T', what='natpcpd stands')
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def state(self):
        with open(f'/proc/{self.process.pid}/stat') as f:
            return f.read().rpartition(')')[2].split()[0]

    def stop(self, sig=signal.SIGTERM):
        """Ends it in order, or by SIGKILL. 0, or -SIGKILL, also if it was killed before."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            code = self.end()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.end()
            raise AssertionError(f'natpcpd does not end on {sig!r}') from None
        assert code in (0, -signal.SIGKILL), f'natpcpd ended with {code}\n{self.log()}'
        return code

    def close(self):
        """A clean end is part of every test, unless it looked at another one; a sanitizer has its say here, too, also one
        of the processes beside."""
        if not self.seen:
            self.stop()
        complaint = COMPLAINT.search(self.log())
        assert not complaint, self.log()[complaint.start():]

    def reload(self, text):
        """SIGHUP with another configuration; returns when the daemon says what became of it."""
        mark = len(self.lines)
        self.write(text)
        self.process.send_signal(signal.SIGHUP)
        return self.logged(r'(?i)reload|configuration', start=mark)

    def ctl(self, *args, check=True):
        p = self.net.run('gw', os.path.join(BUILD, 'natpcpctl'), '-s', os.path.join(self.net.dir, 'control.sock'), *args)
        if check:
            assert p.returncode == 0, (args, p.returncode, p.stdout, p.stderr)
        return p

    def ask(self, path):
        """What natpcpctl --json prints as it comes, without starting it: tests look often."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(os.path.join(self.net.dir, 'control.sock'))
            s.sendall(f'GET {path} HTTP/1.0\r\n\r\n'.encode())
            head, _, body = b''.join(iter(lambda: s.recv(65536), b'')).partition(b'\r\n\r\n')
        assert head.split(b' ', 2)[1:2] == [b'200'], (path, head, body)
        return json.loads(body)

    def leases(self):
        return self.ask('/v1/leases')['leases']

    def status(self):
        return self.ask('/v1/status')


class Lab:
    count = 0

    def __init__(self):
        Lab.count += 1
        self.prefix = f'n{os.getpid()}x{Lab.count}'
        self.env = dict(os.environ, PFX=self.prefix)
        self.dir = tempfile.mkdtemp(prefix='natpcp-')
        os.chmod(self.dir, 0o755)
        self.daemons, self.sockets, self.streams = [], [], []
        self.tap = None

    def __enter__(self):
        with undisturbed():
            return self.begin()

    def begin(self):
        p = subprocess.run([HERE + '/lab.sh', 'make'], env=self.env, capture_output=True, text=True)
        if p.returncode:
            raise Skip(p.stderr.strip()) if p.returncode == 2 else AssertionError(p.stderr)
        missing = probe.reach((self.ns('lan'), self.ns('lan2')), (WAN, WAN6))
        assert not missing, f'{missing[0]} does not reach {missing[1]}'
        if tap.DIRECTORY:
            self.tap = tap.Tap(self.ns('gw'))
        return self

    def __exit__(self, kind, *_):
        with undisturbed():
            self.end(kind)

    def end(self, kind):
        try:
            for d in self.daemons:
                try:
                    d.close()
                except AssertionError:
                    if not kind:
                        raise
        finally:
            for s in [*self.sockets, *([self.tap] if self.tap else [])]:
                s.close()
            for s in self.streams:
                s.kill()
            subprocess.run([HERE + '/lab.sh', 'down'], env=self.env)
            shutil.rmtree(self.dir, ignore_errors=True)

    def ns(self, side):
        return self.prefix + side

    def command(self, side, *argv):
        return ['nsenter', '--net=/run/netns/' + self.ns(side), '--', *argv]

    def run(self, side, *argv, input=None):
        return subprocess.run(self.command(side, *argv), input=input, capture_output=True, text=True, timeout=120)

    def sh(self, side, *argv, input=None):
        p = self.run(side, *argv, input=input)
        assert p.returncode == 0, (argv, p.stdout, p.stderr)
        return p.stdout

    def ip(self, side, *argv):
        p = subprocess.run(['ip', '-n', self.ns(side), *argv], capture_output=True, text=True)
        assert p.returncode == 0, (argv, p.stderr)
        return p.stdout

    def nft(self, *words, input=None):
        return self.sh('gw', 'nft', *words, input=input)

    def table(self):
        """Our table as nft prints it, '' if it is not there."""
        return self.run('gw', 'nft', 'list', 'table', 'inet', 'natpcpd').stdout

    def elements(self):
        """How many map and set elements our table holds."""
        p = self.run('gw', 'nft', '-j', 'list', 'table', 'inet', 'natpcpd')
        if p.returncode:
            return 0
        n = 0
        for o in json.loads(p.stdout)['nftables']:
            for kind in ('map', 'set'):
                n += len(o.get(kind, {}).get('elem', []))
        return n

    def forget(self):
        """The gateway forgets all connections, so that none keeps its mapping."""
        self.sh('gw', 'conntrack', '-F')

    def rules(self, chain='inet filter forward'):
        """The rules of a chain, one string each."""
        p = self.run('gw', 'nft', '-a', 'list', 'chain', *chain.split())
        return [line.strip() for line in p.stdout.splitlines() if '# handle' in line and not line.startswith('table')
                and 'chain ' not in line]

    def generation(self):
        """The number of transactions that the packet filter has seen, from NFT_MSG_GETGEN."""
        with probe.inside(self.ns('gw')):
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER
        with s:
            s.send(struct.pack('=IHHIIBBH', 20, 10 << 8 | 16, 1, 1, 0, 0, 0, 0))  # NFNL_SUBSYS_NFTABLES, GETGEN
            answer = s.recv(4096)
        kind = struct.unpack_from('=H', answer, 4)[0]
        assert kind == 10 << 8 | 15, answer.hex()
        return struct.unpack_from('!I', answer, 24)[0]

    def daemon(self, text=None, *args, **options):
        d = Daemon(self, conf() if text is None and not args else text, *args, **options)
        self.daemons.append(d)
        return d

    def udp(self, side, address='', port=0, **options):
        s = probe.udp(self.ns(side), address, port, **options)
        self.sockets.append(s)
        return s

    def client(self, side='lan', server=GW, port=0, source=''):
        return Client(self, side, server, port, source)

    def through(self, inner, local, target, proto='udp', outer='wan', source=('', 0), **options):
        return probe.through(self.ns(inner), local, self.ns(outer), target, proto, source, **options)

    def stream(self, inner, local, target, proto='udp', outer='wan', how=''):
        """A flow that runs from now on; it is up when this returns."""
        s = Stream([os.path.join(BUILD, 'tests/netns/stream'), self.ns(inner), self.ns(outer), proto,
                    *map(str, (*local, *target)), *([how] if how else [])])
        self.streams.append(s)
        return s

    def closed(self, target, proto='udp', outer='wan', **options):
        """A new flow finds nobody, and nothing of it gets to the hosts of the LAN."""
        return probe.closed(self.ns(outer), target, proto, inner=(self.ns('lan'), self.ns('lan2')), **options)

    def capture(self, side, interface, ethertype=0x0003):
        """A packet socket on an interface: every frame in or out."""
        with probe.inside(self.ns(side)):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
            s.bind((interface, ethertype))
        s.settimeout(SOON_S)
        self.sockets.append(s)
        return s

    def listener(self, side, group, interface='eth0', port=pcp.CLIENT_PORT):
        """A socket that hears a multicast group."""
        v6 = ':' in group
        with probe.inside(self.ns(side)):
            s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex(interface)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        if v6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.bind(('::', port))
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, group)
                         + struct.pack('=I', index))
        else:
            s.bind((group, port))
            s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group)
                         + struct.pack('=4si', b'\0' * 4, index))
        s.settimeout(SOON_S)
        self.sockets.append(s)
        return s


class Moment:
    """An epoch, and when it was asked for. Whether a later one goes on from it or began anew is judged by the time that has passed
    between them, however long that was and however long the answers took."""

    def __init__(self, ask):
        self.begin = time.monotonic()
        self.epoch = ask()
        self.end = time.monotonic()

    def __repr__(self):
        return f'{self.epoch} at {self.begin:.2f}..{self.end:.2f}'

    def went_on(self, then):
        return then.epoch >= self.epoch + then.begin - self.end - 2

    def began_anew(self, then):
        """At some time after this one, which was so much more than nothing that it shows."""
        return self.epoch >= 3 and then.epoch <= then.end - self.end


class Client:
    """A host that asks. The source address is the one its requests carry."""

    def __init__(self, net, side, server, port, source):
        self.net, self.side = net, side
        v6 = ':' in server
        self.server = probe.resolve(net.ns(side), server, pcp.PORT)
        self.socket = net.udp(side, source or ('::' if v6 else ''), port)
        with probe.inside(net.ns(side)):
            t = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
        with t:
            if source:
                t.bind(probe.resolve(net.ns(side), source, 0))
            t.connect(self.server)
            self.address = t.getsockname()[0].partition('%')[0]
        self.nonce = pcp.nonce()
        self.heard = None

    def send(self, data):
        self.socket.sendto(data, self.server)

    def receive(self, timeout=SOON_S):
        self.socket.settimeout(timeout)
        data, self.heard = self.socket.recvfrom(2048)
        return pcp.decode(data)

    def ask(self, data, timeout=SOON_S):
        self.send(data)
        return self.receive(timeout)

    def silent(self, data, destination=None, timeout=0.4):
        """True if nothing comes back."""
        self.socket.sendto(data, destination or self.server)
        try:
            self.receive(timeout)
        except (TimeoutError, ConnectionRefusedError):
            return True
        return False

    def public(self):
        return self.ask(pcp.natpmp_address())

    def natpmp(self, protocol, internal, external=0, lifetime=7200):
        return self.ask(pcp.natpmp_map(protocol, internal, external, lifetime))

    def map(self, protocol, internal, external=0, lifetime=7200, **options):
        n = options.pop('nonce', self.nonce)
        return self.ask(pcp.pcp_map(options.pop('client', self.address), n, protocol, internal, external,
                                    lifetime=lifetime, **options))

    def announce(self, *options):
        return self.ask(pcp.announce(self.address, *options))

    def moments(self):
        """The epochs of PCP and of NAT-PMP."""
        return Moment(lambda: self.announce().epoch), Moment(lambda: self.public().epoch)


class Stream:
    """A flow of tests/netns/stream.c."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == 'running\n', argv

    def end(self):
        """What became of it: sent, lost, gap_ms."""
        self.process.stdin.close()
        r = SimpleNamespace(**json.loads(self.process.stdout.readline()))
        assert self.process.wait(60) == 0
        self.process.stdout.close()
        return r

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def main(names):
    """Runs the file's tests, or those named on the command line. Exit 0 passed, 1 failed, 77 all skipped."""
    # Ctrl-C and a kill by the runner leave through the context managers, which remove the namespaces
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tests = [(n, f) for n, f in names.items() if n.startswith('test_') and sys.argv[1:] in ([], [n])]
    failed = passed = 0
    for name, test in tests:
        what = (test.__doc__ or '').strip().split('\n')[0]
        begin = time.monotonic()
        net = Lab()
        try:
            try:
                net.__enter__()
                test(net)
            except Exception:
                for d in net.daemons:
                    print('\n'.join('    natpcpd: ' + line for line in d.lines[-40:]))
                raise
            finally:
                net.__exit__(*sys.exc_info())
            result, passed = 'PASS', passed + 1
        except Skip as e:
            result, what = 'SKIP', str(e)
        except Exception:
            print('    ' + traceback.format_exc().replace('\n', '\n    '))
            result, failed = 'FAIL', failed + 1
        print(f'{result} {name}: {what} ({time.monotonic() - begin:.1f} s)', flush=True)
    sys.exit(1 if failed else 0 if passed else 77)
