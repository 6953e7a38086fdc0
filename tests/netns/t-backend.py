#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The nftables backend against the kernel, without the daemon: verdicts, restarts, and what others do to the ruleset."""
import json
import os
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from lab import EXT, EXT2, LAN, LAN2, LAN6, WAN, WAN2, WAN6, wait

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
            readable, _, _ = select.select([self.process.stdout], [], [], 30)
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
        assert self.process.wait(10) == 0


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


def test_changes(net):
    """Mappings are made, renewed and removed, as elements in the kernel and in the list"""
    d = Driver(net)
    a, b, c, e = nat(TCP, 80, 8080), nat(UDP, 5000, 5000), f'pin 17 {LAN6} 5000 {LAN6} 5000', f'pin 6 {LAN} 22 {LAN} 22'
    assert d.commit(*(f'add {m} 60000' for m in (a, b, c, e))) == ['0'] * 4
    assert counts(net) == [2, 2, 1, 1] and d.list() == sorted([a, b, c, e])
    table = net.table()
    assert f'tcp . {EXT} . 8080 ' in table and f': {LAN} . 80' in table, table
    assert f'udp . {LAN} . 5000 ' in table and f': {EXT} . 5000' in table, table
    assert f'udp . {LAN6} . 5000 ' in table and f'tcp . {LAN} . 22 ' in table, table
    assert d.commit(f'renew {a} 600000', f'remove {b}', f'remove {e}', f'renew {c} 30000') == ['0'] * 4
    assert counts(net) == [1, 1, 0, 1] and d.list() == sorted([a, c])
    assert 500000 < d.remaining(a) <= 600000 and d.remaining(c) <= 30000
    # what is not there can be removed
    assert d.commit(f'remove {b}', f'remove {a}', f'remove {c}') == ['0'] * 3
    assert counts(net) == [0, 0, 0, 0]
    d.end()


def test_peers(net):
    """Mappings of single peers stand beside each other and beside the one for everybody (6887-12.1-10)"""
    d = Driver(net)

    def peers():
        return counts(net, *('peer-' + name for name in ('dnat4', 'snat4-wan', 'pin4', 'pin6')))

    def listed():
        return sorted(' '.join(w[:6] + w[8:]) for w in map(str.split, d.ask('list')))
    a, same, other = nat(UDP, 5000, 5000), f'{WAN} 4000', f'{WAN2} 4000'
    six, four = f'pin 17 {LAN6} 5000 {LAN6} 5000', f'pin 17 {LAN} 5000 {LAN} 5000'
    assert d.commit(f'add {a} 60000', f'add {a} 60000 7 {same}', f'add {a} 60000 8 {other}',
                    f'add {six} 60000 9 {WAN6} 4000', f'add {four} 60000 10 {same}') == ['0'] * 5
    assert counts(net) == [1, 1, 0, 0] and peers() == [2, 2, 1, 1], net.table()
    everything = sorted([a, f'{a} {same}', f'{a} {other}', f'{six} {WAN6} 4000', f'{four} {same}'])
    assert listed() == everything
    # both sides are known by their peer
    assert d.commit(f'add {nat(UDP, 5001, 5000)} 60000 1 {same}', f'add {nat(UDP, 5000, 5001)} 60000 2 {same}',
                    f'add {nat(UDP, 5001, 5000)} 60000 3 {WAN2} 4001') == ['EEXIST', 'EEXIST', '0']
    assert d.commit(f'remove {nat(UDP, 5001, 5000)} 0 1 {WAN2} 4001', f'add {a} 600 2 {WAN6} 4000') == \
        ['0', 'EAFNOSUPPORT']
    assert d.commit(f'renew {a} 600000 1 {same}', f'remove {a} 0 2', f'renew {six} 50000 3 {WAN6} 4000') == ['0'] * 3
    assert counts(net) == [0, 0, 0, 0] and peers() == [2, 2, 1, 1]
    assert d.commit(f'renew {six} 1200 3 {WAN6} 4000') == ['0']
    wait(lambda: peers() == [2, 2, 1, 0])
    table = net.table()
    assert f'udp . {LAN} . 5000 . {WAN} . 4000' in table, table
    # the next one takes them over; another ruleset of the same name does not stay
    d.end()
    d = Driver(net)
    assert listed() == sorted([f'{a} {same}', f'{a} {other}', f'{four} {same}'])
    d.end('clear')


