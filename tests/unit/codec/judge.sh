#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# judge.sh BUILD   independent eyes on the codec: vectors.h is what vectors.py writes, and tshark reads what we write.
# Exit code 77: no tshark or no python3 here.
cd "$(dirname "$0")" || exit 2
build=${1:-build}
case $build in /*) ;; *) build=../../../$build ;; esac
for tool in python3 tshark; do
	command -v "$tool" >/dev/null || { echo "SKIP tshark reads our messages: no $tool"; exit 77; }
done

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
mkdir "$work/seeds"
export PYTHONDONTWRITEBYTECODE=1
if python3 vectors.py "$work/vectors.h" "$work/seeds" && cmp "$work/vectors.h" vectors.h &&
	for f in "$work"/seeds/*; do cmp "$f" "../../fuzz/seeds/codec/${f##*/}" || exit 1; done; then
	echo 'PASS golden messages are those of vectors.py'
else
	echo 'FAIL golden messages are those of vectors.py: run vectors.py vectors.h ../../fuzz/seeds/codec'
	exit 1
fi
python3 judge.py "$build/tests/unit/codec/emit"
