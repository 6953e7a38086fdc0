#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packet filter: what is in it, what is not, and what happens when others change it."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import json
import re
import socket

import lab
import pcp
from lab import EXT, GW6, LAN, LAN2, LAN6, LAN26, OPERATOR, WAN, WAN6, conf, wait
from pcp import SUCCESS, TCP, UDP


def ours(net):
    """Rules of the operator's forward chain that are not the lab's."""
    return [r for r in net.rules() if 'established' not in r and 'oifname "wan0"' not in r]


def test_forward_rule_once(net):
    """One rule in the operator's chain, however many mappings and restarts there are"""
    d = net.daemon()
    assert len(ours(net)) == 1, ours(net)
    c = net.client()
    for i in range(20):
        assert c.map(UDP, 4000 + i, 40000 + i).result == SUCCESS
    for _ in range(2):
        assert d.stop() == 0
        d = net.daemon()
    assert len(ours(net)) == 1, ours(net)
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_forward_rule_returns(net):
    """The operator reloads his ruleset: our rule is put back, and mappings work again"""
    net.daemon()
    c = net.client()
    c.map(UDP, 4000, 40000)
    net.nft('-f', '-', input='flush chain inet filter forward\n'
            'add rule inet filter forward ct state established,related accept\n'
            'add rule inet filter forward iifname "br-lan" oifname "wan0" accept\n')
    wait(lambda: len(ours(net)) == 1)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    # the way nft -f does it: the table goes and comes in one transaction
    net.nft('-f', '-', input='delete table inet filter' + OPERATOR)
    wait(lambda: len(ours(net)) == 1)
    net.through('lan', (LAN, 4000), (EXT, 40000))


def test_forward_chain_absent(net):
    """A forward chain that does not exist: one line that says so, exit code 2 and nothing left behind"""
    d = net.daemon(conf(backend='backend { forward-chain = "inet firewall forward" }'), ready=False)
    assert d.end() == 2, d.log()
    assert 'ready' not in d.out
    blame = [line for line in d.lines if 'inet firewall forward' in line or 'forward-chain' in line]
    assert len(blame) == 1, d.log()
    line = open(d.path).read()[:open(d.path).read().index('backend')].count('\n') + 1
    assert blame[0].startswith(f'{d.path}:{line}: backend: forward-chain: '), blame
    assert ours(net) == [] and net.table() == ''
    d = net.daemon()
    text = conf(backend='backend { forward-chain = "inet filter absent" }')
    mark = len(d.lines)
    d.reload(text)
    blame = [text for text in d.lines[mark:] if 'event=reload-failed' in text]
    assert len(blame) == 1 and f'why="{d.path}:{line}: backend: forward-chain: ' in blame[0], d.log()
    # another mistake has a place of its own
    mark = len(d.lines)
    d.reload(text.replace('log {', 'lgo {'))
    blame = [text for text in d.lines[mark:] if 'event=reload-failed' in text]
    assert len(blame) == 1 and blame[0].count(d.path) == 1 and 'forward-chain' not in blame[0], d.log()


def test_forward_chain_goes(net):
    """The operator's chain is removed and made again: the log says so, and our rule is in it, once"""
    d = net.daemon()
    net.client().map(TCP, 4000, 40000)
    made = '\n'.join(r for r in net.nft('list', 'table', 'inet', 'filter').splitlines() if 'natpcpd' not in r)
    net.nft('delete', 'table', 'inet', 'filter')
    d.logged('event=forward-chain-gone')
    net.nft('-f', '-', input=made)
    wait(lambda: len(ours(net)) == 1)
    net.through('lan', (LAN, 4000), (EXT, 40000), 'tcp')
    assert not any('ruleset-broken' in line for line in d.lines), d.log()


def test_without_capability(net):
    """Started without the right to change the packet filter: one line that says so, exit code 1"""
    d = net.daemon(conf(control='control { socket = "" }'), ready=False, prefix=(
        'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'))
    assert d.end() == 1, d.log()
    assert 'ready' not in d.out and 'CAP_NET_ADMIN' in d.lines[-1] and d.path not in d.lines[-1], d.log()


