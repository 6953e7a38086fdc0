/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/lab_self.h"

#include <string.h>

static bool lost(struct lab *l, const struct parcel *p, bool group)
{
	struct sight s = sight(p->data, p->out.length);
	bool gone = false;

	for (size_t i = 0; i < l->plan.n; i++) {
		if (l->plan.v[i].fault.kind != FAULT_ANNOUNCE ||
		    !plan_takes(&l->plan, i, &s, &p->out.destination, loop_now_ms(l->loop)))
			continue;
		lab_tell(l, i, group ? NULL : &p->out.destination, p->out.destination_port);
		gone = true;
	}
	return gone;
}

/* True if it tells of another outside address than the one before. */
static bool is_news(struct lab *l, const struct parcel *p)
{
	struct sight s = sight(p->data, p->out.length);
	const uint8_t *address = p->data + SIGHT_NATPMP_ADDRESS;
	bool news;

	if (s.protocol != SIGHT_NATPMP || p->out.length < SIGHT_NATPMP_ADDRESS + sizeof(l->address))
		return false;
	news = l->address_known && memcmp(l->address, address, sizeof(l->address)) != 0;
	memcpy(l->address, address, sizeof(l->address));
	l->address_known = true;
	return news;
}

/* Whether an announcement is one of the start. */
static bool is_old(struct lab *l, const struct parcel *p, bool restarted)
{
	if (is_news(l, p)) {
		ages_restart(&l->ages, SIGHT_PCP); /* which that does, maybe in its first second */
		l->fresh = false;
	}
	if (restarted)
		l->fresh = false;
	return l->fresh;
}

void lab_announce(struct lab *l, const struct parcel *p, bool group, bool restarted)
{
	if ((!group || !is_old(l, p, restarted)) && !lost(l, p, group))
		lab_dispatch(p);
}
