/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a PCP request says beyond address, port and lifetime: FILTER (RFC 6887 13.3) and DESCRIPTION (RFC 7220). */
#ifndef SERVER_CORE_TERMS_H
#define SERVER_CORE_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"
#include "server/core/extra.h"

enum {
	TERMS_FILTERS_MAX = 43,	      /* as many options as a request has room for */
	TERMS_FILTERS_OF_MAPPING = 32 /* the most that limits { filters-per-mapping } can be */
};

struct terms {
	bool filter;	       /* there was a FILTER */
	bool clear;	       /* all filters from before go */
	bool v4, v6;	       /* families of the filters */
	bool description_seen; /* there was a DESCRIPTION */
	bool described;	       /* one that can be kept: it takes the place of the old text */
	uint16_t filters_n;    /* to be added, no two the same */
	uint16_t description_length;
	const uint8_t *description; /* borrowed, cut to what is kept; length 0 = no text from now on */
	struct mapping_filter filters[TERMS_FILTERS_MAX];
};

/* Without the array, which needs no beginning. */
void terms_init(struct terms *t);
/* Takes a FILTER, in the order of the request. */
void terms_filter(struct terms *t, const struct pcp_option *o);
/* Takes a DESCRIPTION; most: octets that are kept. False if it is the second. */
bool terms_description(struct terms *t, const struct pcp_option *o, size_t most);
/* True if filters are of the family of the host that they are for. */
bool terms_fit(const struct terms *t, const struct in6_addr *internal_address);

/* True if one of the filters to be added is for one port of the sender's. */
bool terms_has_port(const struct terms *t);

/*
 * The filters that a mapping comes to have. Writes at most TERMS_FILTERS_OF_MAPPING of them; returns how many there
 * would be, which may be more.
 */
size_t terms_merge(const struct terms *t, const struct extra_parts *old,
		   struct mapping_filter out[TERMS_FILTERS_OF_MAPPING]);
/* True if these are the filters that the mapping has already, in the same order. */
bool terms_same_filters(const struct extra_parts *old, const struct mapping_filter *filters, size_t n);

/* Appends the options of a request that were processed, as they are sent back: every FILTER in its order, and the text
 * that is kept. */
void terms_put(const struct terms *t, const struct pcp_message *request, bool description, uint8_t *options,
	       size_t *length, size_t capacity);
/* Appends a mapping's filters as options. */
void terms_put_filters(const struct extra_parts *parts, uint8_t *options, size_t *length, size_t capacity);

#endif
