#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The status page in Chromium, beside a daemon in the lab's gateway. One browser and one daemon see all tests, in the order of the file.

Pictures of the page are left in the build directory.   page.py [t_NAME...]   runs only those.
"""
import inspect
import os
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, '../lab')]
import lab
import pcp
import probe
import tap
import webdriver

PORT = 5380
URL = f'http://127.0.0.1:{PORT}/'
PICTURES = os.path.join(lab.BUILD, 'pictures')
OTHER = ['192.0.2.%d' % (20 + i) for i in range(6)]
CONF = lab.conf(
    control=f'control {{ socket = "@DIR@/control.sock"  http = "127.0.0.1:{PORT}" }}',
    journal='journal { path = "@DIR@/leases.journal" }',
    limits='limits { mappings-per-client = 20000  requests-per-second = 1000000  burst = 1000000 }',
    rule='rule "guests get nothing" { action = deny  clients = { "192.0.2.12" } }\n'
         'rule "hosts" { action = allow  clients = { "192.0.2.0/24", "2001:db8:1::/64" }  mappings-max = 20000 }',
    log='log { level = "info" }',
    extra='third-party { clients = { "192.0.2.11" } }\nstatic "web" { protocol = "tcp"  external-port = 443  to = "192.0.2.11:8443" }\n')
TAB, ENTER, SHIFT = '\ue004', '\ue007', '\ue008'
PHONE = (390, 844)
HOME = 12  # mappings of World.home()


def wait(condition, seconds=30.0, what=None):
    """As lab.wait(), but asking a browser is more work."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what() if callable(what) else what or inspect.getsource(condition).strip()
            raise AssertionError(f'not within {seconds} s: {what}')
        threading.Event().wait(0.1)


class World:
    """The lab, the daemon and the browser."""

    def __init__(self, net):
        self.net = net
        self.daemon = net.daemon(CONF)
        self.client = net.client()
        self.home()
        self.browser = webdriver.Browser(lambda argv: net.command('gw', *argv), self.inside)
        with open(os.path.join(HERE, 'look.js')) as f:
            self.look = f.read()
        # before anything of the page runs: what it is not allowed, and what it asks for
        self.browser.cdp('Page.addScriptToEvaluateOnNewDocument', source=self.look + '''
            window.violations = [];
            document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI));
            window.fetched = [];
            const fetch_it = window.fetch;
            window.fetch = (path, ...rest) => { fetched.push(path); return fetch_it(path, ...rest); };''')

    def home(self):
        """What hosts of a home ask for."""
        self.opened(pcp.TCP, 8123, 18123, text='Home Assistant')
        self.opened(pcp.UDP, 51413, 51413, 86400, text='Transmission on the NAS')
        assert self.client.natpmp(pcp.UDP, 3074, 3074, 3600).result == 0
        for i, (host, port, text) in enumerate(zip(OTHER, (22000, 32400, 9308, 6881, 3478, 5000),
                                                   ('Syncthing', 'Plex Media Server', 'PlayStation 5', 'qBittorrent v5.0.2', None, None))):
            self.opened(pcp.TCP if i % 2 else pcp.UDP, port, port, 900 * (i + 1) ** 2, host=host, text=text)
        self.opened(pcp.TCP, 22000, 22001, 7200, host=OTHER[0], text='Syncthing')
        six = self.net.client(server=lab.GW6)
        assert six.map(pcp.TCP, 443, 443, 3600, address='::').result == pcp.SUCCESS
        for _ in range(3):
            assert self.ask(pcp.TCP, 8080, client=self.net.client('lan2')).result == pcp.NOT_AUTHORIZED

    def inside(self, fn):
        with probe.inside(self.net.ns('gw')):
            return fn()

    def ask(self, protocol, internal, external=0, lifetime=7200, host=None, text=None, client=None):
        """A mapping by PCP, for another host if it is named."""
        options = [pcp.third_party(host)] if host else []
        options += [pcp.description(text)] if text else []
        return (client or self.client).map(protocol, internal, external, lifetime, options=options)

    def opened(self, *arguments, **options):
        r = self.ask(*arguments, **options)
        assert r.result == pcp.SUCCESS, (arguments, options, vars(r))
        return r

    def show(self, width=1280, height=900, scheme='light', **options):
        self.browser.view(width, height, scheme, **options)
        self.browser.open(URL)
        self.until("return document.body.dataset.state === 'live' && document.querySelector('.address')", what='the page is live')

    def until(self, script, *arguments, seconds=30, what=None):
        return wait(lambda: self.browser.js(script, *arguments), seconds, what or script)

    def rows(self):
        return self.browser.js('return list()')

    def row(self, out, **options):
        """The row of an outside port, once it is there."""
        return wait(lambda: next((r for r in self.rows() if r['out'] == str(out)), None), what=f'outside port {out} is shown', **options)

    def text(self, selector):
        return self.browser.js('return document.querySelector(arguments[0]).textContent', selector)

    def has(self, selector, part, seconds=30):
        return wait(lambda: part in self.text(selector), seconds, lambda: f'{part!r} in {selector}: {self.text(selector)!r}')

    def flawless(self, where):
        flaws = self.browser.js('return flaws()')
        assert flaws == [], (where, flaws)

    def picture(self, name, **options):
        os.makedirs(PICTURES, exist_ok=True)
        self.browser.picture(os.path.join(PICTURES, name + '.png'), **options)

    def fetches(self, path):
        return self.browser.js('return fetched.filter(p => p.startsWith(arguments[0])).length', path)


