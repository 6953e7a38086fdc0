/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: text in, struct conf or "file:line: key: why" out. No file is opened here. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_LOCATION_MAX 512 /* octets of an error message with its NUL */

/* length counts from the left of the 128 bits: an IPv4 /24 is 120. Bits beyond it are zero. */
struct conf_prefix {
	struct in6_addr address;
	uint8_t length;
};

struct conf_range {
	uint16_t first, last; /* both included, first <= last */
};

struct conf_mac {
	uint8_t octets[6];
};

struct conf_strings {
	char **v;
	size_t n;
};
struct conf_prefixes {
	struct conf_prefix *v;
	size_t n;
};
struct conf_ranges { /* sorted, not overlapping */
	struct conf_range *v;
	size_t n;
};
struct conf_macs {
	struct conf_mac *v;
	size_t n;
};

/* A chain of the operator's. */
struct conf_chain {
	char *family; /* "inet", "ip", "ip6" */
	char *table, *chain;
};
enum { CONF_CHAINS_MAX = 8 };
struct conf_chains {
	struct conf_chain *v; /* no two are the same */
	size_t n;
};

/* A set of IANA protocol numbers. */
struct conf_protocols {
	uint64_t bits[4];
};

enum conf_private { CONF_PRIVATE_AUTO, CONF_PRIVATE_ALLOW, CONF_PRIVATE_REFUSE };

struct conf_external {
	char *name;
	unsigned line;
	char *interface;		/* "" if only addresses are given */
	struct conf_prefixes addresses; /* fixed pool; empty: the interface's own addresses */
	struct conf_ranges ports;	/* outside ports that are ours to give; default 1-65535 */
	enum conf_private private_address;
	bool nat;
};

enum conf_nonce_check { CONF_NONCE_STRICT, CONF_NONCE_SAME_ADDRESS, CONF_NONCE_OFF };

struct conf_listen {
	char *name;
	unsigned line;
	struct conf_strings interfaces;
	struct conf_prefixes addresses; /* /128 each: bind to these, whatever the interface (the -l flag) */
	size_t external;		/* index into conf.externals */
	bool natpmp, pcp;
	bool map, peer; /* PCP's MAP and PEER */
	enum conf_nonce_check nonce_check;
};

enum conf_action { CONF_DENY, CONF_ALLOW };

enum conf_preset { CONF_PRESET_NONE, CONF_PRESET_HOME, CONF_PRESET_GUEST, CONF_PRESET_GAMING };

/* Empty lists match everything. */
struct conf_rule {
	char *name;
	unsigned line;
	enum conf_preset preset; /* its values are in the other members already */
	enum conf_action action;
	struct conf_prefixes clients;
	struct conf_strings interfaces;
	struct conf_macs macs;
	bool protocols_set;
	struct conf_protocols protocols;
	struct conf_ranges internal_ports;
	struct conf_ranges reject_ports;   /* internal ports that it refuses, whatever internal_ports says */
	struct conf_ranges external_ports; /* empty: every port of the external */
	bool wildcard;			   /* also allows all ports of a protocol, and all protocols, at once */
	uint32_t lifetime_max_s;	   /* 0: the global one */
	uint32_t mappings_max;		   /* per client address; 0: the global one */
	uint32_t mappings_total;	   /* of all clients of the rule together; 0: no limit of its own */
};

struct conf_static {
	char *name;
	unsigned line;
	uint8_t protocol;
	uint16_t external_port;
	size_t external; /* index into conf.externals; the first one unless named */
	struct in6_addr to_address;
	uint16_t to_port;
};

/* What a hook may be told of: bits of a set. */
enum conf_event {
	CONF_EVENT_MADE = 1,
	CONF_EVENT_RENEWED = 2,
	CONF_EVENT_ENDED = 4,
	CONF_EVENT_MOVED = 8,
	CONF_EVENT_ADOPTED = 16,
	CONF_EVENT_REFUSED = 32,
	CONF_EVENT_EXTERNAL = 64,
	CONF_EVENT_RELOAD = 128,
};

struct conf_hook {
	char *name;
	unsigned line;
	char *exec;	    /* the path of a program, from "/" on; nobody looked yet whether it is there */
	unsigned exec_line; /* where that stands */
	unsigned events;    /* enum conf_event, one or more */
	uint32_t timeout_s; /* that one run may take */
};