def test_forward_drop_without_chain(net):
    """Where the operator's chain accepts by itself, no forward-chain is needed and no rule goes anywhere"""
    net.nft('add', 'rule', 'inet', 'filter', 'forward', 'ct', 'status', 'dnat', 'accept')
    before = net.nft('list', 'table', 'inet', 'filter')
    net.daemon(conf(backend='backend { type = "nftables" }'))
    net.client().map(TCP, 4000, 40000)
    net.through('lan', (LAN, 4000), (EXT, 40000), 'tcp')
    assert net.nft('list', 'table', 'inet', 'filter') == before


def test_no_drop_policy(net):
    """Our chains never drop, and no rule of ours grows with the number of mappings"""
    net.daemon()

    def shape():
        objects = json.loads(net.nft('-j', 'list', 'table', 'inet', 'natpcpd'))['nftables']
        chains = [o['chain'] for o in objects if 'chain' in o]
        assert chains and all(c.get('policy', 'accept') == 'accept' for c in chains)
        return sum('rule' in o for o in objects)
    rules = shape()
    c = net.client()
    for i in range(50):
        assert c.map(UDP, 4000 + i, 40000 + i).result == SUCCESS
    assert shape() == rules and len(ours(net)) == 1


def unowned(net):
    """Kernels before 6.9 know no persistent owner of a table: the same as with a table that was there without one."""
    net.nft('add', 'table', 'inet', 'natpcpd')


def test_flush_ruleset_owned(net):
    """nft flush ruleset while running: our table is left alone or comes back, mappings work again without the client"""
    flush_ruleset(net)


def test_flush_ruleset(net):
    """The same where the kernel has no table owners: everything comes back, epochs restart, clients are told (6886-3.2.1-04)"""
    unowned(net)
    c, before = net.client(), []

    def aged():
        wait(lambda: c.announce().epoch >= 3 and c.public().epoch >= 3)
        before.extend(c.moments())
    flush_ruleset(net, aged)
    assert all(b.began_anew(a) for b, a in zip(before, c.moments())), before


def flush_ruleset(net, before=lambda: None):
    d = net.daemon()
    c = net.client()
    before()
    c.map(UDP, 4000, 40000)
    c.natpmp(TCP, 4001, 40001)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.run('gw', 'nft', 'flush', 'ruleset')
    net.nft('-f', '-', input=OPERATOR)
    wait(lambda: len(ours(net)) == 1)

    def works():
        try:
            net.through('lan', (LAN, 4000), (EXT, 40000), timeout=1)
            net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp', timeout=1)
        except OSError:
            return False
        return True
    wait(works)
    assert len(d.leases()) == 2
    assert c.map(UDP, 4002, 40002).result == SUCCESS
    net.through('lan', (LAN, 4002), (EXT, 40002))


def test_table_deleted_owned(net):
    """Somebody deletes our table: it could not be deleted, or comes back with every mapping"""
    table_deleted(net)


def test_table_deleted(net):
    """The same where the kernel has no table owners: it comes back with every mapping"""
    unowned(net)
    table_deleted(net)


def table_deleted(net):
    d = net.daemon()
    c = net.client()
    for i in range(30):
        assert c.map(UDP, 4000 + i, 40000 + i).result == SUCCESS
    n = net.elements()
    net.run('gw', 'nft', 'delete', 'table', 'inet', 'natpcpd')
    wait(lambda: net.elements() == n)
    for i in (0, 29):
        net.through('lan', (LAN, 4000 + i), (EXT, 40000 + i))
    assert len(d.leases()) == 30
    assert c.map(UDP, 4040, 40040).result == SUCCESS


def test_chain_replaced(net):
    """Without table owners: a chain of ours that comes back unlike ours costs the table, and no mapping (6886-3.2.1-04)"""
    chain_replaced(net)


def test_chain_replaced_reload(net):
    """The same when a reload comes before the server could see it"""
    chain_replaced(net, reload=True)


def chain_replaced(net, reload=False):
    unowned(net)
    d = net.daemon()
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert c.natpmp(TCP, 4001, 40001).result == SUCCESS
    n = net.elements()
    wait(lambda: c.announce().epoch >= 3 and c.public().epoch >= 3)
    before = c.moments()
    with d.asleep():
        net.nft('delete chain inet natpcpd forward; '
                'add chain inet natpcpd forward { type filter hook forward priority 5; }')
        if reload:
            d.process.send_signal(lab.signal.SIGHUP)
    d.logged('event=ruleset-lost')
    wait(lambda: net.elements() == n)
    assert 'priority 5' not in net.table()
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp')
    assert all(b.began_anew(a) for b, a in zip(before, c.moments())), before
    assert len(d.leases()) == 2
    if reload:
        d.logged('event=reload')


