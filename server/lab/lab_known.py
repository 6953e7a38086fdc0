# SPDX-License-Identifier: GPL-2.0-or-later
"""The labs that have a name and run: one file each, locked as long as its lab lives, so that nobody is misled by a dead
one's."""
import fcntl
import json
import os
import re
import signal
import time

import lab_ns


def directory():
    if os.geteuid() == 0:
        return '/run/natpcp-lab'
    return os.path.join(os.environ.get('XDG_RUNTIME_DIR') or f'/tmp/natpcp-lab-{os.geteuid()}', 'natpcp-lab')


def path(name):
    if not re.fullmatch(r'[A-Za-z0-9_.-]{1,40}', name) or name.startswith('.'):
        raise lab_ns.Broken(f'{name}: a name is of letters, digits, dots and dashes')
    return os.path.join(directory(), name)


class Entry:
    """A name that is taken until close()."""

    def __init__(self, name):
        self.path = path(name)
        os.makedirs(directory(), mode=0o700, exist_ok=True)
        if os.stat(directory()).st_uid != os.geteuid():
            raise lab_ns.Broken(f'{directory()} is not ours')
        self.file = open(self.path, 'a+')
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # not one that its lab has just removed
            taken = not os.path.samestat(os.fstat(self.file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            taken = True
        except BlockingIOError:
            taken = True
        if taken:
            raise lab_ns.Broken(f'there is a lab {name} already (natpcp-lab down --name {name} ends it)')
        self.file.truncate(0)

    def write(self, **facts):
        self.file.write(json.dumps(dict(facts, pid=os.getpid())) + '\n')
        self.file.flush()

    def close(self):
        os.unlink(self.path)
        self.file.close()


def alive(file):
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False


def find(name):
    """The facts of a lab that runs."""
    try:
        with open(path(name)) as f:
            if alive(f):
                text = f.read()
                if text:
                    return json.loads(text)
    except FileNotFoundError:
        pass
    raise lab_ns.Broken(f'there is no lab {name} (natpcp-lab up --name {name} makes one)')


def end(name, seconds=20):
    """Ends a lab and waits for it."""
    facts = find(name)
    with open(path(name)) as f:
        os.kill(facts['pid'], signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while alive(f):
            if time.monotonic() > deadline:
                raise lab_ns.Broken(f'the lab {name} does not end (process {facts["pid"]})')
            time.sleep(0.02)
    return facts
