# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon to whom tests/netns/trouble.c does what a test orders."""
import mmap
import os
import struct

import lab

ORDERS = ('fail_in', 'fail_n', 'calls', 'held', 'lose_in', 'disturb', 'bus', 'received', 'small', 'suspended', 'wall_s')
ROUTE, NETFILTER = 0, 12


class Trouble:
    """Each of ORDERS is an attribute that both sides read and write."""

    def __init__(self, net, **orders):
        library = os.path.join(lab.BUILD, 'tests/netns/trouble.so')
        if not os.path.exists(library) or lab.BUILD.rstrip('/').endswith('-san'):
            raise lab.Skip('a sanitizer wants to be the only one that is preloaded')
        path = os.path.join(net.dir, 'trouble')
        with open(path, 'w+b') as f:
            f.truncate(8 * len(ORDERS))
            # the daemon may run as somebody else
            os.chmod(path, 0o666)
            self.__dict__['map'] = mmap.mmap(f.fileno(), 8 * len(ORDERS))
        for k, v in orders.items():
            setattr(self, k, v)
        self.__dict__['prefix'] = ('env', 'LD_PRELOAD=' + os.path.abspath(library), 'NATPCP_TROUBLE=' + path)

    def __getattr__(self, name):
        return struct.unpack_from('=q', self.map, 8 * ORDERS.index(name))[0]

    def __setattr__(self, name, value):
        struct.pack_into('=q', self.map, 8 * ORDERS.index(name), value)