def test_chain_gone_with_table(net):
    """All is flushed and the operator's chain stays away: mappings are back at once, and the missing chain is told"""
    unowned(net)
    d = net.daemon()
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    n = net.elements()
    net.nft('flush', 'ruleset')
    wait(lambda: net.elements() == n)
    d.logged('event=forward-chain-gone')


def test_bans(net):
    """Programs that change their own sets and rules all day do not make us look at the ruleset"""
    net.nft('-f', '-', input='table inet f2b {\nset banned { type ipv4_addr; }\n}\n'
            + ''.join(f'add rule inet filter forward ip saddr 203.0.113.{i} drop\n' for i in range(200)))
    d = net.daemon()
    assert d.status()['ruleset_looks'] == 0
    for i in range(20):
        net.nft(f'add element inet f2b banned {{ 203.0.113.{i} }}')
        net.nft(f'add rule inet filter forward ip saddr 198.18.0.{i} drop')
    net.client().public()
    assert d.status()['ruleset_looks'] == 0, d.status()
    net.nft('flush chain inet filter forward')
    wait(lambda: len(net.rules()) == 1)
    assert 1 <= d.status()['ruleset_looks'] <= 3, d.status()


def test_gateway_ports(net):
    """A port on which the gateway itself listens is never given (6887-11.3-26)"""
    held = []
    with lab.probe.inside(net.ns('gw')):
        for kind, address in ((socket.SOCK_STREAM, '0.0.0.0'), (socket.SOCK_STREAM, EXT), (socket.SOCK_DGRAM, '0.0.0.0')):
            s = socket.socket(socket.AF_INET, kind)
            s.bind((address, 40000 + len(held)))
            if kind == socket.SOCK_STREAM:
                s.listen(1)
            held.append(s)
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        s.bind(('::', 40003))
        s.listen(1)
        held.append(s)
    net.daemon()
    c = net.client()
    for i, proto in enumerate((TCP, TCP, UDP, TCP)):
        r = c.map(proto, 4000 + i, 40000 + i)
        assert r.result == SUCCESS and r.external not in (0, 40000 + i), vars(r)
        r = c.natpmp(proto, 4100 + i, 40000 + i)
        assert r.result == SUCCESS and r.external not in (0, 40000 + i), vars(r)
        r = c.map(proto, 4200 + i, 40000 + i, options=[pcp.option(pcp.PREFER_FAILURE)])
        assert r.result == pcp.CANNOT_PROVIDE_EXTERNAL, vars(r)
    for s in held:
        s.close()


def test_own_ports(net):
    """The protocols' own ports are never given (6887-11.3-27)"""
    net.daemon()
    c = net.client()
    for port in (5350, 5351):
        assert c.natpmp(UDP, 4000 + port, port).external not in (0, port)
        assert c.map(UDP, 5000 + port, port).external not in (0, port)


def test_reserved_ports(net):
    """Ports that the operator reserves, and those outside a rule's range, are not given (6887-11.3-28, 6886-3.3-07)"""
    net.daemon(conf('reserved-ports { tcp = { "22", "8000-8100" } }',
                    rule='rule "hosts" { action = allow  clients = { "192.0.2.0/24" }  external-ports = { "1024-65535" } }'))
    c = net.client()
    for port in (22, 8000, 8050, 8100, 80, 443):
        r = c.natpmp(TCP, port, port)
        assert r.result == SUCCESS and r.external >= 1024 and not 8000 <= r.external <= 8100, vars(r)
    assert c.natpmp(UDP, 8050, 8050).external == 8050


def test_static(net):
    """Static mappings work from the start, are never given away or deleted

    6887-3-04, 6887-15.1-10, 6887-11.3-18, 6887-11.3-19, 6886-3.4-13, 6886-3.4-11
    """
    d = net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }'))
    net.through('lan', (LAN, 8443), (EXT, 443), 'tcp')
    assert [(x['origin'], x['external_port']) for x in d.leases()] == [('static', 443)]
    b = net.client('lan2')
    assert b.map(TCP, 443, 443).external not in (0, 443)
    c = net.client()
    r = c.map(TCP, 8443, 9999)
    assert (r.result, r.external, r.lifetime) == (SUCCESS, 443, 0xffffffff), vars(r)
    assert c.map(TCP, 8443, 443, 0).result == pcp.NOT_AUTHORIZED
    r = c.natpmp(TCP, 8443, 443, 0)
    assert (r.result, r.internal, r.lifetime) == (2, 8443, 0), vars(r)
    net.through('lan', (LAN, 8443), (EXT, 443), 'tcp')
    # outbound, too, it keeps its port
    with lab.probe.tcp(net.ns('wan'), WAN, 7777) as server, lab.probe.tcp(net.ns('lan'), LAN, 8443) as client:
        server.listen(1)
        client.connect((WAN, 7777))
        assert server.accept()[1] == (EXT, 443)


