# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the capture of a run that never was: what a client sent, what it was told, and when."""
import ipaddress
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, '../../..'))
sys.path[:0] = [os.path.join(TOP, 'server/lab'), os.path.join(TOP, 'tests/lab')]
import pcp  # noqa: E402

BEGIN = 1_800_000_000
CLIENT, GATEWAY, OTHER, OUTSIDE, FAR = '192.0.2.11', '192.0.2.1', '192.0.2.12', '198.51.100.1', '198.51.100.2'
CLIENT6, GATEWAY6 = '2001:db8:1::11', '2001:db8:1::1'
N, N2 = bytes.fromhex('a3f1905c7be24d1860c2f79a'), bytes.fromhex('1d88e60b53f7a94c2e719fd0')
PORT = 40000


# what a gateway says

def address(epoch=1000, result=0, outside=OUTSIDE):
    return struct.pack('!BBHI', 0, 128, result, epoch) + ipaddress.ip_address(outside).packed


def natpmp(request, epoch=1000, result=0, external=None, lifetime=None):
    _, opcode, _, internal, wish, asked = struct.unpack('!BBHHHI', request)
    return struct.pack('!BBHIHHI', 0, 128 | opcode, result, epoch, internal, (wish or internal) if external is None else external,
                       asked if lifetime is None else lifetime)


def old(opcode=128):
    """The answer of a gateway that speaks NAT-PMP only."""
    return struct.pack('!BBHI', 0, opcode, 1, 1000)


def answer(request, epoch=1000, result=0, lifetime=None, external=None, outside=OUTSIDE, nonce=None, internal=None, opcode=None,
           version=2):
    d = bytearray(request)
    d[0], d[1], d[2:4] = version, 128 | (d[1] if opcode is None else opcode), bytes((0, result))
    d[8:24] = struct.pack('!I12x', epoch)
    if lifetime is not None:
        d[4:8] = struct.pack('!I', lifetime)
    if len(d) >= 60:
        if nonce:
            d[24:36] = nonce
        if internal:
            d[40:42] = struct.pack('!H', internal)
        if external:
            d[42:44] = struct.pack('!H', external)
        if not result and d[4:8] != b'\0\0\0\0':
            d[44:60] = pcp.sixteen(outside)
    return bytes(d)


def news(epoch, version=2):
    return address(epoch) if version == 0 else struct.pack('!BBBBII12x', 2, 128, 0, 0, 0, epoch)


# what a client asks

def ask(internal=8000, external=0, lifetime=7200, protocol=pcp.UDP):
    return pcp.natpmp_map(protocol, internal, external, lifetime)


def want(internal=8000, external=0, outside='0.0.0.0', lifetime=7200, nonce=N, protocol=pcp.TCP, client=CLIENT, options=()):
    return pcp.pcp_map(client, nonce, protocol, internal, external, outside, lifetime, options)


def peer(nonce=N, external=0, outside='0.0.0.0', lifetime=7200, internal=8000):
    return pcp.pcp_peer(CLIENT, nonce, pcp.TCP, internal, FAR, 443, external, outside, lifetime)


class Run:
    """A run. Its methods return itself; times are seconds from the begin."""

    def __init__(self, end=200, exit=0, stopped=False, **facts):
        self.packets = []
        self.facts = dict({'client': [CLIENT, CLIENT6], 'gateway': [GATEWAY, GATEWAY6, 'fe80::1'], 'external': [OUTSIDE],
                           'begin': BEGIN, 'end': BEGIN + end, 'exit': exit, 'alive_at_end': stopped,
                           'command': ['client', '-v'], 'faults': [], 'events': []}, **facts)

    def packet(self, at, source, destination, protocol, payload):
        if ':' in source:
            ip = struct.pack('!IHBB', 6 << 28, len(payload), protocol, 64) + pcp.sixteen(source) + pcp.sixteen(destination)
            kind = 0x86dd
        else:
            ip = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + \
                ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
            kind = 0x0800
        self.packets.append((at, bytes(12) + struct.pack('!H', kind) + ip + payload))
        return self

    def udp(self, at, source, source_port, destination, destination_port, data):
        return self.packet(at, source, destination, 17, struct.pack('!HHHH', source_port, destination_port, 8 + len(data), 0) + data)

    def out(self, at, data, port=PORT, to=GATEWAY, source=None):
        """A request; several times if at is several."""
        for t in at if isinstance(at, (list, tuple)) else (at,):
            self.udp(t, source or (CLIENT6 if ':' in to else CLIENT), port, to, 5351, data)
        return self

    def back(self, at, data, port=PORT, source=GATEWAY, source_port=5351):
        return self.udp(at, source, source_port, CLIENT6 if ':' in source else CLIENT, port, data)

    def both(self, at, request, response, port=PORT):
        return self.out(at, request, port).back(at + 0.001, response, port)

    def all(self, at, data, source=GATEWAY):
        return self.udp(at, source, 5351, 'ff02::1' if ':' in source else '224.0.0.1', 5350, data)

    def unreachable(self, at, data, port=PORT):
        quoted = struct.pack('!BBHHHBBH', 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0) + ipaddress.ip_address(CLIENT).packed + \
            ipaddress.ip_address(GATEWAY).packed + struct.pack('!HHHH', port, 5351, 8 + len(data), 0)
        return self.packet(at, GATEWAY, CLIENT, 1, bytes((3, 3)) + bytes(6) + quoted)

    def closed(self, at, data, port=PORT, source_port=5351):
        """The client's own kernel: nobody has that socket any more."""
        quoted = struct.pack('!BBHHHBBH', 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0) + ipaddress.ip_address(GATEWAY).packed + \
            ipaddress.ip_address(CLIENT).packed + struct.pack('!HHHH', source_port, port, 8 + len(data), 0) + data
        return self.packet(at, CLIENT, GATEWAY, 1, bytes((3, 3)) + bytes(6) + quoted)

    def looks(self, at, found=None):
        """The client looks for the gateway on the link, and finds it."""
        for t, code, one, two in ((at, 1, CLIENT, GATEWAY), (found, 2, GATEWAY, CLIENT)):
            if t is not None:
                self.packets.append((t, bytes(12) + struct.pack('!HHHBBH', 0x0806, 1, 0x0800, 6, 4, code) + bytes(6) +
                                     ipaddress.ip_address(one).packed + bytes(6) + ipaddress.ip_address(two).packed))
        return self

    def looks6(self, at, found=None):
        for t, code, one, two in ((at, 135, CLIENT6, 'ff02::1:ff00:1'), (found, 136, GATEWAY6, CLIENT6)):
            if t is not None:
                self.packet(t, one, two, 58, bytes((code, 0)) + bytes(6) + pcp.sixteen(GATEWAY6))
        return self

    def syn(self, at, port, flags=2):
        return self.packet(at, CLIENT, FAR, 6, struct.pack('!HHIIBBHHH', port, 443, 1, 0, 0x50, flags, 1000, 0, 0))

    def leave(self, directory):
        with open(os.path.join(directory, 'lan.pcap'), 'wb') as f:
            f.write(struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
            for at, octets in self.packets:
                ns = round(at * 1e9)
                f.write(struct.pack('<IIII', BEGIN + ns // 10**9, ns % 10**9, len(octets), len(octets)) + octets)
        with open(os.path.join(directory, 'lab.json'), 'w') as f:
            json.dump(self.facts, f)
