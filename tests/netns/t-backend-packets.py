#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The nftables backend without the daemon: what its rules do with packets."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from driver import CHAIN, TCP, UDP, Driver, nat
from lab import EXT, LAN, LAN2, LAN6, WAN, WAN2, WAN6


def test_packets(net):
    """Inbound, outbound by the mirror, hairpin, pinholes: the rules do what they say"""
    d = Driver(net, CHAIN)
    assert d.commit('add ' + nat(UDP, 4000, 40000), 'add ' + nat(TCP, 4000, 40000), 'add ' + nat(UDP, 5000, 50000, LAN2),
                    f'add pin 17 {LAN6} 4000 {LAN6} 4000') == ['0'] * 4
    for proto in ('udp', 'tcp'):
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto).inner[0] == WAN
        net.through('lan', (LAN, 4000), (EXT, 40000), proto, source=(WAN2, 0))
        assert net.closed((EXT, 40001), proto)
        # out from the mapped port: the mapping's port is kept, towards anybody
        assert net.through('wan', (WAN, 7000), (WAN, 7000), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 40000)
        assert net.through('wan', (WAN2, 7000), (WAN2, 7000), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 40000)
        # hairpin: from another host, from itself
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto, outer='lan2').inner[0] == EXT
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto, outer='lan').inner[0] == EXT
    assert net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2', source=(LAN2, 5000)).inner == (EXT, 50000)
    net.through('lan', (LAN6, 4000), (LAN6, 4000))
    assert net.closed((LAN6, 4001))
    assert d.commit(f'remove pin 17 {LAN6} 4000 {LAN6} 4000', 'remove ' + nat(UDP, 4000, 40000)) == ['0'] * 2
    assert net.closed((LAN6, 4000), source=(WAN6, 0)) and net.closed((EXT, 40000))
    d.end('clear')


def test_peer_packets(net):
    """A mapping for one peer lets that one in, and its port out with the mapping's port to that one (6887-12.1-10)"""
    d = Driver(net, CHAIN)
    # from inside, 6000 is where another host of the LAN is seen from outside
    assert d.commit(f'add {nat(UDP, 4000, 40000)} 60000 1 {WAN} 7000', f'add {nat(TCP, 4000, 40000)} 60000 2 {WAN} 7000',
                    f'add pin 17 {LAN6} 4000 {LAN6} 4000 60000 3 {WAN6} 7000', 'add ' + nat(UDP, 6000, 6000, LAN2),
                    f'add {nat(UDP, 4001, 40001)} 60000 4 {EXT} 6000') == ['0'] * 5
    for proto in ('udp', 'tcp'):
        assert net.through('wan', (WAN, 7001), (WAN, 7001), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 4000)
        assert net.through('wan', (WAN, 7000), (WAN, 7000), proto, outer='lan', source=(LAN, 4000)).inner == (EXT, 40000)
        assert net.closed((EXT, 40000), proto, source=(WAN, 7002)) and net.closed((EXT, 40000), proto, source=(WAN2, 7000))
    d2 = d.commit(f'remove {nat(UDP, 4000, 40000)} 0 1 {WAN} 7000', f'add {nat(UDP, 4000, 40000)} 60000 1 {WAN} 7003',
                  f'add {nat(TCP, 4000, 40000)} 60000 2 {WAN} 7003')
    assert d2 == ['0'] * 3
    for proto in ('udp', 'tcp'):
        assert net.through('lan', (LAN, 4000), (EXT, 40000), proto, source=(WAN, 7003)).inner == (WAN, 7003)
    assert net.through('lan', (LAN6, 4000), (LAN6, 4000), source=(WAN6, 7000)).inner == (WAN6, 7000)
    assert net.closed((LAN6, 4000), source=(WAN6, 7001))
    assert net.through('lan2', (LAN2, 6000), (EXT, 6000), outer='lan', source=(LAN, 4001)).inner == (EXT, 40001)
    d.end('clear')


def test_flows(net):
    """Whatever comes about by a mapping changes the count, and nothing else does; no count comes again (6887-15-12)"""
    d = Driver(net, CHAIN)
    seen = []

    def count(changed):
        now = d.ask('flows')[0]
        assert len(now.split()) == 3, now
        if changed:
            assert now not in seen, (now, seen)
            seen.append(now)
        assert now == seen[-1], (now, seen)
    filtered = f'filters={WAN}/128:0'
    assert d.commit('add ' + nat(UDP, 4000, 40000), f'add nat {UDP} {LAN} 5000-5009 {EXT} 5000 60000 2',
                    f'add nat {UDP} {LAN} 4010 {EXT} 40010 60000 3 - 0 {filtered}',
                    f'add {nat(UDP, 4020, 40020)} 60000 4 {WAN} 7000',
                    f'add {nat(UDP, 4021, 40021)} 60000 9 {WAN} 6001', f'add pin {UDP} {LAN6} 4000 {LAN6} 4000 60000 5',
                    f'add pin {UDP} {LAN6} 4010 {LAN6} 4010 60000 6 - 0 filters={WAN6}/128:0',
                    f'add pin {UDP} {LAN6} 5000-5009 {LAN6} 5000 60000 7',
                    f'add pin {UDP} {LAN6} 4020 {LAN6} 4020 60000 8 {WAN6} 7000') == ['0'] * 9
    count(True)
    count(False)
    # not by a mapping
    net.through('wan', (WAN, 6000), (WAN, 6000), outer='lan', source=(LAN, 4999))
    assert net.closed((EXT, 41000))
    count(False)
    for inner, target, source in (((LAN, 4000), (EXT, 40000), (WAN, 0)), ((LAN, 5005), (EXT, 5005), (WAN, 0)),
                                  ((LAN, 4010), (EXT, 40010), (WAN, 0)), ((LAN, 4020), (EXT, 40020), (WAN, 7000)),
                                  ((LAN6, 4000), (LAN6, 4000), (WAN6, 0)), ((LAN6, 4010), (LAN6, 4010), (WAN6, 0)),
                                  ((LAN6, 5005), (LAN6, 5005), (WAN6, 0)), ((LAN6, 4020), (LAN6, 4020), (WAN6, 7000))):
        net.through('lan', inner, target, source=source)
        count(True)
    # begun inside
    for port in (4000, 5005, 4021):
        net.through('wan', (WAN, 6001), (WAN, 6001), outer='lan', source=(LAN, port))
        count(True)
    # if somebody may reset it, there is no telling; with another table it begins anew, with another number
    if net.run('gw', 'nft', 'reset', 'counter', 'inet', 'natpcpd', 'flows').returncode == 0:
        assert d.ask('flows')[0] == 'ESTALE'
    else:
        count(False)
    d.end('clear')
    d = Driver(net, CHAIN)
    count(True)
    d.end('clear')


def test_hairpin_same_socket(net):
    """A host that sends to its own mapping from the mapped port hears itself"""
    d = Driver(net, CHAIN)
    assert d.commit('add ' + nat(UDP, 4000, 40000)) == ['0']
    s = net.udp('lan', LAN, 4000)
    s.sendto(b'me', (EXT, 40000))
    data, peer = s.recvfrom(100)
    assert data == b'me' and peer[0] == EXT, (data, peer)
    s.sendto(b'back', peer)
    assert s.recvfrom(100)[0] == b'back'
    d.end('clear')


lab.main(globals())