def t_shows(w):
    """What is there is shown: addresses, static and other ports by host, who asked, refusals in words, rules, health"""
    w.show()
    assert w.text('.address') == lab.EXT and 'wan0' in w.text('#outside'), w.text('#outside')
    assert 'held for' in w.text('#outside') and 'since' in w.text('#outside')
    rows = {(r['host'], r['out']): r for r in wait(lambda: len(w.rows()) == HOME and w.rows())}
    web = rows[lab.LAN, '443']
    assert [web[k] for k in ('protocol', 'inside', 'left', 'bar', 'meta')] == ['tcp', '8443', 'always', None, 'static · web'], web
    nas = rows[lab.LAN, '51413']
    assert (nas['description'], nas['meta']) == ('Transmission on the NAS', 'PCP · rule hosts'), nas
    assert nas['left'].startswith(('24 h 00 min', '23 h 5')), nas
    assert rows[lab.LAN, '3074']['meta'].startswith('NAT-PMP'), rows
    assert rows[OTHER[1], '32400']['meta'] == f'PCP · rule hosts · asked by {lab.LAN}', rows
    pinhole = rows[lab.LAN6, '443not translated']
    assert pinhole['inside'] == '443', pinhole
    hosts = [r['host'] for r in w.rows()]
    assert hosts == sorted(hosts, key=lambda h: (':' in h, hosts.index(h))) and len(set(hosts)) == 8, hosts
    assert w.text('#count') == f'{HOME} · 8 hosts', w.text('#count')
    w.has('#refusals', 'The rule “guests get nothing” denies it.')
    w.has('#refusals', '3 times · NOT_AUTHORIZED')
    w.has('#refusals', f'{lab.LAN2} asked for TCP 8080')
    w.has('#rule-rows', 'hostsallow')
    w.has('#health-list', 'nftables, in order')
    w.has('#health-list', 'all written')
    w.has('#health-list', 'br-lan ' + lab.GW)


