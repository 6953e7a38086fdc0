#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs everything that make check promises, in parallel, and says what came of it.

  check.py [--jobs N] [--build DIR] all | netns | unit | proofs | valgrind | msan | targets | self ...

One line for each test, the log of what failed, and at the end one line alone: N passed, N failed, N skipped.
all and proofs (every test that can prove a requirement, once) leave the verdicts in DIR/results.tsv.
"""
import argparse
import atexit
import concurrent.futures
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

# nothing here uses what others have installed for it, which may take longer to start than a test
PYTHON = [sys.executable, '-S']
SANITIZERS = 'address,undefined'
MAKE = os.environ.get('MAKE', 'make').split()[0]
# what has no library but C's on other machines that Debian has compilers for: tests/alone
FOREIGN = {'s390x': ('s390x-linux-gnu', 'qemu-s390x'), 'armhf': ('arm-linux-gnueabihf', 'qemu-arm')}
VALGRIND = ['valgrind', '-q', '--error-exitcode=99', '--leak-check=full', '--errors-for-leak-kinds=definite,indirect,possible']
under = {}  # what runs the programs of a tree, if not this machine alone
running, lock = set(), threading.Lock()
total = {'PASS': 0, 'FAIL': 0, 'SKIP': 0}
took = []  # (seconds, those of a processor, command)
failures = []  # what is said of each at the end, too: its name, and the last line of its log
verdicts = []  # (test as tests/requirements/conformance.py names it, verdict)
stopping = False


class Command(subprocess.Popen):
    """A command, and how long it kept a processor busy, with all that it waited for."""
    processor_s = 0.0

    def _try_wait(self, wait_flags):
        try:
            pid, status, usage = os.wait4(self.pid, wait_flags)
        except ChildProcessError:
            return self.pid, 0
        self.processor_s = usage.ru_utime + usage.ru_stime
        return pid, status


def run(argv, seconds, env=None):
    """Runs a command in a process group of its own; its exit code (124: out of time) and its output."""
    if stopping:
        return 130, ''
    begin = time.monotonic()
    clean = {k: v for k, v in os.environ.items() if k not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL')}
    p = Command(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
                stdin=subprocess.DEVNULL, start_new_session=True, env=dict(clean, **(env or {})))
    with lock:
        running.add(p)
    try:
        out, _ = p.communicate(timeout=seconds)
        return p.returncode, out
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGTERM)
        try:
            out, _ = p.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            out, _ = p.communicate()
        return 124, out + f'\nout of time after {seconds} s\n'
    finally:
        with lock:
            running.discard(p)
            tree = os.path.basename((env or {}).get('NATPCP_BUILD', ''))
            took.append((time.monotonic() - begin, p.processor_s, ' '.join([os.path.basename(argv[0]), *argv[1:], tree])))


def say(result, name, note='', log='', count=1):
    with lock:
        if stopping:
            return
        total[result] += count
        if result == 'FAIL':
            failures.append(f'{name}: {(log.strip() or note or "no more is known").splitlines()[-1].strip():.160}')
        if log and result == 'FAIL':
            print('\n'.join('    ' + line for line in log.rstrip().splitlines()[-120:]))
        print(f'  {result}    {name}{"  " + note if note else ""}', flush=True)


def step(name, *argv, seconds=3600):
    """One command that passes or fails as a whole. True if it passed."""
    begin = time.monotonic()
    code, out = run(argv, seconds)
    say('PASS' if code == 0 else 'FAIL', name, f'({time.monotonic() - begin:.0f} s)', out)
    return code == 0


def note(test, verdict):
    with lock:
        verdicts.append((test, verdict))


def cmocka(program, source, runner=()):
    """A unit test program: each of its tests counts; its own closing line is shown."""
    code, out = run([*runner, program], 3600 if runner else 1800, {'ASAN_OPTIONS': 'allocator_may_return_null=1'})
    marks = {'OK': 'PASS', 'FAILED': 'FAIL', 'SKIPPED': 'SKIP'}
    for mark, test in re.findall(r'^\[ *(OK|FAILED|SKIPPED) *\] (\w+)$', out, re.M):
        note(f'{source}:{test}', marks[mark])
    counts = {k: sum(int(n) for n in re.findall(rf'^\[\s*{k}\s*\] (\d+) test', out, re.M))
              for k in ('PASSED', 'FAILED', 'SKIPPED')}
    closing = '  '.join(re.findall(r'^\[\s*(?:PASSED|FAILED|SKIPPED)\s*\] \d+ test.*$', out, re.M))
    if counts['SKIPPED']:
        say('SKIP', program, closing, count=counts['SKIPPED'])
    if code or counts['FAILED']:
        total['PASS'] += counts['PASSED']
        say('FAIL', program, closing or f'exit {code}', out, max(1, counts['FAILED']))
    elif counts['PASSED']:
        say('PASS', program, closing, count=counts['PASSED'])
    elif not counts['SKIPPED']:
        say('FAIL', program, 'no test ran', out)


def lines(name, *argv, seconds=1800, env=None, key='{}'):
    """A test that reports each of its parts in a line PASS|FAIL|SKIP name: what. A part's verdict is noted as key."""
    code, out = run(argv, seconds, env)
    found = re.findall(r'^(PASS|FAIL|SKIP) ([^:\n]+)(?:: *(.*))?$', out, re.M)
    before = re.split(r'^(?:PASS|FAIL|SKIP) .*$', out, flags=re.M)
    for (result, part, what), log in zip(found, before):
        say(result, f'{name}: {part}', what, log)
        note(key.format(part), result)
    if code not in (0, 77) and not any(r == 'FAIL' for r, _, _ in found):
        say('FAIL', name, f'exit {code}', before[-1])
    elif not found and code == 77:
        say('SKIP', name)
    elif not found:
        say('FAIL', name, 'no test ran', out)


