#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The verdict on clients that are made up, and what is told of it. Prints "PASS name: what" or "FAIL name: what"."""
import csv
import json
import os
import struct
import sys
import tempfile
import xml.etree.ElementTree as xml

import cases_natpmp
import cases_pcp
from story import CLIENT, TOP, Run, answer, want
import report  # noqa: E402
import verdict  # noqa: E402
import verdict_pcap  # noqa: E402
import verdict_rows  # noqa: E402

wrong = 0


def say(name, what, *problems):
    global wrong
    for p in problems:
        print('    ' + p)
    wrong += bool(problems)
    print(f'{"FAIL" if problems else "PASS"} {name}: {what}')


def judged(run):
    with tempfile.TemporaryDirectory() as directory:
        run.leave(directory)
        return {r.id: r for r in verdict.judge(directory)}


def cases():
    """Each row by itself: a client that keeps it, one that breaks it, and one that has nothing to do with it."""
    by = {}
    for row, expected, run in cases_natpmp.CASES + cases_pcp.CASES:
        by.setdefault(row, []).append((expected, run))
    weights = {row: weight for row, weight, _ in verdict_rows.ROWS}
    for row, weight in weights.items():
        problems, seen = [], set()
        for n, (expected, run) in enumerate(by.get(row, ())):
            found = judged(run)[row]
            seen.add(expected)
            if found.verdict != expected:
                problems.append(f'case {n}: {found.verdict} where {expected} is right: {found.why} {found.packets}')
            elif found.verdict != 'not exercised' and not found.packets:
                problems.append(f'case {n}: no packets prove it')
        need = {'kept', 'not exercised'}
        if weight != 'may' and row not in cases_pcp.NEVER_BROKEN:
            need.add('broken' if weight == 'must' else 'broken (should)')
        problems += [f'no case that is {k}' for k in sorted(need - seen)]
        say(row, ', '.join(sorted(seen)), *problems)


def all_rows():
    """Every row for clients is judged, or it is said why it cannot be."""
    table = {}
    for rfc in ('6886', '6887'):
        with open(os.path.join(TOP, f'tests/requirements/rfc{rfc}.tsv'), newline='') as f:
            table.update({r['id']: r['level'] for r in csv.DictReader(f, delimiter='\t', quoting=csv.QUOTE_NONE) if r['actor'] == 'client'})
    ours = {i: weight for i, weight, _ in verdict_rows.ROWS}
    problems = [f'{i} is neither judged nor excused' for i in table if i not in ours and i not in verdict_rows.UNSEEN]
    problems += [f'{i} is no row for clients' for i in [*ours, *verdict_rows.UNSEEN] if i not in table]
    problems += [f'{i} is both judged and excused' for i in ours if i in verdict_rows.UNSEEN]
    problems += [f'{i} weighs {weight}, but is a {table[i]}' for i, weight in ours.items()
                 if table.get(i) in ('MUST', 'SHOULD', 'MAY') and table[i].lower() != weight]
    say('rows', f'{len(ours)} judged, {len(verdict_rows.UNSEEN)} cannot be seen', *problems)


def silent():
    """Who says nothing has broken nothing."""
    rows = judged(Run())
    say('nothing', 'all rows are not exercised', *(f'{r.id}: {r.verdict}' for r in rows.values() if r.verdict != 'not exercised'))


def model():
    """A client that does all that is asked of it is not accused of anything, whatever happens to it."""
    w = want(external=0)
    same = want(external=8000, outside='198.51.100.1')
    run = Run(400, -15, True).out([0, 3.2, 9.1], w).back(9.2, answer(w, 1000, lifetime=120, external=8000))
    run.both(74, same, answer(same, 1065, lifetime=120)).all(80, struct.pack('!BBBBII12x', 2, 128, 0, 0, 0, 0))
    run.both(83, same, answer(same, 3, lifetime=120)).out(150, same).out(174, same).back(174.1, answer(same, 94, lifetime=120))
    run.both(240, same, answer(same, 160, lifetime=120)).both(310, same, answer(same, 230, lifetime=120))
    run.both(379, same, answer(same, 299, lifetime=120)).both(400.1, want(lifetime=0), answer(want(lifetime=0), 320))
    rows = judged(run)
    problems = [f'{r.id}: {r.verdict}: {r.why} {r.packets}' for r in rows.values() if r.verdict.startswith('broken')]
    problems += [f'{i} is not kept' for i in ('6887-8.1.1-02', '6887-8.1.1-03', '6887-11.2.1-03', '6887-14.1.3-12', '6887-15.1-05')
                 if rows[i].verdict != 'kept']
    say('a model client', f'{sum(r.verdict == "kept" for r in rows.values())} kept', *problems)


