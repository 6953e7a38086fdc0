# SPDX-License-Identifier: GPL-2.0-or-later
"""The packets of a run as the story of one client: what it asked, how often, what it was told and by whom, and which of that it
has to believe. Judges nothing."""
import ipaddress
import json
import os
import re

import verdict_pcap
from verdict_wire import CLIENT_PORT, SERVER_PORT, THIRD_PARTY, UNSUPP_VERSION, Message

GROUPS = ('224.0.0.1', 'ff02::1')
SAME_COPY_S = 0.05   # a copy that the network made comes soon after
CYCLE = 0.5          # a gap this much shorter than the one before begins anew
LOOKED_FOR_S = 0.03 # it takes no longer where nothing is lost
FORGOTTEN_S = 64    # an address that was found may have to be found again
MATTER = 32         # of what a client that floods repeats
UNHEARD_S = 5       # a kernel says so as soon as it knows where to
GAVE_UP_S, GAVE_UP = 10, 4  # and one that is so long, and so much longer, ends what was before


class Link:
    """What the cable may have hidden. The lab captures at the client's own end of it: all that the client sends, and only what it
    gets. A capture at the gateway ("seen_from": "gateway" in lab.json) sees what the faults of the cable let through to there."""

    def __init__(self, facts):
        text = ' '.join(self.words(facts.get('faults'))) if facts.get('seen_from') == 'gateway' else ''
        self.lossy, self.duplicates = self.amount(text, 'loss') > 0, self.amount(text, 'duplicate') > 0
        self.delay, self.jitter = self.amount(text, 'delay'), self.amount(text, 'jitter')
        # what is reordered goes without the delay
        if self.amount(text, 'reorder') > 0:
            self.jitter = max(self.jitter, self.delay)

    @classmethod
    def words(cls, faults):
        if isinstance(faults, dict):
            faults = [f'{k}={v}' for k, v in faults.items() if v]
        return [faults] if isinstance(faults, str) else [str(f) for f in faults or ()]

    @staticmethod
    def amount(text, option):
        """of option=30%, --option 200ms"""
        found = re.search(rf'(?:^|[ -]){option}[= ]+(\d[\d.]*)(ms|us|s|%|)(?=\s|$)', text)
        return float(found[1]) * {'us': 1e-6, 'ms': 1e-3}.get(found[2], 1) if found else 0.0


class Shot:
    """A request on the wire."""

    def __init__(self, packet):
        self.packet, self.number, self.at, self.message = packet, packet.number, packet.at, Message(packet.data)
        self.source, self.port, self.server = packet.source, packet.source_port, packet.destination


class Answer:
    """Something sent to the client as if by its gateway. bad: the rule by which it must not be believed, or None. unheard: the
    client had closed the socket."""

    def __init__(self, packet):
        self.packet, self.number, self.at, self.message = packet, packet.number, packet.at, Message(packet.data)
        self.source, self.source_port = packet.source, packet.source_port
        self.group = packet.destination in GROUPS
        self.bad, self.ask, self.unheard = None, None, False


class Ask:
    """One request, its retransmissions from the same socket, and what came back."""

    def __init__(self, key, shots):
        self.key, self.shots, self.answers, self.bad, self.refusals = key, shots, [], [], []
        self.next = self.before = None  # the ones for the same thing

    @property
    def first(self):
        return self.shots[0]

    @property
    def message(self):
        return self.shots[0].message

    @property
    def answered_at(self):
        return self.answers[0].at if self.answers else None

    @property
    def granted(self):
        """The first success that lets a mapping live."""
        return next((a for a in self.answers if a.message.result == 0 and a.message.lifetime and a.message.maps), None)

    def earlier(self):
        """Those before it for the same thing, the last one first; as many as matter."""
        ask, n = self.before, 0
        while ask and n < MATTER:
            yield ask
            ask, n = ask.before, n + 1

    def numbers(self):
        return [s.number for s in self.shots]

    def unanswered(self):
        """Transmissions before the first answer, or all."""
        return [s for s in self.shots if not self.answers or s.at < self.answered_at]


def thing_asked(shot):
    m = shot.message
    return shot.source, m.opcode, m.protocol, m.internal, m.remote, m.remote_port, m.option(THIRD_PARTY)


def both_families(shots):
    """What is wanted with an IPv4 and an IPv6 address outside, by a request for each (RFC 6887 10)."""
    wanted = {a: {thing_asked(s) for s in shots if s.message.maps and s.message.address == a} for a in ('0.0.0.0', '::')}
    return wanted['0.0.0.0'] & wanted['::']


