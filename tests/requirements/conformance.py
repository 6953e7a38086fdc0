#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which requirements are proved by tests that ran, and which are open.

  conformance.py [--jobs N] [--build DIR] [--rows]

Takes the verdicts that tests/lab/check.py left in DIR/results.tsv; if one is missing or older than a source, runs the
tests first. A row of rfc*.tsv is proved when a test that names its id ran and passed, and none that names it failed.
One line for each RFC, what its server and what its client is asked for apart; DIR/conformance.tsv (and --rows) has each row with its state and tests.
Exit 1 if a MUST is open, or if a test names an id that no row has, or in a short form.
"""
import argparse
import ast
import csv
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, '../..'))
SIDES = {'': ('server', 'codec'), ' client': ('client',)}  # gateway rows belong to the operator's firewall
COUNTED = [actor for actors in SIDES.values() for actor in actors]
RFC = '6886|6887|7220|7753|7488|6092|4890'
ID = re.compile(rf'\b(?:(?:{RFC})-[0-9A-Za-z.]+|decision)-[0-9]+\b')
TOKEN = re.compile(rf'\b(?:{RFC}|decision)-[0-9A-Za-z.-]+')
SHORT = re.compile(rf'{ID.pattern}(?:,|/|\.\.|-\.\.|,? and|,? to) ?-?[0-9]{{2}}\b(?!-)')
SOURCES = ('codec', 'conf', 'backends', 'server', 'tests', 'Makefile')


class Requirements:
    """The rows, and what is decided about them."""

    def __init__(self, folder=HERE):
        self.rows, self.order = {}, []
        for path in sorted(glob.glob(os.path.join(folder, 'rfc*.tsv'))):
            self.order.append(os.path.basename(path)[3:-4])
            for row in self.table(path, 6):
                if row['id'] in self.rows:
                    raise SystemExit(f'{path}: {row["id"]} twice')
                self.rows[row['id']] = row
        self.order.sort(key=lambda rfc: -sum(1 for i in self.counted(rfc)))
        with open(os.path.join(folder, 'README.md')) as f:
            for number, conflict, decision in re.findall(r'^\| (\d+) \| (.*?) \| (.*) \|$', f.read(), re.M):
                i = f'decision-{int(number):02}'
                self.rows[i] = {'id': i, 'section': '', 'level': 'MUST', 'actor': 'server', 'statement': decision,
                                'how_observed': conflict}
        self.order.append('decision')
        self.exceptions = {r['id']: r['reason'] for r in self.table(os.path.join(folder, 'exceptions.tsv'), 2)}
        for i in self.exceptions:
            if i not in self.rows or self.rows[i]['actor'] not in COUNTED:
                raise SystemExit(f'exceptions.tsv: {i} is not a row that counts')

    @staticmethod
    def table(path, columns):
        with open(path, newline='') as f:
            rows = list(csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE))
        for n, row in enumerate(rows, 2):
            if len(row) != columns or None in row.values():
                raise SystemExit(f'{path}:{n}: not {columns} columns')
        return rows

    def counted(self, rfc, actors=tuple(COUNTED)):
        return [i for i, row in self.rows.items() if i.startswith(rfc + '-') and row['actor'] in actors]


def in_python(text):
    """What each test function says, docstring and comments; lines above a function belong to it."""
    lines, begin = text.splitlines(), 0
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(('test_', 't_')):
            yield node.name.removeprefix('t_'), '\n'.join(lines[begin:node.end_lineno])
        begin = node.end_lineno


def in_cmocka(text):
    """What stands at each test: from the end of the test before it to its own."""
    begin = 0
    for m in re.finditer(r'^static void (\w+)\(void \*\*\w+\)\n\{.*?^\}', text, re.M | re.S):
        yield m[1], text[begin:m.end()]
        begin = m.end()


def named(top=TOP):
    """test -> the ids it names, for every test there is; and what is wrong with the names."""
    tests, wrong = {}, []

    def take(test, text):
        tests[test] = set(ID.findall(text))
        wrong.extend(f'{test}: not an id: {t}' for t in (t.rstrip('.-') for t in TOKEN.findall(text)) if not ID.fullmatch(t))
        wrong.extend(f'{test}: write each id out: {m[0]}' for m in SHORT.finditer(text))

    def files(pattern):
        for path in sorted(glob.glob(os.path.join(top, pattern))):
            with open(path) as f:
                yield os.path.relpath(path, top), f.read()
    for path, text in [*files('tests/netns/t-*.py'), *files('tests/clients/*.py')]:
        for name, said in in_python(text):
            take(f'{path}:{name}', said)
    for path, text in files('tests/unit/*/test_*.c'):
        for name, said in in_cmocka(text):
            take(f'{path}:{name}', said)
    for path, text in files('tests/scenario/*.txt'):
        take(path, '\n'.join(line.partition('#')[2] for line in text.splitlines()))
    return tests, wrong


def verdicts(path):
    """test -> PASS, FAIL or SKIP: the worst of its runs, one with a sanitizer included; a skip counts if there is no other."""
    worst = {'FAIL': 2, 'PASS': 1, 'SKIP': 0}
    found = {}
    for row in Requirements.table(path, 2):
        if worst[row['verdict']] > worst.get(found.get(row['test']), -1):
            found[row['test']] = row['verdict']
    return found


class Report:
    def __init__(self, build):
        self.requirements = Requirements()
        tests, self.wrong = named()
        verdict = verdicts(os.path.join(build, 'results.tsv'))
        rows = self.requirements.rows
        self.by = {i: {} for i in rows}  # id -> {test: verdict}
        for test, ids in tests.items():
            for i in sorted(ids):
                if i in rows:
                    self.by[i][test] = verdict.get(test, 'NOT RUN')
                else:
                    self.wrong.append(f'{test}: no such row: {i}')
        for i in self.requirements.exceptions:
            if self.state(i) == 'proved':
                self.wrong.append(f'exceptions.tsv: {i} is proved by {" ".join(self.by[i])}')

    def state(self, i):
        found = self.by[i].values()
        if 'PASS' in found and 'FAIL' not in found:
            return 'proved'
        return 'exception' if i in self.requirements.exceptions else 'open'

    def counted(self):
        return [i for rfc in self.requirements.order for i in self.requirements.counted(rfc)]

    def open(self, level=None):
        return [i for i in self.counted() if self.state(i) == 'open'
                and level in (None, self.requirements.rows[i]['level'])]

    def lines(self, listed=True):
        for side, actors in SIDES.items():
            for rfc in self.requirements.order:
                state = {i: self.state(i) for i in self.requirements.counted(rfc, actors)}
                n = list(state.values())
                left = [i + ('!' if self.requirements.rows[i]['level'] == 'MUST' else '') for i in state if state[i] == 'open']
                name = 'RFC ' + rfc if rfc.isdigit() else 'Conflicts decided'
                if n:
                    yield (f'{name}{side}: proved {n.count("proved")} of {len(n)}, exceptions {n.count("exception")}, open: '
                           + ((' '.join(left) or 'none') if listed else str(len(left))))

    def table(self):
        yield 'id\tlevel\tstate\ttests'
        for i in self.counted():
            yield f'{i}\t{self.requirements.rows[i]["level"]}\t{self.state(i)}\t' + \
                ' '.join(t if v == 'PASS' else f'{t}({v})' for t, v in self.by[i].items())

    def write(self, path):
        with open(path, 'w') as f:
            f.write('\n'.join(self.table()) + '\n')


def fresh(results):
    """True if a complete run of the tests is younger than all that it tested."""
    if not os.path.exists(results):
        return False
    made = os.path.getmtime(results)
    return all(os.path.getmtime(p) <= made for s in SOURCES
               for p in (glob.glob(s + '/**', recursive=True) if os.path.isdir(s) else [s])
               if os.path.isfile(p) and '__pycache__' not in p)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--build', default='build')
    parser.add_argument('--rows', action='store_true', help='each row with its state and tests')
    a = parser.parse_args()
    results = os.path.join(a.build, 'results.tsv')
    failed = False
    if not fresh(results):
        failed = subprocess.run([sys.executable, 'tests/lab/check.py', '--jobs', str(a.jobs), '--build', a.build,
                                 'proofs']).returncode != 0
        if not os.path.exists(results):
            return 1
    report = Report(a.build)
    report.write(os.path.join(a.build, 'conformance.tsv'))
    for line in report.wrong:
        print(line, file=sys.stderr)
    print('\n'.join(report.table() if a.rows else report.lines()))
    must, all_open, rows = report.open('MUST'), report.open(), report.counted()
    print(f'{len(rows)} rows: {len(all_open)} open, {len(must)} of them a MUST (marked !), '
          f'{len(report.requirements.exceptions)} exceptions ({100 * len(report.requirements.exceptions) / len(rows):.1f} %)')
    return 1 if must or report.wrong or failed else 0


if __name__ == '__main__':
    os.chdir(TOP)
    sys.exit(main())