def files():
    """Captures of other kinds: byte order, microseconds, without Ethernet, VLAN, cooked; one that was cut; none at all."""
    w = want()
    udp = struct.pack('!HHHH', 40000, 5351, 8 + len(w), 0) + w
    ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + bytes((192, 0, 2, 11, 192, 0, 2, 1)) + udp
    forms = {1: bytes(12) + b'\x08\0' + ip, 101: ip, 113: bytes(14) + b'\x08\0' + ip, 276: b'\x08\0' + bytes(18) + ip, 228: ip}
    problems = []
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'x.pcap')
        for order in '<>':
            for magic, parts in ((0xa1b2c3d4, 500000), (0xa1b23c4d, 500000000)):
                for link, octets in [*forms.items(), (1, bytes(12) + b'\x81\0\0\x07\x08\0' + ip)]:
                    record = struct.pack(order + 'IIII', 7, parts, len(octets), len(octets)) + octets
                    with open(path, 'wb') as f:
                        f.write(struct.pack(order + 'IHHiIII', magic, 2, 4, 0, 0, 65535, link) + record + record[:-3])
                    got = [(p.number, p.at, p.source, p.destination_port, p.data) for p in verdict_pcap.read(path)]
                    if got != [(1, 7.5, CLIENT, 5351, w)]:
                        problems.append(f'{order} {magic:x} link {link}: {got}')
        for octets in (b'', b'\n\r\r\n' + bytes(40)):
            with open(path, 'wb') as f:
                f.write(octets)
            try:
                verdict_pcap.read(path)
                problems.append(f'{octets[:4]} was read')
            except ValueError:
                pass
    # whatever is in a frame, nothing comes of it but packets
    for cut in range(len(forms[1])):
        verdict_pcap.packet(1, 0, *verdict_pcap.network(1, forms[1][:cut]))
        for v6 in (b'\x60' + bytes(5) + b'\x11\x40', b'\x60' + bytes(5) + b'\0\x40'):
            verdict_pcap.packet(1, 0, 0x86dd, (v6 + forms[1])[:cut])
        verdict_pcap.packet(1, 0, 0x0806, (b'\0\1\x08\0\6\4' + forms[1])[:cut])
    say('captures', 'of each kind', *problems)


def reports():
    """Text, JSON, TAP and JUnit of one verdict that has all four kinds."""
    run = Run(60).both(0, want(outside=CLIENT, lifetime=7200), answer(want(outside=CLIENT))).both(1, want(8001), answer(want(8001)), 5350)
    problems = []
    with tempfile.TemporaryDirectory() as directory:
        run.facts['command'] = ['client', '<&\x01', 'a b']
        run.leave(directory)
        rows = verdict.judge(directory)
        kinds = {r.verdict: r for r in rows}
        at = lambda name: os.path.join(directory, name)
        for strict in (False, True):
            with open(at('text'), 'w') as out:
                report.write(directory, rows, strict, at('tap'), at('junit'), out)
            fallen = [r for r in rows if r.verdict == 'broken' or strict and r.verdict == 'broken (should)']
            with open(at('report.json')) as f:
                d = json.load(f)
            if (d['schema'], d['version'], d['strict'], d['failed']) != ('natpcp-lab-report', 1, strict, True):
                problems.append(f'report.json begins {str(d)[:200]}')
            if [r['id'] for r in d['rows'] if r['fails']] != [r.id for r in fallen] or sum(d['counts'].values()) != len(rows):
                problems.append('report.json does not count what failed')
            proofs = [p for r in d['rows'] for p in r.get('proof', ())]
            if not any('0.000 s  192.0.2.11:40000 -> 192.0.2.1:5351  PCP MAP' in p and '[60: 0201' in p for p in proofs):
                problems.append(f'no proof: {proofs}')
            with open(at('tap')) as f:
                tap = f.read().splitlines()
            bad = [t for t in tap if t.startswith('not ok') and '# TODO' not in t]
            if tap[:2] != ['TAP version 13', f'1..{len(rows)}'] or len(bad) != len(fallen) or \
                    sum(t.startswith(('ok', 'not ok')) for t in tap) != len(rows):
                problems += ['TAP:'] + tap[:6]
            suite = xml.parse(at('junit')).getroot().find('testsuite')
            if len(suite.findall('testcase')) != len(rows) or len(suite.findall('testcase/failure')) != len(fallen) or \
                    suite.get('failures') != str(len(fallen)) or suite.get('skipped') != str(len(suite.findall('testcase/skipped'))):
                problems.append(f'JUnit: {suite.attrib}')
            with open(at('text')) as f:
                text = f.read()
            if any(f'{k:16} {r.id}' not in text for k, r in kinds.items() if k != 'not exercised') or 'broke what it must' not in text:
                problems.append(text)
            if not report.failed(rows, strict) or report.failed([r for r in rows if r.verdict != 'broken'], strict) != strict:
                problems.append('who failed?')
        if set(kinds) != {'kept', 'broken', 'broken (should)', 'not exercised'}:
            problems.append(f'this run was to have each: {set(kinds)}')
    say('reports', 'text, JSON, TAP, JUnit', *problems)


if __name__ == '__main__':
    for test in (all_rows, silent, model, cases, files, reports):
        test()
    sys.exit(1 if wrong else 0)
