/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/schema.h"

#include <string.h>

#include "conf/conf.h"

const struct schema_section_row schema_sections[SCHEMA_SECTIONS] = {
    [SCHEMA_EXTERNAL] = {"external", "an outside: where mapped ports are opened"},
    [SCHEMA_LISTEN] = {"listen", "an inside: where requests are heard and answered"},
    [SCHEMA_RULE] = {"rule", "who may map what; the first rule that matches decides, no match is a refusal"},
    [SCHEMA_STATIC] = {"static", "a mapping that is always there"},
    [SCHEMA_HOOK] = {"hook", "a program that is run when something happens"},
    [SCHEMA_RESERVED] = {"reserved-ports", "outside ports that are never handed out"},
    [SCHEMA_THIRD_PARTY] = {"third-party", "who may map for other hosts"},
    [SCHEMA_LIFETIME] = {"lifetime", "how long mappings live"},
    [SCHEMA_LIMITS] = {"limits", "how much clients may ask for"},
    [SCHEMA_BACKEND] = {"backend", "the packet filter"},
    [SCHEMA_JOURNAL] = {"journal", "the file that keeps leases over a restart"},
    [SCHEMA_CONTROL] = {"control", "how the operator talks to the daemon"},
    [SCHEMA_PROCESS] = {"process", "the daemon's process"},
    [SCHEMA_LOG] = {"log", "what is logged, and where"},
};

static const struct schema_choice private_choices[] = {
    {"auto", CONF_PRIVATE_AUTO}, {"allow", CONF_PRIVATE_ALLOW}, {"refuse", CONF_PRIVATE_REFUSE}, {NULL, 0}};
static const struct schema_choice nonce_choices[] = {
    {"strict", CONF_NONCE_STRICT}, {"same-address", CONF_NONCE_SAME_ADDRESS}, {"off", CONF_NONCE_OFF}, {NULL, 0}};
static const struct schema_choice action_choices[] = {{"allow", CONF_ALLOW}, {"deny", CONF_DENY}, {NULL, 0}};
static const struct schema_choice preset_choices[] = {
    {"home", CONF_PRESET_HOME}, {"guest", CONF_PRESET_GUEST}, {"gaming", CONF_PRESET_GAMING}, {NULL, 0}};
static const struct schema_choice event_choices[] = {
    {"made", CONF_EVENT_MADE},	       {"renewed", CONF_EVENT_RENEWED}, {"ended", CONF_EVENT_ENDED},
    {"moved", CONF_EVENT_MOVED},       {"adopted", CONF_EVENT_ADOPTED}, {"refused", CONF_EVENT_REFUSED},
    {"external", CONF_EVENT_EXTERNAL}, {"reload", CONF_EVENT_RELOAD},	{NULL, 0}};
static const struct schema_choice backend_choices[] = {
    {"nftables", CONF_BACKEND_NFTABLES}, {"memory", CONF_BACKEND_MEMORY}, {NULL, 0}};
static const struct schema_choice exit_choices[] = {{"keep", CONF_EXIT_KEEP}, {"clear", CONF_EXIT_CLEAR}, {NULL, 0}};
static const struct schema_choice flows_choices[] = {{"keep", CONF_FLOWS_KEEP}, {"flush", CONF_FLOWS_FLUSH}, {NULL, 0}};
static const struct schema_choice sync_choices[] = {
    {"none", CONF_SYNC_NONE}, {"interval", CONF_SYNC_INTERVAL}, {"always", CONF_SYNC_ALWAYS}, {NULL, 0}};
static const struct schema_choice level_choices[] = {{"error", CONF_LOG_ERROR},
						     {"warning", CONF_LOG_WARNING},
						     {"info", CONF_LOG_INFO},
						     {"debug", CONF_LOG_DEBUG},
						     {NULL, 0}};
static const struct schema_choice target_choices[] = {
    {"stderr", CONF_LOG_STDERR}, {"syslog", CONF_LOG_SYSLOG}, {NULL, 0}};

#define YEAR_S		  31536000
#define MANY		  10000000
#define PATH_MAX_OCTETS	  4095
#define SOCKET_MAX_OCTETS 107 /* what struct sockaddr_un holds with its NUL */

#define EXTERNAL(m) SCHEMA_EXTERNAL, .offset = offsetof(struct conf_external, m)
#define LISTEN(m)   SCHEMA_LISTEN, .offset = offsetof(struct conf_listen, m)
#define RULE(m)	    SCHEMA_RULE, .offset = offsetof(struct conf_rule, m)
#define STATIC(m)   SCHEMA_STATIC, .offset = offsetof(struct conf_static, m)
#define HOOK(m)	    SCHEMA_HOOK, .offset = offsetof(struct conf_hook, m)
#define ONE(s, m)   SCHEMA_##s, .offset = offsetof(struct conf, m)

