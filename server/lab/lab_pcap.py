# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes what goes over an interface into a pcap file, with the kernel's times, in a process of its own."""
import os
import signal
import socket
import struct

import lab_ns

SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
ETH_P_ALL = 0x0003
OCTETS = 2048  # kept of each frame: a whole message of either protocol
HEAD = struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 65535, 1)  # nanoseconds, Ethernet


def packet_socket(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((interface, ETH_P_ALL))
    return s


class Capture:
    def __init__(self, net, interface, path):
        self.socket = lab_ns.inside(net, lambda: packet_socket(interface))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        except OSError:  # not in a user namespace
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.path = path
        self.stop = False
        self.pid = lab_ns.fork(net, self.work)
        self.socket.close()

    def ended(self, *_):
        self.stop = True
        self.socket.setblocking(False)

    def work(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.ended)
        with open(self.path, 'wb', buffering=0) as f:
            f.write(HEAD)
            while True:
                # a signal that comes between the two is noticed: the socket does not block any more
                self.socket.settimeout(0 if self.stop else 0.5)
                try:
                    frame, control, _, _ = self.socket.recvmsg(65535, 64)
                except TimeoutError:
                    continue
                except BlockingIOError:
                    if self.stop:
                        return
                    continue
                s, ns = struct.unpack('=qq', next(d for _, t, d in control if t == SO_TIMESTAMPNS)[:16])
                f.write(struct.pack('<IIII', s, ns, min(len(frame), OCTETS), len(frame)) + frame[:OCTETS])

    def close(self):
        """All that went over the interface until now is in the file when this returns."""
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
