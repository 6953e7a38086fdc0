#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# judge.sh BUILD   the scripts of conf/openwrt in the shell that OpenWrt has, against functions that stand for OpenWrt's:
# what they make of UCI is taken by natpcpd -t. Exit code 77: no busybox here.
cd "$(dirname "$0")" || exit 2
build=${1:-build}
case $build in /*) ;; *) build=$(cd ../../.. && pwd)/$build ;; esac
command -v busybox >/dev/null || { echo 'SKIP UCI to natpcpd.conf: no busybox'; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
rc=0
files=../../../conf/openwrt/files
mkdir -p "$work/lib/functions" "$work/var/lib"
: >"$work/lib/functions/network.sh"

# as they are installed, but below $work
for f in natpcpd.init uci.sh; do
	sed "s#/var/#$work/var/#g; s#/lib/functions/#$work&#; s#/usr/share/natpcpd#$work#; s#/usr/sbin/natpcpd#$build/natpcpd#" \
		"$files/$f" >"$work/$f"
done

# Runs commands in ash, with the stubs and the init script; what they log is in $work/log.
ash() {
	: >"$work/log"
	UCI=$work LOG=$work/log busybox ash -u -c ". ./stub.sh; . $work/natpcpd.init; $1" >"$work/out" 2>&1
}

pass() { echo "PASS $1"; }
fail() { echo "FAIL $1"; sed 's/^/    /' "$work/out" "$work/log" "$work/var/etc/natpcpd.conf" 2>/dev/null; rc=1; }

# Every line of standard input is in the configuration.
has() {
	while read -r line; do
		grep -qxF "$(printf '%s' "$line" | sed 's/^ *//')" "$work/flat" || { echo "    lacks: $line"; return 1; }
	done
}
flatten() { sed 's/^[[:blank:]]*//' "$work/var/etc/natpcpd.conf" >"$work/flat"; }

name='UCI as it is installed: nothing is started until it is enabled'
sed "s#/var/#$work/var/#" "$files/natpcpd.config" >"$work/natpcpd"
if ash start_service && [ ! -s "$work/log" ] && [ ! -e "$work/var/etc/natpcpd.conf" ]; then pass "$name"; else fail "$name"; fi

