#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# apart.sh DIRECTORY TREE   a root of its own for a program that keeps its settings in fixed places: what this machine has,
# with TREE laid over it. Whatever is written there is forgotten at the end, and this machine sees nothing of it.
# Says "apart", and stays until standard input ends; nsenter --mount --root --wd takes others in. Exit 77: cannot be done.
set -e
if [ -z "${APART:-}" ]; then
	APART=1 exec unshare --mount --propagation private "$0" "$@"
fi
dir=$1 tree=$2
mount -t tmpfs none "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
cp -a "$tree/." "$dir/upper"
mount -t overlay none -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$dir/root" || exit 77
cd "$dir/root"
mount --rbind /proc proc
mount --rbind /dev dev
mount -t sysfs none sys
mount -t tmpfs none run
mount -t tmpfs none tmp
exec chroot . sh -c 'echo apart; exec cat'