def self_test():
    """What is believed of a test: one that says nothing has proved nothing."""
    passed, failed, skipped = (f'echo "[  {k}  ] {n} test(s)"; ' for k, n in (('PASSED', 2), ('FAILED', 1), ('SKIPPED', 3)))
    for judge, script, expected in (
            (lines, 'echo PASS a: x; echo SKIP b: y', (1, 0, 1)),
            (lines, 'echo PASS a: x; echo FAIL b: y; exit 1', (1, 1, 0)),
            (lines, 'echo PASS a: x; echo Traceback; exit 1', (1, 1, 0)),
            (lines, 'echo not root; exit 77', (0, 0, 1)),
            (lines, 'echo all is well', (0, 1, 0)),
            (lines, 'exit 0', (0, 1, 0)),
            (lines, 'exit 1', (0, 1, 0)),
            (cmocka, passed, (2, 0, 0)),
            (cmocka, passed + skipped, (2, 0, 3)),
            (cmocka, skipped, (0, 0, 3)),
            (cmocka, passed + failed + 'exit 1', (2, 1, 0)),
            (cmocka, passed + 'exit 139', (2, 1, 0)),
            (cmocka, 'exit 0', (0, 1, 0))):
        total.update(PASS=0, FAIL=0, SKIP=0)
        with tempfile.TemporaryDirectory() as directory:
            program = os.path.join(directory, 'it')
            with open(program, 'w') as f:
                f.write('#!/bin/sh\n' + script)
            os.chmod(program, 0o755)
            judge(program, program)
        assert tuple(total.values()) == expected, (judge.__name__, script, total)
    assert len(failures) == 8 and all(': ' in f for f in failures), failures
    # no test has run: each MUST is open
    total.update(PASS=0, FAIL=0, SKIP=0)
    with tempfile.TemporaryDirectory() as directory:
        keep(os.path.join(directory, 'results.tsv'), time.time())
        conformance(directory)
    assert total['FAIL'] > 0, total


def exists(program):
    if not os.path.exists(program):
        say('FAIL', program, 'was not built')
        return False
    return True


def units(build, layers=('*',)):
    return [(cmocka, p, t, under.get(build, ())) for p, t in ((t.replace('tests/', build + '/tests/', 1)[:-2], t) for layer in layers
                                        for t in sorted(glob.glob(f'tests/unit/{layer}/test_*.c'))) if exists(p)]