def test_ipv6_pinhole(net):
    """An IPv6 mapping is a pinhole: the same address and port, only that one (6887-3-02, 6887-11.3-16)"""
    net.daemon()
    c = net.client('lan', GW6)
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        assert net.closed((LAN6, 4000), name, timeout=0.3)
        r = c.map(proto, 4000, 0, address='::')
        assert (r.result, r.external, r.address) == (SUCCESS, 4000, LAN6), vars(r)
        seen = net.through('lan', (LAN6, 4000), (LAN6, 4000), name)
        assert seen.inner[0] == WAN6
        assert net.closed((LAN6, 4001), name, timeout=0.3) and net.closed((LAN26, 4000), name, timeout=0.3)
        net.forget()
        assert c.map(proto, 4000, 0, 0, address='::').result == SUCCESS
        assert net.closed((LAN6, 4000), name, timeout=0.3)


def reached(net, target):
    """A host inside gets through to one outside. A first datagram may be lost while neighbours are looked for."""
    try:
        return net.through('wan', target, target, outer='lan', timeout=1)
    except OSError:
        return None


def no_crafted_ipv6(net, port, *addresses):
    """No IPv6 packet with one of these IPv4 addresses where IPv4 has its source or destination gets in."""
    used = 0
    for a in addresses:
        # octets 12..15 and 16..19 of an IPv6 header are octets 4..7 and 8..11 of its source
        for head in ('20010db8', '20010db800020000'):
            source = socket.inet_ntop(socket.AF_INET6, (bytes.fromhex(head) + socket.inet_aton(a) + bytes(12))[:15] + b'\x07')
            net.ip('wan', 'addr', 'add', source + '/128', 'dev', 'eth0', 'nodad')
            net.ip('gw', 'route', 'replace', source + '/128', 'via', WAN6)  # a neighbour that is known
            # the way back exists, so that silence says something
            wait(lambda to=(source, 9999): reached(net, to))
            for target in (LAN6, LAN26):
                for name in ('udp', 'tcp'):
                    assert net.closed((target, port), name, source=(source, 0), timeout=0.2), (source, target, name)
                    used += 1
    assert used == 8 * len(addresses)


def test_ipv4_mapping_opens_no_ipv6(net):
    """An IPv4 mapping lets no IPv6 packet in, not even one whose bytes look like it"""
    net.daemon()
    c = net.client()
    assert c.map(UDP, 4000, 4000).external == 4000
    assert c.map(TCP, 4000, 4000).external == 4000
    no_crafted_ipv6(net, 4000, LAN, EXT)
    net.through('lan', (LAN, 4000), (EXT, 4000))


def test_without_nat(net):
    """nat = false: IPv4 mappings are pinholes, for IPv4 only (6887-3-02, 6887-11.3-16)"""
    net.nft('flush', 'chain', 'inet', 'nat', 'postrouting')
    net.ip('wan', 'route', 'add', '192.0.2.0/24', 'via', EXT)
    net.daemon(conf(external='external "wan" { interface = "wan0"  nat = false }'))
    c = net.client()
    for proto, name in ((UDP, 'udp'), (TCP, 'tcp')):
        assert net.closed((LAN, 4000), name, timeout=0.3)
        r = c.map(proto, 4000, 40000)
        assert (r.result, r.external, r.address) == (SUCCESS, 4000, LAN), vars(r)
        net.through('lan', (LAN, 4000), (LAN, 4000), name)
        assert net.closed((LAN, 4001), name, timeout=0.3) and net.closed((LAN2, 4000), name, timeout=0.3)
    no_crafted_ipv6(net, 4000, LAN)


