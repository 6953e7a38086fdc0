# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a start takes with many leases: after a reboot, from the journal into an empty packet filter, and after a kill,
with a packet filter that has them all. Against the bare cost of sending the same elements to the same kind of map."""
import ipaddress
import os
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import journal

# maps as natpcpd makes them, which grow
FLOOR_RULESET = """
table inet floor {
  map dnat4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout; }
  map snat4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout; }
}
"""
HOUR_MS = 3600 * 1000


def packed(first, n):
    return b'\0' * 10 + b'\xff\xff' + (int(ipaddress.IPv4Address(first)) + n).to_bytes(4, 'big')


def write(path, count):
    """A journal of another boot that ended in order just now, with the mappings of `floor restore`."""
    now, listen, external = 10 * HOUR_MS, journal.name('lan'), journal.name('wan')
    with open(path, 'wb') as f:
        f.write(journal.header(b'another boot ...', now))
        f.write(journal.state(now, int(time.time() * 1000), now, now, False))
        for n in range(count):
            k = n // 2
            f.write(journal.lease(now, 6 if n & 1 else 17, (packed('198.18.0.1', k % 10000), 1024 + k // 10000),
                                  (packed('203.0.113.0', k // 59000), 6000 + k % 59000), now + 10 * HOUR_MS, listen, external))
        f.write(journal.state(now, int(time.time() * 1000), now, now, True))


def rss_kib(pid):
    with open(f'/proc/{pid}/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))


def timed(bed, command):
    begin = time.monotonic()
    bed.start(command)
    return time.monotonic() - begin


def once(bed, build, conf, kept, path, count, whats, run):
    """Seconds of the floor; seconds and octets for each lease, of the start after a reboot, and of that after a kill."""
    run('ip', 'netns', 'exec', bed.router, 'nft', '-f', '-', input=FLOOR_RULESET)
    floor = timed(bed, [f'{build}/tests/bench/floor', 'restore', 'floor', str(count)])
    bed.stop()
    daemon = [f'{build}/natpcpd', '-c', conf]
    bed.start(daemon)
    empty = rss_kib(bed.server.pid)
    bed.stop()
    shutil.copy(kept, path)
    starts = []
    for what in whats:
        if what == 'restart':
            bed.server.kill()
            bed.server.wait()
        seconds = timed(bed, daemon)
        starts.append((seconds, (rss_kib(bed.server.pid) - empty) * 1024 / count))
        status = run(f'{build}/natpcpctl', '--json', '-s', os.path.join(os.path.dirname(conf), 'control.sock'), 'status',
                     capture_output=True).stdout
        if f'"leases":{count},' not in status:
            raise SystemExit(f'bench: {what}: {status}')
    bed.stop()
    os.unlink(path)
    return floor, starts


def rows(bed, build, directory, text, counts, rounds, run):
    conf, path, kept = (os.path.join(directory, n) for n in ('restore.conf', 'leases.journal', 'kept.journal'))
    with open(conf, 'w') as f:
        f.write(text.replace('journal { path = "" }', f'journal {{ path = "{path}" }}') % {'dir': directory})
    for count in counts:
        whats = ('restore', 'restart') if count == min(counts) else ('restore',)
        write(kept, count)
        got = [once(bed, build, conf, kept, path, count, whats, run) for _ in range(rounds)]
        os.unlink(kept)
        floor = statistics.median(g[0] for g in got)
        for i, what in enumerate(whats):
            seconds, octets = zip(*(g[1][i] for g in got))
            yield {'what': what, 'n': count, 'seconds': statistics.median(seconds), 'floor_seconds': floor,
                   'ratio': statistics.median(s / g[0] for s, g in zip(seconds, got)), 'octets_per_lease': statistics.median(octets)}