/* clang-format off */
const struct schema_key schema_keys[] = {
	{EXTERNAL(interface), .name = "interface", .type = SCHEMA_INTERFACE, .initial = "", .live = true,
	 .text = "the interface to the outside; its addresses are the outside addresses unless addresses are given"},
	{EXTERNAL(addresses), .name = "addresses", .type = SCHEMA_PREFIXES, .some = true, .live = true,
	 .text = "a fixed pool of outside addresses"},
	{EXTERNAL(ports), .name = "ports", .type = SCHEMA_RANGES, .initial = "1-65535", .some = true, .live = true,
	 .text = "outside ports that are ours to give; a part of them where a provider shares the address (MAP-E)"},
	{EXTERNAL(private_address), .name = "private-address", .type = SCHEMA_ENUM, .choices = private_choices,
	 .initial = "auto", .live = true,
	 .text = "whether to map on an outside address that is itself private, behind another NAT; auto: only if it is listed"},
	{EXTERNAL(nat), .name = "nat", .type = SCHEMA_BOOL, .initial = "true", .live = true,
	 .text = "false: IPv4 is not translated, mappings only open the firewall, as for IPv6"},

	{LISTEN(interfaces), .name = "interfaces", .type = SCHEMA_INTERFACES, .some = true, .live = true,
	 .text = "inside interfaces on which requests are heard, on all their addresses"},
	{LISTEN(addresses), .name = "addresses", .type = SCHEMA_ADDRESSES, .some = true, .live = true,
	 .text = "addresses to bind to instead of interfaces, for tests on loopback"},
	{LISTEN(external), .name = "external", .type = SCHEMA_REFERENCE, .live = true,
	 .text = "the external section that these clients map on; needed if there are several"},
	{LISTEN(natpmp), .name = "nat-pmp", .type = SCHEMA_BOOL, .initial = "true", .live = true,
	 .text = "answer NAT-PMP (RFC 6886)"},
	{LISTEN(pcp), .name = "pcp", .type = SCHEMA_BOOL, .initial = "true", .live = true,
	 .text = "answer PCP (RFC 6887)"},
	{LISTEN(map), .name = "map", .type = SCHEMA_BOOL, .initial = "true", .live = true,
	 .text = "map by PCP's MAP, which opens a port to everybody outside; its other requests are answered either way"},
	{LISTEN(peer), .name = "peer", .type = SCHEMA_BOOL, .initial = "true", .live = true,
	 .text = "keep flows alive by PCP's PEER, which opens a port to one host outside"},
	{LISTEN(nonce_check), .name = "nonce-check", .type = SCHEMA_ENUM, .choices = nonce_choices,
	 .initial = "strict", .live = true,
	 .text = "who may change a PCP mapping: the holder of its nonce, also its own host with another nonce, or no check"},

	{RULE(preset), .name = "preset", .type = SCHEMA_ENUM, .choices = preset_choices, .live = true,
	 .text = "a name for values of the rule's other keys; those that the rule gives itself count before these"},
	{RULE(action), .name = "action", .type = SCHEMA_ENUM, .choices = action_choices, .required = true, .live = true,
	 .text = "whether the request is granted; a preset allows"},
	{RULE(clients), .name = "clients", .type = SCHEMA_PREFIXES, .some = true, .live = true,
	 .text = "addresses that get the mapping; any unless given"},
	{RULE(interfaces), .name = "interfaces", .type = SCHEMA_INTERFACES, .some = true, .live = true,
	 .text = "interfaces on which the request came in; any unless given"},
	{RULE(macs), .name = "macs", .type = SCHEMA_MACS, .some = true, .live = true,
	 .text = "hardware addresses of clients; any unless given"},
	{RULE(protocols), .name = "protocols", .type = SCHEMA_PROTOCOLS, .told = offsetof(struct conf_rule, protocols_set),
	 .some = true, .live = true, .text = "protocols by name or number; any unless given"},
	{RULE(internal_ports), .name = "internal-ports", .type = SCHEMA_RANGES, .some = true, .live = true,
	 .text = "ports of the client; any unless given"},
	{RULE(reject_ports), .name = "reject-ports", .type = SCHEMA_RANGES, .live = true,
	 .text = "ports of the client that are refused, whatever internal-ports and the rules below say; none unless given"},
	{RULE(external_ports), .name = "external-ports", .type = SCHEMA_RANGES, .some = true, .live = true,
	 .text = "outside ports that are given to these clients, whatever they wish for; any unless given"},
	{RULE(wildcard), .name = "wildcard", .type = SCHEMA_BOOL, .initial = "false", .live = true,
	 .text = "true: a host may have all ports of a protocol, or all it has, opened at once, where nothing is translated"},
	{RULE(lifetime_max_s), .name = "lifetime-max", .type = SCHEMA_DURATION, .min = 1, .max = YEAR_S, .unit = "s",
	 .live = true, .text = "longest lifetime that is granted; that of the lifetime section unless given"},
	{RULE(mappings_max), .name = "mappings-max", .type = SCHEMA_NUMBER, .min = 1, .max = MANY,
	 .unit = "mappings", .live = true,
	 .text = "mappings of one client address; mappings-per-client of the limits section unless given"},
	{RULE(mappings_total), .name = "mappings-total", .type = SCHEMA_NUMBER, .min = 1, .max = MANY,
	 .unit = "mappings", .live = true,
	 .text = "mappings of all clients of the rule together; mappings of the limits section unless given"},

	{STATIC(protocol), .name = "protocol", .type = SCHEMA_PROTOCOL, .required = true, .live = true,
	 .text = "tcp, udp, sctp, dccp or udplite"},
	{STATIC(external_port), .name = "external-port", .type = SCHEMA_PORT, .required = true, .live = true,
	 .text = "the outside port"},
	{STATIC(external), .name = "external", .type = SCHEMA_REFERENCE, .live = true,
	 .text = "the external section that it is opened on; the first one unless given"},
	{STATIC(to_address), .name = "to", .type = SCHEMA_ENDPOINT, .offset_2 = offsetof(struct conf_static, to_port),
	 .required = true, .live = true, .text = "inside address and port: \"192.0.2.10:443\", \"[2001:db8::1]:443\""},

	{HOOK(exec), .name = "exec", .type = SCHEMA_PROGRAM, .max = PATH_MAX_OCTETS, .required = true, .live = true,
	 .text = "the program: a path that begins with /, without arguments; it is run without a shell"},
	{HOOK(events), .name = "events", .type = SCHEMA_FLAGS, .choices = event_choices, .required = true, .some = true,
	 .live = true, .text = "when: made, renewed, ended, moved, adopted, refused, external, reload"},
	{HOOK(timeout_s), .name = "timeout", .type = SCHEMA_DURATION, .min = 1, .max = 3600, .initial = "10", .unit = "s",
	 .live = true, .text = "one run is ended after this time, with all processes of its process group"},

	{ONE(RESERVED, reserved.tcp), .name = "tcp", .type = SCHEMA_RANGES, .live = true, .text = "TCP ports"},
	{ONE(RESERVED, reserved.udp), .name = "udp", .type = SCHEMA_RANGES, .live = true,
	 .text = "UDP ports; 5350 and 5351 always are"},
	{ONE(RESERVED, reserved.sctp), .name = "sctp", .type = SCHEMA_RANGES, .live = true, .text = "SCTP ports"},
	{ONE(RESERVED, reserved.dccp), .name = "dccp", .type = SCHEMA_RANGES, .live = true, .text = "DCCP ports"},
	{ONE(RESERVED, reserved.udplite), .name = "udplite", .type = SCHEMA_RANGES, .live = true,
	 .text = "UDP-Lite ports"},

	{ONE(THIRD_PARTY, third_party.clients), .name = "clients", .type = SCHEMA_PREFIXES, .live = true,
	 .text = "hosts that may map for others; nobody unless given"},

	{ONE(LIFETIME, lifetime.min_s), .name = "min", .type = SCHEMA_DURATION, .min = 1, .max = YEAR_S,
	 .initial = "120", .unit = "s", .live = true, .text = "a PCP client gets at least this; NAT-PMP what it asks for"},
	{ONE(LIFETIME, lifetime.max_s), .name = "max", .type = SCHEMA_DURATION, .min = 1, .max = YEAR_S,
	 .initial = "86400", .unit = "s", .live = true, .text = "no client gets more than this; clients renew in time"},
	{ONE(LIFETIME, lifetime.hold_s), .name = "hold", .type = SCHEMA_DURATION, .min = 0, .max = 86400,
	 .initial = "120", .unit = "s", .live = true,
	 .text = "how long a port that became free is kept from other clients than its last holder"},

	{ONE(LIMITS, limits.mappings_per_client), .name = "mappings-per-client", .type = SCHEMA_NUMBER, .min = 1,
	 .max = MANY, .initial = "256", .unit = "mappings", .live = true, .text = "of one client address"},
	{ONE(LIMITS, limits.mappings_per_network), .name = "mappings-per-network", .type = SCHEMA_NUMBER, .min = 1,
	 .max = MANY, .initial = "4096", .unit = "mappings", .live = true,
	 .text = "of one IPv6 network of 64 bits, in which a host may take any number of addresses"},
	{ONE(LIMITS, limits.mappings), .name = "mappings", .type = SCHEMA_NUMBER, .min = 1, .max = MANY,
	 .initial = "1000000", .unit = "mappings", .live = true, .text = "of all clients together"},
	{ONE(LIMITS, limits.reserve), .name = "reserve", .type = SCHEMA_NUMBER, .min = 0, .max = 90, .initial = "2",
	 .unit = "%", .live = true,
	 .text = "of mappings and of the ports of an outside address, kept for clients that have fewer than 8 mappings"},
	{ONE(LIMITS, limits.port_set_max), .name = "port-set-max", .type = SCHEMA_NUMBER, .min = 0, .max = 65535,
	 .initial = "64", .unit = "ports", .live = true,
	 .text = "of a PORT_SET whose outside ports differ from the inside ones; 0 = no sets, of one port each"},
	{ONE(LIMITS, limits.requests_per_second), .name = "requests-per-second", .type = SCHEMA_NUMBER, .min = 0,
	 .max = MANY, .initial = "100", .unit = "requests/s", .live = true,
	 .text = "of one client address in the long run, and sixteen times as many of an IPv6 network of 64 bits; 0 = no limit"},
	{ONE(LIMITS, limits.burst), .name = "burst", .type = SCHEMA_NUMBER, .min = 1, .max = MANY, .initial = "200",
	 .unit = "requests", .live = true, .text = "requests that a client may send at once after it was quiet"},
	{ONE(LIMITS, limits.filters_per_mapping), .name = "filters-per-mapping", .type = SCHEMA_NUMBER, .min = 1, .max = 32,
	 .initial = "8", .unit = "filters", .live = true,
	 .text = "remote networks and ports to which a client may limit one mapping"},
	{ONE(LIMITS, limits.filters), .name = "filters", .type = SCHEMA_NUMBER, .min = 1, .max = MANY,
	 .initial = "100000", .unit = "filters", .live = true,
	 .text = "of all clients' mappings together; one of a set counts for each port"},
	{ONE(LIMITS, limits.description_max), .name = "description-max", .type = SCHEMA_NUMBER, .min = 0, .max = 1016,
	 .initial = "128", .unit = "octets", .live = true,
	 .text = "kept of the text that a client may give a mapping; longer ones are cut; 0 = none is kept"},
	{ONE(LIMITS, limits.hooks), .name = "hooks", .type = SCHEMA_NUMBER, .min = 1, .max = 64, .initial = "4",
	 .unit = "processes", .live = true, .text = "of hooks that run at the same time"},

	{ONE(BACKEND, backend.type), .name = "type", .type = SCHEMA_ENUM, .choices = backend_choices,
	 .initial = "nftables", .text = "nftables, or memory: no packet filter at all, to test clients"},
	{ONE(BACKEND, backend.table), .name = "table", .type = SCHEMA_TABLE, .initial = "inet natpcpd",
	 .text = "the nftables table that the daemon makes and owns; its family is inet"},
	{ONE(BACKEND, backend.forward), .name = "forward-chain", .type = SCHEMA_CHAINS, .max = CONF_CHAINS_MAX, .initial = "",
	 .live = true,
	 .text = "the operator's chains that drop forwarded packets; one rule goes into each that accepts what was mapped"},
	{ONE(BACKEND, backend.mark), .name = "mark", .type = SCHEMA_MARK, .initial = "0x10000000",
	 .text = "the bit of the packet and connection mark that says: opened by a mapping"},
	{ONE(BACKEND, backend.hairpin_mark), .name = "hairpin-mark", .type = SCHEMA_MARK, .initial = "0x20000000",
	 .text = "the bit of the connection mark that says: came from inside to an outside address"},
	{ONE(BACKEND, backend.on_exit), .name = "on-exit", .type = SCHEMA_ENUM, .choices = exit_choices,
	 .initial = "keep", .live = true, .text = "whether mappings stay in the packet filter when the daemon ends"},
	{ONE(BACKEND, backend.expired_flows), .name = "expired-flows", .type = SCHEMA_ENUM, .choices = flows_choices,
	 .initial = "keep", .live = true,
	 .text = "whether connections go on when their mapping expires or is deleted by its client, or are ended"},
	{ONE(BACKEND, backend.reset_flows), .name = "natpmp-reset", .type = SCHEMA_BOOL, .initial = "true", .live = true,
	 .text = "whether both ends of TCP connections are told by a reset when a NAT-PMP mapping ends"},

	{ONE(JOURNAL, journal.path), .name = "path", .type = SCHEMA_STRING, .max = PATH_MAX_OCTETS,
	 .told = offsetof(struct conf, journal.path_set), .initial = "/var/lib/natpcpd/leases.journal",
	 .live = true, .text = "the file; \"\" keeps leases in memory only"},
	{ONE(JOURNAL, journal.sync), .name = "sync", .type = SCHEMA_ENUM, .choices = sync_choices,
	 .initial = "interval", .live = true,
	 .text = "when the file is forced to the disk: never, some seconds after a change, or before every answer"},

	{ONE(CONTROL, control.socket), .name = "socket", .type = SCHEMA_STRING, .max = SOCKET_MAX_OCTETS,
	 .initial = "/run/natpcpd/control.sock", .text = "the unix socket that natpcpctl uses; \"\" = none"},
	{ONE(CONTROL, control.http), .name = "http", .type = SCHEMA_LOOPBACK, .initial = "",
	 .text = "a read-only page and metrics on a loopback address: \"127.0.0.1:5380\"; \"\" = none"},

	{ONE(PROCESS, process.user), .name = "user", .type = SCHEMA_STRING, .max = 31,
	 .told = offsetof(struct conf, process.user_set), .initial = "natpcpd",
	 .text = "the user that the daemon becomes after its start; \"\" keeps root"},
	{ONE(PROCESS, process.sandbox), .name = "sandbox", .type = SCHEMA_BOOL, .initial = "true",
	 .text = "give up, after the start, all system calls and files that the daemon does not need; false: for debuggers"},

	{ONE(LOG, log.level), .name = "level", .type = SCHEMA_ENUM, .choices = level_choices, .initial = "info",
	 .live = true, .text = "how much is logged"},
	{ONE(LOG, log.target), .name = "target", .type = SCHEMA_ENUM, .choices = target_choices, .initial = "stderr",
	 .live = true, .text = "where it goes"},
};
/* clang-format on */
const size_t schema_keys_n = sizeof(schema_keys) / sizeof(schema_keys[0]);

