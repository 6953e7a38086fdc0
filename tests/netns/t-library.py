#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is built on libnatpcp, on hosts of the LAN: codec/examples, unchanged, and what only a network shows of conn.c."""
import ctypes
import errno
import os
import re
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from lab import EXT, EXT2, LAN
from program import Program


def example(net, name, *arguments):
    return Program(*net.command('lan', os.path.join(lab.BUILD, 'codec/examples', name), *arguments))


def mapped(p, address, ports):
    """Reads until each of the ports has been said to be at the address. The ports outside."""
    outside = {}
    while len(outside) < len(ports):
        m = re.fullmatch(r'(\d+) -> ([0-9.]+):(\d+) for \d+ s', p.line())
        if m and m.group(2) == address:
            outside[int(m.group(1))] = int(m.group(3))
    assert set(outside) == set(ports), outside
    return outside


PORTS = range(9000, 9010)


def test_ten(net):
    """Ten mappings by the default gateway, deleted at the end"""
    d = net.daemon()
    with example(net, 'ten', '9000') as p:
        mapped(p, EXT, PORTS)
        assert len(d.leases()) == 10
        p.stop()
        for _ in PORTS:
            assert re.fullmatch(r'\d+: deleted', p.line())
        assert p.process.wait(60) == 0
    assert d.leases() == []


def test_ten_move(net):
    """Ten mappings follow the outside address"""
    net.daemon()
    with example(net, 'ten', '9000') as p:
        outside = mapped(p, EXT, PORTS)
        net.through('lan', (LAN, 9003), (EXT, outside[9003]), 'tcp')
        net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
        net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
        outside = mapped(p, EXT2, PORTS)
        net.through('lan', (LAN, 9007), (EXT2, outside[9007]), 'tcp')


def test_ten_news(net):
    """A gateway that has lost everything says so to 224.0.0.1 port 5350, and has the ten mappings again"""
    forgetful = lab.conf(journal='journal { path = "" }')
    d = net.daemon(forgetful, '-x')
    with example(net, 'ten', '9000') as p:
        mapped(p, EXT, PORTS)
        # a loss shows in an epoch that is less than it should be
        client = net.client()
        lab.wait(lambda: client.announce().epoch >= 4)
        assert d.stop() == 0
        # all that was is nowhere; what is there later was asked for anew
        assert net.table() == ''
        d = net.daemon(forgetful)
        mapped(p, EXT, PORTS)
        assert len(d.leases()) == 10


def test_shared(net):
    """One socket: the echo answers a host outside by the port that the same socket has asked for"""
    net.daemon()
    with example(net, 'shared', '4000') as p:
        port = int(re.fullmatch(r'echo is reachable as port (\d+)', p.line()).group(1))
        s = net.udp('wan')
        for datagram in b'hello', bytes(2), b'\0\x81' + bytes(14), b'\2\x81' + bytes(58):
            s.sendto(datagram, (EXT, port))
            assert s.recvfrom(2000) == (datagram, (EXT, port))


def test_send_does_not_wait(net):
    """conn_send() waits for nobody on a blocking socket of the caller, though its buffer is full of what has no neighbour"""
    if lab.BUILD.rstrip('/').endswith('-san'):
        raise lab.Skip('a sanitizer wants to be the first that is loaded')
    library = ctypes.CDLL(os.path.join(lab.BUILD, 'libnatpcp.so.0'))
    s = net.udp('lan')
    s.setblocking(True)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    conn = ctypes.create_string_buffer(64)
    assert library.natpcp_conn_use(conn, s.fileno()) == 0
    # struct client_endpoint
    nobody = struct.pack('@10xH4sHxxI', 0xffff, socket.inet_aton('192.0.2.200'), 5351, 0)
    interrupted = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(5)
    try:
        for _ in range(100):
            rc = library.natpcp_conn_send(conn, bytes(1000), ctypes.c_size_t(1000), nobody)
            if rc:
                break
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, interrupted)
    assert rc == -errno.EAGAIN, rc


lab.main(globals())
