# SPDX-License-Identifier: GPL-2.0-or-later
"""A journal in other hands: reads its records and writes them anew, by the layout alone (server/core/record.h)."""
import struct
import zlib

SIZE = 96
HEADER, STATE, LEASE, END, PART = range(1, 6)


def records(data):
    """Each record with its parts, as octets; raises ValueError where one is not whole."""
    out, sum_ = [], 0
    for at in range(0, len(data), SIZE):
        r = data[at:at + SIZE]
        before = sum_ if r[0] == PART else 0
        sum_ = zlib.crc32(r[:-4], before)
        if len(r) < SIZE or struct.unpack('>I', r[-4:])[0] != sum_:
            raise ValueError(f'no record at {at}')
        if r[0] == PART:
            out[-1] += r
        else:
            out.append(r)
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
