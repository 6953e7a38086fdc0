#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Several forward chains of the operator's, as iptables has one for each family, with the backend's driver."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from driver import CHAIN, Driver

BOTH = 'forward-chain = { "ip filter FORWARD", "ip6 filter FORWARD" }'


def accepts(net, chain):
    """How often our rule is in a chain, and whether it is on top."""
    found = ['comment "natpcpd"' in r for r in net.rules(chain)]
    return sum(found), found[:1] == [True]


def two_families(net):
    """A ruleset like that of iptables: a chain of the same name for each family."""
    return net.nft('-f', '-', input="".join(f'''
        table {family} filter {{
            chain FORWARD {{
                type filter hook forward priority filter; policy drop;
                ct state established accept
            }}
            chain DOCKER-USER {{ }}
        }}''' for family in ('ip', 'ip6')))


def test_two_chains(net):
    """Two forward chains: the rule is in each, is kept in each by itself, and goes from those that are named no more"""
    two_families(net)
    d = Driver(net, BOTH)
    both = ('ip filter FORWARD', 'ip6 filter FORWARD')
    for chain in both:
        assert accepts(net, chain) == (1, True), chain
        assert 'meta mark & 0x10000000 == 0x10000000' in net.rules(chain)[0], net.rules(chain)
    assert d.watch() == 'quiet intact'
    # what the operator does to one of them leaves the other's rule as it is, handle and all
    for mine, other in (both, both[::-1]):
        kept = net.rules(other)
        net.nft('flush', 'chain', *mine.split())
        assert d.ask('drain') == ['concerned'] and d.watch().endswith('repaired')
        assert accepts(net, mine) == (1, True) and net.rules(other) == kept
        net.nft('add', 'rule', *mine.split(), 'meta', 'mark', '0x1', 'accept', 'comment', '"natpcpd"')
        assert d.watch() == 'readable repaired' and accepts(net, mine) == (1, True) and net.rules(other) == kept
    # one goes: that is told once, and the other is kept all the same
    net.nft('delete table ip6 filter; flush chain ip filter FORWARD')
    assert d.watch() == 'readable ENOENT "ip6 filter FORWARD"'
    assert accepts(net, both[0]) == (1, True)
    assert d.watch() == 'quiet intact'
    net.nft('delete', 'table', 'ip', 'filter')
    assert d.watch() == 'readable ENOENT "ip filter FORWARD"'
    two_families(net)
    assert d.watch() == 'readable repaired'
    assert [accepts(net, chain) for chain in both] == [(1, True)] * 2
    # another list: one stays, one goes, one is new
    d.ask('reload ' + d.conf('forward-chain = { "inet filter forward", "ip6 filter FORWARD" }'))
    assert [accepts(net, c)[0] for c in (*both, 'inet filter forward')] == [0, 1, 1]
    net.nft('flush', 'chain', 'ip', 'filter', 'FORWARD')
    assert d.ask('drain') == ['unconcerned']
    d.ask('reload ' + d.conf('forward-chain = "ip6 filter DOCKER-USER"'))
    assert [accepts(net, c)[0] for c in (*both, 'inet filter forward', 'ip6 filter DOCKER-USER')] == [0, 0, 0, 1]
    d.ask('reload ' + d.conf(BOTH))
    d.end('clear')
    assert [accepts(net, c)[0] for c in (*both, 'ip6 filter DOCKER-USER')] == [0, 0, 0]


def test_two_chains_missing(net):
    """Of several chains one that is missing is named, and then the rule goes into none; also which family was meant"""
    two_families(net)
    net.nft('delete', 'table', 'ip6', 'filter')
    d = Driver(net, start=False)
    said = d.try_('open ' + d.conf(BOTH))[-1]
    assert said.startswith('error ENOENT backend: forward-chain: no table "ip6 filter": create it with: '), said
    assert accepts(net, 'ip filter FORWARD') == (0, False) and net.table() == ''
    said = d.try_('open ' + d.conf('forward-chain = { "ip filter FORWARD", "ip6 a b", "inet filter none", "ip6 c d" }'))[-1]
    assert 'no table "ip6 a": ' in said and said.endswith('; nor is there "inet filter none", "ip6 c d"'), said
    said = d.try_('open ' + d.conf('forward-chain = "inet filter FORWARD"'))[-1]
    assert 'no chain "FORWARD" in table "inet filter" (there is "ip filter FORWARD"): ' in said, said
    d.open(CHAIN)
    before = net.rules()
    said = d.try_('reload ' + d.conf('forward-chain = { "ip filter FORWARD", "ip6 filter FORWARD" }', 'br-other'))[-1]
    assert 'no table "ip6 filter"' in said and '"br-other"' not in net.table(), said
    assert accepts(net, 'ip filter FORWARD') == (0, False) and net.rules() == before
    net.sh('gw', 'sh', '-c', said.split('create it with: ')[1])
    d.ask('reload ' + d.conf(BOTH))
    assert [accepts(net, c)[0] for c in ('ip filter FORWARD', 'ip6 filter FORWARD', 'inet filter forward')] == [1, 1, 0]
    # the packet's mark comes too late for the second: the first has no rule either
    net.nft('add chain ip6 filter early { type filter hook forward priority -300; }')
    said = d.try_('reload ' + d.conf('forward-chain = { "inet filter forward", "ip6 filter early" }'))[-1]
    assert '"ip6 filter early" has priority -300' in said and accepts(net, 'inet filter forward')[0] == 0, said
    assert [accepts(net, c)[0] for c in ('ip filter FORWARD', 'ip6 filter FORWARD')] == [1, 1]
    d.end()


def test_many_chains(net):
    """As many chains as can be named, also with copies of the rule in each"""
    names = [f'c{i}' + 'x' * 60 for i in range(8)]
    net.nft('-f', '-', input='table inet many {\n' + ''.join(
        f'chain {n} {{\n' + 40 * 'meta mark 1 accept comment "natpcpd"\n' + '}\n' for n in names) + '}\n')
    d = Driver(net, 'forward-chain = { ' + ', '.join(f'"inet many {n}"' for n in names) + ' }')
    for _ in range(3):
        d.watch()
    assert [accepts(net, 'inet many ' + n) for n in names] == [(1, True)] * 8, net.rules('inet many ' + names[0])
    net.nft('delete', 'table', 'inet', 'many')
    said = d.watch()
    assert said.startswith('readable ENOENT "inet many c0x') and len(said) < 300, said
    said = d.try_('reload ' + d.conf('forward-chain = { ' + ', '.join(f'"inet many {n}"' for n in names[:2]) + ' }'))[-1]
    assert 'no table "inet many"' in said, said
    d.end()


if __name__ == '__main__':
    lab.main(globals())
