#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What an operator does to a running server: revoke, explain, reload what cannot be reloaded, take interfaces away."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import json

import lab
import pcp
from lab import EXT, GW, LAN, LAN2, conf, wait
from pcp import SUCCESS, TCP, UDP


def test_revoke(net):
    """natpcpctl revoke ends one mapping, a host's, a rule's or all; never a static one"""
    d = net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }',
                        rule='rule "low" { action = allow  internal-ports = { "1-4999" } }\nrule "high" { action = allow }'))
    a, b = net.client('lan'), net.client('lan2')

    def ports():
        return sorted(x['external_port'] for x in d.leases() if x['origin'] != 'static')
    for i in range(4):
        assert a.map(UDP, 4000 + i, 40000 + i).result == SUCCESS
        assert b.map(TCP, 5000 + i, 50000 + i).result == SUCCESS
    assert '1 ended' in d.ctl('revoke', 'udp', EXT, '40001').stdout
    assert ports() == [40000, 40002, 40003, 50000, 50001, 50002, 50003]
    assert net.closed((EXT, 40001))
    net.through('lan', (LAN, 4002), (EXT, 40002))
    for wrong in (('udp', EXT, '40001'), ('tcp', EXT, '40002'), ('udp', '198.51.100.9', '40002'), ('--rule', 'none'),
                  ('--client', '192.0.2.77')):
        p = d.ctl('revoke', *wrong, check=False)
        assert p.returncode == 1 and p.stderr.strip(), (wrong, vars(p))
    assert len(ports()) == 7
    for wrong in ((), ('udp',), ('udp', EXT), ('--all', '--rule', 'low'), ('--all', 'udp', EXT, '40000')):
        assert d.ctl('revoke', *wrong, check=False).returncode == 2, wrong
    assert json.loads(d.ctl('--json', 'revoke', '--rule', 'low').stdout) == {'schema': 1, 'revoked': 3}
    assert ports() == [50000, 50001, 50002, 50003]
    a.map(UDP, 4000, 40000)
    assert '4 ended' in d.ctl('revoke', '--client', LAN2).stdout
    assert ports() == [40000]
    assert '1 ended' in d.ctl('revoke', '--all').stdout
    assert ports() == [] and len(d.leases()) == 1
    assert net.closed((EXT, 40000))
    net.through('lan', (LAN, 8443), (EXT, 443), 'tcp')


def test_explain_by_place(net):
    """Rules that name interfaces and link-layer addresses: granted, and explained, by where the client really is"""
    mac = net.ip('lan', '-o', 'link', 'show', 'eth0').split('link/ether ')[1][:17]
    d = net.daemon(conf(rule=f'rule "mac" {{ action = allow  macs = {{ "{mac}" }}  interfaces = {{ "br-lan" }} }}'))
    assert net.client('lan').map(UDP, 4000, 40000).result == SUCCESS
    assert net.client('lan2').map(UDP, 4000, 40001).result == pcp.NOT_AUTHORIZED
    for client, allowed in ((LAN, True), (LAN2, False)):
        x = json.loads(d.ctl('--json', 'explain', client, 'udp', '4001').stdout)
        assert (x['allowed'], x['rule']) == (allowed, 'mac' if allowed else None), x
    assert d.ctl('explain', LAN, 'frob', '4001', check=False).returncode == 1
    assert d.ctl('explain', LAN, 'udp', '70000', check=False).returncode == 1
    assert d.ctl('explain', LAN, check=False).returncode == 2


def test_explain_words(net):
    """What explain tells people is true of protocols without ports, of hosts without a rule and of static mappings"""
    d = net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }'))
    line, hosts = (open(d.path).read().split(x)[0].count('\n') + 1 for x in ('static "web"', 'rule "hosts"'))

    def words(*question):
        return [' '.join(x.split()) for x in d.ctl('explain', *question).stdout.splitlines()]
    assert words(LAN, '1', '1') == [
        f'refused: {LAN}, 1 port 1', 'Why: one port of a protocol with ports can be mapped, nothing else.',
        'PCP answers UNSUPP_PROTOCOL.', 'The host has 1 mapping of at most 256: 255 more are possible.']
    assert words('203.0.113.9', 'tcp', '80')[:4] == [
        'refused: 203.0.113.9, tcp port 80', f'Rule "hosts" (line {hosts}) does not decide, by its clients.', 'Why: no rule matches.', 'PCP answers NOT_AUTHORIZED.']
    assert words(LAN, 'tcp', '8443') == [
        f'allowed by static "web" (line {line}): {LAN}, tcp port 8443', 'It has external port 443.', 'It does not end.',
        'The host has 1 mapping of at most 256: 255 more are possible.',
        f'The mapping is there already: {EXT}:443 outside, without an end.']


