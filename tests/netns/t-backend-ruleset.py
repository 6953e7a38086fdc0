#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The nftables backend without the daemon: restarts, reloads, and what others do to the ruleset."""
import os
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from driver import CHAIN, UDP, Driver, count, counts, nat, ours
from lab import EXT, LAN, LAN6


def test_restarts(net):
    """Mappings outlive restarts; the rule in the operator's chain is there once, on top"""
    first = nat(UDP, 5000, 5000)
    d = Driver(net, CHAIN)
    assert d.commit(f'add {first} 60000') == ['0']
    assert ours(net) == [0], net.rules()
    assert 'accept comment "natpcpd"' in net.rules()[0]
    for how in ('close', 'close'):
        d.end(how)
        assert counts(net)[0] == 1 and ours(net) == [0]
        d = Driver(net, CHAIN)
        assert d.list() == [first] and ours(net) == [0], net.rules()
    # copies of the rule are reduced to one
    rule = net.rules()[0].split(' # ')[0]
    net.nft('add', 'rule', 'inet', 'filter', 'forward', *rule.split())
    assert len(ours(net)) == 2
    assert d.watch() == 'readable repaired' and ours(net) == [0]
    d.end('clear')
    assert net.table() == '' and ours(net) == []


def test_adopted(net):
    """A table that a dead daemon left is adopted with its mappings and protected again"""
    d = Driver(net)
    flags = d.features()['flags']
    assert d.commit('add ' + nat(UDP, 5000, 5000) + ' 60000') == ['0']
    d.process.kill()
    d.process.wait()
    d.process.stdin.close()
    d.process.stdout.close()
    d = Driver(net)
    assert d.features()['flags'] == flags and d.list() == [nat(UDP, 5000, 5000)] and d.remaining(d.list()[0]) > 50000
    if flags:
        assert net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd').returncode != 0
    d.end()


def test_foreign_layout(net):
    """A table of our name with other sets or chains is made anew"""
    net.nft('-f', '-', input='''table inet natpcpd {
        map dnat4 { type inet_service : ipv4_addr; elements = { 80 : 192.0.2.1 } }
        chain prerouting { type filter hook prerouting priority 5; counter; }
    }''')
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    assert counts(net) == [1, 1, 0, 0] and 'priority dstnat + 1' in net.table(), net.table()
    d.end()


