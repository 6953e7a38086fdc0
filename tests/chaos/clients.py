# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that others wrote, and our own: programs that ask once, repeat what is not answered, and say what came of it."""
import json
import os
import re
import subprocess
import time

import lab
from model import Entry
from pcp import TCP, UDP

DEADLINE_S = 30


class Clients:
    def __init__(self, net, model):
        self.net, self.model, self.running, self.ran = net, model, [], 0

    def begin(self, dice):
        """One of each, of hosts that nothing else asks for."""
        protocol, n, lifetime = dice.choice((UDP, TCP)), dice.randrange(3), dice.choice((2, 600, 3600))
        name = {UDP: 'udp', TCP: 'tcp'}[protocol]
        port, version = 4100 + n, dice.choice((0, 2))
        self.start('lan', (protocol, lab.LAN, port, None), lifetime, 0,
                   ['natpmpc', '-g', lab.GW, '-a', str(30000 + n), str(port), name, str(lifetime)])
        self.start('lan2', (protocol, lab.LAN2, port, None), lifetime, version,
                   [os.path.join(lab.BUILD, 'natpcpc'), '-j', '-s', lab.GW, '--pcp' if version else '--natpmp', '-t', str(DEADLINE_S - 1),
                    '-l', str(lifetime), 'map', name, str(port), str(31000 + n)])

    def start(self, side, key, lifetime, version, argv):
        p = subprocess.Popen(self.net.command(side, *argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        # until it says what it was told
        self.model.doubt(key, lifetime + DEADLINE_S)
        self.running.append((p, key, lifetime, version, time.monotonic()))
        self.ran += 1

    def end(self, away):
        """Waits for them. What is wrong: one that had no success, unless the daemon was away, which they take for an answer."""
        wrong = []
        for p, key, lifetime, version, began in self.running:
            try:
                out = p.communicate(timeout=DEADLINE_S)[0]
            except subprocess.TimeoutExpired:
                p.kill()
                p.communicate()
                continue  # nobody knows
            external, told = self.read(out)
            if away and (p.returncode or not external):
                continue
            if p.returncode or not external:
                wrong.append(('a client had no success', p.args[4:], p.returncode, out[-300:]))
            else:
                # made at some time between, by one protocol or the other, and maybe moved since
                old = self.model.entries.get(key)
                e = Entry((self.model.address, None if away else external), began + told, time.monotonic() + told + 1, None)
                e.high, e.open = max(e.high, old.high if old else 0), True
                self.model.entries[key] = e
        self.running = []
        return wrong

    @staticmethod
    def read(out):
        m = re.search(r'Mapped public port (\d+) .* liftime (\d+)', out)
        if m:
            return int(m[1]), int(m[2])
        try:
            r = json.loads(out)
            return (r['external_port'], r['lifetime_s']) if r.get('code') == 0 else (None, None)
        except (ValueError, KeyError):
            return None, None

    def close(self):
        for p, *_ in self.running:
            p.kill()
            p.communicate()
        self.running = []
