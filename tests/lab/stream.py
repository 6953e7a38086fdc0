#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A flow that runs while something happens, and how long it was broken, counted in packets.

  stream.py NSIN NSOUT PROTO LANIP LANPORT EXTIP EXTPORT [fresh|oneway]
      from NSOUT a packet every millisecond to EXTIP:EXTPORT, each answered by LANIP:LANPORT in NSIN, until standard input
      ends and some more have been sent; then one line of JSON. fresh: each datagram is a flow of its own. oneway: nobody answers.

    sent      packets
    lost      those of them that did not arrive, or whose answer did not (TCP: those that were sent again, and not in vain)
    after     how many came through in a row at the end (TCP: all that were answered)
    gap_ms    from the last one before the longest row of lost ones to the first one after it, by the times when they were
              sent; 0 if none was lost: what delays this process does not count (TCP: the slowest answer)
    broken    TCP: somebody ended the connection
"""
import json
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import probe

EVERY_S, FIRST, LAST, STRAGGLERS_S = 0.001, 20000, 59999, 0.3
MORE = 60  # packets after the end of standard input, so that there is something to be seen of how it is then


class Datagrams:
    def __init__(self, inner, local, outer, target, how):
        self.outer, self.how = outer, how
        self.target = probe.resolve(outer, *target)
        self.source = '::' if ':' in target[0] else ''
        self.server = probe.udp(inner, *local)
        self.client = probe.udp(outer, self.source)
        self.times, self.back, self.port = [], [], FIRST
        for s in (self.server, self.client):
            s.setblocking(False)

    def sockets(self):
        return [self.server, self.client]

    def send(self):
        data = struct.pack('!I', len(self.times))
        self.times.append(time.monotonic())
        self.back.append(False)
        try:
            if self.how == 'fresh':
                with probe.udp(self.outer, self.source, self.port) as s:
                    s.sendto(data, self.target)
                self.port = self.port + 1 if self.port < LAST else FIRST
            else:
                self.client.sendto(data, self.target)
        except OSError:
            pass  # an error that came back for an earlier one, or no way out: this one is lost

    def read(self, s):
        try:
            while True:
                data, peer = s.recvfrom(100)
                if s is self.server and self.how == '':
                    s.sendto(data, peer)
                else:
                    self.back[struct.unpack('!I', data)[0]] = True
        except OSError:
            pass

    def complete(self):
        return all(self.back)

    def result(self):
        gap, last = 0.0, None
        times = [*self.times, time.monotonic()]
        for i, came in enumerate([*self.back, True]):
            if came:
                if last is not None and i - last > 1 or last is None and i > 0:
                    gap = max(gap, times[i] - times[last or 0])
                last = i
        after = next((i for i, came in enumerate(reversed(self.back)) if not came), len(self.back))
        return {'sent': len(self.back), 'lost': self.back.count(False), 'after': after, 'gap_ms': round(gap * 1000, 1), 'broken': False}


class Connection:
    def __init__(self, inner, local, outer, target, _):
        listener = probe.tcp(inner, *local)
        listener.listen(1)
        self.client = probe.tcp(outer, '::' if ':' in target[0] else '')
        self.client.connect(probe.resolve(outer, *target))
        self.server = listener.accept()[0]
        listener.close()
        self.times, self.answered, self.slowest, self.rest, self.broken = [], 0, 0.0, b'', False
        for s in (self.server, self.client):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.setblocking(False)

    def sockets(self):
        return [] if self.broken else [self.server, self.client]

    def send(self):
        try:
            if not self.broken and self.client.send(struct.pack('!I', len(self.times))) == 4:
                self.times.append(time.monotonic())
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True

    def read(self, s):
        try:
            data = s.recv(65536)
            if s is self.server:
                s.send(data)
                return
        except BlockingIOError:
            return
        except OSError:
            self.broken = True
            return
        self.rest += data
        for _ in range(len(self.rest) // 4):
            self.slowest = max(self.slowest, time.monotonic() - self.times[self.answered])
            assert struct.unpack('!I', self.rest[:4])[0] == self.answered
            self.answered, self.rest = self.answered + 1, self.rest[4:]

    def complete(self):
        return self.broken or self.answered == len(self.times)

    def again(self, s):
        """What was sent again for it was lost, but not what its receiver says that it has twice: that was late."""
        info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 232)
        return max(0, struct.unpack_from('=I', info, 100)[0] - (struct.unpack_from('=I', info, 216)[0] if len(info) >= 220 else 0))

    def result(self):
        missing = len(self.times) - self.answered
        slowest = max(self.slowest, time.monotonic() - self.times[self.answered] if missing else 0)
        return {'sent': len(self.times), 'lost': self.again(self.client) + self.again(self.server) + missing, 'after': self.answered,
                'gap_ms': round(slowest * 1000, 1), 'broken': self.broken}


def main(argv):
    if len(argv) not in (8, 9) or argv[3] not in ('udp', 'tcp'):
        print(__doc__, file=sys.stderr)
        return 2
    inner, outer, proto, local, local_port, target, target_port = argv[1:8]
    flow = (Connection if proto == 'tcp' else Datagrams)(
        inner, (local, int(local_port)), outer, (target, int(target_port)), argv[8] if len(argv) == 9 else '')
    print('running', flush=True)
    due, more = time.monotonic(), None
    while more is None or more > 0:
        now = time.monotonic()
        if now >= due:
            flow.send()
            due = max(due + EVERY_S, now)
            more = more and more - 1
        ears = flow.sockets() + ([sys.stdin] if more is None else [])
        readable, _, _ = select.select(ears, [], [], max(0, due - time.monotonic()))
        for s in readable:
            if s is sys.stdin:
                more = MORE
            else:
                flow.read(s)
    # what is on its way comes, or nothing does while somebody listens
    while not flow.complete() and (readable := select.select(flow.sockets(), [], [], STRAGGLERS_S)[0]):
        for s in readable:
            flow.read(s)
    print(json.dumps(flow.result()), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