def test_names(net):
    """Interface names follow a reload, mappings stay; the forward chain can change"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    assert '"br-lan"' in net.table() and ours(net) == []
    net.nft('add', 'chain', 'inet', 'filter', 'other')
    d.ask('reload ' + d.conf(CHAIN, 'br-other'))
    assert '"br-other"' in net.table() and '"br-lan"' not in net.table() and ours(net) == [0]
    d.ask('reload ' + d.conf('forward-chain = "inet filter other"'))
    assert ours(net) == [] and len(net.rules('inet filter other')) == 1
    d.ask('reload ' + d.conf(''))
    assert ours(net) == [] and net.rules('inet filter other') == [] and counts(net)[0] == 1
    d.end()


def test_no_chain(net):
    """A chain that is named but absent gives a line that says what to write; a reload keeps the old state"""
    d = Driver(net, start=False)
    said = d.try_('open ' + d.conf('forward-chain = "inet filter nosuch"'))[-1]
    assert said.startswith('error ENOENT backend: forward-chain: no chain "nosuch" in table "inet filter"'), said
    command = said.split('create it with: ')[1]
    said = d.try_('open ' + d.conf('forward-chain = "ip none fw"'))[-1]
    assert 'no table "ip none"' in said, said
    for line in (command, said.split('create it with: ')[1]):
        net.sh('gw', 'sh', '-c', line)
    d.open('forward-chain = "ip none fw"')
    d.ask('reload ' + d.conf('forward-chain = "inet filter nosuch"'))
    assert len(net.rules('inet filter nosuch')) == 1 and net.rules('ip none fw') == []
    said = d.try_('reload ' + d.conf('forward-chain = "inet filter gone"', 'br-other'))[-1]
    assert 'no chain "gone"' in said and '"br-other"' not in net.table()
    assert len(net.rules('inet filter nosuch')) == 1
    d.end()


def test_chain_too_early(net):
    """A chain that our rule could not serve is refused with a line that says why: another hook, or before the marks"""
    net.nft('-f', '-', input='''
        table inet filter {
            chain output { type filter hook output priority 0; }
            chain early { type filter hook forward priority -300; }
            chain reached { }
        }
        table ip fw {
            chain early { type filter hook forward priority -10; }
            chain late { type filter hook forward priority -9; }
        }''')
    d = Driver(net, start=False)
    for chain, reason in (('inet filter output', 'another hook'), ('ip fw early', 'priority -10')):
        said = d.try_('open ' + d.conf(f'forward-chain = "{chain}"'))[-1]
        assert said.startswith('error ENOENT backend: forward-chain: ') and reason in said, said
        assert net.rules(chain) == [] and net.table() == ''
    d.open('forward-chain = "inet filter early"')
    for chain in ('inet filter reached', 'ip fw late', 'inet filter forward'):
        d.ask('reload ' + d.conf(f'forward-chain = "{chain}"'))
        assert [r for r in net.rules(chain) if 'comment "natpcpd"' in r], chain
        said = d.try_('reload ' + d.conf('forward-chain = "ip fw early"'))[-1]
        assert 'priority -10' in said, said
        assert [r for r in net.rules(chain) if 'comment "natpcpd"' in r], chain
    d.end()


def test_reload_fails(net):
    """A reload that fails after it came to the new forward chain leaves nothing there, and the old one as it was"""
    net.nft('-f', '-', input='''
        table inet natpcpd { }
        table inet filter {
            chain next { type filter hook forward priority 10; }
        }''')
    d = Driver(net, CHAIN)
    assert d.features()['flags'] == 0
    # unlike ours: to make it anew would cost the mappings, which a reload must not do
    net.nft('delete chain inet natpcpd forward; '
            'add chain inet natpcpd forward { type filter hook forward priority 5; }')
    said = d.try_('reload ' + d.conf('forward-chain = "inet filter next"'))[-1]
    assert said.startswith('error E'), said
    assert net.rules('inet filter next') == [] and len(ours(net)) == 1
    assert d.watch() == 'readable emptied'
    d.ask('reload ' + d.conf('forward-chain = "inet filter next"'))
    assert len(net.rules('inet filter next')) == 1 and ours(net) == []
    d.end()


def test_others(net):
    """With owner and persist nobody else touches the table; a flush costs the operator's chain only, and that is mended"""
    d = Driver(net, CHAIN)
    if not d.features()['flags']:
        raise lab.Skip('the kernel has no persistent tables')
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    assert d.watch() == 'quiet intact', 'own changes wake nobody'
    for words in (('delete', 'table', 'inet', 'natpcpd'), ('flush', 'map', 'inet', 'natpcpd', 'dnat4'),
                  ('flush', 'table', 'inet', 'natpcpd')):
        assert net.run('gw', 'nft', *words).returncode != 0, words
    rules = net.sh('gw', 'nft', 'list', 'table', 'inet', 'filter')
    net.nft('flush', 'ruleset')
    assert counts(net)[:2] == [1, 1]
    assert d.watch() == 'readable ENOENT "inet filter forward"', 'the chain is gone'
    net.nft('add', 'table', 'inet', 'other')
    assert d.watch() == 'readable intact', 'that is told once'
    net.nft('-f', '-', input='\n'.join(x for x in rules.split('\n') if 'natpcpd' not in x))
    assert ours(net) == []
    assert d.watch() == 'readable repaired' and ours(net) == [0]
    assert d.watch() == 'quiet intact'
    assert d.commit('add ' + nat(UDP, 5001, 5001)) == ['0']
    second = Driver(net, start=False)
    said = second.try_('open ' + second.conf(''))[-1]
    assert said.startswith('error EPERM backend: table:'), said
    d.end()


def test_missed(net):
    """What others do while a transaction is made and nobody listens is noticed all the same"""
    d = Driver(net, CHAIN)
    if not d.features()['flags']:
        raise lab.Skip('the kernel has no persistent tables')
    many = [nat(UDP, 1000 + i, 10000 + i) for i in range(2000)]
    assert d.commit(*(f'add {m}' for m in many)) == ['0'] * len(many)
    assert d.watch() == 'quiet intact' and d.features()['subscribed'] == 1
    for _ in range(8):
        for m in many:
            d.ask(f'renew {m} 600000')
        # it has to wait for the kernel to be done with ours, and comes right behind
        flush = subprocess.Popen(net.command('gw', 'nft', 'flush', 'chain', 'inet', 'filter', 'forward'))
        d.ask('commit')
        assert flush.wait(30) == 0
        assert d.watch() == 'readable repaired' and ours(net) == [0]
    assert d.watch() == 'quiet intact'
    d.end('clear')


