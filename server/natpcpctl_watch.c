/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl watch */
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_event.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_sse.h"

#define WAIT_MS 60000

struct watch {
	const struct tool *t;
	struct sse sse;
};

/* A line; whoever reads it sees it at once. */
static void on_event(void *context, const char *type, const char *data)
{
	struct watch *w = context;
	json_t *o = json_loads(data, 0, NULL);

	if (!json_is_object(o)) {
		say(stderr, "natpcpctl: an event is no JSON: %s\n", data);
	} else if (w->t->json) {
		json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		event_print(stdout, &w->t->look, type, o);
	}
	json_decref(o);
	fflush(stdout);
}

static void on_data(void *context, const char *data, size_t n)
{
	struct watch *w = context;

	sse_feed(&w->sse, data, n);
}

int natpcpctl_watch(struct tool *t, int n, char **argument)
{
	const char *types = given_get(&t->given, 't');
	struct watch w = {.t = t};
	struct ask_stream *stream;
	struct ask_path path;
	char unknown[64];
	int end;

	(void)n;
	(void)argument;
	if (types && !event_types(types, unknown, sizeof(unknown)))
		return given_bad(t->command, "there are no events %s, but %s", unknown, EVENT_TYPES);
	ask_path(&path, "/v1/events");
	ask_parameter(&path, "types", types ? types : EVENT_TYPES_USUAL);
	sse_init(&w.sse, on_event, &w);
	end = ask_stream_open(t->ask, &path, on_data, &w, &stream);
	while (!end && !ferror(stdout))
		end = ask_stream_wait(stream, WAIT_MS);
	ask_stream_close(stream);
	sse_clear(&w.sse);
	return end;
}
