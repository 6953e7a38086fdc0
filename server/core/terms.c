/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/terms.h"

#include <string.h>

void terms_init(struct terms *t)
{
	memset(t, 0, offsetof(struct terms, filters));
}

static struct in6_addr masked(const struct in6_addr *a, unsigned length)
{
	struct in6_addr m = *a;

	for (unsigned i = 0; i < 16; i++)
		m.s6_addr[i] &= (uint8_t)(length >= i * 8 + 8 ? 0xff : length > i * 8 ? 0xff00 >> (length - i * 8) : 0);
	return m;
}

static bool same(const struct mapping_filter *a, const struct mapping_filter *b)
{
	return a->port == b->port && a->prefix_length == b->prefix_length &&
	       memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static bool has(const struct mapping_filter *filters, size_t n, const struct mapping_filter *f)
{
	for (size_t i = 0; i < n; i++)
		if (same(&filters[i], f))
			return true;
	return false;
}

void terms_filter(struct terms *t, const struct pcp_option *o)
{
	struct mapping_filter f = {.port = o->filter.remote_port, .prefix_length = o->filter.prefix_length};

	t->filter = true;
	if (f.prefix_length == 0) {
		t->clear = true;
		t->filters_n = 0;
		return;
	}
	if (codec_is_v4(&o->filter.remote_address))
		t->v4 = true;
	else
		t->v6 = true;
	f.address = masked(&o->filter.remote_address, f.prefix_length);
	if (t->filters_n < TERMS_FILTERS_MAX && !has(t->filters, t->filters_n, &f))
		t->filters[t->filters_n++] = f;
}

bool terms_description(struct terms *t, const struct pcp_option *o, size_t most)
{
	if (t->description_seen)
		return false;
	t->description_seen = true;
	/* what is not text is as if it were not there: RFC 7220 3 */
	if (o->length > CODEC_DESCRIPTION_MAX || !codec_utf8_valid(o->data, o->length))
		return true;
	t->described = true;
	t->description = o->data;
	t->description_length = (uint16_t)codec_utf8_cut(o->data, o->length, most);
	return true;
}

bool terms_fit(const struct terms *t, const struct in6_addr *internal_address)
{
	return codec_is_v4(internal_address) ? !t->v6 : !t->v4;
}

bool terms_has_port(const struct terms *t)
{
	for (size_t i = 0; i < t->filters_n; i++)
		if (t->filters[i].port)
			return true;
	return false;
}

size_t terms_merge(const struct terms *t, const struct extra_parts *old,
		   struct mapping_filter out[TERMS_FILTERS_OF_MAPPING])
{
	size_t n = 0;

	for (size_t i = 0; !t->clear && i < old->filters_n && n < TERMS_FILTERS_OF_MAPPING; i++)
		out[n++] = old->filters[i];
	for (size_t i = 0; i < t->filters_n; i++) {
		if (has(out, n < TERMS_FILTERS_OF_MAPPING ? n : TERMS_FILTERS_OF_MAPPING, &t->filters[i]))
			continue;
		if (n < TERMS_FILTERS_OF_MAPPING)
			out[n] = t->filters[i];
		n++;
	}
	return n;
}

bool terms_same_filters(const struct extra_parts *old, const struct mapping_filter *filters, size_t n)
{
	if (old->filters_n != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same(&old->filters[i], &filters[i]))
			return false;
	return true;
}

void terms_put(const struct terms *t, const struct pcp_message *request, bool description, uint8_t *options,
	       size_t *length, size_t capacity)
{
	struct pcp_option text = {
	    .code = PCP_OPTION_DESCRIPTION, .data = t->description, .length = t->description_length};
	struct pcp_option o;
	size_t at = 0;

	while (t->filter && pcp_option_next(request->options, request->options_length, &at, &o, NULL) != CODEC_DROP)
		if (o.code == PCP_OPTION_FILTER)
			pcp_option_put(&o, options, length, capacity);
	if (description && t->described)
		pcp_option_put(&text, options, length, capacity);
}

void terms_put_filters(const struct extra_parts *parts, uint8_t *options, size_t *length, size_t capacity)
{
	for (size_t i = 0; i < parts->filters_n; i++) {
		struct pcp_option o = {.code = PCP_OPTION_FILTER,
				       .filter = {.prefix_length = parts->filters[i].prefix_length,
						  .remote_port = parts->filters[i].port,
						  .remote_address = parts->filters[i].address}};

		pcp_option_put(&o, options, length, capacity);
	}
}
