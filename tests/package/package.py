#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""package.py BUILD   what make install leaves, and what packages make of it: man pages, the unit, lists of files.

One line PASS, FAIL or SKIP for each."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import parts

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
BUILD = os.path.abspath(sys.argv[1])
WORK = tempfile.mkdtemp(prefix='natpcp-package-')
DEST = WORK + '/dest'
SCORE = 2.0


def run(*argv, ok=True):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    assert not ok or p.returncode == 0, f'{argv[0]}: {p.stdout[-800:]}'
    return p.stdout


def files():
    return sorted(os.path.relpath(os.path.join(d, f), DEST) for d, _, names in os.walk(DEST) for f in names)


def make(target):
    """As conf/debian/rules does it; what is there already is not built anew."""
    run('make', '--no-print-directory', '-s', f'O={BUILD}', f'DESTDIR={DEST}', 'PREFIX=/usr', 'SBINDIR=/usr/sbin',
        'UNITDIR=/lib/systemd/system', 'LIBDIR=/usr/lib/any', 'ZSHDIR=/usr/share/zsh/vendor-completions', target)


def listed():
    """The patterns of debian/*.install, by package."""
    patterns = {}
    for path in glob.glob('conf/debian/*.install') + ['conf/debian/not-installed']:
        with open(path) as f:
            patterns[os.path.basename(path)] = [line.strip() for line in f if line.strip() and line[0] != '#']
    return patterns


def pages():
    return [f for f in files() if re.search(r'/man\d/', f)]


def t_each_file_is_in_one_package():
    matched, unused = {}, []
    for package, patterns in listed().items():
        for pattern in patterns:
            found = [f for p in glob.glob(os.path.join(DEST, pattern))
                     for f in ([os.path.relpath(p, DEST)] if not os.path.isdir(p) or os.path.islink(p) else
                               [os.path.relpath(os.path.join(d, n), DEST) for d, _, names in os.walk(p) for n in names])]
            unused += [] if found else [f'{package}: {pattern}']
            for f in found:
                matched.setdefault(f, set()).add(package)
    assert not unused, f'nothing is installed that these lists name: {unused}'
    alone = [f for f in files() if f not in matched]
    assert not alone, f'in no package, and not in not-installed: {alone}'
    twice = {f: p for f, p in matched.items() if len(p) > 1}
    assert not twice, twice


def t_uninstall_takes_all_but_the_configuration():
    there = files()
    make('uninstall')
    left = files()
    make('install')
    assert files() == there
    assert left == ['etc/natpcpd.conf'], left


def t_man_pages():
    """Each page is there and mandoc has nothing to say of it, but of long lines and of pages that are not installed."""
    if not shutil.which('mandoc'):
        return 'no mandoc'
    names = {os.path.basename(f) for f in pages()}
    wanted = {'natpcpd.8', 'natpcpd.conf.5', 'natpcpc.1', 'natpcp-lab.1'}
    assert wanted <= names, wanted - names
    complaints = []
    for page in pages():
        for line in run('mandoc', '-T', 'lint', os.path.join(DEST, page), ok=False).splitlines():
            m = re.search(r'referenced manual not found: Xr (\S+) (\d)', line)
            # what is installed here, or in any Debian, is found
            if 'longer than 80' in line or 'outdated mandoc.db' in line or (
                    m and (f'{m.group(1)}.{m.group(2)}' in names or
                          m.group(1) in ('nft', 'sudo', 'sd_notify', 'tc-netem', 'natpcpctl'))):
                continue
            complaints.append(line.replace(DEST + '/', ''))
    assert not complaints, ' | '.join(complaints)


def t_conf_page_has_the_keys():
    out = run('tests/package/manual.py', os.path.join(BUILD, 'tests/package/keys'), 'conf/natpcpd.conf.5', ok=False)
    assert not out.strip(), out.strip() + ' (make manual puts in what the table says)'


def t_conf_page_examples():
    """The configurations in the page are good ones."""
    with open('conf/natpcpd.conf.5') as f:
        text = f.read()
    examples = re.findall(r'^\.Bd -literal.*?\n(.*?)^\.Ed', text, re.M | re.S)
    assert len(examples) >= 2, examples
    for example in examples:
        path = os.path.join(WORK, 'example.conf')
        with open(path, 'w') as f:
            f.write(example)
        out = run(os.path.join(BUILD, 'natpcpd'), '-t', '-c', path, ok=False)
        assert not out, out


