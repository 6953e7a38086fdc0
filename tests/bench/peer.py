# SPDX-License-Identifier: GPL-2.0-or-later
"""miniupnpd of Debian, which keeps a rule for each mapping, where it has 2,000; natpcpd with as many takes turns with it."""
import os
import signal
import time

from bed import STOP_S, Failed, Router
from report import goal, middle, ratio

N, REQUESTS, TIMES_MIN = 2000, 16, 500
READY_S = 10
PORT = 0xbeef  # two octets that nothing else in a rule looks like
RULESET = '''
table inet peer {
  chain forward { type filter hook forward priority filter; jump accepts; }
  chain prerouting { type nat hook prerouting priority dstnat; jump pre; }
  chain postrouting { type nat hook postrouting priority srcnat; jump post; }
  chain accepts { }
  chain pre { }
  chain post { }
}
'''
# ext_ip is a label: miniupnpd takes documentation addresses for private ones, and refuses to work. Nothing is sent there.
CONF = '''
ext_ifname=wan0
listening_ip=lan0
ext_ip=5.5.5.5
enable_natpmp=yes
enable_upnp=no
secure_mode=yes
uuid=00000000-0000-4000-8000-000000000001
upnp_table_name=peer
upnp_nat_table_name=peer
upnp_forward_chain=accepts
upnp_nat_chain=pre
upnp_nat_postrouting_chain=post
lease_file=%(dir)s/miniupnpd.leases
allow 1024-65535 192.0.2.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
'''


def program(bed):
    """Where deps.sh unpacked it, or None."""
    found = os.path.join(bed.build, 'peer/usr/sbin/miniupnpd')
    return found if os.path.exists(found) else None


def multiply(r, n):
    """As many rules as n mappings have, copies of those that miniupnpd made for the one of PORT.

    To ask for all of them would take it most of a minute.
    """
    r.inside(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'rules.py'), 'inet', 'peer', str(PORT), '20000',
             str(n - 1), 'accepts', 'pre', 'post', capture_output=True)


class Background:
    """A daemon that has detached itself, as far as a Popen is needed."""

    def __init__(self, path):
        deadline = time.monotonic() + READY_S
        while not os.path.exists(path) or not open(path).read().strip():
            if time.monotonic() > deadline:
                raise Failed('miniupnpd did not start')
            time.sleep(0.02)
        with open(path) as f:
            self.pid = int(f.read())

    def poll(self):
        return None if os.path.exists(f'/proc/{self.pid}') else 0

    def kill(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def wait(self, seconds=STOP_S):
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise Failed('miniupnpd does not end')
            time.sleep(0.01)


def start(bed, r):
    r.inside('nft', '-f', '-', input=RULESET)
    conf = os.path.join(r.dir, 'miniupnpd.conf')
    with open(conf, 'w') as f:
        f.write(CONF % {'dir': r.dir})
    pid = os.path.join(r.dir, 'miniupnpd.pid')
    # in the background: in the foreground it would write down all that it does
    r.inside(program(bed), '-f', conf, '-P', pid)
    r.server = Background(pid)
    deadline = time.monotonic() + READY_S
    while ':5351' not in r.inside('ss', '-Hlun', 'sport = 5351', capture_output=True).stdout:
        if time.monotonic() > deadline or r.server.poll() is not None:
            raise Failed('miniupnpd did not get ready')
        time.sleep(0.05)


def peer(bed, report, a):
    if not program(bed):
        report.add('miniupnpd', None, 'not there', N)
        return
    ours, other = Router(bed).natpcpd().preload(N), Router(bed)
    start(bed, other)
    host = {'first': other.next_hop, 'clients': 1}
    other.load('map', 1, 1, 2 * (PORT - 1024), **host)  # which has that port
    multiply(other, N)
    runs = [[], []]
    for i in range(a.rounds):
        runs[0].append(ours.load('map', 16, a.count, ours.number))
        ours.load('delete', 64, a.count, ours.number)
        runs[1].append(other.load('map', 1, REQUESTS, i * REQUESTS, **host))
    by = ratio(*runs)
    report.add('miniupnpd', middle(runs[1], 'per_second'), 'requests/s', N, 1, runs=runs[1])
    report.add('create : miniupnpd', middle(runs[0], 'per_second'), 'requests/s', N, 16, runs=runs[0],
               against=middle(runs[1], 'per_second'), ratio=by, **goal(f'>= {TIMES_MIN} x', by >= TIMES_MIN))
    ours.close()
    other.close()