def judges(build):
    return [(lines, os.path.dirname(j)[len('tests/'):], j, build) for j in sorted(glob.glob('tests/unit/*/judge.sh'))]


def scenarios(build):
    player = build + '/tests/scenario/player'
    if not os.path.exists('tests/scenario/player.c') or not exists(player):
        return []
    return [(lines, 'scenarios' + ('' if build == 'build' else ' ' + build), *under.get(build, ()), player,
             *sorted(glob.glob('tests/scenario/*.txt')))]


def pure_targets():
    """The fuzzing targets that use no library but C's, as the Makefile knows them."""
    with open('Makefile') as f:
        return re.search(r'^FUZZ_PURE := .*fuzz_%,([a-z ]+)\)', f.read(), re.M)[1].split()


def replays(build, targets=('*',)):
    """Those that were built: not all are for every machine."""
    work = []
    for source in sorted(s for t in targets for s in glob.glob(f'tests/fuzz/fuzz_{t}.c')):
        program = source.replace('tests/', build + '/tests/', 1)[:-2]
        seeds = 'tests/fuzz/seeds/' + os.path.basename(program)[len('fuzz_'):]
        if os.path.exists(program) if under.get(build) else exists(program):
            work.append((step, program + ' replays its seeds', *under.get(build, ()), program, seeds))
    return work


# they wait for a minute or more: the others wait beside them, if these begin first
LONG = ('memory', 'restart', 'meddle', 'links', 'storm')


def netns(build):
    env = {'NATPCP_BUILD': os.path.abspath(build), 'PYTHONPATH': os.path.abspath('tests/lab'),
           'PYTHONDONTWRITEBYTECODE': '1'}
    tests = sorted(glob.glob('tests/netns/t-*.py'), key=lambda t: (os.path.basename(t)[2:-3] in LONG, os.path.getsize(t)), reverse=True)
    suffix = '' if build == 'build' else ' ' + build
    chaos = 'tests/chaos/chaos.py'
    return [(lambda: lines('chaos' + suffix, *PYTHON, chaos, env=env, key=chaos + ':{}'),)] + \
        [(lambda t=t: lines(os.path.relpath(t, 'tests')[:-3] + suffix, *PYTHON, t, seconds=3600, env=env,
                           key=t + ':{}'),) for t in tests]


def dissection(tap):
    """What was sent in the namespaces. Where none could be made, there is nothing to be read."""
    if any(t.startswith('tests/netns/') and v != 'SKIP' for t, v in verdicts):
        lines('what was sent', *PYTHON, 'tests/lab/dissect.py', tap)
    else:
        say('SKIP', 'what was sent')


def conformance(build):
    """What the verdicts prove. A MUST that is open fails, unless it is for tests that could not run here; and an id that no
    requirement has."""
    sys.path.insert(0, 'tests/requirements')
    from conformance import Report
    report = Report(build)
    report.write(os.path.join(build, 'conformance.tsv'))
    say('FAIL' if report.wrong else 'PASS', 'the tests name requirements that there are', '', '\n'.join(report.wrong))
    left = report.open('MUST')
    skipped = [i for i in left if 'SKIP' in report.by[i].values() and 'FAIL' not in report.by[i].values()]
    names = ' '.join(i for i in left if i not in skipped)
    say('FAIL' if names else 'SKIP' if skipped else 'PASS', 'every MUST is proved',
        f'{len(skipped)} only by tests that were skipped' if skipped else '', names)
    for line in report.lines(listed=False):
        print('          ' + line)


def keep(path, begin):
    """The verdicts of a whole run, as old as its begin: what changed since then has not been tested."""
    with open(path, 'w') as f:
        f.write('\n'.join(['test\tverdict', *(f'{t}\t{v}' for t, v in sorted(verdicts))]) + '\n')
    os.utime(path, (begin, begin))


