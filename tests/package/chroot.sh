#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# chroot.sh DIR   the packages that make deb left in DIR are installed, upgraded, removed and purged in a Debian of their own.
# Then systemd is booted in it, if systemd-nspawn is here, and inside.sh tries the unit. Needs root, mmdebstrap and Debian's archive.
# A line PASS or FAIL for each step.
set -u
dir=$(cd "$1" && pwd) || exit 2
here=$(cd "$(dirname "$0")/../.." && pwd)
version=$(sed -n 's/^.define NATPCPD_VERSION "\(.*\)"/\1/p' "$here/server/version.h")
arch=$(dpkg --print-architecture)
packages='natpcpd natpcpc natpcp-lab libnatpcp0 libnatpcp-dev'
failed=0
[ "$(id -u)" = 0 ] || { echo 'SKIP chroot: not root'; exit 77; }
command -v mmdebstrap >/dev/null || { echo 'SKIP chroot: no mmdebstrap'; exit 77; }
# as the machine is
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")

# mounts of its own, which end with it
[ "${NATPCP_CHROOT:-}" ] || NATPCP_CHROOT=1 exec unshare -m -- "$0" "$@"
root=$(mktemp -d "$dir/chroot-XXXXXX")
trap 'umount "$root/proc" 2>/dev/null; rm -rf "$root"' EXIT

[ -e "$dir/chroot.tar" ] || mmdebstrap --quiet --variant=minbase --include=systemd "$suite" "$dir/chroot.tar" >"$dir/chroot.log" 2>&1 || {
	tail -n 5 "$dir/chroot.log"
	echo 'SKIP chroot: none could be made'
	exit 77
}
tar -xf "$dir/chroot.tar" -C "$root"
mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
mkdir "$root/debs" "$root/next"
for p in $packages; do
	cp "$dir/${p}_${version}_$arch.deb" "$root/debs" || exit 2
	# the same with another number: what an upgrade does to it is the same
	rm -rf "$dir/again"
	dpkg-deb -R "$root/debs/${p}_${version}_$arch.deb" "$dir/again"
	sed -i "s/^Version: .*/Version: $version+again/; s/(= $version)/(= $version+again)/" "$dir/again/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$dir/again" "$root/next" >/dev/null
