/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl: the operator's tool, a client of the control socket. */
#include <curl/curl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl_journal.h"
#include "server/natpcpctl_row.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_table.h"
#include "server/version.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

#define PAGE 20000 /* leases asked for at once when they are shown as a table */

static const char usage_text[] = "usage: natpcpctl [-s SOCKET] [--json] COMMAND\n"
				 "\n"
				 "  status                                  addresses, counters, what the server does\n"
				 "  leases                                  every mapping in force\n"
				 "  explain CLIENT PROTO INTPORT [EXTPORT]  why a request would be granted or refused\n"
				 "  revoke PROTO EXTADDR EXTPORT            ends one mapping\n"
				 "  revoke PROTO|all EXTADDR all            that of all ports, or of all protocols\n"
				 "  revoke --client ADDR | --rule NAME | --all\n"
				 "  reload                                  reads the configuration anew\n"
				 "  journal FILE [--all]                    what a journal has; --all: each record\n"
				 "\n"
				 "  -s SOCKET   the server's control socket, " NATPCPD_SOCKET " unless given\n"
				 "  --json      what the server says, for programs\n"
				 "  -V, -h      version, this text\n";

struct text {
	char *v;
	size_t n;
};

struct tool {
	CURL *curl;
	const char *socket;
	bool json;
};

static size_t collect(char *data, size_t one, size_t n, void *context)
{
	struct text *t = context;
	char *v = realloc(t->v, t->n + n + 1);

	(void)one; /* always 1 */
	if (!v)
		return 0;
	t->v = v;
	memcpy(v + t->n, data, n);
	t->n += n;
	v[t->n] = '\0';
	return n;
}

/* Says what the server said was wrong. */
static int complain(const struct text *answer, long status)
{
	json_t *o = json_loads(answer->v ? answer->v : "", 0, NULL);
	const char *why = json_string_value(json_object_get(o, "error"));

	if (why)
		say(stderr, "natpcpctl: %s\n", why);
	else
		say(stderr, "natpcpctl: the server answered %ld\n", status);
	json_decref(o);
	return FAILED;
}

/* Asks; the answer's text is the caller's to free. */
static int ask(struct tool *t, bool post, const char *path, struct text *answer)
{
	char url[4096], why[CURL_ERROR_SIZE] = "";
	CURLcode code;
	long status = 0;

	snprintf(url, sizeof(url), "http://natpcpd%s", path);
	curl_easy_reset(t->curl);
	curl_easy_setopt(t->curl, CURLOPT_UNIX_SOCKET_PATH, t->socket);
	curl_easy_setopt(t->curl, CURLOPT_URL, url);
	curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, answer);
	if (post) {
		curl_easy_setopt(t->curl, CURLOPT_POST, 1L);
		curl_easy_setopt(t->curl, CURLOPT_POSTFIELDS, "");
	}
	code = curl_easy_perform(t->curl);
	if (code == CURLE_COULDNT_CONNECT) {
		say(stderr, "natpcpctl: nobody answers on %s: is natpcpd running, and are you allowed to open it?\n",
		    t->socket);
		return FAILED;
	}
	if (code != CURLE_OK) {
		say(stderr, "natpcpctl: %s: %s\n", t->socket, *why ? why : curl_easy_strerror(code));
		return FAILED;
	}
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 ? DONE : complain(answer, status);
}

/* Asks; *o is the answer, or with --json it was printed and is NULL. */
static int ask_json(struct tool *t, bool post, const char *path, json_t **o)
{
	struct text answer = {0};
	json_error_t error;
	int end = ask(t, post, path, &answer);

	*o = NULL;
	if (!end && !answer.n) {
		fputs("natpcpctl: the answer is empty\n", stderr);
		end = FAILED;
	} else if (!end && t->json) {
		fwrite(answer.v, 1, answer.n, stdout);
		if (answer.v[answer.n - 1] != '\n')
			putchar('\n');
	} else if (!end) {
		*o = json_loads(answer.v, 0, &error);
		if (!*o) {
			say(stderr, "natpcpctl: the answer is no JSON: %s\n", error.text);
			end = FAILED;
		}
	}
	free(answer.v);
	return end;
}

static int show(const struct table *t)
{
	char *text = table_text(t);

	if (!text)
		return FAILED;
	fputs(text, stdout);
	free(text);
	return DONE;
}

