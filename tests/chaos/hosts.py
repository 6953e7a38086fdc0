# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that ask: many addresses, each with a socket and one request at a time. What they ask comes from the dice alone."""
import random
import select
import struct
import time

import lab
import pcp
from model import Entry
from pcp import MAP, PEER, SUCCESS, TCP, UDP

V4 = [f'192.0.2.{n}' for n in range(20, 60)]
V6 = [f'2001:db8:1::{n:x}' for n in (*range(0x100, 0x108), *range(0x200, 0x208))]
LIFETIMES = (1, 2, 3, 20, 600, 600, 3600, 3600)
SINGLE, FILTERED, SETS, FLOWS, SET_ROOM = 4000, 5000, 6000, 4500, 8
# of each family a filter that lets our packets in, and one that does not
FILTERS = {4: ('198.51.100.0/24', '203.0.113.0/24'), 6: ('2001:db8:2::/64', '2001:db8:3::/64')}
REMOTE = {4: (lab.WAN, 7000), 6: (lab.WAN6, 7000)}
KINDS = ('natpmp',) * 12 + ('natpmp-delete',) * 3 + ('delete-all',) + ('map',) * 14 + ('delete',) * 4 + \
    ('foreign',) * 3 + ('filter',) * 3 + ('set',) * 3 + ('set-delete',) + ('peer',) * 2
KINDS6 = ('map',) * 8 + ('delete',) * 2 + ('foreign',) * 2 + ('filter',) * 2 + ('set',) * 2 + ('set-delete', 'peer')


class Ask:
    """A request that waits for its answer."""

    def __init__(self, kind, version, data, keys, lifetime, nonce=None, **more):
        self.kind, self.version, self.data, self.keys, self.lifetime, self.nonce = kind, version, data, keys, lifetime, nonce
        self.more = more
        self.sent = None


