# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks of a lab.

   [ lan  192.0.2.11 ]---+
                         +--[ switch ]--lan0 192.0.2.1 [ gw ] 198.51.100.1 wan0----[ wan 198.51.100.2 ]
   [ lan2 192.0.2.12 ]---+

   two routers: gw has 198.18.0.2 outside, and [ isp ] with 198.18.0.1 inside and 198.51.100.1 outside comes between.

IPv6 alongside, never translated: 2001:db8:1::/64 inside, 2001:db8:2::/64 outside, 2001:db8:3::/64 between two routers.
Both ends of every cable are born inside: the machine's own network is not touched. Only documentation addresses.
"""
import array
import errno
import fcntl
import os
import socket
import struct
import time

import lab_link
import lab_ns

HOSTS = {'lan': ('192.0.2.11', '2001:db8:1::11'), 'lan2': ('192.0.2.12', '2001:db8:1::12')}
GATEWAY = ('192.0.2.1', '2001:db8:1::1')
OUTSIDE, OUTSIDE6 = '198.51.100.1', '2001:db8:2::1'
REMOTE, REMOTE_2, REMOTE6 = '198.51.100.2', '203.0.113.2', '2001:db8:2::2'
BETWEEN, BETWEEN_ISP = ('198.18.0.2', '2001:db8:3::2'), ('198.18.0.1', '2001:db8:3::1')
MAC = '02:00:5e:00:53'  # the last octet is that of the IPv4 address
RULES = '''
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "lan0" oifname "wan0" accept
    }
}
table inet nat {
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "wan0" ip saddr { 192.0.2.0/24, 198.18.0.0/24 } masquerade
    }
}
'''
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


def checksums(*interfaces):
    """Lets the kernel write the checksums of what leaves, so that files of packets show them as they should be."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for name in interfaces:
            value = array.array('B', struct.pack('=II', ETHTOOL_STXCSUM, 0))
            try:
                fcntl.ioctl(s, SIOCETHTOOL, struct.pack('16sP', name.encode(), value.buffer_info()[0]).ljust(40, b'\0'))
            except OSError:
                pass