/* status */

static void counters(const char *title, const json_t *o)
{
	const char *key;
	const json_t *v;
	void *i;
	bool any = false;

	say(stdout, "%-14s", title);
	for (i = json_object_iter((json_t *)(uintptr_t)o); i; i = json_object_iter_next((json_t *)(uintptr_t)o, i)) {
		key = json_object_iter_key(i);
		v = json_object_iter_value(i);
		if (!json_integer_value(v))
			continue;
		say(stdout, "%s%s %" JSON_INTEGER_FORMAT, any ? ", " : "", key, json_integer_value(v));
		any = true;
	}
	puts(any ? "" : "none");
}

static void print_external(const json_t *x)
{
	const json_t *list = json_object_get(x, "addresses");
	size_t n = json_array_size(list);

	say(stdout, "%-14s%s", "external", json_string_value(json_object_get(x, "name")));
	for (size_t i = 0; i < n && i < 8; i++)
		say(stdout, "%s%s", i ? ", " : ": ", json_string_value(json_array_get(list, i)));
	if (n > 8)
		say(stdout, " and %zu more", n - 8);
	puts(n ? "" : ": no address");
}

static void print_journal(const json_t *j)
{
	const char *error = json_string_value(json_object_get(j, "error"));
	char b[32];

	if (!j) {
		say(stdout, "%-14snone: mappings do not outlive a restart of the machine\n", "journal");
		return;
	}
	say(stdout, "%-14s%s: ", "journal", json_string_value(json_object_get(j, "file")));
	if (json_is_true(json_object_get(j, "behind")))
		say(stdout, "lacks something: %s\n", error);
	else
		say(stdout, "whole, %s records%s%s\n", row_field(j, "records", b, sizeof(b)),
		    error && *error ? ", but cannot be written anew: " : "", error ? error : "");
}

static int status(struct tool *t)
{
	json_t *o;
	char b[32];
	const char *error;
	int end = ask_json(t, false, "/v1/status", &o);

	if (end || !o)
		return end;
	say(stdout, "%-14s%s, up %s s, backend %s\n", "natpcpd", json_string_value(json_object_get(o, "version")),
	    row_field(o, "up_s", b, sizeof(b)), json_string_value(json_object_get(o, "backend")));
	for (size_t i = 0; i < json_array_size(json_object_get(o, "externals")); i++)
		print_external(json_array_get(json_object_get(o, "externals"), i));
	for (size_t i = 0; i < json_array_size(json_object_get(o, "listens")); i++) {
		const json_t *l = json_array_get(json_object_get(o, "listens"), i);

		say(stdout, "%-14s%s: %s sockets\n", "listen", json_string_value(json_object_get(l, "name")),
		    row_field(l, "sockets", b, sizeof(b)));
	}
	say(stdout, "%-14s%s", "leases", row_field(o, "leases", b, sizeof(b)));
	say(stdout, " of %s clients\n", row_field(o, "clients", b, sizeof(b)));
	say(stdout, "%-14sNAT-PMP %s s", "epoch", row_field(json_object_get(o, "epoch_s"), "nat_pmp", b, sizeof(b)));
	say(stdout, ", PCP %s s\n", row_field(json_object_get(o, "epoch_s"), "pcp", b, sizeof(b)));
	counters("NAT-PMP asked", json_object_get(json_object_get(o, "requests"), "nat_pmp"));
	counters("  answered", json_object_get(json_object_get(o, "results"), "nat_pmp"));
	counters("PCP asked", json_object_get(json_object_get(o, "requests"), "pcp"));
	counters("  answered", json_object_get(json_object_get(o, "results"), "pcp"));
	counters("dropped", json_object_get(o, "dropped"));
	counters("mappings", json_object_get(o, "mappings"));
	print_journal(json_object_get(o, "journal"));
	error = json_string_value(json_object_get(o, "reload_error"));
	if (error && *error)
		say(stdout, "%-14s%s\n", "last reload", error);
	json_decref(o);
	return DONE;
}

/* leases */

