/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whatever calls itself a server can answer natpcpctl: what is shown of it commands no terminal. The octets are a stream of
 * events, the JSON of a status, an explanation or leases, or metrics.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/natpcpctl_event.h"
#include "server/natpcpctl_explain.h"
#include "server/natpcpctl_metrics.h"
#include "server/natpcpctl_row.h"
#include "server/natpcpctl_sort.h"
#include "server/natpcpctl_sse.h"
#include "server/natpcpctl_status.h"
#include "server/natpcpctl_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

struct shown {
	FILE *out;
	struct look look;
	unsigned events;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Without colours there is nothing but lines of text: no control character of either kind. */
static void must_be_tame(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		require((c >= ' ' && c != 0x7f) || c == '\n');
		require(c != 0xc2 || i + 1 == n || (unsigned char)text[i + 1] < 0x80 ||
			(unsigned char)text[i + 1] >= 0xa0);
	}
}

static void on_event(void *context, const char *type, const char *data)
{
	struct shown *s = context;
	json_t *o = json_loads(data, 0, NULL);

	require(strlen(type) < SSE_TYPE_MAX);
	if (json_is_object(o))
		event_print(s->out, &s->look, type, o);
	json_decref(o);
}

static void events(struct shown *s, const uint8_t *data, size_t length)
{
	struct sse sse;
	size_t piece = length ? 1 + data[0] % 61 : 1;

	sse_init(&sse, on_event, s);
	for (size_t at = 0; at < length; at += piece)
		sse_feed(&sse, (const char *)data + at, length - at < piece ? length - at : piece);
	sse_clear(&sse);
}

static void leases(struct shown *s, const json_t *o, enum sort_by by)
{
	struct table *t = table_new(row_headings, ROW_COLUMNS);
	struct sort *sort = sort_new(by, by % 2);
	const json_t *lease;
	size_t i;
	char *text;

	require(t && sort);
	row_hide(t, 0);
	json_array_foreach(json_object_get(o, "leases"), i, lease)
	{
		require(row_lease(t, lease) && sort_add(sort, lease));
	}
	text = table_text_look(t, &s->look, sort_order(sort), table_rows(t));
	require(text != NULL);
	fputs(text, s->out);
	free(text);
	table_free(t);
	sort_free(sort);
}

static void metrics(const uint8_t *data, size_t length)
{
	char *text = calloc(1, length + 1);
	json_t *o;

	require(text != NULL);
	if (length)
		memcpy(text, data, length);
	/* the transfer is text that ends at its end */
	o = metrics_json(text);
	require(json_is_object(o));
	json_decref(o);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct shown s = {0};
	char *text;
	size_t n;
	json_t *o;

	if (length == 0)
		return 0;
	s.out = open_memstream(&text, &n);
	require(s.out != NULL);
	s.look.columns = data[0] & 8 ? 40 + (data[0] >> 4) * 8u : 0;
	o = data[0] % 8 == 0 ? NULL : json_loadb((const char *)data + 1, length - 1, 0, NULL);
	switch (data[0] % 8) {
	case 0:
		events(&s, data + 1, length - 1);
		break;
	case 1:
		metrics(data + 1, length - 1);
		break;
	case 2:
		if (json_is_object(o))
			status_print(s.out, &s.look, o);
		break;
	case 3:
		if (json_is_object(o))
			explain_print(s.out, &s.look, o, data[0] & 16 ? "8080" : NULL);
		break;
	default:
		if (json_is_object(o))
			leases(&s, o, (enum sort_by)(data[0] >> 4) % (SORT_ORIGIN + 1));
		break;
	}
	json_decref(o);
	require(fclose(s.out) == 0);
	must_be_tame(text, n);
	free(text);
	return 0;
}