const struct schema_key *schema_first(enum schema_section section, size_t *n)
{
	size_t i = 0;

	while (i < schema_keys_n && schema_keys[i].section != section)
		i++;
	*n = 0;
	while (i + *n < schema_keys_n && schema_keys[i + *n].section == section)
		++*n;
	return &schema_keys[i];
}

const struct schema_key *schema_key(enum schema_section section, const char *name)
{
	for (size_t i = 0; i < schema_keys_n; i++)
		if (schema_keys[i].section == section && !strcmp(schema_keys[i].name, name))
			return &schema_keys[i];
	return NULL;
}

enum schema_section schema_section(const char *name)
{
	unsigned s = 0;

	while (s < SCHEMA_SECTIONS && strcmp(schema_sections[s].name, name))
		s++;
	return (enum schema_section)s;
}

enum { NAME_MAX_OCTETS = 24 };

/* Insertions, removals and changes of single octets that make b of a. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_OCTETS + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > NAME_MAX_OCTETS || lb > NAME_MAX_OCTETS)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			corner = row[j];
			row[j] = best;
		}
	}
	return row[lb];
}

/* Takes candidate for best if it is nearer to name; what differs in more than a third is not near. */
static void nearer(const char *name, const char *candidate, const char **best, size_t *best_distance)
{
	size_t d = distance(name, candidate);

	if (d < *best_distance && d <= strlen(candidate) / 3 + 1 && d < strlen(candidate)) {
		*best = candidate;
		*best_distance = d;
	}
}

const char *schema_near_key(enum schema_section section, const char *name)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (size_t i = 0; i < schema_keys_n; i++)
		if (schema_keys[i].section == section)
			nearer(name, schema_keys[i].name, &best, &best_distance);
	return best;
}

const char *schema_near_section(const char *name)
{
	const char *best = NULL;
	size_t best_distance = SIZE_MAX;

	for (unsigned s = 0; s < SCHEMA_SECTIONS; s++)
		nearer(name, schema_sections[s].name, &best, &best_distance);
	return best;
}
