/* SPDX-License-Identifier: MIT */
/* What probe found, for people and for programs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc_out.h"
#include "codec/natpcpc_probe.h"

#define TITLE_WIDTH 33
#define CELL_WIDTH  38

static const char *speaks(const struct corner_bed *b)
{
	return b->pcp ? b->natpmp ? "PCP and NAT-PMP" : "PCP" : b->natpmp ? "NAT-PMP" : "nothing";
}

/* Marked so that what is wrong is seen first. */
static const char *mark(const struct corner_result *r)
{
	return r->verdict == CORNER_UNASKED ? "" : r->verdict == CORNER_ODD ? "ODD" : corner_verdict_name(r->verdict);
}

static void headline(const struct session *s, const struct probe_report *r)
{
	char t[CODEC_ADDRESS_TEXT], o[CODEC_ADDRESS_TEXT];

	printf("gateway %s, asked from %s: ", codec_address_text(&s->server.address, t),
	       codec_address_text(&s->own, o));
	if (!r->bed.pcp && !r->bed.natpmp) {
		puts(s->error ? strerror(-s->error) : s->unreachable ? "nobody listens on its port" : "no answer");
		return;
	}
	printf("speaks %s", speaks(&r->bed));
	if (!codec_is_unspecified(&r->bed.external_address))
		printf(", external address %s", codec_address_text(&r->bed.external_address, t));
	printf("\n  round trip %.2f ms (%.2f to %.2f)\n", (double)r->rtt_middle_us / 1000,
	       (double)r->rtt_best_us / 1000, (double)r->rtt_worst_us / 1000);
}

static void closing(const struct probe_report *r)
{
	if (!r->made)
		return;
	printf("  made %u mappings for this, deleted %u", r->made, r->deleted);
	if (r->left)
		printf(", LEFT %u behind", r->left);
	if (r->left_s)
		printf(", which end in %" PRIu32 " s", r->left_s);
	putchar('\n');
}

static bool asked_of_any(const struct app *a, const struct probe_report *reports, size_t i)
{
	for (size_t g = 0; g < a->count; g++)
		if (reports[g].results[i].verdict != CORNER_UNASKED)
			return true;
	return false;
}

static void row(const struct app *a, const struct probe_report *reports, size_t i)
{
	const struct corner *c = &corners[i];
	const struct corner_result *r = &reports[0].results[i];
	const char *note = r->note;

	if (a->count == 1) {
		printf("  %-4s%-*s%s", mark(r), TITLE_WIDTH, c->title, r->text);
		if (note)
			printf("%s%s", *r->text ? ": " : "", note);
		if (r->verdict == CORNER_ODD)
			printf(" [RFC %s]", c->section);
		if (reports[0].sent[i] > 1)
			printf(" (sent %u times)", reports[0].sent[i]);
		putchar('\n');
		return;
	}
	printf("  %-*s", TITLE_WIDTH, c->title);
	for (size_t g = 0; g < a->count; g++) {
		char cell[2 * CORNER_TEXT];

		r = &reports[g].results[i];
		snprintf(cell, sizeof(cell), "%-4s%s", mark(r), r->note ? r->note : r->text);
		printf(" %-*.*s", g + 1 < a->count ? CELL_WIDTH : 0, CELL_WIDTH, cell);
	}
	putchar('\n');
}

void probe_show(const struct app *a, const struct probe_report *reports)
{
	char t[CODEC_ADDRESS_TEXT];
	bool any = false;

	for (size_t g = 0; g < a->count; g++) {
		headline(&a->sessions[g], &reports[g]);
		any = any || reports[g].bed.pcp || reports[g].bed.natpmp;
	}
	if (!any)
		return;
	if (a->count > 1) {
		printf("\n  %-*s", TITLE_WIDTH, "");
		for (size_t g = 0; g < a->count; g++)
			printf(" %-*s", g + 1 < a->count ? CELL_WIDTH : 0,
			       codec_address_text(&a->sessions[g].server.address, t));
	}
	putchar('\n');
	for (size_t i = 0; i < corners_count; i++)
		if (asked_of_any(a, reports, i))
			row(a, reports, i);
	putchar('\n');
	for (size_t g = 0; g < a->count; g++)
		closing(&reports[g]);
	puts("  ok: as the RFC wants it. no: not there, which the RFC allows. ODD: not as the RFC wants it.");
}

static void json_row(struct line *l, const struct probe_report *r, size_t i)
{
	const struct corner *c = &corners[i];
	const struct corner_result *q = &r->results[i];

	out_object(l, NULL);
	out_text(l, "id", c->id);
	out_text(l, "title", c->title);
	out_text(l, "rfc", c->section);
	out_text(l, "verdict", corner_verdict_name(q->verdict));
	if (q->verdict != CORNER_UNASKED) {
		out_bool(l, "answered", q->answered);
		out_number(l, "sent", r->sent[i]);
		out_text(l, "text", q->text);
	}
	if (q->note)
		out_text(l, "note", q->note);
	if (q->answered) {
		out_ms(l, "rtt_ms", r->rtt_us[i]);
		out_text(l, "result", q->name);
		out_number(l, "code", q->code);
		out_number(l, "lifetime_s", q->lifetime_s);
		out_number(l, "epoch_s", q->epoch_s);
		out_number(l, "external_port", q->external_port);
	}
	out_close(l, '}');
}

void probe_show_json(const struct app *a, const struct session *s, const struct probe_report *r)
{
	struct line l = {.json = true};

	(void)a;
	out_number(&l, "schema", OUT_SCHEMA);
	out_text(&l, "operation", "probe");
	out_text(&l, "status", r->bed.pcp || r->bed.natpmp ? "ok" : "no answer");
	if (!r->bed.pcp && !r->bed.natpmp)
		out_text(&l, "reason", s->error ? strerror(-s->error) : s->unreachable ? "unreachable" : "silence");
	out_address(&l, "server", &s->server.address);
	out_address(&l, "own_address", &s->own);
	out_bool(&l, "pcp", r->bed.pcp);
	out_bool(&l, "natpmp", r->bed.natpmp);
	out_address(&l, "external_address", &r->bed.external_address);
	out_ms(&l, "rtt_ms", r->rtt_middle_us);
	out_ms(&l, "rtt_min_ms", r->rtt_best_us);
	out_ms(&l, "rtt_max_ms", r->rtt_worst_us);
	out_number(&l, "made", r->made);
	out_number(&l, "deleted", r->deleted);
	out_number(&l, "left", r->left);
	out_number(&l, "left_s", r->left_s);
	out_array(&l, "rows");
	for (size_t i = 0; i < corners_count; i++)
		json_row(&l, r, i);
	out_close(&l, ']');
	out_end(&l);
}
