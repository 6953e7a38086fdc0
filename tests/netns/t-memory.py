#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory runs out, at each allocation that the daemon makes: it loses the request at hand at most, and never its mind."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import json
import signal
import socket
import time

import lab
import pcp
from lab import EXT, EXT2, LAN, WAN, conf, wait
from pcp import SUCCESS, TCP, UDP
from trouble import Trouble

MANY = 'limits { requests-per-second = 1000000  burst = 1000000  mappings-per-client = 10000 }\n'
QUIET = 'log { level = "info" }'
EVER = 1 << 40
FIRST, STEPS = 12, 18  # of one deed the first allocations are made to fail, and others spread over all


class Scene:
    def __init__(self, net, **section):
        self.net = net
        self.text = conf(MANY, log=QUIET, **section)
        self.t = Trouble(net)
        self.d = net.daemon(self.text, prefix=self.t.prefix)
        self.c = net.client()
        for port in range(4000, 4010):
            assert self.c.map(UDP, port, port + 36000).result == SUCCESS

    def ask(self, data, timeout=0.5):
        """The answer that has the request's opcode; None: silence. Updates may come in between."""
        c = self.net.client()
        try:
            return c.ask(data, timeout)
        except TimeoutError:
            return None

    def get(self, path, timeout=2.0):
        """An answer of the control socket, decoded; None if there is none, or an error."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            data = b''
            try:
                s.connect(os.path.join(self.net.dir, 'control.sock'))
                s.sendall(f'GET {path} HTTP/1.0\r\n\r\n'.encode())
                while True:
                    piece = s.recv(65536)
                    if not piece:
                        break
                    data += piece
            except OSError:
                return None
        head, _, body = data.partition(b'\r\n\r\n')
        if b' 200 ' not in head.split(b'\r\n')[0]:
            return None
        try:
            return json.loads(body)
        except ValueError:
            return None  # cut off, which its reader sees

    def each(self, name, deed, undo=lambda: None, first=FIRST, steps=STEPS):
        """Does a deed with its n-th allocation failing, and with all from the n-th on, and looks whether all is well after."""
        undo()
        deed()
        undo()
        calls = self.t.calls
        deed()
        n = self.t.calls - calls
        undo()
        self.sound()
        held = []
        spread = {1 + i * max(n - 1, 1) // steps for i in range(steps + 1)}
        for nth in sorted(spread | set(range(1, min(n, first) + 1)) | {n + 1}):
            for many in (1, EVER):
                self.t.fail_n, self.t.fail_in = many, nth
                try:
                    deed()
                finally:
                    self.t.fail_in = 0
                assert self.d.process.poll() is None, (name, nth, many, self.d.log())
                self.sound()
                undo()
                self.sound()
                held.append(self.t.held)
        print(f'    {name}: {n} allocations, {len(held)} trials, {held[len(held) // 2]} octets held in the middle and '
              f'{held[-1]} at the end', flush=True)
        # what is left of half of the trials would be many times that
        assert held[-1] - held[len(held) // 2] < 16384, (name, held)

    def sound(self):
        """Works, and shows, has and does the same."""
        # a socket that there was no memory for is opened again within 10 s, and a host asks again
        wait(lambda: self.ask(pcp.natpmp_address()), 40)
        c = self.net.client()
        assert c.map(TCP, 4100, 40100).result == SUCCESS
        assert c.map(TCP, 4100, 40100, 0).result == SUCCESS
        leases = wait(lambda: self.get('/v1/leases'))['leases']
        assert {x['internal_port'] for x in leases} >= set(range(4000, 4010)), leases
        wait(lambda: self.net.elements() >= 2 * len(self.d.leases()))


def test_requests(net):
    """Requests: one is answered, refused or dropped, and can be asked again (6887-11.3-37)"""
    s = Scene(net)
    n = pcp.nonce()

    def ask(data):
        return lambda: s.ask(data)
    mine = pcp.pcp_map(LAN, n, UDP, 5000, 45000)
    end = pcp.pcp_map(LAN, n, UDP, 5000, 45000, lifetime=0)
    s.each('PCP map', ask(mine), ask(end))
    s.each('PCP with a filter', ask(pcp.pcp_map(LAN, n, UDP, 5000, 45000, options=(pcp.peers('203.0.113.0/24'),))), ask(end))
    s.each('PCP delete', ask(end), ask(mine))
    s.ask(end)
    s.each('NAT-PMP map', ask(pcp.natpmp_map(TCP, 5001, 45001)), ask(pcp.natpmp_map(TCP, 5001, 0, 0)))

    def several(lifetime):
        c, told = net.client(), {}
        for at in range(20000, 20300, 50):
            for port in range(at, at + 50):
                c.send(pcp.pcp_map(c.address, n, UDP, port, port, lifetime=lifetime))
            try:
                for _ in range(50):
                    r = c.receive(0.5)
                    told[r.internal] = r.result
            except TimeoutError:
                pass
        return told

    def burst():
        # tables that have to grow
        told = several(7200)
        s.t.fail_in = 0
        shown = {x['internal_port'] for x in s.d.leases()}
        for port, result in told.items():
            assert (port in shown) == (result == SUCCESS), (port, result)

    s.each('300 of them', burst, lambda: several(0))


def test_control(net):
    """Questions to the control socket: answered, or ended with an error"""
    s = Scene(net)
    for path in ('/v1/status', '/v1/leases?limit=5&rule=hosts'):
        assert s.get(path), path
        s.each(path, lambda: s.get(path))
    for path in ('/v1/rules', '/v1/refusals', '/metrics', '/v1/events?types=made'):
        s.each(path, lambda: s.get(path, 0.1), first=1, steps=2)


def test_reload(net):
    """Reloads: taken or refused as a whole, and the next one is taken"""
    s = Scene(net)
    other = s.text + 'reserved-ports { udp = { "45000" } }\nstatic "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }\n'

    def reload(text):
        mark = len(s.d.lines)
        s.d.write(text)
        s.d.process.send_signal(signal.SIGHUP)

        def over():
            return any('event=reload' in x for x in s.d.lines[mark:]) or None
        deadline = time.monotonic() + 3
        # a line in the log may be what the memory was for
        while not over() and time.monotonic() < deadline:
            time.sleep(0.01)
    s.each('reload', lambda: reload(other), lambda: reload(s.text), 4)


def test_outside(net):
    """Another outside address: mappings are on it in the end"""
    s = Scene(net)

    def address():
        """The outside address, by a question for which the daemon needs no memory; None: no answer."""
        r = s.ask(pcp.natpmp_address(), 0.2)
        return r and r.address

    def move(now, then):
        net.sh('gw', 'ip', '-batch', '-', input=f'addr add {then}/24 dev wan0\naddr del {now}/24 dev wan0\n'
               f'route replace default via {WAN}\n')
        end = time.monotonic() + 0.7

        def moved():
            if time.monotonic() > end:
                s.t.fail_in = 0
            return address() == then
        wait(moved, 30)
        s.t.fail_in = 0
        wait(lambda: {x['external_address'] for x in (s.get('/v1/leases') or {'leases': []})['leases']} == {then}, 30)
    s.each('another address', lambda: move(EXT, EXT2), lambda: address() == EXT or move(EXT2, EXT), 4, 8)


def test_reinstall(net):
    """Somebody empties our map: all is back in the end"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    s = Scene(net)
    n = net.elements()

    def empty():
        net.nft('flush', 'map', 'inet', 'natpcpd', 'dnat4')
        end = time.monotonic() + 0.3

        def back():
            if time.monotonic() > end:
                s.t.fail_in = 0
            return net.elements() == n
        wait(back, 30)
    s.each('map emptied', empty, first=2, steps=6)


def test_start(net):
    """A start: it fails with a reason or works, and the mappings that are there stay"""
    # libseccomp does not live through a lack of memory, but is not begun without much of it
    s = Scene(net, process='process { user = ""  sandbox = false }')
    s.d.stop()
    calls = s.t.calls
    d = net.daemon(s.text, prefix=s.t.prefix)
    n = s.t.calls - calls
    d.stop()
    for nth in sorted({1 + i * n // 24 for i in range(25)}):
        s.t.fail_n, s.t.fail_in = 1, nth
        d = net.daemon(s.text, prefix=s.t.prefix, ready=False)
        d.until(lambda: 'ready' in d.out or d.process.poll() is not None, 60, 'ready')
        s.t.fail_in = 0
        if d.process.poll() is None:
            assert len(d.leases()) == 10, (nth, d.log())
            assert d.stop() == 0
        else:
            # the C library itself may need some
            assert d.end() in (1, 2, 127), (nth, d.process.returncode, d.log())
    d = net.daemon(s.text)
    assert len(d.leases()) == 10
    net.through('lan', (LAN, 4000), (EXT, 40000))


lab.main(globals())
