/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_journal.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/io/journal_read.h"
#include "server/natpcpctl.h"
#include "server/natpcpctl_result.h"
#include "server/natpcpctl_row.h"
#include "server/views.h"

enum { OWN_COLUMNS = 3, ALL_COLUMNS = OWN_COLUMNS + ROW_COLUMNS };

struct show {
	const char *path;
	bool json, all;
	uint64_t now_ms, wall_ms;
	struct journal_past past;
	struct journal_scan scan;
	const struct result *result; /* not all: which records remain */
	struct record_state state;   /* the last one so far */
	struct table *table;
	uint64_t shown;
	bool failed;
};

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* What a lease has left, as a daemon would say that starts now. */
static uint64_t left_ms(const struct show *s, uint64_t expires_ms)
{
	if (s->past.same_boot)
		return less(expires_ms, s->now_ms);
	return less(less(expires_ms, s->scan.last_ms), s->past.elapsed_ms);
}

/* The wall clock in UTC, "2026-03-01T12:00:00Z". */
static const char *wall_text(uint64_t wall_ms, char out[32])
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(out, 32, "?");
	return out;
}

/* When a record was written, by the clocks of the state before it. */
static const char *written_text(const struct show *s, uint64_t written_ms, char out[32])
{
	return wall_text(s->state.wall_ms + written_ms - s->state.boot_ms, out);
}

static const char *type_name(const struct record *r)
{
	switch (r->type) {
	case RECORD_HEADER:
		return "header";
	case RECORD_STATE:
		return r->state.clean ? "end" : "state";
	case RECORD_LEASE:
		return r->lease.held ? "held" : "lease";
	case RECORD_END:
		return "ended";
	case RECORD_PART:
		break;
	}
	return "?";
}

static json_t *lease_json(const struct show *s, const struct record_lease *w)
{
	const struct extra_parts *x = &w->extra;
	struct engine_lease l = {.mapping = {.internal_address = w->internal_address,
					     .external_address = w->external_address,
					     .internal_port = w->internal_port,
					     .external_port = w->external_port,
					     .protocol = w->protocol,
					     .kind = w->kind,
					     .more_ports = x->more_ports,
					     .remote_port = x->remote_port,
					     .remote_address = x->remote_address,
					     .filters_n = x->filters_n,
					     .filters = x->filters},
				 .origin = (enum engine_origin)w->origin,
				 .description = x->description,
				 .description_length = x->description_length};
	json_t *o;
	char when[32];
	bool ends = w->expires_ms != UINT64_MAX;

	l.expires_in_ms = ends ? left_ms(s, w->expires_ms) : 0;
	o = views_lease(&l);
	if (ends && !l.expires_in_ms)
		json_object_set_new(o, "expires_in_s", json_integer(0));
	if (ends)
		json_object_set_new(o, "expires_at", json_string(wall_text(s->wall_ms + l.expires_in_ms, when)));
	if (w->held)
		json_object_set_new(o, "held", json_true());
	return o;
}

static json_t *record_json(const struct show *s, uint64_t offset, const struct record *r)
{
	bool lease = r->type == RECORD_LEASE || r->type == RECORD_END;
	json_t *o = lease ? lease_json(s, &r->lease) : json_object();
	char when[32];

	if (s->all) {
		json_object_set_new(o, "offset", json_integer((json_int_t)offset));
		json_object_set_new(o, "record", json_string(type_name(r)));
	}
	if (s->all && r->type == RECORD_STATE) {
		json_object_set_new(o, "epoch_nat_pmp_s", json_integer(epoch_seconds(&r->state.natpmp, r->written_ms)));
		json_object_set_new(o, "epoch_pcp_s", json_integer(epoch_seconds(&r->state.pcp, r->written_ms)));
	}
	if (s->all && r->type != RECORD_HEADER)
		json_object_set_new(o, "written_at", json_string(written_text(s, r->written_ms, when)));
	return o;
}

static bool print_json(struct show *s, const json_t *o)
{
	if (!o)
		return false;
	fputs(s->shown ? ",\n" : "\n", stdout);
	return json_dumpf(o, stdout, JSON_ENSURE_ASCII) == 0;
}