def key_of(shot, both=()):
    """What a request is about: the same for its retransmissions and its renewals."""
    m = shot.message
    if m.version == 0:
        return 0, m.opcode, shot.source, m.internal, m.deletes
    if m.version != 2 or m.wrong:
        return m.version, m.opcode, shot.source, m.data
    thing = thing_asked(shot)
    return 2, *thing, ':' in m.address if thing in both else None, m.deletes


def thing_of(ask):
    """The mapping that a request is about, whichever protocol and whether it makes or ends it."""
    m = ask.message
    return (m.version, ask.first.source, m.opcode, m.protocol, m.internal, m.remote, m.remote_port, m.option(THIRD_PARTY))


class Story:
    def __init__(self, directory):
        with open(os.path.join(directory, 'lab.json')) as f:
            self.facts = json.load(f)
        self.packets = verdict_pcap.read(os.path.join(directory, 'lan.pcap'))
        plain = lambda names: {str(ipaddress.ip_address(n.partition('%')[0])) for n in names}
        self.client, self.gateway = plain(self.facts['client']), plain(self.facts['gateway'])
        self.external = plain(self.facts.get('external', ()))
        self.link = Link(self.facts)
        last = self.packets[-1].at if self.packets else 0
        self.begin = self.facts.get('begin') or (self.packets[0].at if self.packets else 0)
        self.end = self.facts.get('end') or last
        self.exit, self.stopped = self.facts.get('exit'), bool(self.facts.get('alive_at_end'))
        self.shots, self.asks, self.answers, self.news, self.others = [], [], [], [], []
        self.sockets, self.latest = {}, {}
        self.sought, self.blind = {}, []
        self.both = both_families([Shot(p) for p in self.packets if self.is_request(p)])
        for p in self.singled():
            self.take(p)

    def singled(self):
        """Without the copies of requests that the network made."""
        recent = []
        for p in self.packets:
            if self.link.duplicates and p.source in self.client:
                recent = [q for q in recent if p.at - q.at <= SAME_COPY_S + self.link.jitter]
                if any(p.same(q) for q in recent):
                    continue
                recent.append(p)
            yield p

    def is_request(self, p):
        return p.kind == 'udp' and p.source in self.client and p.destination_port == SERVER_PORT

    def look(self, p):
        """While a host looks for the other on the link, what it sends waits in its kernel, or is lost there."""
        if p.kind == 'seek' and p.source in self.client:
            self.sought.setdefault(p.destination, p.at)
        elif p.kind == 'found' and p.source in self.sought:
            begin = self.sought.pop(p.source)
            if p.at - begin > LOOKED_FOR_S:
                self.blind.append((p.source, begin, p.at))

    def hidden(self, ask):
        """True if some of its transmissions may have left late, or not at all: nothing is known of their times."""
        windows = self.blind + [(who, begin, self.end) for who, begin in self.sought.items()]
        first, last = ask.first.at, ask.shots[-1].at + FORGOTTEN_S
        return any(who == ask.first.server and begin < last and end > first - LOOKED_FOR_S for who, begin, end in windows)

    def take(self, p):
        if p.kind in ('seek', 'found'):
            self.look(p)
        elif p.kind == 'unreachable':
            self.refuse(p)
        elif self.is_request(p):
            self.ask(Shot(p))
        elif p.kind == 'udp' and p.destination in GROUPS and p.destination_port == CLIENT_PORT:
            if p.source not in self.client:
                self.announced(Answer(p))
        elif p.kind == 'udp' and p.destination in self.client and (p.destination, p.destination_port) in self.sockets:
            self.answer(Answer(p))
        elif p.source in self.client:
            self.others.append(p)

    def ask(self, shot):
        self.shots.append(shot)
        socket = self.sockets.setdefault((shot.source, shot.port), [])
        key = key_of(shot, self.both)
        before = self.latest.get(key)
        begun = []
        if before and (before.first.port, before.first.server) == (shot.port, shot.server) and not before.answers:
            if self.goes_on(before, shot):
                before.shots.append(shot)
                return
            if self.begins_anew(before, shot):
                begun = [before.shots.pop()]
        ask = Ask(key, [*begun, shot])
        if before:
            before.next, ask.before = ask, before
        self.latest[key] = ask
        self.asks.append(ask)
        socket.append(ask)

    def goes_on(self, ask, shot):
        """False if the client had given up, or began its schedule anew."""
        gap = shot.at - ask.shots[-1].at
        before = ask.shots[-1].at - ask.shots[-2].at if len(ask.shots) > 1 else 0
        return not self.begins_anew(ask, shot) and (gap <= GAVE_UP_S or gap <= GAVE_UP * before or self.link.lossy)

    @staticmethod
    def begins_anew(ask, shot):
        """True if it did so with the request before this one."""
        return len(ask.shots) > 2 and shot.at - ask.shots[-1].at < CYCLE * (ask.shots[-1].at - ask.shots[-2].at)

    def refuse(self, p):
        if p.source in self.client:
            for answer in self.answers[-8:]:
                q = answer.packet
                if (q.source, q.source_port, q.destination_port) == (p.destination, p.destination_port, p.source_port) and \
                        q.data == p.data and p.at - q.at < UNHEARD_S:
                    answer.unheard = True
            return
        for ask in self.sockets.get((p.destination, p.destination_port), ()):
            if ask.first.server == p.source and not ask.answers:
                ask.refusals.append(p)

    def announced(self, answer):
        m = answer.message
        if m.wrong or not m.response or m.opcode != 0:
            answer.bad = 'garbage'
        elif answer.source not in self.gateway:
            answer.bad = 'source'
        elif answer.source_port != SERVER_PORT:
            answer.bad = 'port'
        self.news.append(answer)

    def answer(self, answer):
        """To a socket that has asked: whom it answers, or why it must not be believed."""
        self.answers.append(answer)
        asks = self.sockets[(answer.packet.destination, answer.packet.destination_port)][-MATTER:]
        reasons = [(self.mismatch(ask, answer), ask) for ask in reversed(asks)]
        fits = [ask for reason, ask in reasons if reason is None]
        if fits:
            # one that waits, before one that has its answer
            answer.ask = next((a for a in fits if not a.answers), fits[0])
            answer.ask.answers.append(answer)
            return
        # told most by the request that it fits best
        order = ('nonce', 'length', 'source', 'port', 'short', 'request', 'version', 'opcode', 'unasked')
        answer.bad, answer.ask = min(reasons, key=lambda r: (order.index(r[0]), bool(r[1].answers)))
        waiting = next((a for a in asks if not a.answers), None)
        if answer.bad in ('short', 'request', 'version', 'opcode', 'unasked', 'length') and waiting:
            answer.ask = waiting
        answer.ask.bad.append(answer)

    def mismatch(self, ask, answer):
        """Why an answer is none to this request, by RFC 6886 3.2 and 3.3 or RFC 6887 8.3, 11.4 and 12.4; None if it is one."""
        q, m = ask.message, answer.message
        if m.wrong == 'short':
            return 'short'
        if not m.response:
            return 'request' if m.version in (0, 2) else 'version'
        if m.wrong:
            return m.wrong
        if m.version != q.version and m.result != UNSUPP_VERSION:
            return 'version'
        if m.opcode != q.opcode and m.version == q.version:
            return 'opcode'
        same = m.result == UNSUPP_VERSION or m.internal is None or \
            (m.internal, m.protocol, m.remote, m.remote_port) == (q.internal, q.protocol, q.remote, q.remote_port)
        if not same:
            return 'unasked'
        if answer.source != ask.first.server:
            return 'source'
        if answer.source_port != SERVER_PORT:
            return 'port'
        if m.nonce is not None and m.nonce not in [s.message.nonce for s in ask.shots]:
            return 'nonce'
        return None

    def alive(self, at):
        return at <= self.end

    def said_nothing(self, begin, end):
        """True if no gateway said anything to the client in that time."""
        return not any(begin < a.at < end for a in self.answers if not a.bad)

    def describe(self, number):
        """A packet in a line: time since the begin, direction, octets, meaning."""
        p = next((p for p in self.packets if p.number == number), None)
        if p is None:
            return ''
        out = p.source in self.client
        near, far = (p.source, p.source_port), (p.destination, p.destination_port)
        if not out:
            near, far = far, near
        show = lambda a: f'[{a[0]}]:{a[1]}' if ':' in a[0] else f'{a[0]}:{a[1]}'
        what = 'port unreachable, from ' + p.source if p.kind == 'unreachable' else p.kind
        if p.kind == 'udp' and {p.source_port, p.destination_port} & {SERVER_PORT, CLIENT_PORT}:
            short = p.data.hex() if len(p.data) <= 60 else p.data[:60].hex() + '...'
            what = f'{Message(p.data).says()} [{len(p.data)}: {short}]'
        return f'{p.at - self.begin:9.3f} s  {show(near)} {"->" if out else "<-"} {show(far)}  {what}'
