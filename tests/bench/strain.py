# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host that asks now and then sees of others: of those whose mappings all end at once, and of one that floods."""
import subprocess
import time

from bed import LIMITED, UNLIMITED, Router
from report import goal, middle

P99_MS = 10
BATCHES = 4  # in as many seconds, and all end in the same one
# polite: 20 hosts with 50 requests a second each, so that the limit for a host, 100, is nothing to them
POLITE, POLITE_CLIENTS, POLITE_RATE = '198.19.0.1', 20, 1000
OTHERS, OTHERS_RATE = '198.19.64.1', 10000
FLOODER = '198.19.128.1'
POLITE_S = 1.2
HOLD_S = 4  # that the ports of mappings that ended are kept
ROUNDS = 3  # no ratios of rates, and long


def polite(r, seconds=POLITE_S):
    return r.load('map', 1, int(POLITE_RATE * seconds), 0, first=POLITE, clients=POLITE_CLIENTS,
                  options=('-r', POLITE_RATE), strict=False)


def beside(bed, command, what):
    """Runs what() while command runs."""
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    bed.processes.append(p)
    try:
        return what()
    finally:
        p.kill()
        p.wait()
        bed.processes.remove(p)


def under_load(bed, r):
    return beside(bed, r.command('map', 1, 3 * OTHERS_RATE, 0, first=OTHERS, options=('-r', OTHERS_RATE)), lambda: polite(r))


def until(moment):
    wait = moment - time.monotonic()
    if wait > 0:
        time.sleep(wait)


def burst(bed, report, a):
    ended, freed, quiet = [], [], []
    for _ in range(min(a.rounds, ROUNDS)):
        r = Router(bed).natpcpd([('lifetime { min = 1 }', f'lifetime {{ min = 1  hold = {HOLD_S} }}')])
        quiet.append(under_load(bed, r))
        begin, some = time.monotonic(), a.burst // BATCHES
        for i in range(BATCHES):
            until(begin + i)
            r.load('map', 128, some, i * some, options=('-l', BATCHES + 1 - i), strict=False)
        until(begin + BATCHES + 0.95)
        ended.append(under_load(bed, r))
        ended[-1]['share'] = r.status()['mappings']['expired'] / a.burst
        until(begin + BATCHES + HOLD_S + 0.95)
        freed.append(under_load(bed, r))
        r.close()
    report.add('no burst', POLITE_RATE, 'requests/s', 0, runs=quiet, lost=middle(quiet, 'lost'))
    for name, runs in (('burst of expiries', ended), ('their ports freed', freed)):
        p99_ms = middle(runs, 'p99_us') / 1000
        report.add(name, p99_ms, 'ms, p99', a.burst, runs=runs, against=P99_MS, lost=middle(runs, 'lost'),
                   expired=middle(ended, 'share'), **goal(f'p99 <= {P99_MS} ms', p99_ms <= P99_MS and middle(runs, 'lost') == 0))


def fair(bed, report, a):
    """A flooder sends as fast as one processor can, from one address."""
    for name, limits in (('limit', LIMITED), ('no limit', UNLIMITED)):
        r = Router(bed).natpcpd([(UNLIMITED, limits)])
        alone, flooded = [], []
        for _ in range(min(a.rounds, ROUNDS)):
            r.load('address', 1, 20, strict=False)  # what the last flood left has been read when these are answered
            alone.append(polite(r))
            flooded.append(beside(bed, r.command('map', 1, 1 << 24, 0, first=FLOODER, clients=1, options=('-r', 1e7)),
                                  lambda: polite(r)))
        by = middle(flooded, 'p99_us') / max(middle(alone, 'p99_us'), 1)
        report.add(f'polite, {name}', middle(alone, 'p99_us') / 1000, 'ms, p99', runs=alone, lost=middle(alone, 'lost'))
        report.add(f'flooded, {name}', middle(flooded, 'p99_us') / 1000, 'ms, p99', runs=flooded, ratio=by,
                   against=middle(alone, 'p99_us') / 1000, lost=middle(flooded, 'lost'),
                   lost_share=middle(flooded, 'lost') / (POLITE_RATE * POLITE_S))
        r.close()
