#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Netlink under pressure: notices that were lost, dumps that others disturb, answers that do not come, small buffers."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import signal
import subprocess

import lab
import pcp
from lab import EXT, EXT2, LAN, conf, wait
from pcp import SUCCESS, TCP, UDP
from trouble import NETFILTER, ROUTE, Trouble

MANY = 'limits { requests-per-second = 1000000  burst = 1000000  mappings-per-client = 10000 }\n'
QUIET = 'log { level = "info" }'


def unowned(net):
    net.nft('add', 'table', 'inet', 'natpcpd')


def fill(client, n, first=10000):
    """So many mappings of a client, a few dozen requests at a time."""
    for at in range(first, first + n, 50):
        ports = range(at, min(at + 50, first + n))
        for port in ports:
            client.send(pcp.pcp_map(client.address, client.nonce, UDP, port, port))
        for _ in ports:
            assert client.receive().result == SUCCESS


def test_ruleset_notices_lost(net):
    """Others' changes overflow the notices of the ruleset, and among them somebody empties our map: it is seen and mended"""
    unowned(net)
    net.nft('-f', '-', input='table inet other {\nset many { type ipv4_addr . inet_service; }\n}')
    d = net.daemon(conf(log=QUIET))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    wait(lambda: c.announce().epoch >= 3)
    n, before = net.elements(), c.moments()
    with d.asleep():
        # the kernel drops what comes when the buffer is full: first the noise, then what matters
        for i in range(4):
            net.nft('-f', '-', input='add element inet other many { ' + ', '.join(
                f'198.18.{i}.{j % 250} . {j}' for j in range(1, 12000)) + ' }')
        net.nft('flush', 'map', 'inet', 'natpcpd', 'dnat4')
    net.nft('delete', 'table', 'inet', 'other')
    wait(lambda: net.elements() == n)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    d.logged('event=ruleset-lost')
    assert all(b.began_anew(a) for b, a in zip(before, c.moments())), before


def test_ruleset_notices_lost_owned(net):
    """The same where nobody else can change our table: our rule in the operator's chain is put back, and nothing is announced"""
    net.nft('-f', '-', input='table inet other {\nset many { type ipv4_addr . inet_service; }\n}')
    d = net.daemon(conf(log=QUIET))
    if net.run('gw', 'nft', '-c', 'delete', 'table', 'inet', 'natpcpd').returncode == 0:
        raise lab.Skip('the kernel has no persistent tables')
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    wait(lambda: c.announce().epoch >= 2)
    with d.asleep():
        for i in range(4):
            net.nft('-f', '-', input='add element inet other many { ' + ', '.join(
                f'198.18.{i}.{j % 250} . {j}' for j in range(1, 12000)) + ' }')
        rule = next(r for r in net.rules() if 'comment "natpcpd"' in r)
        net.nft('delete', 'rule', 'inet', 'filter', 'forward', 'handle', rule.split()[-1])
    wait(lambda: [r for r in net.rules() if 'comment "natpcpd"' in r])
    net.through('lan', (LAN, 4000), (EXT, 40000))
    assert 'event=ruleset-lost' not in d.log() and c.announce().epoch >= 2


def test_link_notices_lost(net):
    """Changes of addresses overflow the notices of links, and the outside address is among them: it is read anew"""
    d = net.daemon(conf(log=QUIET))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    net.ip('gw', 'link', 'add', 'noise', 'type', 'bridge')
    with d.asleep():
        net.sh('gw', 'ip', '-batch', '-', input=''.join(
            f'addr add 198.18.1.{i % 250}/32 dev noise\naddr del 198.18.1.{i % 250}/32 dev noise\n' for i in range(2000)))
        net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
        net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    wait(lambda: c.public().address == EXT2)
    net.through('lan', (LAN, 4000), (EXT2, 40000))


class Storm:
    """Somebody who changes rulesets and addresses all the time."""

    def __init__(self, net):
        self.processes = [
            subprocess.Popen(net.command('gw', 'sh', '-c', script), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, start_new_session=True)
            for script in ('while :; do nft add table ip storm; nft delete table ip storm; done',
                           'ip link add storm type bridge; while :; do ip addr add 198.18.9.9/32 dev storm; '
                           'ip addr del 198.18.9.9/32 dev storm; done')]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for p in self.processes:
            assert p.poll() is None, 'the storm is over too soon'
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()


def test_storm_of_others(net):
    """Others change rulesets and addresses all the time: requests, reloads and restarts with thousands of mappings are right"""
    for own in (True, False):
        if not own:
            net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')
            unowned(net)
        d = net.daemon(conf(MANY, log=QUIET))
        c = net.client()
        with Storm(net):
            fill(c, 3000)
            for _ in range(3):
                d.reload(conf(MANY + f'reserved-ports {{ tcp = {{ "{_ + 1}" }} }}\n', log=QUIET))
                assert 'event=reload-failed' not in d.log(), d.log()
                assert c.map(TCP, 4000, 40000).result == SUCCESS
                d.stop(signal.SIGKILL)
                d = net.daemon(conf(MANY, log=QUIET))
                assert len(d.leases()) == 3001, len(d.leases())
                fill(c, 100)
            net.through('lan', (LAN, 12999), (EXT, 12999))
        assert d.stop() == 0


