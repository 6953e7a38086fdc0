#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""judge.py EMIT   lets tshark read what the codec writes, and compares every field it finds, in order, with vectors.py.

Prints "PASS name: what" or "FAIL name: what" for each protocol.
"""
import ipaddress
import struct
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import vectors

LINKTYPE_IPV4 = 228
# containers, marks that repeat another field, and remarks
UNCOMPARED = ("portcontrol", "portcontrol.request", "portcontrol.response", "portcontrol.options", "portcontrol.option",
              "portcontrol.option.unknown", "portcontrol.opcode.unknown", "nat-pmp", "nat-pmp.opcode.unknown")
# An option that needs no padding is given that of the one before it (tshark 4.0), so these are taken for malformed.
MISREAD_BY_TSHARK = ("pcp_map_unknown_options", "pcp_map_many_options")


def shown(address):
    """as tshark shows what fills 16 octets"""
    a = ipaddress.ip_address(address)
    return "::ffff:" + str(a) if a.version == 4 else str(a)


def zeros(n):
    return ":".join(["00"] * n)


def option_fields(o, response):
    f, code = o["fields"], o["code"]
    p = "portcontrol.option."
    length = len(f["data"]) if "data" in f else {1: 16, 2: 0, 3: 20, 130: 5}[code]
    yield p + "code", code
    yield p + "reserved", 0
    yield p + "length", length
    if code == 1:
        yield p + "third_party.internal_ip", shown(f["third_party"])
    elif code == 3:
        yield p + "filter.reserved", 0
        yield p + "filter.prefix_length", f["prefix_length"]
        yield p + "filter.remote_peer_port", f["remote_port"]
        yield p + "filter.remote_peer_ip", shown(f["remote_address"])
    elif code == 128 and length:
        yield p + "description", f["data"].decode()
    elif code == 130:
        yield p + "portset.size", f["size"]
        side = "rsp_assigned" if response else "req_sug"
        yield p + "portset." + side + "_first_external_port", f["first_internal_port"]
        yield p + "portset.reserved", "0x00"
        yield p + "portset.parity", f["parity"]
    if length % 4:
        yield p + "padding", zeros(4 - length % 4)


def pcp_fields(m):
    f, op, response = m["fields"], m["opcode"], m["response"]
    yield "portcontrol.version", 2
    yield "portcontrol.r", int(response)
    yield "portcontrol.opcode", op
    yield "portcontrol.reserved", 0
    if response:
        yield "portcontrol.result_code", f.get("result", 0)
        yield "portcontrol.lifetime_rsp", f["lifetime_s"]
        yield "portcontrol.epoch_time", f["epoch_s"]
        yield "portcontrol.rsp_reserved", zeros(12)
    else:
        yield "portcontrol.lifetime_req", f["lifetime_s"]
        yield "portcontrol.client_ip", shown(f["client_address"])
    if op in (1, 2):
        p = "portcontrol.map." if op == 1 else "portcontrol.peer."
        yield p + "nonce", ":".join("%02x" % b for b in vectors.NONCE)
        yield p + "protocol", f["protocol"]
        yield p + "reserved", 0 if op == 1 else zeros(3)
        yield p + "internal_port", f["internal_port"]
        yield p + ("rsp_assigned_external_port" if response else "req_sug_external_port"), f["external_port"]
        yield p + ("rsp_assigned_ext_ip" if response else "req_sug_external_ip"), shown(f["external_address"])
    if op == 2:
        yield p + "remote_peer_port", f["remote_port"]
        yield p + "reserved", zeros(2)
        yield p + "remote_peer_ip", shown(f["remote_address"])
    for o in m["options"]:
        yield from option_fields(o, response)


def natpmp_fields(m):
    f, op, response = m["fields"], m["opcode"], m["response"]
    p = "nat-pmp."
    yield p + "version", 0
    yield p + "opcode", op + 128 * response
    if op > 2:
        return
    if response:
        yield p + "result_code", f.get("result", 0)
        yield p + "sssoe", f["epoch_s"]
        if op == 0 and f.get("result", 0) != 1:
            yield p + "external_ip", f["external_address"]
    elif op:
        yield p + "reserved", 0
    if op:
        yield p + "internal_port", f["internal_port"]
        yield p + "external_port", f["external_port"]
        yield p + "pml", f["lifetime_s"]


def pcap(messages):
    out = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, LINKTYPE_IPV4)
    for m, octets in messages:
        source, destination = (5351, 40000) if m["response"] else (40000, 5351)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(octets), 0, 0, 64, 17, 0,
                         bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
        packet = ip + struct.pack("!HHHH", source, destination, 8 + len(octets), 0) + octets
        out += struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
    return out


def dissect(messages):
    """For each message: the fields that tshark found, in order, and whether it complained."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
        f.write(pcap(messages))
        f.flush()
        done = subprocess.run(["tshark", "-n", "-r", f.name, "-T", "pdml"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=600)
    if done.returncode:
        sys.exit("tshark: " + done.stderr.decode(errors="replace"))
    for packet in xml.etree.ElementTree.fromstring(done.stdout):
        names = [(f.get("name") or "", f.get("show") or "") for f in packet.iter()]
        yield ([(n, s) for n, s in names if n.startswith(("portcontrol", "nat-pmp")) and n not in UNCOMPARED],
               any(n == "_ws.malformed" for n, _ in names))


def main():
    lines = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    ours = {name: bytes.fromhex(octets) for name, octets in (line.split() for line in lines)}
    if sorted(ours) != sorted(m["name"] for m in vectors.MESSAGES):
        print("FAIL vectors.h: is not what vectors.py writes")
        return 1

    messages = [(m, ours[m["name"]]) for m in vectors.MESSAGES if m["name"] not in MISREAD_BY_TSHARK]
    failed, count, fields = set(), {"NATPMP": 0, "PCP": 0}, {"NATPMP": 0, "PCP": 0}
    found = list(dissect(messages))
    if len(found) != len(messages):
        print("FAIL tshark: read", len(found), "of", len(messages), "packets")
        return 1
    for (m, _), (seen, malformed) in zip(messages, found):
        kind, name = m["protocol"], m["name"]
        expected = [(n, str(v)) for n, v in (natpmp_fields(m) if kind == "NATPMP" else pcp_fields(m))]
        # tshark knows no 8-octet version error
        if malformed and name != "natpmp_version_error":
            print(name + ": malformed")
            failed.add(kind)
        if seen != expected:
            print("%s:\n  tshark has   %s\n  it should be %s" % (name, sorted(set(seen) - set(expected)) or seen,
                                                               sorted(set(expected) - set(seen)) or expected))
            failed.add(kind)
        count[kind] += 1
        fields[kind] += len(seen)
    for kind in count:
        print("%s tshark reads our %s: %d messages, %d fields" % ("FAIL" if kind in failed else "PASS", kind,
                                                                 count[kind], fields[kind]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