def test_unprotected(net):
    """A table without flags is taken over as it is; what others remove is noticed and made again"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    d = Driver(net)
    assert d.features()['flags'] == 0 and d.features()['subscribed'] == 1
    a, b = nat(UDP, 5000, 5000), nat(UDP, 5001, 5001)
    assert d.commit(f'add {a}') == ['0'] and d.watch() == 'quiet intact'
    net.nft('flush', 'table', 'inet', 'natpcpd')
    assert d.watch() == 'readable repaired' and counts(net)[0] == 1 and 'dnat ip to' in net.table()
    net.nft('flush', 'map', 'inet', 'natpcpd', 'snat4-wan')
    assert d.watch() == 'readable emptied' and counts(net) == [0, 0, 0, 0]
    assert d.commit(f'add {a}') == ['0']
    net.nft('flush', 'ruleset')
    d.ask(f'add {b}')
    assert d.try_('commit') == ['ENOENT', 'error ENOENT']
    assert d.watch() == 'readable emptied' and counts(net) == [0, 0, 0, 0]
    assert d.commit(f'add {a}', f'add {b}') == ['0', '0'] and counts(net)[:2] == [2, 2]
    # a new table gets the flags if the kernel has them
    if d.features()['flags']:
        assert net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd').returncode != 0
    d.end()


def test_concerned(net):
    """Of what others do only what can touch our table or our rule asks for a look at the ruleset"""
    net.nft('-f', '-', input="""
        table inet natpcpd { }
        table ip natpcpd {
            set banned { type ipv4_addr; }
        }
        table inet filter {
            set banned { type ipv4_addr; }
            chain other { }
        }
        table inet f2b {
            set banned { type ipv4_addr; }
            chain forward { type filter hook forward priority -1; }
        }""")
    d = Driver(net, CHAIN)
    a = nat(UDP, 5000, 5000)
    assert d.commit(f'add {a}') == ['0']
    rules = 'add rule inet filter forward ip saddr 203.0.113.9 drop'

    def handle(text, chain='inet filter forward'):
        return next(r for r in net.rules(chain) if text in r).split()[-1]
    # a word that ends in "#" stands for the handle of the rule that has what follows
    for words, concerned in (
            ('add element inet f2b banned { 203.0.113.7 }', False),
            ('delete element inet f2b banned { 203.0.113.7 }', False),
            ('add element inet filter banned { 203.0.113.7 }', False),
            ('add element ip natpcpd banned { 203.0.113.7 }', False),
            ('delete element ip natpcpd banned { 203.0.113.7 }', False),
            (rules, False),
            ('insert rule inet filter other accept', False),
            ('add rule inet f2b forward accept', False),
            ('flush chain inet f2b forward', False),
            ('flush chain inet filter other', False),
            ('delete table inet f2b', False),
            ('delete table ip natpcpd', False),
            ('delete rule inet filter forward handle # 203.0.113.9', True),
            ('add rule inet filter forward meta mark 1 accept comment "natpcpd"', True),
            ('add chain inet filter another', True),
            ('add element inet natpcpd lan { "other0" }', False),
            ('add rule inet natpcpd forward accept', True),
            ('delete element inet natpcpd lan { "other0" }', True)):
        if '#' in words:
            words, text = words.split(' # ')
            words += ' ' + handle(text)
        net.nft(words)
        assert d.ask('drain') == ['concerned' if concerned else 'unconcerned'], words
        assert d.ask('drain') == ['unconcerned'], words
    # what was read and is not repaired yet is not forgotten
    assert d.watch() == 'quiet emptied' and len(ours(net)) == 1
    assert d.commit(f'add {a}') == ['0'] and d.watch() == 'quiet intact'
    d.end()


def test_destroyed(net):
    """Without table owners: elements that somebody destroys, which is not an error if there are none, are noticed"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    d = Driver(net)
    if not d.features().get('destroy', 1):
        raise lab.Skip('the kernel has no destroy')
    assert d.commit('add ' + nat(UDP, 5000, 5000)) == ['0']
    # NEWGEN frames of a batch are 16 and 17; 30 is NFT_MSG_DESTROYSETELEM, which nft 1.0.6 has no word for
    destroy(net, 'natpcpd', 'dnat4', bytes([17, 0, 0, 0]) + socket.inet_aton(EXT) + struct.pack('!HH', 5000, 0))
    assert count(net, 'dnat4') == 0
    assert d.watch() == 'readable emptied'
    d.end()


def destroy(net, table, name, key):
    def attribute(kind, data):
        return struct.pack('=HH', 4 + len(data), kind) + data + bytes(-len(data) % 4)

    def message(kind, seq, family, resource, body=b''):
        return struct.pack('=IHHII', 20 + len(body), kind, 1 | 4, seq, 0) + struct.pack('!BBH', family, 0, resource) + body
    nested = 1 << 15
    element = attribute(nested | 1, attribute(nested | 1, attribute(1, key)))
    body = attribute(1, table.encode() + b'\0') + attribute(2, name.encode() + b'\0') + attribute(nested | 3, element)
    with lab.probe.inside(net.ns('gw')):
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    with s:
        s.bind((0, 0))
        s.send(message(16, 1, 0, 10) + message(10 << 8 | 30, 2, 1, 0, body) + message(17, 3, 0, 10))
        answer = s.recv(4096)
    assert struct.unpack_from('=i', answer, 16)[0] == 0, answer.hex()


def test_listing_loads(net):
    """What nft prints of the table, nft can load"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 5000, 5000), f'add pin 17 {LAN6} 1 {LAN6} 1', f'add pin 17 {LAN6} 0 {LAN6} 0',
                    f'add pin 0 {LAN} 0 {LAN} 0 60000 1 filters=::ffff:203.0.113.0/120:0') == ['0'] * 4
    listing = net.table()
    d.end('clear')
    # nft 1.0.6 prints flags that it cannot read
    net.nft('-f', '-', input='\n'.join(x for x in listing.split('\n') if x.strip() not in ('flags', 'flags owner')))
    assert counts(net) == [1, 1, 0, 1]
    assert counts(net, 'protocol-pin6', 'filter-host-pin4', 'from4-24') == [1, 1, 1]


lab.main(globals())
