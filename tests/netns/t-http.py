#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP on a loopback address: to look at, by nobody but those who name it; and what is there to look at."""
import contextlib
import http.client
import json
import os
import resource
import select
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
import probe
from lab import EXT, EXT2, GW6, HERE, LAN, LAN2, WAN, conf, wait
from pcp import SUCCESS, TCP, UDP

PORT = 5380
HTTP = f'control {{ socket = "@DIR@/control.sock"  http = "127.0.0.1:{PORT}" }}'


def tcp(net, side, address, receive=0):
    with probe.inside(net.ns(side)):
        s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    net.sockets.append(s)
    s.settimeout(lab.SOON_S)
    if receive:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    s.connect((address, PORT))
    return s


class Connection(http.client.HTTPConnection):
    """To the server's loopback address, which is in a namespace."""

    def __init__(self, net, address='127.0.0.1'):
        super().__init__(address, PORT, timeout=lab.SOON_S)
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


class Events:
    """Reads /v1/events as it comes."""

    def __init__(self, net, query='', headers='', receive=0):
        self.socket = tcp(net, 'gw', '127.0.0.1', receive)
        self.socket.sendall(f'GET /v1/events{query} HTTP/1.0\r\nHost: localhost:{PORT}\r\n{headers}\r\n'.encode())
        self.text = ''
        self.until('retry: ')

    def until(self, text, seconds=lab.SOON_S):
        """Reads until text was said, and what it is part of is whole."""
        end = time.monotonic() + seconds
        while text not in self.text.rpartition('\n\n')[0]:
            left = end - time.monotonic()
            assert left > 0, f'no {text} in {self.text[-4000:]}'
            if select.select([self.socket], [], [], left)[0]:
                self.more()

    def more(self):
        piece = self.socket.recv(65536)
        assert piece, f'ended: {self.text[-4000:]}'
        self.text += piece.decode()

    def all(self):
        """Kind and data of each event so far."""
        found = []
        for block in self.text.split('\n\n')[:-1]:
            lines = dict(x.split(': ', 1) for x in block.split('\n') if ': ' in x and not x.startswith(':'))
            if 'event' in lines and 'data' in lines:
                data = json.loads(lines['data'])
                assert data['event'] == lines['event'] and data['schema'] == 1 and int(lines['id']), block
                found.append((lines['event'], data))
        return found

    def of(self, kind):
        return [data for k, data in self.all() if k == kind]


def many(client, ports, lifetime=7200, n=None):
    """A mapping for each port, asked for in bursts."""
    n = n or pcp.nonce()
    ports = list(ports)
    for at in range(0, len(ports), 50):
        for port in ports[at:at + 50]:
            client.send(pcp.pcp_map(client.address, n, UDP, port, port, lifetime=lifetime))
        for _ in ports[at:at + 50]:
            assert client.receive().result == SUCCESS


def test_events(net):
    """Made, renewed, refused and ended mappings, another outside address, reloads: told as they happen"""
    rules = 'rule "no" { action = deny  internal-ports = { "6000" } }\nrule "yes" { action = allow }'
    d = net.daemon(conf(control=HTTP, rule=rules))
    e = Events(net)
    some = Events(net, '?types=refused,external')
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert c.map(UDP, 6000, 40001).result == pcp.NOT_AUTHORIZED
    e.until('event: refused')
    made, renewed, refused = (e.of(k)[0] for k in ('made', 'renewed', 'refused'))
    for x in (made, renewed):
        assert (x['client'], x['protocol'], x['internal_address'], x['internal_port'], x['external_address'],
                x['external_port'], x['lifetime_s'], x['rule'], x['by']) == \
            (LAN, 'udp', LAN, 4000, EXT, 40000, 7200, 'yes', 'pcp'), x
    assert abs(made['at'] - time.time()) < 60
    assert (refused['result'], refused['rule'], refused['why'], refused['internal_port']) == \
        ('NOT_AUTHORIZED', 'no', 'denied by rule', 6000), refused
    assert shown(net, '/v1/refusals')['refusals'][0]['internal_port'] == 6000
    net.sh('gw', 'ip', '-batch', '-', input=f'addr add {EXT2}/24 dev wan0\naddr del {EXT}/24 dev wan0\n'
           f'route replace default via {WAN}\n')
    e.until('event: moved')
    e.until('event: external')
    assert e.of('moved')[0]['external_address'] == EXT2
    assert e.of('external')[0]['addresses'][0] == EXT2 and e.of('external')[0]['state'] == 'ok'
    x = shown(net, '/v1/status')['externals'][0]
    assert x['addresses'][0] == EXT2 and x['since_s'] < 60 and (x['state'], x['why']) == ('ok', '')
    d.reload(conf(control=HTTP, rule=rules))
    d.reload('nonsense')
    e.until('"ok":true')
    e.until('"ok":false')
    assert 'nonsense' in [x for x in e.of('reload') if not x['ok']][0]['why']
    assert c.map(UDP, 4000, 40000, 0).result == SUCCESS
    e.until('event: ended')
    assert e.of('ended')[0]['why'] == 'deleted by its client'
    e.until('event: stats')
    stats = e.of('stats')[-1]
    assert stats['requests'] >= 3 and stats['refused'] == 1 and stats['clients'] == 1, stats
    some.until('event: external')
    assert {k for k, _ in some.all()} == {'refused', 'external'}, some.text
    # whoever comes again gets what he missed
    last = [x for x in e.text.split('\n') if x.startswith('id: ')][0][4:]
    again = Events(net, headers=f'Last-Event-ID: {last}\r\n')
    again.until('event: ended')
    assert again.all()[0] == e.all()[1]


