/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What scenarios say of options and filters: ADDRESS/PREFIX[:PORT], with prefixes counted in 128 bits. */
#ifndef TESTS_SCENARIO_WORDS_H
#define TESTS_SCENARIO_WORDS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/mapping.h"
#include "codec/codec.h"

/* " filters=A/P:PORT,..." or nothing. */
static inline void words_filters(const struct mapping_filter *v, size_t n, char *out, size_t size)
{
	char a[CODEC_ADDRESS_TEXT];
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s/%u:%u",
					 i ? "," : " filters=", codec_address_text(&v[i].address, a),
					 v[i].prefix_length, v[i].port);
}

/* One option of a message: its code, and what we know of it. Returns the length. */
static inline size_t words_option(const struct pcp_option *o, char *out, size_t size)
{
	char a[CODEC_ADDRESS_TEXT];
	int used = snprintf(out, size, " option=%u", o->code);

	if (o->code == PCP_OPTION_FILTER && (size_t)used < size)
		used += snprintf(out + used, size - (size_t)used, " filter=%s/%u:%u",
				 codec_address_text(&o->filter.remote_address, a), o->filter.prefix_length,
				 o->filter.remote_port);
	else if (o->code == PCP_OPTION_PORT_SET && (size_t)used < size)
		used += snprintf(out + used, size - (size_t)used, " first=%u size=%u parity=%u",
				 o->port_set.first_internal_port, o->port_set.size, o->port_set.parity);
	else if (o->code == PCP_OPTION_DESCRIPTION && (size_t)used < size)
		used += snprintf(out + used, size - (size_t)used, " text=%.*s", (int)o->length, (const char *)o->data);
	return (size_t)used < size ? (size_t)used : size - 1;
}

/* ADDRESS/PREFIX[:PORT], or off for the one that clears. */
static inline bool words_read_filter(const char *text, struct pcp_option *o)
{
	const char *slash = strchr(text, '/'), *colon = slash ? strchr(slash, ':') : NULL;

	*o = (struct pcp_option){.code = PCP_OPTION_FILTER};
	if (strcmp(text, "off") == 0)
		return true;
	if (!slash || !codec_address_parse(text, (size_t)(slash - text), &o->filter.remote_address))
		return false;
	o->filter.prefix_length = (uint8_t)strtoul(slash + 1, NULL, 10);
	o->filter.remote_port = colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
	return true;
}

/* A list of them with commas, as words_filters() writes it. Returns how many, SIZE_MAX if it is none. */
static inline size_t words_read_filters(const char *text, struct mapping_filter *v, size_t most)
{
	char one[64];
	size_t n = 0;

	while (*text && n < most) {
		size_t length = strcspn(text, ",");
		struct pcp_option o;

		if (length >= sizeof(one))
			return SIZE_MAX;
		memcpy(one, text, length);
		one[length] = '\0';
		if (!words_read_filter(one, &o))
			return SIZE_MAX;
		v[n++] = (struct mapping_filter){.address = o.filter.remote_address,
						 .port = o.filter.remote_port,
						 .prefix_length = o.filter.prefix_length};
		text += length + (text[length] == ',');
	}
	return n;
}

static inline bool words_same_filters(const struct mapping *a, const struct mapping *b)
{
	if (a->filters_n != b->filters_n)
		return false;
	for (size_t i = 0; i < a->filters_n; i++)
		if (a->filters[i].port != b->filters[i].port ||
		    a->filters[i].prefix_length != b->filters[i].prefix_length ||
		    memcmp(&a->filters[i].address, &b->filters[i].address, 16) != 0)
			return false;
	return true;
}

#endif