def test_filters(net):
    """Mappings with filters, for old kernels and new ones: made, changed, renewed, ended, and read back as filters

    6887-13.3-03, 6887-13.3-15, 6887-13.3-16, 6887-13.3-19
    """
    d = Driver(net)

    def filtered():
        """Mappings with filters, and the pieces of their filters."""
        sets = {o[k]['name']: len(o[k].get('elem', [])) for k in ('map', 'set')
                for o in json.loads(net.nft('-j', 'list', 'table', 'inet', 'natpcpd'))['nftables'] if k in o}
        return [*(sets['filter-' + name] for name in ('dnat4', 'pin4', 'pin6')),
                sum(n for name, n in sets.items() if name.startswith('from'))]

    def listed():
        return sorted(' '.join(w[:6] + w[7:]) for w in map(str.split, d.ask('list')))
    a, b = nat(UDP, 5000, 5000), nat(TCP, 5001, 5001)
    six, four = f'pin 17 {LAN6} 5000 {LAN6} 5000', f'pin 17 {LAN} 5002 {LAN} 5002'
    one, two = 'filters=203.0.113.0/120:0', 'filters=203.0.113.0/120:443,203.0.113.7/128:0,198.51.100.0/120:53'
    for kernel in ('1 1', '1 0', '0 0'):
        d.ask('pretend ' + kernel)
        assert d.commit(f'add {a} 60000 {one}', f'add {b} 60000', f'add {six} 0 filters=2001:db8:2::/48:443',
                        f'add {four} 60000 {two}') == ['0'] * 4
        assert counts(net) == [1, 2, 0, 0] and filtered() == [1, 1, 1, 5], net.table()
        everything = sorted([f'{a} {one}', b, f'{six} filters=2001:db8:2::/48:443', f'{four} {two}'])
        assert [sorted(x.replace('=', ',').split(',')) for x in listed()] == \
            [sorted(x.replace('=', ',').split(',')) for x in everything], listed()
        # taken, inside or outside, and by itself
        assert d.commit(f'add {nat(UDP, 5000, 5009)} 60000 {one}', f'add {nat(UDP, 5009, 5000)} 60000 {one}',
                        f'add {a} 60000 {one}') == ['EEXIST'] * 3
        # others in their place, in one group; the second of its changes is refused, so the first is not done
        assert d.commit(f'remove {a} 0 1 {one}', f'add {a} 60000 1 {two}') == ['0', '0'] and filtered() == [1, 1, 1, 7]
        assert d.commit(f'remove {a} 0 1 {two}', f'add {nat(UDP, 5000, 5000)} 60000 1 {one}',
                        f'add {b} 60000 1') == ['EEXIST'] * 3 and filtered() == [1, 1, 1, 7]
        assert d.commit(f'remove {a} 0 1 {two}', f'add {a} 60000 1') == ['0', '0']
        assert counts(net) == [2, 2, 0, 0] and filtered() == [0, 1, 1, 4]
        assert d.commit(f'remove {a} 0 1', f'add {a} 1000000 1 {one}') == ['0', '0']
        # renewals are of every element
        assert d.commit(f'renew {four} 600000 1 {two}', f'renew {six} 700000 2 filters=2001:db8:2::/48:443') == ['0'] * 2
        for name, low in (('filter-pin4', 590000), ('from4-32', 590000), ('filter-pin6', 690000), ('from6-48', 690000)):
            left = [e['elem']['expires'] for e in elements(net, name)]
            assert left and all(low / 1000 <= x <= 701 for x in left), left
        # other families, and more than there may be
        assert d.commit(f'add {nat(UDP, 1, 1)} 600 1 filters=2001:db8::/32:0',
                        f'add pin 17 {LAN6} 1 {LAN6} 1 600 2 filters=203.0.113.0/120:0',
                        f'add {nat(UDP, 1, 1)} 600 3 filters=203.0.113.0/90:0',
                        f'add {nat(UDP, 2, 2)} 600 4 filters={",".join(["203.0.113.0/120:0"] * 33)}') == \
            ['EAFNOSUPPORT'] * 3 + ['E2BIG']
        assert d.commit(f'remove {a} 0 1 {one}', f'remove {b} 0 2', f'remove {four} 0 3 {two}',
                        f'remove {six} 0 4 filters=2001:db8:2::/48:443') == ['0'] * 4
        assert counts(net) == [0, 0, 0, 0] and filtered() == [0, 0, 0, 0], net.table()
    # as many as there can be, in one transaction with others; they are gone when their time is over
    most = ','.join(f'0.0.0.0/96:{i + 1}' for i in range(32))
    d.ask('pretend 1 1')
    assert d.commit(*(f'add {nat(UDP, 6000 + i, 6000 + i)} 5000 {i} filters={most}' for i in range(4))) == ['0'] * 4
    assert filtered() == [4, 0, 0, 4 * 512]
    assert [len(x.split('=')[1].split(',')) for x in listed()] == [32] * 4
    wait(lambda: filtered() == [0, 0, 0, 0], 15)
    # pieces without their mapping are for nobody, a mapping without its pieces is too, and says so
    assert d.commit(f'add {a} 60000 1 {one}', f'add {six} 60000 2 filters=2001:db8:2::/48:443') == ['0'] * 2
    d.end()
    net.nft('delete', 'element', 'inet', 'natpcpd', 'from4-24', f'{{ udp . {EXT} . 5000 . 203.0.113.0 . 0 }}')
    net.nft('delete', 'element', 'inet', 'natpcpd', 'filter-pin6', f'{{ udp . {LAN6} . 5000 }}')
    d = Driver(net)
    assert listed() == [f'{a} filters=0.0.0.0/128:0']
    d.end('clear')


def test_all_ports(net):
    """All ports of a protocol, and of a host, beside single ones and beside each other (6887-11.3-05, 6887-11.3-07)"""
    d = Driver(net)

    def wide():
        return counts(net, 'protocol-pin4', 'protocol-pin6', 'host-pin4', 'host-pin6')
    udp6, gre, host, host6 = (f'pin {p} {a} 0 {a} 0' for p, a in ((17, LAN6), (47, LAN), (0, LAN), (0, LAN6)))
    one = f'pin 17 {LAN6} 4000 {LAN6} 4000'
    everything = sorted([udp6, gre, host, host6, one])
    assert d.commit(*(f'add {m} 60000' for m in everything)) == ['0'] * 5
    assert counts(net) == [0, 0, 0, 1] and wide() == [1, 1, 1, 1] and d.list() == everything, net.table()
    assert d.commit(f'add {udp6} 60000', f'add {host} 60000') == ['EEXIST'] * 2
    for destroy, update in ((None, None), (0, 0)):
        if update is not None:
            d.ask(f'pretend {destroy} {update}')
        assert d.commit(f'renew {gre} 600000', f'renew {host6} 600000') == ['0'] * 2
        assert d.remaining(gre) > 500000 and d.remaining(host6) > 500000 and d.remaining(host) <= 60000
    assert d.commit(f'remove {udp6}', f'remove {host}') == ['0'] * 2
    assert counts(net) == [0, 0, 0, 1] and wide() == [1, 0, 0, 1] and d.list() == sorted([gre, host6, one])
    # with filters they are elsewhere, and found with them
    some = 'filters=2001:db8:2::/48:443,2001:db8:3::/64:0'
    assert d.commit(f'add {udp6} 60000 1 {some}', f'add {host} 60000 2 filters=::ffff:203.0.113.0/120:0') == ['0'] * 2
    assert wide() == [1, 0, 0, 1] and counts(net, 'filter-protocol-pin6', 'filter-host-pin4') == [1, 1]
    d.end()
    d = Driver(net)
    assert d.list() == sorted([gre, host6, one, udp6, host])
    assert some in ' '.join(d.ask('list')), d.ask('list')
    assert d.commit(f'remove {udp6} 0 1 {some}', f'remove {host} 0 2 filters=::ffff:203.0.113.0/120:0') == ['0'] * 2
    assert d.list() == sorted([gre, host6, one]) and count(net, 'from6-48') == count(net, 'from4-24') == 0
    d.end('clear')


