# SPDX-License-Identifier: GPL-2.0-or-later
"""What the packets of mappings pay: new connections through routers with few and many mappings, and one that is established."""
import json
import os
import re
import statistics
import subprocess
import time

from bed import Failed, Router, run
from report import goal

SOURCES, FIRST_SOURCE = 127, '198.51.100.128'
FLAT_MIN, NOISE_MIN = 0.90, 0.02
PORT = 5201
READY_S = 10
PLAIN_RULESET = '''
table inet plain {
  chain prerouting { type nat hook prerouting priority dstnat; iifname "wan0" ip daddr 203.0.113.1 tcp dport %d dnat ip to %s:%d; }
  chain postrouting { type nat hook postrouting priority srcnat; }
}
'''


def way(bed, r):
    """The mappings' outside is behind this router now."""
    run('ip', '-n', bed.internet, 'route', 'replace', '203.0.113.0/24', 'via', r.outside)


def arrived(bed):
    out = bed.inside(bed.clients, 'nft', 'reset', 'counter', 'ip', 'bench', 'arrived', capture_output=True).stdout
    return int(re.search(r'packets (\d+)', out).group(1))


def new_flows(bed, r, outsides, count, offset):
    way(bed, r)
    arrived(bed)
    out = bed.inside(bed.internet, bed.path('tests/bench/flows'), outsides, FIRST_SOURCE, str(SOURCES), str(count), str(offset),
                     capture_output=True).stdout
    got = arrived(bed)
    r.inside('conntrack', '-F', capture_output=True)
    if got < 0.99 * count:
        raise Failed(f'{got} of {count} new connections got through')
    return got / json.loads(out)['seconds']


def flows(bed, report, a):
    routers, rates = {}, {}
    for n in a.flows:
        r, outsides = Router(bed).natpcpd(), os.path.join(bed.dir, f'outsides-{n}')
        r.load('map', min(n, 256), n, options=('-s', outsides))
        routers[n], rates[n] = (r, outsides), []
    for i in range(a.rounds + 1):
        for n, (r, outsides) in routers.items():
            rates[n].append(new_flows(bed, r, outsides, a.count, i * a.count))
    few = min(a.flows)
    for n, (r, outsides) in routers.items():
        share = statistics.median(x / y for x, y in zip(rates[n][1:], rates[few][1:]))
        held = goal(f'>= {FLAT_MIN:.2f} of that with {few}', share >= FLAT_MIN) if n != few else {}
        report.add('new flows', statistics.median(rates[n][1:]), 'flows/s', n, against=statistics.median(rates[few][1:]),
                   ratio=share, **held)
        r.close()
        os.unlink(outsides)


def gbits(bed, r, outside, port, seconds):
    way(bed, r)
    server = bed.spawn(bed.clients, 'iperf3', '-s', '-1', '-p', str(PORT), '-B', r.next_hop, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + READY_S
    while f':{PORT}' not in bed.inside(bed.clients, 'ss', '-Hltn', f'src {r.next_hop}', capture_output=True).stdout:
        if time.monotonic() > deadline or server.poll() is not None:
            raise Failed('iperf3 -s did not get ready')
        time.sleep(0.02)
    out = json.loads(bed.inside(bed.internet, 'iperf3', '-c', outside, '-p', str(port), '-t', str(seconds), '-J',
                                capture_output=True, timeout=READY_S + seconds).stdout)
    server.kill()
    server.wait()
    bed.processes.remove(server)
    return out['end']['sum_received']['bits_per_second'] / 1e9


def throughput(bed, report, a):
    """Through a mapping among many, and through a rule on a router without natpcpd."""
    n = min(max(a.flows), 100000)
    ours, plain = Router(bed).natpcpd().preload(n), Router(bed)
    out = bed.inside(bed.clients, bed.path('natpcpc'), '-s', ours.address, '--pcp', '--json', 'map', 'tcp', str(PORT), '0',
                     capture_output=True).stdout
    mapping = json.loads(out.splitlines()[-1])
    ends = {ours: (mapping['external_address'], mapping['external_port']), plain: ('203.0.113.1', PORT)}
    plain.inside('nft', '-f', '-', input=PLAIN_RULESET % (PORT, plain.next_hop, PORT))
    rates = {ours: [], plain: []}
    for _ in range(a.rounds):
        for r, v in rates.items():
            v.append(gbits(bed, r, *ends[r], a.iperf_seconds))
    share = statistics.median(x / y for x, y in zip(rates[ours], rates[plain]))
    base = statistics.median(rates[plain])
    # half of the spread of the router without us
    noise = max(NOISE_MIN, (max(rates[plain]) - min(rates[plain])) / 2 / base)
    report.add('throughput', statistics.median(rates[ours]), 'Gbit/s', n, against=base, ratio=share, noise=noise,
               **goal(f'1.00 within the noise, {noise:.2f}', share >= 1 - noise))
    ours.close()
    plain.close()
