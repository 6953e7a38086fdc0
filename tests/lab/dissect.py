#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dissect.py DIR   lets tshark read what natpcpd and natpcpc sent in the tests: tests/lab/tap.py left it in DIR.

What they were sent may be malformed, tests do that on purpose; what they send may not. An error repeats its request
(RFC 6887 8.3), so the rest of one whose request was malformed is what it should be if it is that request.
Prints "PASS name: what" or "FAIL name: what" for each program. Exit code 77: no tshark here.
"""
import glob
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import tap

SHOWN = 10           # complaints of one program
EXPERT_ERROR = 0x800000
REPEATED = 1100      # octets of a request at most
VERSION_ERROR = bytes((0, 128, 0, 1))  # tshark does not know that it is so short: RFC 6886 3.5
FIELDS = ('frame.protocols', 'nat-pmp.opcode', 'portcontrol.opcode', '_ws.malformed', '_ws.expert.severity',
          '_ws.expert.message')


class Packet:
    def __init__(self, file, octets):
        self.file, self.octets = os.path.basename(file), octets
        self.outgoing = struct.unpack_from('!H', octets)[0] == tap.OUTGOING
        v6 = octets[16] >> 4 == 6
        at = 16 + (40 if v6 else 4 * (octets[16] & 15))
        self.source, self.destination = (octets[24:40], octets[40:56]) if v6 else (octets[28:32], octets[32:36])
        self.at = at
        self.source_port, self.destination_port, length = struct.unpack_from('!HHH', octets, at)
        self.data = octets[at + 8:at + length]
        self.request = None

    def record(self):
        """For the pcap file. tshark goes by the lower port: one from 53 would be DNS."""
        octets = bytearray(self.octets)
        for at, port in ((self.at, self.source_port), (self.at + 2, self.destination_port)):
            if port < 5350:
                struct.pack_into('!H', octets, at, 40000)
        return struct.pack('<IIII', 0, 0, len(octets), len(octets)) + octets

    def who(self):
        if self.file.startswith('natpcpc'):
            return 'natpcpc'
        return 'natpcpd' if self.outgoing and self.source_port == 5351 else None

    def is_copy(self):
        """True for an error that repeats a request, which tshark complains of too, and has nothing else beside the header."""
        d, r = self.data, self.request
        if not r or not r.complaint or len(d) < 24 or d[0] != 2 or not d[1] & 128 or not d[3]:
            return False
        copied = r.data[24:REPEATED]
        return d[24:] == copied + bytes(-len(copied) % 4)

    def judge(self, protocols, natpmp, pcp, malformed, severities, message):
        self.kind = 'NAT-PMP' if natpmp else 'PCP' if pcp else None
        self.complaint = ''
        if malformed or any(int(s) >= EXPERT_ERROR for s in severities.split(',') if s):
            self.complaint = message or 'malformed'
        elif not self.kind:
            self.complaint = 'is neither protocol: ' + protocols


def packets(path):
    with open(path, 'rb') as f:
        data = f.read()
    at, asked = len(tap.HEAD), {}
    while at < len(data):
        length = struct.unpack_from('<I', data, at + 8)[0]
        p = Packet(path, data[at + 16:at + 16 + length])
        at += 16 + length
        if p.who() is None:
            asked[p.source, p.source_port] = p
        else:
            p.request = asked.get((p.destination, p.destination_port))
        yield p


def dissect(seen):
    with tempfile.NamedTemporaryFile(suffix='.pcap') as f:
        f.write(tap.HEAD + b''.join(p.record() for p in seen))
        f.flush()
        fields = [word for name in FIELDS for word in ('-e', name)]
        done = subprocess.run(['tshark', '-n', '-r', f.name, '-T', 'fields', *fields], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors='replace', timeout=600)
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) != len(seen):
        raise SystemExit(f'tshark: {len(lines)} of {len(seen)} packets\n{done.stderr}')
    for p, line in zip(seen, lines):
        p.judge(*line.split('\t'))


def main():
    if not shutil.which('tshark'):
        print('SKIP tshark reads what was sent: no tshark')
        return 77
    seen = [p for path in sorted(glob.glob(os.path.join(sys.argv[1], '*.pcap'))) for p in packets(path)]
    dissect(seen)
    failed = False
    for program in ('natpcpd', 'natpcpc'):
        sent = [p for p in seen if p.who() == program]
        bad = [p for p in sent if p.complaint and not p.is_copy()
               and not (p.data[:4] == VERSION_ERROR and len(p.data) == 8)]
        for p in bad[:SHOWN]:
            print(f'{p.file}: {p.complaint}: {p.data.hex()}')
        counts = ', '.join(f'{sum(1 for p in sent if p.kind == k)} of {k}' for k in ('NAT-PMP', 'PCP'))
        print(f'{"FAIL" if bad or not sent else "PASS"} tshark reads what {program} sent: '
              f'{len(sent)} packets, {counts}, {len(bad)} of them malformed')
        failed = failed or bad or not sent
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
