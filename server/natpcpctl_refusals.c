/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl refusals */
#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_event.h"

int natpcpctl_refusals(struct tool *t, int n, char **argument)
{
	struct ask_path path;
	const json_t *list;
	json_t *o;
	int end;

	(void)n;
	(void)argument;
	ask_path(&path, "/v1/refusals");
	if (t->json)
		return ask_copy(t->ask, false, &path);
	end = ask_json(t->ask, false, &path, &o);
	list = json_object_get(o, "refusals");
	for (size_t i = 0; i < json_array_size(list); i++)
		event_print(stdout, &t->look, "refused", json_array_get(list, i));
	json_decref(o);
	return end;
}
