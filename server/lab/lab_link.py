# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad line between a host and the rest of its LAN: by the kernel's netem where there is one, else by a process that
does the same to each frame."""
import heapq
import os
import random
import re
import select
import signal
import socket
import time

import lab_ns
import lab_pcap

OPTIONS = ('delay', 'jitter', 'loss', 'duplicate', 'reorder')
SHARES = {'duplicate': 10.0, 'reorder': 25.0}  # percent, where no other is said
REORDER_DELAY_MS = 10  # without a delay there is nothing to overtake
OUTGOING = socket.PACKET_OUTGOING


def share(text):
    m = re.fullmatch(r'(\d+(?:\.\d+)?)\s*%', text)
    if not m or float(m[1]) > 100:
        raise ValueError(f'{text} is not a share, such as 30%')
    return float(m[1])


def duration_ms(text):
    m = re.fullmatch(r'(\d+(?:\.\d+)?)\s*(us|ms|s|m|h)', text)
    if not m:
        raise ValueError(f'{text} is not a time, such as 200ms')
    return float(m[1]) * {'us': 0.001, 'ms': 1, 's': 1000, 'm': 60000, 'h': 3600000}[m[2]]


class Faults:
    """What befalls frames in one direction. Values are milliseconds and percent."""

    def __init__(self, delay=0, jitter=0, loss=0, duplicate=0, reorder=0):
        self.jitter, self.loss, self.duplicate, self.reorder = jitter, loss, duplicate, reorder
        self.delay = delay or (REORDER_DELAY_MS if reorder else 0)

    def netem(self):
        """The arguments of tc."""
        words = []
        if self.delay or self.jitter:
            words += ['delay', f'{self.delay:g}ms'] + ([f'{self.jitter:g}ms'] if self.jitter else [])
        for name in ('loss', 'duplicate', 'reorder'):
            if getattr(self, name):
                words += [name, f'{getattr(self, name):g}%']
        return ['netem', 'limit', '10000', *words]

    def times(self, chance):
        """After how many milliseconds each copy of a frame arrives: none, one, or two."""
        if chance() * 100 < self.loss:
            return []
        late = max(0.0, self.delay + (2 * chance() - 1) * self.jitter)
        if chance() * 100 < self.reorder:
            late = 0.0
        return [late] * (2 if chance() * 100 < self.duplicate else 1)


def has_netem():
    """Whether this kernel has netem; asked in a network that is thrown away."""
    net = lab_ns.network()
    try:
        lab_ns.run(net, ['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'loss', '1%'])
        return True
    except (lab_ns.NoLab, lab_ns.Broken):
        return False
    finally:
        os.close(net)


class Line:
    """A process between two interfaces: what comes in at one leaves by the other."""

    def __init__(self, net, ends, faults, seed):
        self.sockets = [lab_ns.inside(net, lambda e=e: lab_pcap.packet_socket(e)) for e in ends]
        self.faults = faults  # of what comes in at the first end, and at the second
        self.random = random.Random(seed)
        self.pid = lab_ns.fork(net, self.work)
        for s in self.sockets:
            s.close()

    def take(self, i, queue):
        frame, address = self.sockets[i].recvfrom(65535)
        if address[2] == OUTGOING:
            return
        now = time.monotonic()
        for late in self.faults[i].times(self.random.random):
            # the count keeps the order of those that are due together
            heapq.heappush(queue, (now + late / 1000, self.count, 1 - i, frame))
            self.count += 1

    def work(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.count, queue = 0, []
        while True:
            now = time.monotonic()
            while queue and queue[0][0] <= now:
                _, _, out, frame = heapq.heappop(queue)
                try:
                    self.sockets[out].send(frame)
                except OSError:  # the interface is down, or the frame too long: lost
                    pass
            wait = max(0.0, queue[0][0] - time.monotonic()) if queue else None
            for s in select.select(self.sockets, (), (), wait)[0]:
                self.take(self.sockets.index(s), queue)
