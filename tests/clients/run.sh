#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh BUILD [NAME...]   all (or the named) clients against natpcpd in a lab, each with real packets from the outside
# through what it mapped. ALL=1 adds the big ones. A client that is not installed is skipped.
cd "$(dirname "$0")/../.." || exit 2
BUILD=$(realpath "${1:-build}")
shift
PFX=c$$
. tests/lab/lab.sh
here=$PWD/tests/clients work=$(mktemp -d) natpcpd_pid=
# those that build and install things do it where a later run finds them, and outside of the lab
NPMDIR=$PWD/build/npm
export BUILD NPMDIR ALL=${ALL:-}

# script, its environment, the protocol that it speaks
table='
natpmpc                   -            NAT-PMP
libnatpmp                 -            NAT-PMP
natpcpc                   PROTO=pcp    PCP
natpcpc                   PROTO=natpmp NAT-PMP
nmap                      -            NAT-PMP
go-jackpal                -            NAT-PMP
go-audrius                -            NAT-PMP
python3-libtorrent        -            PCP
npm-nat-pmp               -            NAT-PMP
npm-pmp                   -            NAT-PMP
npm-silentbot1-nat-api    -            NAT-PMP
npm-achingbrain           -            NAT-PMP
npm-port-mapper-pcp       PROTO=pcp    PCP
npm-port-mapper-pcp       PROTO=natpmp NAT-PMP
npm-port-mapper-pcp       IPV6=1       PCP/IPv6
npm-nat-puncher           PROTO=pcp    PCP
npm-nat-puncher           PROTO=pmp    NAT-PMP
'
big='
npm-iroh                  -            PCP
baresip                   -            NAT-PMP
transmission-daemon       -            NAT-PMP
qbittorrent-nox           -            PCP
syncthing                 -            NAT-PMP
'
[ -z "$ALL" ] || table+=$big

cleanup() {
	trap '' INT TERM
	[ -z "$natpcpd_pid" ] || kill "$natpcpd_pid" 2>/dev/null
	lab_down
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Real packets through one "MAPPED proto ext=A:P int=A:P ..." line; says what went wrong. $2: the client itself listens
through() {
	local proto ext int _ p port address
	read -r _ proto ext int _ <<<"$1"
	ext=${ext#ext=} int=${int#int=}
	port=${ext##*:} address=${ext%:*}
	address=${address#[} address=${address%]}
	case $address in
	- | "$EXT_IP") set -- "$1" "$2" $LAN_IP $EXT_IP ;;
	"$LAN_IP6") set -- "$1" "$2" $LAN_IP6 $LAN_IP6 ;;
	*) echo "it believes in the outside address $address"; return 1 ;;
	esac
	for p in ${proto//+/ }; do
		if [ -n "$2" ]; then
			case ${p,,} in
			tcp) lab_in wan python3 tests/lab/probe.py connect "$4" "$port" || return 1 ;;
			udp) python3 tests/lab/probe.py arrives "$LAN" "$WAN" "${int##*:}" "$4" "$port" || return 1 ;;
			esac
		else
			python3 tests/lab/probe.py through "$LAN" "$WAN" "${p,,}" "$3" "${int##*:}" "$4" "$port" || return 1
		fi
	done
}

one() { # name environment: result in $result, words in $why
	local gw=$GW_IP listens= env=() lines= patience= rc
	[ "$2" = - ] || env=("$2")
	[ "$2" != IPV6=1 ] || gw=$GW_IP6
	case $1 in
	npm-*) [ -z "$npm_why" ] || { result=SKIP why=$npm_why; return; } ;;
	baresip | transmission-daemon | qbittorrent-nox | syncthing) listens=1 ;;
	esac
	if [ -n "$listens" ]; then
		# it deletes its mapping when it ends: look while it runs
		coproc client { HOLD=1 timeout 150 ip netns exec "$LAN" "$here/$1.sh" "$gw" 2>&1; }
		: >"$work/out"
		# all its mappings come at once, then it waits
		while read -rt "${patience:=150}" line <&"${client[0]}"; do
			echo "$line" >>"$work/out"
			[[ $line != MAPPED* ]] || { lines+=$line$'\n' patience=1; }
		done
		why=
		while read -r line; do [ -z "$line" ] || why+=$(through "$line" 1); done <<<"${lines:-}"
		echo go >&"${client[1]}"
		wait "$client_PID"
		rc=$?
	else
		env "${env[@]}" timeout 150 ip netns exec "$LAN" "$here/$1.sh" "$gw" >"$work/out" 2>&1 </dev/null
		rc=$?
		why=
		while read -r line; do why+=$(through "$line" '' | grep -v '^OK'); done < <(grep '^MAPPED' "$work/out")
	fi
	case $rc in
	0) [ -z "$why" ] && grep -q '^MAPPED' "$work/out" && result=PASS why=$(grep -c '^MAPPED' "$work/out")\ mappings || result=FAIL ;;
	77) result=SKIP why=$(tail -n 1 "$work/out") ;;
	*) result=FAIL why="exit $rc: $(tail -n 1 "$work/out")" ;;
	esac
	[ $result != FAIL ] || sed 's/^/    /' "$work/out" "$work/log"
}

rc=0
mkdir -p build
npm_why=
# shellcheck disable=SC2086
if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
	npm_why='npm is not installed'
else
	npm_why=$(tests/clients/npm-setup.sh "$NPMDIR" ${ALL:+all}) && npm_why=
fi
lab_up || { rc=$?; [ $rc != 2 ] || exit 77; exit $rc; }
lab_natpcpd "$BUILD" "$work" tests/clients/clients.conf || exit 1
summary=
while read -r name env protocol; do
	[ -n "$name" ] || continue
	[ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
	result= why=
	one "$name" "$env"
	[ "$env" = - ] || [ "$env" = IPV6=1 ] || protocol+=" ($env)"
	echo "$result $name $protocol: $why"
	summary+=$(printf '%-24s %-24s %s' "$name" "$protocol" "${result/PASS/ok}")$'\n'
	[ $result != FAIL ] || rc=1
done <<<"$table"
printf '\n%-24s %-24s %s\n%s' client protocol result "$summary"
exit $rc
