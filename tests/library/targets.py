#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles libnatpcp as plain C11 for other machines and another C library, each with tests/library/portable.c, and runs
that, under qemu where it must be. A compiler that is not here is skipped."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
FLAGS = ('-std=c11', '-O1', '-Wall', '-Wextra', '-pedantic', '-Werror', '-I.', '-static')
TARGETS = (
    ('musl', 'musl-gcc', ()),
    ('32 bits (i686)', 'i686-linux-gnu-gcc', ()),
    ('big-endian (s390x)', 's390x-linux-gnu-gcc', ('qemu-s390x',)),
)


def library():
    return [f for f in sorted(glob.glob('codec/*.c')) if not f.startswith('codec/natpcpc')]


def judge(name, compiler, emulator, work):
    for tool in (compiler, *emulator):
        if not shutil.which(tool):
            return 'SKIP', f'no {tool}'
    program = os.path.join(work, compiler)
    # plain C11 for the library; the test itself uses POSIX
    for command in ([compiler, *FLAGS, '-c', *[os.path.join(ROOT, f) for f in library()], '-I' + ROOT],
                    [compiler, *FLAGS, '-D_DEFAULT_SOURCE', '-I' + ROOT, '-o', program,
                     os.path.join(ROOT, 'tests/library/portable.c'),
                     *[os.path.basename(f)[:-1] + 'o' for f in library()]],
                    [*emulator, program]):
        p = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        if p.returncode:
            return 'FAIL', f'{os.path.basename(command[0])}: exit {p.returncode}: {p.stdout[-600:].strip()}'.replace('\n', ' ')
    return 'PASS', p.stdout.strip()


os.chdir(ROOT)
failed = 0
for target, cc, qemu in TARGETS:
    with tempfile.TemporaryDirectory(prefix='natpcp-target-') as directory:
        verdict, note = judge(target, cc, qemu, directory)
    failed |= verdict == 'FAIL'
    print(f'{verdict} {target}: {note}', flush=True)
sys.exit(failed)