static int leases_add(struct tool *t, struct table *table, json_int_t *cursor, bool *more)
{
	char path[128];
	json_t *o;
	const json_t *list, *next;
	bool room = true;
	int end;

	snprintf(path, sizeof(path), "/v1/leases?limit=%d&cursor=%" JSON_INTEGER_FORMAT, PAGE, *cursor);
	end = ask_json(t, false, path, &o);
	if (end)
		return end;
	list = json_object_get(o, "leases");
	for (size_t i = 0; room && i < json_array_size(list); i++)
		room = row_lease(table, json_array_get(list, i));
	next = json_object_get(o, "next");
	/* a server that goes back would never come to an end */
	*more = room && json_integer_value(next) > *cursor;
	*cursor = json_integer_value(next);
	json_decref(o);
	return room ? DONE : FAILED;
}

static int leases(struct tool *t)
{
	struct table *table;
	json_int_t cursor = 0;
	json_t *o;
	bool more = true;
	int end = DONE;

	if (t->json)
		return ask_json(t, false, "/v1/leases", &o);
	table = table_new(row_headings, ROW_COLUMNS);
	if (table)
		row_hide(table, 0);
	while (table && !end && more)
		end = leases_add(t, table, &cursor, &more);
	if (!table)
		end = FAILED;
	if (!end)
		end = show(table);
	table_free(table);
	return end;
}

/* explain, revoke, reload */

/* Appends key=value, escaped. */
static bool parameter(struct tool *t, char *path, size_t size, const char *key, const char *value)
{
	char *escaped = curl_easy_escape(t->curl, value, 0);
	size_t n = strlen(path);
	int more = -1;

	if (escaped)
		more = snprintf(path + n, size - n, "%s%s=%s", strchr(path, '?') ? "&" : "?", key, escaped);
	curl_free(escaped);
	return more >= 0 && (size_t)more < size - n;
}

static int bad_usage(const char *why)
{
	fprintf(stderr, "natpcpctl: %s\n%s", why, usage_text);
	return USAGE;
}

static void print_explanation(const json_t *o)
{
	char b[32];
	const char *rule = json_string_value(json_object_get(o, "rule"));
	const char *why = json_string_value(json_object_get(o, "why"));
	const json_t *lease = json_object_get(o, "lease");
	const char *origin = json_string_value(json_object_get(lease, "origin"));
	bool allowed = json_is_true(json_object_get(o, "allowed"));

	bool fixed = origin && !strcmp(origin, "static");

	say(stdout, "%s", allowed ? "allowed" : "denied");
	if (rule)
		say(stdout, " by %s \"%s\" (line %s)", fixed ? "static" : "rule", rule,
		    row_field(o, "rule_line", b, sizeof(b)));
	say(stdout, ", result %s\n", json_string_value(json_object_get(o, "result")));
	if (!allowed && why && *why)
		say(stdout, "  why             %s\n", why);
	if (allowed) {
		say(stdout, "  external port   %s\n",
		    json_integer_value(json_object_get(o, "external_port"))
			? row_field(o, "external_port", b, sizeof(b))
		    : json_integer_value(json_object_get(o, "internal_port")) ? "a free one of those allowed"
									      : "all");
		if (fixed)
			puts("  lifetime        for ever");
		else
			say(stdout, "  lifetime up to  %s s\n", row_field(o, "lifetime_max_s", b, sizeof(b)));
	}
	say(stdout, "  mappings        %s", row_field(o, "client_mappings", b, sizeof(b)));
	say(stdout, " of at most %s\n", row_field(o, "client_mappings_max", b, sizeof(b)));
	if (lease) {
		say(stdout, "  has it already  external port %s", row_all(lease, "external_port", b, sizeof(b)));
		if (json_is_null(json_object_get(lease, "expires_in_s")))
			puts(", never ends");
		else
			say(stdout, ", ends in %s s\n", row_field(lease, "expires_in_s", b, sizeof(b)));
	}
}

static int explain(struct tool *t, int n, char **argument)
{
	static const char *const keys[] = {"client", "protocol", "internal_port", "external_port"};
	char path[1024] = "/v1/explain";
	json_t *o;
	int end;

	if (n < 3 || n > 4)
		return bad_usage("explain takes CLIENT PROTO INTPORT [EXTPORT]");
	for (int i = 0; i < n; i++) {
		if (!parameter(t, path, sizeof(path), keys[i], argument[i]))
			return bad_usage("an argument is too long");
	}
	end = ask_json(t, false, path, &o);
	if (o)
		print_explanation(o);
	json_decref(o);
	return end;
}

