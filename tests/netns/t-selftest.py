#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcpctl selftest: a port that works is told from one that does not, with the chain that drops it; nothing stays."""
import json
import os
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from lab import conf, wait

NO_CHAIN = 'backend { type = "nftables" }'


def left(net):
    """What the test might leave in the router."""
    return (net.ip('gw', '-br', 'link'), net.ip('gw', 'neigh', 'show', 'nud', 'reachable').count('02:4e:50'),
            re.sub(r'(?s)table inet natpcpd .*?\n}\n', '', net.nft('list', 'ruleset')), net.ip('gw', 'rule'),
            net.sh('gw', 'tc', 'qdisc'))


def selftest(net, d, *arguments, code=1, clean=True, text=False):
    """Runs it; the object that it prints, with what people see as text if that is wanted."""
    before = left(net)
    p = d.ctl('--json', 'selftest', *arguments, check=False)
    assert p.returncode == code and p.stderr == '', (p.returncode, p.stdout, p.stderr, d.log())
    o = json.loads(p.stdout)
    assert o['schema'] == 1 and o['reachable'] == (code == 0), o
    if text:
        p = d.ctl('selftest', *arguments, check=False)
        assert p.returncode == code and p.stderr == '', p
        o['text'] = p.stdout
    if clean:
        assert left(net) == before
        wait(lambda: d.leases() == [])
    return o


def test_reachable(net):
    """With forward-chain: packets of both protocols get through, and all that the test made is gone again"""
    d = net.daemon()
    o = selftest(net, d, code=0, text=True)
    assert [(x['protocol'], x['end'], x['granted']) for x in o['steps']] == 2 * [('udp', 'reached', True), ('tcp', 'reached', True)]
    four, _, six, _ = o['steps']
    assert [four[k] for k in ('inside', 'outside', 'internal_address', 'external_address', 'from')] == \
        ['br-lan', 'wan0', '192.0.2.254', lab.EXT, '203.0.113.77'], four
    assert six['internal_address'] == six['external_address'] and six['internal_address'].startswith('2001:db8:1:'), six
    assert 'mapped ports are reachable' in o['text'] and 'not tested' in o['text']
    # an address that somebody has is not taken, whoever names it
    net.ip('lan', 'addr', 'add', '192.0.2.254/24', 'dev', 'eth0')
    assert selftest(net, d, '-4', code=0, clean=False)['steps'][0]['internal_address'] == '192.0.2.253'
    p = d.ctl('selftest', '--host', '192.0.2.254', check=False)
    assert p.returncode == 1 and 'not free' in p.stderr, p
    o = selftest(net, d, '--host', '192.0.2.100', '--from', '2001:db8:2::99', '--interface', 'br-lan', code=0, clean=False)
    assert [(x['internal_address'], x['from']) for x in o['steps'][:3:2]] == \
        [('192.0.2.100', '203.0.113.77'), (o['steps'][2]['internal_address'], '2001:db8:2::99')], o
    net.ip('gw', 'addr', 'flush', 'dev', 'br-lan', 'scope', 'global')
    p = d.ctl('selftest', check=False)
    assert p.returncode == 1 and p.stdout.count('not tested: br-lan has no') == 2, p


def test_policy_drops(net):
    """Without forward-chain: the chain whose policy drops is named, and the key that lets mappings through"""
    d = net.daemon(conf(backend=NO_CHAIN))
    o = selftest(net, d, text=True)
    for x in o['steps']:
        assert (x['end'], x['granted'], x['rule_handle']) == ('dropped', True, None), x
        assert [x[k] for k in ('family', 'table', 'chain')] == ['inet', 'filter', 'forward'], x
    assert len(o['steps']) == 4
    assert 'dropped in chain inet filter forward, by its policy' in o['text']
    assert 'forward-chain = "inet filter forward"' in o['text'] and 'NOT reachable' in o['text']


