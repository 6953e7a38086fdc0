# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of a run: printed as they come, each with the goal that it is held against, and written as JSON."""
import json
import os
import platform
import statistics
import time

COLUMNS = ((18, 'what'), (8, 'N'), (6, 'window'), (10, 'figure'), (12, 'unit'), (10, 'against'), (7, 'ratio'), (8, 'p50 us'),
           (8, 'p99 us'), (8, 'max us'))


def middle(runs, key):
    return statistics.median(r[key] for r in runs)


def ratio(ours, others, key='per_second'):
    """The median of the ratios of runs that took turns."""
    return statistics.median(a[key] / b[key] for a, b in zip(ours, others))


def goal(text, met):
    return {'goal': text, 'met': bool(met)}


def number(value):
    if value is None or isinstance(value, str):
        return value or ''
    return f'{value:.2f}' if abs(value) < 10 else f'{value:.1f}' if abs(value) < 100 else f'{value:.0f}'


class Report:
    def __init__(self):
        self.rows, self.begin = [], time.monotonic()
        self.took = {}  # seconds of each part
        self.machine = {'cpus': os.cpu_count(), 'kernel': platform.release(), 'load_before': os.getloadavg()[0],
                        'model': self.model()}

    @staticmethod
    def model():
        with open('/proc/cpuinfo') as f:
            return next((line.split(':', 1)[1].strip() for line in f if line.startswith('model name')), platform.machine())

    def head(self, rounds):
        m = self.machine
        print(f'{m["cpus"]} x {m["model"]}, Linux {m["kernel"]}, load {m["load_before"]:.2f}; medians of {rounds}')
        print(' '.join(f'{name:{"<" if i in (0, 4) else ">"}{width}}' for i, (width, name) in enumerate(COLUMNS)) + '  goal')

    def add(self, what, value, unit, n=None, window=None, against=None, runs=None, **more):
        """runs: what load printed, for the latencies; more: ratio, goal and met, and what else is to be kept."""
        row = {'what': what, 'n': n, 'window': window, 'value': value, 'unit': unit, 'against': against, **more}
        for key in ('p50_us', 'p99_us', 'max_us'):
            if runs and key in runs[0]:
                row[key] = middle(runs, key)
        self.rows.append(row)
        cells = (what, '' if n is None else str(n), '' if window is None else str(window), number(value), unit, number(against),
                 number(row.get('ratio')), *(number(row.get(k)) for k in ('p50_us', 'p99_us', 'max_us')))
        text = ' '.join(f'{c:{"<" if i in (0, 4) else ">"}{width}}' for i, (c, (width, _)) in enumerate(zip(cells, COLUMNS)))
        print(text + (f'  {"met   " if row["met"] else "MISSED"} {row["goal"]}' if 'goal' in row else ''), flush=True)
        return row

    def find(self, what, **keys):
        return next((r for r in self.rows if r['what'] == what and all(r.get(k) == v for k, v in keys.items())), None)

    def write(self, path, **more):
        with open(path, 'w') as f:
            json.dump({'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 'seconds': time.monotonic() - self.begin,
                       'machine': self.machine, 'took': self.took, **more, 'rows': self.rows}, f, indent=1)

    def tail(self):
        held = [r for r in self.rows if 'goal' in r]
        missed = [r for r in held if not r['met']]
        print(f'{len(self.rows)} rows in {time.monotonic() - self.begin:.0f} s; of {len(held)} goals {len(missed)} missed')
        print(', '.join(f'{name} {seconds:.0f} s' for name, seconds in self.took.items()))
