/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl selftest: the order of steps, what is said of them, and that nothing of it stays. */
#include "server/natpcpctl_selftest.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/natpcpctl_ask.h"
#include "server/natpcpctl_result.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_selftest_tap.h"

static volatile int stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* Making and removing */

static int failed(const char *what, int error)
{
	say(stderr, "natpcpctl: %s: %s\n", what,
	    error == -EEXIST ? "another selftest runs, or was killed" : strerror(-error));
	return CTL_FAILED;
}

static int begin(struct selftest *s)
{
	char name[IF_NAMESIZE];
	const char *why;
	int error;

	s->space = link_space();
	if (s->space < 0)
		return failed("a namespace cannot be made", s->space);
	snprintf(name, sizeof(name), "npsti%d", (int)getpid());
	error = link_open(&s->in, s->space, name, s->lan_index, &why);
	if (error)
		return failed(why, error);
	s->tap = tap_open(s->lan_index, &s->host);
	if (s->tap < 0)
		return failed("what leaves by the inside interface cannot be read", s->tap);
	error = link_neighbour(s->lan_index, &s->host);
	s->known = !error;
	if (error && error != -EOPNOTSUPP && error != -EINVAL) /* an interface without neighbours needs none */
		return failed("the kernel cannot be told of the test host", error);
	error = trace_open(&s->trace, &s->host, &s->outside);
	return error ? failed("packets cannot be traced", error) : CTL_DONE;
}

static int begin_outside(struct selftest *s, const struct selftest_step *step)
{
	char name[IF_NAMESIZE];
	const char *why;
	int error;

	if (s->out.index)
		return CTL_DONE;
	if (!selftest_outside(s, &step->external)) {
		fputs(
		    "natpcpctl: the server names no outside interface that is there, so no packet can come in on it\n",
		    stderr);
		return CTL_FAILED;
	}
	snprintf(name, sizeof(name), "npsto%d", (int)getpid());
	error = link_open(&s->out, s->space, name, s->wan_index, &why);
	return error ? failed(why, error) : CTL_DONE;
}

static void end(struct selftest *s)
{
	trace_close(s->trace);
	if (s->known)
		link_neighbour_forget(s->lan_index, &s->host);
	if (s->tap >= 0)
		close(s->tap);
	link_close(&s->out);
	link_close(&s->in);
	if (s->space >= 0)
		close(s->space);
}

/* Over the control socket, which no chain can drop. */
static void close_port(struct selftest *s, const struct selftest_step *step)
{
	char b[CODEC_ADDRESS_TEXT];
	struct ask_path p;
	json_t *o = NULL;

	ask_path(&p, "/v1/revoke");
	ask_parameter(&p, "protocol", codec_protocol_name(step->protocol));
	ask_parameter(&p, "external_address", codec_address_text(&step->external, b));
	ask_number(&p, "external_port", step->external_port);
	if (ask_json(s->tool->ask, true, &p, &o))
		say(stderr, "natpcpctl: the port of the test stays open for %u s\n", (unsigned)step->lifetime_s);
	json_decref(o);
}

/* What is said */

static const char *const end_names[] = {
    [SELFTEST_REACHED] = "reached", [SELFTEST_REFUSED] = "refused", [SELFTEST_UNANSWERED] = "unanswered",
    [SELFTEST_LOST] = "lost",	    [SELFTEST_DROPPED] = "dropped", [SELFTEST_STOPPED] = "stopped",
};

/* "inet filter forward, by its policy" */
static void place_text(const struct event_place *p, char *out, size_t size)
{
	int n = snprintf(out, size, "chain %s %s %s, ", event_family(p->family), p->table, p->chain);

	if (n < 0 || (size_t)n >= size)
		return;
	if (p->rule)
		snprintf(out + n, size - (size_t)n, "rule handle %llu", (unsigned long long)p->rule);
	else
		snprintf(out + n, size - (size_t)n, "by its policy");
}

/* Why the server refuses; the caller's to free, NULL if it does not say. */
static char *refusal(struct selftest *s, const struct selftest_step *step)
{
	char b[CODEC_ADDRESS_TEXT], *text = NULL;
	struct ask_path p;
	json_t *o = NULL;
	const char *rule, *why;

	ask_path(&p, "/v1/explain");
	ask_parameter(&p, "client", codec_address_text(&s->host, b));
	ask_parameter(&p, "protocol", codec_protocol_name(step->protocol));
	ask_number(&p, "internal_port", step->internal_port);
	ask_parameter(&p, "interface", s->lan);
	if (ask_json(s->tool->ask, false, &p, &o))
		return NULL;
	rule = json_string_value(json_object_get(o, "rule"));
	why = json_string_value(json_object_get(o, "why"));
	if (why && asprintf(&text, "%s%s%s%s", why, rule ? " \"" : "", rule ? rule : "", rule ? "\"" : "") < 0)
		text = NULL;
	json_decref(o);
	return text;
}