def test_rule_drops(net):
    """A rule in a chain that is jumped to, of another table: its handle, and the chain at the hook before it"""
    d = net.daemon(conf(backend=NO_CHAIN))
    net.nft('-f', '-', input='''
        delete table inet filter
        table ip fw {
            chain from_wan { udp dport 1-65535 drop; }
            chain FORWARD {
                type filter hook forward priority filter; policy accept;
                iifname "wan0" oifname "br-lan" jump from_wan
            }
        }''')
    o = selftest(net, d, '-4')
    udp, tcp = o['steps']
    handle = int(re.search(r'drop # handle (\d+)', net.nft('-a', 'list', 'chain', 'ip', 'fw', 'from_wan')).group(1))
    assert [udp[k] for k in ('end', 'family', 'table', 'chain', 'rule_handle')] == \
        ['dropped', 'ip', 'fw', 'from_wan', handle], udp
    assert any('forward-chain = "ip fw FORWARD"' in h for h in udp['hints']), udp
    assert tcp['end'] == 'reached', tcp


def test_own_rules(net):
    """An operator's own rules that let it in, by the names of both interfaces: needs no forward-chain"""
    d = net.daemon(conf(backend=NO_CHAIN))
    net.nft('add', 'rule', 'inet', 'filter', 'forward', 'iifname', 'wan0', 'oifname', 'br-lan', 'accept')
    selftest(net, d, code=0)


def test_request_dropped(net):
    """The input chain drops the request; the raw chain drops the packet"""
    d = net.daemon()
    net.nft('add', 'chain', 'inet', 'filter', 'input', '{ type filter hook input priority 0; policy accept; }')
    net.nft('add', 'rule', 'inet', 'filter', 'input', 'iifname', 'br-lan', 'udp', 'dport', '5351', 'reject')
    o = selftest(net, d)
    for x in o['steps']:
        assert [x[k] for k in ('end', 'granted', 'chain')] == ['dropped', False, 'input'], x
        assert 'UDP port 5351' in x['hints'][0], x
    assert len(o['steps']) == 2, o
    net.nft('flush', 'chain', 'inet', 'filter', 'input')
    net.nft('add', 'chain', 'inet', 'filter', 'raw', '{ type filter hook prerouting priority raw; policy accept; }')
    net.nft('add', 'rule', 'inet', 'filter', 'raw', 'ip', 'saddr', '203.0.113.0/24', 'drop')
    net.nft('add', 'rule', 'inet', 'filter', 'raw', 'ip6', 'saddr', '2001:db8:7f00::/40', 'drop')
    o = selftest(net, d)
    assert [o['steps'][3][k] for k in ('end', 'granted', 'chain')] == ['dropped', True, 'raw'], o
    assert any('--from' in h for h in o['steps'][3]['hints']), o
    assert [o['steps'][1][k] for k in ('end', 'granted', 'chain')] == ['dropped', True, 'raw'], o
    selftest(net, d, '-4', '--from', '198.51.100.200', code=0)


def test_refused(net):
    """The server's own rules refuse, or it does not speak PCP there: which rule, or that nothing was heard"""
    rules = 'rule "no one" { action = deny  clients = { "192.0.2.128/25" }  protocols = { "udp" } }\n' \
        'rule "hosts" { action = allow }'
    d = net.daemon(conf(rule=rules))
    o = selftest(net, d, '-4', text=True)
    assert [(x['end'], x['granted']) for x in o['steps']] == [('refused', False), ('reached', True)], o
    assert o['steps'][0]['result'] == 'NOT_AUTHORIZED' and 'denied by rule "no one"' in o['text'], o
    d.reload(conf(listen='listen "lan" { interfaces = { "br-lan" }  pcp = false }'))
    o = selftest(net, d, '-4')
    assert (o['steps'][0]['end'], len(o['steps'])) == ('unanswered', 1) and 'pcp = true' in str(o), o