done
rm -rf "$dir/again"

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
apt() { inside apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >"$dir/apt.log" 2>&1 </dev/null || { tail -n 20 "$dir/apt.log"; return 1; }; }
# names of all files but dpkg's, apt's and the caches of both
files() {
	(cd "$root" && find . -xdev \( -path ./proc -o -path ./var/cache -o -path ./var/lib/dpkg -o -path ./var/lib/apt -o -path ./var/log \
		-o -path ./debs -o -path ./next \) -prune -o -print) | sort
}
users() { inside getent passwd | cut -d: -f1; inside getent group | cut -d: -f1 | sed 's/^/group /'; }
debs() { (cd "$root" && printf "/%s " "$1"/*.deb); } # as the chroot names them
step() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then echo "PASS $name"; else failed=1; echo "FAIL $name"; fi
}

apt update || { echo 'SKIP chroot: no package lists'; exit 77; }
# what natpcpd is linked with stays, so that only what is natpcpd's is compared
apt install --no-install-recommends iproute2 nftables procps python3 libcurl3-gnutls libevent-core-2.1-7 libevent-extra-2.1-7 libmnl0 libnftnl11 libjansson4 \
	libcap-ng0 libseccomp2 passwd || exit 1
files >"$dir/files.before"
users >"$dir/users.before"

installs() { apt install --no-install-recommends $(debs debs) && [ "$(inside dpkg-query -W -f '${Status}' natpcpd)" = 'install ok installed' ]; }
has_all() {
	local f
	files >"$dir/files.installed"
	for f in usr/sbin/natpcpd usr/bin/natpcpctl usr/bin/natpcpc usr/bin/natpcp-lab etc/natpcpd.conf lib/systemd/system/natpcpd.service \
		usr/lib/sysusers.d/natpcpd.conf usr/share/man/man8/natpcpd.8.gz usr/share/man/man5/natpcpd.conf.5.gz \
		usr/include/natpcp/codec.h; do
		[ -e "$root/$f" ] || { echo "no $f"; return 1; }
	done
}
has_user() { inside getent passwd natpcpd >/dev/null && [ "$(inside stat -c '%U:%G %a' /var/lib/natpcpd)" = 'natpcpd:natpcpd 750' ]; }
not_enabled() { [ "$(inside systemctl is-enabled natpcpd)" = disabled ]; }
checks() { inside natpcpd -t; }
answers() { # a client of one package, and the daemon of another
	inside unshare -n sh -c 'ip link set lo up; natpcpd -b memory -l 127.0.0.9 >/tmp/out 2>&1 & d=$!
		for i in $(seq 100); do grep -q ready /tmp/out && break; sleep 0.1; done
		natpcpc --server 127.0.0.9 map tcp 8080; rc=$?; kill $d; wait $d; [ $rc = 0 ] || cat /tmp/out >&2; rm /tmp/out; exit $rc' >/dev/null
}
upgrades() {
	echo '# mine' >>"$root/etc/natpcpd.conf"
	echo leases >"$root/var/lib/natpcpd/leases.journal"
	apt install --no-install-recommends $(debs next) && [ "$(inside dpkg-query -W -f '${Version}' natpcpd)" = "$version+again" ] &&
		tail -n 1 "$root/etc/natpcpd.conf" | grep -q mine && [ -e "$root/var/lib/natpcpd/leases.journal" ]
}
same_files() { files | diff "$dir/files.installed" - | grep -v leases.journal | grep '^[<>]' && return 1; return 0; }
removes() {
	apt remove $packages && [ ! -e "$root/usr/sbin/natpcpd" ] && [ -e "$root/etc/natpcpd.conf" ] && [ -e "$root/var/lib/natpcpd/leases.journal" ]
}
purges() { apt purge $packages; }
nothing_left() { files | diff "$dir/files.before" - && users | diff "$dir/users.before" -; }

step 'the packages install' installs
step 'what belongs to them is there' has_all
step 'the user and its state directory are there' has_user
step 'the unit is not enabled before somebody wants it' not_enabled
step 'the shipped configuration is good' checks
step 'natpcpd answers natpcpc' answers
step 'an upgrade keeps the configuration and the journal' upgrades
step 'an upgrade leaves the same files' same_files
step 'a removal keeps the configuration and the journal' removes
step 'they install again and purge' eval 'installs && purges'
step 'a purge leaves nothing' nothing_left

if ! command -v systemd-nspawn >/dev/null; then
	echo 'SKIP the unit: no systemd-nspawn'
	exit $failed
fi
installs || exit 1
umount "$root/proc"
rm "$root/usr/sbin/policy-rc.d"
cp "$here/tests/package/inside.sh" "$root/inside.sh"
printf '[Unit]\nAfter=network.target\n[Service]\nType=oneshot\nExecStart=/inside.sh\n' >"$root/etc/systemd/system/inside.service"
# systemd-nspawn refuses Landlock unless it is told; what the kernel has is asked outside of it
python3 -c 'import ctypes; print(max(0, ctypes.CDLL(None).syscall(444, None, 0, 1)))' >"$root/landlock"
timeout 300 systemd-nspawn -q --register=no --keep-unit --private-network \
	--system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' -D "$root" -b systemd.wants=inside.service >"$dir/boot.log" 2>&1 \
	</dev/null
[ -e "$root/results" ] && cat "$root/results" && grep -q 'PASS and its files' "$root/results" && ! grep -q ^FAIL "$root/results" || {
	echo 'FAIL the unit in a container'
	tail -n 20 "$root/inside.log" 2>/dev/null
	failed=1
}
exit $failed
