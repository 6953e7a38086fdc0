# SPDX-License-Identifier: GPL-2.0-or-later
"""Where everything is measured: a namespace of clients, one of the internet, and routers between them, each with a server.

A router's network i is 192.0.2.8i/29 inside and 198.51.100.4i/30 outside. Clients are addresses of 198.18.0.0/15, mappings
have those of 203.0.113.0/24 outside, and new connections come from 198.51.100.128/25.
"""
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
from undisturbed import undisturbed

START_S = 600
STOP_S = 120
GONE_S = 30
ROUTERS = 32
CLIENTS = 10000
FIRST_CLIENT = '198.18.0.1'
WARM = 2000
# as on every router that needs a server: its rule turns connection tracking on, and requests pay for that, too
OPERATORS_RULESET = '''
table inet operator {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }
}
'''
FLOOR_RULESET = '''
table inet floor {
  map dnat4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout; size 4194304; }
  map snat4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout; size 4194304; }
}
'''
CONF = '''
external "wan" { interface = "wan0" addresses = { "203.0.113.0/24" } }
listen "lan" { interfaces = { "lan0" } external = "wan" }
rule "all" { action = allow clients = { "198.18.0.0/15", "192.0.2.0/24" } }
limits { mappings-per-client = 65535 mappings = 4000000 requests-per-second = 0 }
lifetime { min = 1 }
journal { path = "" }
control { socket = "%(dir)s/control.sock" }
process { user = "" }
log { level = "warning" }
'''
LIMITED = 'mappings-per-client = 256 mappings = 1000000 requests-per-second = 100 burst = 200'
UNLIMITED = 'mappings-per-client = 65535 mappings = 4000000 requests-per-second = 0'


class Failed(Exception):
    pass


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, **options)


class Bed:
    """The namespaces and what runs in them; all of it ends with the with statement."""

    def __init__(self, build):
        self.build, self.prefix = build, f'nb{os.getpid()}'
        self.clients, self.internet = self.prefix + 'c', self.prefix + 'i'
        self.namespaces, self.routers, self.processes = [], [], []
        self.free = list(range(ROUTERS))

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.dir = self.stack.enter_context(tempfile.TemporaryDirectory(prefix='natpcpd-bench-'))
        try:
            with undisturbed():
                for name in (self.clients, self.internet):
                    self.namespace(name)
                run('ip', '-n', self.clients, 'route', 'add', 'local', '198.18.0.0/15', 'dev', 'lo')
                run('ip', '-n', self.internet, 'route', 'add', 'local', '198.51.100.128/25', 'dev', 'lo')
                # new connections are counted where they arrive, and nobody answers
                self.inside(self.clients, 'nft', '-f', '-', input='''
                    table ip bench { counter arrived { }
                      chain in { type filter hook prerouting priority raw; ip saddr 198.51.100.128/25 counter name arrived drop; }
                    }''')
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with undisturbed():
            for p in [r.server for r in self.routers if r.server] + self.processes:
                p.kill()
                p.wait()
            for name in reversed(self.namespaces):
                subprocess.run(['ip', 'netns', 'del', name], check=False)
            self.stack.close()

    def namespace(self, name):
        run('ip', 'netns', 'add', name)
        self.namespaces.append(name)
        run('ip', '-n', name, 'link', 'set', 'lo', 'up')

    def inside(self, namespace, *command, **options):
        return run('ip', 'netns', 'exec', namespace, *command, **options)

    def spawn(self, namespace, *command, **options):
        p = subprocess.Popen(['ip', 'netns', 'exec', namespace, *command], text=True, **options)
        self.processes.append(p)
        return p

    def has_device(self, name):
        return subprocess.run(['ip', '-n', self.clients, 'link', 'show', name], capture_output=True, check=False).returncode == 0

    def path(self, program):
        return os.path.join(self.build, program)


