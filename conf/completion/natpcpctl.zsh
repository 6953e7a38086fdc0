#compdef natpcpctl
# SPDX-License-Identifier: GPL-2.0-or-later
# zsh completion for natpcpctl(8)

_natpcpctl() {
	local curcontext=$curcontext state line
	local -a everywhere own commands protocols
	typeset -A opt_args
	everywhere=(
		'(-s --socket)'{-s,--socket}'[the control socket]:socket:_files'
		'--json[print JSON for programs]'
		'--color[when colors are used]:when:(auto always never)'
		'(- *)'{-V,--version}'[print the version]'
		'(- *)'{-h,--help}'[print help]'
	)
	commands=(
		'status:addresses, counters, how the server does'
		'leases:every mapping in force'
		'explain:which rule decides a request, why, and what would be granted'
		'rules:the rules, and how often each decided'
		'refusals:the last requests that were refused'
		'watch:what happens, a line each'
		'revoke:ends mappings and their connections'
		'reload:lets the server read its configuration anew'
		'check:looks for mistakes in a configuration'
		'metrics:counters for Prometheus'
		'journal:what a journal has'
		'selftest:opens a port, and looks whether it can be reached'
		'import:a natpcpd.conf made from a miniupnpd.conf'
		'help:how a command is used'
	)
	protocols=(tcp udp sctp dccp udplite all)
	_arguments -C $everywhere '1:command:->command' '*::argument:->argument' && return
	if [[ $state == command ]]; then
		_describe -t commands command commands
		return
	fi
	case $words[1] in
	leases) own=(
		'--client[mappings of these hosts]:address or prefix:'
		'--port[mappings with this port]:port:'
		'--rule[mappings that this rule allows]:rule:'
		"--proto[mappings of this protocol]:protocol:($protocols)"
		'--origin[where mappings come from]:origin:(nat-pmp pcp static adopted)'
		'(-6)-4[mappings of IPv4 hosts]'
		'(-4)-6[mappings of IPv6 hosts]'
		'--sort[the order]:key:(client internal-port external external-port proto expires rule origin)'
		'--reverse[the last first]'
		'--watch[stay, and show changes]'
	) ;;
	explain) own=(
		'--interface[as if it was asked through this one]:interface:_net_interfaces'
		'1:client:' "2:protocol:($protocols)" '3:internal port:' '4:external port:'
	) ;;
	watch) own=('--types[only these events]:types:_values -s , type made renewed ended moved adopted refused external reload backend lost stats') ;;
	revoke) own=(
		'(--rule --all *)--client[mappings of this host]:address:'
		'(--client --all *)--rule[mappings that this rule allows]:rule:'
		'(--client --rule *)--all[all but static ones]'
		"1:protocol:($protocols)" '2:external address:' '3:external port:'
	) ;;
	check) own=('1:configuration:_files') ;;
	journal) own=('--all[each record]' '1:journal:_files') ;;
	selftest) own=(
		'(-6)-4[IPv4 only]'
		'(-4)-6[IPv6 only]'
		'--interface[the inside interface]:interface:_net_interfaces'
		'--host[the address of the test host]:address:'
		'--from[where the test packets come from]:address:'
	) ;;
	import) own=('1:of:(miniupnpd)' '2:miniupnpd.conf:_files') ;;
	help) own=("1:command:(${commands%%:*})") ;;
	esac
	_arguments $everywhere $own
}

_natpcpctl "$@"
