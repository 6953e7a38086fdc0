# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for natpcpctl(8); needs nothing but bash

# The words that begin as what is typed; of a list with commas, its last part.
_natpcpctl_words() {
	local list=${1%"${1##*,}"}
	[ "$3" = list ] || list=
	mapfile -t COMPREPLY < <(compgen -P "$list" -W "$2" -- "${1#"$list"}")
}

_natpcpctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command='' own='' i arguments=0
	local everywhere='-s --socket --json --color -V --version -h --help'
	local protocols='tcp udp sctp dccp udplite all'
	local commands='status leases explain rules refusals watch revoke reload check metrics journal selftest import help'
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | --color | --client | --port | --rule | --proto | --origin | --sort | --interface | --types | --host | --from)
			[ "${COMP_WORDS[i + 1]}" != = ] || ((i++))
			((i++))
			;;
		-*) ;;
		*) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else ((arguments++)); fi ;;
		esac
	done
	# "--sort=KEY" is three words
	if [ "$previous" = = ]; then
		previous=${COMP_WORDS[COMP_CWORD - 2]}
	elif [ "$current" = = ]; then
		current=''
	fi
	case $previous in
	-s | --socket) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
	--color) _natpcpctl_words "$current" 'auto always never'; return ;;
	--proto) _natpcpctl_words "$current" "$protocols"; return ;;
	--origin) _natpcpctl_words "$current" 'nat-pmp pcp static adopted'; return ;;
	--sort) _natpcpctl_words "$current" 'client internal-port external external-port proto expires rule origin'; return ;;
	--types) _natpcpctl_words "$current" 'made renewed ended moved adopted refused external reload backend lost stats' list; return ;;
	--interface) _natpcpctl_words "$current" "$(command ls /sys/class/net 2>/dev/null)"; return ;;
	--client | --port | --rule | --host | --from) return ;;
	esac
	case $command in
	leases) own='--client --port --rule --proto --origin -4 -6 --sort --reverse --watch' ;;
	explain) own='--interface' ;;
	watch) own='--types' ;;
	revoke) own='--client --rule --all' ;;
	journal) own='--all' ;;
	selftest) own='-4 -6 --interface --host --from' ;;
	esac
	if [[ $current == -* ]]; then
		_natpcpctl_words "$current" "$own $everywhere"
		return
	fi
	case $command:$arguments in
	:*) _natpcpctl_words "$current" "$commands" ;;
	help:0) _natpcpctl_words "$current" "$commands" ;;
	explain:1 | revoke:0) _natpcpctl_words "$current" "$protocols" ;;
	import:0) _natpcpctl_words "$current" miniupnpd ;;
	check:0 | journal:0 | import:1) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	esac
}

complete -F _natpcpctl natpcpctl
