/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another configuration: what the leases say of the old one is put into the words of the new one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/upkeep.h"

/* Old index -> new index; UINT16_MAX = gone. */
struct renumbering {
	uint16_t *externals, *listens, *rules;
	bool same;
};

static void clear(struct renumbering *n)
{
	free(n->externals);
	free(n->listens);
	free(n->rules);
}

/* The arrays are of structs whose first member is the name. */
static uint16_t *renumber(const void *from, size_t from_n, const void *to, size_t to_n, size_t size, bool *same)
{
	uint16_t *map = malloc((from_n + 1) * sizeof(*map));

	for (size_t i = 0; map && i < from_n; i++) {
		const char *const *name = (const void *)((const char *)from + i * size);

		map[i] = UINT16_MAX;
		for (size_t j = 0; j < to_n && map[i] == UINT16_MAX; j++) {
			const char *const *other = (const void *)((const char *)to + j * size);

			if (strcmp(*name, *other) == 0)
				map[i] = (uint16_t)j;
		}
		*same = *same && map[i] == i;
	}
	return map;
}

static bool compare(struct renumbering *n, const struct conf *from, const struct conf *to)
{
	n->same = true;
	n->externals = renumber(from->externals, from->externals_n, to->externals, to->externals_n,
				sizeof(*from->externals), &n->same);
	n->listens =
	    renumber(from->listens, from->listens_n, to->listens, to->listens_n, sizeof(*from->listens), &n->same);
	n->rules = renumber(from->rules, from->rules_n, to->rules, to->rules_n, sizeof(*from->rules), &n->same);
	return n->externals && n->listens && n->rules;
}

static uint16_t look_up(const uint16_t *map, size_t n, uint16_t i)
{
	return i < n ? map[i] : UINT16_MAX;
}

/* Every lease at once, before anybody uses a number of the old configuration with the new one; only if it has to be. */
static void apply(struct engine *e, const struct renumbering *n, const struct conf *from)
{
	for (uint32_t i = 0; !n->same && (i = lease_walk(e->leases, i)) != LEASE_NONE; i++) {
		struct lease *l = lease_at(e->leases, i);

		l->external = (uint8_t)look_up(n->externals, from->externals_n, l->external);
		l->listen = look_up(n->listens, from->listens_n, l->listen);
		if (l->origin != ENGINE_ORIGIN_STATIC)
			lease_renumber(e->leases, i, look_up(n->rules, from->rules_n, l->rule));
	}
}

static bool addresses_changed(const struct engine *e, const struct conf *from, const struct outside *outsides,
			      const struct renumbering *n)
{
	for (size_t i = 0; i < from->externals_n; i++) {
		uint16_t to = n->externals[i];

		if (to == UINT16_MAX ||
		    !outside_same(&from->externals[i], &outsides[i], &e->conf->externals[to], &e->outsides[to]))
			return true;
	}
	return false;
}

int engine_reload(struct engine *e, const struct conf *conf, uint64_t now_ms, struct round *r)
{
	const struct conf *from = e->conf;
	struct outside *outsides = outside_new(conf, from, e->outsides), *old = e->outsides;
	struct renumbering n = {0};
	struct tally tally;

	if (!tally_init(&tally, conf->rules_n) || !outsides || !compare(&n, from, conf) ||
	    !round_reserve(r, from->statics_n)) {
		tally_clear(&tally);
		clear(&n);
		outside_free(outsides, conf->externals_n);
		return -ENOMEM;
	}
	e->conf = conf;
	e->lifetime_uncut_s = policy_lifetime_uncut(conf);
	e->outsides = outsides;
	apply(e, &n, from);
	tally_renumber(&tally, &e->tally, n.rules);
	tally_clear(&e->tally);
	e->tally = tally;
	limit_rate(e->limit, conf->limits.requests_per_second, conf->limits.burst);
	/* a change of addresses: RFC 6887 8.5; sets of ports come or go: RFC 7753 4.3 */
	if (addresses_changed(e, from, old, &n) ||
	    (from->limits.port_set_max == 0) != (conf->limits.port_set_max == 0)) {
		epoch_set(&e->epoch_pcp, 0, now_ms);
		announce_begin(&e->announce, now_ms);
	}
	upkeep_leave_statics(e, from, r);
	outside_free(old, from->externals_n);
	clear(&n);
	engine_walk_all(e);
	e->statics = (struct engine_retry){.at_ms = e->started ? now_ms : ENGINE_NEVER};
	upkeep_walk(e, now_ms, r);
	upkeep_statics(e, now_ms, r);
	return 0;
}
