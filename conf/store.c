/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/store.h"

#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/value.h"

char *store_copy(const char *s, size_t length)
{
	char *copy = malloc(length + 1);

	if (copy) {
		memcpy(copy, s, length);
		copy[length] = '\0';
	}
	return copy;
}

void *store_grow(void **v, size_t *n, size_t size)
{
	/* it has the next power of two as its capacity, so it is full when n is one */
	if (!(*n & (*n - 1))) {
		void *bigger = *n > SIZE_MAX / 2 / size ? NULL : realloc(*v, (*n ? 2 * *n : 1) * size);

		if (!bigger)
			return NULL;
		*v = bigger;
	}
	return memset((char *)*v + (*n)++ * size, 0, size);
}

static enum store_result done(bool good)
{
	return good ? STORE_DONE : STORE_REFUSED;
}

static enum store_result store_string(const char *text, size_t length, char **to)
{
	free(*to);
	*to = store_copy(text, length);
	return *to ? STORE_DONE : STORE_NO_MEMORY;
}

static enum store_result store_enum(const struct schema_key *key, const char *text, void *to, struct text *why)
{
	for (const struct schema_choice *c = key->choices; c->name; c++)
		if (!strcmp(text, c->name)) {
			memcpy(to, &c->value, sizeof(c->value));
			return STORE_DONE;
		}
	text_add(why, "not one of");
	for (const struct schema_choice *c = key->choices; c->name; c++) {
		text_add(why, c == key->choices ? " " : ", ");
		text_quote(why, c->name);
	}
	return STORE_REFUSED;
}

static enum store_result store_limited(const struct schema_key *key, const char *text, char **to, struct text *why)
{
	if (strlen(text) > key->max) {
		text_add(why, "longer than ");
		text_number(why, key->max);
		text_add(why, " octets");
		return STORE_REFUSED;
	}
	return store_string(text, strlen(text), to);
}

/* The words of a text with single spaces between them, at most most; 0 if there are more, or none. */
static size_t split(const char *text, size_t most, const char *words[], size_t lengths[])
{
	size_t n = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (n == most)
			return 0;
		words[n] = text;
		lengths[n++] = length;
		text += length;
		text += strspn(text, " ");
	}
	return n;
}

static bool is_word(const char *word, size_t length, const char *s)
{
	return length == strlen(s) && !memcmp(word, s, length);
}

static enum store_result store_table(const char *text, char **to, struct text *why)
{
	const char *words[2];
	size_t lengths[2];

	if (split(text, 2, words, lengths) != 2 || !is_word(words[0], lengths[0], "inet")) {
		text_add(why, "not \"inet NAME\"");
		return STORE_REFUSED;
	}
	if (!value_identifier(words[1], lengths[1], why))
		return STORE_REFUSED;
	return store_string(words[1], lengths[1], to);
}

/* "" adds none. */
static enum store_result store_chain(const struct schema_key *key, const char *text, struct conf_chains *list,
				     struct text *why)
{
	const char *words[3];
	size_t lengths[3];
	struct conf_chain *slot;
	void *v = list->v;

	if (!*text)
		return STORE_DONE;
	if (split(text, 3, words, lengths) != 3 ||
	    (!is_word(words[0], lengths[0], "inet") && !is_word(words[0], lengths[0], "ip") &&
	     !is_word(words[0], lengths[0], "ip6"))) {
		text_add(why, "not \"FAMILY TABLE CHAIN\" with the family inet, ip or ip6");
		return STORE_REFUSED;
	}
	if (!value_identifier(words[1], lengths[1], why) || !value_identifier(words[2], lengths[2], why))
		return STORE_REFUSED;
	for (size_t i = 0; i < list->n; i++)
		if (is_word(words[0], lengths[0], list->v[i].family) &&
		    is_word(words[1], lengths[1], list->v[i].table) &&
		    is_word(words[2], lengths[2], list->v[i].chain)) {
			text_add(why, "stands twice in the list");
			return STORE_REFUSED;
		}
	if (list->n == key->max) {
		text_add(why, "more than ");
		text_number(why, key->max);
		text_add(why, " chains");
		return STORE_REFUSED;
	}
	slot = store_grow(&v, &list->n, sizeof(*list->v));
	list->v = v;
	if (!slot)
		return STORE_NO_MEMORY;
	slot->family = store_copy(words[0], lengths[0]);
	slot->table = store_copy(words[1], lengths[1]);
	slot->chain = store_copy(words[2], lengths[2]);
	return slot->family && slot->table && slot->chain ? STORE_DONE : STORE_NO_MEMORY;
}

static enum store_result store_name(const char *text, struct conf_strings *list, struct text *why)
{
	void *v = list->v;
	char *copy, **slot;

	if (!value_interface(text, why))
		return STORE_REFUSED;
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text)) {
			text_add(why, "stands twice in the list");
			return STORE_REFUSED;
		}
	copy = store_copy(text, strlen(text));
	if (!copy)
		return STORE_NO_MEMORY;
	slot = store_grow(&v, &list->n, sizeof(*list->v));
	list->v = v;
	if (!slot) {
		free(copy);
		return STORE_NO_MEMORY;
	}
	*slot = copy;
	return STORE_DONE;
}