def t_live(w):
    """A mapping appears, counts down without a request, is renewed and disappears; the list is not asked for again and again"""
    w.show()
    wait(lambda: len(w.rows()) == HOME)
    w.browser.js('window.same = true')
    w.opened(pcp.TCP, 8000, 18000, 120, text='a web server')
    row = w.row(18000)
    wait(lambda: w.row(18000)['description'] == 'a web server')
    wait(lambda: w.fetches('/v1/leases') == 2, what='the page was asked for twice: what was there, and what is new')
    first = row['bar']
    later = wait(lambda: (lambda r: r['bar'] < first - .015 and r)(w.row(18000)), what='the bar gets shorter')
    assert later['left'].startswith('1 min ') and later['left'] != row['left'], later
    assert w.fetches('/v1/leases') == 2
    w.opened(pcp.TCP, 8000, 18000, 600)
    wait(lambda: w.row(18000)['left'].startswith(('10 min', '9 min')), what='it is renewed')
    w.net.forget()
    assert w.ask(pcp.TCP, 8000, 18000, 0).result == pcp.SUCCESS
    wait(lambda: any(r['gone'] for r in w.rows()), what='it is struck out')
    wait(lambda: not any(r['out'] == '18000' for r in w.rows()), what='it is gone')
    assert w.ask(pcp.UDP, 7, client=w.net.client('lan2')).result == pcp.NOT_AUTHORIZED
    w.has('#refusals', 'UDP 7')
    w.until("return document.querySelector('#rate-line polyline') && document.querySelector('#time-line polyline')")
    w.has('#rate', '/s')
    wait(lambda: w.text('#time').endswith(('µs', 'ms')))
    assert w.fetches('/v1/leases') == 2, w.fetches('/v1/leases')
    assert w.browser.js('return window.same')


HOSTILE = ('<img src=x onerror="window.caught=1;alert(1)"><script>window.caught=1</script>', '"\'><svg/onload=alert(1)>&lt;b&gt;',
           '\u202egnp.exe\u2066\u200f', 'W' * 1000, '\u0645\u0631\u062d\u0628\u0627 ' * 40, 'a\u0300' * 300, 'line\nline\r\x1b[31m\x07', '')


def t_hostile(w):
    """What clients write is text and stays in its place; nothing else runs, and nothing is blocked in normal operation"""
    w.show()
    for i, text in enumerate(HOSTILE):
        w.opened(pcp.UDP, 9000 + i, 19000 + i, text=text)
    w.row(19000 + len(HOSTILE) - 1)
    w.until("return list().filter(r => r.description).length >= arguments[0]", len(HOSTILE))
    w.show()
    for size in ((1280, 900), PHONE):
        w.browser.view(*size)
        rows = {r['out']: r for r in wait(lambda: len(w.rows()) == HOME + len(HOSTILE) and w.rows())}
        assert rows['19000']['description'] == HOSTILE[0], rows['19000']
        assert rows['19001']['description'] == HOSTILE[1], rows['19001']
        assert rows['19002']['description'] == '‹U+202E›gnp.exe‹U+2066›‹U+200F›', rows['19002']
        assert '‹U+001B›' in rows['19006']['description'], rows['19006']
        assert all(r['height'] < 130 for r in rows.values()), rows
        w.flawless(size)
        assert w.browser.js("return document.querySelectorAll('img, svg[onload], main script').length") == 0
        assert w.browser.js('return window.caught') is None and w.browser.alert() is None
        assert w.browser.js('return violations') == []
    # and what would run if it got in does not
    assert w.browser.js('''
        let refused = 0;
        try { document.body.innerHTML += '<b>x</b>'; } catch (e) { refused++; }
        const s = document.createElement('style');
        s.textContent = 'body { display: none }';
        document.head.append(s);
        const i = new Image();
        i.src = 'http://127.0.0.1:5380/nothing';
        const b = document.createElement('b');
        b.setAttribute('style', 'color: red');
        document.body.append(b);
        return [refused, getComputedStyle(document.body).display, b.style.color];''') == [1, 'block', '']
    w.until('return new Set(violations.map(v => v.split(" ")[0])).size >= 4', what='violations are seen')
    for i in range(len(HOSTILE)):
        w.net.forget()
        assert w.ask(pcp.UDP, 9000 + i, 0, 0).result == pcp.SUCCESS
    w.browser.log()


