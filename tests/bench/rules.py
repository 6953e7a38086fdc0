#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies the rules of a chain that are about a port, once for each of many other ports, byte for byte.

usage: rules.py FAMILY TABLE PORT FIRST COUNT CHAIN ...

nft cannot do it: it does not read all the rules that it lists. Only the two octets of PORT become others, so PORT must be a
number that nothing else in a rule looks like. To be run in the namespace of the router.
"""
import socket
import struct
import sys

NFNETLINK, SUBSYSTEM = 12, 10 << 8
BATCH_BEGIN, BATCH_END, NEWRULE, GETRULE = 0x10, 0x11, SUBSYSTEM | 6, SUBSYSTEM | 7
REQUEST, ACK, DUMP, CREATE, APPEND = 1, 4, 0x300, 0x400, 0x800
ERROR, DONE = 2, 3
TABLE, CHAIN, EXPRESSIONS, USERDATA = 1, 2, 4, 7
FAMILIES = {'inet': 1, 'ip': 2, 'ip6': 10}
AT_ONCE = 200


def attribute(kind, data):
    return struct.pack('=HH', 4 + len(data), kind) + data + b'\0' * (-len(data) % 4)


def message(kind, flags, family, payload=b'', resource=0):
    data = struct.pack('=BBH', family, 0, socket.htons(resource)) + payload
    return struct.pack('=IHHII', 16 + len(data), kind, REQUEST | flags, 1, 0) + data


def attributes(data):
    while len(data) >= 4:
        length, kind = struct.unpack_from('=HH', data)
        yield kind & 0x3fff, data[4:length]
        data = data[length + 3 & ~3:]


def messages(s):
    """Until the end of a dump, or of a batch."""
    while True:
        data = s.recv(1 << 17)
        while data:
            length, kind = struct.unpack_from('=IH', data)
            if kind == ERROR:
                error = struct.unpack_from('=i', data, 16)[0]
                if error:
                    raise OSError(-error, 'nftables')
            if kind in (ERROR, DONE):
                return
            yield data[20:length]
            data = data[length:]


def main():
    family, table, chains = FAMILIES[sys.argv[1]], sys.argv[2].encode() + b'\0', sys.argv[6:]
    port, first, count = map(int, sys.argv[3:6])
    old = struct.pack('!H', port)
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NFNETLINK)
    s.bind((0, 0))
    rules = []
    for chain in chains:
        where = attribute(TABLE, table) + attribute(CHAIN, chain.encode() + b'\0')
        s.send(message(GETRULE, DUMP, family, where))
        for m in messages(s):
            rule = dict(attributes(m))
            if rule[CHAIN] == chain.encode() + b'\0' and old in rule.get(EXPRESSIONS, b''):
                rules.append((where, rule[EXPRESSIONS], rule.get(USERDATA)))
    if not rules:
        return 'rules: there is none about that port'
    for start in range(first, first + count, AT_ONCE):
        batch = [message(BATCH_BEGIN, 0, 0, resource=10)]
        for new in range(start, min(start + AT_ONCE, first + count)):
            for where, expressions, userdata in rules:
                kept = attribute(USERDATA, userdata) if userdata else b''
                body = where + attribute(EXPRESSIONS | 0x8000, expressions.replace(old, struct.pack('!H', new))) + kept
                batch.append(message(NEWRULE, CREATE | APPEND, family, body))
        # the last one is acknowledged, and everything that fails is
        kind, flags = struct.unpack_from('=HH', batch[-1], 4)
        batch[-1] = batch[-1][:4] + struct.pack('=HH', kind, flags | ACK) + batch[-1][8:]
        s.send(b''.join([*batch, message(BATCH_END, 0, 0, resource=10)]))
        list(messages(s))
    return 0


if __name__ == '__main__':
    sys.exit(main())