/* A row of what is no lease: the epochs take the places of addresses. */
static bool state_row(struct table *t, const struct record *r)
{
	char natpmp[48] = "", pcp[48] = "";
	bool good = table_add(t, "");

	if (r->type == RECORD_STATE) {
		snprintf(natpmp, sizeof(natpmp), "epoch NAT-PMP %" PRIu32 " s",
			 epoch_seconds(&r->state.natpmp, r->written_ms));
		snprintf(pcp, sizeof(pcp), "PCP %" PRIu32 " s", epoch_seconds(&r->state.pcp, r->written_ms));
	}
	good = good && table_add(t, natpmp) && table_add(t, pcp);
	for (size_t column = 3; good && column < ROW_COLUMNS; column++)
		good = table_add(t, "");
	return good;
}

static bool print_row(struct show *s, uint64_t offset, const struct record *r, const json_t *o)
{
	char place[24], when[32] = "";
	const char *expires = json_string_value(json_object_get(o, "expires_at"));

	if (!o)
		return false;
	if (!s->all)
		return table_add(s->table, expires ? expires : "never") &&
		       table_add(s->table, r->lease.held ? "held" : "") && row_lease(s->table, o);
	snprintf(place, sizeof(place), "%" PRIu64, offset);
	if (r->type != RECORD_HEADER)
		written_text(s, r->written_ms, when);
	return table_add(s->table, place) && table_add(s->table, when) && table_add(s->table, type_name(r)) &&
	       (r->type == RECORD_LEASE || r->type == RECORD_END ? row_lease(s->table, o) : state_row(s->table, r));
}

static int each(void *context, uint64_t offset, const struct record *r)
{
	struct show *s = context;
	json_t *o;

	if (offset >= s->scan.end)
		return 0;
	if (r->type == RECORD_STATE)
		s->state = r->state;
	if (!s->all && !result_has(s->result, offset))
		return 0;
	o = record_json(s, offset, r);
	s->failed |= !(s->json ? print_json(s, o) : print_row(s, offset, r, o));
	s->shown++;
	json_decref(o);
	return s->failed ? -ENOMEM : 0;
}

static const char *found_name(const struct show *s)
{
	return s->past.found == JOURNAL_WHOLE ? "whole" : s->past.found == JOURNAL_PART ? "part" : "none";
}

static uint64_t last_wall_ms(const struct show *s)
{
	return s->scan.state.wall_ms + s->scan.last_ms - s->scan.state.boot_ms;
}

/* All members but the records. */
static json_t *state_json(const struct show *s)
{
	const struct journal_past *p = &s->past;
	json_t *o = json_pack("{s:i, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:b}", "schema", CTL_SCHEMA, "found",
			      found_name(s), "why", p->why, "good_records", (json_int_t)p->records, "good_octets",
			      (json_int_t)p->bad_offset, "octets", (json_int_t)s->scan.size, "same_boot", p->same_boot,
			      "clean", p->clean, "behind", s->scan.header.behind);
	char when[32];

	json_object_set_new(o, "path", json_string(s->path)); /* left out if it is not UTF-8 */
	if (!s->scan.has_state)
		return o;
	json_object_set_new(o, "last_record_at", json_string(wall_text(last_wall_ms(s), when)));
	json_object_set_new(o, "sync_always", json_boolean(s->scan.state.always));
	json_object_set_new(o, "token", json_sprintf("%016" PRIx64, s->scan.state.token));
	json_object_set_new(o, "epoch_s",
			    json_pack("{s:I, s:I}", "nat_pmp",
				      (json_int_t)epoch_seconds(&s->scan.state.natpmp, s->scan.last_ms), "pcp",
				      (json_int_t)epoch_seconds(&s->scan.state.pcp, s->scan.last_ms)));
	return o;
}

