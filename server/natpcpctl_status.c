/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl status */
#include "server/natpcpctl_status.h"

#include <inttypes.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_words.h"

#define ADDRESSES_SHOWN 8
#define TITLE		"%-16s"

struct page {
	FILE *out;
	const struct look *look;
};

static void title(const struct page *p, const char *text)
{
	look_say(p->out, p->look, PAINT_TITLE, TITLE, text);
}

/* Members that are not 0, by name. */
static void counters(const struct page *p, const char *name, const json_t *o)
{
	const char *key;
	json_t *v;
	bool any = false;

	if (!o)
		return;
	title(p, name);
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	{
		if (!json_integer_value(v))
			continue;
		say(p->out, "%s%s %" JSON_INTEGER_FORMAT, any ? ", " : "", key, json_integer_value(v));
		any = true;
	}
	say(p->out, "%s\n", any ? "" : "none");
}

static void addresses(const struct page *p, const json_t *list)
{
	size_t n = json_array_size(list);

	for (size_t i = 0; i < n && i < ADDRESSES_SHOWN; i++)
		say(p->out, "%s%s", i ? ", " : "", json_string_value(json_array_get(list, i)));
	if (n > ADDRESSES_SHOWN)
		say(p->out, " and %zu more", n - ADDRESSES_SHOWN);
}

static void print_server(const struct page *p, const json_t *o)
{
	char up[WORDS_MAX], since[WORDS_MAX];
	const json_t *started = json_object_get(o, "started_at");

	title(p, "natpcpd");
	say(p->out, "%s, up for %s", words_text(o, "version"), words_duration(words_number(o, "up_s"), up));
	if (json_is_number(started))
		say(p->out, ", since %s", words_time(json_number_value(started), since));
	say(p->out, "\n");
}

static void print_external(const struct page *p, const json_t *x)
{
	const json_t *list = json_object_get(x, "addresses");
	const char *why = words_text(x, "why"), *state = words_text(x, "state");
	bool good = json_array_size(list) > 0 && (!*state || !strcmp(state, "ok"));
	char since[WORDS_MAX];

	title(p, "external");
	say(p->out, "%s: ", words_text(x, "name"));
	if (json_array_size(list))
		addresses(p, list);
	else
		look_say(p->out, p->look, PAINT_BAD, "no address");
	if (json_is_integer(json_object_get(x, "since_s")))
		say(p->out, " for %s", words_duration(words_number(x, "since_s"), since));
	if (*words_text(x, "interface"))
		say(p->out, ", interface %s", words_text(x, "interface"));
	if (json_is_false(json_object_get(x, "nat")))
		say(p->out, ", nothing is translated");
	say(p->out, "\n");
	if (*words_text(x, "ports") && strcmp(words_text(x, "ports"), "1-65535") != 0)
		say(p->out, TITLE "ports %s\n", "", words_text(x, "ports"));
	if (!good && *why) {
		say(p->out, TITLE, "");
		look_say(p->out, p->look, PAINT_BAD, "%s", why);
		if (*words_text(x, "refused_address") && !strstr(why, words_text(x, "refused_address")))
			say(p->out, ": %s", words_text(x, "refused_address"));
		say(p->out, "\n");
	}
}

static void print_listen(const struct page *p, const json_t *x)
{
	const json_t *list = json_object_get(x, "interfaces");
	bool natpmp = !json_is_false(json_object_get(x, "nat_pmp")), pcp = !json_is_false(json_object_get(x, "pcp"));
	char b[WORDS_MAX];

	title(p, "listen");
	say(p->out, "%s: %s%s%s, ", words_text(x, "name"), natpmp ? "NAT-PMP" : "", natpmp && pcp ? " and " : "",
	    pcp ? "PCP" : "");
	look_say(p->out, p->look, words_number(x, "sockets") ? PAINT_PLAIN : PAINT_BAD, "%s",
		 words_count(words_number(x, "sockets"), "socket", b));
	say(p->out, "\n");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);

		say(p->out, TITLE "interface %s: ", "", words_text(one, "name"));
		if (json_array_size(json_object_get(one, "addresses")))
			addresses(p, json_object_get(one, "addresses"));
		else
			look_say(p->out, p->look, PAINT_BAD, "not there, or without an address");
		say(p->out, "\n");
	}
}

static void print_epochs(const struct page *p, const json_t *o)
{
	char natpmp[WORDS_MAX], pcp[WORDS_MAX];
	const json_t *epochs = json_object_get(o, "epoch_s");
	uint64_t a = words_number(epochs, "nat_pmp"), b = words_number(epochs, "pcp");

	title(p, "epochs");
	say(p->out, "NAT-PMP %" PRIu64 " s (%s), PCP %" PRIu64 " s (%s)\n", a, words_duration(a, natpmp), b,
	    words_duration(b, pcp));
}

static void print_backend(const struct page *p, const json_t *o)
{
	const json_t *h = json_object_get(o, "backend_health");
	uint64_t failures = h ? words_number(h, "failures") : words_number(o, "backend_failures");
	bool bad = json_is_false(json_object_get(h, "ok"));
	char b[WORDS_MAX];

	title(p, "backend");
	say(p->out, "%s", words_text(o, "backend"));
	if (h)
		look_say(p->out, p->look, bad ? PAINT_BAD : PAINT_GOOD, bad ? ", fails" : ", works");
	if (failures)
		say(p->out, ", %s so far", words_count(failures, "failure", b));
	if (words_number(h, "reinstalls"))
		say(p->out, ", all put back %s", words_count(words_number(h, "reinstalls"), "time", b));
	say(p->out, "\n");
	if (!*words_text(h, "last_error"))
		return;
	say(p->out, TITLE "last failure", "");
	if (json_is_integer(json_object_get(h, "last_failure_s")))
		say(p->out, " %s ago", words_duration(words_number(h, "last_failure_s"), b));
	say(p->out, ": %s\n", words_text(h, "last_error"));
}