def test_not_forwarded(net):
    """The kernel does not forward, or does not believe the source: no chain drops, and the reason is found"""
    d = net.daemon()
    net.sh('gw', 'sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0')
    four, _, six, _ = selftest(net, d)['steps']
    assert four['end'] == 'lost' and 'ip_forward is 0' in four['hints'][0], four
    assert six['end'] == 'lost' and 'net.ipv6.conf.all.forwarding is 0' in six['hints'][0], six
    net.sh('gw', 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv4.conf.wan0.rp_filter=1')
    net.ip('gw', 'route', 'del', 'default', 'via', lab.WAN)
    o = selftest(net, d, '-4')
    assert o['steps'][0]['end'] == 'lost' and 'rp_filter is 1' in o['steps'][0]['hints'][0], o
    selftest(net, d, '-4', '--from', lab.WAN, code=0)
    net.ip('gw', 'addr', 'flush', 'dev', 'wan0')
    wait(lambda: not any('.' in a for a in d.status()['externals'][0]['addresses']))
    o = selftest(net, d, '-4')
    assert o['steps'][0]['result'] == 'NETWORK_FAILURE' and 'external wan' in o['steps'][0]['hints'][0], o


def test_not_possible(net):
    """No server, no root, no inside: said, exit code 1; bad options 2"""
    d = net.daemon()
    for arguments, code, why in ((('--host', 'x'), 2, 'takes an address'), (('--from', '1'), 2, 'takes an address'), (('x',), 2, 'usage'),
                                 (('--interface', 'none0'), 1, 'is not there'), (('--host', '198.51.100.7'), 1, 'network'),
                                 (('--host', lab.GW), 1, 'not free')):
        p = d.ctl('selftest', *arguments, check=False)
        assert p.returncode == code and p.stdout == '' and why in p.stderr, (arguments, p)
    tool = os.path.join(lab.BUILD, 'natpcpctl')
    os.chmod(net.dir + '/control.sock', 0o666)
    p = net.run('gw', 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', tool, '-s', net.dir + '/control.sock',
                'selftest')
    assert p.returncode == 1 and 'only root' in p.stderr, p
    d.stop()
    p = d.ctl('selftest', check=False)
    assert p.returncode == 1 and 'is natpcpd running' in p.stderr, p


def in_the_middle(net, d, argv):
    """One that has made all that it makes, and stands still there."""
    def made():
        return 'npsto' in net.ip('gw', '-br', 'link') and d.leases() and 'natpcp-selftest' in net.nft('list', 'tables')
    for _ in range(20):
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait(lambda p=p: made() or p.poll() is not None)
        p.send_signal(signal.SIGSTOP)
        if p.poll() is None and made():
            return p
        # it was over before that was seen
        p.send_signal(signal.SIGCONT)
        p.communicate(timeout=60)
    raise AssertionError('it is always over')


def test_stopped(net):
    """Stopped by a signal, or killed, in the middle: nothing stays but, after a kill, the port for its two minutes"""
    d = net.daemon()
    net.sh('gw', 'sysctl', '-qw', 'net.ipv4.ip_forward=0')  # which takes it a while to find out
    before = left(net)
    argv = net.command('gw', os.path.join(lab.BUILD, 'natpcpctl'), '-s', os.path.join(net.dir, 'control.sock'), 'selftest')
    for sig, code in (signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGKILL, -9):
        p = in_the_middle(net, d, argv)
        p.send_signal(sig)
        p.send_signal(signal.SIGCONT)
        p.communicate(timeout=60)
        assert p.returncode == code, p.returncode
        if sig != signal.SIGKILL:
            assert left(net) == before
            wait(lambda: d.leases() == [])
    wait(lambda: 'npst' not in net.ip('gw', '-br', 'link') and 'selftest' not in net.nft('list', 'tables'))
    lease, = d.leases()
    assert lease['internal_address'] == '192.0.2.254' and lease['expires_in_s'] <= 120, lease


lab.main(globals())
