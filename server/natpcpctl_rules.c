/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl rules */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_row.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_table.h"
#include "server/natpcpctl_words.h"

enum { COLUMNS = 6 };

static bool add(struct table *table, const json_t *rule)
{
	static const char *const keys[COLUMNS] = {"line", "action", "hits", "refused", "mappings", "name"};
	bool good = true;
	char b[32];

	for (size_t i = 0; good && i < COLUMNS; i++)
		good = table_add(table, row_field(rule, keys[i], b, sizeof(b)));
	return good;
}

static int print(const struct tool *t, const json_t *o)
{
	static const char *const headings[COLUMNS] = {"LINE", "ACTION", "HITS", "REFUSED", "MAPPINGS", "NAME"};
	const json_t *list = json_object_get(o, "rules");
	struct table *table = table_new(headings, COLUMNS);
	bool good = table != NULL;
	char *text = NULL;

	for (size_t i = 0; good && i < json_array_size(list); i++)
		good = add(table, json_array_get(list, i));
	if (good)
		text = table_text_look(table, &t->look, NULL, table_rows(table));
	if (text) {
		fputs(text, stdout);
		say(stdout, "requests that no rule decided: %" PRIu64 "\n", words_number(o, "unmatched"));
	}
	free(text);
	table_free(table);
	return text ? CTL_DONE : CTL_FAILED;
}

int natpcpctl_rules(struct tool *t, int n, char **argument)
{
	struct ask_path path;
	json_t *o;
	int end;

	(void)n;
	(void)argument;
	ask_path(&path, "/v1/rules");
	if (t->json)
		return ask_copy(t->ask, false, &path);
	end = ask_json(t->ask, false, &path, &o);
	if (!end)
		end = print(t, o);
	json_decref(o);
	return end;
}
