# SPDX-License-Identifier: GPL-2.0-or-later
"""A lab from begin to end: networks, server, capture, what a command does in it, and the facts for the report."""
import contextlib
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import lab_link
import lab_net
import lab_ns
import lab_pcap
import lab_server

READY_S = 10
GRACE_S = 5     # for a command that was asked to end
LINGER_S = 0.3  # what is still on its way when it has ended
FILES = 'lan.pcap', 'lab.json', 'report.json', 'gateway.log', 'isp.log'


def in_terminal():
    """Whether Ctrl-C, which is for all that run in a terminal, is for us and the command."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


class Lab:
    """o: the options of natpcp-lab. Use it as a context: whatever ends it, nothing is left."""

    def __init__(self, o, report):
        self.o, self.report = o, os.path.abspath(report)
        self.network = self.server = self.outer = self.capture = None
        self.events, self.stop, self.typed = [], 0, False
        self.facts, self.directory = {}, ''
        self.made = []  # directories, for the report
        self.wake, self.waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # begin

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.close()
            for path in reversed(self.made):
                with contextlib.suppress(OSError):  # not empty: there is what the server said
                    os.rmdir(path)
            raise
        return self

    def __exit__(self, kind, *_):
        codes = self.close()
        if kind is None and any(codes):
            raise lab_ns.Broken(f'the gateway ended with {max(codes, key=abs)}, see gateway.log')

    def start(self):
        lab_ns.seclude(self.o.user_namespace)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.asked)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.directory = tempfile.mkdtemp(prefix='natpcp-lab-')
        self.make(self.report)
        empty = os.path.join(self.directory, 'resolv.conf')
        open(empty, 'w').close()
        lab_ns.cover('/etc/resolv.conf', empty)  # there is no name server inside
        lines = self.lines()
        self.network = lab_net.Network(self.o.double_nat, lines, self.o.emulate, self.o.seed)
        if self.o.memory:
            self.network.firewall = False
        self.network.reached()
        self.serve()
        self.capture = lab_pcap.Capture(self.network.net['switch'], 'to_lan2' if self.o.on == 'lan2' else 'to_lan',
                                        os.path.join(self.report, 'lan.pcap'))
        if not self.wait(lambda: self.server.ready and (not self.outer or self.outer.ready), READY_S):
            raise lab_ns.Broken(f'the gateway is not ready after {READY_S} s')

    def make(self, path):
        """A directory and those above it that lack."""
        if not os.path.isdir(path):
            self.make(os.path.dirname(path))
            try:
                os.mkdir(path)
                self.made.append(path)
            except FileExistsError:  # by another lab just now
                pass

    def lines(self):
        """What befalls frames to the gateway and from it."""
        values = {name: getattr(self.o, name) for name in lab_link.OPTIONS if getattr(self.o, name)}
        if not values:
            return None, None
        if not self.o.emulate and not lab_link.has_netem():
            self.o.emulate = True
            print('natpcp-lab: this kernel has no netem: a process of the lab does the same to each frame', flush=True)
        return tuple(lab_link.Faults(**values) if self.o.direction in ('both', way) else None for way in ('up', 'down'))

    def serve(self):
        net = self.network.net
        extra = ''
        if self.o.conf:
            with open(self.o.conf) as f:
                extra = f.read()
        self.server = lab_server.Server(net['gw'], self.directory, os.path.join(self.report, 'gateway.log'), self.o.only,
                                        self.network.firewall, extra, arguments=self.o.server_arguments, said=self.said)
        if self.o.double_nat:
            directory = os.path.join(self.directory, 'isp')
            os.mkdir(directory)
            self.outer = lab_server.Server(net['isp'], directory, os.path.join(self.report, 'isp.log'),
                                           firewall=self.network.firewall, clients=lab_server.OUTER)

    # in between

    def asked(self, number, _):
        self.stop += 1
        self.typed = number == signal.SIGINT and in_terminal()
        if self.stop > 2:  # somebody is very impatient: the children end with us
            os._exit(128 + number)

    def said(self, event):
        """Every fault that the server applied; of what is outside of it, it only says when."""
        self.events.append(event)
        if event['what'] == 'address':
            self.network.move_outside(event.get('to'))

    def turn(self, seconds):
        """Takes what comes, for at most so long."""
        servers = [s for s in (self.server, self.outer) if s]
        for r in select.select([*servers, self.wake], (), (), max(0.0, seconds))[0]:
            if r == self.wake:
                try:
                    os.read(self.wake, 4096)
                except BlockingIOError:
                    pass
            elif not r.readable():
                raise lab_ns.Broken(f'the gateway ended with {r.process.wait()}: {r.why()}')

    def wait(self, condition, seconds):
        """Until it is true, or so long; whether it is."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.turn(min(left, 3600))
        return True

    def environment(self):
        """What a command may want to know."""
        gateway4, gateway6 = lab_net.GATEWAY
        return dict(os.environ, NATPCP_LAB=self.o.name or 'run', NATPCP_LAB_GATEWAY=gateway4, NATPCP_LAB_GATEWAY6=gateway6,
                    NATPCP_LAB_ADDRESS=lab_net.HOSTS[self.o.on][0], NATPCP_LAB_ADDRESS6=lab_net.HOSTS[self.o.on][1],
                    NATPCP_LAB_EXTERNAL=self.network.outside or '', NATPCP_LAB_REMOTE=lab_net.REMOTE)

    def begin(self, command=()):
        """The facts as they are before anything happens; the faults' time starts."""
        outer = {self.network.outside, lab_net.OUTSIDE}
        self.facts = {
            'client': [*lab_net.HOSTS[self.o.on], *self.network.address(self.o.on, 'eth0')],
            'gateway': [*lab_net.GATEWAY, *self.network.address('gw', 'lan0')],
            'external': sorted(outer),
            'begin': time.time(),
            'end': None,
            'command': list(command),
            'exit': None,
            'alive_at_end': False,
            'faults': self.o.faults_given,
            'events': self.events,
        }
        self.server.tell('begin')

    def command(self, argv, seconds=None):
        """Runs a command on the host until it ends, or is ended: after so many seconds, or as this process is. Its exit
        code, negative for a signal."""
        self.begin(argv)
        try:
            p = lab_ns.spawn(self.network.net[self.o.on], argv, sysfs=True, env=self.environment())
        except FileNotFoundError:
            raise lab_ns.Broken(f'{argv[0]}: there is no such command') from None
        except subprocess.SubprocessError as e:
            raise lab_ns.Broken(f'{argv[0]}: {e}') from None
        self.wait(lambda: p.poll() is not None or self.stop, seconds or 1e9)
        # its time is over, or somebody wants to go: what it does now is how it cleans up
        alive = p.poll() is None or self.typed
        self.facts['alive_at_end'] = alive
        self.facts['end'] = time.time()
        if self.typed:  # a second signal may mean to it that it is to hurry
            self.events.append({'at': time.time(), 'what': 'interrupt'})
            self.wait(lambda: p.poll() is not None or self.stop > 1, GRACE_S)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if p.poll() is None:
                self.events.append({'at': time.time(), 'what': 'terminate' if number == signal.SIGTERM else 'kill'})
                p.send_signal(number)
                self.wait(lambda: p.poll() is not None, GRACE_S)
        self.facts['exit'] = p.returncode
        self.wait(lambda: False, self.o.linger)
        return p.returncode

    # end

    def finish(self):
        """Writes what was found out; the directory is complete then."""
        self.capture.close()
        self.capture = None
        self.facts['end'] = self.facts['end'] or time.time()
        path = os.path.join(self.report, 'lab.json')
        with open(path + '.new', 'w') as f:
            json.dump(self.facts, f, indent=1)
            f.write('\n')
        os.replace(path + '.new', path)
        self.give_back()

    def give_back(self, *others):
        """What we made for the report, and these files, belong to whoever called sudo. Nothing else does."""
        uid, gid = os.environ.get('SUDO_UID'), os.environ.get('SUDO_GID')
        if os.geteuid() != 0 or not uid or not gid:
            return
        for path in (*self.made, *(os.path.join(self.report, name) for name in FILES), *others):
            try:
                if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                    os.chown(path, int(uid), int(gid), follow_symlinks=False)
            except OSError:  # not there, or in a user namespace that has nobody else
                pass

    def close(self):
        """Ends all; the exit codes of the servers."""
        codes = [s.close() for s in (self.server, self.outer) if s]
        lab_ns.end_descendants()
        if self.network:
            self.network.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        return codes