def t_looks(w):
    """Light, dark and on phones: contrast of WCAG AA, nothing beyond the screen; still with reduced motion"""
    w.show(motion='reduce')
    wait(lambda: len(w.rows()) == HOME)
    w.opened(pcp.UDP, 3074, 13074, 600, host=OTHER[2], text='PlayStation 5')
    w.row(13074)
    assert w.browser.js('return document.getAnimations().length') == 0
    wait(lambda: len(w.rows()) == HOME + 1)
    w.has('#health-list', 'nftables')
    w.has('#refusals', 'guests')
    w.until("return document.querySelector('#rate-line polyline')")
    phone = {'mobile': True}
    for name, width, height, scheme, options in (('light', 1280, 900, 'light', {}), ('dark', 1280, 900, 'dark', {}),
                                                 ('phone', *PHONE, 'light', phone), ('phone-dark', *PHONE, 'dark', phone),
                                                 ('narrow', 320, 640, 'light', phone), ('middle', 800, 900, 'light', {})):
        w.browser.view(width, height, scheme, motion='reduce', **options)
        w.flawless(name)
        if name in ('light', 'dark', 'phone', 'phone-dark'):
            w.picture(name, whole=name.startswith('phone'))
    assert w.browser.js('return violations') == [] and w.browser.log() == []


def t_keyboard(w):
    """All that can be done is reached by Tab, in the order of the page, and is seen to be"""
    w.show(*PHONE)
    wait(lambda: len(w.rows()) >= HOME)
    names = []
    for _ in range(8):
        w.browser.key(TAB)
        f = w.browser.js('return focus()')
        assert f['outline'] and f['contrast'] >= 3, f
        names.append(f['name'])
    assert names == ['#ports', '#refused', '#rules', '#health', 'what', lab.LAN, OTHER[0], OTHER[1]], names
    w.browser.key(ENTER)
    wait(lambda: [r['host'] for r in w.rows()] == [OTHER[1]], what='only that host is shown')
    assert w.browser.js('return focus()')['name'] == OTHER[1]
    w.has('#say', f'Search for {OTHER[1]}: 1 open port')
    w.browser.write('#what', '')
    wait(lambda: len(w.rows()) >= HOME)


def t_tree(w):
    """What a screen reader is told: landmarks, headings, a table whose cells belong to it, names of all that can be used"""
    w.show()
    wait(lambda: len(w.rows()) >= HOME)
    w.has('#health-list', 'nftables')
    w.has('#refusals', 'guests')
    for size in ((1280, 900), PHONE):
        w.browser.view(*size)
        tree = [n for n in w.browser.cdp('Accessibility.getFullAXTree')['nodes'] if not n['ignored']]

        def of(role):
            return [n['name']['value'] for n in tree if n['role']['value'] == role]
        assert len(of('main')) == len(of('banner')) == len(of('search')) == 1
        assert {'Outside address', 'Requests', 'Time to answer', 'Refused lately', 'Rules', 'Health'} <= set(of('region')), of('region')
        assert {lab.LAN, OTHER[0]} < set(of('heading')) and any(h.startswith('Open ports') for h in of('heading')), of('heading')
        assert of('searchbox') == ['Show only an address, a prefix, a port or a protocol'], of('searchbox')
        assert len(of('table')) == 2 and len(of('row')) > HOME + 8, (of('table'), len(of('row')))
        assert of('columnheader')[:5] == ['Protocol', 'Outside port', 'Inside port', 'What', 'Time left'], of('columnheader')
        assert len(of('cell')) >= 4 * HOME, len(of('cell'))
        assert of('status'), 'no live region'
        for role in ('button', 'link', 'searchbox', 'image', 'img'):
            assert all(of(role)), (role, of(role))
        assert any('last two minutes' in n for n in of('image') + of('img')), of('image')
    assert w.browser.js('''const v = [];
        const how = {childList: true, characterData: true, subtree: true};
        new MutationObserver(() => v.push(1)).observe(document.getElementById('say'), how);
        window.spoken = v; return true''')
    time_is = w.rows()[1]['left']
    wait(lambda: w.rows()[1]['left'] != time_is or w.rows()[-1]['left'] != time_is, what='time goes on')
    assert w.browser.js('return spoken.length') == 0