def test_timeouts(net):
    """The kernel ends a mapping by itself; 0 is for ever; a renewal counts from now also with the same time"""
    d = Driver(net)
    a, b, c, e = (nat(UDP, 5000 + i, 5000 + i) for i in range(4))
    assert d.commit(f'add {a} 300', f'add {b} 0', f'add {c} 1200', f'add {e} 2000') == ['0'] * 4
    assert d.remaining(b) == 0 and 0 < d.remaining(c) <= 1200
    wait(lambda: d.list() == sorted([b, c, e]))
    assert d.commit(f'renew {c} 1200') == ['0']
    assert d.remaining(c) > 800
    # for ever and back
    assert d.commit(f'renew {b} 500', f'renew {c} 0') == ['0'] * 2
    assert 0 < d.remaining(b) <= 500 and d.remaining(c) == 0
    wait(lambda: d.list() == [c])
    # what the kernel ended can be made again at once
    assert d.commit(f'add {a} 60000', f'add {b} 60000') == ['0'] * 2
    d.end()


def test_older_kernels(net):
    """Without destroy (6.3) and timeouts that can be changed (6.12) the same is done in other words"""
    d = Driver(net)
    d.ask('pretend 0 0')
    a, b, c, pin = *(nat(UDP, 5000 + i, 5000 + i) for i in range(3)), f'pin 17 {LAN6} 5000 {LAN6} 5000'
    assert d.commit(f'add {a} 60000', f'add {b} 0', f'add {pin} 60000') == ['0'] * 3
    assert d.commit(f'renew {a} 600000', f'renew {b} 3000', f'renew {pin} 90000') == ['0'] * 3
    assert d.remaining(a) > 500000 and 0 < d.remaining(b) <= 3000 and d.remaining(pin) > 80000
    assert d.commit(f'renew {c} 60000', f'remove {c}') == ['ENOENT', 'ENOENT'] and counts(net) == [2, 2, 0, 1]
    # removals of what is not there, of what is, of what is half there
    assert d.commit(f'remove {c}', f'remove {pin}', f'add {nat(TCP, 1, 1)}') == ['0'] * 3
    assert counts(net) == [3, 3, 0, 0]
    assert d.commit('remove ' + nat(TCP, 1, 2), 'remove ' + nat(TCP, 2, 1)) == ['0'] * 2 and counts(net) == [2, 2, 0, 0]
    wait(lambda: d.list() == [a])
    assert d.commit(f'add {b}', f'remove {a}', f'remove {b}') == ['0'] * 3 and counts(net) == [0, 0, 0, 0]
    d.end()


def test_one_of_64(net):
    """One bad change among 64 is refused alone (6887-7.3-11)"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 4000, 4031, inside=LAN2)) == ['0']
    verdicts = d.commit(*('add ' + nat(UDP, 4000 + i, 4000 + i) for i in range(64)))
    assert verdicts == ['0'] * 31 + ['EEXIST'] + ['0'] * 32, verdicts
    assert counts(net) == [64, 64, 0, 0]
    # the inside is taken, not the outside: nothing of it stays
    assert d.commit('add ' + nat(UDP, 4000, 4999)) == ['EEXIST']
    assert counts(net) == [64, 64, 0, 0]
    d.end()


def test_groups(net):
    """A group stands or falls together, and so do later changes on its mappings"""
    d = Driver(net)
    a, b, c, e = (nat(TCP, 80 + i, 8080 + i) for i in range(4))
    taken = nat(TCP, 99, 8080)
    assert d.commit(f'add {a}') == ['0']
    assert d.commit(f'add {b} 60000 1', f'add {taken} 60000 1', f'add {c} 60000 2') == ['EEXIST', 'EEXIST', '0']
    assert d.list() == sorted([a, c])
    # a removal that is taken back
    assert d.commit(f'remove {a} 0 1', f'add {nat(TCP, 1, 8082)} 60000 1') == ['EEXIST'] * 2
    assert d.list() == sorted([a, c])
    # a move
    moved = nat(TCP, 80, 9090)
    assert d.commit(f'remove {a} 0 1', f'add {moved} 60000 1') == ['0'] * 2
    assert d.list() == sorted([moved, c])
    # later changes on a refused mapping, in another group
    assert d.commit(f'add {nat(TCP, 2, 9090)} 60000 1', f'remove {nat(TCP, 2, 9090)} 0 2', f'add {e} 60000 2',
                    f'add {b} 60000 3') == ['EEXIST'] * 3 + ['0']
    assert d.list() == sorted([moved, c, b])
    # what failed only because of a refused group is tried again
    assert d.commit(f'add {a} 60000 1', f'add {nat(TCP, 2, 9090)} 60000 1',
                    f'add {nat(TCP, 3, 8080)} 60000 2') == ['EEXIST', 'EEXIST', '0']
    d.end()


def test_runs(net):
    """Changes of one kind share messages; what the kernel refuses is told apart all the same, and order counts"""
    d = Driver(net)
    nats = [nat(UDP, 5000 + i, 5000 + i) for i in range(6)]
    pins = [f'pin 17 {LAN6} {5000 + i} {LAN6} {5000 + i}' for i in range(3)]
    ports = f'nat 6 {LAN} 7000-7003 {EXT} 7000'
    everything = [*nats[:2], pins[0], nats[2], ports, *pins[1:]]
    assert d.commit(*(f'add {m}' for m in everything)) == ['0'] * len(everything)
    assert d.list() == sorted(everything)
    # twice in one run, of which one is refused; the other kinds around it
    assert d.commit(f'remove {nats[0]}', f'remove {nats[0]}', f'add {nats[3]}', f'add {pins[0]}', f'add {nats[4]}',
                    f'add {nats[3]}', f'renew {nats[1]} 600000', f'renew {nats[1]} 700000') == \
        ['0', '0', '0', 'EEXIST', '0', 'EEXIST', '0', '0']
    assert d.list() == sorted([*everything[1:], *nats[3:5]]) and d.remaining(nats[1]) > 600000
    # a renewal of what is another's: in a run, it alone is refused
    other = nat(UDP, 5001, 5001, inside=LAN2)
    assert d.commit(f'renew {nats[2]} 800000', f'renew {other} 800000', f'renew {pins[1]} 800000') == ['0', 'EEXIST', '0']
    assert d.remaining(nats[2]) > 700000 and d.remaining(pins[1]) > 700000
    # one after the other
    assert d.commit(f'remove {nats[3]}', f'add {nats[5]}', f'remove {nats[5]}', f'add {nats[3]}') == ['0'] * 4
    assert nats[3] in d.list() and nats[5] not in d.list()
    assert d.commit(f'add {nats[5]}', f'renew {nats[5]}', f'remove {nats[5]}', f'add {nats[5]} 900000') == ['0'] * 4
    assert d.remaining(nats[5]) > 800000
    assert d.commit(*(f'remove {m}' for m in [*everything, *nats])) == ['0'] * 13
    assert d.list() == []
    d.end('clear')


def test_many(net):
    """Thousands of changes in one commit, a few of them refused"""
    d = Driver(net)
    bad = [7, 1999, 2000, 2048, 4000]
    assert d.commit(*('add ' + nat(UDP, 60000, 10000 + i, inside=f'198.18.0.{n}') for n, i in enumerate(bad))) == ['0'] * 5
    verdicts = d.commit(*('add ' + nat(UDP, 1000 + i, 10000 + i) for i in range(5000)))
    assert [i for i, v in enumerate(verdicts) if v != '0'] == bad
    assert counts(net) == [5000, 5000, 0, 0]
    assert d.commit(*('remove ' + nat(UDP, 1000 + i, 10000 + i) for i in range(5000))) == ['0'] * 5000
    # the bad ones went by their outside, which a removal names; their inside stays with nobody's
    assert counts(net)[0] == 0
    d.end('clear')


def test_large_group(net):
    """A group that is larger than a transaction usually is: all or nothing"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 9, 17000, inside=LAN2)) == ['0']
    group = ['add ' + nat(UDP, 1000 + i, 10000 + i) + ' 60000 7' for i in range(8000)]
    verdicts = d.commit('add ' + nat(UDP, 1, 1), *group, 'add ' + nat(UDP, 2, 2))
    assert verdicts == ['0'] + ['EEXIST'] * 8000 + ['0'] and counts(net)[:2] == [3, 3]
    assert d.commit('remove ' + nat(UDP, 9, 17000, inside=LAN2)) == ['0']
    assert d.commit(*group) == ['0'] * 8000 and counts(net)[:2] == [8002, 8002]
    d.end('clear')


