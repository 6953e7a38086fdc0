# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests a second of natpcpd and of the floor, which take turns, with few mappings and with many."""
from bed import WARM, Router
from report import goal, middle, ratio

RATIO_MIN, FLAT_MIN, OCTETS_MAX = 0.80, 0.90, 200


def counted(window, count):
    return count if window > 1 else max(count // 10, 500)


def address(bed, report, a):
    ours, floor = Router(bed).natpcpd(), Router(bed).floor('address')
    for window in a.windows:
        count = counted(window, a.count)
        runs = [[], []]
        for turn in range(a.rounds + 1):
            for r, v in zip((ours, floor), runs):
                v.append(r.load('address', window, count))
        runs = [v[1:] for v in runs]  # the first warms up
        report.add('address', middle(runs[0], 'per_second'), 'requests/s', window=window, runs=runs[0],
                   against=middle(runs[1], 'per_second'), ratio=ratio(*runs))
    ours.close()
    floor.close()


def turn(r, window, count):
    """New mappings, the same again, and none of them: the router has as many afterwards as before. No floor renews."""
    out = {'create': r.load('map', window, count, r.number)}
    if r.is_natpcpd:
        out['renew'] = r.load('map', window, count, r.number)
    out['delete'] = r.load('delete', window, count, r.number)
    if r.is_natpcpd:
        r.number += count  # so that the next ones are new
    return out


def pair(bed, n):
    ours, floor = Router(bed).natpcpd(), Router(bed).floor()
    ours.is_natpcpd, floor.is_natpcpd = True, False
    empty = ours.rss_kib()
    ours.preload(n)
    if n:
        ours.octets = (ours.rss_kib() - empty) * 1024 / n
    floor.preload(n)
    for r in (ours, floor):
        turn(r, 64, WARM)
    return ours, floor


def changes(report, n, window, runs, others):
    floor = [t['create'] for t in others]
    created = None
    for kind in ('create', 'renew', 'delete'):
        mine = [t[kind] for t in runs]
        share = ratio(mine, floor)
        held = {}
        if kind == 'create':
            created = share
            held = goal(f'>= {RATIO_MIN:.2f} of the floor', share >= RATIO_MIN) if window >= 16 else {}
        elif window >= 16:
            held = goal(f'>= {created:.2f}, as created', share >= created)
        floor_us = {f'floor_{k}': middle(floor, k) for k in ('p50_us', 'p99_us', 'max_us')}
        more = {'floor_deletes': middle([t['delete'] for t in others], 'per_second')} if kind == 'delete' else floor_us
        report.add(kind, middle(mine, 'per_second'), 'requests/s', n, window, middle(floor, 'per_second'), mine, ratio=share,
                   **held, **more)


def half_load(report, pair_of_routers, n, a):
    """At half the rate that was reached, whatever the answers do."""
    most = report.find('create', n=n, window=64) or report.find('create', n=n)
    rate = most['value'] / 2
    runs = [[], []]
    count = min(int(rate), 4 * a.count)
    for _ in range(a.rounds):
        for r, v in zip(pair_of_routers, runs):
            v.append(r.load('map', 1, count, r.number, options=('-r', rate), strict=False))
            r.load('delete', 64, count, r.number, strict=False)
            if r.is_natpcpd:
                r.number += count
    report.add('half load', rate, 'requests/s', n, runs=runs[0], against=rate, lost=middle(runs[0], 'lost'),
               **{f'floor_{k}': middle(runs[1], k) for k in ('p50_us', 'p99_us', 'max_us')})
    report.add('half load, floor', rate, 'requests/s', n, runs=runs[1], lost=middle(runs[1], 'lost'))


def flat(report, counts, windows):
    low, high = min(n for n in counts if n), max(counts)
    for window in windows:
        few, many = (report.find('create', n=n, window=window) for n in (low, high))
        if window < 16 or low == high:
            continue
        by = many['value'] / few['value']
        floor = many['against'] / few['against']
        report.add(f'create, {high} : {low}', by, 'of the rate', high, window, against=floor,
                   **goal(f'>= {FLAT_MIN:.2f}, flat', by >= FLAT_MIN))


def create(bed, report, a):
    for n in a.counts:
        both = pair(bed, n)
        if n and n == max(a.counts):
            report.add('memory', both[0].octets, 'octets/lease', n, against=OCTETS_MAX,
                       **goal(f'<= {OCTETS_MAX} octets', both[0].octets <= OCTETS_MAX))
        for window in a.windows:
            runs = [[], []]
            for _ in range(a.rounds):
                for r, v in zip(both, runs):
                    v.append(turn(r, window, counted(window, a.count)))
            changes(report, n, window, *runs)
        if n == a.half_load:
            half_load(report, both, n, a)
        for r in both:
            r.close()
    if any(a.counts):
        flat(report, a.counts, a.windows)
