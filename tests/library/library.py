#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libnatpcp as those meet it who install it: what make install-lib leaves, what it exports, what it needs, its headers in
C and C++, its man pages, and the examples, built by pkg-config alone and run.   library.py [BUILD]"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import parts
from program import Program

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, 'build'))
WORK = tempfile.mkdtemp(prefix='natpcp-library-')
DEST, PREFIX, LIBDIR = os.path.join(WORK, 'dest'), '/opt/natpcp', '/opt/natpcp/lib/one'
INCLUDE, LIB = DEST + PREFIX + '/include', DEST + LIBDIR
HEADERS = ('codec.h', 'client.h', 'conn.h', 'epoch.h')
STRICT = ('-Wall', '-Wextra', '-pedantic', '-Werror')
# what the library may ask of the C library: no allocation, no stdio, no clock, no random numbers
PURE = set('memchr memcmp memcpy memmove memset strchr strcspn strlen strspn inet_pton'.split())
SOCKETS = set('bind close connect getsockname getsockopt setsockopt recvmsg sendto socket open read if_indextoname '
              'if_nametoindex __errno_location'.split())
COMPILER = {'_GLOBAL_OFFSET_TABLE_', '__stack_chk_fail', '__stack_chk_fail_local'}
# the same functions with the bounds looked at, where _FORTIFY_SOURCE says so
FORTIFIED = {f'__{n}_chk' for n in PURE | {'recv', 'read'}} | {'__open_2'}
ADDRESS = f'127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}.2'


def run(*argv, env=None, ok=True, timeout=300):
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout,
                       env=dict(os.environ, **(env or {})), cwd=ROOT, stdin=subprocess.DEVNULL)
    if ok and p.returncode:
        raise AssertionError(f'{" ".join(argv)}: exit {p.returncode}: {p.stdout.strip()}')
    return p.stdout


def same(got, want):
    got, want = set(got), set(want)
    assert got == want, f'too many: {sorted(got - want)}, too few: {sorted(want - got)}'


def make(target, *variables):
    environment = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}
    p = subprocess.run(['make', '--no-print-directory', f'O={BUILD}', f'DESTDIR={DEST}', f'PREFIX={PREFIX}',
                        f'LIBDIR={LIBDIR}', *variables, target], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       env=environment, cwd=ROOT, stdin=subprocess.DEVNULL)
    assert p.returncode == 0, p.stdout


def files():
    return {os.path.relpath(os.path.join(d, f), DEST + PREFIX) for d, _, names in os.walk(DEST) for f in names}


def pkg_config(*arguments):
    return run('pkg-config', *arguments, 'libnatpcp', env={
        'PKG_CONFIG_LIBDIR': LIB + '/pkgconfig', 'PKG_CONFIG_PATH': '', 'PKG_CONFIG_SYSROOT_DIR': DEST}).split()


def declared():
    """The functions that the headers declare."""
    names = set()
    for header in HEADERS:
        with open(os.path.join(INCLUDE, 'natpcp', header)) as f:
            text = re.sub(r'/\*.*?\*/', '', f.read(), flags=re.S)
        text = re.sub(r'^#.*$|extern "C" \{', '', text, flags=re.M)
        while '{' in text and re.search(r'\{[^{}]*\}', text):
            text = re.sub(r'\{[^{}]*\}', '', text)
        names |= set(re.findall(r'(\w+)\s*\([^()]*\)\s*;', text))
    return names


def t_installs_what_it_says():
    make('install-lib')
    with open(os.path.join(ROOT, 'server/version.h')) as f:
        version = re.search(r'NATPCPD_VERSION "(.*)"', f.read()).group(1)
    lib = os.path.relpath(LIBDIR, PREFIX) + '/'
    same(files(), [f'include/natpcp/{h}' for h in HEADERS]
         + [f'share/man/man3/natpcp_{p}.3' for p in ('codec', 'client', 'conn')]
         + [lib + f for f in ('libnatpcp.a', 'libnatpcp.so', 'libnatpcp.so.0', f'libnatpcp.so.{version}',
                              'pkgconfig/libnatpcp.pc')])
    assert os.path.realpath(LIB + '/libnatpcp.so') == os.path.realpath(f'{LIB}/libnatpcp.so.{version}')
    assert pkg_config('--modversion') == [version]
    assert pkg_config('--cflags', '--libs') == [f'-I{INCLUDE}', f'-L{LIB}', '-lnatpcp'], pkg_config('--cflags', '--libs')
    with open(LIB + '/pkgconfig/libnatpcp.pc') as f:
        assert f'\nprefix={PREFIX}\n' in f.read()


