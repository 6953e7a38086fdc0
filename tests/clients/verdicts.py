#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""verdicts.py [--jobs N] [--into DIR] [--only NAME] [--table] [SCENE...]   the verdicts of natpcp-lab on the clients here.

Runs each client in each scene, several labs at once, and prints what server/lab/README.md has of them: who keeps what, and
the packets that prove it where something is broken. --table: from the captures in DIR, judged anew. NPMDIR is where
npm-setup.sh put its clients; tests/lab/deps.sh clients clients-all has been run before. Exit 77: no lab can be made here.
"""
import argparse
import concurrent.futures
import functools
import os
import re
import shlex
import subprocess
import sys

TOP = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(TOP, 'server/lab'))
import report  # noqa: E402
import verdict  # noqa: E402

LAB = os.path.join(TOP, 'server/lab/natpcp-lab')
GATEWAY, GATEWAY6, STRANGER = '192.0.2.1', '2001:db8:1::1', '192.0.2.12'
# script, environment, stays until it is ended
CLIENTS = {
    'natpmpc': ('natpmpc', '', False), 'nmap': ('nmap', '', False), 'go-jackpal': ('go-jackpal', '', False),
    'go-audrius': ('go-audrius', '', False), 'transmission-daemon': ('transmission-daemon', '', True),
    'syncthing': ('syncthing', '', True), 'baresip': ('baresip', '', True), 'nat-pmp (npm)': ('npm-nat-pmp', '', False),
    'pmp (npm)': ('npm-pmp', '', False), '@silentbot1/nat-api': ('npm-silentbot1-nat-api', '', True),
    '@achingbrain/nat-port-mapper': ('npm-achingbrain', '', True), 'nat-puncher, NAT-PMP': ('npm-nat-puncher', 'PROTO=pmp', False),
    'port-mapper, NAT-PMP': ('npm-port-mapper-pcp', 'PROTO=natpmp', True),
    'python3-libtorrent': ('python3-libtorrent', '', True), 'qbittorrent-nox': ('qbittorrent-nox', '', True),
    'port-mapper, PCP': ('npm-port-mapper-pcp', 'PROTO=pcp', True), 'port-mapper, IPv6': ('npm-port-mapper-pcp', 'IPV6=1', True),
    'nat-puncher, PCP': ('npm-nat-puncher', 'PROTO=pcp', False), '@number0/iroh': ('npm-iroh', '', False),
}
# what happens, for how long the client stays, and when it is ended
SCENES = {
    'plain': ([], 0, 60),
    'mute': (['silence'], 0, 70),
    'lies': ([f'source={STRANGER} n=1 protocol=natpmp', f'source={STRANGER} n=1 protocol=pcp', 'nonce n=2', 'truncate=20 n=3 protocol=pcp',
              'source-port=5352 n=4 protocol=pcp', 'lengthen=1200 n=5 protocol=pcp'], 0, 60),
    'nonce': (['silence n=1-3', 'nonce n=2'], 0, 60),
    'short': (['lifetime=40s'], 45, 70),
    'restart': (['lifetime=120s', 'restart=forget at=25s'], 40, 75),
    'old': (['version=natpmp'], 0, 60),
    'full': (['result=NO_RESOURCES n=1-3 hold=20s protocol=pcp', 'result=77 n=1-6 protocol=natpmp'], 0, 60),
}
NATPMP_ROWS = {
    'gateway': '6886-3-09', 'one at a time': '6886-3.1-02', '250 ms, doubling': '6886-3.1-03', 'nine attempts': '6886-3.1-04',
    'source': '6886-3.2-07 6886-3.3-33',
    'lifetime asked': '6886-3.3-10', 'renews at 1/2': '6886-3.3-34', 'with its port': '6886-3.3-35', 'deletion': '6886-3.1-09 6886-3.4-05',
    'unknown result': '6886-3.5-16', 'epoch': '6886-3.6-05', 'announcement': '6886-3.2.1-12',
}
PCP_ROWS = {
    'gateway': '6887-8.1-01', 'client IP': '6887-8.1-03', 'source port': '6887-8.1-02', '3 s, doubling': '6887-8.1.1-02 6887-8.1.1-03', 'nonce kept': '6887-8.1.1-01',
    'who answers': '6887-8.3-01 6887-8.3-05', 'nonce checked': '6887-11.4-01', 'suggestion': '6887-11.1-10', 'holds off': '6887-8.3-10 6887-11.4-02',
    'renews at 1/2-5/8': '6887-11.2.1-03', 'as assigned': '6887-11.2.1-02', 'epoch': '6887-8.5-11', 'announcement': '6887-14.1.3-12',
    'deletion': '6887-15.1-05', 'falls back': '6886-1.1-06', 'PCP first': '6886-1.1-07',
}
OCTETS = 32  # hexadecimal digits of a message that are shown
SIGNS = {'broken': '**broken**', 'broken (should)': 'should', 'kept': 'kept', 'not exercised': ''}


def place(into, name, scene):
    return os.path.join(into, ''.join(c if c.isalnum() else '-' for c in name), scene)


def run(into, name, scene):
    """One lab. Returns what went wrong with the lab itself, or nothing."""
    script, extra, stays = CLIENTS[name]
    faults, stay, seconds = SCENES[scene]
    directory = place(into, name, scene)
    os.makedirs(directory, exist_ok=True)
    words = dict(w.split('=') for w in extra.split())
    env = dict(os.environ, **words, WAIT='300', NPMDIR=os.environ.get('NPMDIR', os.path.join(TOP, 'build/npm')))
    if stay and stays:
        env['STAY'] = str(stay)
    argv = [LAB, 'run', '--report', directory, '--expect', 'any', '--time', f'{seconds}s']
    for f in faults:
        argv += ['--fault', f]
    argv += ['--', os.path.join(TOP, f'tests/clients/{script}.sh'), GATEWAY6 if 'IPV6' in words else GATEWAY]
    with open(os.path.join(directory, 'said'), 'w') as f:
        code = subprocess.run([*shlex.split(os.environ.get('BEFORE', '')), *argv], stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                              env=env, timeout=900).returncode
    return '' if code in (0, 1, 3) else f'{name}, {scene}: exit {code}'


@functools.cache
def reports(into, name):
    """Of each scene that there is a capture of, the rows as they are judged now."""
    found = []
    for scene in SCENES:
        directory = place(into, name, scene)
        if os.path.exists(os.path.join(directory, 'lab.json')):
            told = report.document(verdict.judge(directory), directory)
            if told['lab']['exit'] != 77:  # else it is not installed
                found.append((scene, {r['id']: r for r in told['rows']}))
    return found


def worst(rows):
    return next((v for v in SIGNS if any(r['verdict'] == v for r in rows)), 'not exercised')


def table(into, names, columns):
    print('| client | ' + ' | '.join(columns) + ' |')
    print('|---' * (len(columns) + 1) + '|')
    for name in names:
        seen = [rows for _, rows in reports(into, name)]
        cells = [SIGNS[worst([rows[i] for rows in seen for i in ids.split()])] for ids in columns.values()]
        if any(cells):
            print(f'| {name} | ' + ' | '.join(cells) + ' |')
    print()


def short(proof):
    """A packet of a proof: when, which way, what, and its first octets."""
    at, _, near, way, far, what = proof.split(None, 5)
    head, _, octets = what.rpartition(': ')
    head = re.sub(r'(nonce \w{8})\w+', r'\1...', head)
    octets = octets.rstrip(']')
    other = '' if far in (f'{GATEWAY}:5351', f'[{GATEWAY6}]:5351') else far + ' '
    return f'{at} s {way} {other}{head}: {octets if len(octets) <= OCTETS else octets[:OCTETS] + "..."}]'


def proofs(into, names, most=2):
    """Each broken row of a client once, with the run that showed it."""
    for name in names:
        lines, told = [], set()
        for scene, rows in reports(into, name):
            for i, r in rows.items():
                if r['verdict'].startswith('broken') and i not in told:
                    told.add(i)
                    lines.append(f'- {r["verdict"].replace("broken (should)", "should")} {i}, {scene}: {r["why"]}')
                    lines += [f'  `#{n} {short(p)}`' for n, p in zip(r['packets'][:most], r['proof'])]
        if lines:
            print(f'### {name}\n\n' + '\n'.join(lines) + '\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--jobs', type=int, default=4)
    parser.add_argument('--into', default=os.path.join(TOP, 'build/verdicts'))
    parser.add_argument('--only', action='append', choices=[*CLIENTS])
    parser.add_argument('--table', action='store_true')
    parser.add_argument('scene', nargs='*')
    a = parser.parse_args()
    names = a.only or [*CLIENTS]
    if unknown := [s for s in a.scene if s not in SCENES]:
        parser.error(f'no scene {unknown[0]}; there are: {" ".join(SCENES)}')
    failed = []
    if not a.table:
        with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
            failed = [f for f in pool.map(lambda w: run(a.into, *w), [(n, s) for s in a.scene or SCENES for n in names]) if f]
    table(a.into, names, NATPMP_ROWS)
    table(a.into, names, PCP_ROWS)
    proofs(a.into, names)
    for f in failed:
        print(f, file=sys.stderr)
    return 77 if failed and all(f.endswith(' 77') for f in failed) else 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
