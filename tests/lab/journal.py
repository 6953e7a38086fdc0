# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal in other hands: reads its records and writes them anew, by the layout alone (server/core/record.h)."""
import struct
import zlib
from types import SimpleNamespace

import pcp

SIZE = 96
HEADER, STATE, LEASE, END, PART = range(1, 6)


def prefix(data):
    """The good records at the start, each with its parts, as octets; and where something begins that is none, or None."""
    out, at = [], 0
    while at < len(data):
        r, sum_, parts = b'', 0, 0
        while len(r) <= parts * SIZE:
            one = data[at + len(r):at + len(r) + SIZE]
            sum_ = zlib.crc32(one[:-4], sum_)
            if len(one) < SIZE or struct.unpack('>I', one[-4:])[0] != sum_ or (one[0] == PART) != bool(r):
                return out, at
            if not r and one[0] in (LEASE, END):
                parts = one[1]
            r += one
        out.append(r)
        at += len(r)
    return out, None


def records(data):
    """All of them; raises ValueError where one is not whole."""
    out, bad = prefix(data)
    if bad is not None:
        raise ValueError(f'no record at {bad}')
    return out


def seal(r):
    """The record with the right checksum; it has no parts."""
    assert len(r) == SIZE
    return r[:-4] + struct.pack('>I', zlib.crc32(r[:-4]))


def kinds(path):
    with open(path, 'rb') as f:
        return [r[0] for r in records(f.read())]


def change(path, **how):
    """Writes the file anew as if it had been written in other circumstances: boot (16 octets), wall (ms by which the wall
    clock showed more), behind, clean, always."""
    with open(path, 'rb') as f:
        all_ = records(f.read())
    for i, r in enumerate(all_):
        if r[0] == HEADER:
            r = r[:22] + how.get('boot', r[22:38]) + r[38:]
            if 'behind' in how:
                r = r[:2] + bytes([how['behind']]) + r[3:]
        elif r[0] == STATE:
            wall = struct.unpack('>Q', r[36:44])[0] + how.get('wall', 0)
            flags = r[2]
            for bit, name in ((2, 'clean'), (8, 'always')):
                if name in how:
                    flags = flags & ~bit | (bit if how[name] else 0)
            r = r[:2] + bytes([flags]) + r[3:36] + struct.pack('>Q', wall) + r[44:]
        else:
            continue
        all_[i] = seal(r)
    with open(path, 'wb') as f:
        f.write(b''.join(all_))


def replay(path):
    """What a reader has of the file at path, told anew from the layout: found ('none', 'part', 'whole'), boot, behind,
    clean, always, last_ms, leases by (protocol, internal address, internal port, remote or None)."""
    past = SimpleNamespace(found='none', boot=None, behind=False, clean=False, always=False, state_ms=0, wall_ms=0, last_ms=0,
                           leases={})
    try:
        with open(path, 'rb') as f:
            data = f.read()
    except FileNotFoundError:
        return past
    good, bad = prefix(data)
    states = 0
    for r in good:
        past.clean = False
        past.last_ms = max(past.last_ms, struct.unpack('>Q', r[4:12])[0])
        if r[0] == HEADER:
            past.boot, past.behind = r[22:38], bool(r[2] & 1)
        elif r[0] == STATE:
            states += 1
            past.clean, past.always = bool(r[2] & 2), bool(r[2] & 8)
            past.state_ms, past.wall_ms = struct.unpack('>QQ', r[28:44])
        else:
            play(past.leases, r)
    if states:
        past.found = 'part' if bad is not None or past.behind else 'whole'
    return past


def play(leases, r):
    protocol, origin, held = r[12], r[14], r[2] & 4
    internal, external = struct.unpack('>HH', r[16:20])
    rest = b''.join(r[at + 2:at + SIZE - 4] for at in range(SIZE, len(r), SIZE)) or bytes(42)
    remote_port, more = struct.unpack('>HH', rest[32:36])
    key = (protocol, pcp.text(r[22:38]), internal, (pcp.text(rest[:16]), remote_port) if remote_port else None)
    lease = SimpleNamespace(external=(pcp.text(r[38:54]), external), more=more, origin=origin, nonce=r[54:66],
                            expires_ms=struct.unpack('>Q', r[66:74])[0])
    if r[0] == LEASE and not held:
        leases[key] = lease
    elif r[0] == END or key in leases and leases[key].external == lease.external:
        leases.pop(key, None)


def name(text):
    """A section of the configuration, in 32 bits."""
    return zlib.crc32(text.encode()) or 1


def header(boot, now_ms):
    return seal((struct.pack('>BBBBQ8sH', HEADER, 0, 0, 0, now_ms, b'natpcpd\0', 1) + boot).ljust(SIZE, b'\0'))


def state(now_ms, wall_ms, natpmp_ms, pcp_ms, clean):
    return seal(struct.pack('>BBBBQQQQQ', STATE, 0, 2 if clean else 0, 0, now_ms, natpmp_ms, pcp_ms, now_ms, wall_ms)
                .ljust(SIZE, b'\0'))


def lease(now_ms, protocol, inside, outside, expires_ms, listen, external, nonce=bytes(12)):
    """Of PCP, with nothing that needs another record; inside, outside: (16 octets, port)."""
    return seal(struct.pack('>BBBBQ4B3H16s16s12sQII', LEASE, 0, 0, 0, now_ms, protocol, 0, 1, 0, inside[1], outside[1], 5350,
                            inside[0], outside[0], nonce, expires_ms, listen, external).ljust(SIZE, b'\0'))