def test_readers(net):
    """A reader who does not read is told what it missed and holds up nobody; one who goes is forgotten; 32 at most"""
    net.daemon(conf('limits { requests-per-second = 0  mappings-per-client = 4000 }', control=HTTP))
    slow = Events(net, '?types=made,renewed', receive=2048)
    keen = Events(net, '?types=made,renewed')
    c = net.client()
    told, n = 0, pcp.nonce()
    for _ in range(12):
        many(c, range(4000, 4500), n=n)
        told += 500
        while keen.text.count('\n\nevent: ') < told:
            keen.more()
    assert not keen.of('lost')
    slow.until('event: lost')
    assert slow.of('lost')[0]['count'] > 0
    slow.socket.close()
    keen.socket.close()
    wait(lambda: shown(net, '/v1/status')['events_readers'] == 0)
    readers = [Events(net, '?types=made') for _ in range(32)]
    assert get(net, '/v1/events')[0] == 503
    assert shown(net, '/v1/status')['events_readers'] == 32
    assert c.map(UDP, 5000, 50000).result == SUCCESS
    for r in readers:
        r.until('"internal_port":5000,')
    readers.pop().socket.close()
    wait(lambda: shown(net, '/v1/status')['events_readers'] == 31)
    readers.append(Events(net))
    assert get(net, '/v1/events?types=frob')[0] == 400


