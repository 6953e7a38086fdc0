/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_event.h"

#include <inttypes.h>
#include <string.h>

#include "server/natpcpctl_row.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_words.h"

/* True if one word of n octets is in a list with commas between. */
static bool in_list(const char *list, const char *word, size_t n)
{
	const char *end;

	for (;; list = end + 1) {
		end = list + strcspn(list, ",");
		if ((size_t)(end - list) == n && !memcmp(list, word, n))
			return true;
		if (!*end)
			return false;
	}
}

bool event_types(const char *list, char *unknown, size_t size)
{
	const char *end;

	for (;; list = end + 1) {
		end = list + strcspn(list, ",");
		if (!in_list(EVENT_TYPES, list, (size_t)(end - list))) {
			snprintf(unknown, size, "%.*s", (int)(end - list), list);
			return false;
		}
		if (!*end)
			return true;
	}
}

static enum paint paint_of(const char *type)
{
	if (!strcmp(type, "made") || !strcmp(type, "adopted"))
		return PAINT_GOOD;
	if (!strcmp(type, "refused") || !strcmp(type, "backend") || !strcmp(type, "lost"))
		return PAINT_BAD;
	return !strcmp(type, "renewed") || !strcmp(type, "stats") ? PAINT_DIM : PAINT_PLAIN;
}

/* "name value" of a member that is there. */
static void member(FILE *out, const json_t *o, const char *key, const char *name)
{
	const json_t *v = json_object_get(o, key);
	char b[32];

	if (v && !json_is_null(v) && !json_is_object(v) && !json_is_array(v) &&
	    !(json_is_string(v) && !*json_string_value(v)))
		say(out, "%s%s", name, row_cell(v, b, sizeof(b)));
}

static void quoted(FILE *out, const json_t *o, const char *key, const char *name)
{
	if (*words_text(o, key))
		say(out, "%s\"%s\"", name, words_text(o, key));
}

/* "tcp 192.0.2.11:8080 -> 198.51.100.1:18080", as far as it is known. */
static void print_mapping(FILE *out, const json_t *o)
{
	char side[80], protocol[32];

	if (json_object_get(o, "protocol"))
		say(out, " %s", row_all(o, "protocol", protocol, sizeof(protocol)));
	if (*words_text(o, "internal_address")) {
		row_endpoint(o, "internal_address", "internal_port", side, sizeof(side));
		say(out, " %s", side);
	} else if (*words_text(o, "client")) {
		say(out, " %s", words_text(o, "client"));
		member(out, o, "internal_port", " port ");
	}
	if (*words_text(o, "external_address")) {
		row_endpoint(o, "external_address", "external_port", side, sizeof(side));
		say(out, *words_text(o, "internal_address") ? " -> %s" : " %s", side);
	}
	member(out, o, "peer", " peer ");
}

static void print_addresses(FILE *out, const json_t *o)
{
	const json_t *list = json_object_get(o, "addresses");
	char b[32];

	for (size_t i = 0; i < json_array_size(list); i++)
		say(out, "%s%s", i ? ", " : " ", row_cell(json_array_get(list, i), b, sizeof(b)));
}

/* Of a second: what came, and how it went. */
static void print_stats(FILE *out, const json_t *o)
{
	char b[WORDS_MAX], c[WORDS_MAX];

	say(out, " requests %" PRIu64 ", replies %" PRIu64 ", refused %" PRIu64 ", dropped %" PRIu64,
	    words_number(o, "requests"), words_number(o, "replies"), words_number(o, "refused"),
	    words_number(o, "dropped"));
	say(out, ", leases %" PRIu64 " of %s", words_number(o, "leases"),
	    words_count(words_number(o, "clients"), "host", b));
	if (json_is_integer(json_object_get(o, "request_p99_us")))
		say(out, ", half within %s, 99 %% within %s", words_micro(words_number(o, "request_p50_us"), b),
		    words_micro(words_number(o, "request_p99_us"), c));
}

void event_print(FILE *out, const struct look *l, const char *type, const json_t *o)
{
	const json_t *at = json_object_get(o, "at");
	char b[WORDS_MAX];

	if (*words_text(o, "event"))
		type = words_text(o, "event");
	if (json_is_number(at))
		look_say(out, l, PAINT_DIM, "%s ", words_time(json_number_value(at), b));
	look_say(out, l, paint_of(type), "%-8s", type);
	if (!strcmp(type, "stats")) {
		print_stats(out, o);
	} else if (!strcmp(type, "lost")) {
		say(out, " %s: this reader was too slow", words_count(words_number(o, "count"), "event", b));
	} else {
		member(out, o, "by", " ");
		member(out, o, "opcode", " ");
		print_mapping(out, o);
		member(out, o, "name", " ");
		member(out, o, "interface", " ");
		print_addresses(out, o);
		if (strcmp(words_text(o, "state"), "ok") != 0)
			member(out, o, "state", " ");
		if (json_is_boolean(json_object_get(o, "ok")))
			say(out, json_is_true(json_object_get(o, "ok")) ? " done" : " failed");
		if (words_number(o, "lifetime_s"))
			say(out, " for %s", words_short(words_number(o, "lifetime_s"), b));
		member(out, o, "result", " ");
		quoted(out, o, "rule", " rule ");
		member(out, o, "error", ": ");
		member(out, o, "why", ": ");
	}
	say(out, "\n");
}
