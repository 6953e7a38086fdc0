/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A round is begun, filled, settled, and told to those who expect something of it. */
#include "tests/scenario/player_self.h"

static void note_replies(struct player *p)
{
	char text[4096], hex[4096], address[CODEC_ADDRESS_TEXT];
	size_t n;
	const struct round_reply *replies = round_replies(p->world.round, &n);

	for (size_t i = 0; i < n; i++) {
		const struct round_reply *r = &replies[i];
		int used;

		if (r->length == 0)
			continue;
		if (r->kind == ROUND_ANNOUNCE)
			used = snprintf(text, sizeof(text), "%.1f listen=%u %s ",
					(double)(p->world.now_ms - PLAYER_START_MS) / 1000, r->listen,
					r->ipv6 ? "v6" : "v4");
		else
			used = snprintf(text, sizeof(text), "to=%s port=%u ",
					codec_address_text(&r->destination, address), r->destination_port);
		player_text_message(r->data, r->length, text + used, sizeof(text) - (size_t)used);
		player_queue_push(r->kind == ROUND_ANNOUNCE ? &p->announcements : &p->replies, text);
		player_text_hex(r->data, r->length, hex, sizeof(hex));
		if (r->kind == ROUND_UNICAST)
			player_queue_push(&p->hexes, hex);
	}
}

static void note_changes(struct player *p)
{
	static const char *const ops[] = {"add", "renew", "remove"};
	char mapping[1024], text[1280];
	size_t n;
	const struct change *changes = round_changes(p->world.round, &n);

	for (size_t i = 0; i < n; i++) {
		player_text_mapping(&changes[i].mapping, mapping, sizeof(mapping));
		snprintf(text, sizeof(text), "%s %s timeout=%llu group=%u %s", ops[changes[i].op], mapping,
			 (unsigned long long)changes[i].timeout_ms, changes[i].group,
			 changes[i].verdict ? "refused" : "done");
		player_queue_push(&p->changes, text);
	}
}

static void note_events(struct player *p)
{
	static const char *const kinds[] = {"made", "renewed", "refused", "ended", "moved", "adopted"};
	char mapping[1024], client[CODEC_ADDRESS_TEXT], text[2048];
	size_t n;
	const struct round_event *events = round_events(p->world.round, &n);

	for (size_t i = 0; i < n; i++) {
		player_text_mapping(&events[i].mapping, mapping, sizeof(mapping));
		snprintf(text, sizeof(text), "%s %s by %s %s result=%u lifetime=%u rule=%s why=%s",
			 kinds[events[i].kind], mapping, codec_address_text(&events[i].client, client),
			 events[i].pcp ? "pcp" : "natpmp", events[i].result, events[i].lifetime_s,
			 events[i].rule ? events[i].rule : "-", events[i].why ? events[i].why : "-");
		player_queue_push(&p->events, text);
	}
}

static void note_flows(struct player *p)
{
	static const char *const what[] = {"keep", "end", "reset"};
	char mapping[256], text[512];
	size_t cursor = 0;
	struct mapping m;

	for (enum round_flows f; (f = round_flows_next(p->world.round, &cursor, &m)) != ROUND_FLOWS_KEEP;) {
		player_text_mapping(&m, mapping, sizeof(mapping));
		snprintf(text, sizeof(text), "%s %s", what[f], mapping);
		player_queue_push(&p->flows, text);
	}
}

void player_note(struct world *w, void *context)
{
	struct player *p = context;

	note_replies(p);
	note_changes(p);
	note_events(p);
	note_flows(p);
	if (!p->blind && !world_agrees(w) && !*p->why)
		player_fail(p, "the engine's leases are not what the packet filter has");
	if (p->started && !restart_remembers(w) && !*p->why)
		player_fail(p, "the engine's leases are not what the journal has");
}

bool player_settle(struct player *p)
{
	world_settle(&p->world);
	player_note(&p->world, p);
	round_clear(p->world.round);
	for (size_t i = 0; i < p->packets_n; i++)
		free(p->packets[i]);
	p->packets_n = 0;
	return !*p->why;
}

bool player_begin(struct player *p)
{
	if (p->collecting)
		return true;
	if (p->replies.first < p->replies.n)
		return player_fail(p, "a reply was not expected: %s", p->replies.v[p->replies.first]);
	player_queue_clear(&p->replies);
	player_queue_clear(&p->hexes);
	player_queue_clear(&p->changes);
	player_queue_clear(&p->events);
	player_queue_clear(&p->flows);
	round_clear(p->world.round);
	return true;
}

bool player_done(struct player *p)
{
	return p->collecting || player_settle(p);
}
