# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash
# /etc/config/natpcpd to natpcpd.conf. Sourced behind /lib/functions.sh and /lib/functions/network.sh.

# A string of natpcpd.conf: quotes and backslashes escaped, controls left out.
natpcpd_quote() {
	printf '"%s"' "$(printf %s "$1" | tr -d '\000-\037\177' | sed 's/[\\"]/\\&/g')"
}

# The device of a logical interface, also while it is down.
natpcpd_device() {
	local device proto

	network_get_device device "$1" && [ -n "$device" ] && { echo "$device"; return; }
	proto=$(uci -q get "network.$1.proto")
	case $proto in
	pppoe | pppoa | ppp | pptp | l2tp | 3g) echo "$proto-$1" ;;
	wireguard | openvpn) echo "$1" ;;
	*) uci -q get "network.$1.device" ;;
	esac
}

natpcpd_warn() {
	logger -t natpcpd -p daemon.warning "$1"
}

# Appends to $natpcpd_items, a list in braces.
natpcpd_item() {
	natpcpd_items="$natpcpd_items${natpcpd_items:+, }$(natpcpd_quote "$1")"
}

# Words of a list or of an option with blanks between them, as one key.
natpcpd_list() { # section option key
	local words word

	natpcpd_items=
	config_get words "$1" "$2"
	set -f
	for word in $words; do natpcpd_item "$word"; done
	set +f
	[ -z "$natpcpd_items" ] || printf '\t%s = { %s }\n' "$3" "$natpcpd_items"
}

# Sets $natpcpd_items to the devices of logical interfaces.
natpcpd_devices() {
	local name device

	natpcpd_items=
	for name in $1; do
		device=$(natpcpd_device "$name")
		if [ -n "$device" ]; then
			natpcpd_item "$device"
		else
			natpcpd_warn "interface $name has no device"
		fi
	done
}

natpcpd_value() { # section option key: a number or a word
	local value

	config_get value "$1" "$2"
	[ -z "$value" ] || printf '\t%s = %s\n' "$3" "$(natpcpd_quote "$value")"
}

natpcpd_bool() { # section option key default
	local value

	config_get_bool value "$1" "$2" "$4"
	[ "$value" = 1 ] && value=true || value=false
	printf '\t%s = %s\n' "$3" "$value"
}

natpcpd_title() { # kind: a name of its own for the section at hand
	local comment

	natpcpd_count=$((natpcpd_count + 1))
	config_get comment "$2" comment "$1"
	printf '%s %s {\n' "$1" "$(natpcpd_quote "$comment ($natpcpd_count)")"
}

natpcpd_rule() {
	local interfaces devices action preset

	config_get preset "$1" preset
	config_get action "$1" action
	config_get interfaces "$1" interface
	natpcpd_devices "$interfaces"
	# without the line it would hold for all
	if [ -n "$interfaces" ] && [ -z "$natpcpd_items" ]; then
		natpcpd_warn "rule $1 is left out: none of its interfaces has a device"
		return
	fi
	devices=$natpcpd_items
	[ -n "$action$preset" ] || action=allow
	natpcpd_title rule "$1"
	[ -z "$preset" ] || printf '\tpreset = %s\n' "$(natpcpd_quote "$preset")"
	[ -z "$action" ] || printf '\taction = %s\n' "$(natpcpd_quote "$action")"
	natpcpd_list "$1" int_addr clients
	natpcpd_list "$1" mac macs
	[ -z "$devices" ] || printf '\tinterfaces = { %s }\n' "$devices"
	natpcpd_list "$1" proto protocols
	natpcpd_list "$1" int_ports internal-ports
	natpcpd_list "$1" reject_ports reject-ports
	natpcpd_list "$1" ext_ports external-ports
	natpcpd_value "$1" max_lifetime lifetime-max
	natpcpd_value "$1" mappings_max mappings-max
	natpcpd_value "$1" mappings_total mappings-total
	echo '}'
}

natpcpd_static() {
	local address port outer

	config_get address "$1" int_addr
	config_get outer "$1" ext_port
	config_get port "$1" int_port "$outer"
	case $address in *:*) address="[$address]" ;; esac
	natpcpd_title static "$1"
	natpcpd_value "$1" proto protocol
	natpcpd_value "$1" ext_port external-port
	printf '\tto = %s\n}\n' "$(natpcpd_quote "$address:$port")"
}

natpcpd_preset() { # of hosts that no rule section decides
	case ${1:-home} in
	home | guest | gaming) printf 'rule "preset" {\n\tpreset = %s\n}\n' "$(natpcpd_quote "${1:-home}")" ;;
	none) ;;
	*) natpcpd_warn "there is no preset $1: what no rule allows is refused" ;;
	esac
}

