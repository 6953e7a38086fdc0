#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh BUILD   a host behind a router gets its port: the whole path with real packets, told step by step.
cd "$(dirname "$0")/../.." || exit 2
build=$(realpath "${1:-build}")
PFX=demo$$
. tests/lab/lab.sh
work=$(mktemp -d) natpcpd_pid= listener= step=0

cleanup() {
	trap '' INT TERM
	for p in $listener $natpcpd_pid; do kill "$p" 2>/dev/null; done
	lab_down
	rm -rf "$work"
}
trap cleanup EXIT
trap 'echo; echo "stopped; everything is removed"; exit 130' INT TERM
[ "$(id -u)" = 0 ] || { echo 'the demo builds network namespaces: sudo make demo' >&2; exit 2; }

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
tell() { step=$((step + 1)); printf '\n%s%d. %s%s\n' "$bold" $step "$*" "$plain"; }
show() { sed 's/^/     /'; }
fail() { echo "demo: $*" >&2; tail -n 20 "$work/log" >&2; exit 1; }
# runs a command in one namespace and shows both
at() { # side command...
	local side=$1 rc
	shift
	echo "   $side\$ ${*/#$build\//}"
	lab_in "$side" "$@" >"$work/said" 2>&1
	rc=$?
	show <"$work/said"
	return $rc
}
# a token from the internet host to the outside address and back, through what was mapped
bytes() { # proto inner-port outer-address outer-port
	echo "   wan\$ send \"hello\" to $1 $3:$4"
	python3 tests/lab/probe.py through "$LAN" "$WAN" "$1" $LAN_IP "$2" "$3" "$4" hello >"$work/said" || fail "$(cat "$work/said")"
	show <"$work/said"
}
closed() { # proto address port
	if python3 tests/lab/probe.py closed "$LAN" "$WAN" "$1" "$2" "$3"; then
		echo "     $1 $2:$3 is closed"
	else
		fail "$1 $2:$3 still answers"
	fi
}
hears() { lab_in lan2 ss -Hlun 'sport = 5350' | grep -q 5350; }

tell "A router from network namespaces: two LAN hosts, the router, a host on the internet."
lab_up || exit
cat <<EOT
     lan  $LAN_IP  ---+
                          +--- br-lan $GW_IP [router] wan0 $EXT_IP --- $WAN_IP wan
     lan2 $LAN2_IP  ---+
EOT

tell "natpcpd starts in the router. Its configuration is tests/lab/demo.conf."
sed "s|@DIR@|$work|" tests/lab/demo.conf >"$work/natpcpd.conf"
grep -vE '^ *(#|$)' "$work/natpcpd.conf" | sed 's/ *#.*//' | show
lab_natpcpd "$build" "$work" "$work/natpcpd.conf" || exit 1
show <"$work/out"

tell "A LAN host maps TCP by NAT-PMP, with natpmpc from Debian (not ours)."
at lan natpmpc -g $GW_IP -a 18080 8080 tcp 3600 || fail 'natpmpc got no mapping'

tell "It maps UDP by PCP, with natpcpc."
at lan "$build/natpcpc" --server $GW_IP --pcp map udp 4000 14000 || fail 'natpcpc got no mapping'

tell "The internet host reaches both; the bytes go there and back."
bytes tcp 8080 $EXT_IP 18080
bytes udp 4000 $EXT_IP 14000

tell "In the packet filter a mapping is a map element, never a rule."
at gw nft list table inet natpcpd || fail 'no table'
echo '   and the one rule in the operator'"'"'s own chain:'
lab_in gw nft list chain inet filter forward | show

tell "What the operator sees."
at gw "$build/natpcpctl" -s "$work/control.sock" leases || fail 'no leases'

tell "The provider gives the router another address. A LAN host listens."
lab_in lan2 "$build/natpcpc" --timeout 8 listen >"$work/heard" 2>&1 &
listener=$!
wait_for 5 hears || fail 'the listener does not listen'
ip -n "$GW" addr add $EXT_IP2/24 dev wan0
ip -n "$GW" addr del $EXT_IP/24 dev wan0
echo "   gw\$ ip addr add $EXT_IP2/24 dev wan0; ip addr del $EXT_IP/24 dev wan0"
wait_for 5 grep -q "$EXT_IP2" "$work/heard" || fail 'no announcement was heard'
kill $listener 2>/dev/null
wait $listener 2>/dev/null
listener=
echo "   lan2\$ natpcpc listen"
show <"$work/heard"

tell "The mappings moved to the new address by themselves."
bytes tcp 8080 $EXT_IP2 18080
bytes udp 4000 $EXT_IP2 14000

tell "The host deletes them, and the ports are closed: that of PCP when its connections have ended."
at lan natpmpc -g $GW_IP -a 0 8080 tcp 0 || fail 'natpmpc could not delete'
at gw conntrack -D -p udp --reply-port-src 4000 || fail 'there was no connection'
at lan "$build/natpcpc" --server $GW_IP --pcp unmap udp 4000 || fail 'natpcpc could not delete'
closed tcp $EXT_IP2 18080
closed udp $EXT_IP2 14000

tell "What natpcpd logged meanwhile."
show <"$work/log"

tell "natpcpd ends, and the namespaces are removed."
kill "$natpcpd_pid"
wait "$natpcpd_pid" || fail "natpcpd ended with $?"
natpcpd_pid=
