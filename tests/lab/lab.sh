#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# natpcp-lab: a home router and its neighbours, made of network namespaces.
#
#   lab.sh up | down | status      build it, remove it, show it
#   lab.sh make                    build it, and do not wait until packets get through
#   lab.sh lan|lan2|gw|wan CMD..   run CMD in one namespace
#   lab.sh probe tcp|udp LANIP LANPORT EXTIP EXTPORT [lan|lan2]
#                                  listen inside, connect from outside; 0 only if both directions work
#
#   [ lan  192.0.2.11 ]--+                                          +--[ wan 198.51.100.2 ]
#                        +--br-lan 192.0.2.1 [ gw ] 198.51.100.1 wan0
#   [ lan2 192.0.2.12 ]--+
#
# Only documentation addresses. PFX (default nl) begins the names of the namespaces, so that labs run side by side.
# Both ends of every veth are born inside: the machine's own network is not touched. Sourced, it defines functions.
PFX=${PFX:-nl}
LAN=${PFX}lan LAN2=${PFX}lan2 GW=${PFX}gw WAN=${PFX}wan
LAN_IP=192.0.2.11 LAN2_IP=192.0.2.12 GW_IP=192.0.2.1
EXT_IP=198.51.100.1 EXT_IP2=198.51.100.9 WAN_IP=198.51.100.2 WAN_IP2=203.0.113.2
LAN_IP6=2001:db8:1::11 LAN2_IP6=2001:db8:1::12 GW_IP6=2001:db8:1::1
EXT_IP6=2001:db8:2::1 WAN_IP6=2001:db8:2::2
lab_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

lab_in() { # namespace command...
	ip netns exec "${PFX}$1" "${@:2}"
}