static enum store_result store_prefix(const struct schema_key *key, const char *text, struct conf_prefixes *list,
				      struct text *why)
{
	struct conf_prefix prefix = {.length = 128}, *slot;
	void *v = list->v;

	if (!(key->type == SCHEMA_ADDRESSES ? value_address(text, &prefix.address, why)
					    : value_prefix(text, &prefix, why)))
		return STORE_REFUSED;
	slot = store_grow(&v, &list->n, sizeof(*list->v));
	list->v = v;
	if (!slot)
		return STORE_NO_MEMORY;
	*slot = prefix;
	return STORE_DONE;
}

/* Keeps the list sorted and without overlaps. */
static enum store_result store_range(const char *text, struct conf_ranges *list, struct text *why)
{
	struct conf_range range, *slot;
	void *v = list->v;
	size_t at = list->n;

	if (!value_range(text, &range, why))
		return STORE_REFUSED;
	while (at && list->v[at - 1].first > range.first)
		at--;
	for (size_t i = at ? at - 1 : 0; i < list->n && i <= at; i++)
		if (list->v[i].first <= range.last && range.first <= list->v[i].last) {
			text_add(why, "overlaps ");
			text_number(why, list->v[i].first);
			if (list->v[i].first < list->v[i].last) {
				text_add(why, "-");
				text_number(why, list->v[i].last);
			}
			return STORE_REFUSED;
		}
	slot = store_grow(&v, &list->n, sizeof(*list->v));
	list->v = v;
	if (!slot)
		return STORE_NO_MEMORY;
	memmove(&list->v[at + 1], &list->v[at], (list->n - 1 - at) * sizeof(*list->v));
	list->v[at] = range;
	return STORE_DONE;
}

static enum store_result store_mac(const char *text, struct conf_macs *list, struct text *why)
{
	struct conf_mac mac, *slot;
	void *v = list->v;

	if (!value_mac(text, &mac, why))
		return STORE_REFUSED;
	slot = store_grow(&v, &list->n, sizeof(*list->v));
	list->v = v;
	if (!slot)
		return STORE_NO_MEMORY;
	*slot = mac;
	return STORE_DONE;
}

static enum store_result store_protocols(const char *text, struct conf_protocols *set, struct text *why)
{
	uint8_t protocol;

	if (!value_protocol(text, &protocol, why))
		return STORE_REFUSED;
	set->bits[protocol / 64] |= UINT64_C(1) << (protocol % 64);
	return STORE_DONE;
}

static enum store_result store_program(const struct schema_key *key, const char *text, char **to, struct text *why)
{
	if (text[0] == '/' && text[1])
		return store_limited(key, text, to, why);
	text_add(why, "not a path that begins with \"/\"");
	return STORE_REFUSED;
}

static enum store_result store_flag(const struct schema_key *key, const char *text, unsigned *set, struct text *why)
{
	unsigned flag = 0;
	enum store_result result = store_enum(key, text, &flag, why);

	*set |= flag;
	return result;
}

enum store_result store_value(const struct schema_key *key, void *base, const char *text, struct text *why)
{
	void *to = (char *)base + key->offset;
	void *to_2 = (char *)base + key->offset_2;

	switch (key->type) {
	case SCHEMA_BOOL:
		return done(value_bool(text, to, why));
	case SCHEMA_ENUM:
		return store_enum(key, text, to, why);
	case SCHEMA_NUMBER:
		return done(value_number(text, key->min, key->max, to, why));
	case SCHEMA_DURATION:
		return done(value_duration(text, key->min, key->max, to, why));
	case SCHEMA_MARK:
		return done(value_mark(text, to, why));
	case SCHEMA_PORT:
		return done(value_port(text, to, why));
	case SCHEMA_PROTOCOL:
		return done(value_protocol(text, to, why));
	case SCHEMA_STRING:
		return store_limited(key, text, to, why);
	case SCHEMA_PROGRAM:
		return store_program(key, text, to, why);
	case SCHEMA_INTERFACE:
		return *text && !value_interface(text, why) ? STORE_REFUSED : store_string(text, strlen(text), to);
	case SCHEMA_TABLE:
		return store_table(text, to, why);
	case SCHEMA_LOOPBACK:
		return *text && !value_loopback(text, why) ? STORE_REFUSED : store_string(text, strlen(text), to);
	case SCHEMA_ENDPOINT:
		return done(value_endpoint(text, to, to_2, why));
	case SCHEMA_INTERFACES:
		return store_name(text, to, why);
	case SCHEMA_PREFIXES:
	case SCHEMA_ADDRESSES:
		return store_prefix(key, text, to, why);
	case SCHEMA_RANGES:
		return store_range(text, to, why);
	case SCHEMA_MACS:
		return store_mac(text, to, why);
	case SCHEMA_PROTOCOLS:
		return store_protocols(text, to, why);
	case SCHEMA_FLAGS:
		return store_flag(key, text, to, why);
	case SCHEMA_CHAINS:
		return store_chain(key, text, to, why);
	case SCHEMA_REFERENCE:
		break;
	}
	text_add(why, "cannot be stored");
	return STORE_REFUSED;
}