static void print_step(struct selftest *s, const struct selftest_step *step)
{
	char a[CODEC_ADDRESS_TEXT], b[CODEC_ADDRESS_TEXT], place[512], *why;
	const char *name = codec_protocol_name(step->protocol);

	place_text(&step->seen.place, place, sizeof(place));
	if (step->granted)
		say(stdout, "%-10s port %u of %s is open for port %u of %s\n", name, step->external_port,
		    codec_address_text(&step->external, a), step->internal_port, codec_address_text(&s->host, b));
	switch (step->end) {
	case SELFTEST_REACHED:
		say(stdout, "%-10s a packet from outside, on %s, left by %s for the test host\n", name, s->wan, s->lan);
		break;
	case SELFTEST_DROPPED:
		say(stdout, "%-10s %s was dropped in %s\n", name,
		    step->granted ? "the packet from outside" : "the request for a port", place);
		break;
	case SELFTEST_LOST:
		say(stdout, "%-10s the packet from outside, on %s, did not leave by %s, and no chain told of a drop\n",
		    name, s->wan, s->lan);
		break;
	case SELFTEST_UNANSWERED:
		say(stdout, "%-10s the request for a port got no answer, and no chain told of a drop\n", name);
		break;
	case SELFTEST_REFUSED:
		why = refusal(s, step);
		say(stdout, "%-10s the server refuses a port: %s%s%s\n", name, pcp_result_name(step->result),
		    why ? ": " : "", why ? why : "");
		free(why);
		break;
	case SELFTEST_STOPPED:
		break;
	}
}

static char *hints_text(const struct selftest *s, const struct selftest_step *step)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return NULL;
	selftest_hints(s, step, f);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

static void print_hints(const struct selftest *s, const struct selftest_step *step)
{
	char *text = hints_text(s, step), *rest = NULL;

	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
		say(stdout, "%-10s %s\n", "", line);
	free(text);
}

static json_t *step_json(struct selftest *s, const struct selftest_step *step)
{
	const struct event_place *p = &step->seen.place;
	char b[CODEC_ADDRESS_TEXT], *text = hints_text(s, step), *rest = NULL;
	json_t *o = json_pack("{s:s, s:s, s:b, s:i}", "protocol", codec_protocol_name(step->protocol), "end",
			      end_names[step->end], "granted", step->granted, "internal_port", step->internal_port);
	json_t *hints = json_array();

	json_object_set_new(o, "internal_address", json_string(codec_address_text(&s->host, b)));
	json_object_set_new(o, "from", json_string(codec_address_text(&s->outside, b)));
	json_object_set_new(o, "inside", json_string(s->lan));
	if (step->granted) {
		json_object_set_new(o, "outside", json_string(s->wan));
		json_object_set_new(o, "external_address", json_string(codec_address_text(&step->external, b)));
		json_object_set_new(o, "external_port", json_integer(step->external_port));
	}
	if (step->end == SELFTEST_REFUSED)
		json_object_set_new(o, "result", json_string(pcp_result_name(step->result)));
	if (step->end == SELFTEST_DROPPED) {
		json_object_set_new(o, "family", json_string(event_family(p->family)));
		json_object_set_new(o, "table", json_string(p->table));
		json_object_set_new(o, "chain", json_string(p->chain));
		json_object_set_new(o, "rule_handle", p->rule ? json_integer((json_int_t)p->rule) : json_null());
	}
	for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
		json_array_append_new(hints, json_string(line));
	json_object_set_new(o, "hints", hints);
	free(text);
	return o;
}

/* The test */

/* What came of both families. */
struct sum {
	json_t *steps;
	size_t tested, reached;
};

static int conclude(struct tool *t, struct sum *sum)
{
	bool good = sum->tested && sum->reached == sum->tested;
	json_t *o;

	if (!t->json) {
		say(stdout, "%-10s %s\n", "result",
		    good	   ? "mapped ports are reachable"
		    : sum->reached ? "NOT all mapped ports are reachable"
				   : "mapped ports are NOT reachable");
		say(stdout, "%-10s %s\n", "",
		    "not tested: the way back, and what is before the outside interface, such as another router");
		return good ? CTL_DONE : CTL_FAILED;
	}
	o = json_pack("{s:i, s:b, s:O}", "schema", CTL_SCHEMA, "reachable", good, "steps", sum->steps);
	if (!o || json_dumpf(o, stdout, JSON_COMPACT))
		good = false;
	putchar('\n');
	json_decref(o);
	return good ? CTL_DONE : CTL_FAILED;
}

