# SPDX-License-Identifier: GPL-2.0-or-later
"""What has to be done as a whole, whoever is told to end meanwhile."""
import signal
from contextlib import contextmanager


@contextmanager
def undisturbed():
    """Signals wait, so that namespaces are made and removed as a whole; the programs that do it inherit that."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
