# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=dash disable=SC2034
# The functions of OpenWrt that the scripts of conf/openwrt call, over the files in $UCI.

# Reads a file of UCI into variables CONFIG_<section>_<option>; $SECTIONS lists "type name".
config_load() {
	local keyword name value n=0 section=''

	for name in $(set | sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
	SECTIONS=
	[ -e "$UCI/$1" ] || return 0
	while read -r keyword name value; do
		name=$(unquoted "$name") value=$(unquoted "$value")
		case $keyword in
		config)
			n=$((n + 1))
			section=${value:-cfg$n}
			SECTIONS="$SECTIONS $name:$section"
			;;
		option) eval "CONFIG_${section}_$name=\$value" ;;
		list) eval "CONFIG_${section}_$name=\"\${CONFIG_${section}_$name:+\$CONFIG_${section}_$name }\$value\"" ;;
		esac
	done <"$UCI/$1"
}

unquoted() {
	local v=$1

	case $v in "'"*"'") v=${v#?} v=${v%?} ;; esac
	printf %s "$v"
}

config_get() { # variable section option default
	eval "$1=\${CONFIG_$2_$3:-\${4:-}}"
}

config_get_bool() {
	config_get "$@"
	eval "case \$$1 in 1|on|true|yes|enabled) $1=1 ;; *) $1=0 ;; esac"
}

config_foreach() { # function type
	local s

	for s in $SECTIONS; do
		[ "${s%%:*}" != "$2" ] || "$1" "${s#*:}"
	done
}

# wan and lan are up, the others down
network_get_device() {
	case $2 in wan) eval "$1=eth1" ;; lan) eval "$1=br-lan" ;; *) return 1 ;; esac
}

uci() {
	case $3 in
	network.wan6.proto) echo pppoe ;;
	network.guest.device) echo br-guest ;;
	*) return 1 ;;
	esac
}

logger() { echo "logger: $*" >>"$LOG"; }
procd_open_instance() { echo open >>"$LOG"; }
procd_set_param() { echo "param $*" >>"$LOG"; }
procd_close_instance() { echo close >>"$LOG"; }
procd_add_reload_trigger() { echo "trigger $*" >>"$LOG"; }
procd_add_interface_trigger() { echo "interface $*" >>"$LOG"; }
chown() { echo "chown $*" >>"$LOG"; }
start() { start_service; }
restart() { echo restart >>"$LOG"; start_service; }