struct revocation {
	const char *client, *rule;
	bool all;
};

static int revoke(struct tool *t, const struct revocation *r, int n, char **argument)
{
	static const char *const keys[] = {"protocol", "external_address", "external_port"};
	char path[2048] = "/v1/revoke";
	json_t *o;
	json_int_t ended;
	bool room = true;
	int end;

	if ((n == 3) + (r->client != NULL) + (r->rule != NULL) + r->all != 1 || (n != 0 && n != 3))
		return bad_usage("revoke takes PROTO EXTADDR EXTPORT, or one of --client, --rule and --all");
	for (int i = 0; room && i < n; i++)
		room = parameter(t, path, sizeof(path), keys[i], argument[i]);
	if (room && r->client)
		room = parameter(t, path, sizeof(path), "client", r->client);
	if (room && r->rule)
		room = parameter(t, path, sizeof(path), "rule", r->rule);
	if (room && r->all)
		room = parameter(t, path, sizeof(path), "all", "1");
	if (!room)
		return bad_usage("an argument is too long");
	end = ask_json(t, true, path, &o);
	if (!o)
		return end;
	ended = json_integer_value(json_object_get(o, "revoked"));
	json_decref(o);
	say(stdout, "%" JSON_INTEGER_FORMAT " ended\n", ended);
	if (ended || r->all)
		return DONE;
	fputs("natpcpctl: there is no such mapping\n", stderr);
	return FAILED;
}

static int reload(struct tool *t)
{
	json_t *o;
	int end = ask_json(t, true, "/v1/reload", &o);

	if (o)
		puts("reloaded");
	json_decref(o);
	return end;
}

static int command(struct tool *t, const struct revocation *r, int n, char **argument)
{
	const char *name = argument[0];

	if (!strcmp(name, "journal") && !r->client && !r->rule) {
		if (n != 2)
			return bad_usage("journal takes FILE");
		return natpcpctl_journal(argument[1], t->json, r->all) ? FAILED : DONE;
	}
	if ((r->client || r->rule || r->all) && strcmp(name, "revoke") != 0)
		return bad_usage("--client, --rule and --all belong to revoke");
	if (!strcmp(name, "explain"))
		return explain(t, n - 1, argument + 1);
	if (!strcmp(name, "revoke"))
		return revoke(t, r, n - 1, argument + 1);
	if (n > 1 && (!strcmp(name, "status") || !strcmp(name, "leases") || !strcmp(name, "reload")))
		return bad_usage("there are too many arguments");
	if (!strcmp(name, "status"))
		return status(t);
	if (!strcmp(name, "leases"))
		return leases(t);
	if (!strcmp(name, "reload"))
		return reload(t);
	fprintf(stderr, "natpcpctl: there is no command %s\n%s", name, usage_text);
	return USAGE;
}

static int run(struct tool *t, const struct revocation *r, int n, char **argument)
{
	int end;

	if (!n)
		return bad_usage("a command is missing");
	curl_global_init(CURL_GLOBAL_NOTHING);
	t->curl = curl_easy_init();
	if (!t->curl)
		return FAILED;
	end = command(t, r, n, argument);
	curl_easy_cleanup(t->curl);
	curl_global_cleanup();
	if (fflush(stdout) == EOF)
		return FAILED;
	return end;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
	    {"json", no_argument, NULL, 'j'},
	    {"client", required_argument, NULL, 'c'},
	    {"rule", required_argument, NULL, 'r'},
	    {"all", no_argument, NULL, 'a'},
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	struct tool t = {.socket = NATPCPD_SOCKET};
	struct revocation r = {0};
	int c;

	while ((c = getopt_long(argc, argv, "s:Vh", names, NULL)) != -1) {
		switch (c) {
		case 's':
			t.socket = optarg;
			break;
		case 'j':
			t.json = true;
			break;
		case 'c':
			r.client = optarg;
			break;
		case 'r':
			r.rule = optarg;
			break;
		case 'a':
			r.all = true;
			break;
		case 'V':
			puts("natpcpctl " NATPCPD_VERSION);
			return DONE;
		case 'h':
			fputs(usage_text, stdout);
			return DONE;
		default:
			fputs(usage_text, stderr);
			return USAGE;
		}
	}
	return run(&t, &r, argc - optind, argv + optind);
}