static void print_state(const struct show *s)
{
	const struct journal_past *p = &s->past;
	char when[32];

	printf("%-14s%s, %" PRIu64 " records in %" PRIu64 " octets\n", "journal",
	       p->found == JOURNAL_WHOLE  ? "whole"
	       : p->found == JOURNAL_PART ? "not whole"
					  : "not usable",
	       p->records, p->bad_offset);
	if (!s->scan.has_state)
		return;
	printf("%-14s%s, %s\n", "last record", wall_text(last_wall_ms(s), when),
	       p->same_boot    ? "since this machine was started"
	       : p->time_known ? "before this machine was started"
			       : "which is to come by the clock of this machine");
	printf("%-14s%s\n", "ended", p->clean ? "in order" : "not yet, or not in order");
	printf("%-14s%s\n", "answers", s->scan.state.always ? "waited for the disk" : "did not wait for the disk");
	printf("%-14sa table with the chain journal-%016" PRIx64 "\n", "goes with", s->scan.state.token);
	printf("%-14sNAT-PMP %" PRIu32 " s, PCP %" PRIu32 " s\n\n", "epoch then",
	       epoch_seconds(&s->scan.state.natpmp, s->scan.last_ms),
	       epoch_seconds(&s->scan.state.pcp, s->scan.last_ms));
}

static int print_as_json(struct show *s)
{
	json_t *o = state_json(s);
	char *head = json_dumps(o, JSON_ENSURE_ASCII);
	struct journal_scan again;
	int end;

	json_decref(o);
	if (!head)
		return -ENOMEM;
	head[strlen(head) - 1] = '\0'; /* the brace */
	printf("%s, \"%s\": [", head, s->all ? "records" : "leases");
	free(head);
	end = s->scan.end ? journal_scan(s->path, &again, each, s) : 0;
	puts("]}");
	return end;
}

static struct table *new_table(bool all)
{
	static const char *const own[] = {"OCTET", "WRITTEN", "RECORD"};
	static const char *const kept[] = {"UNTIL", "STATE"};
	const char *headings[ALL_COLUMNS];
	size_t n = all ? 3 : 2;
	struct table *t;

	memcpy(headings, all ? own : kept, n * sizeof(*headings));
	memcpy(headings + n, row_headings, sizeof(row_headings));
	t = table_new(headings, n + ROW_COLUMNS);
	if (t)
		row_hide(t, n);
	if (t && !all)
		table_hide(t, 1);
	return t;
}

static int print_as_table(struct show *s)
{
	struct journal_scan again;
	char *text;
	int end;

	print_state(s);
	if (!s->scan.end)
		return 0;
	s->table = new_table(s->all);
	end = s->table ? journal_scan(s->path, &again, each, s) : -ENOMEM;
	text = end ? NULL : table_text(s->table);
	if (text)
		fputs(text, stdout);
	else if (!end)
		end = -ENOMEM;
	free(text);
	table_free(s->table);
	return end;
}

/* The path as it can be shown. */
static void complain(const char *path, const char *why)
{
	fputs("natpcpctl: ", stderr);
	for (; *path; path++)
		fputc((unsigned char)*path < ' ' || *path == 0x7f ? '?' : *path, stderr);
	fprintf(stderr, ": %s\n", why);
}

int journal_show(const char *path, bool json, bool all)
{
	struct show s = {.path = path, .json = json, .all = all};
	uint8_t boot_id[RECORD_BOOT_ID];
	struct result *result = result_new();
	int end;

	journal_boot(boot_id);
	s.now_ms = clock_ms(CLOCK_BOOTTIME);
	s.wall_ms = clock_ms(CLOCK_REALTIME);
	end = result ? journal_read(path, boot_id, s.now_ms, s.wall_ms, &s.past, NULL, NULL) : -ENOMEM;
	if (!end)
		end = journal_scan(path, &s.scan, result_add, result);
	if (!end && !result_settle(result))
		end = -ENOMEM;
	s.result = result;
	if (!end)
		end = json ? print_as_json(&s) : print_as_table(&s);
	result_free(result);
	if (end || (*s.past.why && !json))
		complain(path, *s.past.why ? s.past.why : strerror(-end));
	return end || s.past.found != JOURNAL_WHOLE;
}

int natpcpctl_journal(struct tool *t, int n, char **argument)
{
	(void)n;
	return journal_show(argument[0], t->json, given_has(&t->given, 'a')) ? CTL_FAILED : CTL_DONE;
}
