# SPDX-License-Identifier: GPL-2.0-or-later
"""The router of the chaos test: the daemon with its journal on a small disk, the packet filter's own list, real packets."""
import errno
import ipaddress
import json
import os
import select
import signal
import socket
import subprocess
import time

import journal
import lab
import probe
from lab import EXT, wait

GATEWAY = bytes.fromhex('02005e005301')  # br-lan, as lab.sh made it
DISK_OCTETS = 6 << 20
PROTOCOLS = {'tcp': 6, 'udp': 17}
GROUPS = ('192.0.2.16/28', '192.0.2.32/28', '192.0.2.48/28', '2001:db8:1::100/120')


def number(name):
    return PROTOCOLS.get(name, name)


class World:
    def __init__(self, net):
        self.net, self.daemon, self.last_log = net, None, []
        self.address = EXT
        self.disk = os.path.join(net.dir, 'disk')
        os.mkdir(self.disk)
        # a mount namespace of its own holds the disk for as long as its standard input is open
        self.holder = subprocess.Popen(['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size="$1" chaos "$2" && echo up && exec cat',
                                        'sh', str(DISK_OCTETS), self.disk], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.holder.stdout.readline() == 'up\n', 'no tmpfs'
        self.seen = f'/proc/{self.holder.pid}/root{self.disk}'
        self.path = os.path.join(self.seen, 'state/leases.journal')
        self.denied, self.sync = (), 'interval'
        self.owners = {n: net.nft('-s', 'list', 'table', *n.split()) for n in ('inet filter', 'inet nat')}
        self.port = 20000
        self.ears = [probe.ear(net.ns(side)) for side in ('lan', 'lan2')]
        for s in self.ears:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def close(self):
        for s in self.ears:
            s.close()
        self.holder.stdin.close()
        self.holder.wait(lab.SOON_S)
        self.holder.stdout.close()

    # The daemon

    def text(self):
        rules = ''.join(f'rule "no {i}" {{ action = deny  clients = {{ "{GROUPS[i]}" }} }}\n' for i in self.denied)
        return lab.conf('limits { requests-per-second = 0 }\nlifetime { min = 1  max = 3600  hold = 2 }\n',
                        rule=rules + 'rule "hosts" { action = allow }',
                        journal=f'journal {{ path = "{self.disk}/state/leases.journal"  sync = {self.sync} }}',
                        log='log { level = "info" }')

    def start(self):
        self.daemon = self.net.daemon(self.text(), prefix=('nsenter', '-t', str(self.holder.pid), '-m'))

    def end(self, sig=signal.SIGKILL):
        d, self.daemon = self.daemon, None
        assert d.process.poll() is None, f'natpcpd ended by itself with {d.process.poll()}: {d.log()[-3000:]}'
        d.process.send_signal(sig)
        code = d.end()
        assert code == (-9 if sig == signal.SIGKILL else 0), (code, d.log()[-3000:])
        self.net.daemons.remove(d)
        d.process.stdout.close()
        d.process.stderr.close()
        self.last_log = d.lines[-60:]

    def reload(self):
        self.daemon.reload(self.text())

    # What surrounds it

    def owned(self):
        return 'flags owner' in self.net.run('gw', 'nft', '-s', 'list', 'table', 'inet', 'natpcpd').stdout[:200]

    def flush(self):
        self.net.nft('flush', 'ruleset')
        self.net.nft('-f', '-', input=''.join(self.owners.values()))

    def table_gone(self):
        return self.net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd').returncode == 0

    def forget_flows(self):
        self.net.sh('gw', 'conntrack', '-F')

    def wan(self, address):
        if self.address:
            self.net.ip('gw', 'addr', 'del', self.address + '/24', 'dev', 'wan0')
        if address:
            self.net.ip('gw', 'addr', 'add', address + '/24', 'dev', 'wan0')
            self.net.run('gw', 'ip', 'route', 'replace', 'default', 'via', lab.WAN)
        self.address = address
        if self.daemon:
            wait(lambda: [a for a in self.daemon.status()['externals'][0]['addresses'] if ':' not in a] ==
                 ([address] if address else []))

    def fill_disk(self):
        with open(os.path.join(self.seen, 'filler'), 'ab', buffering=0) as f:
            try:
                while True:
                    f.write(bytes(65536))
            except OSError as e:
                assert e.errno == errno.ENOSPC, e

    def free_disk(self):
        try:
            os.unlink(os.path.join(self.seen, 'filler'))
        except FileNotFoundError:
            pass

    def past(self):
        return journal.replay(self.path)

    # What is there

    def shown(self):
        """key -> external, of all that the daemon shows; and what is wrong in itself."""
        shown, wrong, outside, filtered = {}, [], {}, set()
        for x in self.daemon.leases():
            for i in range(x.get('ports', 1)):
                remote = None
                if 'peer' in x:
                    address, _, port = x['peer'].rpartition(':')
                    remote = (address.strip('[]'), int(port))
                key = (number(x['protocol']), x['internal_address'], x['internal_port'] + i, remote)
                there = (x['external_address'], x['external_port'] + i)
                if key in shown:
                    wrong.append(('shown twice', key))
                shown[key] = there
                # several flows of one inner side share the outer one
                if outside.setdefault((key[0], *there, remote), key)[:3] != key[:3]:
                    wrong.append(('an external port twice', key, outside[(key[0], *there, remote)], there))
                if 'filters' in x:
                    filtered.add(key[:1] + there)
        return shown, filtered, wrong

    def kernel(self):
        """The same as the packet filter has it, from both directions; None if there is no table."""
        p = self.net.run('gw', 'nft', '-j', 'list', 'table', 'inet', 'natpcpd')
        if p.returncode:
            return None
        into, out, filtered = {}, {}, set()
        for o in json.loads(p.stdout)['nftables']:
            s = o.get('map') or o.get('set') or {}
            for e in s.get('elem', []):
                element(s['name'], e, into, out, filtered)
        return into, out, filtered

    def compare(self, model):
        """Everything that is wrong now."""
        shown, filtered, wrong = self.shown()
        k = self.kernel()
        if not k:
            return wrong + [('there is no table',)]
        into, out, kernel_filtered = k
        if into != shown:
            wrong.append(('shown and kernel differ', sorted(set(shown.items()) ^ set(into.items()), key=str)))
        nat = {key: there for key, there in into.items() if ':' not in key[1]}
        if nat != out:
            wrong.append(('in and out differ', sorted(set(nat.items()) ^ set(out.items()), key=str)))
        if filtered != kernel_filtered:
            wrong.append(('filters differ', filtered ^ kernel_filtered))
        return wrong + model.wrong(shown)

    def settled(self, model, seconds=30.0):
        """compare(), until nothing is wrong. What is wrong to the last."""
        deadline = time.monotonic() + seconds
        while True:
            assert self.daemon.process.poll() is None, f'natpcpd ended by itself: {self.daemon.log()[-3000:]}'
            wrong = self.compare(model)
            if not wrong or time.monotonic() > deadline:
                return wrong

    # Packets

    def packets(self, good, bad, seconds=lab.SOON_S):
        """good: (protocol, external, inside) must get there, bad: (protocol, external) must not. What is wrong."""
        probes = [Probe(self, p, external, None) for p, external in bad]
        probes += [Probe(self, p, external, inside) for p, external, inside in good]
        for s in self.ears:
            drain(s)
        for p in probes:
            p.send()
        wrong, deadline, again = [], time.monotonic() + seconds, time.monotonic() + 0.1
        while any(p.inside for p in probes) and time.monotonic() < deadline:
            for s in select.select(self.ears, [], [], max(0, again - time.monotonic()))[0]:
                wrong += listen(s, probes)
            if time.monotonic() >= again:
                again = time.monotonic() + 0.1
                for p in probes:
                    p.send()
        for s in self.ears:
            wrong += listen(s, probes)
        wrong += [('no packet gets there', p.protocol, p.external, p.inside) for p in probes if p.inside]
        for p in probes:
            p.socket.close()
        return wrong


class Probe:
    """A new flow from outside. inside: where it must get; None: nowhere, or it has got there."""

    def __init__(self, world, protocol, external, inside):
        self.protocol, self.external, self.inside, self.bad = protocol, external, inside, inside is None
        v6 = ':' in external[0]
        world.port = world.port + 1 if world.port < 59999 else 20000
        self.port = world.port
        with probe.inside(world.net.ns('wan')):
            self.socket = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,
                                        socket.SOCK_DGRAM if protocol == 17 else socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.bind((lab.WAN6 if v6 else lab.WAN, self.port))
        self.started = False

    def send(self):
        try:
            if self.protocol == 17 and (self.inside or not self.started):
                self.socket.sendto(b'anybody there?', self.external)
            elif not self.started:
                self.socket.connect(self.external)  # the kernel sends again by itself
        except OSError:
            pass
        self.started = True


def drain(s):
    s.setblocking(False)
    try:
        while True:
            s.recv(2048)
    except BlockingIOError:
        pass


def listen(ear, probes):
    wrong, by = [], {(p.protocol, p.port): p for p in probes}
    try:
        while True:
            frame = ear.recv(2048)
            t = probe.transport(frame)
            p = by.get((t[0], t[1])) if t else None
            if not p:
                continue
            if frame[6:12] != GATEWAY:
                continue  # on its way out
            v6 = frame[12:14] == b'\x86\xdd'
            to = (str(ipaddress.ip_address(frame[38:54] if v6 else frame[30:34])), t[2])
            if p.bad:
                wrong.append(('a packet gets where nothing is open', p.protocol, p.external, to))
            elif p.inside and to == p.inside:
                p.inside = None
            elif p.inside:
                wrong.append(('a packet gets to another host', p.protocol, p.external, to, p.inside))
    except BlockingIOError:
        return wrong


def ports(part):
    """A port, or what nft makes of a range of them."""
    if isinstance(part, dict) and 'range' in part:
        return range(part['range'][0], part['range'][1] + 1)
    if isinstance(part, dict) and 'prefix' in part:
        n = 1 << 16 - part['prefix']['len']
        return range(int(part['prefix']['addr']), int(part['prefix']['addr']) + n)
    return range(part, part + 1)


def element(name, e, into, out, filtered):
    """One element, told as mappings: into the network, out of it, or a filter of one."""
    data = None
    if isinstance(e, list):
        e, data = e
    e = e['elem']['val'] if isinstance(e, dict) and 'elem' in e else e
    if not isinstance(e, dict) or 'concat' not in e:
        return  # an interface
    key, data = e['concat'], data['concat'] if isinstance(data, dict) else data
    protocol = number(key[0])
    if name.startswith('from'):
        filtered.add((protocol, key[1], key[2]))
        return
    remote = (key[3], key[4]) if 'peer' in name else None
    for i, port in enumerate(ports(key[2])):
        if 'pin' in name:
            into[protocol, key[1], port, remote] = (key[1], port)
        elif 'dnat' in name:
            inside = (data[0], data[1]) if isinstance(data, list) else (data, port)
            into[protocol, inside[0], inside[1], remote] = (key[1], port)
        elif 'snat' in name:
            out[protocol, key[1], port, remote] = tuple(data) if isinstance(data, list) else (data, port)