def together(jobs, work):
    """Does what there is to do, so many at a time; what a piece of it returns as a list is then to be done, too."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(*w) for w in work}
        while pending:
            done, pending = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
            for d in done:
                more = d.result()
                pending |= {pool.submit(*w) for w in more} if isinstance(more, list) else set()


def sanitized(make, build):
    """The second tree, made while the first one's tests wait for something, and then its tests."""
    if not step('compiles with sanitizers', 'nice', *make, f'SAN={SANITIZERS}', f'O={build}', 'WERROR=1', 'all', 'unit', 'replay'):
        return []
    return netns(build) + units(build) + scenarios(build) + replays(build)


# under the memory sanitizer these compute for a minute; what they drive, the scenarios do as well. test_steps counts those of
# optimised code
TOO_LONG = ('test_mapper_own', 'test_engine', 'test_lease', 'test_index', 'test_probe', 'test_runs', 'test_steps')


def pure(build, skip=()):
    return [w for w in units(build, ('codec', 'conf', 'core')) if os.path.basename(w[1]) not in skip] + \
        scenarios(build) + replays(build, pure_targets())


def memory(make, build, skip=TOO_LONG):
    """All of it by another compiler; the pure layers are then run with its sanitizer of memory that nobody has written to."""
    with tempfile.TemporaryDirectory() as directory:
        here, why = run(['sh', '-c', 'echo "int main(void) { return 0; }" | clang -fsanitize=memory -x c -o "$1" -', 'sh', directory + '/it'], 60)
    if not step('clang compiles everything without a warning', 'nice', *make, 'CC=clang', 'SAN=memory', 'CFLAGS=-O0 -g1', f'O={build}',
                'WERROR=1', 'objects', *(['pure'] if here == 0 else [])):
        return []
    if here != 0:
        say('SKIP', 'the pure layers under the memory sanitizer', why.strip()[-200:])
        return []
    return pure(build, skip)


def analyzed(make, build):
    """What is shipped, by two of make analyze's three: the third takes longer than all else here."""
    step('gcc -fanalyzer has nothing to say', 'nice', *make, f'O={build}', 'analyze-gcc')
    if shutil.which('cppcheck'):
        step('cppcheck has nothing to say', 'nice', *make, f'O={build}', 'analyze-cppcheck')
    else:
        say('SKIP', 'cppcheck has nothing to say', 'no cppcheck')
    return []


def foreign(make, build, machine, whole=True):
    """The pure layers for another kind of processor, run by an emulator of it: the scenarios and seeds, and the unit tests."""
    triple, emulator = FOREIGN[machine]
    missing = [t for t in (triple + '-gcc', emulator) if not shutil.which(t)]
    if missing:
        say('SKIP', f'the pure layers for {machine}', f'no {missing[0]}')
        return []
    under[build] = [emulator, '-L', '/usr/' + triple]
    # not -O1, by which gcc 12 for armhf loses the upper half of a constant in tests/alone/zlib.h
    if not step(f'compiles for {machine}', 'nice', *make, f'O={build}', f'CC={triple}-gcc', f'AR={triple}-ar', 'pc=', 'SECCOMP=', 'HARDENING=',
                'CPPFLAGS=-D_FILE_OFFSET_BITS=64 -Itests/alone -idirafter /usr/include', f'CFLAGS=-O{2 if whole else 0} -g0 -Wno-maybe-uninitialized',
                'engine', *(['pure-unit'] if whole else [])):
        return []
    # the emulator does not pass on all that its sockets need
    return pure(build, ('test_conn',)) if whole else scenarios(build) + replays(build, pure_targets())


# there valgrind answers for the kernel: it could not go on in the sandbox, and ends connections that its own limit of descriptors forbids
NOT_BY_VALGRIND = ('test_sandbox', 'test_control')


