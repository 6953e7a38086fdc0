# SPDX-License-Identifier: GPL-2.0-or-later
"""NAT-PMP and PCP messages, written from the RFCs' figures and sharing nothing with codec/: a second opinion."""
import ipaddress
import os
import struct
from types import SimpleNamespace

PORT, CLIENT_PORT = 5351, 5350
TCP, UDP, SCTP = 6, 17, 132
ANNOUNCE, MAP, PEER = 0, 1, 2
THIRD_PARTY, PREFER_FAILURE, FILTER, DESCRIPTION, PORT_SET = 1, 2, 3, 128, 130
(SUCCESS, UNSUPP_VERSION, NOT_AUTHORIZED, MALFORMED_REQUEST, UNSUPP_OPCODE, UNSUPP_OPTION, MALFORMED_OPTION,
 NETWORK_FAILURE, NO_RESOURCES, UNSUPP_PROTOCOL, USER_EX_QUOTA, CANNOT_PROVIDE_EXTERNAL, ADDRESS_MISMATCH,
 EXCESSIVE_REMOTE_PEERS) = range(14)


def sixteen(address):
    """An address as PCP carries it: IPv4 becomes v4-mapped."""
    a = ipaddress.ip_address(address.partition('%')[0])
    return a.packed if a.version == 6 else b'\0' * 10 + b'\xff\xff' + a.packed


def text(sixteen_octets):
    a = ipaddress.IPv6Address(sixteen_octets)
    return str(a.ipv4_mapped or a)


# NAT-PMP, RFC 6886

def natpmp_address():
    return bytes((0, 0))


def natpmp_map(protocol, internal, external=0, lifetime=7200):
    return struct.pack('!BBHHHI', 0, {UDP: 1, TCP: 2}[protocol], 0, internal, external, lifetime)


# PCP, RFC 6887

def header(opcode, lifetime, client, version=2, reserved=0):
    return struct.pack('!BBHI', version, opcode, reserved, lifetime) + sixteen(client)


def option(code, data=b'', length=None):
    return struct.pack('!BBH', code, 0, len(data) if length is None else length) + data + b'\0' * (-len(data) % 4)


def third_party(address):
    return option(THIRD_PARTY, sixteen(address))


def peers(network=None, port=0):
    """A FILTER for ADDRESS/LENGTH, in the family's own bits; None clears."""
    if network is None:
        return option(FILTER, bytes(20))
    address, length = network.split('/')
    v4 = 0 if ':' in address else 96
    return option(FILTER, struct.pack('!BBH', 0, int(length) + v4, port) + sixteen(address))


def description(text):
    return option(DESCRIPTION, text.encode())


def announce(client, *options):
    return header(ANNOUNCE, 0, client) + b''.join(options)


def nonce():
    return os.urandom(12)


def pcp_map(client, n, protocol, internal, external=0, address='0.0.0.0', lifetime=7200, options=()):
    return header(MAP, lifetime, client) + n + struct.pack('!B3xHH', protocol, internal, external) + sixteen(address) \
        + b''.join(options)


def pcp_peer(client, n, protocol, internal, remote, remote_port, external=0, address='0.0.0.0', lifetime=7200,
             options=()):
    return header(PEER, lifetime, client) + n + struct.pack('!B3xHH', protocol, internal, external) + sixteen(address) \
        + struct.pack('!H2x', remote_port) + sixteen(remote) + b''.join(options)


def decode(data):
    """A response, or an announcement, taken apart. Raises ValueError if it is none."""
    r = SimpleNamespace(raw=data, version=data[0], opcode=data[1] & 127)
    if not data[1] & 128:
        raise ValueError('not a response: ' + data.hex())
    if data[0] == 0:
        r.result, r.epoch = struct.unpack_from('!HI', data, 2)
        if r.opcode == 0 and len(data) == 12:
            r.address = text(b'\0' * 10 + b'\xff\xff' + data[8:12])
        elif r.opcode in (1, 2) and len(data) == 16:
            r.internal, r.external, r.lifetime = struct.unpack_from('!HHI', data, 8)
        return r
    if data[0] != 2 or len(data) < 24 or len(data) % 4:
        raise ValueError('neither NAT-PMP nor PCP: ' + data.hex())
    r.result, r.lifetime, r.epoch = struct.unpack_from('!xBII', data, 2)
    rest = 24
    if r.opcode in (MAP, PEER) and len(data) >= 60:
        r.nonce = data[24:36]
        r.protocol, r.internal, r.external = struct.unpack_from('!B3xHH', data, 36)
        r.address = text(data[44:60])
        rest = 60
        if r.opcode == PEER and len(data) >= 80:
            r.remote_port, r.remote = struct.unpack_from('!H', data, 60)[0], text(data[64:80])
            rest = 80
    r.options = []
    while rest + 4 <= len(data):
        code, length = struct.unpack_from('!BxH', data, rest)
        r.options.append((code, data[rest + 4:rest + 4 + length]))
        rest += 4 + (length + 3) // 4 * 4
    return r
