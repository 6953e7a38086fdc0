#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh BUILD WAN LAN   natpcpd in the foreground on this machine, between two interfaces that it has. What nobody
# said gets the defaults; the configuration that this makes is shown, and stays in BUILD/run.conf for the next step.
cd "$(dirname "$0")/../.." || exit 2
build=$(realpath -m "${1:-build}") wan=${2:-} lan=${3:-} bad=
if [ -z "$wan" ] || [ -z "$lan" ]; then
	echo 'usage: sudo make run WAN=INTERFACE LAN=INTERFACE' >&2
	echo "interfaces here: $(ls /sys/class/net | grep -vx lo | tr '\n' ' ')" >&2
	gw=$(ip -o route show default 2>/dev/null | sed -nE 's/.* dev ([^ ]+).*/\1/p' | head -n 1)
	[ -z "$gw" ] || echo "the default route goes out of $gw, so WAN=$gw is likely" >&2
	exit 2
fi
for i in "$wan" "$lan"; do
	case $i in *[!A-Za-z0-9._:@-]*) echo "run: $i is no name of an interface" >&2; exit 2 ;; esac
	[ -e "/sys/class/net/$i" ] || { echo "run: there is no interface $i (there are: $(ls /sys/class/net | tr '\n' ' '))" >&2; bad=1; }
done
[ "$wan" != "$lan" ] || { echo "run: WAN and LAN are the same interface" >&2; bad=1; }
[ -z "$bad" ] || exit 2
[ "$(id -u)" = 0 ] || { echo 'run: changing the packet filter needs root: sudo make run ...' >&2; exit 2; }
[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 'run: note: this machine does not forward (sysctl net.ipv4.ip_forward=1)'
if [ -d "/sys/class/net/$lan/bridge" ] && [ "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null)" = 1 ]; then
	echo 'run: note: hairpin through the bridge needs sysctl net.bridge.bridge-nf-call-iptables=0'
fi
tests/lab/deps.sh build || exit 1
${MAKE:-make} --no-print-directory -j"${JOBS:-1}" all || exit 1

# each chain that drops what is forwarded, by its policy or a last rule, has to let in what was mapped; 8 can be named
chain=$(nft -j list ruleset 2>/dev/null | python3 -c '
import json, sys
objects = json.load(sys.stdin)["nftables"]
ends = {(r["family"], r["table"], r["chain"]) for r in (o["rule"] for o in objects if "rule" in o)
        if {"drop", "reject"} & set().union(*r.get("expr", [])) and set().union(*r["expr"]) <= {"counter", "log", "drop", "reject"}}
names = ["\"{family} {table} {name}\"".format(**c) for c in (o["chain"] for o in objects if "chain" in o)
         if c.get("hook") == "forward" and c["family"] in ("inet", "ip", "ip6")
         and (c.get("policy") == "drop" or (c["family"], c["table"], c["name"]) in ends)]
if names:
    print("  forward-chain =", "{ " + ", ".join(names[:8]) + " }" if names[1:] else names[0])' 2>/dev/null)
mkdir -p /run/natpcpd
umask 022
cat >"$build/run.conf" <<EOT
# made by: make run WAN=$wan LAN=$lan
external "wan" { interface = "$wan" }
listen "lan" { interfaces = { "$lan" }  external = "wan"  nonce-check = "same-address" }
rule "hosts behind $lan" {
    action = allow
    interfaces = { "$lan" }
    external-ports = { "1024-65535" }
    lifetime-max = 86400
    mappings-max = 128
}
backend { type = "nftables"$chain }
journal { path = "" }
control { socket = "/run/natpcpd/control.sock" }   # natpcpctl leases
process { user = "" }
EOT
cat "$build/run.conf"
echo "# Ctrl-C ends natpcpd; mappings stay until they expire (build/natpcpd -x removes them at once)"
exec "$build/natpcpd" -c "$build/run.conf"
