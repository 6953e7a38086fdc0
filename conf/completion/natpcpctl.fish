# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for natpcpctl(8)
set -l commands status leases explain rules refusals watch revoke reload check metrics journal selftest import help
set -l none "not __fish_seen_subcommand_from $commands"
set -l protocols 'tcp udp sctp dccp udplite all'

complete -c natpcpctl -f
complete -c natpcpctl -s s -l socket -r -F -d 'the control socket'
complete -c natpcpctl -l json -d 'print JSON for programs'
complete -c natpcpctl -l color -x -a 'auto always never' -d 'when colors are used'
complete -c natpcpctl -s V -l version -d 'print the version'
complete -c natpcpctl -s h -l help -d 'print help'

complete -c natpcpctl -n $none -a status -d 'addresses, counters, how the server does'
complete -c natpcpctl -n $none -a leases -d 'every mapping in force'
complete -c natpcpctl -n $none -a explain -d 'which rule decides a request, and why'
complete -c natpcpctl -n $none -a rules -d 'the rules, and how often each decided'
complete -c natpcpctl -n $none -a refusals -d 'the last requests that were refused'
complete -c natpcpctl -n $none -a watch -d 'what happens, a line each'
complete -c natpcpctl -n $none -a revoke -d 'ends mappings and their connections'
complete -c natpcpctl -n $none -a reload -d 'lets the server read its configuration anew'
complete -c natpcpctl -n $none -a check -d 'looks for mistakes in a configuration'
complete -c natpcpctl -n $none -a metrics -d 'counters for Prometheus'
complete -c natpcpctl -n $none -a journal -d 'what a journal has'
complete -c natpcpctl -n $none -a selftest -d 'opens a port, and looks whether it can be reached'
complete -c natpcpctl -n $none -a import -d 'a natpcpd.conf made from a miniupnpd.conf'
complete -c natpcpctl -n $none -a help -d 'how a command is used'

set -l in '__fish_seen_subcommand_from leases'
complete -c natpcpctl -n $in -l client -x -d 'mappings of these hosts'
complete -c natpcpctl -n $in -l port -x -d 'mappings with this port'
complete -c natpcpctl -n $in -l rule -x -d 'mappings that this rule allows'
complete -c natpcpctl -n $in -l proto -x -a $protocols -d 'mappings of this protocol'
complete -c natpcpctl -n $in -l origin -x -a 'nat-pmp pcp static adopted' -d 'where mappings come from'
complete -c natpcpctl -n $in -s 4 -d 'mappings of IPv4 hosts'
complete -c natpcpctl -n $in -s 6 -d 'mappings of IPv6 hosts'
complete -c natpcpctl -n $in -l sort -x -a 'client internal-port external external-port proto expires rule origin' -d 'the order'
complete -c natpcpctl -n $in -l reverse -d 'the last first'
complete -c natpcpctl -n $in -l watch -d 'stay, and show changes'

complete -c natpcpctl -n '__fish_seen_subcommand_from explain selftest' -l interface -x -a '(command ls /sys/class/net)' -d 'as if it was asked through this one'
complete -c natpcpctl -n '__fish_seen_subcommand_from watch' -l types -x -d 'only these events' \
	-a '(__fish_append , made renewed ended moved adopted refused external reload backend lost stats)'
set -l in '__fish_seen_subcommand_from selftest'
complete -c natpcpctl -n $in -s 4 -d 'IPv4 only'
complete -c natpcpctl -n $in -s 6 -d 'IPv6 only'
complete -c natpcpctl -n $in -l host -x -d 'the address of the test host'
complete -c natpcpctl -n $in -l from -x -d 'where the test packets come from'
set -l in '__fish_seen_subcommand_from revoke'
complete -c natpcpctl -n $in -l client -x -d 'mappings of this host'
complete -c natpcpctl -n $in -l rule -x -d 'mappings that this rule allows'
complete -c natpcpctl -n $in -l all -d 'all but static ones'
complete -c natpcpctl -n '__fish_seen_subcommand_from explain revoke' -a $protocols
complete -c natpcpctl -n '__fish_seen_subcommand_from journal' -l all -d 'each record'
complete -c natpcpctl -n '__fish_seen_subcommand_from check journal import' -F
complete -c natpcpctl -n '__fish_seen_subcommand_from import' -a miniupnpd
complete -c natpcpctl -n '__fish_seen_subcommand_from help' -a "$commands"
