#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Real packets, for the lab's scripts and tests.

  probe.py reach NS NS ADDRESS ADDRESS               exit 0 when both namespaces reach both addresses, 1 after 60 s
  probe.py connect ADDRESS PORT                      exit 0 if somebody listens there on TCP
  probe.py closed NSIN NSOUT PROTO ADDRESS PORT      exit 0 if a new flow from NSOUT finds nobody, and NSIN sees nothing
  probe.py arrives NSIN NSOUT LANPORT EXTIP EXTPORT  exit 0 if a datagram from NSOUT gets into NSIN, read by whoever
  probe.py through NSIN NSOUT PROTO LANIP LANPORT EXTIP EXTPORT [TEXT]
      listen on LANIP:LANPORT in namespace NSIN, connect from NSOUT to EXTIP:EXTPORT, send TEXT and an answer back
"""
import ctypes
import errno
import os
import select
import socket
import struct
import sys
import time
from contextlib import contextmanager

CLONE_NEWNET = 0x40000000
SOON_S = 20.0  # what is to come soon may take this long on a busy machine
libc = ctypes.CDLL(None, use_errno=True)
home = os.open('/proc/self/ns/net', os.O_RDONLY)


@contextmanager
def inside(namespace):
    """Sockets made in here belong to the network namespace, for good."""
    fd = os.open('/run/netns/' + namespace, os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns ' + namespace)
        yield
    finally:
        os.close(fd)
        if libc.setns(home, CLONE_NEWNET):
            os._exit(3)


def family(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def udp(namespace, address='', port=0, timeout=SOON_S):
    with inside(namespace):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
    s.settimeout(timeout)
    if port:  # else the kernel might choose one that another such socket has
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(resolve(namespace, address, port))
    return s


def tcp(namespace, address='', port=0, timeout=SOON_S):
    with inside(namespace):
        s = socket.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(resolve(namespace, address, port))
    return s


def resolve(namespace, address, port):
    """An address as the socket calls take it; fe80::1%eth0 has its scope looked up inside the namespace."""
    if ':' not in address:
        return (address, port)
    address, _, zone = address.partition('%')
    scope = 0
    if zone:
        with inside(namespace):
            scope = socket.if_nametoindex(zone)
    return (address, port, 0, scope)


class Seen:
    """What a probe saw: the client's address as the inner host saw it, and the reply's sender as the client saw it."""

    def __init__(self, inner, outer):
        self.inner, self.outer = inner, outer


def through(inner, local, outer, target, proto='udp', source=('', 0), timeout=SOON_S, text=None):
    """Sends text, or a random token, from namespace outer (bound to source) to target; expects it in namespace inner on local, and the
    answer back. Returns Seen, or raises OSError (a refusal, a timeout) or AssertionError (other bytes)."""
    token = text.encode() if text else os.urandom(8).hex().encode()
    make = udp if proto == 'udp' else tcp
    # SO_REUSEADDR alone would let another socket of the host take the datagrams: the test's own server is meant
    with make(inner, *local, timeout=timeout) as server, \
            make(outer, source[0] or ('::' if ':' in target[0] else ''), source[1], timeout=timeout) as client:
        if proto == 'udp':
            client.connect(resolve(outer, *target))
            client.send(token)
            got, peer = receive(server, client)
            assert got == token, got
            server.sendto(b're:' + token, peer)
            assert client.recv(100) == b're:' + token
            return Seen(peer[:2], target)
        server.listen(1)
        client.connect(resolve(outer, *target))
        connection, peer = server.accept()
        with connection:
            connection.settimeout(timeout)
            client.sendall(token)
            got = connection.recv(100)
            assert got == token, got
            connection.sendall(b're:' + token)
            assert client.recv(100) == b're:' + token
        return Seen(peer[:2], target)


def receive(server, client):
    """A datagram at the server; a refusal that comes back to the client ends the wait at once."""
    readable, _, _ = select.select([server, client], [], [], server.gettimeout())
    if server in readable:
        return server.recvfrom(2048)
    if client in readable:
        client.recv(100)
    raise TimeoutError('nothing arrived')


def ear(namespace, interface='eth0'):
    """A packet socket: every frame of an interface."""
    with inside(namespace):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        s.bind((interface, 0x0003))
    return s


def transport(frame):
    """(protocol, source port, destination port, payload) of an Ethernet frame with TCP or UDP, else None."""
    kind = frame[12:14]
    if kind == b'\x08\x00':
        protocol, at = frame[23], 14 + 4 * (frame[14] & 15)
    elif kind == b'\x86\xdd':
        protocol, at = frame[20], 54
    else:
        return None
    if protocol not in (6, 17) or len(frame) < at + 8:
        return None
    return (protocol, *struct.unpack_from('!HH', frame, at), frame[at + 8:])


def closed(outer, target, proto='udp', source=('', 0), timeout=1.0, inner=()):
    """True if a new flow from outside finds nobody: a refusal, or silence for timeout seconds; and if nothing of it
    got to the hosts inside, whether or not anybody listens there."""
    make = udp if proto == 'udp' else tcp
    ears = [ear(n) for n in inner]
    with make(outer, source[0] or ('::' if ':' in target[0] else ''), source[1], timeout=timeout) as client:
        port = client.getsockname()[1]
        try:
            client.connect(resolve(outer, *target))
            if proto == 'udp':
                client.send(b'anybody there?')
                client.recv(100)
            shut = False
        except OSError as e:
            shut = isinstance(e, TimeoutError) or e.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH,
                                                              errno.ENETUNREACH, errno.EACCES, errno.ETIMEDOUT)
    for s in ears:
        with s:
            s.setblocking(False)
            try:
                while True:
                    t = transport(s.recv(2048))
                    if t and t[0] == (17 if proto == 'udp' else 6) and t[1] == port:
                        shut = False
            except BlockingIOError:
                pass
    return shut


def arrives(inner, outer, local_port, target, timeout=SOON_S):
    """True if a datagram gets to the inner host, for a port that a program there holds."""
    token = os.urandom(8).hex().encode()
    with ear(inner) as s, udp(outer, '::' if ':' in target[0] else '') as client:
        client.sendto(token, resolve(outer, *target))
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            s.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                t = transport(s.recv(2048))
            except TimeoutError:
                break
            if t and t[0] == 17 and t[2] == local_port and t[3] == token:
                return True
    return False


def answered(namespace, address):
    """True if TCP to an address is answered, be it by a refusal."""
    with inside(namespace):
        s = socket.socket(family(address), socket.SOCK_STREAM)
    with s:
        s.settimeout(1)
        return s.connect_ex((address, 9)) in (0, errno.ECONNREFUSED)


def reach(namespaces, addresses, seconds=60):
    """Waits until every namespace reaches every address; None, or the first pair of which that is not so."""
    deadline = time.monotonic() + seconds
    for pair in ((n, a) for n in namespaces for a in addresses):
        while not answered(*pair):
            if time.monotonic() > deadline:
                return pair
            time.sleep(0.02)
    return None


def main(argv):
    if argv[1:2] == ['reach'] and len(argv) == 6:
        missing = reach(argv[2:4], argv[4:6])
        if missing:
            print('lab: %s does not reach %s' % missing, file=sys.stderr)
        return 1 if missing else 0
    if argv[1:2] == ['connect'] and len(argv) == 4:
        try:
            socket.create_connection((argv[2], int(argv[3])), SOON_S).close()
        except OSError as e:
            print(f'FAILED tcp {argv[2]}:{argv[3]}: {e}')
            return 1
        return 0
    if argv[1:2] == ['closed'] and len(argv) == 7:
        return 0 if closed(argv[3], (argv[5], int(argv[6])), argv[4], inner=(argv[2],)) else 1
    if argv[1:2] == ['arrives'] and len(argv) == 7:
        if arrives(argv[2], argv[3], int(argv[4]), (argv[5], int(argv[6]))):
            return 0
        print(f'FAILED udp {argv[5]}:{argv[6]}: nothing arrived')
        return 1
    if argv[1:2] == ['through'] and len(argv) in (9, 10):
        inner, outer, proto, local, local_port, target, target_port = argv[2:9]
        try:
            seen = through(inner, (local, int(local_port)), outer, (target, int(target_port)), proto, text=(argv + [None])[9])
        except (OSError, AssertionError) as e:
            print(f'FAILED {proto} {target}:{target_port} -> {local}:{local_port}: {e!r}')
            return 1
        if len(argv) == 10:
            print(f'{local}:{local_port} got "{argv[9]}" from {seen.inner[0]}:{seen.inner[1]}, and its answer came back '
                  f'from {target}:{target_port}')
        else:
            print(f'OK {proto} {target}:{target_port} -> {local}:{local_port}')
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == '__main__':
    sys.exit(main(sys.argv))
