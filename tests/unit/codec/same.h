/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages compared by value: what their pointers point to, not where. */
#ifndef TESTS_UNIT_CODEC_SAME_H
#define TESTS_UNIT_CODEC_SAME_H

#include "codec/codec.h"

#include <string.h>

static inline bool same_octets(const uint8_t *a, size_t a_length, const uint8_t *b, size_t b_length)
{
	return a_length == b_length && (a_length == 0 || memcmp(a, b, a_length) == 0);
}

static inline bool same_address(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool same_natpmp(const struct natpmp_message *a, const struct natpmp_message *b)
{
	return a->response == b->response && a->opcode == b->opcode && a->result == b->result &&
	       a->epoch_s == b->epoch_s && same_address(&a->external_address, &b->external_address) &&
	       a->internal_port == b->internal_port && a->external_port == b->external_port &&
	       a->lifetime_s == b->lifetime_s && same_octets(a->rest, a->rest_length, b->rest, b->rest_length);
}

static inline bool same_mapping(const struct pcp_mapping *a, const struct pcp_mapping *b)
{
	return memcmp(&a->nonce, &b->nonce, sizeof(a->nonce)) == 0 && a->protocol == b->protocol &&
	       a->internal_port == b->internal_port && a->external_port == b->external_port &&
	       same_address(&a->external_address, &b->external_address) && a->remote_port == b->remote_port &&
	       same_address(&a->remote_address, &b->remote_address);
}

/* Without the option area. */
static inline bool same_pcp(const struct pcp_message *a, const struct pcp_message *b)
{
	return a->response == b->response && a->version == b->version && a->opcode == b->opcode &&
	       a->result == b->result && a->lifetime_s == b->lifetime_s && a->epoch_s == b->epoch_s &&
	       same_address(&a->client_address, &b->client_address) && same_mapping(&a->mapping, &b->mapping) &&
	       same_octets(a->body, a->body_length, b->body, b->body_length);
}

/* By what they say; of a code that is not known, by its octets. */
static inline bool same_option(const struct pcp_option *a, const struct pcp_option *b)
{
	if (a->code != b->code)
		return false;
	switch (a->code) {
	case PCP_OPTION_THIRD_PARTY:
		return same_address(&a->third_party, &b->third_party);
	case PCP_OPTION_PREFER_FAILURE:
		return true;
	case PCP_OPTION_FILTER:
		return a->filter.prefix_length == b->filter.prefix_length &&
		       a->filter.remote_port == b->filter.remote_port &&
		       same_address(&a->filter.remote_address, &b->filter.remote_address);
	case PCP_OPTION_PORT_SET:
		return a->port_set.size == b->port_set.size &&
		       a->port_set.first_internal_port == b->port_set.first_internal_port &&
		       a->port_set.parity == b->port_set.parity;
	default:
		return same_octets(a->data, a->length, b->data, b->length);
	}
}

static inline bool same_options(const struct pcp_message *a, const struct pcp_message *b)
{
	return same_octets(a->options, a->options_length, b->options, b->options_length);
}

static inline bool same_message(const struct codec_message *a, const struct codec_message *b)
{
	if (a->protocol != b->protocol)
		return false;
	if (a->protocol == CODEC_VERSION_NATPMP)
		return same_natpmp(&a->natpmp, &b->natpmp);
	return same_pcp(&a->pcp, &b->pcp) && same_options(&a->pcp, &b->pcp);
}

#endif