def test_reload_needs_restart(net):
    """What takes a restart is named, the rest of the file takes effect"""
    d = net.daemon()
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    d.reload(conf('reserved-ports { udp = { "40001" } }', process='process { user = "nobody" }',
                  backend='backend { table = "inet other"  forward-chain = "inet filter forward" }',
                  control='control { socket = "@DIR@/other.sock" }'))
    for key in ('backend.table', 'process.user', 'control.socket'):
        d.logged('key=' + key)
    before = net.table()
    mark = len(d.lines)
    d.reload(conf('reserved-ports { udp = { "40001" } }', backend='backend { forward-chain = "inet filter forward"  '
                  'mark = 0x400  hairpin-mark = 0x800 }'))
    for key in ('mark', 'hairpin-mark'):
        d.logged('key=backend.' + key, start=mark)
    assert [x for x in before.split('\n') if 'mark' in x] == [x for x in net.table().split('\n') if 'mark' in x]
    assert c.map(UDP, 4001, 40001).external != 40001
    assert len(d.leases()) == 2
    net.through('lan', (LAN, 4000), (EXT, 40000))


def journal_moves(net, name, **section):
    d = net.daemon(conf(journal='journal { path = "@DIR@/a.journal" }', **section))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    where = [os.path.join(net.dir, name) for name in ('a.journal', name)]
    d.reload(conf(journal='journal { path = "@DIR@/' + name + '"  sync = always }', **section))
    wait(lambda: os.path.exists(where[1]) and not os.path.exists(where[0]))
    wait(lambda: not d.status()['journal']['behind'])
    assert c.map(UDP, 4001, 40001).result == SUCCESS
    d.reload(conf(**section))
    wait(lambda: not os.path.exists(where[1]))
    assert 'journal' not in d.status()
    d.reload(conf(journal='journal { path = "@DIR@/a.journal" }', **section))
    wait(lambda: os.path.exists(where[0]))
    d.process.kill()
    d.end()
    d = net.daemon(conf(journal='journal { path = "@DIR@/a.journal" }', **section))
    d.logged('journal-read.*found=whole')
    assert sorted(x['external_port'] for x in d.leases()) == [40000, 40001]


def test_journal_moves(net):
    """A reload names another file for the journal: it is begun there, the old one goes, and all is in it"""
    journal_moves(net, 'b.journal')


def test_journal_moves_away(net):
    """The same in another directory, where there is no sandbox"""
    journal_moves(net, 'b/b.journal', process='process { user = ""  sandbox = false }')


def test_interface_again(net):
    """A listening interface is made anew while natpcpd runs without root: it listens again"""
    d = net.daemon(conf(process='process { user = "nobody" }'))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    net.ip('gw', 'link', 'del', 'br-lan')
    d.logged('interface-absent')
    net.ip('gw', 'link', 'add', 'br-lan', 'type', 'bridge')
    for port in ('lp1', 'lp2'):
        net.ip('gw', 'link', 'set', port, 'master', 'br-lan')
    net.ip('gw', 'addr', 'add', GW + '/24', 'dev', 'br-lan')
    net.ip('gw', 'link', 'set', 'br-lan', 'up')
    net.ip('lan', 'neigh', 'flush', 'all')

    def answered():
        try:
            return c.ask(pcp.natpmp_address(), 0.3).result == SUCCESS
        except (TimeoutError, ConnectionRefusedError):
            return False
    wait(answered)
    assert c.map(UDP, 4000, 40000).external == 40000


def test_started_before_interface(net):
    """An interface that is not there yet is no reason to fail, and is served when it comes"""
    d = net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan", "lan9" } }'))
    d.logged('event=interface-absent interface=lan9')
    assert net.client().public().result == SUCCESS
    net.ip('gw', 'link', 'add', 'lan9', 'type', 'bridge')
    d.logged('event=listening interface=lan9 family=ipv6')


def test_user(net):
    """process.user: one that is named must exist; the control socket is his, and he can remove it"""
    d = net.daemon(conf(process='process { user = "no-such-user" }'), ready=False)
    assert d.end() == 2 and 'no-such-user' in d.log(), d.log()
    d = net.daemon(conf(process='process { user = "nobody" }', control='control { socket = "@DIR@/run/control.sock" }'))
    path = os.path.join(net.dir, 'run/control.sock')
    st = os.stat(path)
    assert st.st_mode & 0o777 == 0o660 and st.st_uid != 0, st
    os.chmod(net.dir, 0o755)
    assert d.stop() == 0
    assert not os.path.exists(path)


lab.main(globals())
