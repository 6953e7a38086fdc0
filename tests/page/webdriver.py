# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of WebDriver as the page's tests need, by HTTP; and Chromium's own commands by the same way."""
import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
ARGUMENTS = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--mute-audio',
             '--disable-extensions', '--disable-component-update', '--disable-background-networking', '--disable-sync',
             '--disable-default-apps', '--force-color-profile=srgb', '--no-proxy-server', '--window-size=1280,900',
             # nobody answers for names in a namespace, and it would wait for half a minute
             '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1']


def there():
    return shutil.which('chromedriver') and shutil.which('chromium')


class Refused(Exception):
    pass


class Browser:
    """Chromium and its driver. inside(fn) makes a socket where they run, command(argv) runs a program there."""

    def __init__(self, command=lambda argv: argv, inside=lambda fn: fn()):
        self.inside, self.session = inside, None
        self.home = tempfile.mkdtemp(prefix='natpcp-browser-')
        with inside(lambda: socket.socket()) as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        env = dict(os.environ, HOME=self.home, XDG_CONFIG_HOME=self.home, XDG_CACHE_HOME=self.home, TMPDIR=self.home)
        for name in [n for n in env if n.lower().endswith('_proxy')]:
            del env[name]
        self.process = subprocess.Popen(command(['chromedriver', f'--port={self.port}']), env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            for line in self.process.stdout:
                if 'started successfully' in line:
                    break
            options = {'args': [*ARGUMENTS, f'--user-data-dir={self.home}/profile'], 'binary': shutil.which('chromium')}
            capabilities = {'browserName': 'chrome', 'goog:chromeOptions': options, 'goog:loggingPrefs': {'browser': 'ALL'},
                            'unhandledPromptBehavior': 'ignore'}
            self.session = self.ask('POST', '/session', {'capabilities': {'alwaysMatch': capabilities}})['sessionId']
        except Exception:
            self.close()
            raise

    def ask(self, method, path, value=None):
        c = http.client.HTTPConnection('127.0.0.1', self.port, timeout=180)
        with self.inside(lambda: socket.socket()) as s:
            s.settimeout(180)
            s.connect(('127.0.0.1', self.port))
            c.sock = s
            c.request(method, path, None if value is None else json.dumps(value), {'Content-Type': 'application/json'})
            r = json.loads(c.getresponse().read())['value']
        if isinstance(r, dict) and 'error' in r:
            raise Refused(f"{r['error']}: {r['message']}")
        return r

    def close(self):
        try:
            if self.session:
                self.ask('DELETE', '/session/' + self.session)
        finally:
            self.process.terminate()
            self.process.wait(60)
            self.process.stdout.close()
            shutil.rmtree(self.home, ignore_errors=True)

    def do(self, what, value=None):
        return self.ask('POST', f'/session/{self.session}/{what}', value or {})

    def open(self, url):
        self.do('url', {'url': url})

    def js(self, body, *arguments):
        """The value of a function's body."""
        return self.do('execute/sync', {'script': body, 'args': list(arguments)})

    def wait_js(self, body, *arguments):
        """The same for one that calls its last argument when it is done."""
        return self.do('execute/async', {'script': body, 'args': list(arguments)})

    def cdp(self, command, **parameters):
        return self.do('goog/cdp/execute', {'cmd': command, 'params': parameters})

    def element(self, selector):
        return self.do('element', {'using': 'css selector', 'value': selector})[ELEMENT]

    def click(self, selector):
        self.do(f'element/{self.element(selector)}/click')

    def write(self, selector, text):
        e = self.element(selector)
        self.do(f'element/{e}/clear')
        if text:
            self.do(f'element/{e}/value', {'text': text})

    def key(self, *keys):
        """Keys, one after the other, to what has the focus. WebDriver's private code points are keys: Tab is \\ue004."""
        actions = [{'type': kind, 'value': k} for k in keys for kind in ('keyDown', 'keyUp')]
        self.do('actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': actions}]})

    def log(self):
        """What the console said since it was last asked."""
        return [e['message'] for e in self.do('se/log', {'type': 'browser'})]

    def alert(self):
        try:
            return self.ask('GET', f'/session/{self.session}/alert/text')
        except Refused:
            return None

    def view(self, width, height, scheme='light', mobile=False, motion='no-preference'):
        self.cdp('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=2 if mobile else 1, mobile=mobile)
        self.cdp('Emulation.setEmulatedMedia', features=[{'name': 'prefers-color-scheme', 'value': scheme},
                                                         {'name': 'prefers-reduced-motion', 'value': motion}])

    def picture(self, path, whole=False):
        data = self.cdp('Page.captureScreenshot', format='png', captureBeyondViewport=whole,
                        **({'clip': self.whole()} if whole else {}))['data']
        with open(path, 'wb') as f:
            f.write(base64.b64decode(data))

    def whole(self):
        size = self.cdp('Page.getLayoutMetrics')['cssContentSize']
        return {'x': 0, 'y': 0, 'width': size['width'], 'height': min(size['height'], 6000), 'scale': 1}
