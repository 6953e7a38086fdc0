/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl explain */
#include "server/natpcpctl_explain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_row.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_words.h"

#define FOREVER_S  UINT32_MAX
#define PASSED_MAX 8 /* rules that are told of */

static bool is_static(const json_t *o)
{
	return !strcmp(words_text(json_object_get(o, "lease"), "origin"), "static");
}

/* "192.0.2.11, tcp port 8080", "192.0.2.11, all ports of tcp", "192.0.2.11, all ports of all protocols". */
static void print_subject(FILE *out, const json_t *o)
{
	char protocol[32], port[32];
	uint64_t ports = words_number(o, "internal_port");
	bool all = json_is_integer(json_object_get(o, "protocol")) && !words_number(o, "protocol");

	row_all(o, "protocol", protocol, sizeof(protocol));
	say(out, "%s, ", words_text(o, "client"));
	if (ports)
		say(out, "%s port %s", row_all(o, "protocol", protocol, sizeof(protocol)),
		    row_field(o, "internal_port", port, sizeof(port)));
	else if (all)
		say(out, "all ports of all protocols");
	else
		say(out, "all ports of %s", row_all(o, "protocol", protocol, sizeof(protocol)));
}

static void print_rule(FILE *out, const json_t *o)
{
	const char *rule = json_string_value(json_object_get(o, "rule"));

	if (rule)
		say(out, " by %s \"%s\" (line %" PRIu64 ")", is_static(o) ? "static" : "rule", rule,
		    words_number(o, "rule_line"));
}

static void print_refusal(FILE *out, const json_t *o)
{
	const char *why = words_text(o, "why");

	if (*why)
		say(out, "  Why: %s.\n", why);
	say(out, "  PCP answers %s.\n", words_text(o, "result"));
}

/* The port outside, and where it comes from. */
static void print_port(FILE *out, const json_t *o, const char *wish)
{
	uint64_t port = words_number(o, "external_port");
	const json_t *lease = json_object_get(o, "lease");

	if (!words_number(o, "internal_port"))
		say(out, "  It would get all ports outside.\n");
	else if (!port)
		say(out, "  It would get a free external port of those allowed%s.\n",
		    wish ? ", since the one that it wants is not to be had" : "");
	else if (lease)
		say(out, "  It %s external port %" PRIu64 ".\n", is_static(o) ? "has" : "would keep", port);
	else if (wish && strtoull(wish, NULL, 10) == port)
		say(out, "  It would get external port %" PRIu64 ", as it wants.\n", port);
	else if (wish)
		say(out, "  It would get external port %" PRIu64 ": %s is not to be had.\n", port, wish);
	else
		say(out, "  It would get external port %" PRIu64 ".\n", port);
}

static void print_lifetime(FILE *out, const json_t *o)
{
	uint64_t most = words_number(o, "lifetime_max_s");
	char b[WORDS_MAX];

	if (is_static(o) || most >= FOREVER_S)
		say(out, "  It does not end.\n");
	else
		say(out, "  It would last %s at most (%" PRIu64 " s), and can be renewed.\n", words_duration(most, b),
		    most);
}

/* What the limits leave to the host. */
static void print_quota(FILE *out, const json_t *o)
{
	uint64_t has = words_number(o, "client_mappings"), most = words_number(o, "client_mappings_max");
	char b[WORDS_MAX];

	say(out, "  The host has %s of at most %" PRIu64 ": ", words_count(has, "mapping", b), most);
	if (has < most)
		say(out, "%" PRIu64 " more %s possible.\n", most - has, most - has == 1 ? "is" : "are");
	else
		say(out, "no other is possible.\n");
}

static void print_lease(FILE *out, const json_t *lease)
{
	const json_t *expires = json_object_get(lease, "expires_in_s");
	char external[80], b[WORDS_MAX];

	row_endpoint(lease, "external_address", "external_port", external, sizeof(external));
	say(out, "  The mapping is there already: %s outside, ", external);
	if (json_is_integer(expires))
		say(out, "for another %s.\n", words_duration(words_number(lease, "expires_in_s"), b));
	else
		say(out, "without an end.\n");
}

/* Why those before the rule that decides do not. */
static void print_passed(FILE *out, const json_t *o)
{
	const json_t *passed = json_object_get(o, "passed");
	size_t n = json_array_size(passed);

	for (size_t i = 0; i < n && i < PASSED_MAX; i++) {
		const json_t *r = json_array_get(passed, i);

		say(out, "  Rule \"%s\" (line %" PRIu64 ") does not decide, by its %s.\n", words_text(r, "rule"),
		    words_number(r, "rule_line"), words_text(r, "key"));
	}
	if (n > PASSED_MAX)
		say(out, "  Nor do others after it: see --json.\n");
}

void explain_print(FILE *out, const struct look *l, const json_t *o, const char *wish)
{
	bool allowed = json_is_true(json_object_get(o, "allowed"));
	const json_t *lease = json_object_get(o, "lease");

	look_say(out, l, allowed ? PAINT_GOOD : PAINT_BAD, "%s", allowed ? "allowed" : "refused");
	print_rule(out, o);
	say(out, ": ");
	print_subject(out, o);
	say(out, "\n");
	print_passed(out, o);
	if (allowed) {
		print_port(out, o, wish);
		print_lifetime(out, o);
	} else {
		print_refusal(out, o);
	}
	print_quota(out, o);
	if (lease)
		print_lease(out, lease);
}

int natpcpctl_explain(struct tool *t, int n, char **argument)
{
	static const char *const keys[] = {"client", "protocol", "internal_port", "external_port"};
	struct ask_path path;
	json_t *o;
	int end;

	ask_path(&path, "/v1/explain");
	for (int i = 0; i < n; i++)
		ask_parameter(&path, keys[i], argument[i]);
	ask_parameter(&path, "interface", given_get(&t->given, 'i'));
	if (t->json)
		return ask_copy(t->ask, false, &path);
	end = ask_json(t->ask, false, &path, &o);
	if (!end)
		explain_print(stdout, &t->look, o, n > 3 ? argument[3] : NULL);
	json_decref(o);
	return end;
}