/* False if it is in vain to go on. */
static bool protocol(struct selftest *s, struct selftest_step *step)
{
	selftest_ask(s, step);
	if (!step->granted)
		return step->end == SELFTEST_REFUSED;
	if (begin_outside(s, step))
		step->end = SELFTEST_STOPPED;
	else
		selftest_send(s, step);
	close_port(s, step);
	return step->end != SELFTEST_STOPPED;
}

static int test(struct selftest *s, struct sum *sum)
{
	static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};
	char a[CODEC_ADDRESS_TEXT], b[CODEC_ADDRESS_TEXT];
	bool on = true;

	if (!s->tool->json)
		say(stdout, "%-10s on %s as %s, which nobody has, and from outside as %s\n", "test host", s->lan,
		    codec_address_text(&s->host, a), codec_address_text(&s->outside, b));
	for (size_t i = 0; on && i < sizeof(protocols); i++) {
		struct selftest_step step = {.protocol = protocols[i]};

		on = protocol(s, &step);
		if (step.end == SELFTEST_STOPPED) {
			if (*s->ended)
				fputs("natpcpctl: stopped\n", stderr);
			return CTL_FAILED;
		}
		sum->tested++;
		sum->reached += step.end == SELFTEST_REACHED;
		if (s->tool->json) {
			json_array_append_new(sum->steps, step_json(s, &step));
		} else {
			print_step(s, &step);
			print_hints(s, &step);
			fflush(stdout);
		}
	}
	return CTL_DONE;
}

static int family(struct tool *t, json_t *status, bool v6, struct sum *sum)
{
	struct selftest s = {.tool = t,
			     .v6 = v6,
			     .status = status,
			     .space = -1,
			     .tap = -1,
			     .in = {.fd = -1},
			     .out = {.fd = -1},
			     .ended = &stopped};
	int code =
	    getrandom(s.nonce.octets, sizeof(s.nonce.octets), 0) < 0 ? failed("no random numbers", -errno) : CTL_DONE;

	if (!code)
		code = selftest_place(&s);
	if (!code && s.absent && !t->json)
		say(stdout, "%-10s not tested: %s has no %s address\n", v6 ? "IPv6" : "IPv4", s.lan,
		    v6 ? "global IPv6" : "IPv4");
	if (code || s.absent)
		return code;
	code = begin(&s);
	if (!code)
		code = test(&s, sum);
	end(&s);
	return code;
}

static int families(struct tool *t, json_t *status)
{
	struct sum sum = {.steps = json_array()};
	bool only4 = given_has(&t->given, '4'), only6 = given_has(&t->given, '6');
	int code = CTL_DONE;

	if (only4 || !only6)
		code = family(t, status, false, &sum);
	if (!code && (only6 || !only4))
		code = family(t, status, true, &sum);
	if (!code)
		code = conclude(t, &sum);
	json_decref(sum.steps);
	return code;
}

int natpcpctl_selftest(struct tool *t, int n, char **argument)
{
	static const char letters[] = "HF";
	const struct sigaction on = {.sa_handler = stop};
	struct ask_path p;
	struct in6_addr a;
	json_t *status;
	int code;

	(void)n;
	(void)argument;
	for (const char *l = letters; *l; l++) {
		const char *text = given_get(&t->given, *l);

		if (text && !codec_address_parse(text, strlen(text), &a))
			return given_bad(t->command, "--%s takes an address, not %s", *l == 'H' ? "host" : "from",
					 text);
	}
	ask_path(&p, "/v1/status");
	code = ask_json(t->ask, false, &p, &status);
	if (code)
		return code;
	if (geteuid() != 0) {
		fputs("natpcpctl: the selftest makes a namespace and sends packets: only root may do that\n", stderr);
		json_decref(status);
		return CTL_FAILED;
	}
	/* what is made does not stay when the process ends; but the port would stay open for a while */
	sigaction(SIGINT, &on, NULL);
	sigaction(SIGTERM, &on, NULL);
	sigaction(SIGHUP, &on, NULL);
	code = families(t, status);
	json_decref(status);
	return code;
}
