#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""natpcpc beside natpcpd: it finds the gateway, keeps a mapping through what happens to it, hears and probes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import json
import signal
import subprocess
import threading
import time

import lab
from lab import EXT, EXT2, GW, GW6, LAN, LAN6, conf, wait

NATPCPC = os.path.join(lab.BUILD, 'natpcpc')
HOOK = '''#!/bin/sh
echo "$NATPCP_EVENT $NATPCP_EXTERNAL_ADDRESS:$NATPCP_EXTERNAL_PORT was $NATPCP_OLD_EXTERNAL_ADDRESS:$NATPCP_OLD_EXTERNAL_PORT" >>"$1"
'''


def ask(net, *arguments, side='lan', code=0):
    """One command; its lines, as objects."""
    p = net.run(side, NATPCPC, '--json', *arguments)
    assert p.returncode == code, (arguments, p.returncode, p.stdout, p.stderr)
    return [json.loads(line) for line in p.stdout.splitlines()]


class Running:
    """natpcpc that stays; its lines are read as they come."""

    def __init__(self, net, *arguments, side='lan'):
        self.lines = []
        self.process = subprocess.Popen(net.command(side, NATPCPC, '--json', *arguments), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.threads = [threading.Thread(target=self.read, args=a, daemon=True)
                        for a in ((self.process.stdout, json.loads), (self.process.stderr, str))]
        for t in self.threads:
            t.start()
        net.streams.append(self)

    def read(self, stream, take):
        for line in stream:
            self.lines.append(take(line))

    def said(self, start=0, **want):
        """The first line since start that has all these values."""
        def look():
            return next((o for o in self.lines[start:] if isinstance(o, dict) and want.items() <= o.items()), None)
        return wait(look, 60, f'a line with {want}')

    def stop(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        code = self.process.wait(60)
        for t in self.threads:
            t.join(lab.SOON_S)
        return code

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def aged(net):
    """The gateway's counters are so high that ones which begin again cannot be taken for them."""
    c = net.client('lan2')
    wait(lambda: c.announce().epoch >= 4)
    wait(lambda: c.public().epoch >= 4)


def test_finds_the_gateway(net):
    """Without -s: the default route's gateway, of IPv4, of IPv6, of both, of one interface; none where there is no route"""
    d = net.daemon()
    (r,) = ask(net, 'address')
    assert (r['server'], r['external_address'], r['schema']) == (GW, EXT, 1), r
    (r,) = ask(net, '-6', 'map', 'tcp', '8080')
    assert (r['server'], r['internal_address'], r['external_address'], r['version']) == (GW6, LAN6, LAN6, 'pcp'), r
    both = ask(net, '-4', '-6', 'map', 'udp', '4000', '14000', '--description', 'both')
    assert [(r['server'], r['internal_address'], r['status']) for r in both] == [(GW, LAN, 'mapped'), (GW6, LAN6, 'mapped')]
    assert {r['internal_address'] for r in d.leases() if r['protocol'] == 'udp'} == {LAN, LAN6}, d.leases()
    for r in ask(net, '--all', 'unmap', 'udp', '4000') + ask(net, '-i', 'eth0', '-6', 'unmap', 'tcp', '8080'):
        assert r['status'] == 'unmapped', r
    assert d.leases() == []
    p = net.run('lan', NATPCPC, '-i', 'lo', 'address')
    assert p.returncode == 3 and 'no default gateway through lo' in p.stderr, p
    # both protocols are offered a host without IPv4
    net.ip('lan', 'route', 'del', 'default', 'via', GW)
    assert ask(net, 'announce')[0]['server'] == GW6
    d.stop()
    (r,) = ask(net, '-s', GW, 'map', 'tcp', '8080', code=3)
    assert (r['status'], r['reason']) == ('no answer', 'unreachable'), r


def test_keep(net):
    """--keep through a restart of the gateway and a change of its address, --exec hears it, SIGTERM deletes (6886-3.7-04, 6887-8.5-11)"""
    heard = os.path.join(net.dir, 'heard')
    hook = os.path.join(net.dir, 'hook')
    with open(hook, 'w') as f:
        f.write(HOOK)
    os.chmod(hook, 0o755)

    def news():
        with open(heard) as f:
            return f.read().splitlines()
    forgetful = conf(backend='backend { type = "nftables"  forward-chain = "inet filter forward"  on-exit = clear }')
    d = net.daemon(forgetful)
    aged(net)
    k = Running(net, 'map', 'udp', '4000', '14000', '--keep', '--lifetime', '1h', '--exec', hook, '--', heard)
    r = k.said(status='mapped')
    assert (r['external_address'], r['external_port']) == (EXT, 14000), r
    wait(lambda: os.path.exists(heard) and news() == [f'mapped {EXT}:14000 was :'])
    # all is forgotten, and announced: the same is asked for again
    d.stop()
    assert net.table() == ''
    d = net.daemon(forgetful)
    wait(lambda: d.leases(), 60)
    again = d.leases()[0]
    assert (again['external_port'], again['internal_port']) == (14000, 4000), again
    aged(net)
    # the outside address changes
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    k.said(status='mapped', external_address=EXT2, external_port=14000)
    wait(lambda: len(news()) == 2)
    assert news()[1] == f'changed {EXT2}:14000 was {EXT}:14000', news()
    net.through('lan', (LAN, 4000), (EXT2, 14000))
    assert k.stop() == 0
    assert k.lines[-1]['status'] == 'unmapped', k.lines
    wait(lambda: len(news()) == 3)
    assert news()[2] == f'unmapped : was {EXT2}:14000', news()
    # by PCP, traffic lets it live on for a while
    wait(lambda: all(r['expires_in_s'] < 600 for r in d.leases()))


def test_keep_natpmp(net):
    """The same by NAT-PMP, where the address is asked for and comes by announcement"""
    d = net.daemon()
    k = Running(net, '--natpmp', 'map', 'tcp', '8080', '18080', '--keep')
    r = k.said(status='mapped')
    assert (r['external_address'], r['external_port'], r['version']) == (EXT, 18080, 'nat-pmp'), r
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    k.said(status='mapped', external_address=EXT2)
    assert k.stop(signal.SIGINT) == 0
    assert d.leases() == []


def test_keep_waits_for_a_gateway(net):
    """One that comes later, or that has no address yet, is waited for"""
    k = Running(net, 'map', 'tcp', '8080', '--keep')
    k.said(status='no answer', reason='unreachable')
    net.ip('gw', 'addr', 'flush', 'dev', 'wan0', 'scope', 'global')
    d = net.daemon()
    k.said(status='refused', result='NETWORK_FAILURE')
    assert k.process.poll() is None
    k.stop()
    assert k.process.returncode == 1 and d.leases() == []


def test_keep_moves_with_the_host(net):
    """Another address of this host, then another gateway: the mapping is asked for anew, at once and not at its renewal"""
    d = net.daemon(conf(listen='listen "lan" { interfaces = { "br-lan" }  nonce-check = same-address }'))
    k = Running(net, 'map', 'tcp', '8080', 'any', '--keep')
    k.said(status='mapped', internal_address=LAN)
    # a DHCP server gives it another lease
    net.ip('lan', 'addr', 'del', LAN + '/24', 'dev', 'eth0')
    net.ip('lan', 'addr', 'add', '192.0.2.13/24', 'dev', 'eth0')
    net.ip('lan', 'route', 'replace', 'default', 'via', GW)
    k.said(status='mapped', internal_address='192.0.2.13')
    assert sorted(r['internal_address'] for r in d.leases()) == [LAN, '192.0.2.13'], d.leases()
    # its network has another gateway, which is the same box here
    net.ip('gw', 'addr', 'add', '192.0.2.2/24', 'dev', 'br-lan')
    net.ip('lan', 'route', 'replace', 'default', 'via', '192.0.2.2')
    k.said(server='192.0.2.2', internal_address='192.0.2.13')
    k.stop()
    assert [o['status'] for o in k.lines] == ['mapped'] * 3 + ['unmapped'], k.lines


def test_listen(net):
    """listen prints what the gateway announces, over both families, of both protocols, and that mappings were lost"""
    d = net.daemon()
    k = Running(net, 'listen', '-4', '-6', side='lan2')
    wait(lambda: any('listening on eth0' in line for line in k.lines if isinstance(line, str)))
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    r = k.said(version='nat-pmp', external_address=EXT2)
    assert (r['from'], r['opcode'], r['code']) == (GW, 'ADDRESS', 0) and r['time'].endswith('Z'), r
    k.said(version='pcp', opcode='ANNOUNCE', **{'from': GW})
    wait(lambda: any(o.get('version') == 'pcp' and ':' in o['from'] for o in k.lines if isinstance(o, dict)))
    aged(net)
    mark = len(k.lines)
    d.stop()
    net.daemon()
    assert not any(o['state_lost'] for o in k.lines[:mark] if isinstance(o, dict) and o['version'] == 'nat-pmp')
    k.said(mark, version='nat-pmp', state_lost=True)
    k.stop()


def test_probe(net):
    """probe reports of the gateway, over IPv4 and IPv6, in bounded time, and leaves nothing behind but a PEER that ends"""
    d = net.daemon()
    begin = time.monotonic()
    four, six = ask(net, 'probe', '-4', '-6')
    assert time.monotonic() - begin < 60
    assert (four['natpmp'], four['pcp'], six['natpmp'], six['pcp']) == (True, True, False, True)
    assert four['external_address'] == EXT, four['external_address']
    for report in four, six:
        assert report['left'] == 0, {k: v for k, v in report.items() if k != 'rows'}
        wrong = {row['id']: (row['verdict'], row['text']) for row in report['rows'] if row['verdict'] == 'odd'}
        assert not wrong, wrong
        rows = {row['id']: row for row in report['rows']}
        assert rows['pcp-map-udp']['rtt_ms'] > 0 and rows['pcp-announce']['result'] == 'SUCCESS'
        assert rows['pcp-third-party']['verdict'] == 'no' and rows['pcp-longest']['lifetime_s'] == 86400
    left = d.leases()
    assert left and all(r['expires_in_s'] <= 120 and r.get('peer') for r in left), left
    p = net.run('lan', NATPCPC, 'probe', '-4', '-6')
    assert p.returncode == 0 and GW in p.stdout and GW6 in p.stdout and 'ODD ' not in p.stdout, p.stdout
    assert max(map(len, p.stdout.splitlines())) < 130


lab.main(globals())
