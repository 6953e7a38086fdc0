#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# inside.sh   run by chroot.sh in a container that systemd has booted, with a network of its own: the unit, from its start to a
# purge. A line PASS or FAIL for each step goes to /results. /next has the packages of a newer version.
exec >/inside.log 2>&1
set -u
step() {
	local name=$1
	shift
	if "$@"; then echo "PASS $name"; else echo "FAIL $name"; fi >>/results
}
within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}
main() { systemctl show -p MainPID --value natpcpd; }
status() { sed -n "s/^$1:[[:blank:]]*//p" "/proc/${2:-$(main)}/status"; }

ip link add wan0 type veth peer name wan1
ip link add br-lan type veth peer name lan1
ip link add br-guest type veth peer name guest1
ip netns add lan
ip netns add guest
ip link set lan1 netns lan
ip link set guest1 netns guest
for i in wan0 wan1 br-lan br-guest lo; do ip link set $i up; done
ip addr add 198.51.100.1/24 dev wan0
ip addr add 192.0.2.1/24 dev br-lan
ip -n lan addr add 192.0.2.11/24 dev lan1
ip -n lan link set lan1 up
ip -n lan route add default via 192.0.2.1
ip addr add 203.0.113.1/24 dev br-guest
ip -n guest addr add 203.0.113.11/24 dev guest1
ip -n guest link set guest1 up
ip -n guest route add default via 203.0.113.1
nft 'table inet filter { chain forward { type filter hook forward priority 0; policy drop; }; }'
sed -i 's/^	#forward-chain = /	forward-chain = /; s|^	#path = .*|	path = "/run/natpcpd/leases.journal"|' /etc/natpcpd.conf
echo 'hook "note" { exec = "/usr/local/bin/note" events = { "made", "ended" } }' >>/etc/natpcpd.conf
printf '#!/bin/sh\necho "$NATPCPD_EVENT $NATPCPD_CLIENT" >>/var/lib/natpcpd/events\n' >/usr/local/bin/note
chmod 755 /usr/local/bin/note

step 'the unit starts, and says when it is ready' systemctl start natpcpd
step 'it is never root' test "$(status Uid)" = "$(id -u natpcpd | sed 's/.*/&\t&\t&\t&/')"
step 'it has no capabilities, and cannot get any' test "$(status CapEff) $(status CapPrm) $(status NoNewPrivs) $(status Seccomp)" = \
	'0000000000000000 0000000000000000 1 2'
warden() { pgrep -P "$(main)" -x natpcpd-warden; }
step 'its warden has CAP_NET_ADMIN, and cannot get more' test "$(status CapPrm "$(warden)") $(status NoNewPrivs "$(warden)")" = \
	'0000000000001000 1'
step 'its sandbox has the Landlock of the kernel' eval 'journalctl -u natpcpd | grep -q "event=sandbox .*landlock=$(cat /landlock) "'
maps() { ip netns exec lan natpcpc map tcp 8080 --natpmp && ip netns exec lan natpcpc map udp 4000; }
step 'hosts map ports' within 10 maps
step 'its rule is in the chain of the firewall' eval 'nft list chain inet filter forward | grep -q natpcpd'
step 'natpcpctl sees them' eval '[ "$(natpcpctl leases | grep -c 198.51.100.1)" = 2 ]'
noted() { grep -qx "$1" /var/lib/natpcpd/events; }
step 'a hook writes where the unit lets it' within 10 noted 'made 192.0.2.11'
sed -i 's/^	interfaces = { "br-lan" }/	interfaces = { "br-lan", "br-guest" }/' /etc/natpcpd.conf
step 'a reload' systemctl reload natpcpd
guest() { ip netns exec guest natpcpc "$@" tcp 8080 --natpmp; }
step 'which brings an interface' within 10 guest map
step 'a host deletes by NAT-PMP' eval 'guest unmap && within 10 noted "ended 203.0.113.11"'
cp /etc/natpcpd.conf /good
echo 'nonsense { }' >>/etc/natpcpd.conf
step 'a reload of a file with a mistake fails, and natpcpd goes on' eval '! systemctl reload natpcpd && natpcpctl status >/dev/null'
cp /good /etc/natpcpd.conf
step 'a restart keeps the mappings' eval 'systemctl restart natpcpd && [ "$(natpcpctl leases | grep -c 198.51.100.1)" = 2 ]'
step 'and a journal in /run, which knows who made them' eval '[ "$(natpcpctl leases | grep -c -e nat-pmp -e pcp)" = 2 ]'

mkdir -p /run/systemd/system/natpcpd.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\nRestartSec=100ms\n' >/run/systemd/system/natpcpd.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart natpcpd
before=$(main)
kill -STOP "$before"
another() { [ "$(main)" != "$before" ] && [ "$(main)" != 0 ] && natpcpctl status >/dev/null; }
step 'one that stands is killed by the watchdog, and started again' within 20 another
step 'with its mappings' eval '[ "$(natpcpctl leases | grep -c 198.51.100.1)" = 2 ]'

# so many starts in a row are not to count, nor is a second on a busy machine
rm -r /run/systemd/system/natpcpd.service.d
systemctl daemon-reload
systemctl restart natpcpd
systemctl reset-failed natpcpd
before=$(main)
step 'an upgrade restarts it' eval 'dpkg -i /next/natpcpd_*.deb && within 20 another'
step 'a purge stops it, and takes its user' eval 'dpkg -P natpcpd && ! systemctl is-active natpcpd && ! id natpcpd && ! pgrep -x natpcpd'
step 'and its files' eval '! ls -d /run/natpcpd /var/lib/natpcpd /etc/natpcpd.conf'
systemctl poweroff
