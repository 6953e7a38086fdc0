#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# analyze.sh gcc|clang-tidy|cppcheck FILE...   what a static analyzer has to say of each source that is shipped; none may say a word.
# What they are not asked, and why: clang-tidy in .clang-tidy, the others here.
set -u
cd "$(dirname "$0")/../.." || exit 2
tool=$1
shift
language=(-std=gnu11 -D_GNU_SOURCE -I. -I"${O:-build}/include")

one() {
	local not=()
	case $tool in
	gcc)
		# gcc 12 counts what is stored in a caller's structure as lost, and what a callee or memcpy() writes as unwritten:
		# AddressSanitizer, MemorySanitizer and valgrind look for these
		not=(-Wno-analyzer-malloc-leak -Wno-analyzer-use-of-uninitialized-value)
		case $1 in
		server/confine.c) not+=(-Wno-analyzer-double-free) ;; # of NULL, which may be freed as often as one likes
		esac
		# without an optimiser: with one it finds no more, and some files take minutes
		gcc "${language[@]}" -O0 -fanalyzer -Werror "${not[@]}" -S -o /dev/null "$1"
		;;
	clang-tidy) clang-tidy --quiet "$1" -- "${language[@]}" 2>/dev/null ;;
	cppcheck)
		not=(
			--suppress=resourceLeak:codec/examples/ten.c --suppress=resourceLeak:codec/examples/shared.c # main() ends there
			--suppress=memleak:server/io/sandbox_paths.c   # what could not be opened
			--suppress=ctuuninitvar:server/replies.c       # a structure that is written member by member
			--suppress=readdirCalled --suppress=getpwnamCalled # before there are threads; readdir() has been safe for long
		)
		# of the system's headers it is to read this one alone, for its macros
		cppcheck -q --std=c11 --enable=warning,performance,portability --error-exitcode=1 --library=posix,gnu -D_GNU_SOURCE -I. \
			--include="/usr/include/$(gcc -print-multiarch)/sys/queue.h" "${not[@]}" "$1"
		;;
	esac
}
rc=0
for f in "$@"; do
	one "$f" || rc=1
done
exit $rc
