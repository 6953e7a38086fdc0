/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl leases */
#include "server/natpcpctl_leases.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/natpcpctl_row.h"
#include "server/natpcpctl_table.h"
#include "server/natpcpctl_words.h"

#define PAGE 20000 /* leases asked for at once */

void leases_clear(struct leases_list *l)
{
	table_free(l->table);
	sort_free(l->sort);
	json_decref(l->objects);
	memset(l, 0, sizeof(*l));
}

static bool add(struct leases_list *l, json_t *lease)
{
	return row_lease(l->table, lease) && sort_add(l->sort, lease) &&
	       (!l->objects || json_array_append(l->objects, lease) == 0);
}

static int add_page(struct tool *t, const struct leases_query *q, struct leases_list *l, uint64_t *cursor)
{
	struct ask_path path = q->path;
	json_t *o, *list;
	bool room = true;
	uint64_t next;
	int end;

	ask_number(&path, "limit", q->most ? q->most : PAGE);
	ask_number(&path, "cursor", *cursor);
	end = ask_json(t->ask, false, &path, &o);
	if (end)
		return end;
	list = json_object_get(o, "leases");
	for (size_t i = 0; room && i < json_array_size(list); i++)
		room = add(l, json_array_get(list, i));
	next = words_number(o, "next");
	/* a server that goes back would never come to an end */
	l->more = room && next > *cursor;
	*cursor = next;
	json_decref(o);
	return room ? CTL_DONE : CTL_FAILED;
}

int leases_get(struct tool *t, const struct leases_query *q, bool objects, struct leases_list *l)
{
	uint64_t cursor = 0;
	int end;

	memset(l, 0, sizeof(*l));
	l->table = table_new(row_headings, ROW_COLUMNS);
	l->sort = sort_new(q->by, q->reverse);
	l->objects = objects ? json_array() : NULL;
	if (!l->table || !l->sort || (objects && !l->objects))
		return CTL_FAILED;
	row_hide(l->table, 0);
	do {
		end = add_page(t, q, l, &cursor);
	} while (!end && l->more && (!q->most || table_rows(l->table) < q->most));
	if (!end) {
		l->n = table_rows(l->table);
		l->order = sort_order(l->sort);
		end = l->order ? CTL_DONE : CTL_FAILED;
	}
	return end;
}

static int print_json(const struct leases_list *l)
{
	printf("{\"schema\":%d,\"leases\":[", CTL_SCHEMA);
	for (size_t i = 0; i < l->n; i++) {
		fputs(i ? ",\n" : "\n", stdout);
		if (json_dumpf(json_array_get(l->objects, l->order[i]), stdout, JSON_COMPACT | JSON_ENSURE_ASCII) < 0)
			return CTL_FAILED;
	}
	puts("\n]}");
	return CTL_DONE;
}

static int print(struct tool *t, const struct leases_list *l)
{
	char *text;

	if (t->json)
		return print_json(l);
	text = table_text_look(l->table, &t->look, l->order, l->n);
	if (!text)
		return CTL_FAILED;
	fputs(text, stdout);
	free(text);
	return CTL_DONE;
}

/* Reads the options; -1, or the exit code after saying what is wrong. */
static int query(struct tool *t, struct leases_query *q)
{
	static const struct {
		char letter;
		const char *parameter;
	} filters[] = {{'c', "client"}, {'p', "port"}, {'r', "rule"}, {'P', "protocol"}, {'o', "origin"}};
	bool v4 = given_has(&t->given, '4'), v6 = given_has(&t->given, '6');

	if (!sort_named(given_get(&t->given, 'k'), &q->by))
		return given_bad(t->command, "there is no order %s", given_get(&t->given, 'k'));
	q->reverse = given_has(&t->given, 'R');
	ask_path(&q->path, "/v1/leases");
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++)
		ask_parameter(&q->path, filters[i].parameter, given_get(&t->given, filters[i].letter));
	if (v4 != v6) /* both are all */
		ask_parameter(&q->path, "family", v4 ? "4" : "6");
	return -1;
}

int natpcpctl_leases(struct tool *t, int n, char **argument)
{
	struct leases_query q = {0};
	struct leases_list l;
	int end = query(t, &q);

	(void)n;
	(void)argument;
	if (end >= 0)
		return end;
	if (given_has(&t->given, 'w')) {
		if (t->json || !t->look.terminal)
			return given_bad(t->command, "--watch is for terminals: natpcpctl watch is for programs");
		return leases_live(t, &q);
	}
	if (t->json && q.by == SORT_NONE && !q.reverse)
		return ask_copy(t->ask, false, &q.path); /* any number of them, and none is kept */
	end = leases_get(t, &q, t->json, &l);
	if (!end)
		end = print(t, &l);
	leases_clear(&l);
	return end;
}
