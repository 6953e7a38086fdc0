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
	uint16_t internal_port;
	uint16_t external_port; /* suggested, 0 = none */
};

struct policy_verdict {
	bool allowed;
	uint16_t rule; /* index into conf.rules, UINT16_MAX = none matched */
	const char *why;
	const struct conf_ranges *external_ports; /* allowed outside ports; empty = all of the external's */
	uint32_t lifetime_max_s;		  /* the lower of the rule's and the global one */
	uint32_t mappings_max;			  /* per client address: the rule's, else the global one */
};

/*
 * Never fails. The pointers of the verdict live as long as conf.
 *
 * The external ports of a rule that allows are no condition: a wish outside of them is answered inside. Those of a rule
 * that denies are one, on the wish: without a wish it does not match. As a wish must not spoil a request that would be
 * granted without it (RFC 6887 11.3), a refused wish is to be judged again as none; and a port that was not wished for
 * as if it had been, before it is handed out.
 */
void policy_judge(const struct conf *conf, const struct policy_request *q, struct policy_verdict *v);

/* True if the port is reserved by the operator or by RFC 6887 11.3 (UDP 5350, 5351) and never handed out. */
bool policy_reserved(const struct conf *conf, uint8_t protocol, uint16_t port);

/* Lifetime to grant for a request of lifetime_s > 0: PCP is raised to the minimum, NAT-PMP never gets more than it
 * asked (RFC 6886 3.3); both are cut to the verdict's maximum. */
uint32_t policy_lifetime(const struct conf *conf, const struct policy_verdict *v, bool pcp, uint32_t lifetime_s);

#endif
