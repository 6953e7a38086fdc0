# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that runs meanwhile, and says something line by line that is waited for, with a deadline."""
import os
import select
import subprocess
import time


class Program:
    def __init__(self, *argv, **environment):
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        env=dict(os.environ, **environment))
        self.rest = b''

    def line(self, seconds=20):
        end = time.monotonic() + seconds
        while b'\n' not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f'{self.process.args}: no line within {seconds} s')
            octets = os.read(self.process.stdout.fileno(), 4096)
            assert octets, f'{self.process.args}: ended with {self.process.wait()}'
            self.rest += octets
        line, self.rest = self.rest.split(b'\n', 1)
        return line.decode()

    def stop(self):
        """SIGTERM; what it still says is left for line() until it has ended. Its exit code comes from wait()."""
        self.process.terminate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
