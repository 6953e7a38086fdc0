#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP on a loopback address: to look at, by nobody but those who name it."""
import http.client
import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import probe
from lab import conf
from pcp import SUCCESS, UDP

PORT = 5380
HTTP = f'control {{ socket = "@DIR@/control.sock"  http = "127.0.0.1:{PORT}" }}'


def tcp(net, side, address):
    with probe.inside(net.ns(side)):
        s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    net.sockets.append(s)
    s.settimeout(5)
    s.connect((address, PORT))
    return s


class Connection(http.client.HTTPConnection):
    """To the server's loopback address, which is in a namespace."""

    def __init__(self, net, address='127.0.0.1'):
        super().__init__(address, PORT, timeout=5)
        self.net = net

    def connect(self):
        self.sock = tcp(self.net, 'gw', self.host)


def get(net, path, method='GET', headers=None, address='127.0.0.1'):
    """Status, headers and body of one answer."""
    c = Connection(net, address)
    c.request(method, path, headers=headers or {})
    r = c.getresponse()
    body = r.read()
    c.close()
    return r.status, r.headers, body


def shown(net, path, **options):
    status, headers, body = get(net, path, **options)
    assert (status, headers['Content-Type']) == (200, 'application/json'), (path, status, body)
    return json.loads(body)


def test_look(net):
    """The page, the status and the leases are there; what changes something is not; nor is another way in"""
    net.daemon(conf(control=HTTP))
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    status, headers, body = get(net, '/')
    assert status == 200 and headers['Content-Type'] == 'text/html; charset=utf-8' and b'natpcpd' in body
    assert "default-src 'none'" in headers['Content-Security-Policy']
    assert shown(net, '/v1/status')['leases'] == 1
    assert [x['external_port'] for x in shown(net, '/v1/leases')['leases']] == [40000]
    for path in ('/v1/reload', '/v1/revoke?all=1'):
        assert get(net, path, 'POST')[0] == 405
        assert get(net, path)[0] == 404
    assert get(net, '/nothing')[0] == 404
    status, headers, body = get(net, '/v1/status', 'HEAD')
    assert status == 200 and int(headers['Content-Length']) > 100 and not body
    for host in ('rebound.example', f'rebound.example:{PORT}', '127.0.0.1'):
        assert get(net, '/v1/leases', headers={'Host': host})[0] == 421
    assert shown(net, '/v1/status', headers={'Host': f'localhost:{PORT}'})
    assert get(net, '/v1/leases', headers={'Origin': 'http://rebound.example'})[0] == 403
    assert len(shown(net, '/v1/leases')['leases']) == 1
    # from the LAN there is no way to it
    for address in (lab.GW, '127.0.0.1'):
        try:
            tcp(net, 'lan', address)
        except OSError:
            continue
        raise AssertionError(address)


def test_six(net):
    """On [::1], too; an address that somebody has is a failed start"""
    text = conf(control=HTTP.replace('127.0.0.1', '[::1]'))
    d = net.daemon(text)
    assert shown(net, '/v1/status', address='::1')['leases'] == 0
    assert d.stop() == 0
    with probe.inside(net.ns('gw')):
        taken = socket.create_server(('::1', PORT), family=socket.AF_INET6)
    net.sockets.append(taken)
    d = net.daemon(text, ready=False)
    d.logged(r'cannot listen on \[::1\]:5380 for HTTP: Address already in use')
    assert d.end() == 1


lab.main(globals())