def test_not_v4(net):
    """Address translation of IPv6 is refused, not garbled"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 1, 2, inside=LAN6), 'add ' + nat(UDP, 3, 4)) == ['EAFNOSUPPORT', '0']
    assert counts(net) == [1, 1, 0, 0]
    d.end()


def test_restarts(net):
    """Mappings outlive restarts; the rule in the operator's chain is there once, on top"""
    first = nat(UDP, 5000, 5000)
    d = Driver(net, CHAIN)
    assert d.commit(f'add {first} 60000') == ['0']
    assert ours(net) == [0], net.rules()
    assert 'accept comment "natpcpd"' in net.rules()[0]
    for how in ('close', 'close'):
        d.end(how)
        assert counts(net)[0] == 1 and ours(net) == [0]
        d = Driver(net, CHAIN)
        assert d.list() == [first] and ours(net) == [0], net.rules()
    # copies of the rule are reduced to one
    rule = net.rules()[0].split(' # ')[0]
    net.nft('add', 'rule', 'inet', 'filter', 'forward', *rule.split())
    assert len(ours(net)) == 2
    assert d.watch() == 'readable repaired' and ours(net) == [0]
    d.end('clear')
    assert net.table() == '' and ours(net) == []


def test_names(net):
    """Interface names follow a reload, mappings stay; the forward chain can change"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    assert '"br-lan"' in net.table() and ours(net) == []
    net.nft('add', 'chain', 'inet', 'filter', 'other')
    d.ask('reload ' + d.conf(CHAIN, 'br-other'))
    assert '"br-other"' in net.table() and '"br-lan"' not in net.table() and ours(net) == [0]
    d.ask('reload ' + d.conf('forward-chain = "inet filter other"'))
    assert ours(net) == [] and len(net.rules('inet filter other')) == 1
    d.ask('reload ' + d.conf(''))
    assert ours(net) == [] and net.rules('inet filter other') == [] and counts(net)[0] == 1
    d.end()


def test_no_chain(net):
    """A chain that is named but absent gives a line that says what to write; a reload keeps the old state"""
    d = Driver(net, start=False)
    said = d.try_('open ' + d.conf('forward-chain = "inet filter nosuch"'))[-1]
    assert said.startswith('error ENOENT backend: forward-chain: no chain "nosuch" in table "inet filter"'), said
    command = said.split('create it with: ')[1]
    said = d.try_('open ' + d.conf('forward-chain = "ip none fw"'))[-1]
    assert 'no table "ip none"' in said, said
    for line in (command, said.split('create it with: ')[1]):
        net.sh('gw', 'sh', '-c', line)
    d.open('forward-chain = "ip none fw"')
    d.ask('reload ' + d.conf('forward-chain = "inet filter nosuch"'))
    assert len(net.rules('inet filter nosuch')) == 1 and net.rules('ip none fw') == []
    said = d.try_('reload ' + d.conf('forward-chain = "inet filter gone"', 'br-other'))[-1]
    assert 'no chain "gone"' in said and '"br-other"' not in net.table()
    assert len(net.rules('inet filter nosuch')) == 1
    d.end()


def test_chain_too_early(net):
    """A chain that our rule could not serve is refused with a line that says why: another hook, or before the marks"""
    net.nft('-f', '-', input='''
        table inet filter {
            chain output { type filter hook output priority 0; }
            chain early { type filter hook forward priority -300; }
            chain reached { }
        }
        table ip fw {
            chain early { type filter hook forward priority -10; }
            chain late { type filter hook forward priority -9; }
        }''')
    d = Driver(net, start=False)
    for chain, reason in (('inet filter output', 'another hook'), ('ip fw early', 'priority -10')):
        said = d.try_('open ' + d.conf(f'forward-chain = "{chain}"'))[-1]
        assert said.startswith('error ENOENT backend: forward-chain: ') and reason in said, said
        assert net.rules(chain) == [] and net.table() == ''
    d.open('forward-chain = "inet filter early"')
    for chain in ('inet filter reached', 'ip fw late', 'inet filter forward'):
        d.ask('reload ' + d.conf(f'forward-chain = "{chain}"'))
        assert [r for r in net.rules(chain) if 'comment "natpcpd"' in r], chain
        said = d.try_('reload ' + d.conf('forward-chain = "ip fw early"'))[-1]
        assert 'priority -10' in said, said
        assert [r for r in net.rules(chain) if 'comment "natpcpd"' in r], chain
    d.end()


def test_reload_fails(net):
    """A reload that fails after it came to the new forward chain leaves nothing there, and the old one as it was"""
    net.nft('-f', '-', input='''
        table inet natpcpd { }
        table inet filter {
            chain next { type filter hook forward priority 10; }
        }''')
    d = Driver(net, CHAIN)
    assert d.features()['flags'] == 0
    # unlike ours: to make it anew would cost the mappings, which a reload must not do
    net.nft('delete chain inet natpcpd forward; '
            'add chain inet natpcpd forward { type filter hook forward priority 5; }')
    said = d.try_('reload ' + d.conf('forward-chain = "inet filter next"'))[-1]
    assert said.startswith('error E'), said
    assert net.rules('inet filter next') == [] and len(ours(net)) == 1
    assert d.watch() == 'readable emptied'
    d.ask('reload ' + d.conf('forward-chain = "inet filter next"'))
    assert len(net.rules('inet filter next')) == 1 and ours(net) == []
    d.end()


def test_others(net):
    """With owner and persist nobody else touches the table; a flush costs the operator's chain only, and that is mended"""
    d = Driver(net, CHAIN)
    if not d.features()['flags']:
        raise lab.Skip('the kernel has no persistent tables')
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    assert d.watch() == 'quiet intact', 'own changes wake nobody'
    for words in (('delete', 'table', 'inet', 'natpcpd'), ('flush', 'map', 'inet', 'natpcpd', 'dnat4'),
                  ('flush', 'table', 'inet', 'natpcpd')):
        assert net.run('gw', 'nft', *words).returncode != 0, words
    rules = net.sh('gw', 'nft', 'list', 'table', 'inet', 'filter')
    net.nft('flush', 'ruleset')
    assert counts(net)[:2] == [1, 1]
    assert d.watch() == 'readable ENOENT', 'the chain is gone'
    net.nft('add', 'table', 'inet', 'other')
    assert d.watch() == 'readable intact', 'that is told once'
    net.nft('-f', '-', input='\n'.join(x for x in rules.split('\n') if 'natpcpd' not in x))
    assert ours(net) == []
    assert d.watch() == 'readable repaired' and ours(net) == [0]
    assert d.watch() == 'quiet intact'
    assert d.commit('add ' + nat(UDP, 5001, 5001)) == ['0']
    second = Driver(net, start=False)
    said = second.try_('open ' + second.conf(''))[-1]
    assert said.startswith('error EPERM backend: table:'), said
    d.end()


