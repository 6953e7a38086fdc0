# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells a verdict: to people, as JSON, TAP 13 and JUnit XML. Each function takes the rows of verdict.judge and the directory with
the capture. A row that is broken and weighs no more than a should fails only when strict."""
import json
import os
import shlex
import sys
import xml.etree.ElementTree as xml

from verdict_story import Story

SCHEMA = 'natpcp-lab-report'
VERSION = 1    # rises when a reader of the one before would misunderstand
TOLD = 4       # packets of a row in the text; the JSON has all that the row names


BROKEN = ('broken', 'broken (should)')


def fails(row, strict=False):
    return row.verdict == 'broken' or strict and row.verdict in BROKEN


def failed(rows, strict=False):
    return any(fails(row, strict) for row in rows)


def counts(rows):
    return {k: sum(row.verdict == k for row in rows) for k in ('kept', *BROKEN, 'not exercised')}


def total(rows):
    return ', '.join(f'{n} {k}' for k, n in counts(rows).items())


def command(story):
    c = story.facts.get('command') or []
    return c if isinstance(c, str) else shlex.join(str(w) for w in c)


def proof(story, row, most=None):
    return [f'#{n} {story.describe(n)}' for n in row.packets[:most]]


def text(rows, directory, strict=False):
    story, out = Story(directory), []
    out.append(f'client: {command(story)}')
    for verdict in (*BROKEN, 'kept'):
        for row in (r for r in rows if r.verdict == verdict):
            out.append(f'{verdict:16} {row.id:16} {row.statement}: {row.why}')
            if row.verdict in BROKEN:
                out += ['    ' + line for line in proof(story, row, TOLD)]
            elif row.packets:
                out[-1] += '  #' + ' #'.join(str(n) for n in row.packets[:TOLD])
    unsure = [r for r in rows if r.verdict == 'not exercised' and r.why]
    for row in unsure:
        out.append(f'{"not exercised":16} {row.id:16} {row.statement}: {row.why}')
    left = [r.id for r in rows if r.verdict == 'not exercised' and not r.why]
    if left:
        out.append(f'not exercised    {len(left)} more rows, for which nothing happened')
    out.append(total(rows))
    out.append('verdict: ' + ('the client broke what it must keep' if failed(rows) else
                              'the client did what it must' + (', not all that it should' if failed(rows, True) else '')))
    if strict and failed(rows, True) and not failed(rows):
        out.append('judged strictly: that fails')
    return '\n'.join(out) + '\n'


def document(rows, directory, strict=False):
    story = Story(directory)
    return {
        'schema': SCHEMA, 'version': VERSION, 'strict': strict, 'failed': failed(rows, strict), 'counts': counts(rows),
        'lab': story.facts, 'capture': 'lan.pcap',
        'rows': [{'id': r.id, 'weight': r.weight, 'statement': r.statement, 'verdict': r.verdict,
                  'fails': fails(r, strict), 'why': r.why, 'packets': r.packets,
                  **({'proof': [story.describe(n) for n in r.packets]} if r.verdict in BROKEN else {})} for r in rows],
    }


def as_tap(rows, directory, strict=False):
    """A row that was not exercised is skipped; a should that was broken is a TODO, which fails nobody, unless strict."""
    story, out = Story(directory), ['TAP version 13', f'1..{len(rows)}']
    clean = lambda s: s.replace('#', '').replace('\n', ' ')
    for n, r in enumerate(rows, 1):
        line = f'{"not ok" if r.verdict in BROKEN else "ok"} {n} - {r.id} {clean(r.statement)}'
        if r.verdict == 'not exercised':
            line += ' # SKIP not exercised' + (': ' + clean(r.why) if r.why else '')
        elif r.verdict in BROKEN and not fails(r, strict):
            line += ' # TODO a should'
        out.append(line)
        if r.verdict in BROKEN:
            out += ['  ---', f'  why: {json.dumps(r.why)}', f'  packets: {json.dumps(r.packets)}', '  proof:',
                    *(f'    - {json.dumps(line)}' for line in proof(story, r)), '  ...']
    return '\n'.join(out) + '\n'


def printable(s):
    return ''.join(c for c in s if c in '\t\n' or ' ' <= c < '\ufffe')


def as_junit(rows, directory, strict=False):
    story = Story(directory)
    fallen = sum(fails(r, strict) for r in rows)
    skipped = sum(not fails(r, strict) and r.verdict != 'kept' for r in rows)
    root = xml.Element('testsuites', tests=str(len(rows)), failures=str(fallen))
    suite = xml.SubElement(root, 'testsuite', name='natpcp-lab', tests=str(len(rows)), failures=str(fallen), errors='0',
                           skipped=str(skipped), time=f'{max(0, story.end - story.begin):.3f}')
    properties = xml.SubElement(suite, 'properties')
    xml.SubElement(properties, 'property', name='command', value=printable(command(story)))
    for r in rows:
        case = xml.SubElement(suite, 'testcase', classname='rfc' + r.id.partition('-')[0], name=f'{r.id} {r.statement}', time='0')
        if fails(r, strict):
            xml.SubElement(case, 'failure', message=printable(r.why)).text = printable('\n'.join(proof(story, r)))
        elif r.verdict != 'kept':
            xml.SubElement(case, 'skipped', message=printable(r.verdict + (': ' + r.why if r.why else '')))
    xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(root, encoding='unicode') + '\n'


def write(directory, rows, strict=False, tap=None, junit=None, out=sys.stdout):
    """report.json into the directory, TAP and JUnit where they are wanted, and the text for people."""
    with open(os.path.join(directory, 'report.json'), 'w') as f:
        json.dump(document(rows, directory, strict), f, indent=1)
        f.write('\n')
    for path, form in ((tap, as_tap), (junit, as_junit)):
        if path:
            with open(path, 'w') as f:
                f.write(form(rows, directory, strict))
    out.write(text(rows, directory, strict))
