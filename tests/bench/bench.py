#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast natpcpd is, against what the kernel lets anybody be: as root, in namespaces of its own.

usage: bench.py BUILD_DIR [--rows NAME,...] [--rounds N] [--count N] [--n N ...] [--windows N ...] ...

natpcpd and the one that it is compared with take turns (A B A B ...) on routers that differ in nothing else; each figure is
the median of the rounds. The floor receives, sends one nftables batch with the two elements of each mapping, and answers: no
server that tells the truth can be faster on this machine. A row that has a goal says whether it is met; nothing fails by it.
"""
import argparse
import os
import signal
import subprocess
import sys
import time

import flooding
import forward
import peer
import plot
import quiet
import rates
import restore
import strain
from bed import CONF, Bed, Failed, Router, run
from report import Report, goal

RESTORE_MAX = 1.5


def restored(bed, report, a):
    r = Router(bed)
    for row in restore.rows(r, bed.build, bed.dir, CONF, a.restore, min(a.rounds, 3), run):
        more = goal(f'<= {RESTORE_MAX} x the bare cost', row['ratio'] <= RESTORE_MAX) if row['what'] == 'restore' else {}
        report.add(row['what'], row['seconds'], 's', row['n'], against=row['floor_seconds'], ratio=row['ratio'],
                   octets_per_lease=row['octets_per_lease'], **more)
    r.close()


ROWS = {'instructions': quiet.instructions, 'address': rates.address, 'create': rates.create, 'miniupnpd': peer.peer,
        'flows': forward.flows, 'throughput': forward.throughput, 'fair': strain.fair, 'flood': flooding.flooding, 'dropped': flooding.dropped,
        'burst': strain.burst, 'restore': restored}


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument('build')
    p.add_argument('--rows', default='idle,' + ','.join(ROWS), help='some of: %(default)s')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--count', type=int, default=5000, help='requests, or connections, in a round')
    p.add_argument('--n', type=int, nargs='*', dest='counts', default=[0, 1000, 10000, 100000, 1000000])
    p.add_argument('--windows', type=int, nargs='*', default=[1, 16, 64, 256])
    p.add_argument('--half-load', type=int, default=100000, help='the N at which it is measured')
    p.add_argument('--flows', type=int, nargs='*', default=[1, 2000, 60000, 1000000])
    p.add_argument('--iperf-seconds', type=int, default=1)
    p.add_argument('--burst', type=int, default=100000)
    p.add_argument('--restore', type=int, nargs='*', default=[100000, 1000000])
    p.add_argument('--instructions', type=int, nargs='*', default=[1000, 10000])
    p.add_argument('--idle-seconds', type=int, default=60)
    p.add_argument('--json')
    p.add_argument('--svg')
    a = p.parse_args()
    a.rows = a.rows.split(',')
    if set(a.rows) - {'idle', *ROWS}:
        p.error(f'rows are {", ".join(["idle", *ROWS])}')
    return a


def measure(report, a):
    """The rows that could not be measured."""
    failed = []
    with Bed(a.build) as bed:
        idle = quiet.Idle(bed) if 'idle' in a.rows else None
        for i, name in enumerate(n for n in ROWS if n in a.rows):
            begin = time.monotonic()
            try:
                ROWS[name](bed, report, a)
            except (Failed, subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
                failed.append(name)
                print(f'bench: {name}: {e}\n{getattr(e, "stderr", None) or ""}', file=sys.stderr)
                for r in [r for r in bed.routers if not idle or r is not idle.router]:
                    r.close()
            report.took[name] = time.monotonic() - begin
            if idle and i == 0:
                idle.settled()
        if idle and idle.begin is None:
            idle.settled()
        if idle:
            idle.end(report, a.idle_seconds)
    return failed


def main():
    a = arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs us may have left it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid():
        return 'bench: namespaces and nftables need root'
    report = Report()
    report.head(a.rounds)
    try:
        failed = measure(report, a)
    except KeyboardInterrupt:
        return 130
    except Failed as e:
        return f'bench: {e}'
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as e:
        return f'bench: {e}\n{e.stderr or ""}'
    report.tail()
    if a.json:
        report.write(a.json, rounds=a.rounds, count=a.count)
    if a.svg:
        with open(a.svg, 'w') as f:
            f.write(plot.picture(report.rows, report.machine))
    return f'bench: not measured: {", ".join(failed)}' if failed else 0


if __name__ == '__main__':
    sys.exit(main())
