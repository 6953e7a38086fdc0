# SPDX-License-Identifier: GPL-2.0-or-later
"""The gateway's server: natpcp-labd with a configuration made for the lab."""
import json
import os
import signal
import subprocess
import time

import lab_ns

HERE = os.path.dirname(os.path.realpath(__file__))
CONF = '''external "wan" {{ interface = "wan0" }}
listen "lan" {{ interfaces = {{ "lan0" }}  external = "wan"{only} }}
rule "hosts" {{ action = allow  clients = {{ {clients} }} }}
backend {{ {backend} }}
journal {{ path = "{directory}/leases.journal" }}
control {{ socket = "{directory}/control.sock" }}
process {{ user = "" }}
{extra}
'''
INNER, OUTER = '"192.0.2.0/24", "2001:db8:1::/64", "fe80::/10"', '"198.18.0.0/24", "2001:db8:3::/64", "fe80::/10"'
ONLY = {None: '', 'natpmp': '  pcp = false', 'pcp': '  nat-pmp = false'}


def program(directory=HERE):
    """Where natpcp-labd is: installed beside this file, or built in the tree."""
    build = os.environ.get('NATPCP_BUILD', os.path.join(directory, '../../build'))
    for path in (os.path.join(directory, 'natpcp-labd'), os.path.join(build, 'natpcp-labd')):
        if os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise lab_ns.Broken('natpcp-labd is missing: make builds it')


def check(arguments):
    """Why natpcp-labd does not take these faults, or ''."""
    p = subprocess.run([program(), '-t', *arguments], capture_output=True, text=True)
    return p.stderr.strip() if p.returncode else ''


class Server:
    """directory: its own, short, as a socket is in it. said: called with each event."""

    def __init__(self, net, directory, log, only=None, firewall=True, extra='', clients=INNER, arguments=(), said=None):
        self.path = os.path.join(directory, 'natpcpd.conf')
        backend = 'type = "nftables"  forward-chain = "inet filter forward"' if firewall else 'type = "memory"'
        with open(self.path, 'w') as f:
            f.write(CONF.format(only=ONLY[only], backend=backend, directory=directory, extra=extra, clients=clients))
        self.said, self.rest, self.ready = said, b'', False
        self.fifo = os.path.join(directory, 'faults')
        os.mkfifo(self.fifo, 0o600)
        orders = os.open(self.fifo, os.O_RDWR | os.O_CLOEXEC)
        self.log = log
        with open(log, 'ab') as f:
            self.process = lab_ns.spawn(net, [program(), '-c', self.path, '--orders', *arguments], group=True, stdin=orders,
                                        stdout=subprocess.PIPE, stderr=f)
        self.orders = orders
        os.set_blocking(self.process.stdout.fileno(), False)

    def fileno(self):
        return self.process.stdout.fileno()

    def readable(self):
        """Takes what it says; False at the end."""
        data = os.read(self.fileno(), 65536)
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in lines:
            if line == b'ready':
                self.ready = True
            elif line.startswith(b'{') and self.said:
                self.said(json.loads(line))
        return bool(data)

    def tell(self, line):
        """A fault's words, or begin: the time of the faults starts now."""
        os.write(self.orders, line.encode() + b'\n')

    def why(self):
        with open(self.log, errors='replace') as f:
            return '\n'.join(f.read().splitlines()[-5:])

    def close(self):
        """Ends it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        deadline = time.monotonic() + 1
        os.set_blocking(self.fileno(), True)
        while self.readable() and time.monotonic() < deadline:
            pass
        self.process.stdout.close()
        os.close(self.orders)
        return code
