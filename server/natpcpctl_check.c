/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl check: as natpcpd -t. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_say.h"
#include "server/settings.h"
#include "server/version.h"

/* The line that a message "FILE:LINE: ..." names; 0 if it names none. */
static long line_of(const char *file, const char *why)
{
	size_t n = strlen(file);

	return !strncmp(why, file, n) && why[n] == ':' ? strtol(why + n + 1, NULL, 10) : 0;
}

static bool print_json(const char *file, const char *why)
{
	json_t *o = json_pack("{s:i, s:b}", "schema", CTL_SCHEMA, "good", !*why);
	long line = line_of(file, why);
	bool good;

	/* left out if they are not UTF-8 */
	json_object_set_new(o, "file", json_string(file));
	if (*why)
		json_object_set_new(o, "error", json_string(why));
	if (line > 0)
		json_object_set_new(o, "line", json_integer(line));
	good = o && json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) == 0;
	putchar('\n');
	json_decref(o);
	return good;
}

int natpcpctl_check(struct tool *t, int n, char **argument)
{
	struct settings settings = {.file = n ? argument[0] : NATPCPD_CONF};
	char why[CONF_LOCATION_MAX] = "";
	struct conf *conf = NULL;
	int end = settings_read(&settings, &conf, why) ? CTL_USAGE : CTL_DONE;

	if (!end)
		conf_free(conf);
	if (t->json)
		return print_json(settings.file, why) ? end : CTL_FAILED;
	if (end)
		say(stderr, "%s\n", why);
	return end;
}