def test_missed(net):
    """What others do while a transaction is made and nobody listens is noticed all the same"""
    d = Driver(net, CHAIN)
    if not d.features()['flags']:
        raise lab.Skip('the kernel has no persistent tables')
    many = [nat(UDP, 1000 + i, 10000 + i) for i in range(2000)]
    assert d.commit(*(f'add {m}' for m in many)) == ['0'] * len(many)
    assert d.watch() == 'quiet intact' and d.features()['subscribed'] == 1
    for _ in range(8):
        for m in many:
            d.ask(f'renew {m} 600000')
        # it has to wait for the kernel to be done with ours, and comes right behind
        flush = subprocess.Popen(net.command('gw', 'nft', 'flush', 'chain', 'inet', 'filter', 'forward'))
        d.ask('commit')
        assert flush.wait(30) == 0
        assert d.watch() == 'readable repaired' and ours(net) == [0]
    assert d.watch() == 'quiet intact'
    d.end('clear')


def test_unprotected(net):
    """A table without flags is taken over as it is; what others remove is noticed and made again"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    d = Driver(net)
    assert d.features()['flags'] == 0 and d.features()['subscribed'] == 1
    a, b = nat(UDP, 5000, 5000), nat(UDP, 5001, 5001)
    assert d.commit(f'add {a}') == ['0'] and d.watch() == 'quiet intact'
    net.nft('flush', 'table', 'inet', 'natpcpd')
    assert d.watch() == 'readable repaired' and counts(net)[0] == 1 and 'dnat ip to' in net.table()
    net.nft('flush', 'map', 'inet', 'natpcpd', 'snat4-wan')
    assert d.watch() == 'readable emptied' and counts(net) == [0, 0, 0, 0]
    assert d.commit(f'add {a}') == ['0']
    net.nft('flush', 'ruleset')
    d.ask(f'add {b}')
    assert d.try_('commit') == ['ENOENT', 'error ENOENT']
    assert d.watch() == 'readable emptied' and counts(net) == [0, 0, 0, 0]
    assert d.commit(f'add {a}', f'add {b}') == ['0', '0'] and counts(net)[:2] == [2, 2]
    # a new table gets the flags if the kernel has them
    if d.features()['flags']:
        assert net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd').returncode != 0
    d.end()


def test_concerned(net):
    """Of what others do only what can touch our table or our rule asks for a look at the ruleset"""
    net.nft('-f', '-', input="""
        table inet natpcpd { }
        table ip natpcpd {
            set banned { type ipv4_addr; }
        }
        table inet filter {
            set banned { type ipv4_addr; }
            chain other { }
        }
        table inet f2b {
            set banned { type ipv4_addr; }
            chain forward { type filter hook forward priority -1; }
        }""")
    d = Driver(net, CHAIN)
    a = nat(UDP, 5000, 5000)
    assert d.commit(f'add {a}') == ['0']
    rules = 'add rule inet filter forward ip saddr 203.0.113.9 drop'

    def handle(text, chain='inet filter forward'):
        return next(r for r in net.rules(chain) if text in r).split()[-1]
    # a word that ends in "#" stands for the handle of the rule that has what follows
    for words, concerned in (
            ('add element inet f2b banned { 203.0.113.7 }', False),
            ('delete element inet f2b banned { 203.0.113.7 }', False),
            ('add element inet filter banned { 203.0.113.7 }', False),
            ('add element ip natpcpd banned { 203.0.113.7 }', False),
            ('delete element ip natpcpd banned { 203.0.113.7 }', False),
            (rules, False),
            ('insert rule inet filter other accept', False),
            ('add rule inet f2b forward accept', False),
            ('flush chain inet f2b forward', False),
            ('flush chain inet filter other', False),
            ('delete table inet f2b', False),
            ('delete table ip natpcpd', False),
            ('delete rule inet filter forward handle # 203.0.113.9', True),
            ('add rule inet filter forward meta mark 1 accept comment "natpcpd"', True),
            ('add chain inet filter another', True),
            ('add element inet natpcpd lan { "other0" }', False),
            ('add rule inet natpcpd forward accept', True),
            ('delete element inet natpcpd lan { "other0" }', True)):
        if '#' in words:
            words, text = words.split(' # ')
            words += ' ' + handle(text)
        net.nft(words)
        assert d.ask('drain') == ['concerned' if concerned else 'unconcerned'], words
        assert d.ask('drain') == ['unconcerned'], words
    # what was read and is not repaired yet is not forgotten
    assert d.watch() == 'quiet emptied' and len(ours(net)) == 1
    assert d.commit(f'add {a}') == ['0'] and d.watch() == 'quiet intact'
    d.end()


def test_destroyed(net):
    """Without table owners: elements that somebody destroys, which is not an error if there are none, are noticed"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    d = Driver(net)
    if not d.features().get('destroy', 1):
        raise lab.Skip('the kernel has no destroy')
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    # NEWGEN frames of a batch are 16 and 17; 30 is NFT_MSG_DESTROYSETELEM, which nft 1.0.6 has no word for
    destroy(net, 'natpcpd', 'dnat4', bytes([17, 0, 0, 0]) + socket.inet_aton(EXT) + struct.pack('!HH', 5000, 0))
    assert count(net, 'dnat4') == 0
    assert d.watch() == 'readable emptied'
    d.end()


