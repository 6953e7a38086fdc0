#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clocks: a suspend counts, a wall clock that somebody sets does not.

Nothing here can suspend the machine or set its clocks. trouble.c does to the daemon what the kernel would: CLOCK_BOOTTIME
jumps, and of the timers those that were made on that clock fire.
"""
import glob
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import pcp
import lab
from lab import EXT, LAN, conf, wait
from pcp import SUCCESS, TCP, UDP
from trouble import Trouble

CLOCK_BOOTTIME = 7
SHORT = conf('lifetime { min = 1 }', log='log { level = "info" }')


def test_timers(net):
    """Every timer of the daemon is on the clock that counts suspended time"""
    d = net.daemon(SHORT)
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    net.ip('gw', 'addr', 'add', '198.51.100.77/24', 'dev', 'wan0')
    clocks = []
    for path in glob.glob(f'/proc/{d.process.pid}/fdinfo/*'):
        with open(path) as f:
            clocks += [int(line.split()[1]) for line in f if line.startswith('clockid:')]
    assert len(clocks) >= 3 and set(clocks) == {CLOCK_BOOTTIME}, clocks


def test_suspend(net):
    """Suspended for an hour: what is due ends at once, what is not has an hour less, and epochs count the hour

    6886-3.6-03, 6887-8.5-01
    """
    t = Trouble(net)
    d = net.daemon(SHORT, prefix=t.prefix)
    c = net.client()
    assert c.map(UDP, 4000, 40000, 600).result == SUCCESS
    assert c.map(TCP, 4001, 40001, 7200).result == SUCCESS
    net.through('lan', (LAN, 4000), (EXT, 40000))
    before = c.moments()
    t.suspended = 3600 * 1000
    after = c.moments()
    assert all(3600 <= a.epoch - b.epoch <= 3601 + a.end - b.begin for b, a in zip(before, after)), (before, after)
    wait(lambda: [x['internal_port'] for x in d.leases()] == [4001])
    assert 3540 <= d.leases()[0]['expires_in_s'] <= 3600, d.leases()
    # the kernel's own timeouts do not count the hour: it is the daemon that closed the port
    wait(lambda: net.elements() == 4)
    assert net.closed((EXT, 40000))
    net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp')
    r = c.map(TCP, 4001, 40001, 7200)
    assert (r.result, r.external, r.lifetime) == (SUCCESS, 40001, 7200), vars(r)
    d.logged('event=(expired|ended)')


def test_wall_clock(net):
    """The wall clock is set to another decade, back and forth: lifetimes and epochs do not notice"""
    t = Trouble(net, wall_s=-50 * 365 * 86400)
    d = net.daemon(SHORT, prefix=t.prefix)
    c = net.client()
    assert c.map(UDP, 4000, 40000, 600).result == SUCCESS
    assert c.map(UDP, 4001, 40001, 2, nonce=pcp.nonce()).result == SUCCESS
    before = c.moments()
    for years in (10, -30, 0):
        t.wall_s = years * 365 * 86400
        after = c.moments()
        assert all(0 <= a.epoch - b.epoch <= 1 + a.end - b.begin for b, a in zip(before, after)), (before, after)
        assert any(x['internal_port'] == 4000 and 540 <= x['expires_in_s'] <= 600 for x in d.leases()), d.leases()
    wait(lambda: [x['internal_port'] for x in d.leases()] == [4000])
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_clocks_apart(net):
    """In a time namespace in which the machine was suspended for days before: everything is on one clock"""
    p = net.run('gw', 'unshare', '-T', '--boottime', '1000000', '--monotonic', '5', 'true')
    if p.returncode:
        raise lab.Skip('no time namespaces: ' + p.stderr.strip())
    begin = time.monotonic()
    d = net.daemon(SHORT, prefix=('unshare', '-T', '--boottime', '1000000', '--monotonic', '5'))
    c = net.client()
    assert all(m.epoch <= m.end - begin for m in c.moments())
    assert c.map(UDP, 4000, 40000, 2).result == SUCCESS
    assert c.map(UDP, 4001, 40001, 600, nonce=pcp.nonce()).result == SUCCESS
    wait(lambda: [x['internal_port'] for x in d.leases()] == [4001])
    # its timer, not the kernel's timeout, which has a grace of 15 s
    wait(lambda: net.elements() == 4, 10)
    assert 540 <= d.leases()[0]['expires_in_s'] <= 600


lab.main(globals())