def t_exports_what_its_headers_declare():
    want = declared()
    assert len(want) > 40 and 'codec_probe' in want and 'client_next' in want, want
    shared = LIB + '/libnatpcp.so'
    exported = [line.split()[-1] for line in run('nm', '-D', '--defined-only', shared).splitlines()]
    same(exported, {f'natpcp_{n}@@LIBNATPCP_0' for n in want} | {'LIBNATPCP_0'})
    dynamic = run('readelf', '-d', shared)
    same(re.findall(r'\(SONAME\).*\[(.*)\]', dynamic), ['libnatpcp.so.0'])
    same(re.findall(r'\(NEEDED\).*\[(.*)\]', dynamic), ['libc.so.6'])
    same([line.split()[-1] for line in run('nm', '-g', '--defined-only', LIB + '/libnatpcp.a').splitlines()
          if len(line.split()) == 3], {f'natpcp_{n}' for n in want})


def t_same_names_with_lto():
    """Distributions build with CFLAGS=-flto: the static library has no other names then."""
    build = os.path.join(WORK, 'lto')
    make(build + '/libnatpcp.a', f'O={build}', 'CFLAGS=-O0 -flto')
    same([line.split()[-1] for line in run('nm', '-g', '--defined-only', build + '/libnatpcp.a').splitlines()
          if len(line.split()) == 3], {f'natpcp_{n}' for n in declared()})


def t_needs_little_and_keeps_nothing():
    wanted = {line.split()[-1] for line in run('nm', '-u', LIB + '/libnatpcp.a').splitlines() if ' U ' in line}
    assert wanted <= PURE | SOCKETS | COMPILER | FORTIFIED, wanted - PURE - SOCKETS - COMPILER - FORTIFIED
    for path in LIB + '/libnatpcp.a', LIB + '/libnatpcp.so':
        sections = re.findall(r'^\s*\[ *\d+\] (\S+) +(?:PROGBITS|NOBITS) +\S+ +\S+ +(\S+) +\S+ +(\w+)',
                              run('readelf', '-SW', path), re.M)
        assert any('W' in flags for _, _, flags in sections), (path, sections)
        for name, size, flags in sections:
            # relocated once and then read-only: tables of names. The linker's own: .got, and the octet of crtbegin in .bss
            if 'W' not in flags or re.match(r'\.data\.rel\.ro|\.(init|fini)_array|\.got', name):
                continue
            own = {'.data': 8, '.bss': 8} if path.endswith('.so') else {}
            assert int(size, 16) <= own.get(name, 0), (path, name, size)
    objects = run('nm', LIB + '/libnatpcp.a')
    assert not re.search(r' [bBCsS] ', objects), objects


def t_headers_in_c_and_cxx():
    for header in HEADERS:
        with open(os.path.join(INCLUDE, 'natpcp', header)) as f:
            text = f.read()
        same(re.findall(r'^#include "(.*)"', text, re.M), [])
        assert all(os.path.exists(os.path.join(INCLUDE, i)) for i in re.findall(r'^#include <(natpcp/.*)>', text, re.M))
    compilers = [(c, s) for c, s in (('gcc', 'c11'), ('clang', 'c11'), ('g++', 'c++11'), ('clang++', 'c++11'), ('g++', 'c++20'))
                 if shutil.which(c)]
    assert any(s != 'c11' for _, s in compilers), 'no C++ compiler'
    for compiler, standard in compilers:
        for header in HEADERS:
            source = os.path.join(WORK, header + ('.c' if standard == 'c11' else '.cc'))
            with open(source, 'w') as f:
                f.write(f'#include <natpcp/{header}>\n#include <natpcp/{header}>\n')
            run(compiler, f'-std={standard}', *STRICT, '-Wundef', '-fsyntax-only', f'-I{INCLUDE}', source)


CXX = '''
#include <natpcp/client.h>
#include <natpcp/conn.h>
#include <cstring>
struct mine { /* a method by the name of a function of the library stays one's own */
	int client_init() { return 7; }
};
int main()
{
	client_endpoint server = client_endpoint(), to;
	in6_addr own = codec_from_v4(0xc0000202);
	client_request request = client_request();
	uint8_t out[CODEC_MESSAGE_MAX];
	uint64_t deadline;
	client_op op;
	client_path path = client_path();
	client c;
	mine m;
	server.address = codec_from_v4(0xc0000201);
	server.port = CODEC_SERVER_PORT;
	request.protocol = 6;
	request.internal_port = 80;
	request.lifetime_s = 60;
	client_init(&c, CLIENT_PCP, &server, &own, 1);
	if (!client_map(&c, &op, &request, 1))
		return 1;
	path = *client_path_now(&c);
	if (path.server.port != CODEC_SERVER_PORT)
		return 3;
	if (client_next(&c, out, sizeof(out), &to, &deadline, 1) != 60 || codec_probe(out, 60) != CODEC_KIND_PCP_REQUEST)
		return 2;
	return std::strcmp(pcp_opcode_name(out[1]), "MAP") != 0 || m.client_init() != 7;
}
'''