name='UCI as it is installed, enabled: natpcpd takes it'
sed -i "s/enabled '0'/enabled '1'/" "$work/natpcpd"
if ash start_service && grep -q "^param command $build/natpcpd -c $work/var/etc/natpcpd.conf" "$work/log" &&
	grep -qx 'param reload_signal HUP' "$work/log" && flatten && has <<-EOT
		interface = "eth1"
		interfaces = { "br-lan" }
		nat-pmp = true
		nonce-check = "same-address"
		rule "preset" {
		preset = "home"
		forward-chain = "inet fw4 forward"
		path = "$work/var/lib/natpcpd/leases.journal"
		level = "info"
	EOT
then pass "$name"; else fail "$name"; fi

name='UCI with all options: rules, statics, redirects of the firewall, interfaces that are down'
cp all.config "$work/natpcpd"
cp firewall.config "$work/firewall"
if ash start_service && flatten && [ "$(grep -c '^action' "$work/flat")" = 2 ] && ! grep -q 'not there' "$work/flat" &&
	grep -q 'rule .* is left out' "$work/log" && has <<-'EOT'
		interface = "pppoe-wan6"
		private-address = "allow"
		ports = { "4000-4999", "6000" }
		interfaces = { "br-lan", "br-guest" }
		pcp = false
		rule "say \"cheese\" \\ (1)" {
		action = "deny"
		macs = { "00:00:5e:00:53:01", "00:00:5e:00:53:02" }
		interfaces = { "br-guest" }
		rule "rule (2)" {
		clients = { "192.0.2.10", "2001:db8:1::/64" }
		protocols = { "tcp", "17" }
		internal-ports = { "443", "8000-8010" }
		reject-ports = { "8005" }
		external-ports = { "4443" }
		lifetime-max = "3600"
		mappings-max = "5"
		mappings-total = "50"
		rule "guests (3)" {
		preset = "guest"
		static "ssh (4)" {
		to = "192.0.2.10:22"
		to = "[2001:db8:1::10]:443"
		clients = { "192.0.2.5" }
		min = "60"
		max = "7200"
		mappings-per-client = "10"
		forward-chain = "inet fw4 drop"
		http = "127.0.0.1:5380"
		tcp = { "22", "80", "9000-9010", "7000" }
		udp = { "51820", "9000-9010", "7000" }
	EOT
then pass "$name"; else fail "$name"; fi

name='presets: none refuses what no rule allows, the others give what they are named for'
for preset in none guest gaming other; do
	printf "config natpcpd 'config'\noption enabled '1'\noption preset '%s'\n" $preset >"$work/natpcpd"
	rm -f "$work/firewall"
	ash start_service || break
	cp "$work/var/etc/natpcpd.conf" "$work/$preset"
done
if grep -q 'no preset other' "$work/log" && cmp -s "$work/none" "$work/other" && ! grep -q '^rule' "$work/none" &&
	grep -q 'preset = "guest"' "$work/guest" && grep -q 'preset = "gaming"' "$work/gaming"; then pass "$name"; else fail "$name"; fi

name='a mistake in UCI is logged, ends nothing and replaces nothing'
printf "config natpcpd 'config'\noption enabled '1'\nlist reserved_tcp '0'\n" >"$work/natpcpd"
if ! ash reload_service && grep -q 'logger: .*natpcpd.conf.new:[0-9]*: .*tcp' "$work/log" && ! grep -q '^open' "$work/log" &&
	cmp -s "$work/other" "$work/var/etc/natpcpd.conf"; then pass "$name"; else fail "$name"; fi

name='a reload restarts only for what natpcpd does not take over'
printf "config natpcpd 'config'\noption enabled '1'\noption log_level 'debug'\n" >"$work/natpcpd"
if ash reload_service && grep -q '^open' "$work/log" && ! grep -q restart "$work/log" &&
	echo "option http '127.0.0.1:5380'" >>"$work/natpcpd" && ash reload_service && grep -q restart "$work/log"; then
	pass "$name"
else fail "$name"; fi

name='a configuration of its own is taken as it is; disabled, nothing is started; triggers'
echo 'external wan { interface = wan0 } listen lan { interfaces = lan0 }' >"$work/own.conf"
printf "config natpcpd 'config'\noption enabled '1'\noption conf_file '%s'\noption internal_iface 'lan guest'\n" "$work/own.conf" \
	>"$work/natpcpd"
if ash start_service && grep -qx "param command $build/natpcpd -c $work/own.conf" "$work/log" &&
	ash service_triggers && grep -qx 'trigger natpcpd firewall network' "$work/log" &&
	grep -q '^interface .* guest ' "$work/log" && sed -i "s/'1'/'0'/" "$work/natpcpd" && ash reload_service &&
	[ ! -s "$work/log" ]; then pass "$name"; else fail "$name"; fi

name='natpcpd is given the directory of its journal, unless others may use it'
mkdir -p "$work/shared" "$work/link" "$work/own/natpcpd"
ln -s "$work/shared" "$work/link/natpcpd"
starts() { # DIRECTORY   of the journal, and what its path has after that
	printf "config natpcpd 'config'\noption enabled '1'\noption journal '%s'\n" "$1${2-/leases.journal}" >"$work/natpcpd"
	ash start_service && grep -qx "chown -h natpcpd:natpcpd $work/var/run/natpcpd" "$work/log"
}
given() { starts "$1" && grep -qx "chown -h natpcpd:natpcpd $1" "$work/log" && ! grep -q '^logger' "$work/log"; }
left() { starts "$@" && [ "$(grep -c '^chown' "$work/log")" = 1 ] && grep -q "^logger: .* in ${1:-/}, which" "$work/log"; }
if given "$work/new/one" && left "$work/new/one" && given "$work/own/natpcpd" && left "$work/shared" && left "$work/link/natpcpd" &&
	left '' && left '' leases.journal; then pass "$name"; else fail "$name"; fi

name='shellcheck has nothing to say'
if ! command -v shellcheck >/dev/null; then
	echo "SKIP $name: no shellcheck"
elif shellcheck "$files/natpcpd.init" "$files/uci.sh" stub.sh judge.sh >"$work/out"; then pass "$name"; else fail "$name"; fi
exit $rc
