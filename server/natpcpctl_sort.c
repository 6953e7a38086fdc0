/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_sort.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/natpcpctl_words.h"

/* What leases are compared by, as octets: a number or the begin of a text, then an address, a port and a protocol. */
struct key {
	uint8_t text[40], address[16], port[2], protocol;
};

struct entry {
	struct key key;
	size_t at;
};

struct sort {
	enum sort_by by;
	bool reverse;
	struct entry *v;
	size_t n, room;
	size_t *order;
};

static const struct {
	const char *name;
	enum sort_by by;
} names[] = {
    {"client", SORT_CLIENT},
    {"internal-port", SORT_INTERNAL_PORT},
    {"external", SORT_EXTERNAL},
    {"proto", SORT_PROTO},
    {"external-port", SORT_EXTERNAL_PORT},
    {"rule", SORT_RULE},
    {"expires", SORT_EXPIRES},
    {"origin", SORT_ORIGIN},
};

bool sort_named(const char *name, enum sort_by *by)
{
	*by = SORT_NONE;
	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].name, name))
			*by = names[i].by;
	return !name || *by != SORT_NONE;
}

struct sort *sort_new(enum sort_by by, bool reverse)
{
	struct sort *s = calloc(1, sizeof(*s));

	if (s) {
		s->by = by;
		s->reverse = reverse;
	}
	return s;
}

void sort_free(struct sort *s)
{
	if (!s)
		return;
	free(s->v);
	free(s->order);
	free(s);
}

static void big_endian(uint8_t *out, size_t octets, uint64_t n)
{
	while (octets--) {
		out[octets] = (uint8_t)n;
		n >>= 8;
	}
}

static void put_text(struct key *k, const json_t *lease, const char *member)
{
	const char *text = words_text(lease, member);

	memcpy(k->text, text, strnlen(text, sizeof(k->text)));
}

/* By name, behind them those that only have a number. */
static void put_protocol(struct key *k, const json_t *lease)
{
	put_text(k, lease, "protocol");
	if (!k->text[0])
		big_endian(k->text, 3, 0xff0000 | words_number(lease, "protocol"));
}

/* What never ends comes last. */
static void put_expires(struct key *k, const json_t *lease)
{
	const json_t *left = json_object_get(lease, "expires_in_s");

	big_endian(k->text, 8, json_is_integer(left) ? words_number(lease, "expires_in_s") : UINT64_MAX);
}

static void key_of(struct key *k, enum sort_by by, const json_t *lease)
{
	bool outside = by == SORT_EXTERNAL || by == SORT_EXTERNAL_PORT;
	const char *address = words_text(lease, outside ? "external_address" : "internal_address");
	uint64_t port = words_number(lease, outside ? "external_port" : "internal_port");
	struct in6_addr a;

	memset(k, 0, sizeof(*k));
	if (by == SORT_INTERNAL_PORT || by == SORT_EXTERNAL_PORT)
		big_endian(k->text, 2, port);
	else if (by == SORT_PROTO)
		put_protocol(k, lease);
	else if (by == SORT_EXPIRES)
		put_expires(k, lease);
	else if (by == SORT_RULE)
		put_text(k, lease, "rule");
	else if (by == SORT_ORIGIN)
		put_text(k, lease, "origin");
	if (codec_address_parse(address, strlen(address), &a))
		memcpy(k->address, &a, sizeof(k->address));
	big_endian(k->port, 2, port);
}

bool sort_add(struct sort *s, const json_t *lease)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		struct entry *v = reallocarray(s->v, room, sizeof(*v));

		if (!v)
			return false;
		s->v = v;
		s->room = room;
	}
	if (s->by != SORT_NONE)
		key_of(&s->v[s->n].key, s->by, lease);
	s->v[s->n].at = s->n;
	s->n++;
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = memcmp(&x->key, &y->key, sizeof(x->key));

	return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

const size_t *sort_order(struct sort *s)
{
	size_t *order = reallocarray(s->order, s->n + 1, sizeof(*order));

	if (!order)
		return NULL;
	s->order = order;
	if (s->n && s->by != SORT_NONE)
		qsort(s->v, s->n, sizeof(*s->v), by_key);
	for (size_t i = 0; i < s->n; i++)
		order[i] = s->v[s->reverse ? s->n - 1 - i : i].at;
	return order;
}