def t_search(w):
    """An address, a prefix, a port or a protocol is looked for by the server; nonsense is said to be"""
    w.show()
    wait(lambda: len(w.rows()) >= HOME)
    for text, expected in ((OTHER[1], {'32400'}), ('192.0.2.20/31', {'22000', '22001', '32400'}), ('192.0. 5000', {'5000'}),
                           ('443', {'443', '443not translated'}), ('static', {'443'}), ('ipv6', {'443not translated'}),
                           ('rule:"hosts" udp 192.0.2.0/24 nat-pmp', {'3074'}), ('203.0.113.1', set())):
        w.browser.write('#what', text)
        wait(lambda: {r['out'] for r in w.rows()} == expected, what=lambda: f'{text}: {expected}, not {w.rows()}')
        assert w.text('#hint') == '', w.text('#hint')
    assert w.text('#empty') == 'Nothing that is open fits.'
    w.browser.write('#what', 'all sorts')
    w.has('#hint', '“all” is no address')
    w.browser.click('#rule-rows tr:last-child button')
    w.until("return document.getElementById('what').value === 'rule:\"hosts\"' && !document.getElementById('hint').textContent")
    w.browser.write('#what', '')
    wait(lambda: len(w.rows()) >= HOME and not w.text('#hint'))


def t_outside(w):
    """Another outside address is shown at once; that there is none, or a private one, with what that means"""
    w.show()

    def outside(*addresses):
        for a in {lab.EXT, lab.EXT2} - set(addresses):
            w.net.run('gw', 'ip', 'addr', 'del', a + '/24', 'dev', 'wan0')
        for a in addresses:
            w.net.run('gw', 'ip', 'addr', 'add', a + '/24', 'dev', 'wan0')
    try:
        outside(lab.EXT2)
        wait(lambda: w.text('.address') == lab.EXT2, what='the new address')
        w.has('#say', f'Outside: {lab.EXT2}')
        outside()
        w.has('#outside', 'No IPv4 address')
        w.has('#outside', lab.EXT6)
        w.flawless('no IPv4')
        # a pool, so that no interface has such an address
        w.daemon.reload(CONF.replace('interface = "wan0"', 'interface = "wan0"  addresses = { "100.64.0.2" }  private-address = "refuse"'))
        w.has('#outside', '100.64.0.2 is private')
        w.has('#outside', 'NETWORK_FAILURE')
        w.flawless('private')
    finally:
        w.daemon.reload(CONF)
        outside(lab.EXT)
    wait(lambda: w.text('.address') == lab.EXT, what='the first address')


def t_away(w):
    """The daemon goes: the page says so and keeps what it knew; it comes back: live again, without being loaded anew"""
    w.show()
    rows = len(wait(lambda: len(w.rows()) >= HOME and w.rows()))
    w.browser.js('window.same = true')
    assert w.daemon.stop() == 0
    w.has('#state', 'natpcpd has not answered since')
    w.has('#say', 'natpcpd does not answer')
    assert w.browser.js("return document.getElementById('away').checkVisibility()")
    assert len(w.rows()) == rows
    w.flawless('away')
    w.daemon = w.net.daemon(CONF)
    w.until("return document.body.dataset.state === 'live'", seconds=60)
    w.opened(pcp.TCP, 8001, 18001, 600)
    w.row(18001)
    assert not w.browser.js("return document.getElementById('away').checkVisibility()")
    assert w.browser.js('return window.same')
    # the console tells of the connections that were refused, and of nothing else
    assert all('/v1/' in line for line in w.browser.log())