def destroy(net, table, name, key):
    def attribute(kind, data):
        return struct.pack('=HH', 4 + len(data), kind) + data + bytes(-len(data) % 4)

    def message(kind, seq, family, resource, body=b''):
        return struct.pack('=IHHII', 20 + len(body), kind, 1 | 4, seq, 0) + struct.pack('!BBH', family, 0, resource) + body
    nested = 1 << 15
    element = attribute(nested | 1, attribute(nested | 1, attribute(1, key)))
    body = attribute(1, table.encode() + b'\0') + attribute(2, name.encode() + b'\0') + attribute(nested | 3, element)
    with lab.probe.inside(net.ns('gw')):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    with s:
        s.bind((0, 0))
        s.send(message(16, 1, 0, 10) + message(10 << 8 | 30, 2, 1, 0, body) + message(17, 3, 0, 10))
        answer = s.recv(4096)
    assert struct.unpack_from('=i', answer, 16)[0] == 0, answer.hex()


def test_adopted(net):
    """A table that a dead daemon left is adopted with its mappings and protected again"""
    d = Driver(net)
    flags = d.features()['flags']
    assert d.commit('add ' + nat(UDP, 5000, 5000) + ' 60000') == ['0']
    d.process.kill()
    d.process.wait()
    d.process.stdin.close()
    d.process.stdout.close()
    d = Driver(net)
    assert d.features()['flags'] == flags and d.list() == [nat(UDP, 5000, 5000)] and d.remaining(d.list()[0]) > 50000
    if flags:
        assert net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd').returncode != 0
    d.end()


def test_foreign_layout(net):
    """A table of our name with other sets or chains is made anew"""
    net.nft('-f', '-', input='''table inet natpcpd {
        map dnat4 { type inet_service : ipv4_addr; elements = { 80 : 192.0.2.1 } }
        chain prerouting { type filter hook prerouting priority 5; counter dnat ip to tcp dport map @dnat4; }
    }'''.replace('counter dnat ip to tcp dport map @dnat4', 'counter'))
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    assert counts(net) == [1, 1, 0, 0] and 'priority dstnat + 1' in net.table(), net.table()
    d.end()