def test_ipv6_only_its_own(net):
    """A pinhole for a host of the LAN is not an IPv4 mapping, and an IPv4 client gets no IPv6 one"""
    net.daemon()
    r = net.client().map(UDP, 4000, 4000, address='::')
    assert r.result != SUCCESS or r.address == EXT, vars(r)
    assert net.closed((LAN6, 4000), timeout=0.3)


def test_clear(net):
    """-x and on-exit = clear leave nothing in the packet filter; the default leaves the mappings"""
    pristine = net.nft('list', 'ruleset')
    for text, options, kept in ((conf(), (), True), (conf(), ('-x',), False),
                                (conf(backend='backend { forward-chain = "inet filter forward"  on-exit = clear }'), (), False)):
        d = net.daemon(text, *options)
        r = net.client().map(UDP, 4000, 40000)
        assert r.result == SUCCESS or kept is False and r.external, vars(r)
        assert d.stop() == 0, d.log()
        if kept:
            net.through('lan', (LAN, 4000), (EXT, 40000))
        else:
            assert net.nft('list', 'ruleset') == pristine, net.nft('list', 'ruleset')
            assert net.closed((EXT, 40000))


def test_refused_by_kernel(net):
    """What the kernel refuses is an error to that client alone, and nothing is half-installed (6887-7.3-11)"""
    unowned(net)
    d = net.daemon()
    a, b = net.client(), net.client('lan2')
    a.public()
    # somebody else took the inner side of a mapping to come: its way in is free, its way out is not
    net.nft('add', 'element', 'inet', 'natpcpd', 'snat4-wan', '{ udp . 192.0.2.11 . 4000 : 198.51.100.1 . 50000 }')
    n = net.elements()
    with d.asleep():
        for i in range(3):
            a.send(pcp.pcp_map(LAN, a.nonce, UDP, 4000 + i, 40000 + i))
        b.send(pcp.pcp_map(LAN2, b.nonce, UDP, 4000, 41000))
    answers = {r.internal: r for r in (a.receive() for _ in range(3))}
    assert answers[4000].result in (pcp.NO_RESOURCES, pcp.NETWORK_FAILURE), vars(answers[4000])
    assert 0 < answers[4000].lifetime <= 60 and answers[4000].external == 40000, vars(answers[4000])
    assert answers[4001].result == answers[4002].result == b.receive().result == SUCCESS
    assert '40000' not in net.table() and net.elements() == n + 6, net.table()
    assert len(d.leases()) == 3
    net.through('lan', (LAN, 4001), (EXT, 40001))
    net.through('lan2', (LAN2, 4000), (EXT, 41000))
    # the way is free again: the same request works, though a port that was refused may be avoided for a while
    net.nft('delete', 'element', 'inet', 'natpcpd', 'snat4-wan', '{ udp . 192.0.2.11 . 4000 }')
    r = a.map(UDP, 4000, 40000)
    assert r.result == SUCCESS and r.external, vars(r)
    net.through('lan', (LAN, 4000), (EXT, r.external))


def test_full(net):
    """A full table is an error to newcomers, not to those who have something (6887-7.4-11, 6887-7.4-18)"""
    d = net.daemon(conf('limits { mappings = 8 }'))
    a, b = net.client(), net.client('lan2')
    for i in range(8):
        assert a.map(UDP, 4000 + i, 40000 + i).result == SUCCESS
    n = net.elements()
    r = b.map(UDP, 5000, 50000)
    assert r.result == pcp.NO_RESOURCES and 0 < r.lifetime <= 60, vars(r)
    assert b.natpmp(UDP, 5000, 50000).result == 4
    assert net.elements() == n and len(d.leases()) == 8
    # renewals and deletions go on (6887-7.4-18)
    assert a.map(UDP, 4000, 40000).result == SUCCESS
    assert a.map(UDP, 4001, 40001, 0).result == SUCCESS
    r = b.map(UDP, 5000, 50000)
    assert (r.result, r.external) == (SUCCESS, 50000), vars(r)
    net.through('lan2', (LAN2, 5000), (EXT, 50000))


def test_other_table_name(net):
    """The table's name is the operator's choice, so two daemons can share a kernel"""
    net.daemon(conf(backend='backend { table = "inet other"  forward-chain = "inet filter forward" }'))
    net.client().map(UDP, 4000, 40000)
    assert net.table() == '' and re.search(r'40000', net.nft('list', 'table', 'inet', 'other'))
    net.through('lan', (LAN, 4000), (EXT, 40000))


lab.main(globals())
