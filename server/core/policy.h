/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operator's rules: the first one that matches decides, no match is a refusal. */
#ifndef SERVER_CORE_POLICY_H
#define SERVER_CORE_POLICY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

struct policy_request {
	struct in6_addr client; /* the address that gets the mapping */
	const char *interface;	/* "" = unknown: rules that name interfaces do not match */
	bool mac_known;
	struct conf_mac mac;
	uint8_t protocol;
	uint16_t internal_port; /* 0: all ports of the protocol, or all there is if that is 0 */
	bool anywhere;		/* what rules say of interfaces and MAC addresses is as if it were not there */
};

enum { POLICY_RANGES_MAX = 64 };

struct policy_verdict {
	bool allowed;
	uint16_t rule; /* index into conf.rules, UINT16_MAX = none matched */
	const char *why;
	const struct conf_ranges *given; /* outside ports of the rule that allows; empty = all of the external's */
	bool narrowed;			 /* earlier rules take some of them away: these are left */
	uint32_t lifetime_max_s;	 /* the lower of the rule's and the global one */
	uint32_t mappings_max;		 /* per client address: the rule's, else the global one */
	size_t left_n;
	struct conf_range left[POLICY_RANGES_MAX]; /* last: cleared no further than it is used */
};

/*
 * A rule that allows and rejects ports is, for its hosts and protocols, also one that denies these.
 *
 * All ports, or all protocols, are allowed by a rule that says so and allows all that is asked for, and denied by one that
 * denies any of it.
 *
 * Never fails. The pointers of the verdict live as long as conf.
 *
 * External ports are no condition, as a wish must not spoil a request that would be granted without it (RFC 6887 11.3):
 * a rule that allows says from which ports one is given; a rule that denies and names external ports takes those away
 * from the rules after it, and decides only if none is left. Ports that make more than POLICY_RANGES_MAX ranges are
 * taken away from the upper end.
 */
void policy_judge(const struct conf *conf, const struct policy_request *q, struct policy_verdict *v);

/* The key of a rule for which it leaves the decision to those after it: "clients", "interfaces", "macs", "protocols",
 * "internal-ports", "external-ports", "wildcard". NULL: it decides. Of a rule that comes before the one of the verdict. */
const char *policy_passes(const struct conf_rule *r, const struct policy_request *q);

/* The outside ports that a verdict allows; empty = all of the external's. They live as long as the verdict and conf. */
struct conf_ranges policy_ports(struct policy_verdict *v);

/* True if there may be a host of that address that could have the outside ports from first to last; of one that is asked
 * about anywhere, nothing but the address is known. first 0: whatever the ports are, too. */
bool policy_could(const struct conf *conf, const struct policy_request *q, uint16_t first, uint16_t last);

/* True if the port is reserved by the operator or by RFC 6887 11.3 (UDP 5350, 5351) and never handed out. */
bool policy_reserved(const struct conf *conf, uint8_t protocol, uint16_t port);

/* Lifetime to grant for a request of lifetime_s > 0: PCP is raised to the minimum, NAT-PMP never gets more than it
 * asked (RFC 6886 3.3); both are cut to the verdict's maximum. */
uint32_t policy_lifetime(const struct conf *conf, const struct policy_verdict *v, bool pcp, uint32_t lifetime_s);

/* The longest lifetime that no rule cuts. */
uint32_t policy_lifetime_uncut(const struct conf *conf);

#endif
