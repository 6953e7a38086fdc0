#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tidy.sh   what no compiler looks at: a licence line in every file, line ends, tabs in C, rooted includes, long lines.
cd "$(dirname "$0")/../.." || exit 2
rc=0
complain() { [ -z "$2" ] || { printf '%s:\n%s\n' "$1" "$2"; rc=1; }; }
mapfile -t files < <({ git ls-files --cached --others --exclude-standard 2>/dev/null || find . -type f -not -path './build*' -printf '%P\n'; } | sort -u)
text=() c=()
for f in "${files[@]}"; do
	[ -f "$f" ] || continue
	case $f in
	tests/fuzz/seeds/* | tests/*/golden/* | *.hex | *.tsv | LICENSE | .gitignore) continue ;;
	*.[ch]) c+=("$f") ;;
	esac
	text+=("$f")
done
complain 'no SPDX line among the first three' "$(for f in "${text[@]}"; do head -n 3 "$f" | grep -q 'SPDX-License-Identifier: [A-Z]' || echo "$f"; done)"
complain 'codec is MIT, all else GPL-2.0-or-later' "$(for f in "${text[@]}"; do
	case $f in codec/*) l=MIT ;; *) l=GPL-2.0-or-later ;; esac
	head -n 3 "$f" | grep -q "SPDX-License-Identifier: $l" || echo "$f"
done)"
complain 'carriage returns' "$(grep -lI $'\r' "${text[@]}")"
complain 'blanks at line ends' "$(grep -nIE '[[:blank:]]+$' "${text[@]}")"
complain 'no newline at the end' "$(for f in "${text[@]}"; do [ -z "$(tail -c 1 "$f")" ] || echo "$f"; done)"
complain 'indented by blanks' "$(grep -nE '^ {8}' "${c[@]}")"
complain 'includes that are not rooted' "$(grep -nE '^#include "[^/"]+"' "${c[@]}")"
complain 'structures that two headers define' "$(for f in "${c[@]}"; do
	case $f in tests/*) ;; *.h) grep -hoE '^struct [a-z0-9_]+ \{' "$f" ;; esac
done | sort | uniq -d)"
# it may be set, and lifetimes must not know: it is for the edge of the journal, where the clock of this boot means nothing, and for people
complain 'the wall clock is read' "$(for f in "${c[@]}"; do
	case $f in tests/* | codec/natpcpc*.c | server/lab/note.c | server/io/journal*.c | server/history.c | server/natpcpctl*.c | server/io/log.c | server/io/wall.c) continue ;; esac
	sed 's|/\*.*\*/||; /^[[:blank:]]*\*/d; /^\/\*/d' "$f" | grep -nE 'CLOCK_REALTIME|gettimeofday *\(|(^|[^_[:alnum:].>])time *\(|localtime|gmtime|mktime' | sed "s|^|$f:|"
done)"
complain 'a timer that stands still in a suspend' "$(grep -nE 'evtimer_|event_base_once|timerfd_create\(CLOCK_(MONOTONIC|REALTIME)|event_add\([^,]+, *[^N ]' \
	$(printf '%s\n' "${c[@]}" | grep -v '^tests/'))"
exit $rc
