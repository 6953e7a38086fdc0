# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that no socket sends, put on a wire frame by frame; and what the router makes of them."""
import socket
import struct

import craft
import pcp
import probe
import tap


def ipv4(source, destination, payload, protocol=craft.UDP, identification=1, fragment=0):
    """fragment: the field of flags and offset, as RFC 791 has it."""
    head = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), identification, fragment, 64, protocol, 0,
                       socket.inet_aton(source), socket.inet_aton(destination))
    return head[:10] + struct.pack('!H', craft.checksum(head)) + head[12:] + payload


def udp4(source, destination, data, identification=1):
    """source, destination: (address, port)."""
    head = struct.pack('!HHHH', source[1], destination[1], 8 + len(data), 0)
    pseudo = socket.inet_aton(source[0]) + socket.inet_aton(destination[0]) + struct.pack('!HH', 17, 8 + len(data))
    head = head[:6] + struct.pack('!H', craft.checksum(pseudo + head + data) or 0xffff)
    return ipv4(source[0], destination[0], head + data, identification=identification)


def udp(source, destination, data):
    return (craft.udp if ':' in source[0] else udp4)(source, destination, data)


def piece(packet, begin, end):
    """Octets of an IPv4 packet's payload as a fragment of it; begin is a multiple of eight."""
    payload = packet[20:]
    return ipv4(socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), payload[begin:end], packet[9],
                struct.unpack_from('!H', packet, 4)[0], begin // 8 | (0x2000 if end < len(payload) else 0))


def piece6(packet, begin, end, identification=7):
    """The same for IPv6."""
    payload = packet[40:]
    head = struct.pack('!BBHI', packet[6], 0, begin | (end < len(payload)), identification)
    return packet[:4] + struct.pack('!HBB', 8 + len(payload[begin:end]), 44, packet[7]) + packet[8:40] + head \
        + payload[begin:end]


def icmp4(source, destination, kind, code, quoted, rest=0):
    """An error about a packet."""
    body = struct.pack('!BBHI', kind, code, 0, rest) + quoted[:548]
    return ipv4(source, destination, body[:2] + struct.pack('!H', craft.checksum(body)) + body[4:], 1)


class Wire:
    """A host's end of the wire to an interface of the router's."""

    def __init__(self, net, side, interface):
        text = net.ip('gw', '-o', 'link', 'show', 'dev', interface)
        self.router = bytes.fromhex(text.split('link/ether ')[1][:17].replace(':', ''))
        with probe.inside(net.ns(side)):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self.socket.bind(('eth0', 0))
        net.sockets.append(self.socket)

    def send(self, *packets):
        for p in packets:
            self.socket.send(self.router + self.socket.getsockname()[4] + (b'\x86\xdd' if p[0] >> 4 == 6 else b'\x08\x00') + p)


class Replies:
    """What a server sends from its port, by whatever interface, but for announcements."""

    def __init__(self, net, side='gw'):
        with probe.inside(net.ns(side)):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        self.socket.setblocking(False)
        tap.attach(self.socket)
        net.sockets.append(self.socket)
        self.read()  # what came before the filter was there

    def read(self):
        """The packets since the last time, ports of bridges left out: the bridge itself has seen them."""
        seen = []
        while True:
            try:
                packet, (interface, _, kind, *_) = self.socket.recvfrom(65535)
            except BlockingIOError:
                return seen
            at = 40 if packet[0] >> 4 == 6 else 4 * (packet[0] & 15)
            ports = struct.unpack_from('!HH', packet, at)
            if kind == socket.PACKET_OUTGOING and ports[0] == pcp.PORT and ports[1] != pcp.CLIENT_PORT \
                    and not interface.startswith('lp'):
                seen.append(packet)


def counters(d):
    """What natpcpd has counted, by the words of /v1/status."""
    s = d.status()
    return {**{k: s[k] for k in ('datagrams', 'dropped_address', 'dropped_source', 'dropped_full')},
            **{'dropped.' + k: v for k, v in s['dropped'].items()}}


def kernel(net):
    """What the router's kernel has counted of packets that it dropped."""
    text = {}
    with probe.inside(net.ns('gw')):
        for name in ('snmp', 'snmp6', 'stat/rt_cache'):
            with open('/proc/thread-self/net/' + name) as f:
                text[name] = f.read().splitlines()
    v = {n: int(x) for n, x in map(str.split, text['snmp6'])}
    for names, values in zip(text['snmp'][::2], text['snmp'][1::2]):
        layer = names.split(':')[0]
        v.update({f'{layer}.{n}': int(x) for n, x in zip(names.split()[1:], values.split()[1:])})
    names, *cpus = text['stat/rt_cache']
    for i, n in enumerate(names.split()):
        v['rt_cache.' + n] = sum(int(c.split()[i], 16) for c in cpus)
    return v
