/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/api_list.h"

#include <stdlib.h>

#include "server/grown.h"

enum {
	SHOWN = 128,   /* in one piece of a list, about a millisecond of work */
	LOOKED = 4096, /* and looked at, likewise */
};

static int body(struct api_list *l, struct grown *t)
{
	unsigned shown = 0;

	for (unsigned i = 0; shown < SHOWN && i < LOOKED; i++) {
		json_t *one = NULL;
		enum api_list_step step = l->item(l, &one);
		int error;

		if (step == API_LIST_END) {
			l->where = API_LIST_DONE;
			break;
		}
		if (step == API_LIST_SKIP)
			continue;
		shown++;
		if (l->any)
			grown_string(t, ",\n");
		l->any = true;
		/* in ASCII, since it may be printed on a terminal and clients give it texts */
		error = one ? json_dump_callback(one, grown_put, t, JSON_COMPACT | JSON_ENSURE_ASCII) : -1;
		json_decref(one);
		if (error)
			return -1;
	}
	/* that nothing was found yet is told, so that others come in between */
	if (!shown && l->where != API_LIST_DONE)
		grown_string(t, " ");
	return t->failed ? -1 : 0;
}

static int end(struct api_list *l, struct grown *t)
{
	json_t *members = json_object(), *value;
	const char *key;
	int error = !members || (l->tail && l->tail(l, members)) ? -1 : 0;

	grown_string(t, "\n]");
	json_object_foreach(members, key, value)
	{
		grown_format(t, ",\"%s\":", key);
		if (!error)
			error = json_dump_callback(value, grown_put, t, JSON_COMPACT | JSON_ENCODE_ANY);
	}
	json_decref(members);
	grown_string(t, "}\n");
	return error || t->failed ? -1 : 0;
}

static char *next(void *context, size_t *length)
{
	struct api_list *l = context;
	struct grown t = {0};
	int error;

	if (l->where == API_LIST_DONE)
		return NULL;
	if (l->where == API_LIST_HEAD) {
		l->where = API_LIST_BODY;
		grown_format(&t, "{\"schema\":%d,\"%s\":[\n", API_SCHEMA, l->name);
	}
	error = body(l, &t);
	if (!error && l->where == API_LIST_DONE)
		error = end(l, &t);
	if (error) { /* the reader sees an answer that is cut */
		free(t.v);
		return NULL;
	}
	*length = t.n;
	return t.v;
}

void api_list_reply(struct control_request *q, struct api_list *l)
{
	api_stream(q, next, free, l);
}
