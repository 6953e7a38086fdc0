# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a classic pcap file: the UDP datagrams, the ICMP errors that quote one, who looked for whom on the link, and who
else spoke, with the packet numbers that tshark shows. Nothing else is needed to read the report's capture."""
import ipaddress
import struct

ETHERNET, RAW, SLL, IPV4, IPV6, SLL2 = 1, 101, 113, 228, 229, 276
IP4, ARP, IP6, VLAN = 0x0800, 0x0806, 0x86dd, (0x8100, 0x88a8)
ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
SOLICITATION = 135
EXTENSIONS = (0, 43, 60)  # headers of IPv6 that a datagram may have before its own
MAGIC = {b'\xd4\xc3\xb2\xa1': ('<', 1e-6), b'\xa1\xb2\xc3\xd4': ('>', 1e-6),
         b'\x4d\x3c\xb2\xa1': ('<', 1e-9), b'\xa1\xb2\x3c\x4d': ('>', 1e-9)}


class Packet:
    """One packet. kind: 'udp', 'tcp', 'seek' and 'found' (ARP and Neighbor Discovery: the destination is looked for, the source
    is there), or 'unreachable' (an ICMP port unreachable: ports and addresses are those of the
    datagram that it refuses, reversed as if its destination had answered, data what it quotes; source says who sent it)."""
    __slots__ = ('number', 'at', 'kind', 'source', 'destination', 'source_port', 'destination_port', 'data', 'ident')

    def __init__(self, number, at, kind, source, destination, ports, data, ident=0):
        self.number, self.at, self.kind, self.ident = number, at, kind, ident
        self.source, self.destination, self.data = source, destination, data
        self.source_port, self.destination_port = ports

    def same(self, other):
        """True if other may be a copy that the network made."""
        return all(getattr(self, k) == getattr(other, k) for k in self.__slots__ if k not in ('number', 'at'))


def records(path):
    """(number, seconds since the epoch, link type, octets) of each record. A file cut short ends where it was cut."""
    with open(path, 'rb') as f:
        head = f.read(24)
        if len(head) < 24 or head[:4] not in MAGIC:
            raise ValueError(f'{path}: not a pcap file')
        order, fraction = MAGIC[head[:4]]
        link = struct.unpack_from(order + 'I', head, 20)[0] & 0xfffffff
        number = 0
        while True:
            head = f.read(16)
            if len(head) < 16:
                return
            seconds, parts, length, _ = struct.unpack(order + 'IIII', head)
            octets = f.read(length)
            if len(octets) < length:
                return
            number += 1
            yield number, seconds + parts * fraction, link, octets


def network(link, octets):
    """What a frame carries: its type, and the packet in it; or nothing."""
    if link == ETHERNET:
        at, kind = 14, int.from_bytes(octets[12:14], 'big')
        while kind in VLAN:
            kind, at = int.from_bytes(octets[at + 2:at + 4], 'big'), at + 4
    elif link == SLL:
        at, kind = 16, int.from_bytes(octets[14:16], 'big')
    elif link == SLL2:
        at, kind = 20, int.from_bytes(octets[:2], 'big')
    elif link in (RAW, IPV4, IPV6) and octets:
        at, kind = 0, IP4 if octets[0] >> 4 == 4 else IP6
    else:
        return 0, b''
    return kind, octets[at:]


def transport(octets):
    """(protocol, source, destination, payload, identification) of an IP packet; a later fragment has none."""
    if len(octets) >= 20 and octets[0] >> 4 == 4:
        head, length, ident, fragment, protocol = 4 * (octets[0] & 15), *struct.unpack_from('!HHHxB', octets, 2)
        if head < 20 or fragment & 0x1fff:
            return None
        return (protocol, str(ipaddress.IPv4Address(octets[12:16])), str(ipaddress.IPv4Address(octets[16:20])),
                octets[head:max(length, head)], ident)
    if len(octets) >= 40 and octets[0] >> 4 == 6:
        length, protocol, at = struct.unpack_from('!H', octets, 4)[0], octets[6], 40
        end = 40 + length
        while protocol in EXTENSIONS and at + 2 <= len(octets):
            protocol, at = octets[at], at + 8 + 8 * octets[at + 1]
        return (protocol, str(ipaddress.IPv6Address(octets[8:24])), str(ipaddress.IPv6Address(octets[24:40])),
                octets[at:end], 0)
    return None


def refused(octets):
    """Source, destination and ports of the UDP datagram that an error quotes, as its answer would have them; what it said."""
    inner = transport(octets)
    if not inner or inner[0] != UDP or len(inner[3]) < 4:
        return None
    source_port, destination_port = struct.unpack_from('!HH', inner[3])
    return inner[2], inner[1], (destination_port, source_port), inner[3][8:]


def arp(number, at, octets):
    if len(octets) < 28 or octets[:6] != b'\0\1\x08\0\6\4':
        return None
    source, destination = str(ipaddress.IPv4Address(octets[14:18])), str(ipaddress.IPv4Address(octets[24:28]))
    return Packet(number, at, 'seek' if octets[7] == 1 else 'found', source, destination, (0, 0), b'')


def neighbour(number, at, source, destination, data):
    target = str(ipaddress.IPv6Address(data[8:24]))
    if data[0] == SOLICITATION:
        return Packet(number, at, 'seek', source, target, (0, 0), b'')
    return Packet(number, at, 'found', target, destination, (0, 0), b'')


def packet(number, at, kind, octets):
    if kind == ARP:
        return arp(number, at, octets)
    found = transport(octets) if kind in (IP4, IP6) else None
    if not found:
        return None
    protocol, source, destination, data, ident = found
    if protocol == UDP and len(data) >= 8:
        ports, length = struct.unpack_from('!HH', data), struct.unpack_from('!H', data, 4)[0]
        return Packet(number, at, 'udp', source, destination, ports, data[8:max(length, 8)], ident)
    if protocol == TCP and len(data) >= 14:
        return Packet(number, at, 'tcp', source, destination, struct.unpack_from('!HH', data), data[13:14], ident)
    if protocol == ICMP6 and len(data) >= 24 and data[0] in (SOLICITATION, SOLICITATION + 1):
        return neighbour(number, at, source, destination, data)
    if (protocol == ICMP and data[:2] == b'\3\3' or protocol == ICMP6 and data[:2] == b'\1\4') and len(data) > 8:
        quoted = refused(data[8:])
        if quoted:
            return Packet(number, at, 'unreachable', source, quoted[1], quoted[2], quoted[3], ident)
    return None


def read(path):
    """The packets of a capture, in the order of their times."""
    found = [packet(number, at, *network(link, octets)) for number, at, link, octets in records(path)]
    return sorted((p for p in found if p), key=lambda p: (p.at, p.number))