def t_many(w):
    """10,000 mappings: a page of them at a time, forth and back; a storm of events asks for no more than one page a second"""
    n = 10000
    hosts = 100
    w.net.sh('lan', 'ip', '-batch', '-', input=''.join(f'addr add 192.0.2.{100 + i}/32 dev eth0\n' for i in range(hosts)))
    sockets = []
    for i in range(hosts):
        sockets.append(w.net.udp('lan', f'192.0.2.{100 + i}'))

    def storm(lifetime, rounds):
        for round_ in range(rounds):
            for i, s in enumerate(sockets):
                port = 2000 + round_
                s.sendto(pcp.natpmp_map(pcp.UDP, port, 10000 + i * 100 + round_, lifetime), (lab.GW, pcp.PORT))
            for s in sockets:
                assert pcp.decode(s.recv(64)).result == 0
    w.show()
    w.browser.write('#what', 'udp')
    wait(lambda: w.rows() and all(r['protocol'] == 'udp' for r in w.rows()), what='only udp is shown')
    fetches, begin = w.fetches('/v1/leases'), time.monotonic()
    for i in range(30):
        assert w.client.natpmp(pcp.UDP, 1100 + i).result == 0
        threading.Event().wait(.05)
    fetches, seconds = w.fetches('/v1/leases') - fetches, time.monotonic() - begin
    assert fetches <= seconds + 2, (fetches, seconds)
    storm(7200, n // hosts)
    w.browser.write('#what', '')
    wait(lambda: w.daemon.status()['leases'] >= n + HOME)
    w.has('#count', '10,0', seconds=60)
    w.until("return !document.getElementById('pager').hidden")
    w.has('#where', '1–50 of 10,0')
    fetches, begin = w.fetches('/v1/leases'), time.monotonic()
    storm(7300, 20)
    fetches, seconds = w.fetches('/v1/leases') - fetches, time.monotonic() - begin
    assert fetches <= seconds + 2, (fetches, seconds)
    wait(lambda: len(w.rows()) == 50)
    w.picture('ten-thousand')

    def keys():
        return {(r['host'], r['out'], r['protocol']) for r in w.rows()}
    pages = [keys()]
    for i in range(3):
        w.browser.click('#next')
        w.has('#where', f'{50 * (i + 1) + 1}–{50 * (i + 2)} of')
        pages.append(keys())
    assert len(set.union(*pages)) == 200
    for i in (2, 1, 0):
        w.browser.click('#previous')
        wait(lambda: keys() == pages[i], what=f'page {i + 1} again')
    assert w.browser.js("return document.getElementById('previous').getAttribute('aria-disabled')") == 'true'
    w.browser.write('#what', '192.0.2.150')
    w.has('#where', '1–50')
    wait(lambda: {r['host'] for r in w.rows()} == {'192.0.2.150'})
    w.browser.click('#next')
    w.has('#where', '51–100')
    w.until("return document.getElementById('next').getAttribute('aria-disabled') === 'true'")
    assert w.browser.js("return document.getElementsByTagName('*').length") < 1500
    assert w.browser.js('return violations') == []


def main():
    if not webdriver.there():
        print('SKIP browser: chromium and chromium-driver are not installed')
        return 77
    tap.DIRECTORY = None  # what clients send is read by other tests
    tests = [(n[2:], f) for n, f in globals().items() if n.startswith('t_') and (not sys.argv[1:] or n in sys.argv[1:])]
    failed = 0
    try:
        with lab.Lab() as net:
            w = World(net)
            try:
                for name, test in tests:
                    begin = time.monotonic()
                    try:
                        test(w)
                        result = 'PASS'
                    except Exception:
                        failed, result = 1, 'FAIL'
                        print('    ' + traceback.format_exc().replace('\n', '\n    '))
                        print(f'    console: {w.browser.log()}\n    daemon: ' + '\n    '.join(w.daemon.lines[-10:]))
                        w.picture('failed-' + name)
                    print(f'{result} {name}: {test.__doc__.splitlines()[0]} ({time.monotonic() - begin:.1f} s)', flush=True)
            finally:
                w.browser.close()
    except lab.Skip as e:
        print(f'SKIP browser: {e}')
        return 77
    return failed


if __name__ == '__main__':
    sys.exit(main())
