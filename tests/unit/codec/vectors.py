#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Golden messages, encoded here with struct alone: a second reading of the RFCs that shares nothing with codec/.

vectors.py vectors.h SEEDDIR   writes the header and one seed file a message for the fuzz target
judge.py imports MESSAGES and compares them with what tshark sees in the octets that codec/ writes.
"""
import ipaddress
import os
import struct
import sys
import textwrap

NONCE = bytes(range(0xa0, 0xac))
V4 = "192.0.2.1"
V6 = "2001:db8:1:2:3:4:5:6"


def address(text):
    """16 octets; IPv4 in the mapped form of RFC 6887 section 5"""
    a = ipaddress.ip_address(text)
    return b"\0" * 10 + b"\xff\xff" + a.packed if a.version == 4 else a.packed


def pad4(octets):
    return octets + b"\0" * (-len(octets) % 4)


# ---- NAT-PMP, RFC 6886 ----

def natpmp(name, opcode, response=False, **f):
    return dict(name="natpmp_" + name, protocol="NATPMP", opcode=opcode, response=response, fields=f, options=[])


def encode_natpmp(m):
    f, op = m["fields"], m["opcode"]
    if op > 2:
        return struct.pack("!BB", 0, op | 128 * m["response"]) + f["rest"]
    if not m["response"]:
        head = struct.pack("!BB", 0, op)
        if op == 0:
            return head
        return head + struct.pack("!HHHI", 0, f["internal_port"], f["external_port"], f["lifetime_s"])
    head = struct.pack("!BBHI", 0, 128 + op, f.get("result", 0), f["epoch_s"])
    if op == 0:
        if f.get("result", 0) == 1:
            return head
        return head + ipaddress.IPv4Address(f["external_address"]).packed
    return head + struct.pack("!HHI", f["internal_port"], f["external_port"], f["lifetime_s"])


# ---- PCP, RFC 6887 ----

def pcp(name, opcode, response=False, options=(), **f):
    return dict(name="pcp_" + name, protocol="PCP", opcode=opcode, response=response, fields=f, options=list(options))


def option(code, **f):
    return dict(code=code, fields=f)


def encode_option(o):
    f = o["fields"]
    if o["code"] == 1:
        data = address(f["third_party"])
    elif o["code"] == 2:
        data = b""
    elif o["code"] == 3:
        data = struct.pack("!BBH", 0, f["prefix_length"], f["remote_port"])
        data += address(f["remote_address"]) if f["prefix_length"] else bytes(16)
    elif o["code"] == 130:
        data = struct.pack("!HHB", f["size"], f["first_internal_port"], f["parity"])
    else:
        data = f["data"]
    return pad4(struct.pack("!BBH", o["code"], 0, len(data)) + data)


def encode_pcp(m):
    f, op = m["fields"], m["opcode"]
    if m["response"]:
        out = struct.pack("!BBBBII12x", 2, 128 | op, 0, f.get("result", 0), f["lifetime_s"], f["epoch_s"])
    else:
        out = struct.pack("!BBHI", 2, op, 0, f["lifetime_s"]) + address(f["client_address"])
    if op > 2:
        return out + f["body"]
    if op:
        out += NONCE + struct.pack("!B3xHH", f["protocol"], f["internal_port"], f["external_port"])
        out += address(f["external_address"])
    if op == 2:
        out += struct.pack("!H2x", f["remote_port"]) + address(f["remote_address"])
    return out + b"".join(encode_option(o) for o in m["options"])


def encode(m):
    return encode_natpmp(m) if m["protocol"] == "NATPMP" else encode_pcp(m)


# ---- the messages ----

def mapping(**f):
    base = dict(protocol=6, internal_port=80, external_port=8080, external_address="198.51.100.7")
    base.update(f)
    return base


PEER = dict(remote_port=443, remote_address="203.0.113.9")
FILTERS = [
    option(3, prefix_length=0, remote_port=0, remote_address="::"),
    option(3, prefix_length=120, remote_port=5000, remote_address="198.51.100.0"),
    option(3, prefix_length=96, remote_port=0, remote_address="0.0.0.0"),
    option(3, prefix_length=48, remote_port=65535, remote_address="2001:db8:7::"),
]
THIRD = option(1, third_party="192.0.2.44")
THIRD6 = option(1, third_party="2001:db8::44")
PREFER = option(2)


def text(t):
    return option(128, data=t.encode())


def ports(size, first, parity):
    return option(130, size=size, first_internal_port=first, parity=parity)


MESSAGES = [
    natpmp("address_request", 0),
    natpmp("address_response", 0, True, epoch_s=0x01020304, external_address="203.0.113.5"),
    natpmp("address_failed", 0, True, result=3, epoch_s=7, external_address="0.0.0.0"),
    natpmp("version_error", 0, True, result=1, epoch_s=99, external_address="0.0.0.0"),
    natpmp("map_udp_request", 1, internal_port=5000, external_port=0, lifetime_s=7200),
    natpmp("map_tcp_request", 2, internal_port=22, external_port=65535, lifetime_s=0xffffffff),
    natpmp("delete_request", 2, internal_port=22, external_port=0, lifetime_s=0),
    natpmp("delete_all_request", 1, internal_port=0, external_port=0, lifetime_s=0),
    natpmp("map_udp_response", 1, True, epoch_s=3600, internal_port=5000, external_port=40000, lifetime_s=3600),
    natpmp("map_tcp_response", 2, True, epoch_s=0xffffffff, internal_port=1, external_port=2, lifetime_s=3),
    natpmp("map_tcp_refused", 2, True, result=2, epoch_s=1, internal_port=5555, external_port=0, lifetime_s=0),
    natpmp("map_udp_no_resources", 1, True, result=4, epoch_s=1, internal_port=5555, external_port=0, lifetime_s=0),
    natpmp("unknown_request", 3, rest=b"pattern987"),
    natpmp("unknown_response", 127, True, rest=struct.pack("!HI", 5, 77)),

    pcp("announce_request", 0, lifetime_s=0, client_address=V4),
    pcp("announce_request_v6", 0, lifetime_s=0, client_address=V6),
    pcp("announce_response", 0, True, lifetime_s=0, epoch_s=0),
    pcp("announce_response_late", 0, True, lifetime_s=0, epoch_s=0xfffffffe),
    pcp("announce_mismatch", 0, True, result=12, lifetime_s=1800, epoch_s=3),
    pcp("map_request", 1, lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_request_v6", 1, lifetime_s=1, client_address=V6,
        **mapping(protocol=17, external_address="::", external_port=0)),
    pcp("map_request_any_v4", 1, lifetime_s=60, client_address=V4,
        **mapping(protocol=132, external_address="0.0.0.0")),
    pcp("map_delete_all", 1, lifetime_s=0, client_address=V4,
        **mapping(protocol=0, internal_port=0, external_port=0, external_address="0.0.0.0")),
    pcp("map_forever", 1, lifetime_s=0xffffffff, client_address=V4, **mapping()),
    pcp("map_third_party", 1, options=[THIRD], lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_prefer_failure", 1, options=[PREFER], lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_filters", 1, options=FILTERS, lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_description", 1, options=[text("caméra")], lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_description_empty", 1, options=[text("")], lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_port_set", 1, options=[ports(100, 50000, 1)], lifetime_s=7200, client_address=V4,
        **mapping(internal_port=50000)),
    pcp("map_port_set_all", 1, options=[ports(0xffff, 1, 0)], lifetime_s=7200, client_address=V4,
        **mapping(internal_port=1)),
    pcp("map_unknown_options", 1, options=[option(126, data=b"12345"), option(200, data=b""), option(255, data=b"abc")],
        lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_unknown_options_sorted", 1,
        options=[option(200, data=b""), option(126, data=b"12345"), option(255, data=b"abc")],
        lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_many_options", 1, options=[text("web"), PREFER, THIRD6] + FILTERS[1:],
        lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_many_options_sorted", 1, options=[PREFER, THIRD6] + FILTERS[1:] + [text("web")],
        lifetime_s=7200, client_address=V4, **mapping()),
    pcp("map_response", 1, True, lifetime_s=3600, epoch_s=123456, **mapping(external_port=40001)),
    pcp("map_response_v6", 1, True, options=[FILTERS[3]], lifetime_s=3600, epoch_s=1,
        **mapping(external_address=V6)),
    pcp("map_response_port_set", 1, True, options=[ports(10, 1, 0)], lifetime_s=3600, epoch_s=1,
        **mapping(internal_port=5)),
    pcp("map_response_options", 1, True, options=[THIRD, PREFER, text("x")], lifetime_s=3600, epoch_s=1, **mapping()),
    pcp("map_refused", 1, True, result=2, lifetime_s=1800, epoch_s=5, **mapping()),
    pcp("map_unsupp_option", 1, True, options=[option(100, data=b"\1\2\3\4")], result=5, lifetime_s=1800, epoch_s=5,
        **mapping()),
    pcp("map_too_many_peers", 1, True, options=FILTERS[1:], result=13, lifetime_s=30, epoch_s=5, **mapping()),
    pcp("peer_request", 2, lifetime_s=600, client_address=V4, **mapping(), **PEER),
    pcp("peer_request_v6", 2, lifetime_s=600, client_address=V6, remote_port=1, remote_address="2001:db8:9::9",
        **mapping(external_address="::", external_port=0)),
    pcp("peer_options", 2, options=[THIRD, text("peer")], lifetime_s=600, client_address=V4, **mapping(), **PEER),
    pcp("peer_longest_text", 2, options=[text("d" * 1016)], lifetime_s=600, client_address=V4, **mapping(), **PEER),
    pcp("peer_response", 2, True, lifetime_s=300, epoch_s=9, **mapping(external_port=40002), **PEER),
    pcp("unknown_request", 77, lifetime_s=5, client_address=V4, body=bytes(range(36))),
    pcp("unknown_response", 127, True, result=4, lifetime_s=1800, epoch_s=8, body=b"wxyz"),
]

# Requests that fail, and the answers that RFC 6886 3.5 prescribes: (name, request, result, epoch, answer)
NATPMP_ERRORS = [
    ("address", bytes(2), 3, 0x01020304, "0080 0003 01020304 00000000"),
    ("map", bytes.fromhex("0002 0000 15b3 2710 00000e10"), 2, 9, "0082 0002 00000009 15b3 0000 00000000"),
    ("map_cut", bytes.fromhex("0001"), 4, 9, "0081 0004 00000009 0000 0000 00000000"),
    ("version", bytes.fromhex("0305"), 1, 0x11, "0080 0001 00000011"),
    ("version_pcp", bytes.fromhex("0201") + bytes(58), 1, 0x11, "0080 0001 00000011"),
    ("opcode", bytes.fromhex("0003 a1a2a3a4a5a6a7a8a9aa"), 5, 0x0badcafe, "0083 0005 0badcafe a7a8a9aa"),
    ("opcode_bare", bytes.fromhex("0003"), 5, 0x0badcafe, "0083 0005"),
    ("opcode_7", bytes.fromhex("007f 0102030405"), 5, 0x0badcafe, "00ff 0005 030405"),
    ("opcode_8", bytes.fromhex("007f 010203040506"), 5, 0x0badcafe, "00ff 0005 0badcafe"),
]

MAP = encode(next(m for m in MESSAGES if m["name"] == "pcp_map_request"))
HEAD = struct.pack("!BBHI", 2, 0, 0xffff, 7200) + bytes(range(1, 17))
# The same for RFC 6887 7.2, 7.3, 8.2: (name, request, parsed, result, lifetime, epoch, answer)
PCP_ERRORS = [
    ("policy", MAP, 1, 2, 1800, 0x01020304, "0281 0002 00000708 01020304" + "00" * 12 + MAP[24:].hex()),
    ("unparsed", MAP, 0, 6, 1800, 5, "0281 0006 00000708 00000005" + MAP[12:].hex()),
    ("padded", HEAD + b"\x55", 0, 3, 1800, 5, "0280 0003 00000708 00000005" + HEAD[12:].hex() + "55000000"),
    ("reserved", HEAD, 1, 12, 0, 0, "0280 000c 00000000 00000000" + "00" * 12),
    ("version", b"\x09\x01", 0, 1, 1800, 5, "0281 0001 00000708 00000005" + "00" * 12),
    ("version_natpmp", bytes(2), 0, 1, 1800, 5, "0280 0001 00000708 00000005" + "00" * 12),
    ("version_5", b"\x01\x4d\xaa\xbb\xcc", 0, 1, 1800, 5, "02cd 0001 00000708 00000005" + "00" * 12),
    ("too_long", HEAD + b"\x11" * 1079, 0, 3, 1800, 5,
     "0280 0003 00000708 00000005" + HEAD[12:].hex() + "11" * 1076),
    ("unknown_opcode", b"\x02\x4d" + HEAD[2:] + bytes(range(36)), 1, 4, 1800, 5,
     "02cd 0004 00000708 00000005" + "00" * 12 + bytes(range(36)).hex()),
]


# ---- C ----

def c_octets(octets):
    return "{" + ", ".join("0x%02x" % b for b in octets) + "}"


def c_address(text):
    return "{.s6_addr = " + c_octets(address(text)) + "}"


def c_value(key, value, where):
    if key in ("rest", "body", "data"):
        start = where["octets"].index(value, where["from"]) if value else where["from"]
        return ".%s = %s + %d, .%s = %d" % (key, where["array"], start,
                                            "length" if key == "data" else key + "_length", len(value))
    if key.endswith("address") or key == "third_party":
        return ".%s = %s" % (key, c_address(value))
    return ".%s = %d" % (key, value)


def c_message(m, octets, array):
    f = dict(m["fields"])
    where = dict(octets=octets, array=array)
    where["from"] = 2 if m["protocol"] == "NATPMP" else 24
    parts = [".response = %s" % ("true" if m["response"] else "false"), ".opcode = %d" % m["opcode"]]
    if m["protocol"] == "PCP":
        parts.append(".version = 2")
        names = ("protocol", "internal_port", "external_port", "external_address", "remote_port", "remote_address")
        inner = [c_value(k, f.pop(k), where) for k in names if k in f]
        if inner:
            parts.append(".mapping = {.nonce = {%s}, %s}" % (c_octets(NONCE), ", ".join(inner)))
    parts += [c_value(k, v, where) for k, v in f.items()]
    return ".protocol = CODEC_VERSION_%s, .%s = {%s}" % (m["protocol"], m["protocol"].lower(), ", ".join(parts))


def c_options(m, octets, array):
    out, at = [], len(octets) - sum(len(encode_option(o)) for o in m["options"])
    for o in m["options"]:
        f, code = o["fields"], o["code"]
        where = {"octets": octets, "array": array, "from": at + 4}
        inner = ", ".join(c_value(k, v, where) for k, v in f.items())
        member = {3: ".filter = {%s}", 130: ".port_set = {%s}"}.get(code, "%s") % inner
        out.append("\t\t{.code = %d%s}" % (code, ", " + member if member else ""))
        at += len(encode_option(o))
    return out


def wrap(text):
    """columns for the eye; the parts have no strings with blanks"""
    return "\n".join(textwrap.fill(line.expandtabs(8), 112, subsequent_indent=" " * 16, break_long_words=False)
                     .replace(" " * 8, "\t") for line in text.split("\n"))


def c_array(name, octets):
    lines = ["static const uint8_t %s[] = {" % name]
    lines += ["\t" + " ".join("0x%02x," % b for b in octets[i:i + 16]) for i in range(0, len(octets), 16)]
    return "\n".join(lines + ["};"])


def header():
    out = ["/* SPDX-License-Identifier: GPL-2.0-or-later */", "/* Written by vectors.py: change it there. */",
           "/* clang-format off */", "#ifndef TESTS_UNIT_CODEC_VECTORS_H", "#define TESTS_UNIT_CODEC_VECTORS_H", "",
           '#include "codec/codec.h"', "", "#define VECTOR_OPTIONS 8", "",
           "struct vector {", "\tconst char *name;", "\tconst uint8_t *octets;", "\tsize_t length;",
           "\tstruct codec_message message; /* without its option area */",
           "\tstruct pcp_option options[VECTOR_OPTIONS];", "\tsize_t option_count;", "};", "",
           "struct error_vector {", "\tconst char *name;", "\tconst uint8_t *request;", "\tsize_t request_length;",
           "\tbool parsed;", "\tuint8_t result;", "\tuint32_t lifetime_s;", "\tuint32_t epoch_s;",
           "\tconst uint8_t *answer;", "\tsize_t answer_length;", "};", ""]
    rows = []
    for m in MESSAGES:
        octets, array = encode(m), "octets_" + m["name"]
        out.append(c_array(array, octets))
        options = c_options(m, octets, array)
        row = '\t{.name = "%s", .octets = %s, .length = %d,\n\t .message = {%s}' % (
            m["name"], array, len(octets), c_message(m, octets, array))
        if options:
            row += ",\n\t .options = {\n%s},\n\t .option_count = %d" % (",\n".join(options), len(options))
        rows.append(wrap(row + "},"))
    out += ["", "static const struct vector vectors[] = {"] + rows + ["};", ""]

    for table, errors in (("natpmp_errors", [(n, q, 0, r, 0, e, a) for n, q, r, e, a in NATPMP_ERRORS]),
                          ("pcp_errors", PCP_ERRORS)):
        rows = []
        for name, request, parsed, result, lifetime, epoch, answer in errors:
            base, answer = "%s_%s" % (table, name), bytes.fromhex(answer)
            out += [c_array(base + "_request", request), c_array(base + "_answer", answer)]
            rows.append(wrap('\t{"%s", %s_request, %d, %d, %d, %d, 0x%x, %s_answer, %d},' % (
                name, base, len(request), parsed, result, lifetime, epoch, base, len(answer))))
        out += ["", "static const struct error_vector %s[] = {" % table] + rows + ["};", ""]
    return "\n".join(out + ["#endif", ""])


def main():
    with open(sys.argv[1], "w") as f:
        f.write(header())
    seeds = {m["name"]: encode(m) for m in MESSAGES}
    seeds.update({"natpmp_bad_" + e[0]: e[1] for e in NATPMP_ERRORS})
    seeds.update({"pcp_bad_" + e[0]: e[1] for e in PCP_ERRORS})
    seeds.update({"pcp_answer_" + e[0]: bytes.fromhex(e[-1]) for e in PCP_ERRORS})
    for name, octets in seeds.items():
        with open(os.path.join(sys.argv[2], name), "wb") as f:
            f.write(octets)


if __name__ == "__main__":
    main()
