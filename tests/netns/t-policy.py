#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What operators ask for, by the packets: an outside address that is shared (MAP-E), and game consoles."""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, LAN, LAN2, WAN2, conf
from pcp import SUCCESS, TCP, UDP

# The port sets of MAP-E (RFC 7597 5.1) are the same few bits in each of many ranges.
FIRST, MIDDLE, LAST = range(0x1230, 0x1240), range(0x5230, 0x5238), range(0xd230, 0xd238)
OURS = [*FIRST, *LAST]
CANNOT_PROVIDE_EXTERNAL, NO_RESOURCES = 11, 8


def external(*ranges):
    text = ', '.join(f'"{r[0]}-{r[-1]}"' for r in ranges)
    return f'external "wan" {{ interface = "wan0"  ports = {{ {text} }} }}'


def outbound(net, host, source, remote):
    """Where a new flow from a source is seen outside."""
    return net.through('wan', remote, remote, outer=host, source=source).inner


def test_shared_address(net):
    """Of an address that the provider shares only the ports that are ours are given, by wish, by chance and in sets: packets pass"""
    net.daemon(conf('limits { mappings-per-client = 100 }', external=external(FIRST, LAST)))
    c, d = net.client(), net.client('lan2')
    # as wished, on either side of the gap, with the first and the last port
    for port in (FIRST[0], FIRST[-1], LAST[0], LAST[-1]):
        r = c.natpmp(UDP, port, port)
        assert (r.result, r.external) == (SUCCESS, port), vars(r)
        net.through('lan', (LAN, port), (EXT, port))
    r = c.map(TCP, 8080, FIRST[1])
    assert (r.result, r.external) == (SUCCESS, FIRST[1]), vars(r)
    net.through('lan', (LAN, 8080), (EXT, FIRST[1]), 'tcp')
    # a new flow of a mapped port leaves by it
    assert outbound(net, 'lan', (LAN, FIRST[0]), (WAN2, 7000)) == (EXT, FIRST[0])
    # who wishes for somebody else's port gets one of ours, or with PREFER_FAILURE none
    taken = []
    for r in (d.natpmp(UDP, 4000, MIDDLE[0]), d.map(UDP, 4001, FIRST[-1] + 1), d.map(UDP, 4002)):
        assert r.result == SUCCESS and r.external in OURS, vars(r)
        net.through('lan2', (LAN2, r.internal), (EXT, r.external))
        taken.append(r.external)
    r = d.map(UDP, 4003, FIRST[-1] + 1, options=[pcp.option(pcp.PREFER_FAILURE)])
    assert r.result == CANNOT_PROVIDE_EXTERNAL, vars(r)
    # a set does not reach beyond its range, and is the longest that there is; NAT-PMP keeps the other protocol's port, too
    free = set(OURS) - {FIRST[0], FIRST[1], FIRST[-1], LAST[0], LAST[-1], taken[0]}
    longest = max(next(n for n in range(len(OURS) + 1) if p + n not in free) for p in free)
    r = d.map(TCP, 6000, options=[pcp.option(pcp.PORT_SET, struct.pack('!HHB', 20, 6000, 0))])
    size, = [struct.unpack('!HHB', data)[0] for code, data in r.options if code == pcp.PORT_SET]
    assert r.result == SUCCESS and size == longest and set(range(r.external, r.external + size)) <= free, (size, vars(r))
    for i in (0, size - 1):
        net.through('lan2', (LAN2, 6000 + i), (EXT, r.external + i), 'tcp')
    # by chance until there is none left
    while (r := c.map(UDP, 5000 + len(taken))).result == SUCCESS:
        assert r.external in OURS and r.external not in taken, vars(r)
        taken.append(r.external)
    assert r.result == NO_RESOURCES and len(taken) == len(OURS) - 4, (vars(r), len(taken))
    # nothing is open beside them
    for port in (FIRST[0] - 1, MIDDLE[0], LAST[-1] + 1):
        assert net.closed((EXT, port), timeout=0.3)


def test_shared_masquerade(net):
    """The masquerade takes one range of a shared address, and mappings the others: neither takes the other's, nor a neighbour's"""
    net.nft('-f', '-', input=f'''flush chain inet nat postrouting
    add rule inet nat postrouting oifname "wan0" meta l4proto {{ tcp, udp }} masquerade to :{MIDDLE[0]}-{MIDDLE[-1]}
    add rule inet nat postrouting oifname "wan0" masquerade''')
    net.daemon(conf(external=external(FIRST, LAST)))
    c = net.client()
    assert c.map(UDP, 4000, LAST[3]).external == LAST[3]
    for port in (4001, FIRST[0], LAST[3]):
        assert outbound(net, 'lan2', (LAN2, port), (WAN2, 7000))[1] in MIDDLE
    assert outbound(net, 'lan', (LAN, 4000), (WAN2, 7001)) == (EXT, LAST[3])
    net.through('lan', (LAN, 4000), (EXT, LAST[3]))


def test_console(net):
    """A console's port is the same outside, to every remote, and open to every remote; what nobody should open stays closed"""
    mac = net.ip('lan', '-o', 'link', 'show', 'eth0').split('link/ether ')[1][:17]
    net.daemon(conf(rule=f'rule "console" {{ preset = "gaming"  macs = {{ "{mac}" }} }}\nrule "home" {{ preset = "home" }}'))
    c, d = net.client(), net.client('lan2')
    for port in (3074, 88):
        r = c.natpmp(UDP, port, port)
        assert (r.result, r.external) == (SUCCESS, port), vars(r)
        for remote in ((WAN2, 7000), (WAN2, 7001), (lab.WAN, 7000)):
            assert outbound(net, 'lan', (LAN, port), remote) == (EXT, port)
        net.through('lan', (LAN, port), (EXT, port))
        net.through('lan', (LAN, port), (EXT, port), source=(WAN2, 0))
    assert c.natpmp(TCP, 445, 4450).result == pcp.NOT_AUTHORIZED
    # not the console: no rule of the home is about low ports
    assert d.natpmp(UDP, 88, 8888).result == pcp.NOT_AUTHORIZED
    assert d.natpmp(TCP, 3389, 3389).result == pcp.NOT_AUTHORIZED
    assert d.natpmp(UDP, 3074, 3074).external not in (0, 3074)


lab.main(globals())