class Host:
    def __init__(self, net, model, address):
        self.model, self.address = model, address
        self.family = 6 if ':' in address else 4
        self.socket = net.udp('lan', address)
        self.socket.setblocking(False)
        self.server = (lab.GW6 if self.family == 6 else lab.GW, pcp.PORT)
        self.ask = None

    def nonce(self, protocol, port):
        return random.Random(f'{self.address} {protocol} {port}').randbytes(12)

    def key(self, protocol, port, remote=None):
        return (protocol, self.address, port, remote)

    def think(self, seed):
        """The next request; what is drawn does not depend on answers."""
        dice = random.Random(seed)
        kind = dice.choice(KINDS if self.family == 4 else KINDS6)
        protocol, n, size = dice.choice((UDP, TCP)), dice.randrange(4), dice.randrange(2, 7)
        lifetime = dice.choice(LIFETIMES)
        # an answer that came late is not taken for that to another request
        lifetime -= dice.randrange(100) if lifetime > 100 else 0
        wish = dice.choice((0, SINGLE + n, 40000 + dice.randrange(200)))
        other = dice.randbytes(12)
        return getattr(self, kind.replace('-', '_'))(protocol, n, size, lifetime, wish, other)

    def natpmp(self, protocol, n, _, lifetime, wish, __):
        port = SINGLE + n
        return Ask('natpmp', 0, pcp.natpmp_map(protocol, port, wish, lifetime), [self.key(protocol, port)], lifetime)

    def natpmp_delete(self, protocol, n, *_):
        port = SINGLE + n
        return Ask('natpmp-delete', 0, pcp.natpmp_map(protocol, port, 0, 0), [self.key(protocol, port)], 0)

    def delete_all(self, protocol, *_):
        keys = [k for k in self.model.entries if k[:2] == (protocol, self.address) and k[3] is None]
        return Ask('delete-all', 0, pcp.natpmp_map(protocol, 0, 0, 0), keys, 0)

    def build(self, kind, protocol, port, lifetime, wish=0, nonce=None, options=(), keys=None, **more):
        key = self.key(protocol, port)
        e = self.model.entries.get(key)
        nonce = nonce or (e.nonce if e and e.nonce else None) or self.nonce(protocol, port)
        any_ = '::' if self.family == 6 else '0.0.0.0'
        data = pcp.pcp_map(self.address, nonce, protocol, port, wish, any_, lifetime, options)
        return Ask(kind, 2, data, keys or [key], lifetime, nonce, **more)

    def map(self, protocol, n, _, lifetime, wish, __):
        return self.build('map', protocol, SINGLE + n, lifetime, wish)

    def delete(self, protocol, n, *_):
        return self.build('delete', protocol, SINGLE + n, 0)

    def foreign(self, protocol, n, _, lifetime, wish, other):
        e = self.model.entries.get(self.key(protocol, SINGLE + n))
        if not e or e.unknown:
            return self.map(protocol, n, None, lifetime, wish, None)
        return self.build('foreign', protocol, SINGLE + n, lifetime, wish, other)

    def filter(self, protocol, n, _, lifetime, wish, __):
        which = n % 2
        return self.build('filter', protocol, FILTERED + which, lifetime, wish and wish + 1000,
                          options=(pcp.peers(FILTERS[self.family][which]),), filtered=which == 0)

    def region(self, protocol, n):
        first = SETS + n % 2 * SET_ROOM
        return first, [self.key(protocol, first + i) for i in range(SET_ROOM)]

    def set(self, protocol, n, size, lifetime, wish, other):
        first, keys = self.region(protocol, n)
        if any(k in self.model.entries and self.model.entries[k].unknown for k in keys):
            return self.set_delete(protocol, n, size, lifetime, wish, other)
        option = pcp.option(pcp.PORT_SET, struct.pack('!HHB', size, first, 0))
        return self.build('set', protocol, first, lifetime, first if n < 2 else wish, options=(option,), keys=keys)

    def set_delete(self, protocol, n, size, lifetime, _, other):
        """What is unknown is made known port by port."""
        first, keys = self.region(protocol, n)
        entries = [self.model.entries.get(k) for k in keys]
        at = 0
        if any(e and e.unknown for e in entries):
            at = other[0] % SET_ROOM
        return self.build('set-delete', protocol, first + at, 0, nonce=self.nonce(protocol, first), keys=keys,
                          at=self.key(protocol, first + at))

    def peer(self, protocol, n, _, lifetime, __, ___):
        port, remote = FLOWS + n, REMOTE[self.family]
        nonce = self.nonce(protocol, port)
        any_ = '::' if self.family == 6 else '0.0.0.0'
        data = pcp.pcp_peer(self.address, nonce, protocol, port, remote[0], remote[1], 0, any_, lifetime)
        return Ask('peer', 2, data, [self.key(protocol, port, remote)], lifetime, nonce)

    def send(self, ask):
        self.read()  # what came too late, for which nobody waits
        self.ask = ask
        ask.sent = time.monotonic()
        self.model.counts.asked += 1
        try:
            self.socket.sendto(ask.data, self.server)
        except OSError:
            pass  # an error that came back for an earlier one

    def lose(self):
        """Nobody will answer any more."""
        self.model.counts.lost += 1
        for key in self.ask.keys:
            self.model.note(key, f'{self.ask.kind} for {self.ask.lifetime} s: no answer')
            if self.ask.kind in ('set', 'set-delete') or key in self.model.entries or self.ask.lifetime:
                self.model.doubt(key, self.ask.lifetime)
        self.ask = None

    def read(self):
        """Takes what has come. Returns what is wrong with it."""
        wrong = []
        while True:
            try:
                r = pcp.decode(self.socket.recv(2048))
            except BlockingIOError:
                return wrong
            except OSError:
                continue
            wrong += self.take(r)

    def take(self, r):
        a = self.ask
        if not a or r.version != a.version or (a.version == 2 and not self.fits(a, r)):
            self.update(r)
            return []
        self.ask = None
        self.model.counts.answered += 1
        for key in a.keys:
            self.model.note(key, f'{a.kind} for {a.lifetime} s: {r.result}, {getattr(r, "external", None)} for {getattr(r, "lifetime", None)} s')
        wrong = judge(self.model, self.address, a, r)
        settle(self.model, self, a, r)
        return [(w, a.kind, a.keys, f'result {r.result}', [self.model.entries.get(k) for k in a.keys[:1]]) for w in wrong]

    @staticmethod
    def fits(a, r):
        """The answer, not one of the updates that come unasked with the same nonce and the time that is left."""
        protocol, port = struct.unpack_from('!BxxxH', a.data, 36)
        if r.opcode != (PEER if a.kind == 'peer' else MAP) or r.nonce != a.nonce or r.protocol != protocol or \
                (r.result == SUCCESS and a.kind != 'peer' and r.lifetime != a.lifetime):
            return False
        # of a set each mapping that is touched is answered for itself
        return r.internal == port or a.kind == 'set' and any(k[2] == r.internal for k in a.keys)

    def update(self, r):
        """RFC 6887 14.2: a mapping moved. Also what a request for a set is answered with besides."""
        if r.version != 2 or r.opcode != MAP or r.result != SUCCESS or not r.lifetime:
            return
        e = self.model.entries.get(self.key(r.protocol, r.internal))
        if e and not e.unknown and e.head is None and r.address == self.model.address:
            e.external = (r.address, r.external)


