#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh fuzz|minimise|coverage|afl BUILD TARGET...
# What fuzz finds for TARGET is in BUILD/corpus/TARGET, and what is wrong with it in BUILD/found/TARGET, until minimise takes into the
# tree what reaches something new.
set -eu
what=$1 build=$2
shift 2

# TARGET   the files that it is for
files='
client     codec/client.c codec/client_answer.c codec/client_op.c codec/client_path.c codec/client_request.c codec/client_sort.c codec/epoch.c
codec      codec/natpmp.c codec/pcp.c codec/pcp_option.c codec/probe.c codec/format.c codec/text.c codec/wire.h
conf       conf/conf.c conf/parse.c conf/token.c conf/value.c conf/store.c conf/check.c conf/schema.c
control    server/io/control.c server/io/origin.c server/api.c server/api_leases.c server/api_list.c server/api_look.c server/api_parts.c
control    server/api_revoke.c server/api_status.c server/views.c server/events.c server/event_text.c server/metrics.c server/server_control.c
engine     server/core/engine.c server/core/natpmp.c server/core/pcp.c server/core/mapper.c server/core/mapper_do.c server/core/mapper_own.c
engine     server/core/mapper_set.c server/core/peer.c server/core/lease.c server/core/ports.c server/core/portset.c server/core/outside.c
engine     server/core/settle.c server/core/upkeep.c server/core/update.c server/core/policy.c server/core/terms.c server/core/choice.c
engine     server/core/runs.c server/core/reload.c server/core/mapper_filters.c server/core/pcp_portset.c server/core/wildcard.c
engine     server/core/tally.c server/core/index.c server/core/wheel.c server/core/slab.c server/core/round.c server/core/reply.c
import     server/natpcpctl_import_read.c server/natpcpctl_import_rule.c server/natpcpctl_import_write.c server/natpcpctl_import_table.c
journal    server/io/journal_read.c server/natpcpctl_journal.c server/natpcpctl_result.c server/core/record.c
netlink    server/io/wan.c server/io/route.c server/io/neighbour.c server/io/netlink.c server/io/busy.c backends/conntrack.c
netlink    backends/conntrack_msg.c backends/ender.c backends/ender_msg.c backends/ender_list.c server/natpcpctl_selftest_event.c
nft        backends/nft.c backends/nft_accept.c backends/nft_ask.c backends/nft_commit.c backends/nft_drop.c backends/nft_final.c
nft        backends/nft_flows.c backends/nft_found.c backends/nft_list.c backends/nft_maps.c backends/nft_msg.c backends/nft_ruleset.c
nft        backends/nft_token.c backends/nft_watch.c
proxy      backends/proxy.c backends/wire_socket.c
record     server/core/record.c
restore    server/core/reconcile.c server/core/remember.c server/core/record.c server/core/outside.c
shown      server/natpcpctl_event.c server/natpcpctl_explain.c server/natpcpctl_metrics.c server/natpcpctl_row.c server/natpcpctl_sort.c
shown      server/natpcpctl_sse.c server/natpcpctl_status.c server/natpcpctl_table.c server/natpcpctl_say.c server/natpcpctl_look.c
warden     backends/serve.c backends/wire.c server/core/permit.c
'

dictionary() { # TARGET
	[ ! -e "tests/fuzz/dict/$1.dict" ] || echo "-dict=tests/fuzz/dict/$1.dict"
}

# False if the target found a fault: the others go on
fuzz() { # TARGET
	local corpus=$build/corpus/$1 found=$build/found/$1 log=$build/found/$1.log rc=0
	mkdir -p "$corpus" "$found"
	# shellcheck disable=SC2046
	"$build/tests/fuzz/fuzz_$1" -max_total_time="${FUZZ_S:-20}" -timeout=20 -print_final_stats=1 \
		-artifact_prefix="$found/" $(dictionary "$1") "$corpus" "tests/fuzz/seeds/$1" >"$log" 2>&1 || rc=1
	awk -v t="$1" '/ cov: / { cov = $4 } /number_of_executed_units/ { n = $2 } /new_units_added/ { new = $2 }
		END { printf "%-8s %9d executions %6d edges %5d new inputs\n", t, n, cov, new }' "$log"
	[ "$rc" = 0 ] || tail -n 40 "$log"
	return "$rc"
}

# Each kept file reaches an edge that no other does; those with a name that is no hash showed a fault once, or were recorded, and stay
minimise() { # TARGET
	local seeds=tests/fuzz/seeds/$1 old=$build/merge/$1 f
	rm -rf "$old"
	mkdir -p "$build/merge" "$build/corpus/$1" "$seeds"
	cp -a "$seeds" "$old"
	for f in "$seeds"/*; do
		[[ ! ${f##*/} =~ ^[0-9a-f]{40}$ ]] || rm "$f"
	done
	"$build/tests/fuzz/fuzz_$1" -merge=1 -use_counters=0 -max_len="${FUZZ_LEN:-16384}" "$seeds" "$old" "$build/corpus/$1" \
		>"$build/merge/$1.log" 2>&1 || {
		cat "$build/merge/$1.log"
		cp -a "$old/." "$seeds"
		return 1
	}
	printf '%-8s %5d files %7d octets\n' "$1" "$(find "$seeds" -type f | wc -l)" "$(cat "$seeds"/* | wc -c)"
}

coverage() { # TARGET
	local program=$build/coverage/tests/fuzz/fuzz_$1 profile=$build/coverage/$1 corpora=("tests/fuzz/seeds/$1")
	[ -z "$(ls "$build/corpus/$1" 2>/dev/null)" ] || corpora+=("$build/corpus/$1")
	LLVM_PROFILE_FILE=$profile.raw "$program" "${corpora[@]}" >/dev/null || return 1
	"$profdata" merge -sparse -o "$profile.data" "$profile.raw" || return 1
	# shellcheck disable=SC2046
	"$cov" report "$program" -instr-profile="$profile.data" $(sed -n "s/^$1  *//p" <<<"$files") |
		awk -v t="$1" '$1 == "TOTAL" { printf "%-8s %5d of %5d lines %7s %6d of %6d regions %7s\n",
			t, $8 - $9, $8, $10, $2 - $3, $2, $4 }'
}

# Another fuzzer, which begins with the seeds
afl() { # TARGET
	local out=$build/found/$1
	rm -rf "$out"
	mkdir -p "$out"
	AFL_NO_UI=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 \
		afl-fuzz -V "${FUZZ_S:-20}" -i "tests/fuzz/seeds/$1" -o "$out" -- "$build/tests/fuzz/fuzz_$1" >"$out.log" 2>&1 || {
		tail -n 40 "$out.log"
		return 1
	}
	awk -v t="$1" '{ v[$1] = $3 } END { printf "%-8s %9d executions %6d inputs %3d crashes %3d hangs\n",
		t, v["execs_done"], v["corpus_count"], v["saved_crashes"], v["saved_hangs"]
		exit v["saved_crashes"] + v["saved_hangs"] > 0 }' "$out/default/fuzzer_stats"
}

tool() { # NAME: of whatever version there is
	command -v "$1" || compgen -c "$1-" | sort -V | tail -n 1
}
profdata=$(tool llvm-profdata) cov=$(tool llvm-cov)

failed=0
for target in "$@"; do
	case $what in
	fuzz) fuzz "$target" ;;
	minimise) minimise "$target" ;;
	afl) afl "$target" ;;
	coverage) coverage "$target" ;;
	esac || failed=1
done
exit "$failed"
