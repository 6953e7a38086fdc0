#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""sizes.py PROGRAM=MAP...   what a static program is made of: octets by library, from the map that the linker wrote.

The last number is the limit's: all but the C library, which a box has anyway."""
import os
import re
import sys

LIBC = ('libc.a', 'libgcc.a', 'libgcc_eh.a', 'crt')


def library(path):
    """Whose an input file is: an archive's name, crt for what begins and ends every program."""
    name = os.path.basename(path.split('(')[0])
    if name.endswith('.a'):
        # the layers of natpcpd are archives of its own
        return 'natpcpd' if '/out/' in path else name
    return 'crt' if re.search(r'crt[1in]?|crtbegin|crtend', name) else 'natpcpd'


def sizes(path):
    """Octets of each library's sections that are in the file; .bss, debugging sections and comments are not."""
    with open(path) as f:
        text = f.read()
    text = text[text.index('Linker script and memory map'):]
    total = {}
    for name, size, source in re.findall(r'^ (\.\S+)\s+0x[0-9a-f]+\s+(0x[0-9a-f]+) (\S+)$', text, re.M):
        if re.match(r'\.(text|rodata|data|eh_frame|init_array|fini_array|tdata|init|fini|gcc_except_table)', name):
            total[library(source)] = total.get(library(source), 0) + int(size, 16)
    return total


worst = 0
for argument in sys.argv[1:]:
    program, path = argument.split('=')
    by = sizes(path)
    libc = sum(n for name, n in by.items() if name in LIBC)
    whole = os.path.getsize(program)
    print(f'{os.path.basename(program)}: {whole} octets, {libc} of them the C library\'s')
    for name, n in sorted(by.items(), key=lambda item: -item[1]):
        print(f'    {n:8} {name}')
    worst = max(worst, whole - libc)
print(f'without the C library: {worst} at most')
sys.exit(worst >= 1 << 20)
