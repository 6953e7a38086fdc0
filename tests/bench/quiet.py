# SPDX-License-Identifier: GPL-2.0-or-later
"""What does not depend on what else the machine does: what an idle daemon takes, and instructions for each request."""
import glob
import os
import re
import time

from bed import Failed, Router, run

IDLE = 10000
HOUR_S = 3600
KINDS = ('address', 'create', 'renew', 'delete')


class Idle:
    """A daemon with mappings that nobody asks anything while other rows are measured."""

    def __init__(self, bed):
        self.router = Router(bed)
        self.router.natpcpd([('path = ""', f'path = "{self.router.dir}/leases.journal"')]).preload(IDLE)
        self.begin = None

    def counters(self):
        """Seconds on a processor, and how often it went to sleep, by all threads."""
        seconds, sleeps = 0.0, 0
        for task in glob.glob(f'/proc/{self.router.server.pid}/task/*'):
            with open(task + '/schedstat') as f:
                seconds += int(f.read().split()[0]) / 1e9
            with open(task + '/status') as f:
                sleeps += int(re.search(r'^voluntary_ctxt_switches:\s+(\d+)', f.read(), re.M).group(1))
        return time.monotonic(), seconds, sleeps

    def settled(self):
        """The journal of what was preloaded is on the disk, which takes 5 s and is not told; from now on it counts."""
        time.sleep(6)
        self.begin = self.counters()

    def end(self, report, seconds):
        wait = self.begin[0] + seconds - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        passed, busy, sleeps = (b - a for a, b in zip(self.begin, self.counters()))
        report.add('idle processor', busy * HOUR_S / passed, 's/hour', IDLE, seconds=passed)
        report.add('idle wake-ups', sleeps * HOUR_S / passed, '/hour', IDLE, seconds=passed)
        self.router.close()


def count(bed, kind, n, requests):
    out = os.path.join(bed.dir, 'callgrind.out')
    p = run('valgrind', '--tool=callgrind', f'--callgrind-out-file={out}', '--collect-atstart=no', '--toggle-collect=measured',
            bed.path('tests/bench/instructions'), kind, str(n), str(requests), capture_output=True)
    os.unlink(out)
    found = re.search(r'Collected : (\d+)', p.stderr)
    if not found:
        raise Failed(p.stderr)
    return int(found.group(1)) / requests


def instructions(bed, report, a):
    for n in a.instructions:
        for kind in KINDS:
            report.add('instructions', count(bed, kind, n, 1000), kind, n)
