#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""manual.py KEYS PAGE [--write]   natpcpd.conf(5) against the table of the configuration, as the program KEYS prints it.

In the page, a list under the comment `section NAME` has an entry for each key, whose first lines, up to the comment `-`,
are those of the table; what follows is prose, and stays. --write puts the table's lines into the page."""
import re
import subprocess
import sys

SECTION, END = re.compile(r'^\.\\" section (\S+)$'), '.\\"-'


def table(text):
    """{section: {key: lines}} in the order of the table."""
    sections, keys, lines = {}, None, None
    for line in text.splitlines():
        m = SECTION.match(line)
        if m:
            keys = sections[m.group(1)] = {}
        elif line.startswith('.It Cm '):
            lines = keys[line.split()[2]] = [line]
        else:
            lines.append(line)
    return sections


def entries(lines):
    """Of a list in the page: {key: (lines of the table, prose)}."""
    found, part = {}, None
    for line in lines:
        if line.startswith('.It Cm '):
            part = [line]
            rest = []
            found[line.split()[2]] = (part, rest)
            own = True
        elif part is None:
            raise SystemExit(f'FAIL conf page: {line!r} stands before the first key')
        elif own:
            part.append(line)
            own = line != END
        else:
            rest.append(line)
    return found


def merge(page, wanted):
    """The page with the table's lines, and what had to be changed."""
    out, complaints, lines = [], [], page.splitlines()
    i = 0
    seen = []
    while i < len(lines):
        m = SECTION.match(lines[i])
        out.append(lines[i])
        i += 1
        if not m:
            continue
        seen.append(m.group(1))
        while not lines[i].startswith('.Bl '):
            out.append(lines[i])
            i += 1
        out.append(lines[i])
        depth, begin = 1, i + 1
        while depth:
            i += 1
            depth += lines[i].startswith('.Bl ') - (lines[i] == '.El')
        there, keys = entries(lines[begin:i]), wanted.get(m.group(1), {})
        complaints += [f'{m.group(1)}.{k}: there is no such key' for k in there if k not in keys]
        for key, own in keys.items():
            if key not in there:
                complaints.append(f'{m.group(1)}.{key}: is missing')
            elif there[key][0] != own:
                complaints.append(f'{m.group(1)}.{key}: is not what the table says: ' + ' '.join(own))
            out += own + (there[key][1] if key in there else [])
        if not complaints and list(there) != list(keys):
            complaints.append(f'{m.group(1)}: the keys have another order')
    absent = [s for s in wanted if s not in seen]
    complaints += [f'{s}: is no section of the page' for s in absent]
    at = out.index('.Sh FILES')
    for s in absent:  # at the end, from where it may be moved
        made = [f'.Ss {s}', f'.\\" section {s}', '.Bl -tag -width Ds', *[x for own in wanted[s].values() for x in own], '.El']
        out[at:at] = made
        at += len(made)
    complaints += [f'{s}: there is no such section' for s in seen if s not in wanted]
    return '\n'.join(out) + '\n', complaints


def main():
    with open(sys.argv[2]) as f:
        page = f.read()
    wanted = table(subprocess.run([sys.argv[1]], check=True, capture_output=True, text=True).stdout)
    made, complaints = merge(page, wanted)
    if '--write' in sys.argv:
        with open(sys.argv[2], 'w') as f:
            f.write(made)
    elif complaints:
        print('; '.join(complaints))
        sys.exit(1)


if __name__ == '__main__':
    main()
