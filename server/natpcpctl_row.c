/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_row.h"

#include <stdio.h>
#include <string.h>

#include "server/natpcpctl_words.h"

enum { PORTS = 65536 };

const char *const row_headings[ROW_COLUMNS] = {"PROTO", "EXTERNAL", "INTERNAL", "EXPIRES",    "ORIGIN",
					       "RULE",	"PEER",	    "FILTERS",	"DESCRIPTION"};

const char *row_cell(const json_t *v, char *buffer, size_t size)
{
	if (json_is_string(v))
		return json_string_value(v);
	if (json_is_integer(v))
		snprintf(buffer, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	else
		snprintf(buffer, size, "%s", json_is_true(v) ? "yes" : json_is_false(v) ? "no" : "-");
	return buffer;
}

const char *row_field(const json_t *o, const char *key, char *buffer, size_t size)
{
	return row_cell(json_object_get(o, key), buffer, size);
}

const char *row_all(const json_t *o, const char *key, char *buffer, size_t size)
{
	const json_t *value = json_object_get(o, key);

	return json_is_integer(value) && !json_integer_value(value) ? "all" : row_cell(value, buffer, size);
}

void row_hide(struct table *table, size_t first)
{
	for (size_t column = 6; column < ROW_COLUMNS; column++)
		table_hide(table, first + column);
	for (size_t column = 5; column < ROW_COLUMNS; column++)
		table_elastic(table, first + column);
}

static void filters_text(const json_t *list, char *out, size_t size)
{
	size_t used = 0;

	*out = '\0';
	for (size_t i = 0; i < json_array_size(list) && used < size; i++) {
		const char *one = json_string_value(json_array_get(list, i));

		used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", one ? one : "?");
	}
}

void row_endpoint(const json_t *l, const char *address_key, const char *port_key, char *out, size_t size)
{
	const char *address = json_string_value(json_object_get(l, address_key));
	json_int_t first = json_integer_value(json_object_get(l, port_key));
	json_int_t ports = json_integer_value(json_object_get(l, "ports"));
	char p[32];
	int n;

	address = address ? address : "?";
	n = snprintf(out, size, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address,
		     row_all(l, port_key, p, sizeof(p)));
	if (ports > 1 && ports <= PORTS && first >= 0 && first < PORTS && n > 0 && (size_t)n < size)
		snprintf(out + n, size - (size_t)n, "-%" JSON_INTEGER_FORMAT, first + ports - 1);
}

bool row_lease(struct table *table, const json_t *l)
{
	char internal[80], external[80], filters[4096], b[WORDS_MAX], p[32];
	const char *description = json_string_value(json_object_get(l, "description"));
	const char *rule = json_string_value(json_object_get(l, "rule"));
	const char *peer = json_string_value(json_object_get(l, "peer"));
	const json_t *expires = json_object_get(l, "expires_in_s");

	row_endpoint(l, "internal_address", "internal_port", internal, sizeof(internal));
	row_endpoint(l, "external_address", "external_port", external, sizeof(external));
	filters_text(json_object_get(l, "filters"), filters, sizeof(filters));
	return table_add(table, row_all(l, "protocol", p, sizeof(p))) && table_add(table, external) &&
	       table_add(table, internal) &&
	       table_add(table, json_is_integer(expires) ? words_short(words_number(l, "expires_in_s"), b) : "never") &&
	       table_add(table, row_field(l, "origin", p, sizeof(p))) && table_add(table, rule ? rule : "-") &&
	       table_add(table, peer ? peer : "") && table_add(table, filters) &&
	       table_add(table, description ? description : "");
}
