# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes to and from ports 5350 and 5351 of a namespace, kept in pcap files for tests/lab/dissect.py: the directory
is in the environment if it is to be kept at all.

The kernel queues the packets in a socket that nobody reads before the end: no thread and no process beside the test,
and the socket's buffer bounds them. What does not fit is not kept.
"""
import ctypes
import os
import socket
import struct

import probe

DIRECTORY = os.environ.get('NATPCP_TAP')  # set by tests/lab/check.py
LINKTYPE_LINUX_SLL, OUTGOING = 113, socket.PACKET_OUTGOING
BUFFER = 1 << 20
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33


def attach(s):
    """Lets through UDP of the two ports, over IPv4 and IPv6."""
    load_half, load_octet, from_x, header, same, end = 0x28, 0x30, 0x48, 0xb1, 0x15, 0x06
    kind = 0xfffff000  # SKF_AD_OFF + SKF_AD_PROTOCOL
    code = ((load_half, 0, 0, kind), (same, 0, 4, 0x0800),
            (load_octet, 0, 0, 9), (same, 0, 14, 17), (header, 0, 0, 0), (0x05, 0, 0, 4),
            (same, 0, 11, 0x86dd), (load_octet, 0, 0, 6), (same, 0, 9, 17), (0x01, 0, 0, 40),
            (from_x, 0, 0, 0), (same, 5, 0, 5350), (same, 4, 0, 5351),
            (from_x, 0, 0, 2), (same, 2, 0, 5350), (same, 1, 0, 5351),
            (end, 0, 0, 0), (end, 0, 0, 65535), (end, 0, 0, 0))
    program = b''.join(struct.pack('=HBBI', *c) for c in code)
    octets = ctypes.create_string_buffer(program)
    s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('@HP', len(code), ctypes.addressof(octets)))


def record(packet, kind=0, ethertype=0x0800):
    """A packet as a record of a pcap file, with the kind that PF_PACKET gives it."""
    octets = struct.pack('!HHH8sH', kind, 1, 0, b'', ethertype) + packet
    return struct.pack('<IIII', 0, 0, len(octets), len(octets)) + octets


HEAD = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, LINKTYPE_LINUX_SLL)


def keep(name, data):
    """Notes what a program sent over the loopback interface to a server that a test made, as if to the real port."""
    if not DIRECTORY:
        return
    here = socket.inet_aton('127.0.0.1')
    packet = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0, here, here) \
        + struct.pack('!HHHH', 40000, 5351, 8 + len(data), 0) + data
    with open(os.path.join(DIRECTORY, f'{name}-{os.getpid()}.pcap'), 'ab') as f:
        f.write((HEAD if f.tell() == 0 else b'') + record(packet, OUTGOING))


class Tap:
    def __init__(self, namespace):
        self.path = os.path.join(DIRECTORY, namespace + '.pcap')
        with probe.inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        attach(self.socket)
        list(self.read())  # what came before the filter was there

    def read(self):
        while True:
            try:
                yield self.socket.recvfrom(65535)
            except BlockingIOError:
                return

    def close(self):
        """Writes what was seen, ports of bridges left out: the bridge itself has seen it. Fragments, which are the kernel's
        work, are no messages."""
        with self.socket, open(self.path, 'wb') as f:
            f.write(HEAD)
            for packet, (interface, ethertype, kind, *_) in self.read():
                fragment = packet[0] >> 4 == 4 and struct.unpack_from('!H', packet, 6)[0] & 0x3fff
                if not interface.startswith('lp') and not fragment:
                    f.write(record(packet, kind, ethertype))