static void print_latency(const struct page *p, const char *name, const json_t *o)
{
	char p50[WORDS_MAX], p90[WORDS_MAX], p99[WORDS_MAX];

	if (!words_number(o, "count"))
		return;
	title(p, name);
	say(p->out, "half within %s, 90 %% within %s, 99 %% within %s (%" PRIu64 " so far)\n",
	    words_micro(words_number(o, "p50"), p50), words_micro(words_number(o, "p90"), p90),
	    words_micro(words_number(o, "p99"), p99), words_number(o, "count"));
}

static void print_journal(const struct page *p, const json_t *j)
{
	const char *error = words_text(j, "error");
	char b[WORDS_MAX];

	title(p, "journal");
	if (!j) {
		say(p->out, "none: mappings do not outlive a restart of the machine\n");
		return;
	}
	say(p->out, "%s: ", words_text(j, "file"));
	if (json_is_true(json_object_get(j, "behind"))) {
		look_say(p->out, p->look, PAINT_BAD, "lacks something: %s", error);
	} else {
		look_say(p->out, p->look, PAINT_GOOD, "whole");
		say(p->out, ", %s", words_count(words_number(j, "records"), "record", b));
		if (*error)
			look_say(p->out, p->look, PAINT_BAD, ", but cannot be written anew: %s", error);
	}
	say(p->out, "\n");
}

/* Nothing of a server that does not tell. */
static void print_sandbox(const struct page *p, const json_t *o)
{
	const char *user = words_text(o, "user");
	bool on = json_is_true(json_object_get(o, "on"));

	if (!o)
		return;
	title(p, "process");
	say(p->out, "user %s", *user ? user : words_number(o, "uid") ? "of its start" : "root");
	if (json_is_true(json_object_get(o, "seccomp")))
		look_say(p->out, p->look, PAINT_GOOD, ", seccomp");
	if (words_number(o, "landlock"))
		look_say(p->out, p->look, PAINT_GOOD, ", Landlock %" PRIu64, words_number(o, "landlock"));
	if (*words_text(o, "missing"))
		look_say(p->out, p->look, on ? PAINT_PLAIN : PAINT_BAD, ", not confined: %s", words_text(o, "missing"));
	say(p->out, "\n");
}

/* Nothing if there never was anything to tell. */
static void print_hooks(const struct page *p, const json_t *h)
{
	uint64_t runs = words_number(h, "runs"), failures = words_number(h, "failures");
	uint64_t dropped = words_number(h, "dropped"), waiting = words_number(h, "waiting");
	char b[WORDS_MAX];

	if (!runs && !failures && !dropped && !waiting)
		return;
	title(p, "hooks");
	say(p->out, "%s", words_count(runs, "run", b));
	if (failures)
		look_say(p->out, p->look, PAINT_BAD, ", %s", words_count(failures, "failure", b));
	if (dropped)
		look_say(p->out, p->look, PAINT_BAD, ", %s dropped", words_count(dropped, "event", b));
	if (waiting)
		say(p->out, ", %s waiting", words_count(waiting, "event", b));
	say(p->out, "\n");
}

static void print_traffic(const struct page *p, const json_t *o)
{
	const json_t *requests = json_object_get(o, "requests"), *results = json_object_get(o, "results");

	counters(p, "NAT-PMP asked", json_object_get(requests, "nat_pmp"));
	counters(p, "  answered", json_object_get(results, "nat_pmp"));
	counters(p, "PCP asked", json_object_get(requests, "pcp"));
	counters(p, "  answered", json_object_get(results, "pcp"));
	counters(p, "dropped", json_object_get(o, "dropped"));
	counters(p, "mappings", json_object_get(o, "mappings"));
	print_latency(p, "answers", json_object_get(json_object_get(o, "latency_us"), "request"));
	print_latency(p, "commits", json_object_get(json_object_get(o, "latency_us"), "commit"));
}

void status_print(FILE *out, const struct look *l, const json_t *o)
{
	struct page p = {out, l};
	const char *error = words_text(o, "reload_error");
	const json_t *list = json_object_get(o, "externals");
	char hosts[WORDS_MAX];

	print_server(&p, o);
	for (size_t i = 0; i < json_array_size(list); i++)
		print_external(&p, json_array_get(list, i));
	list = json_object_get(o, "listens");
	for (size_t i = 0; i < json_array_size(list); i++)
		print_listen(&p, json_array_get(list, i));
	title(&p, "leases");
	say(out, "%" PRIu64 " of %s\n", words_number(o, "leases"),
	    words_count(words_number(o, "clients"), "host", hosts));
	print_epochs(&p, o);
	print_backend(&p, o);
	print_journal(&p, json_object_get(o, "journal"));
	print_sandbox(&p, json_object_get(o, "sandbox"));
	print_hooks(&p, json_object_get(o, "hooks"));
	print_traffic(&p, o);
	if (*error) {
		title(&p, "last reload");
		look_say(out, l, PAINT_BAD, "%s", error);
		say(out, "\n");
	}
}

int natpcpctl_status(struct tool *t, int n, char **argument)
{
	struct ask_path path;
	json_t *o;
	int end;

	(void)n;
	(void)argument;
	ask_path(&path, "/v1/status");
	if (t->json)
		return ask_copy(t->ask, false, &path);
	end = ask_json(t->ask, false, &path, &o);
	if (!end)
		status_print(stdout, &t->look, o);
	json_decref(o);
	return end;
}
