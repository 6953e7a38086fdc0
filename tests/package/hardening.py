#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hardening.py BUILD   whether the programs and the library are what HARDENING in the Makefile says, as binutils see them.

One line PASS, FAIL or SKIP for each."""
import glob
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import parts

BUILD = os.path.abspath(sys.argv[1])
PROGRAMS = ('natpcpd', 'natpcpctl', 'natpcpc', 'natpcp-labd')
SHARED = 'libnatpcp.so.0'
# what the C library checks the bounds of; the library copies nothing of which the compiler does not know the size
FORTIFIED = PROGRAMS


def run(*argv):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    assert p.returncode == 0, f'{argv}: {p.stdout[-500:]}'
    return p.stdout


def weak(path, program=True, fortified=True):
    """What is missing in a linked file."""
    headers = run('readelf', '-hlW', path)
    dynamic = run('readelf', '-dW', path)
    wanted = set(re.findall(r' U (\S+?)(?:@\S*)?$', run('nm', '-D', path), re.M))
    loads = re.findall(r'^ +LOAD +(?:0x\w+ +){5}([RWE ]{3}) ', headers, re.M)
    stack = re.findall(r'^ +GNU_STACK +(?:0x\w+ +){5}([RWE ]{3}) ', headers, re.M)
    tags = set(re.findall(r'^ 0x\w+ +\((\w+)\)', dynamic, re.M))
    flags = ' '.join(re.findall(r'\((?:FLAGS|FLAGS_1)\) +(.*)$', dynamic, re.M))
    assert loads, headers
    return [what for what, there in (
        ('position independent', re.search(r'Type: +DYN', headers) and ('PIE' in flags or not program)),
        ('RELRO', 'GNU_RELRO' in headers),
        ('bound at start', re.search(r'BIND_NOW|\bNOW\b', flags)),
        ('a stack that is not code', stack and 'E' not in stack[0]),
        ('nothing that is written and run', not any('W' in f and 'E' in f for f in loads)),
        ('no relocations in code', 'TEXTREL' not in tags | set(flags.split())),
        ('no path of its own to libraries', not tags & {'RPATH', 'RUNPATH'}),
        ('stack protector', wanted & {'__stack_chk_fail', '__stack_chk_guard'}),
        ('fortified functions', not fortified or any(re.fullmatch(r'__\w+_chk', w) for w in wanted)),
    ) if not there]


def t_what_is_weak_is_seen():
    """A program with none of it."""
    with tempfile.TemporaryDirectory(prefix='natpcp-hardening-') as directory:
        source, program = os.path.join(directory, 'it.c'), os.path.join(directory, 'it')
        with open(source, 'w') as f:
            f.write('#include <stdio.h>\n__asm__(".pushsection both,\\"awx\\"; .long 0; .popsection");\nint main(int n, char **v) { char b[64]; return snprintf(b, sizeof(b), v[n - 1]); }\n')
        run('cc', '-O0', '-w', '-U_FORTIFY_SOURCE', '-fno-stack-protector', '-fno-pie', '-no-pie',
            '-Wl,-z,execstack,-z,norelro,-z,lazy,-rpath,/opt', '-o', program, source)
        assert weak(program) == [
            'position independent', 'RELRO', 'bound at start', 'a stack that is not code', 'nothing that is written and run',
            'no path of its own to libraries', 'stack protector', 'fortified functions'], weak(program)


def t_programs():
    found = {p: weak(os.path.join(BUILD, p), True, p in FORTIFIED) for p in PROGRAMS}
    assert not any(found.values()), {p: w for p, w in found.items() if w}


def t_shared_library():
    found = weak(os.path.join(BUILD, SHARED), False, False)
    assert not found, found


def t_each_object_has_marks_for_jumps_and_returns():
    """In the objects: a linked file says it only if all it is linked with does, and Debian's C library does not."""
    mark = {'x86_64': 'IBT, SHSTK', 'aarch64': 'BTI, PAC'}.get(os.uname().machine)
    if not mark:
        return 'this processor has none'
    without = []
    for archive in sorted(glob.glob(os.path.join(BUILD, 'lib*.a'))):
        members = re.split(r'^File: ', run('readelf', '-nW', archive), flags=re.M)[1:]
        assert members, archive
        without += [m.splitlines()[0] for m in members if mark not in m]
    assert not without, without
    return None


sys.exit(0 if parts.play(dict(globals())) else 1)