def t_guide_examples():
    """The configurations in README.md and the guides are good ones, with what they leave out."""
    sections = ('external', 'listen', 'rule', 'static', 'reserved-ports', 'backend', 'control', 'journal')
    missing = {'external': 'external "wan" { interface = "wan0" }\n', 'listen': 'listen "lan" { interfaces = { "br-lan" } }\n'}
    n = 0
    for guide in ['README.md', *sorted(glob.glob('conf/doc/*.md'))]:
        with open(guide) as f:
            blocks = re.findall(r'(?:^(?: {4,}.*)?\n)+', f.read(), re.M)
        for block in blocks:
            begins = re.findall(r'^ +([a-z-]+) +(?:"[^"]*" *)?{', block, re.M)
            if not begins or begins[0] not in sections:
                continue
            path = os.path.join(WORK, 'guide.conf')
            with open(path, 'w') as f:
                f.write(''.join(text for key, text in missing.items() if key not in begins) + block)
            out = run(os.path.join(BUILD, 'natpcpd'), '-t', '-c', path, ok=False)
            assert not out, (guide, block, out)
            n += 1
    assert n >= 8, n


def t_daemon_page_has_the_options_and_events():
    with open('server/natpcpd.8') as f:
        page = f.read()
    options = set(re.findall(r'^  -(\w)', run(os.path.join(BUILD, 'natpcpd'), '-h'), re.M))
    assert options == set(re.findall(r'^\.It Fl (\w)', page, re.M)), options
    events = set()
    for path in glob.glob('server/*.c') + glob.glob('server/io/*.c'):
        with open(path) as f:
            text = re.sub(r'\s+', ' ', f.read())
        events |= set(re.findall(r'CONF_LOG_[A-Z]+, "([a-z-]+)"', text))
        events |= set(re.findall(r'\{"([a-z]+)", CONF_LOG_[A-Z]+\}', text))
    events -= {'libevent'}
    said = {w for line in re.findall(r'^\.It (.*)', page[page.index('.Sh LOG'):page.index('.Sh EXIT')], re.M)
            for w in line.split(' , ')}
    assert events <= said, f'not in natpcpd(8): {sorted(events - said)}'
    assert said <= events, f'only in natpcpd(8): {sorted(said - events)}'


def t_unit_is_a_good_one():
    """Its exposure, as systemd judges it, and that systemd understands all of it."""
    unit = os.path.join(DEST, 'lib/systemd/system/natpcpd.service')
    if not shutil.which('systemd-analyze'):
        return 'no systemd-analyze'
    out = run('systemd-analyze', 'security', '--offline=true', '--no-pager', unit, ok=False)
    m = re.search(r'Overall exposure level for natpcpd.service: ([\d.]+)', out)
    assert m, out[-300:]
    assert float(m.group(1)) <= SCORE, out
    out = run('systemd-analyze', 'verify', '--man=no', unit, ok=False)
    mine = [line for line in out.splitlines() if 'natpcpd' in line and 'is not executable' not in line]
    assert not mine, mine
    print(f'      exposure level {m.group(1)}')
    return None


def t_unit_has_its_user():
    """systemd-sysusers, as README.md says it after make install, makes the user of the unit: below /usr/local, too."""
    if not shutil.which('systemd-sysusers'):
        return 'no systemd-sysusers'
    with open(os.path.join(DEST, 'lib/systemd/system/natpcpd.service')) as f:
        user = re.search(r'^User=(.*)$', f.read(), re.M).group(1)
    root = os.path.join(WORK, 'root')
    os.makedirs(root + '/usr/local/lib/sysusers.d')
    os.makedirs(root + '/etc')
    shutil.copy(os.path.join(DEST, 'usr/lib/sysusers.d/natpcpd.conf'), root + '/usr/local/lib/sysusers.d')
    run('systemd-sysusers', f'--root={root}')
    with open(root + '/etc/passwd') as f:
        assert re.search(f'^{user}:', f.read(), re.M), user
    return None


os.chdir(ROOT)
try:
    make('install')
    good = parts.play(dict(globals()))
finally:
    shutil.rmtree(WORK, ignore_errors=True)
sys.exit(0 if good else 1)
