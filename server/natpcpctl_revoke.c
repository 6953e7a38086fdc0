/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl revoke, natpcpctl reload: what changes something. */
#include <inttypes.h>
#include <jansson.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_words.h"

static int print_ended(const struct tool *t, const json_t *o, bool all)
{
	uint64_t ended = words_number(o, "revoked");

	if (t->json) {
		json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
	} else {
		say(stdout, "%" PRIu64 " ended\n", ended);
	}
	if (ended || all)
		return CTL_DONE;
	fputs("natpcpctl: there is no such mapping\n", stderr);
	return CTL_FAILED;
}

int natpcpctl_revoke(struct tool *t, int n, char **argument)
{
	static const char *const keys[] = {"protocol", "external_address", "external_port"};
	const char *client = given_get(&t->given, 'c'), *rule = given_get(&t->given, 'r');
	bool all = given_has(&t->given, 'a');
	struct ask_path path;
	json_t *o;
	int end;

	if ((n == 3) + (client != NULL) + (rule != NULL) + all != 1 || (n != 0 && n != 3))
		return given_bad(t->command,
				 "revoke takes PROTO EXTADDR EXTPORT, or one of --client, --rule and --all");
	ask_path(&path, "/v1/revoke");
	for (int i = 0; i < n; i++)
		ask_parameter(&path, keys[i], argument[i]);
	ask_parameter(&path, "client", client);
	ask_parameter(&path, "rule", rule);
	ask_parameter(&path, "all", all ? "1" : NULL);
	end = ask_json(t->ask, true, &path, &o);
	if (!end)
		end = print_ended(t, o, all);
	json_decref(o);
	return end;
}

int natpcpctl_reload(struct tool *t, int n, char **argument)
{
	struct ask_path path;
	json_t *o;
	int end;

	(void)n;
	(void)argument;
	ask_path(&path, "/v1/reload");
	if (t->json)
		return ask_copy(t->ask, true, &path);
	end = ask_json(t->ask, true, &path, &o);
	if (!end)
		puts("reloaded");
	json_decref(o);
	return end;
}