def judge(model, host, a, r):
    """What of an answer cannot be right."""
    e = model.entries.get(a.keys[0]) if a.keys else None
    sure = e and not e.unknown and e.low > time.monotonic()
    wrong = []
    if r.result == SUCCESS and a.lifetime and host in model.denied and model.strict:
        wrong.append('a success for a host that is forbidden')
    if a.kind == 'foreign' and r.result == SUCCESS and sure and e.version == 2 and e.nonce and not e.open:
        wrong.append('a foreign nonce was taken')
    if not model.strict or host in model.denied or r.result == SUCCESS:
        return wrong
    if a.kind in ('natpmp', 'map', 'filter', 'peer') and not (e and e.unknown):
        wrong.append('refused without a reason')
    if a.kind == 'delete' and not (e and e.unknown):
        wrong.append("the owner's deletion was refused")
    return wrong


def settle(model, host, a, r):
    """What the answer says is so from now on."""
    key = a.keys[0] if a.keys else None
    if a.kind == 'delete-all':
        for k in a.keys:
            e = model.entries.get(k)
            if e and not e.unknown and e.version == 0:
                model.forget(k)
            elif e and e.version is None:
                model.doubt(k, 0)
    elif r.result != SUCCESS:
        return
    elif a.kind == 'set-delete':
        gone = model.entries.get(a.more['at'])
        for k in a.keys:
            e = model.entries.get(k)
            if k == a.more['at'] or (e and not e.unknown and gone and e.head is not None and e.head == gone.head):
                model.forget(k)
    elif a.kind in ('natpmp-delete', 'delete'):
        model.forget(key)
    elif a.kind == 'set':
        settle_set(model, host, a, r)
    else:
        settle_map(model, host, key, a, r)


def ends(a, seconds):
    return a.sent + seconds, time.monotonic() + seconds + 1


def settle_map(model, host, key, a, r):
    e = model.entries.get(key)
    low, high = ends(a, r.lifetime)
    if a.kind == 'peer':
        # the flow may live on by itself for longer than its mapping was asked for: RFC 6887 12.1
        low = min(low, a.sent + a.lifetime)
    external = (model.address if a.version == 0 else r.address, r.external)
    if a.version == 0 and e and (e.unknown or e.version != 0) and e.high > low - 1:
        # NAT-PMP is told of a mapping of PCP and what it has left, and does not change it
        if not e.unknown and e.version == 2 and e.low > time.monotonic():
            if e.external[1] is None:
                e.external = external
            return
        new = Entry(external, low, max(high, e.high), None, e.nonce)
        new.open = True
    else:
        new = Entry(external, low, high, a.version, a.nonce, filtered=a.more.get('filtered'))
    if e and not e.unknown and e.external != external and e.external[1]:
        model.graves.append((key[0], e.external))
    model.entries[key] = new


def settle_set(model, host, a, r):
    first, n = r.internal, 1
    for code, data in r.options:
        if code == pcp.PORT_SET:
            n, first = struct.unpack('!HH', data[:4])
    low, high = ends(a, r.lifetime)
    for i in range(n):
        external = (r.address, r.external - (r.internal - first) + i)
        key = host.key(r.protocol, first + i)
        model.entries[key] = Entry(external, low, high, 2, a.nonce, head=first if n > 1 else None)


def gather(hosts, seconds, enough=None):
    """Reads answers until all have come, or enough of them, or the time is over. Returns what is wrong, and who waits."""
    deadline, wrong, came = time.monotonic() + seconds, [], 0
    sockets = {h.socket: h for h in hosts}
    while True:
        waiting = [h for h in hosts if h.ask]
        if not waiting or (enough is not None and len(hosts) - len(waiting) >= enough):
            return wrong, waiting
        left = deadline - time.monotonic()
        if left <= 0:
            return wrong, waiting
        for s in select.select(list(sockets), [], [], left)[0]:
            wrong += sockets[s].read()

