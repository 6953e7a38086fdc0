#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tidy.sh   what no compiler looks at: a licence line in every file, line ends, tabs in C, rooted includes, long lines.
cd "$(dirname "$0")/../.." || exit 2
rc=0
complain() { [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; rc=1; }; }
mapfile -t files < <({ git ls-files --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './build*' -printf '%P\n'; } | sort -u)
# c: C, shipped: what of it is no test, headers, clockless: what must not know the wall clock, begins: the first three lines of each
text=() c=() shipped=() headers=() clockless=()
declare -A begins
for f in "${files[@]}"; do
	[ -f "$f" ] || continue
	case $f in
	tests/fuzz/seeds/* | tests/*/golden/* | *.hex | *.tsv | LICENSE | .gitignore) continue ;;
	tests/*.[ch]) c+=("$f") ;;
	*.[ch]) c+=("$f") shipped+=("$f") ;;
	esac
	case $f in
	tests/* | codec/natpcpc*.c | server/lab/note.c | server/io/journal*.c | server/history.c | server/natpcpctl*.c | server/io/log.c | server/io/wall.c) ;;
	*.[ch]) clockless+=("$f") ;;
	esac
	case $f in tests/*) ;; *.h) headers+=("$f") ;; esac
	text+=("$f")
	mapfile -n 3 -t first <"$f"
	begins[$f]=${first[*]}
done
complain 'no SPDX line among the first three' "$(for f in "${text[@]}"; do [[ ${begins[$f]} == *'SPDX-License-Identifier: '[A-Z]* ]] || echo "$f"; done)"
complain 'codec is MIT, all else GPL-2.0-or-later' "$(for f in "${text[@]}"; do
	case $f in codec/*) l=MIT ;; *) l=GPL-2.0-or-later ;; esac
	[[ ${begins[$f]} == *"SPDX-License-Identifier: $l"* ]] || echo "$f"
done)"
complain 'carriage returns' "$(grep -lI $'\r' "${text[@]}")"
complain 'blanks at line ends' "$(grep -nIE '[[:blank:]]+$' "${text[@]}")"
[ -z "$(tail -q -c 1 "${text[@]}")" ] || complain 'no newline at the end' "$(for f in "${text[@]}"; do [ -z "$(tail -c 1 "$f")" ] || echo "$f"; done)"
complain 'indented by blanks' "$(grep -nE '^ {8}' "${c[@]}")"
complain 'includes that are not rooted' "$(grep -nE '^#include "[^/"]+"' "${c[@]}")"
complain 'structures that two headers define' "$(grep -hoE '^struct [a-z0-9_]+ \{' "${headers[@]}" | sort | uniq -d)"
# it may be set, and lifetimes must not know: it is for the edge of the journal, where the clock of this boot means nothing, and for people
wall='CLOCK_REALTIME|gettimeofday *\(|(^|[^_[:alnum:].>])time *\(|localtime|gmtime|mktime'
complain 'the wall clock is read' "$(grep -nE "$wall" "${clockless[@]}" | sed 's|/\*.*\*/||' | grep -vE '^[^:]+:[0-9]+:([[:blank:]]*\*|/\*)' | grep -E "$wall")"
complain 'a timer that stands still in a suspend' "$(grep -nE 'evtimer_|event_base_once|timerfd_create\(CLOCK_(MONOTONIC|REALTIME)|event_add\([^,]+, *[^N ]' \
	"${shipped[@]}")"
exit $rc