def t_links_with_cxx():
    source, program = os.path.join(WORK, 'cxx.cc'), os.path.join(WORK, 'cxx')
    with open(source, 'w') as f:
        f.write(CXX)
    for libs in pkg_config('--cflags', '--libs'), [f'-I{INCLUDE}', LIB + '/libnatpcp.a']:
        run('g++', '-std=c++11', *STRICT, '-o', program, source, *libs)
        run(program, env={'LD_LIBRARY_PATH': LIB})


def t_examples_build():
    for example in 'mapper', 'shared', 'ten':
        run('cc', '-std=c11', *STRICT, '-o', os.path.join(WORK, example), f'codec/examples/{example}.c',
            *pkg_config('--cflags', '--libs'))
    run('cc', '-std=c11', *STRICT, '-o', os.path.join(WORK, 'mapper-static'), 'codec/examples/mapper.c', f'-I{INCLUDE}',
        LIB + '/libnatpcp.a')


def t_examples_take_a_port():
    """Port 0 would be all ports of the host, so neither a word nor the last of ten may become one."""
    for example, port in [(e, p) for e in ('mapper', 'shared', 'ten') for p in ('0', '-1', '65536', 'x')] + [('ten', '65527')]:
        p = subprocess.run([os.path.join(WORK, example), port, ADDRESS], env=dict(os.environ, LD_LIBRARY_PATH=LIB),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        assert p.returncode == 2 and p.stdout.startswith('usage: '), (example, port, p)


def daemon():
    d = Program(os.path.join(BUILD, 'natpcpd'), '-b', 'memory', '-l', ADDRESS)
    assert d.line() == 'ready'
    return d


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(('0.0.0.0', 0))
        return s.getsockname()[1]


def t_example_mapper():
    with daemon():
        for program, port in ('mapper', '8080'), ('mapper-static', '8081'):
            out = run(os.path.join(WORK, program), port, ADDRESS, env={'LD_LIBRARY_PATH': LIB})
            assert re.fullmatch(r'reachable as port \d+ for 7200 s\n', out), out
    # nobody there any more; somebody who never answers
    out = run(os.path.join(WORK, 'mapper'), '8080', ADDRESS, env={'LD_LIBRARY_PATH': LIB}, ok=False)
    assert out == 'no answer\n', out
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((ADDRESS, 5351))
        out = run(os.path.join(WORK, 'mapper'), '8080', ADDRESS, env={'LD_LIBRARY_PATH': LIB}, ok=False)
        assert out == 'no answer\n', out


def t_example_shared_socket():
    port = free_port()
    with daemon(), Program(os.path.join(WORK, 'shared'), str(port), ADDRESS, LD_LIBRARY_PATH=LIB) as p, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        assert re.fullmatch(r'echo is reachable as port \d+', p.line())
        s.settimeout(20)
        s.connect(('127.0.0.1', port))
        # its own protocol; what looks like ours and comes from somebody else
        for datagram in (b'hello', b'', bytes(2), b'\0\1\0\0\x21\x12\xa4\x42' + bytes(12), b'\2\0\0\0' + b'\x5d' * 88,
                         b'\0\x81' + bytes(14), b'\2\x81' + bytes(58)):
            s.send(datagram)
            assert s.recv(2000) == datagram, datagram


def t_example_ten_mappings():
    with daemon(), Program(os.path.join(WORK, 'ten'), '9000', ADDRESS, 'lo', LD_LIBRARY_PATH=LIB) as p:
        for verb in r'-> (198\.51\.100\.1|::):\d+ for \d+ s', 'deleted':
            lines = [p.line() for _ in range(10)]
            got = [re.fullmatch(r'(\d+):? ' + verb, line) for line in lines]
            assert all(got), lines
            same([int(m.group(1)) for m in got], range(9000, 9010))
            if verb != 'deleted':
                p.stop()
        assert p.process.wait(60) == 0


def t_man_pages():
    pages = [os.path.join(DEST + PREFIX, 'share/man/man3', f'natpcp_{p}.3') for p in ('codec', 'client', 'conn')]
    if shutil.which('mandoc'):
        complaints = run('mandoc', '-Tlint', '-Wwarning', *pages, ok=False)
        assert not complaints, complaints
    if shutil.which('groff'):
        for page in pages:
            complaints = run('groff', '-mdoc', '-Tutf8', '-ww', '-z', page, ok=False)
            assert not complaints, complaints
    # their synopses have each function, and no other
    synopsis = set()
    for page in pages:
        with open(page) as f:
            text = f.read()
        part = text[text.index('.Sh SYNOPSIS'):text.index('.Sh DESCRIPTION')]
        synopsis |= set(re.findall(r'^\.F[no] (\w+)', part, re.M))
    same(synopsis, declared())


def t_uninstalls_all():
    make('uninstall-lib')
    same(files(), [])


try:
    good = parts.play(dict(globals()))
finally:
    shutil.rmtree(WORK, ignore_errors=True)
sys.exit(0 if good else 1)
