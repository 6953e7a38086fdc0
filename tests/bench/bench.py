#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rates of natpcpd against the floor loop, as ratios in one run.

usage: bench.py BUILD_DIR [--rounds N] [--count N] [--preload N ...] [--windows N ...] [--restore N ...] [--json FILE]

A client namespace with many addresses and a router namespace are joined by a veth pair. Server and floor take turns
(A B A B ...) with fresh tables; each figure is the median of the rounds. The floor receives, sends one nftables batch
with the two elements of each mapping, and answers: no server that tells the truth can be faster on this machine.
"""
import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import restore

START_S = 600
CLIENTS = 10000
FIRST_CLIENT = "198.18.0.1"
SERVER = "192.0.2.1"
# a chain of type nat turns connection tracking on, as on every router that needs us
FLOOR_RULESET = """
table inet floor {
  chain postrouting { type nat hook postrouting priority srcnat; }
  map dnat4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout; size 4194304; }
  map snat4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout; size 4194304; }
}
"""
CONF = """
external "wan" { interface = "wan0" addresses = { "203.0.113.0/24" } }
listen "lan" { interfaces = { "lan0" } external = "wan" }
rule "all" { action = allow clients = { "198.18.0.0/15", "192.0.2.0/24" } }
limits { mappings-per-client = 65535 mappings = 4000000 requests-per-second = 0 }
journal { path = "" }
control { socket = "%(dir)s/control.sock" }
process { user = "" }
log { level = "warning" }
"""


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, **options)


class Bed:
    """The two namespaces; everything in them ends with close()."""

    def __init__(self):
        self.router, self.client = f"nb{os.getpid()}r", f"nb{os.getpid()}c"
        self.server = None
        for name in (self.router, self.client):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.router, "link", "add", "lan0", "type", "veth", "peer", "name", "eth0",
            "netns", self.client)
        run("ip", "-n", self.router, "link", "add", "wan0", "type", "veth", "peer", "name", "eth1",
            "netns", self.client)
        for name, device, address in ((self.router, "lan0", SERVER + "/24"), (self.client, "eth0", "192.0.2.2/24"),
                                      (self.router, "wan0", "198.51.100.1/24")):
            run("ip", "-n", name, "addr", "add", address, "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
        run("ip", "-n", self.router, "route", "add", "198.18.0.0/15", "via", "192.0.2.2")
        run("ip", "-n", self.client, "route", "add", "local", "198.18.0.0/15", "dev", "lo")

    def start(self, command):
        self.server = subprocess.Popen(["ip", "netns", "exec", self.router, *command], stdout=subprocess.PIPE,
                                       text=True)
        if not select.select([self.server.stdout], [], [], START_S)[0] or "ready" not in self.server.stdout.readline():
            raise SystemExit(f"bench: {command[0]} did not get ready")

    def stop(self):
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(60)
            self.server = None
        subprocess.run(["ip", "netns", "exec", self.router, "nft", "flush", "ruleset"], check=False)

    def close(self):
        if self.server:
            self.server.kill()
            self.server.wait()
        for name in (self.router, self.client):
            subprocess.run(["ip", "netns", "del", name], check=False)


def load(bed, build, kind, window, count, offset=0):
    out = run("ip", "netns", "exec", bed.client, f"{build}/tests/bench/load", SERVER, FIRST_CLIENT, str(CLIENTS), kind,
              str(window), str(count), str(offset), stdout=subprocess.PIPE).stdout
    figures = json.loads(out)
    if figures["refused"] or figures["lost"]:
        raise SystemExit(f"bench: {kind}: {out}")
    return figures


def start(bed, build, who, kind, directory):
    if who == "natpcpd":
        conf = f"{directory}/natpcpd.conf"
        with open(conf, "w") as f:
            f.write(CONF % {"dir": directory})
        bed.start([f"{build}/natpcpd", "-c", conf, "-x"])
    else:
        run("ip", "netns", "exec", bed.router, "nft", "-f", "-", input=FLOOR_RULESET)
        bed.start([f"{build}/tests/bench/floor", *(["address"] if kind == "address" else ["map", "floor"])])


def measure(bed, build, who, kind, preload, window, count, directory):
    start(bed, build, who, kind, directory)
    if preload:
        load(bed, build, "map", 256, preload)
    load(bed, build, kind, window, min(2000, count), preload)  # warm: neighbours, caches
    figures = load(bed, build, kind, window, count, preload + 2000)
    if who == "natpcpd":
        with open(f"/proc/{bed.server.pid}/status") as f:
            figures["rss_kib"] = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    bed.stop()
    return figures


def main():
    p = argparse.ArgumentParser()
    p.add_argument("build")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--count", type=int, default=20000)
    p.add_argument("--preload", type=int, nargs="*", default=[0, 100000])
    p.add_argument("--windows", type=int, nargs="*", default=[1, 16, 64])
    p.add_argument("--restore", type=int, nargs="*", default=[100000, 1000000])
    p.add_argument("--json")
    a = p.parse_args()
    cases = [("address", 0, w) for w in a.windows] + [("map", n, w) for n in a.preload for w in a.windows]
    rows = []
    bed = Bed()
    print(f"{'what':8} {'N':>8} {'window':>6} {'natpcpd/s':>10} {'floor/s':>10} {'ratio':>6} {'p50 us':>7} {'p99 us':>7}"
          f"   (medians of {a.rounds})", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="natpcpd-bench-") as directory:
            for kind, preload, window in cases:
                count = a.count if window > 1 else max(a.count // 4, 1000)
                runs = {"natpcpd": [], "floor": []}
                for _ in range(a.rounds):
                    for who in runs:
                        runs[who].append(measure(bed, a.build, who, kind, preload, window, count, directory))
                ratio = statistics.median(x["per_second"] / y["per_second"]
                                          for x, y in zip(runs["natpcpd"], runs["floor"]))
                middle = {who: {k: statistics.median(r[k] for r in v) for k in v[0]} for who, v in runs.items()}
                rows.append({"what": kind, "n": preload, "window": window, "ratio": ratio, **middle})
                mine = middle["natpcpd"]
                print(f"{kind:8} {preload:8} {window:6} {mine['per_second']:10.0f} {middle['floor']['per_second']:10.0f} "
                      f"{ratio:6.2f} {mine['p50_us']:7.0f} {mine['p99_us']:7.0f}", flush=True)
            if a.restore:
                print(f"{'what':8} {'N':>8} {'seconds':>8} {'floor s':>8} {'ratio':>6} {'octets a lease':>15}   (medians of {min(a.rounds, 3)})")
            for row in restore.rows(bed, a.build, directory, CONF, a.restore, min(a.rounds, 3), run):
                rows.append(row)
                print(f"{row['what']:8} {row['n']:8} {row['seconds']:8.2f} {row['floor_seconds']:8.2f} {row['ratio']:6.2f} "
                      f"{row['octets_per_lease']:15.0f}", flush=True)
    finally:
        bed.close()
    if a.json:
        with open(a.json, "w") as f:
            json.dump({"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rows": rows}, f, indent=1)


if __name__ == "__main__":
    sys.exit(main())
