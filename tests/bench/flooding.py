# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host that asks now and then sees while one processor floods the router with requests of every kind, from one
source and from a hundred thousand that are made up; and what the daemon's memory and the kernel's tables say to it."""
import glob
import json
import re
import time

from bed import LIMITED, UNLIMITED, Failed, Router, run
from report import goal, middle, ratio
from strain import POLITE_RATE, POLITE_S, polite

P99_MS = 50
QUEUE_S = 0.3
NEWCOMERS, NEW = '198.19.32.1', 500  # they ask once
LOST = 0.01
ONE, MANY, ONE6, NETWORK6, MANY6 = '198.18.5.5', '198.18.0.0/16', '2001:db8:7::5', '2001:db8:7::/64', '2001:db8::/32'
KINDS = (('map', ONE), ('garbage', ONE), ('response', ONE),
         ('map', MANY), ('address', MANY), ('announce', MANY), ('version', MANY), ('refused', MANY), ('garbage', MANY),
         ('short', MANY), ('response', MANY), ('map', ONE6), ('map', NETWORK6), ('map', MANY6))
SERVER6 = '2001:db8:ffff::1'
BOUND = 1 << 26  # packets; it is ended before
# nobody answers any of these: no requests, and those over the host's rate
DROPPED = (('garbage', ONE), ('map', ONE), ('garbage', MANY))
DROP_RATE, DROP_S = 40000, 1
CONNTRACK = '/proc/sys/net/netfilter/nf_conntrack_count'


def entries(r):
    return int(r.inside('cat', CONNTRACK, capture_output=True).stdout)


def six(bed, r):
    """The router's LAN has IPv6, too, and every source there is on its way back."""
    far = f'lan0-{r.index}'
    for namespace, words in ((r.router, ('addr', 'add', f'{SERVER6}/64', 'dev', 'lan0', 'nodad')),
                             (bed.clients, ('addr', 'add', f'{SERVER6[:-1]}2/64', 'dev', far, 'nodad')),
                             (r.router, ('route', 'add', '2001:db8::/32', 'via', SERVER6[:-1] + '2'))):
        run('ip', '-n', namespace, *words)


def flood(bed, r, kind, sources):
    """Runs one beside the polite; what both saw."""
    mac = json.loads(run('ip', '-j', '-n', r.router, 'link', 'show', 'lan0', capture_output=True).stdout)[0]['address']
    server = SERVER6 if ':' in sources else r.address
    before = r.status()
    p = bed.spawn(bed.clients, bed.path('tests/bench/flood'), '-r', '1e9', f'lan0-{r.index}', mac, server, sources, kind, str(BOUND))
    try:
        time.sleep(QUEUE_S)  # its queue is full now, and stays it
        begin = time.monotonic()
        seen = polite(r)
        new = r.load('map', 1, NEW, 0, first=NEWCOMERS, clients=NEW, options=('-r', NEW), strict=False)
        after, passed = r.status(), time.monotonic() - begin
        if p.poll() is not None:
            raise Failed(f'the flood of {kind} ended')
    finally:
        p.kill()
        p.wait()
        bed.processes.remove(p)
    return {**seen, 'read': (after['datagrams'] - before['datagrams']) / (passed + QUEUE_S), 'new_lost': new['lost'] / NEW}


def flooding(bed, report, a):
    r = Router(bed)
    six(bed, r)
    r.natpcpd([(UNLIMITED, LIMITED), ('"192.0.2.0/24"', '"192.0.2.0/24", "2001:db8::/32"')])
    polite(r)  # from now on its mappings are there
    quiet = polite(r)
    report.add('before floods', quiet['p99_us'] / 1000, 'ms, p99', runs=[quiet], lost=quiet['lost'], kib=r.rss_kib())
    for kind, sources in KINDS:
        seen = flood(bed, r, kind, sources)
        p99_ms, lost = seen['p99_us'] / 1000, seen['lost'] / (POLITE_RATE * POLITE_S)
        report.add(f'{kind} from {sources}', p99_ms, 'ms, p99', runs=[seen], against=quiet['p99_us'] / 1000, lost=seen['lost'],
                   read=seen['read'], new_lost=seen['new_lost'], kib=r.rss_kib(), entries=entries(r),
                   **goal(f'p99 <= {P99_MS} ms, {LOST:.0%} lost', p99_ms <= P99_MS and lost <= LOST))
        r.inside('conntrack', '-F', capture_output=True)
        settle(r)
    after = polite(r)
    report.add('after floods', after['p99_us'] / 1000, 'ms, p99', runs=[after], against=quiet['p99_us'] / 1000,
               lost=after['lost'], kib=r.rss_kib())
    r.close()


def busy(r):
    """Seconds on a processor, by all threads of a router's server, and datagrams that its sockets gave out."""
    seconds = 0.0
    for task in glob.glob(f'/proc/{r.server.pid}/task/*'):
        with open(task + '/schedstat') as f:
            seconds += int(f.read().split()[0]) / 1e9
    snmp = r.inside('cat', '/proc/net/snmp', capture_output=True).stdout
    return seconds, int(re.findall(r'^Udp: (\d+)', snmp, re.M)[0])


def dropping(bed, r, kind, sources):
    """Microseconds of a processor for each datagram of a flood that leaves time to read it all."""
    mac = json.loads(run('ip', '-j', '-n', r.router, 'link', 'show', 'lan0', capture_output=True).stdout)[0]['address']
    seconds, datagrams = busy(r)
    bed.inside(bed.clients, bed.path('tests/bench/flood'), '-r', str(DROP_RATE), f'lan0-{r.index}', mac, r.address, sources, kind,
               str(DROP_RATE * DROP_S), capture_output=True)
    after, read = busy(r)
    return {'us': (after - seconds) * 1e6 / (read - datagrams), 'per_second': (read - datagrams) / (after - seconds)}


def dropped(bed, report, a):
    """The path of a datagram that is not answered, against a loop that does nothing but receive."""
    ours, floor = Router(bed), Router(bed)
    ours.natpcpd([(UNLIMITED, LIMITED)])
    floor.floor('drop')
    for kind, sources in DROPPED:
        turns = [(dropping(bed, ours, kind, sources), dropping(bed, floor, kind, sources)) for _ in range(min(a.rounds, 3))]
        mine, theirs = ([t[i] for t in turns] for i in (0, 1))
        report.add(f'drop {kind}, {"one" if sources == ONE else "many"}', middle(mine, 'per_second'), '/s of 1 cpu',
                   against=middle(theirs, 'per_second'), ratio=ratio(mine, theirs), microseconds=middle(mine, 'us'))
        settle(ours)
    ours.close()
    floor.close()


def settle(r):
    """What the flood left has been read when this is answered."""
    r.load('address', 1, 20, strict=False)
