#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the clients' scripts. Each takes the GATEWAY (and a PORT), maps with one real client and prints for each
# mapping "MAPPED proto ext=ADDRESS:PORT int=ADDRESS:PORT ..."; exit 0 only if the client itself says that it worked.
# Exit 77: the client is not installed. STAY=SECONDS: those that renew their mappings stay so long and end as they would.
# WAIT=SECONDS: how long they may take, instead of what suits a test in which somebody answers.

wait_for() { # seconds command...: until it succeeds; 1 if it does not in that time
	local deadline=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.2
	done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

finish() { # [pid]: ends a program that the script started
	[ -n "${1:-}" ] || return 0
	kill "$1" 2>/dev/null
	wait_for 5 gone "$1" || kill -9 "$1" 2>/dev/null
	wait "$1" 2>/dev/null
}

needs() { command -v "$1" >/dev/null || { echo "$1 is not installed"; exit 77; }; }

default_route_is() { # some clients find the gateway by themselves
	ip route show default | grep -q "via $1 " || { echo "default route is not via $1"; exit 2; }
}

own_address() { ip -o route get "$1" | sed -nE 's/.* src ([0-9.]+).*/\1/p'; }

node_modules() { # works in the directory of the npm clients
	needs node
	export NODE_PATH=${NPMDIR:?}/node_modules
	[ -d "$NODE_PATH" ] && cd "$NPMDIR" || { echo 'the npm clients are not installed'; exit 77; }
}

hold() { # programs that delete their mappings when they end stay, with HOLD=1, until standard input has a line or ends; with STAY, so long
	[ -z "${HOLD:-}" ] || read -rt 60 || :
	[ -z "${STAY:-}" ] || sleep "$STAY"
}
