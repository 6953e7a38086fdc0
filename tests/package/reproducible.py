#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""reproducible.py some | all | deb   builds twice, elsewhere and otherwise, and compares what comes of it.

The two builds are in directories of names of different lengths, with another umask, time zone, locale and number of jobs, and the
sources of the second are older. some: an object of each layer, the page, and the library. all: whatever make install leaves,
and its modes. deb: the packages. One line PASS or FAIL for each thing that is compared."""
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

WHAT = sys.argv[1]
ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
OBJECTS = ('codec/text.o', 'conf/check.o', 'backends/nft.o', 'server/core/engine.o', 'server/io/loop.o', 'server/main.o', 'server/page_html.o')
WAYS = (('one', 0o022, {'TZ': 'UTC', 'LC_ALL': 'C'}, 1), ('two/of-another-length', 0o077, {'TZ': 'Asia/Kathmandu', 'LC_ALL': 'C.UTF-8'}, 3))


def copy(to, older):
    names = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout.decode().split('\0')
    for name in filter(None, names):
        target = os.path.join(to, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(os.path.join(ROOT, name), target)
        if older:
            os.utime(target, (1000000000, 1000000000))


def build(to, mask, env, jobs):
    def run(*argv):
        p = subprocess.run(argv, cwd=to, env={**os.environ, **env}, umask=mask, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if p.returncode:
            print(f'FAIL build: {argv[:3]}: {p.stdout[-1000:]}')
            sys.exit(1)
    make = ['make', '--no-print-directory', f'-j{jobs}', 'O=build']
    if WHAT == 'some':
        run(*make, *[f'build/{o}' for o in OBJECTS])
        return {o: f'{to}/build/{o}' for o in OBJECTS}
    if WHAT == 'all':
        run(*make, 'install', f'DESTDIR={to}/dest')
        top = to + '/dest'
        return {os.path.relpath(f, top): f for d, _, names in os.walk(top) for f in (os.path.join(d, n) for n in names)}
    run('make', '--no-print-directory', 'O=build', 'deb')
    return {os.path.basename(f): f for f in glob.glob(f'{to}/build-deb/*.deb')}


def what(path):
    with open(path, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest(), oct(os.lstat(path).st_mode) if WHAT == 'all' else ''


if not os.path.exists(os.path.join(ROOT, '.git')):
    print('SKIP two builds are the same: no list of files without git')
    sys.exit(0)
os.environ.pop('MAKEFLAGS', None)
os.environ.update(CCACHE_DISABLE='1', SOURCE_DATE_EPOCH='1700000000')
with tempfile.TemporaryDirectory(prefix='natpcp-same-') as work:
    found = []
    for older, (name, mask, env, jobs) in enumerate(WAYS):
        directory = os.path.join(work, name)
        copy(directory, older)
        found.append({k: what(p) for k, p in build(directory, mask, env, jobs).items()})
    names = sorted({*found[0], *found[1]})
    other = [n for n in names if found[0].get(n) != found[1].get(n)]
    for n in other:
        print(f'FAIL {n}: {found[0].get(n)} and {found[1].get(n)}')
    if not names:
        print('FAIL build: it made nothing')
    elif not other:
        print(f'PASS two builds are the same: {len(names)} files')
sys.exit(1 if other or not names else 0)
