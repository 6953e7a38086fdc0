/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/wildcard.h"

/* Headers of IPv6 that stand before that of a protocol: no packet is of these. */
static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_ROUTING || protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_NONE ||
	       protocol == IPPROTO_DSTOPTS;
}

const char *wildcard_impossible(const struct engine *e, size_t external, const struct in6_addr *internal_address,
				uint8_t protocol)
{
	/* the address outside is shared: some ports of it are the gateway's own, and others' */
	if (wildcard_kind(e, external, internal_address) == MAPPING_NAT)
		return "all ports cannot be mapped to one host where addresses are translated";
	if (!codec_is_v4(internal_address) && is_extension(protocol))
		return "an extension header is no protocol";
	return NULL;
}