def reaches(address):
    """TCP gets there and an answer comes back, be it a refusal."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(0.2)
        try:
            return s.connect_ex((address, 9)) in (0, errno.ECONNREFUSED)
        except OSError:
            return False


def quiet(*interfaces):
    """Lines of ip: up, without an address of IPv6 (which comes with the first, unless that was said before)."""
    return [f'link set {name} {what}' for name in interfaces for what in ('addrgenmode none', 'up')]


class Network:
    """lines: what befalls frames to the gateway and from it (lab_link.Faults), or None for none."""

    def __init__(self, double_nat=False, lines=(None, None), emulate=False, seed=0):
        self.double_nat = double_nat
        self.sides = ['lan', 'lan2', 'switch', 'gw', 'wan'] + (['isp'] if double_nat else [])
        self.net = {side: lab_ns.network() for side in self.sides}
        self.outside = BETWEEN[0] if double_nat else OUTSIDE
        self.next_hop = BETWEEN_ISP if double_nat else (REMOTE, REMOTE6)
        self.firewall = True
        self.bad = any(lines)
        self.line = None
        self.build(lines, emulate, seed)

    def ip(self, side, *lines):
        """Commands of ip, one a line; @SIDE stands for that side's network."""
        text = '\n'.join(lines)
        for name, fd in self.net.items():
            text = text.replace(f'@{name} ', f'/proc/self/fd/{fd} ')
        return lab_ns.run(self.net[side], ['ip', '-batch', '-'], text + '\n', pass_fds=tuple(self.net.values()))

    def sysctl(self, side, **values):
        def write():
            for name, value in values.items():
                path = '/proc/sys/net/' + name.replace('__', '/')
                if os.path.exists(path):
                    with open(path, 'w') as f:
                        f.write(str(value))
        lab_ns.inside(self.net[side], write)

    def build(self, lines, emulate, seed):
        for side in self.sides:
            self.sysctl(side, ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0,
                        ipv6__conf__all__accept_ra=0, ipv6__conf__default__accept_ra=0)
        # a name comes before an end of line, too
        self.ip('switch', 'link set lo up', 'link add sw0 type bridge mcast_snooping 0', *quiet('sw0'),
                f'link add to_lan type veth peer name eth0 address {MAC}:0b netns @lan ',
                f'link add to_lan2 type veth peer name eth0 address {MAC}:0c netns @lan2 ',
                f'link add to_gw type veth peer name lan0 address {MAC}:01 netns @gw ',
                *quiet('to_lan', 'to_lan2', 'to_gw'),
                *(f'link set {name} master sw0' for name in ('to_lan2', 'to_gw')))
        self.cable(lines, emulate, seed)
        # DNAT at layer 2 would break hairpin between two hosts of one bridge
        self.sysctl('switch', bridge__bridge_nf_call_iptables=0, bridge__bridge_nf_call_ip6tables=0,
                    bridge__bridge_nf_call_arptables=0)
        for side, (v4, v6) in HOSTS.items():
            self.ip(side, 'link set lo up', 'link set eth0 up', f'addr add {v4}/24 dev eth0', f'addr add {v6}/64 dev eth0 nodad',
                    f'route add default via {GATEWAY[0]}', f'route add default via {GATEWAY[1]}')
            lab_ns.inside(self.net[side], lambda: checksums('eth0'))
        self.router('gw', GATEWAY, (self.outside, BETWEEN[1] if self.double_nat else OUTSIDE6), self.next_hop)
        if self.double_nat:
            self.ip('gw', 'link set wan0 up')
            self.router('isp', BETWEEN_ISP, (OUTSIDE, OUTSIDE6), (REMOTE, REMOTE6))
            self.ip('isp', f'route add 2001:db8:1::/64 via {BETWEEN[1]}')
        self.ip('wan', 'link set lo up', 'link set eth0 up', f'addr add {REMOTE}/24 dev eth0', f'addr add {REMOTE_2}/32 dev eth0',
                f'addr add {REMOTE6}/64 dev eth0 nodad', f'route add 2001:db8::/32 via {OUTSIDE6}')

    def cable(self, lines, emulate, seed):
        """From the host lan to the switch. to_lan is where it ends: beyond it lies what is wrong with the line, so that
        a capture there sees all that the host sends and only what it gets."""
        if not any(lines):
            self.ip('switch', 'link set to_lan master sw0')
            return
        up, down = (f or lab_link.Faults() for f in lines)
        self.ip('switch', 'link add in_lan type veth peer name br_lan',
                *quiet('in_lan', 'br_lan'), 'link set br_lan master sw0')
        lab_ns.inside(self.net['switch'], lambda: checksums('in_lan', 'br_lan', 'to_lan', 'to_lan2', 'to_gw'))
        if emulate:
            self.ip('switch', 'link set to_lan promisc on', 'link set in_lan promisc on')
            self.line = lab_link.Line(self.net['switch'], ('to_lan', 'in_lan'), (up, down), seed)
            return
        self.ip('switch', 'link add sw1 type bridge mcast_snooping 0', *quiet('sw1'),
                'link set to_lan master sw1', 'link set in_lan master sw1')
        for name, faults in (('in_lan', up), ('to_lan', down)):
            lab_ns.run(self.net['switch'], ['tc', 'qdisc', 'add', 'dev', name, 'root', *faults.netem()])

    def acquaint(self):
        """Host and gateway know each other. On a bad line they would otherwise first search for each other for seconds, in
        which nothing of what a client does shows."""
        host, gateway = [*HOSTS['lan'], *self.address('lan', 'eth0')], [*GATEWAY, *self.address('gw', 'lan0')]
        self.ip('lan', *(f'neigh replace {a} lladdr {MAC}:01 nud permanent dev eth0' for a in gateway))
        self.ip('gw', *(f'neigh replace {a} lladdr {MAC}:0b nud permanent dev lan0' for a in host))

    def router(self, side, inner, outer, next_hop):
        self.sysctl(side, ipv4__ip_forward=1, ipv6__conf__all__forwarding=1, ipv4__conf__all__promote_secondaries=1)
        beyond = '@isp name lan0 ' if side == 'gw' and self.double_nat else '@wan name eth0 '
        where, name = beyond.split()[0], beyond.split()[2]
        self.ip(side, 'link set lo up', f'link add wan0 type veth peer name {name} netns {where} ',
                'link set lan0 up', 'link set wan0 up', f'addr add {inner[0]}/24 dev lan0', f'addr add {inner[1]}/64 dev lan0 nodad',
                f'addr add {outer[0]}/24 dev wan0', f'addr add {outer[1]}/64 dev wan0 nodad',
                *(f'route add default via {a}' for a in next_hop))
        lab_ns.inside(self.net[side], lambda: checksums('lan0', 'wan0'))
        try:
            lab_ns.run(self.net[side], ['nft', '-f', '-'], RULES)
        except (lab_ns.NoLab, lab_ns.Broken):
            self.firewall = False

    def reached(self, seconds=10):
        """Waits until the hosts get an answer from the gateway and from the outside. One on a bad line is not asked: what
        it sends should be its own."""
        deadline = time.monotonic() + seconds
        addresses = [*GATEWAY, REMOTE6] + ([REMOTE] if self.firewall else [])
        wanted = [(side, a) for side in HOSTS for a in addresses if side != 'lan' or not self.bad]
        local = [('lan', 'eth0'), ('lan2', 'eth0'), ('gw', 'lan0')]
        while not all(self.address(*side) for side in local):
            self.patient(deadline, 'there are no link-local addresses')
        if self.bad:
            self.acquaint()
        while wanted:
            side, address = wanted[0]
            if lab_ns.inside(self.net[side], lambda: reaches(address)):
                wanted.pop(0)
            else:
                self.patient(deadline, f'{side} does not reach {address}')

    def patient(self, deadline, why):
        if time.monotonic() > deadline:
            raise lab_ns.Broken(why)
        time.sleep(0.02)

    def address(self, side, interface, scope='link'):
        """Its IPv6 addresses of a scope."""
        out = lab_ns.run(self.net[side], ['ip', '-6', '-o', 'addr', 'show', 'dev', interface, 'scope', scope])
        return [line.split()[3].partition('/')[0] for line in out.splitlines()]

    def move_outside(self, new):
        """The gateway gets another IPv4 address outside, or none (None)."""
        if self.outside:
            self.ip('gw', f'addr del {self.outside}/24 dev wan0')
        if new:
            self.ip('isp' if self.double_nat else 'wan', f'route replace {new}/32 dev {"lan0" if self.double_nat else "eth0"}')
            self.ip('gw', f'addr add {new}/24 dev wan0', f'route replace default via {self.next_hop[0]} dev wan0 onlink')
        self.outside = new

    def close(self):
        for fd in self.net.values():
            os.close(fd)