struct conf_reserved {
	struct conf_ranges tcp, udp, sctp, dccp, udplite;
};

enum conf_backend { CONF_BACKEND_NFTABLES, CONF_BACKEND_MEMORY };
enum conf_on_exit { CONF_EXIT_KEEP, CONF_EXIT_CLEAR };
enum conf_flows { CONF_FLOWS_KEEP, CONF_FLOWS_FLUSH };
enum conf_sync { CONF_SYNC_NONE, CONF_SYNC_INTERVAL, CONF_SYNC_ALWAYS };
enum conf_log_level { CONF_LOG_ERROR, CONF_LOG_WARNING, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_log_target { CONF_LOG_STDERR, CONF_LOG_SYSLOG };

struct conf {
	uint64_t sum; /* of the text that it was parsed from: another text most likely has another one */
	struct conf_external *externals;
	size_t externals_n;
	struct conf_listen *listens;
	size_t listens_n;
	struct conf_rule *rules;
	size_t rules_n;
	struct conf_static *statics;
	size_t statics_n;
	struct conf_hook *hooks;
	size_t hooks_n;
	struct conf_reserved reserved;
	struct {
		struct conf_prefixes clients;
	} third_party;
	struct {
		uint32_t min_s, max_s, hold_s;
	} lifetime;
	struct {
		uint32_t mappings_per_client;
		uint32_t mappings_per_network; /* IPv6 /64 */
		uint32_t mappings;	       /* all clients together */
		uint32_t reserve;	       /* per cent of it, and of outside ports, for clients with few */
		uint32_t port_set_max; /* ports of a set that takes an entry for each; 0 = sets are not served */
		uint32_t requests_per_second;
		uint32_t burst;
		uint32_t filters_per_mapping;
		uint32_t hooks;		  /* processes of hooks at the same time */
		uint32_t filters;	  /* all mappings together */
		uint32_t description_max; /* octets, 0 = texts are not kept */
	} limits;
	struct {
		enum conf_backend type;
		char *table; /* name without the family, which is inet */
		struct conf_chains forward;
		unsigned forward_line;
		uint32_t mark;	       /* one bit of the connection and packet mark: opened by us */
		uint32_t hairpin_mark; /* one bit of the connection mark: came from inside to an outside address */
		enum conf_on_exit on_exit;
		enum conf_flows expired_flows;
		bool reset_flows; /* TCP connections of NAT-PMP mappings that end (RFC 6886 3.4) */
	} backend;
	struct {
		char *path;    /* "" = memory only */
		bool path_set; /* the key stands in the file */
		enum conf_sync sync;
	} journal;
	struct {
		char *socket; /* "" = none */
		char *http;   /* "" = none, else "ADDRESS:PORT" on loopback */
	} control;
	struct {
		char *user;
		bool user_set; /* the key stands in the file */
		bool sandbox;
	} process;
	struct {
		enum conf_log_level level;
		enum conf_log_target target;
	} log;
};

/*
 * Parses length octets of text; name is the file's name for messages. Returns a configuration, to be freed with
 * conf_free(), that is complete (defaults filled in) and consistent (references resolved, no overlaps); or NULL with
 * "name:line: key: why" in why. "out of memory" is such a reason too.
 */
struct conf *conf_parse(const char *text, size_t length, const char *name, char why[CONF_LOCATION_MAX]);

/* The configuration of "natpcpd -b memory -l ADDRESS [-e ADDRESS]": everybody may map. NULL if out of memory. */
struct conf *conf_loopback(const struct in6_addr *listen, const struct in6_addr *external);

/* NULL is allowed. */
void conf_free(struct conf *conf);

/* True if address lies in the prefix; in one of the prefixes. */
bool conf_prefix_has(const struct conf_prefix *p, const struct in6_addr *address);
bool conf_prefixes_have(const struct conf_prefixes *p, const struct in6_addr *address);
/* True if the port lies in one of the ranges. */
bool conf_ranges_have(const struct conf_ranges *r, uint16_t port);
/* True if the chain is one of those. */
bool conf_chains_have(const struct conf_chains *c, const char *family, const char *table, const char *chain);
bool conf_protocols_have(const struct conf_protocols *p, uint8_t protocol);

#endif