def valgrind(make, build):
    """Everything that is not netns, by valgrind; it has an allocator of its own, so none is made to fail."""
    under[build] = VALGRIND
    if not step('compiles for valgrind', *make, f'O={build}', 'HARDENING=', 'CPPFLAGS=-DFAILMALLOC=0', 'CFLAGS=-O1 -g', 'unit', 'replay'):
        return []
    return [w for w in units(build) if os.path.basename(w[1]) not in NOT_BY_VALGRIND] + scenarios(build) + replays(build)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--build', default='build')
    parser.add_argument('sets', nargs='+')
    a = parser.parse_args()
    make = [MAKE, '--no-print-directory', f'-j{a.jobs}']

    def stop(*_):
        global stopping
        stopping = True
        with lock:
            for p in running:
                os.killpg(p.pid, signal.SIGTERM)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if a.sets == ['self']:
        return self_test()
    begin, began = time.monotonic(), time.time()
    everything, proofs = 'all' in a.sets, 'proofs' in a.sets
    if everything:
        os.environ['NATPCP_TAP'] = tempfile.mkdtemp(prefix='natpcp-tap-')
        atexit.register(shutil.rmtree, os.environ['NATPCP_TAP'], ignore_errors=True)
    if proofs:
        step('compiles', *make, f'O={a.build}', 'all', 'unit')
    if everything and step('compiles', *make, f'O={a.build}', 'all', 'unit', 'replay'):
        together(1, [(step, 'a silent test has failed', *PYTHON, 'tests/lab/check.py', 'self')])
        together(1, [(step, 'layers are pure', *make, f'O={a.build}', 'check-layers')])
    # the namespace tests wait more than they compute
    work = []
    if everything:
        work += [(sanitized, make, a.build + '-san')]
    if everything or proofs or 'netns' in a.sets:
        work += netns(a.build)
    if everything or proofs or 'unit' in a.sets:
        work += units(a.build)
    if everything or proofs:
        loopback = 'tests/clients/natpcpc-loopback.py'
        work += scenarios(a.build)
        work += [(lambda: lines('natpcpc', loopback, a.build, key=loopback + ':{}'),)]
    if everything:
        work += [(lines, 'library', *PYTHON, 'tests/library/library.py', a.build),
                 (lines, 'library elsewhere', *PYTHON, 'tests/library/targets.py'),
                 (lines, 'package', *PYTHON, 'tests/package/package.py', a.build),
                 (lines, 'reproducible', *PYTHON, 'tests/package/reproducible.py', 'some'),
                 (lines, 'hardening', *PYTHON, 'tests/package/hardening.py', a.build),
                 (lambda: lines('page', *PYTHON, 'tests/page/page.py', env={'NATPCP_BUILD': os.path.abspath(a.build), 'PYTHONDONTWRITEBYTECODE': '1'},
                                key='tests/page/page.py:{}'),)]
        work += judges(a.build) + replays(a.build)
        work += [(lines, 'clients', 'tests/clients/run.sh', a.build)] if os.path.exists('tests/clients/run.sh') else []
        work += [
            (step, 'each header compiles alone', *make, f'O={a.build}', 'check-headers'),
            (step, 'format', *make, 'check-format'),
            (analyzed, make, a.build),
            (memory, make, 'build-clang'),
            (foreign, make, a.build + '-engine', 's390x', False),
        ]
    if 'valgrind' in a.sets:
        work += [(valgrind, make, a.build + '-valgrind')]
    if 'msan' in a.sets:
        work += [(memory, make, a.build + '-clang', ('test_steps',))]
    if 'targets' in a.sets:
        work += [(foreign, make, f'{a.build}-{m}', m) for m in FOREIGN]
    together(a.jobs * 3 + 1, work)
    if everything:
        dissection(os.environ['NATPCP_TAP'])
    if (everything or proofs) and not stopping:
        keep(os.path.join(a.build, 'results.tsv'), began)
    if everything and not stopping:
        conformance(a.build)
    for name, dearest in ('longest', sorted(took, reverse=True)[:8]), ('dearest', sorted(took, key=lambda t: t[1], reverse=True)[:10]):
        print(f'          {name}, and seconds of a processor:')
        for seconds, processor_s, command in dearest:
            print(f'          {seconds:5.0f} s {processor_s:5.0f} s  {command:.100}')
    print(f'{time.monotonic() - begin:.0f} s, {sum(t[1] for t in took):.0f} s of a processor')
    for failure in failures:
        print(f'  FAILED  {failure}')
    if stopping:
        print('interrupted')
    print(f"{total['PASS']} passed, {total['FAIL']} failed, {total['SKIP']} skipped")
    return 1 if total['FAIL'] or stopping else 0


if __name__ == '__main__':
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..'))
    sys.exit(main())