def test_listing_loads(net):
    """What nft prints of the table, nft can load"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 5000, 5000), f'add pin 17 {LAN6} 1 {LAN6} 1', f'add pin 17 {LAN6} 0 {LAN6} 0',
                    f'add pin 0 {LAN} 0 {LAN} 0 60000 1 filters=::ffff:203.0.113.0/120:0') == ['0'] * 4
    listing = net.table()
    d.end('clear')
    # nft 1.0.6 prints flags that it cannot read
    net.nft('-f', '-', input='\n'.join(x for x in listing.split('\n') if x.strip() not in ('flags', 'flags owner')))
    assert counts(net) == [1, 1, 0, 1]
    assert counts(net, 'protocol-pin6', 'filter-host-pin4', 'from4-24') == [1, 1, 1]


TWO = 'external "b" { interface = "wan1" }\n'


def asked(d, *mappings):
    """What the driver says of these mappings when it is asked for them alone."""
    for m in mappings:
        d.ask(f'remove {m}')
    return sorted(' '.join(w[:6] + w[7:]) for w in map(str.split, d.ask('ask')))


def test_asked(net):
    """Mappings are found by their keys, whatever is inside, and among many that are not there"""
    d = Driver(net, extra=TWO)
    a, of_b, peer = nat(TCP, 80, 8080), nat(UDP, 5001, 50001, LAN2, EXT2), f'{nat(UDP, 5000, 5000)} 60000 1 {WAN} 4000'
    six, ports, four = f'pin 17 {LAN6} 5000 {LAN6} 5000', f'nat 17 {LAN} 7000-7007 {EXT} 7000', f'pin 6 {LAN} 22 {LAN} 22'
    everything = [a, f'{of_b} 60000 2 - 0 1', peer, six, ports, four, f'pin 0 {LAN6} 0 {LAN6} 0']
    found = sorted([a, f'{of_b} external 1', f'{nat(UDP, 5000, 5000)} 0 {WAN} 4000', six, ports, four,
                    f'pin 0 {LAN6} 0 {LAN6} 0'])
    assert asked(d, *everything) == []
    assert d.commit(*('add ' + m for m in everything)) == ['0'] * 7
    assert asked(d, *everything) == found, (asked(d, *everything), found)
    assert d.ask('count') == ['7']
    # what is there is told of, and not what was asked for: its inside, its external, its ports
    assert asked(d, nat(TCP, 99, 8080, LAN2)) == [a]
    assert asked(d, f'{of_b} 60000 2 - 0 0') == [of_b]
    assert asked(d, f'nat 17 {LAN} 7000-7003 {EXT} 7000') in ([], [ports])
    # by the inside
    assert asked(d, nat(TCP, 80, 0, outside='0.0.0.0'), nat(TCP, 81, 0, outside='0.0.0.0')) == [a]
    assert asked(d, f'{nat(UDP, 5001, 0, LAN2, "0.0.0.0")} 60000 2 - 0 1') == [f'{of_b} external 1']
    # those with filters are listed by themselves
    with_filter, two = nat(UDP, 5009, 50009, LAN2, EXT2), 'filters=203.0.113.0/120:443'
    assert d.ask('filtered') == []
    assert d.commit(f'add {with_filter} 60000 2 - 0 1 {two}') == ['0'] and asked(d, f'{with_filter} 60000 2 - 0 1') == []
    assert [' '.join(w[:6] + w[7:]) for w in map(str.split, d.ask('filtered'))] == [f'{with_filter} external 1 {two}']
    assert d.commit(f'remove {with_filter} 0 2 - 0 1 {two}') == ['0'] and d.ask('count') == ['7']
    # more than the kernel is asked for at once, each second of them missing
    assert d.commit(*('add ' + nat(UDP, 10000 + i, 10000 + i) for i in range(0, 5000, 2))) == ['0'] * 2500
    assert asked(d, *(nat(UDP, 10000 + i, 10000 + i) for i in range(5000))) == \
        sorted(nat(UDP, 10000 + i, 10000 + i) for i in range(0, 5000, 2))
    assert asked(d, *(nat(UDP, 20000 + i, 20000 + i) for i in range(3000))) == []
    assert d.ask('count') == ['2507'] and len(d.ask('list')) == 2507
    # what has ended is not found, and soon not counted
    assert d.commit(f'renew {a} 300') == ['0']
    wait(lambda: asked(d, a) == [])
    wait(lambda: d.ask('count') == ['2506'])
    d.end('clear')


def test_mirrors(net):
    """Each external has mirrors of its own; a mapping is listed with its external; an external that goes takes its mirrors"""
    d = Driver(net, extra=TWO)
    of_b = nat(UDP, 5001, 50001, LAN2, EXT2)
    assert d.commit('add ' + nat(UDP, 5000, 50000), f'add {of_b} 60000 7 - 0 1') == ['0', '0']
    assert counts(net) == [2, 1, 0, 0] and count(net, 'snat4-b') == 1
    assert sorted(d.ask('list'))[1].endswith('external 1') and 'external' not in sorted(d.ask('list'))[0], d.ask('list')
    # whatever their order is in the configuration, and in another process
    d.end()
    d = Driver(net, before=TWO)
    assert [x.endswith('external 1') for x in sorted(d.ask('list'))] == [True, False], d.ask('list')
    assert d.commit(f'remove {of_b} 0 7') == ['0'] and count(net, 'snat4-b') == 0
    assert d.commit(f'add {of_b} 60000 7') == ['0'] and count(net, 'snat4-b') == 1
    d.ask('reload ' + d.conf(''))
    assert count(net, 'snat4-b') == count(net, 'peer-snat4-b') == -1 and counts(net) == [2, 1, 0, 0]
    assert d.commit(f'remove {of_b} 0 7 - 0 9') == ['0'] and counts(net) == [1, 1, 0, 0]
    # many of them, with names that nft has no words for
    many = ''.join(f'external "Anschluß {i} \\"{"x" * 40}" {{ interface = "ppp{i}" }}\n' for i in range(250))
    d.ask('reload ' + d.conf('', extra=many))
    assert counts(net) == [1, 1, 0, 0] and net.table().count('map snat4-') == 251
    d.ask('reload ' + d.conf(''))
    d.ask('reload ' + d.conf(''))
    d.end()


def test_packets(net):
    """Inbound, outbound by the mirror, hairpin, pinholes: the rules do what they say"""
    d = Driver(net, CHAIN)
    assert d.commit('add ' + nat(UDP, 4000, 40000), 'add ' + nat(TCP, 4000, 40000), 'add ' + nat(UDP, 5000, 50000, LAN2),
                    f'add pin 17 {LAN6} 4000 {LAN6} 4000') == ['0'] * 4
    for proto in ('udp', 'tcp'):
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto).inner[0] == WAN
        net.through('lan', (LAN, 4000), (EXT, 40000), proto, source=(WAN2, 0))
        assert net.closed((EXT, 40001), proto)
        # out from the mapped port: the mapping's port is kept, towards anybody
        assert net.through('wan', (WAN, 7000), (WAN, 7000), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 40000)
        assert net.through('wan', (WAN2, 7000), (WAN2, 7000), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 40000)
        # hairpin: from another host, from itself
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto, outer='lan2').inner[0] == EXT
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto, outer='lan').inner[0] == EXT
    assert net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2', source=(LAN2, 5000)).inner == (EXT, 50000)
    net.through('lan', (LAN6, 4000), (LAN6, 4000))
    assert net.closed((LAN6, 4001))
    assert d.commit(f'remove pin 17 {LAN6} 4000 {LAN6} 4000', 'remove ' + nat(UDP, 4000, 40000)) == ['0'] * 2
    assert net.closed((LAN6, 4000), source=(WAN6, 0)) and net.closed((EXT, 40000))
    d.end('clear')


def test_peer_packets(net):
    """A mapping for one peer lets that one in, and its port out with the mapping's port to that one (6887-12.1-10)"""
    d = Driver(net, CHAIN)
    # from inside, 6000 is where another host of the LAN is seen from outside
    assert d.commit(f'add {nat(UDP, 4000, 40000)} 60000 1 {WAN} 7000', f'add {nat(TCP, 4000, 40000)} 60000 2 {WAN} 7000',
                    f'add pin 17 {LAN6} 4000 {LAN6} 4000 60000 3 {WAN6} 7000', 'add ' + nat(UDP, 6000, 6000, LAN2),
                    f'add {nat(UDP, 4001, 40001)} 60000 4 {EXT} 6000') == ['0'] * 5
    for proto in ('udp', 'tcp'):
        assert net.through('wan', (WAN, 7001), (WAN, 7001), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 4000)
        assert net.through('wan', (WAN, 7000), (WAN, 7000), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 40000)
        assert net.closed((EXT, 40000), proto, source=(WAN, 7002)) and net.closed((EXT, 40000), proto, source=(WAN2, 7000))
    d2 = d.commit(f'remove {nat(UDP, 4000, 40000)} 0 1 {WAN} 7000', f'add {nat(UDP, 4000, 40000)} 60000 1 {WAN} 7003',
                  f'add {nat(TCP, 4000, 40000)} 60000 2 {WAN} 7003')
    assert d2 == ['0'] * 3
    for proto in ('udp', 'tcp'):
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto, source=(WAN, 7003)).inner == (WAN, 7003)
    assert net.through('lan', (LAN6, 4000), (LAN6, 4000), source=(WAN6, 7000)).inner == (WAN6, 7000)
    assert net.closed((LAN6, 4000), source=(WAN6, 7001))
    assert net.through('lan2', (LAN2, 6000), (EXT, 6000), outer='lan', source=(LAN, 4001)).inner == (EXT, 40001)
    d.end('clear')


