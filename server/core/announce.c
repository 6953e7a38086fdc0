/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/announce.h"

#include "server/core/natpmp.h"
#include "server/core/pcp.h"

enum { COPIES = 10, FIRST_GAP_MS = 250 };

void announce_init(struct announce *a)
{
	*a = (struct announce){.next_ms = ENGINE_NEVER};
}

void announce_begin(struct announce *a, uint64_t now_ms)
{
	*a = (struct announce){.next_ms = now_ms, .gap_ms = FIRST_GAP_MS, .copies = COPIES};
}

/* True if the section is heard in the family: one that is bound to addresses only in theirs. */
static bool serves(const struct conf_listen *l, bool ipv6)
{
	if (l->addresses.n == 0)
		return true;
	for (size_t i = 0; i < l->addresses.n; i++)
		if (codec_is_v4(&l->addresses.v[i].address) != ipv6)
			return true;
	return false;
}

static void say(struct engine *e, uint16_t listen, bool ipv6, const uint8_t *data, size_t length, struct round *r)
{
	struct round_reply form = {.kind = ROUND_ANNOUNCE, .listen = listen, .ipv6 = ipv6};

	if (round_say(r, &form, data, length))
		e->stats.announcements++;
}

/* A device that does no NAT must say nothing in NAT-PMP's words: RFC 6886 3.8. */
static void say_all(struct engine *e, uint16_t listen, uint64_t now_ms, struct round *r)
{
	const struct conf_listen *l = &e->conf->listens[listen];
	uint8_t data[32];
	size_t length;

	if (l->natpmp && e->conf->externals[l->external].nat && serves(l, false)) {
		length = natpmp_announcement(e, l->external, now_ms, data, sizeof(data));
		say(e, listen, false, data, length, r);
	}
	if (!l->pcp)
		return;
	length = pcp_announcement(e, now_ms, data, sizeof(data));
	if (serves(l, false))
		say(e, listen, false, data, length, r);
	if (serves(l, true))
		say(e, listen, true, data, length, r);
}

void announce_tick(struct engine *e, uint64_t now_ms, struct round *r)
{
	struct announce *a = &e->announce;

	if (a->next_ms > now_ms)
		return;
	for (size_t i = 0; i < e->conf->listens_n; i++)
		say_all(e, (uint16_t)i, now_ms, r);
	/* from now, not from when it was due: the gaps may grow, but not shrink */
	a->next_ms = --a->copies ? now_ms + a->gap_ms : ENGINE_NEVER;
	a->gap_ms *= 2;
}