wait_for() { # seconds command...: until it succeeds; 1 if it does not in that time
	local deadline=$((${EPOCHREALTIME/./} + ${1/./} * 1000000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME/./}" -lt $deadline ] || return 1
		sleep 0.05
	done
}

lab_down() {
	local n p there=()
	for n in "$LAN" "$LAN2" "$GW" "$WAN"; do
		[ ! -e "/run/netns/$n" ] || there+=("$n")
	done
	[ ${#there[@]} != 0 ] || return 0
	if ! lab_idle "${there[@]}"; then
		for p in $(lab_pids "${there[@]}"); do kill "$p" 2>/dev/null; done
		wait_for 20 lab_idle "${there[@]}" || for p in $(lab_pids "${there[@]}"); do kill -9 "$p" 2>/dev/null; done
	fi
	printf 'netns del %s\n' "${there[@]}" | ip -force -batch -
	rm -rf "${there[@]/#//etc/netns/}"
	return 0
}
lab_idle() { [ -z "$(lab_pids "$@")" ]; }
lab_pids() { # namespaces: the processes in them. ip netns pids would walk through all processes for each
	local n is=()
	for n in "$@"; do is+=(-o -samefile "/run/netns/$n"); done
	find -L /proc/[0-9]*/ns/net -maxdepth 0 \( "${is[@]:1}" \) 2>/dev/null | cut -d/ -f3
}

lab_up() {
	lab_make && python3 "$lab_dir/probe.py" reach "$LAN" "$LAN2" $WAN_IP $WAN_IP6
}

lab_make() {
	local n more
	for n in ip nft sysctl python3; do
		command -v $n >/dev/null || { echo "lab: $n is missing" >&2; return 2; }
	done
	[ "$(id -u)" = 0 ] || { echo 'lab: needs root' >&2; return 2; }
	for n in "$LAN" "$LAN2" "$GW" "$WAN"; do
		[ ! -e "/run/netns/$n" ] || { echo "lab: $n is there already (lab.sh down removes it)" >&2; return 2; }
	done
	# few programs: a lab is made for each test, a thousand times in make check
	printf 'netns add %s\n' "$LAN" "$LAN2" "$GW" "$WAN" | ip -batch - || return
	mkdir -p "/etc/netns/$LAN" "/etc/netns/$LAN2" "/etc/netns/$GW" "/etc/netns/$WAN" || return
	for n in "$LAN" "$LAN2" "$GW" "$WAN"; do
		: >"/etc/netns/$n/resolv.conf" # no name server inside
		more=()
		# an address that is taken away leaves the others of its subnet, and their routes, there; and DNAT at layer 2, where there
		# is such a thing, would break hairpin between two hosts of one bridge
		[ "$n" != "$GW" ] || more=(ipv4/ip_forward=1 ipv6/conf/all/forwarding=1 ipv4/conf/all/promote_secondaries=1
			-bridge/bridge-nf-call-{ip,ip6,arp}tables=0)
		lab_set "$n" ipv6/conf/{all,default}/accept_{dad,ra}=0 "${more[@]}" || return
	done
	ip -n "$GW" -batch - <<-EOT || return
		link set lo up
		link add br-lan address 02:00:5e:00:53:01 type bridge
		link add wan0 type veth peer name eth0 netns $WAN
		link add lp1 type veth peer name eth0 netns $LAN
		link add lp2 type veth peer name eth0 netns $LAN2
		link set lp1 master br-lan up
		link set lp2 master br-lan up
		link set br-lan up
		link set wan0 up
		addr add $GW_IP/24 dev br-lan
		addr add $EXT_IP/24 dev wan0
		addr add $GW_IP6/64 dev br-lan nodad
		addr add $EXT_IP6/64 dev wan0 nodad
		route add default via $WAN_IP
		route add default via $WAN_IP6
	EOT
	lab_host "$LAN" $LAN_IP $LAN_IP6 $GW_IP $GW_IP6 || return
	lab_host "$LAN2" $LAN2_IP $LAN2_IP6 $GW_IP $GW_IP6 || return
	ip -n "$WAN" -batch - <<-EOT || return
		link set lo up
		link set eth0 up
		addr add $WAN_IP/24 dev eth0
		addr add $WAN_IP2/32 dev eth0
		addr add $WAN_IP6/64 dev eth0 nodad
		route add 2001:db8:1::/64 via $EXT_IP6
	EOT
	# a plain home router: inside may go out, outside may come in for answers only
	nsenter --net="/run/netns/$GW" nft -f - <<-EOT || return
		table inet filter {
			chain forward {
				type filter hook forward priority filter; policy drop;
				ct state established,related accept
				iifname "br-lan" oifname "wan0" accept
			}
		}
		table inet nat {
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname "wan0" ip saddr 192.0.2.0/24 masquerade
			}
		}
	EOT
}

lab_set() { # namespace name=value...: below /proc/sys/net; one whose name begins with - may be missing
	# shellcheck disable=SC2016
	nsenter --net="/run/netns/$1" sh -c 'for s; do
		n=${s%=*}
		[ "$n" = "${n#-}" ] || [ -e "/proc/sys/net/${n#-}" ] || continue
		echo "${s#*=}" >"/proc/sys/net/${n#-}" || exit
	done' lab "${@:2}"
}

lab_host() { # namespace address address6 gateway gateway6
	ip -n "$1" -batch - <<-EOT || return
		link set lo up
		link set eth0 up
		addr add $2/24 dev eth0
		addr add $3/64 dev eth0 nodad
		route add default via $4
		route add default via $5
	EOT
	# Some clients try home gateways and well-known servers by guess. A filter keeps that inside, not unreachable
	# routes: clients learn their own address by connecting a UDP socket to a far one, which needs a route.
	nsenter --net="/run/netns/$1" nft -f - <<-EOT
		table inet guard {
			chain output {
				type filter hook output priority filter; policy drop;
				oifname "lo" accept
				ip daddr { 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/4, 255.255.255.255 } accept
				ip6 daddr { 2001:db8::/32, fe80::/10, ff00::/8 } accept
			}
		}
	EOT
}

# natpcpd in the router: sets natpcpd_pid; its log is DIR/log. Returns when it says that it is ready.
lab_natpcpd() { # build dir conf options...
	mkdir -p "$2"
	: >"$2/out"
	ip netns exec "$GW" "$1/natpcpd" -c "$3" "${@:4}" </dev/null >"$2/out" 2>>"$2/log" &
	natpcpd_pid=$!
	wait_for 60 lab_settled "$2/out" && grep -qx ready "$2/out" || {
		echo 'natpcpd does not start:' >&2
		tail -n 5 "$2/log" >&2
		return 1
	}
}
lab_settled() { grep -qx ready "$1" || ! kill -0 "$natpcpd_pid" 2>/dev/null; }

[ "${BASH_SOURCE[0]}" = "$0" ] || return 0
case ${1:-} in
up | make)
	trap 'lab_down; exit 130' INT TERM
	"lab_$1" || { rc=$?; [ $rc = 2 ] || lab_down; exit $rc; }
	;;
down)
	trap '' INT TERM
	lab_down
	;;
status) for n in "$LAN" "$LAN2" "$GW" "$WAN"; do echo "== $n"; ip -n "$n" -br addr; done ;;
lan | lan2 | gw | wan) exec ip netns exec "$PFX$1" "${@:2}" ;;
probe) exec python3 "$lab_dir/probe.py" through "$PFX${7:-lan}" "$WAN" "${@:2:5}" ;;
*) sed -n '3,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
