# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT-PMP and PCP messages as a client and a gateway send them, taken apart for the verdict."""
import ipaddress
import struct

SERVER_PORT, CLIENT_PORT = 5351, 5350
TCP, UDP = 6, 17
ANNOUNCE, MAP, PEER = 0, 1, 2
THIRD_PARTY, PREFER_FAILURE = 1, 2
SUCCESS, UNSUPP_VERSION, NO_RESOURCES = 0, 1, 8
PORTED = (6, 17, 33, 132, 136)  # protocols with ports of 16 bits: TCP, UDP, DCCP, SCTP, UDP-Lite
NATPMP_CODES = 5                # RFC 6886 3.5 names 0 to 5
MAX_LENGTH = 1100               # RFC 6887 7
HEADER, MAP_LENGTH, PEER_LENGTH = 24, 60, 80
NAMES = {0: {0: 'address', 1: 'map udp', 2: 'map tcp'}, 2: {0: 'ANNOUNCE', 1: 'MAP', 2: 'PEER'}}


def address(octets):
    a = ipaddress.IPv6Address(octets)
    return str(a.ipv4_mapped or a)


class Message:
    """What a datagram says. wrong: why it is none that RFC 6886 or 6887 lets pass (a class of its own for each rule), or None.
    What could not be read is None."""

    def __init__(self, data):
        self.data, self.wrong = data, None
        self.version = self.opcode = self.result = self.lifetime = self.epoch = None
        self.response = False
        self.client = self.nonce = self.protocol = self.internal = self.external = self.address = None
        self.remote = self.remote_port = self.reserved = None
        self.options = []
        if len(data) < 2:
            self.wrong = 'short'
            return
        self.version, self.response, self.opcode = data[0], bool(data[1] & 128), data[1] & 127
        if self.version == 0:
            self.natpmp()
        elif self.version == 2:
            self.pcp()
        else:
            self.other(data)

    def other(self, data):
        """Of another version we know only how it refuses ours: RFC 6887 9."""
        if not self.response or len(data) < 4 or data[3] != UNSUPP_VERSION:
            self.wrong = 'version'
            return
        self.result = data[3]
        if len(data) >= HEADER:
            self.lifetime, self.epoch = struct.unpack_from('!II', data, 4)

    @property
    def deletes(self):
        return self.lifetime == 0 and (self.opcode in (1, 2) if self.version == 0 else self.opcode == MAP)

    @property
    def maps(self):
        return self.opcode in (1, 2)

    def natpmp(self):
        d = self.data
        if not self.response and self.opcode == 0 and d[:4] == b'\0\0\0\1' and len(d) == 8:
            self.response = True  # how some gateways refuse a version: RFC 6886 erratum 3618
        if self.response:
            if len(d) < 8:
                self.wrong = 'short'
                return
            self.result, self.epoch = struct.unpack_from('!HI', d, 2)
            need = {0: 12, 1: 16, 2: 16}.get(self.opcode, 8)
            if len(d) < need:
                self.wrong = None if self.result in (1, 5) else 'length'
            elif self.opcode == 0:
                self.address = str(ipaddress.IPv4Address(d[8:12]))
            elif self.maps:
                self.internal, self.external, self.lifetime = struct.unpack_from('!HHI', d, 8)
        elif self.maps:
            if len(d) < 12:
                self.wrong = 'length'
                return
            self.internal, self.external, self.lifetime = struct.unpack_from('!HHI', d, 4)
        if self.maps:
            self.protocol = UDP if self.opcode == 1 else TCP

    def pcp(self):
        d = self.data
        if self.response:
            if len(d) < 4:
                self.wrong = 'short'
                return
            self.reserved, self.result = d[2], d[3]
            if len(d) < HEADER or len(d) > MAX_LENGTH or len(d) % 4:
                self.wrong = None if self.result == UNSUPP_VERSION and len(d) < HEADER else 'length'
                return
            self.lifetime, self.epoch = struct.unpack_from('!II', d, 4)
        else:
            if len(d) < HEADER or len(d) > MAX_LENGTH or len(d) % 4:
                self.wrong = 'length'
                return
            self.lifetime, self.client = struct.unpack_from('!I', d, 4)[0], address(d[8:24])
        rest = HEADER
        if self.maps and (not self.response or self.result != UNSUPP_VERSION):
            rest = MAP_LENGTH if self.opcode == MAP else PEER_LENGTH
            if len(d) < rest:
                self.wrong = 'length'
                return
            self.nonce = d[24:36]
            self.protocol, self.internal, self.external = struct.unpack_from('!B3xHH', d, 36)
            self.address = address(d[44:60])
            if self.opcode == PEER:
                self.remote_port, self.remote = struct.unpack_from('!H', d, 60)[0], address(d[64:80])
        while rest + 4 <= len(d):
            code, length = struct.unpack_from('!BxH', d, rest)
            self.options.append((code, d[rest + 4:rest + 4 + length]))
            rest += 4 + (length + 3) // 4 * 4

    def option(self, code):
        return next((data for c, data in self.options if c == code), None)

    def says(self):
        """In a few words, for the reports."""
        if self.version is None:
            return 'not a message'
        protocol = {0: 'NAT-PMP', 2: 'PCP'}.get(self.version, f'version {self.version}')
        words = [protocol, NAMES.get(self.version, {}).get(self.opcode, f'opcode {self.opcode}')]
        if self.response:
            words.append('answer' if self.result == 0 else f'result {self.result}')
        if self.internal is not None:
            if self.version:
                words.append(f'protocol {self.protocol}')
            words.append(f'internal {self.internal} external {self.external}')
            if self.version:
                words.append(self.address)
            if self.remote is not None:
                words.append(f'remote {self.remote} {self.remote_port}')
        elif self.address is not None:
            words.append(self.address)
        if self.lifetime is not None and (self.version == 0 or self.maps or self.lifetime):
            words.append(f'lifetime {self.lifetime}')
        if self.nonce is not None:
            words.append(f'nonce {self.nonce.hex()}')
        if self.epoch is not None:
            words.append(f'epoch {self.epoch}')
        if self.wrong:
            words.append(f'(wrong: {self.wrong})')
        return ' '.join(words)
