# SPDX-License-Identifier: GPL-2.0-or-later
"""What clients were told, and what of it must be there now. Knows nothing of the daemon: only requests, answers, misfortunes."""
import time
from types import SimpleNamespace

SLACK_S, GRACE_S = 1.5, 15
LONGEST_S = 3600  # of the configuration


class Entry:
    """One port of one host, or one flow of it. It is sure (what was answered last) or unknown (an answer was lost)."""

    def __init__(self, external, low, high, version, nonce=None, head=None, filtered=None):
        self.external = external        # (address, port); port None: it moved and nobody asked yet
        self.low, self.high = low, high  # it ends between these
        self.version = version          # 0, 2; None: adopted, or nobody knows
        self.nonce, self.open = nonce, False  # open: another nonce may take it over
        self.head = head                # of a set: its first port
        self.filtered = filtered        # None, True: our packets may come in, False: they may not
        self.unknown = False

    def __repr__(self):
        now = time.monotonic()
        return f'<{"unknown " if self.unknown else ""}{self.external} {self.low - now:.1f}..{self.high - now:.1f} s v{self.version}>'


class Model:
    def __init__(self, address):
        self.address = address  # outside, None: there is none
        self.denied = set()     # hosts
        self.entries = {}       # (protocol, address, port, remote or None): Entry
        self.graves = []        # (protocol, external) of what has ended
        self.strict = True      # nothing but requests is going on: refusals need a reason
        self.history, self.begin = {}, time.monotonic()
        self.counts = SimpleNamespace(asked=0, answered=0, lost=0)

    def note(self, key, what):
        """For the report of a failure."""
        notes = self.history.setdefault(key, [])
        notes.append(f'{time.monotonic() - self.begin:.2f} {what}')
        del notes[:-12]

    # What becomes of entries

    def forget(self, key):
        e = self.entries.pop(key, None)
        self.note(key, f'forgotten: {e}')
        if e and not e.unknown and e.external[1]:
            self.graves.append((key[0], e.external))
            del self.graves[:-100]

    def doubt(self, key, seconds):
        """Something was asked about it, and nobody heard the answer."""
        e = self.entries.setdefault(key, Entry((None, None), 0, 0, None))
        e.unknown, e.head = True, None
        e.high = max(e.high, time.monotonic() + seconds)

    def expire(self):
        now = time.monotonic()
        for key in [k for k, e in self.entries.items() if e.high + SLACK_S < now]:
            self.forget(key)

    def sure(self, margin=SLACK_S):
        now = time.monotonic()
        return {k: e for k, e in self.entries.items() if not e.unknown and e.low > now + margin}

    # What misfortunes do

    def deny(self, hosts):
        self.denied = set(hosts)
        for key in [k for k in self.entries if k[1] in self.denied]:
            self.forget(key)

    def move(self, address):
        """Another outside address. A mapping keeps its port where it can; which one it has is told by updates, or asked for."""
        for key, e in self.entries.items():
            if e.external[0] and ':' not in key[1]:
                if e.external[1]:
                    self.graves.append((key[0], e.external))
                e.external = (address, None)
        self.address = address

    def open_nonces(self):
        for e in self.entries.values():
            e.open = True

    def adopted(self):
        """Only the packet filter knows them: no nonces, and sets may be single ports now."""
        self.open_nonces()
        for key, e in list(self.entries.items()):
            e.version = None
            if e.head is not None:
                self.doubt(key, LONGEST_S)

    def pass_time(self, seconds, uncertain=0):
        for e in self.entries.values():
            e.low -= seconds
            e.high += uncertain - seconds

    def lose_all(self):
        for key in list(self.entries):
            self.forget(key)

    # What is there, against what was told

    def wrong(self, shown):
        """shown: key -> (external address, port). A list of what is wrong."""
        self.expire()
        found = []
        for key, e in self.sure().items():
            there = shown.get(key)
            if not there:
                found.append(('answered, but not there', key, e))
            elif not self.agrees(e, there):
                found.append(('elsewhere than answered', key, e, there))
        for key, there in shown.items():
            e = self.entries.get(key)
            if key[1] in self.denied:
                found.append(('there, but forbidden', key, there))
            elif not e:
                found.append(('there, but not answered, or ended', key, there))
            elif not e.unknown and not self.agrees(e, there):
                found.append(('elsewhere than answered', key, e, there))
        return found

    @staticmethod
    def agrees(e, there):
        return e.external[0] == there[0] and e.external[1] in (None, there[1])
