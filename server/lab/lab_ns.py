# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces without names: each is held by a descriptor of this process and is gone with it, however it ends."""
import ctypes
import os
import signal
import subprocess

NEWNS, NEWUSER, NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
libc = ctypes.CDLL(None, use_errno=True)


class NoLab(Exception):
    """This machine, or this user, cannot have a lab."""


class Broken(Exception):
    """The lab failed, or there is not the one that was asked for."""


def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        e = ctypes.get_errno()
        raise OSError(e, f'{name}: {os.strerror(e)}')


def mount(source, target, kind, flags):
    call('mount', source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), None)


def seclude(user_namespace=False):
    """This process gets mounts and an empty network of its own, to which it can come back from others, and the right to make
    more: as root, or as the root of a user namespace of its own where ordinary users may have one."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        if user_namespace or uid != 0:
            raise PermissionError
        call('unshare', NEWNS | NEWNET)
    except PermissionError:
        try:
            call('unshare', NEWNS | NEWNET | NEWUSER)
            for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):
                with open('/proc/self/' + name, 'w') as f:
                    f.write(text)
        except OSError as e:
            raise NoLab(f'needs root, or a system that gives user namespaces to users ({e})') from None
    mount('none', '/', None, MS_REC | MS_PRIVATE)
    call('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cover(path, by):
    """Puts a file in the place of another, for this process and its children. What cannot be covered stays."""
    try:
        mount(by, os.path.realpath(path), None, MS_BIND)
    except OSError:
        pass


def network():
    """A network with nothing in it but a loopback interface that is down: a descriptor."""
    here = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    try:
        call('unshare', NEWNET)
        try:
            return os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
        finally:
            call('setns', here, NEWNET)
    finally:
        os.close(here)


def entry(net, sysfs=False, group=False):
    """What a child does first: it moves into a network, and ends when this process ends in whatever way."""
    def enter():
        call('prctl', PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if group:
            os.setpgid(0, 0)
        call('setns', net, NEWNET)
        if sysfs:  # /sys/class/net shows the interfaces of the network in which it was mounted
            try:
                call('unshare', NEWNS)
                mount('sysfs', '/sys', 'sysfs', 0)
            except OSError:
                pass
    return enter


def spawn(net, argv, sysfs=False, group=False, **options):
    return subprocess.Popen(argv, preexec_fn=entry(net, sysfs, group), **options)


def run(net, argv, text='', check=True, pass_fds=()):
    """Runs a short command in a network; its output. Broken with what it said, if it fails."""
    try:
        p = subprocess.run(argv, input=text, capture_output=True, text=True, preexec_fn=entry(net), pass_fds=pass_fds)
    except FileNotFoundError:
        raise NoLab(f'{argv[0]} is missing') from None
    if check and p.returncode:
        raise Broken(f'{" ".join(argv)}: {(p.stderr or p.stdout).strip()}')
    return p.stdout


def inside(net, function):
    """What function() returns, called in a network, for sockets: they stay in the network in which they were made."""
    here = os.open('/proc/self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    try:
        call('setns', net, NEWNET)
        try:
            return function()
        finally:
            call('setns', here, NEWNET)
    finally:
        os.close(here)


def fork(net, function):
    """A child in a network that calls function() and ends; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        entry(net, group=True)()
        function()
        os._exit(0)
    except BaseException as e:  # nothing of the parent's may run in the child
        os.write(2, f'natpcp-lab: {function.__qualname__}: {e!r}\n'.encode())
        os._exit(1)


def join(pid, net):
    """Goes into the user namespace, the mounts and a network of another lab's process: for natpcp-lab shell."""
    def same(kind):
        return os.stat(f'/proc/{pid}/ns/{kind}').st_ino == os.stat(f'/proc/self/ns/{kind}').st_ino
    spaces = [(f'/proc/{pid}/ns/user', NEWUSER)] if not same('user') else []
    spaces += [(f'/proc/{pid}/fd/{net}', NEWNET), (f'/proc/{pid}/ns/mnt', NEWNS)]
    opened = [(os.open(path, os.O_RDONLY | os.O_CLOEXEC), kind) for path, kind in spaces]
    for fd, kind in opened:
        call('setns', fd, kind)


def descendants():
    """Pids of all that came from this process and still runs: what a command left behind is our child by then."""
    parents = {}
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open(f'/proc/{name}/stat', 'rb') as f:
                    fields = f.read().rpartition(b')')[2].split()
            except OSError:
                continue
            if fields[0] != b'Z':
                parents[int(name)] = int(fields[1])
    found, grew = {os.getpid()}, True
    while grew:
        more = {p for p, parent in parents.items() if parent in found} - found
        found |= more
        grew = bool(more)
    return found - {os.getpid()}


def end_descendants():
    """Ends all that came from this process, also what a command left behind or put into a session of its own."""
    while True:
        left = descendants()
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, 0 if left else os.WNOHANG)[0]:
                left = descendants()
                if left:
                    break
        except ChildProcessError:
            return
