# SPDX-License-Identifier: GPL-2.0-or-later
"""The nftables backend without the daemon: tests/netns/backend_driver, and what it leaves in the kernel."""
import json
import os
import select
import subprocess

import lab
from lab import EXT, LAN

DRIVER = os.path.join(lab.BUILD, 'tests/netns/backend_driver')
CHAIN = 'forward-chain = "inet filter forward"'
TCP, UDP = 6, 17


def nat(protocol, port, external, inside=LAN, outside=EXT):
    return f'nat {protocol} {inside} {port} {outside} {external}'


class Driver:
    """One run of the driver in the router's namespace."""

    def __init__(self, net, backend='', listen='br-lan', start=True, **externals):
        if not os.path.exists(DRIVER):
            raise lab.Skip('the driver was not built')
        self.net = net
        self.process = subprocess.Popen(net.command('gw', DRIVER), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        bufsize=0)
        self.pending = b''
        if start:
            self.open(backend, listen, **externals)

    def conf(self, backend, listen='br-lan', before='', extra=''):
        path = os.path.join(self.net.dir, 'backend.conf')
        with open(path, 'w') as f:
            f.write(f'''{before}external "wan" {{ interface = "wan0" }}
{extra}
listen "lan" {{ interfaces = {{ "{listen}" }}  external = "wan" }}
rule "all" {{ action = allow }}
backend {{ type = "nftables"  {backend} }}
''')
        return path

    def ask(self, line):
        """The lines of the answer without the last; an error is raised."""
        out = self.try_(line)
        assert out[-1] == 'ok', (line, out)
        return out[:-1]

    def try_(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        while not self.pending.endswith(b'\n') or not self.pending.split(b'\n')[-2].startswith((b'ok', b'error')):
            readable, _, _ = select.select([self.process.stdout], [], [], 120)
            data = os.read(self.process.stdout.fileno(), 65536) if readable else b''
            assert data, (line, self.pending, 'the driver is silent')
            self.pending += data
        out, self.pending = self.pending.decode().split('\n')[:-1], b''
        return out

    def open(self, backend='', listen='br-lan', **externals):
        self.ask('open ' + self.conf(backend, listen, **externals))

    def commit(self, *changes):
        """Queues the changes, commits them and returns the verdicts."""
        for c in changes:
            self.ask(c)
        return self.ask('commit')[0].split()

    def list(self):
        return sorted(' '.join(line.split()[:6]) for line in self.ask('list'))

    def remaining(self, mapping):
        found = [int(line.split()[6]) for line in self.ask('list') if line.startswith(mapping + ' ')]
        assert len(found) == 1, (mapping, found)
        return found[0]

    def watch(self):
        return self.ask('watch')[0]

    def features(self):
        words = self.ask('features')[0].split()
        return dict(zip(words[::2], map(int, words[1::2])))

    def end(self, how='close'):
        self.ask(how)
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(60) == 0


def elements(net, name):
    """The elements of a set or map, as the kernel lists them; None if it is not there."""
    p = net.run('gw', 'nft', '-j', 'list', 'table', 'inet', 'natpcpd')
    for o in json.loads(p.stdout or '{"nftables": []}')['nftables']:
        for kind in ('map', 'set'):
            if o.get(kind, {}).get('name') == name:
                return o[kind].get('elem', [])
    return None


def count(net, name):
    """How many there are, -1 if it is not there."""
    return counts(net, name)[0]


def counts(net, *names):
    p = net.run('gw', 'nft', '-j', 'list', 'table', 'inet', 'natpcpd')
    sets = {}
    for o in json.loads(p.stdout or '{"nftables": []}')['nftables']:
        for kind in ('map', 'set'):
            if kind in o:
                sets[o[kind]['name']] = len(o[kind].get('elem', []))
    return [sets.get(name, -1) for name in names or ('dnat4', 'snat4-wan', 'pin4', 'pin6')]


def ours(net):
    return [i for i, r in enumerate(net.rules()) if 'comment "natpcpd"' in r]