# Adds the outside ports of one firewall redirect to $natpcpd_tcp and $natpcpd_udp. fw4 writes ranges with - or :.
natpcpd_redirect() {
	local src target protocols ports port enabled

	config_get_bool enabled "$1" enabled 1
	config_get src "$1" src
	config_get target "$1" target DNAT
	config_get protocols "$1" proto 'tcp udp'
	config_get ports "$1" src_dport
	[ "$enabled" = 1 ] && [ "$src" = "$natpcpd_zone" ] && [ "$target" = DNAT ] || return 0
	set -f
	for port in $ports; do
		port=$(printf %s "$port" | tr : -)
		case $port in *[!0-9-]* | '' | -* | *-) continue ;; esac
		case " $protocols " in *' tcp '* | *tcpudp* | *' all '* | *' any '*) natpcpd_tcp="$natpcpd_tcp $port" ;; esac
		case " $protocols " in *' udp '* | *tcpudp* | *' all '* | *' any '*) natpcpd_udp="$natpcpd_udp $port" ;; esac
	done
	set +f
}

# Sets $natpcpd_zone to the firewall zone of the external interface.
natpcpd_find_zone() {
	local networks name

	config_get networks "$1" network
	config_get name "$1" name
	case " $networks " in *" $natpcpd_external "*) natpcpd_zone=$name ;; esac
}

natpcpd_reserved() { # key ports
	local port

	natpcpd_items=
	set -f
	for port in $2; do natpcpd_item "$port"; done
	set +f
	[ -z "$natpcpd_items" ] || printf '\t%s = { %s }\n' "$1" "$natpcpd_items"
}

# Prints the configuration; 1 if there is nothing to serve.
natpcpd_conf() {
	local device inside devices preset redirects value cgnat

	natpcpd_count=0 natpcpd_external='' natpcpd_zone='' natpcpd_tcp='' natpcpd_udp=''
	config_load natpcpd
	config_get natpcpd_external config external_iface wan
	config_get inside config internal_iface lan
	config_get preset config preset
	config_get_bool redirects config reserve_redirects 1
	config_get_bool cgnat config allow_cgnat 0
	device=$(natpcpd_device "$natpcpd_external")
	natpcpd_devices "$inside"
	[ -n "$device" ] || { natpcpd_warn "external interface $natpcpd_external has no device"; return 1; }
	devices=$natpcpd_items
	[ -n "$devices" ] || return 1

	echo '# made from /etc/config/natpcpd; changes here are lost'
	printf 'external "wan" {\n\tinterface = %s\n' "$(natpcpd_quote "$device")"
	[ "$cgnat" != 1 ] || printf '\tprivate-address = "allow"\n'
	natpcpd_list config external_ports ports
	printf '}\nlisten "lan" {\n\tinterfaces = { %s }\n\texternal = "wan"\n' "$devices"
	natpcpd_bool config natpmp nat-pmp 1
	natpcpd_bool config pcp pcp 1
	natpcpd_value config nonce_check nonce-check
	echo '}'

	config_foreach natpcpd_rule rule
	natpcpd_preset "$preset"
	config_foreach natpcpd_static static

	printf 'third-party {\n'
	natpcpd_list config third_party clients
	printf '}\nlifetime {\n'
	natpcpd_value config min_lifetime min
	natpcpd_value config max_lifetime max
	printf '}\nlimits {\n'
	natpcpd_value config mappings_per_client mappings-per-client
	printf '}\nbackend {\n'
	config_get value config forward_chain 'inet fw4 forward'
	[ "$value" = none ] || printf '\tforward-chain = %s\n' "$(natpcpd_quote "$value")"
	printf '}\njournal {\n'
	natpcpd_value config journal path
	printf '}\ncontrol {\n\tsocket = "/var/run/natpcpd/control.sock"\n'
	natpcpd_value config http http
	printf '}\nlog {\n'
	natpcpd_value config log_level level
	printf '}\n'

	# last, since it loads another file
	config_get value config reserved_tcp
	natpcpd_tcp=$value
	config_get value config reserved_udp
	natpcpd_udp=$value
	if [ "$redirects" = 1 ]; then
		config_load firewall
		config_foreach natpcpd_find_zone zone
		config_foreach natpcpd_redirect redirect
	fi
	printf 'reserved-ports {\n'
	natpcpd_reserved tcp "$natpcpd_tcp"
	natpcpd_reserved udp "$natpcpd_udp"
	printf '}\n'
}
