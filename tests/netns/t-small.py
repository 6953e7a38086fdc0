#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small box: what natpcpd takes of its memory."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from lab import BUILD, Skip, conf
from pcp import SUCCESS, TCP, UDP

LEASES = 100


def memory(pid):
    """KB by name, of what the process has resident."""
    kb = {}
    for name in ('smaps_rollup', 'status'):
        with open(f'/proc/{pid}/{name}') as f:
            kb.update((k, int(v)) for k, v in re.findall(r'^(\w+):\s+(\d+) kB$', f.read(), re.M))
    return kb


def test_memory(net):
    """100 leases, with nftables, a journal and the control socket: what is natpcpd's alone is little"""
    if BUILD.rstrip('/').endswith('-san'):
        raise Skip('a sanitizer has memory of its own')
    d = net.daemon(conf('limits { mappings-per-client = 1000  requests-per-second = 0 }',
                        journal='journal { path = "@DIR@/leases.journal" }'))
    c = net.client()
    for port in range(4000, 4000 + LEASES // 2):
        assert c.map(UDP, port, port + 36000).result == SUCCESS
        assert c.natpmp(TCP, port, port + 36000).result == SUCCESS
    assert len(d.leases()) == LEASES
    kb = memory(d.process.pid)
    private = kb['Private_Clean'] + kb['Private_Dirty']
    # what it shares with whatever else is linked with a library is not its own
    assert kb['RssAnon'] < 1536 and private < 3072, kb


lab.main(globals())