def test_crowd(net):
    """Somebody on the router connects as often as he can and says next to nothing: hosts are served, and the operator is; and
    everybody again when he has gone"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    d, c = net.daemon(conf(control=HTTP)), net.client()
    crowd = []

    def opened():
        return len(os.listdir(f'/proc/{d.process.pid}/fd'))

    def more():
        """Some more, if the server has taken those before, or has as many as it takes."""
        with probe.inside(net.ns('gw')):
            for _ in range(200):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(('127.0.0.1', PORT))
                crowd.append(s)
                until = select.poll()
                until.register(s, select.POLLOUT)
                until.poll(2)
        return opened() > 1900
    wait(lambda: len(crowd) - opened() < 400 and more())
    more()
    more()
    assert 1000 < opened() < 2100, opened()
    for s in crowd:
        with contextlib.suppress(OSError):  # some wait in the backlog
            s.send(b'G')
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    assert d.status()['leases'] == 1
    assert 1000 < opened() < 2100, opened()
    for s in crowd:
        s.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    wait(lambda: opened() < 100)
    assert shown(net, '/v1/status')['leases'] == 1


def test_backend(net):
    """Others empty our map: that it is put back is told, and counted"""
    net.nft('add', 'table', 'inet', 'natpcpd')
    net.daemon(conf(control=HTTP))
    e = Events(net, '?types=backend')
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    n = net.elements()
    net.nft('flush', 'map', 'inet', 'natpcpd', 'dnat4')
    e.until('"state":"reinstalled"')
    wait(lambda: net.elements() == n)
    health = shown(net, '/v1/status')['backend_health']
    assert (health['ok'], health['reinstalls']) == (True, 1), health
    assert b'\nnatpcpd_reinstalls_total 1\n' in get(net, '/metrics')[2]


def test_filters(net):
    """Thousands of leases: in pages, and those only that are asked for; what each rule did"""
    net.daemon(conf('limits { requests-per-second = 0  mappings-per-client = 4000 }\n'
                    'static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.20:8443" }', control=HTTP,
                    rule='rule "no" { action = deny  internal-ports = { "9999" } }\n'
                    'rule "low" { action = allow  internal-ports = { "1-4999" } }\nrule "high" { action = allow }'))
    a, b, six = net.client('lan'), net.client('lan2'), net.client('lan', GW6)
    many(a, range(4000, 6000))
    many(b, range(4500, 4600), 600)
    assert six.map(TCP, 7000, address='::').result == SUCCESS
    assert a.natpmp(TCP, 7000, 7000).result == 0
    assert b.map(UDP, 9999).result == pcp.NOT_AUTHORIZED

    def leases(query):
        return shown(net, '/v1/leases' + query)['leases']

    def ports(query):
        return sorted(x['internal_port'] for x in leases(query))
    found, cursor, pages = [], None, 0
    while cursor is not None or not found:
        page = shown(net, '/v1/leases?limit=500' + (f'&cursor={cursor}' if cursor else ''))
        assert page['schema'] == 1 and len(page['leases']) <= 500
        found += page['leases']
        cursor, pages = page.get('next'), pages + 1
    assert (len(found), pages) == (2103, 5)
    assert len({(x['protocol'], x['external_address'], x['external_port']) for x in found}) == 2103
    assert ports(f'?client={LAN2}&limit=1000') == list(range(4500, 4600))
    assert {x['internal_address'] for x in leases('?client=192.0.2.0/24')} == {LAN, LAN2, '192.0.2.20'}
    assert ports('?client=192.0.2.20') == [8443] and ports('?client=203.0.113.0/24') == []
    assert [(x['internal_address'], x['lifetime_s']) for x in leases(f'?port=4500&client={LAN2}')] == [(LAN2, 600)]
    # one of those that are given at random may have this one outside
    assert ports('?port=443') == [8443] and ports('?port=8443&protocol=tcp') == [8443]
    assert ports('?family=6') == [7000] and ports('?client=2001:db8::/32') == [7000]
    assert len(leases('?family=4')) == 2102 and len(leases('?protocol=tcp')) == 3
    assert ports('?origin=static') == [8443] and ports('?origin=nat-pmp') == [7000]
    assert len(leases('?rule=low')) == 1100 and ports('?rule=web') == [8443]
    assert ports('?rule=high&port=4000') == []
    for wrong in ('client=x', 'client=192.0.2.0/33', 'client=', 'port=0', 'port=65536', 'port=x', 'protocol=frob',
                  'family=5', 'origin=x', 'limit=0', 'limit=x', 'cursor=-1', 'cursor=99999999999'):
        assert get(net, '/v1/leases?' + wrong)[0] == 400, wrong
    rules = shown(net, '/v1/rules')
    assert [(x['name'], x['action'], x['hits'], x['refused'], x['mappings']) for x in rules['rules']] == \
        [('no', 'deny', 1, 1, 0), ('low', 'allow', 1100, 0, 1100), ('high', 'allow', 1002, 0, 1002)], rules
    assert rules['unmatched'] == 0 and [x['line'] for x in rules['rules']] == sorted(x['line'] for x in rules['rules'])


def promtool():
    """Prometheus' own judge, as tests/lab/deps.sh unpacks it."""
    for path in (shutil.which('promtool'), os.path.join(HERE, '../../build/tools/usr/bin/promtool')):
        if path and os.path.exists(path):
            return path
    raise lab.Skip('promtool is not there')


def test_metrics(net):
    """What Prometheus reads: by its own judge's rules, and with nothing in it that a client can choose"""
    tool = promtool()
    net.daemon(conf('static "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.20:8443" }', control=HTTP,
                    rule='rule "a \\"b\\" \\\\" { action = allow }'))
    c = net.client()
    assert c.map(UDP, 4000, 40000, options=(pcp.description('frobnicate'),)).result == SUCCESS
    assert c.natpmp(TCP, 4001, 40001).result == 0
    c.send(bytes((9, 55)) + bytes(22))
    c.receive()
    status, headers, body = get(net, '/metrics')
    assert status == 200 and headers['Content-Type'] == 'text/plain; version=0.0.4; charset=utf-8'
    p = subprocess.run([tool, 'check', 'metrics'], input=body, capture_output=True)
    assert p.returncode == 0 and not p.stderr and not p.stdout, (p.stdout, p.stderr)
    text = body.decode()
    for wanted in ('natpcpd_requests_total{interface="br-lan",protocol="pcp",version="2",opcode="MAP",result="SUCCESS"} 1',
                   'natpcpd_requests_total{interface="br-lan",protocol="nat-pmp",version="0",opcode="MAP_TCP",result="SUCCESS"} 1',
                   'version="unsupported"',
                   'natpcpd_leases{rule="a \\"b\\" \\\\",protocol="udp",origin="pcp"} 1',
                   'natpcpd_leases{rule="",protocol="tcp",origin="static"} 1',
                   'natpcpd_request_duration_seconds_count 3'):
        assert wanted in text, (wanted, text)
    for secret in (LAN, '"4000', 'frobnicate', '"55'):
        assert not [x for x in text.split('\n') if not x.startswith('#') and '{' in x and secret in x.split('}')[0]], secret


lab.main(globals())