class Router:
    """A router with a server, which is stopped, and the namespace removed, by close()."""

    def __init__(self, bed):
        self.bed, self.index, self.server, self.number = bed, bed.free.pop(0), None, 0
        i = self.index
        self.router = f'{bed.prefix}r{i}'
        self.address, self.next_hop = f'192.0.2.{8 * i + 1}', f'192.0.2.{8 * i + 2}'
        self.outside, self.peer = f'198.51.100.{4 * i + 1}', f'198.51.100.{4 * i + 2}'
        self.dir = os.path.join(bed.dir, str(i))
        os.makedirs(self.dir, exist_ok=True)
        with undisturbed():
            bed.namespace(self.router)
            for device, ours, theirs, other, width in (('lan0', self.address, self.next_hop, bed.clients, 29),
                                                       ('wan0', self.outside, self.peer, bed.internet, 30)):
                far = f'{device}-{i}'
                run('ip', '-n', self.router, 'link', 'add', device, 'type', 'veth', 'peer', 'name', far, 'netns', other)
                for name, end, address in ((self.router, device, ours), (other, far, theirs)):
                    run('ip', '-n', name, 'addr', 'add', f'{address}/{width}', 'dev', end)
                    run('ip', '-n', name, 'link', 'set', end, 'up')
            # the clients are on the link, as hosts of a LAN are, but one neighbour stands for all of them
            run('ip', '-n', self.router, 'addr', 'add', '198.19.255.254/15', 'dev', 'lan0', 'noprefixroute')
            run('ip', '-n', self.router, 'route', 'add', '198.18.0.0/15', 'via', self.next_hop)
            run('ip', '-n', self.router, 'route', 'add', 'default', 'via', self.peer)
            run('ip', '-n', bed.clients, 'route', 'add', f'198.51.100.{4 * i}/30', 'via', self.address)
            bed.inside(self.router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
            bed.inside(self.router, 'nft', '-f', '-', input=OPERATORS_RULESET)
            bed.routers.append(self)

    def inside(self, *command, **options):
        return self.bed.inside(self.router, *command, **options)

    def start(self, command):
        self.server = subprocess.Popen(['ip', 'netns', 'exec', self.router, *command], stdout=subprocess.PIPE, text=True)
        if not select.select([self.server.stdout], [], [], START_S)[0] or 'ready' not in self.server.stdout.readline():
            raise Failed(f'{command[0]} did not get ready')

    def natpcpd(self, changes=(), *arguments):
        """Starts it with CONF, in which each (old, new) of changes is replaced."""
        text = CONF
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        conf = os.path.join(self.dir, 'natpcpd.conf')
        with open(conf, 'w') as f:
            f.write(text % {'dir': self.dir})
        self.start([self.bed.path('natpcpd'), '-c', conf, *arguments])
        return self

    def floor(self, kind='map'):
        if kind == 'map':
            self.inside('nft', '-f', '-', input=FLOOR_RULESET)
        self.start([self.bed.path('tests/bench/floor'), kind, *(['floor'] if kind == 'map' else [])])
        return self

    def stop(self):
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(STOP_S)
            self.server = None
        subprocess.run(['ip', 'netns', 'exec', self.router, 'nft', 'flush', 'ruleset'], check=False)

    def close(self):
        """Without waiting for a server to put things in order: its table goes with the namespace."""
        with undisturbed():
            if self.server:
                self.server.kill()
                self.server.wait()
                self.server = None
            run('ip', 'netns', 'del', self.router)
            self.bed.namespaces.remove(self.router)
            self.bed.routers.remove(self)
            self.bed.free.append(self.index)
        # the kernel takes seconds for a million elements, which the next figures would have
        deadline = time.monotonic() + GONE_S
        while time.monotonic() < deadline and self.bed.has_device(f'lan0-{self.index}'):
            time.sleep(0.05)

    def status(self):
        return json.loads(run(self.bed.path('natpcpctl'), '--json', '-s', os.path.join(self.dir, 'control.sock'), 'status',
                              capture_output=True).stdout)

    def command(self, kind, window, count, offset=0, first=FIRST_CLIENT, clients=CLIENTS, options=()):
        return ['ip', 'netns', 'exec', self.bed.clients, self.bed.path('tests/bench/load'), *map(str, options), self.address,
                first, str(clients), kind, str(window), str(count), str(offset)]

    def load(self, *arguments, strict=True, **options):
        out = run(*self.command(*arguments, **options), stdout=subprocess.PIPE).stdout
        figures = json.loads(out)
        if strict and (figures['refused'] or figures['lost']):
            raise Failed(f'{" ".join(map(str, arguments))}: {out}')
        return figures

    def preload(self, n, options=()):
        if n:
            self.load('map', 256, n, 0, options=options)
        self.number = n
        return self

    def rss_kib(self):
        with open(f'/proc/{self.server.pid}/status') as f:
            return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))
