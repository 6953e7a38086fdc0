# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv6 packets octet by octet, for what sockets do not send; and who sees them."""
import ipaddress
import socket
import struct
import time

import probe

TCP, UDP, DCCP, ICMP6, SCTP, UDPLITE = 6, 17, 33, 58, 132, 136
FIN, SYN, RST, ACK = 1, 2, 4, 16


def packed(address):
    return ipaddress.IPv6Address(address).packed


def checksum(data):
    data += b'\0' * (len(data) % 2)
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def crc32c(data):
    crc = 0xffffffff
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def ipv6(source, destination, protocol, payload, at=None):
    """at: where in the payload the Internet checksum goes."""
    if at is not None:
        pseudo = packed(source) + packed(destination) + struct.pack('!II', len(payload), protocol)
        payload = payload[:at] + struct.pack('!H', checksum(pseudo + payload) or 0xffff) + payload[at + 2:]
    return struct.pack('!IHBB', 6 << 28, len(payload), protocol, 64) + packed(source) + packed(destination) + payload


def udp(source, destination, data=b'x' * 16, protocol=UDP):
    """source, destination: (address, port). UDP-Lite covers the whole packet, too."""
    head = struct.pack('!HHHH', source[1], destination[1], len(data) + 8, 0)
    return ipv6(source[0], destination[0], protocol, head + data, 6)


def tcp(source, destination, flags, sequence=1000, acknowledged=0):
    head = struct.pack('!HHIIBBHHH', source[1], destination[1], sequence, acknowledged, 5 << 4, flags, 65535, 0, 0)
    return ipv6(source[0], destination[0], TCP, head, 16)


def sctp(source, destination, tag, *chunks):
    """chunks: (type, contents), contents a multiple of four octets."""
    body = b''.join(struct.pack('!BBH', kind, 0, len(c) + 4) + c for kind, c in chunks)
    head = struct.pack('!HHI', source[1], destination[1], tag)
    return ipv6(source[0], destination[0], SCTP, head + struct.pack('<I', crc32c(head + b'\0' * 4 + body)) + body)


def sctp_init(tag):
    return 1, struct.pack('!IIHHI', tag, 65536, 1, 1, 1)


def sctp_init_ack(tag):
    return 2, struct.pack('!IIHHI', tag, 65536, 1, 1, 1) + struct.pack('!HH', 7, 8) + b'cook'


SCTP_COOKIE_ECHO, SCTP_COOKIE_ACK = (10, b'cook'), (11, b'')


def dccp(source, destination, kind=0):
    """A Request (0) or a Response (1) with a long sequence number and a service code of zeros."""
    rest = b'\0' * 4 if kind == 0 else b'\0' * 12
    head = struct.pack('!HHBBHBBHI', source[1], destination[1], (16 + len(rest)) // 4, 0, 0, kind << 1 | 1, 0, 0, 7)
    return ipv6(source[0], destination[0], DCCP, head + rest, 6)


def icmp6(source, destination, kind, code, quoted, parameter=0):
    """An error about a packet."""
    return ipv6(source, destination, ICMP6, struct.pack('!BBHI', kind, code, 0, parameter) + quoted[:1000], 2)


class Wire:
    """Both ends of the router: puts packets in on one side, and says whether they come out on the other."""

    def __init__(self, net, side='lan', outer='wan'):
        self.ears, self.raw = {}, {}
        for n in (side, outer):
            self.ears[n] = probe.ear(net.ns(n))
            with probe.inside(net.ns(n)):
                self.raw[n] = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.side, self.outer = side, outer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in (*self.ears.values(), *self.raw.values()):
            s.close()

    def stops(self, packet, outward=False, timeout=0.25):
        """The opposite of passes(), as far as that can be told after a while."""
        return not self.passes(packet, outward, timeout)

    def passes(self, packet, outward=False, timeout=probe.SOON_S):
        """Sends it from outside, or outward from inside; True if it arrives, its hop limit apart as it was sent."""
        sender, receiver = (self.side, self.outer) if outward else (self.outer, self.side)
        ear = self.ears[receiver]
        ear.setblocking(False)
        try:
            while True:
                ear.recv(4096)
        except BlockingIOError:
            pass
        self.raw[sender].sendto(packet, (str(ipaddress.IPv6Address(packet[24:40])), 0))
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            ear.settimeout(left)
            try:
                frame = ear.recv(4096)
            except TimeoutError:
                break
            if frame[12:14] == b'\x86\xdd' and frame[14:21] == packet[:7] and frame[22:14 + len(packet)] == packet[8:]:
                return True
        return False