def test_table_deleted_between(net):
    """The table goes while requests wait: none is told a success that is not there, and then all is served again

    6887-11.3-37, 6887-7.4-10
    """
    for i in range(3):
        net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')
        unowned(net)
        d = net.daemon(conf(MANY, log=QUIET))
        c = net.client()
        fill(c, 100)
        with d.asleep():
            for port in range(20000, 20200):
                c.send(pcp.pcp_map(c.address, c.nonce, UDP, port, port))
            net.nft('delete', 'table', 'inet', 'natpcpd')
        told = {}
        for _ in range(200):
            r = c.receive()
            told[r.internal] = r.result
        right = [p for p in told if told[p] == SUCCESS]
        assert set(told.values()) <= {SUCCESS, pcp.NETWORK_FAILURE, pcp.NO_RESOURCES}, set(told.values())
        wait(lambda: net.elements() >= 2 * (100 + len(right)))
        assert sorted(x['external_port'] for x in d.leases()) == sorted([*range(10000, 10100), *right])
        fill(c, 200, 20000)
        net.through('lan', (LAN, 20199), (EXT, 20199))
        assert d.stop() == 0


def answer(client, data):
    try:
        return client.ask(data).result
    except TimeoutError:
        return None


def test_answers_lost(net):
    """The kernel's answers are lost, one at a time: a request is refused at most, and then everything works"""
    unowned(net)
    t = Trouble(net, bus=NETFILTER)
    text = conf(MANY, log=QUIET)
    d = net.daemon(text, prefix=t.prefix)
    c = net.client()
    for n in range(1, 4):
        t.lose_in = n
        result = answer(c, pcp.pcp_map(c.address, c.nonce, UDP, 4000 + n, 0))
        assert result in (SUCCESS, pcp.NETWORK_FAILURE, pcp.NO_RESOURCES), result
        leases = d.leases()
        assert any(x['internal_port'] == 4000 + n for x in leases) == (result == SUCCESS)
        t.lose_in = 0
        assert c.map(UDP, 4000 + n, 0).result == SUCCESS
    # a reload and a look at the ruleset: each of their answers once
    for what in (lambda: d.reload(text), lambda: net.nft('flush', 'table', 'inet', 'natpcpd')):
        n, done = 1, False
        while not done:
            mark, t.received, t.lose_in = len(d.lines), 0, n
            what()
            wait(lambda: 'dnat ip to' in net.table() and 'snat ip to' in net.table(), 30)
            # it says what it did, or that it will try again
            wait(lambda: any('event=re' in x or 'event=ruleset' in x for x in d.lines[mark:]))
            done, n = t.lose_in > 0, n + 1
            t.lose_in = 0
            assert c.map(TCP, 4000, 40000).result == SUCCESS
        assert n > 4, n
    wait(lambda: len(d.leases()) == 4)
    d.reload(text)
    net.through('lan', (LAN, 4000), (EXT, 40000), 'tcp')


def test_start_disturbed(net):
    """A start while dumps are disturbed and answers are lost finds all mappings, or fails with a reason; it never forgets one"""
    t = Trouble(net, bus=NETFILTER)
    text = conf(MANY, log=QUIET)
    d = net.daemon(text)
    fill(net.client(), 500)
    d.stop()
    for disturb, lose in [(n, 0) for n in (1, 2, 5, 20)] + [(0, n) for n in range(1, 60, 3)]:
        t.disturb, t.lose_in = disturb, lose
        d = net.daemon(text, prefix=t.prefix, ready=False)
        d.until(lambda: 'ready' in d.out or d.process.poll() is not None, 60, 'ready')
        t.disturb = t.lose_in = 0
        if d.process.poll() is None:
            assert len(d.leases()) == 500, (disturb, lose, len(d.leases()))
            d.stop()
        else:
            assert d.end() in (1, 2) and d.log(), (disturb, lose)
    d = net.daemon(text)
    assert len(d.leases()) == 500
    net.through('lan', (LAN, 10499), (EXT, 10499))


def test_links_disturbed(net):
    """Dumps of links and addresses are disturbed or cut off: the outside address is right in the end"""
    t = Trouble(net, bus=ROUTE)
    net.daemon(conf(log=QUIET), prefix=t.prefix)
    c = net.client()
    now, then = EXT, EXT2
    for disturb, lose in ((1, 0), (3, 0), (7, 0), (0, 1), (0, 2), (0, 3), (0, 4)):
        t.disturb, t.lose_in = disturb, lose
        net.ip('gw', 'addr', 'add', then + '/24', 'dev', 'wan0')
        net.ip('gw', 'addr', 'del', now + '/24', 'dev', 'wan0')
        wait(lambda: c.public().address == then)
        now, then = then, now
    t.disturb = t.lose_in = 0


def test_small_buffers(net):
    """Sockets whose buffers cannot be made larger: thousands of mappings are put back at once all the same"""
    unowned(net)
    t = Trouble(net, small=1)
    d = net.daemon(conf(MANY, log=QUIET), prefix=t.prefix)
    c = net.client()
    fill(c, 3000)
    n = net.elements()
    net.nft('flush', 'map', 'inet', 'natpcpd', 'dnat4')
    wait(lambda: net.elements() == n, 40)
    net.through('lan', (LAN, 12999), (EXT, 12999))
    # and refusals of a whole round
    net.nft('flush', 'map', 'inet', 'natpcpd', 'snat4-wan')
    wait(lambda: net.elements() == n, 40)
    assert d.status()['mappings']['refused_changes'] == 0, d.status()
    assert c.map(TCP, 4000, 40000).result == SUCCESS
    assert 'event=backend-failed' not in d.log(), d.log()


lab.main(globals())