def test_flows(net):
    """Whatever comes about by a mapping changes the count, and nothing else does; no count comes again (6887-15-12)"""
    d = Driver(net, CHAIN)
    seen = []

    def count(changed):
        now = d.ask('flows')[0]
        assert len(now.split()) == 3, now
        if changed:
            assert now not in seen, (now, seen)
            seen.append(now)
        assert now == seen[-1], (now, seen)
    filtered = f'filters={WAN}/128:0'
    assert d.commit('add ' + nat(UDP, 4000, 40000), f'add nat {UDP} {LAN} 5000-5009 {EXT} 5000 60000 2',
                    f'add nat {UDP} {LAN} 4010 {EXT} 40010 60000 3 - 0 {filtered}',
                    f'add {nat(UDP, 4020, 40020)} 60000 4 {WAN} 7000',
                    f'add {nat(UDP, 4021, 40021)} 60000 9 {WAN} 6001', f'add pin {UDP} {LAN6} 4000 {LAN6} 4000 60000 5',
                    f'add pin {UDP} {LAN6} 4010 {LAN6} 4010 60000 6 - 0 filters={WAN6}/128:0',
                    f'add pin {UDP} {LAN6} 5000-5009 {LAN6} 5000 60000 7',
                    f'add pin {UDP} {LAN6} 4020 {LAN6} 4020 60000 8 {WAN6} 7000') == ['0'] * 9
    count(True)
    count(False)
    # not by a mapping
    net.through('wan', (WAN, 6000), (WAN, 6000), outer='lan', source=(LAN, 4999))
    assert net.closed((EXT, 41000))
    count(False)
    for inner, target, source in (((LAN, 4000), (EXT, 40000), (WAN, 0)), ((LAN, 5005), (EXT, 5005), (WAN, 0)),
                                  ((LAN, 4010), (EXT, 40010), (WAN, 0)), ((LAN, 4020), (EXT, 40020), (WAN, 7000)),
                                  ((LAN6, 4000), (LAN6, 4000), (WAN6, 0)), ((LAN6, 4010), (LAN6, 4010), (WAN6, 0)),
                                  ((LAN6, 5005), (LAN6, 5005), (WAN6, 0)), ((LAN6, 4020), (LAN6, 4020), (WAN6, 7000))):
        net.through('lan', inner, target, source=source)
        count(True)
    # begun inside
    for port in (4000, 5005, 4021):
        net.through('wan', (WAN, 6001), (WAN, 6001), outer='lan', source=(LAN, port))
        count(True)
    # if somebody may reset it, there is no telling; with another table it begins anew, with another number
    if net.run('gw', 'nft', 'reset', 'counter', 'inet', 'natpcpd', 'flows').returncode == 0:
        assert d.ask('flows')[0] == 'ESTALE'
    else:
        count(False)
    d.end('clear')
    d = Driver(net, CHAIN)
    count(True)
    d.end('clear')


def test_hairpin_same_socket(net):
    """A host that sends to its own mapping from the mapped port hears itself"""
    d = Driver(net, CHAIN)
    assert d.commit('add ' + nat(UDP, 4000, 40000)) == ['0']
    s = net.udp('lan', LAN, 4000, timeout=2)
    s.sendto(b'me', (EXT, 40000))
    data, peer = s.recvfrom(100)
    assert data == b'me' and peer[0] == EXT, (data, peer)
    s.sendto(b'back', peer)
    assert s.recvfrom(100)[0] == b'back'
    d.end('clear')


lab.main(globals())
