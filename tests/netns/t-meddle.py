#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Others rewrite the ruleset while packets flow: what is broken by it, for how long, and what clients are told."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import threading

import lab
from lab import EXT, LAN, LAN6, OPERATOR, conf, wait
from pcp import SUCCESS, TCP, UDP

# Back within 100 ms where the machine has nothing else to do; this is how long it may take on a busy one.
GAP_MS = 20000
NAT = '''
    table inet nat {
        chain postrouting {
            type nat hook postrouting priority srcnat;
            oifname "wan0" ip saddr 192.0.2.0/24 masquerade
        }
    }'''

# name: what is loaded
CHAIN = {
    'nft -f, own tables': 'delete table inet filter\ndelete table inet nat\n' + OPERATOR + NAT,
    'table filter anew': 'delete table inet filter\n' + OPERATOR,
    'chain flushed': 'flush chain inet filter forward\n' + OPERATOR,
    'our rule deleted': 'delete rule inet filter forward handle @RULE@',
}
FLUSH = {
    'flush ruleset': 'flush ruleset',
    'nft -f, all tables': 'flush ruleset\n' + OPERATOR + NAT,
}
# of these mappings survive the first
TABLE = {
    'our chains flushed': 'flush table inet natpcpd',
    'our map flushed': 'flush map inet natpcpd dnat4',
    'our table deleted': 'delete table inet natpcpd',
}


def ours(net):
    return [r for r in net.rules() if 'comment "natpcpd"' in r]


def load(net, script):
    net.nft('-f', '-', input=script.replace('@RULE@', ours(net)[0].split()[-1] if ours(net) else ''))


def owned(net):
    return net.run('gw', 'nft', '-c', 'delete', 'table', 'inet', 'natpcpd').returncode != 0


class Scene:
    """A daemon, a mapping of each kind, and flows through them."""

    def __init__(self, net):
        self.net = net
        self.d = net.daemon(conf(log='log { level = "info" }'))
        self.c, self.c6 = net.client(), net.client('lan', lab.GW6)
        for p in (UDP, TCP):
            assert self.c.map(p, 4000, 40000).result == SUCCESS
        assert self.c.map(UDP, 4001, 40001).result == SUCCESS
        assert self.c.map(UDP, 4003, 40003).result == SUCCESS
        assert self.c6.map(UDP, 4002, address='::').result == SUCCESS

    def epochs(self):
        return self.c.moments()

    def known(self):
        return sorted((x['protocol'], x['internal_port'], x['external_port']) for x in self.d.leases())

    def flows(self):
        net = self.net
        return {'udp': net.stream('lan', (LAN, 4000), (EXT, 40000)),
                'tcp': net.stream('lan', (LAN, 4000), (EXT, 40000), 'tcp'),
                'pinhole': net.stream('lan', (LAN6, 4002), (LAN6, 4002)),
                'oneway': net.stream('lan', (LAN, 4003), (EXT, 40003), how='oneway'),
                'new': net.stream('lan', (LAN, 4001), (EXT, 40001), how='fresh')}

    def across(self, name, act, settled, lost):
        """What the flows see of an event; settled tells when it is over, lost whether the mappings were gone meanwhile."""
        flows = self.flows()
        known, elements, before = self.known(), self.net.elements(), self.epochs()
        threading.Event().wait(0.2)  # some packets before
        act()
        wait(settled)
        threading.Event().wait(0.3)  # and some after
        seen = {k: f.end() for k, f in flows.items()}
        after = self.epochs()
        print(f'    {name:20} ' + '  '.join(f'{k} {r.lost}/{r.sent} {r.gap_ms} ms' for k, r in seen.items()) +
              f'  epochs {before} {after}  mappings {len(known)} {len(self.known())}', flush=True)
        assert self.known() == known
        wait(lambda: self.net.elements() == elements, what='all elements are back')
        assert not seen['tcp'].broken, name
        for k in ('udp', 'tcp', 'pinhole'):
            # a connection may send twice what came late
            assert seen[k].lost <= (2 if k == 'tcp' else 0), (name, k, vars(seen[k]))
        # a flow that nobody answers is never an established one
        for k in ('new', 'oneway'):
            assert seen[k].gap_ms < GAP_MS, (name, k, vars(seen[k]))
        if lost:
            self.d.logged('event=ruleset-lost')
        assert lost or 'event=ruleset-lost' not in self.d.log(), (name, self.d.log())
        assert all(b.began_anew(a) if lost else b.went_on(a) for b, a in zip(before, after)), (name, before, after)


def rule_back(net):
    return lambda: len(ours(net)) == 1


def test_owned(net):
    """A table with an owner: mappings, flows and epochs go on; new flows miss our rule for a moment at most"""
    s = Scene(net)
    if not owned(net):
        raise lab.Skip('the kernel has no persistent tables')
    for name, script in TABLE.items():
        assert net.run('gw', 'nft', script).returncode != 0, name
    for name, script in {**CHAIN, **FLUSH}.items():
        # a ruleset that is gone altogether lets everything through
        s.across(name, lambda: load(net, script), rule_back(net) if name != 'flush ruleset' else lambda: True, lost=False)
    load(net, OPERATOR)
    wait(rule_back(net))


def unowned(net, name, script, lost):
    """Each with a table of its own: one that is made anew gets an owner."""
    net.nft('-f', '-', input='flush ruleset\n' + OPERATOR + NAT)
    net.nft('add', 'table', 'inet', 'natpcpd')
    s = Scene(net)
    assert not owned(net)
    # what restarts can be told from what goes on
    wait(lambda: min(m.epoch for m in s.epochs()) >= 3)
    s.across(name, lambda: load(net, script),
             lambda: any('event=ruleset-' in x or 'event=forward-chain-gone' in x for x in s.d.lines), lost)
    # what tells which journal belongs to the mappings is back with them
    wait(lambda: 'chain journal-' in net.table())
    assert s.d.stop() == 0
    # what it leaves is without an owner now, or persists with one that is gone
    net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')


def test_unowned_chain(net):
    """Without table owners: the operator's chain made anew or flushed, our rule deleted: as with them"""
    for name, script in CHAIN.items():
        unowned(net, name, script, False)


def test_unowned_flush(net):
    """Without table owners: all flushed, and the operator's ruleset loaded anew: flows go on, mappings are back, epochs restart"""
    for name, script in FLUSH.items():
        unowned(net, name, script, True)


def test_unowned_table(net):
    """Without table owners: our chains or a map flushed, our table deleted: flows go on, mappings are back, epochs tell it"""
    for name, script in TABLE.items():
        unowned(net, name, script, 'chains' not in name)


lab.main(globals())
