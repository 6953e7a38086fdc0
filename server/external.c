/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/external.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/core/outside.h"
#include "server/io/log.h"

static bool has_v4(const struct external *o)
{
	return o->n && codec_is_v4(&o->v[0]);
}

const char *external_state(const struct external *o, const char **why)
{
	*why = "";
	if (has_v4(o))
		return "ok";
	*why = o->refused ? outside_private(&o->refused_address) : NULL;
	if (*why)
		return "private";
	*why = "there is no IPv4 address; requests for one are answered with a network failure";
	return "no-address";
}

const struct in6_addr *external_told(const struct external *o, size_t *n)
{
	bool alone = o->refused && !has_v4(o);

	*n = alone ? 1 : o->n;
	return alone ? &o->refused_address : o->v;
}

static void report(const struct external *o, const struct conf_external *x)
{
	const char *why;
	bool good = !strcmp(external_state(o, &why), "ok");
	struct log_line l;

	log_begin(&l, good ? CONF_LOG_INFO : CONF_LOG_WARNING, "external-address");
	log_text(&l, "external", x->name);
	log_text(&l, "interface", *x->interface ? x->interface : NULL);
	if (o->n)
		log_address(&l, "address", &o->v[0]);
	if (o->n > 1)
		log_number(&l, "more", o->n - 1);
	if (!good && o->refused) {
		log_address(&l, "private", &o->refused_address);
		log_text(&l, "advice", "private-address = \"allow\" would take it");
	}
	if (!good)
		log_text(&l, "why", why);
	log_end(&l);
}

/* What one reading found. */
struct reading {
	struct in6_addr *v;
	size_t n;
	bool refused;
	struct in6_addr refused_address;
};

static bool same(const struct reading *a, const struct in6_addr *v, size_t n, bool refused,
		 const struct in6_addr *refused_address)
{
	return a->n == n && (!n || !memcmp(a->v, v, n * sizeof(*v))) && a->refused == refused &&
	       (!refused || !memcmp(&a->refused_address, refused_address, sizeof(*refused_address)));
}

static void forget_next(struct external *o)
{
	free(o->next);
	o->next = NULL;
	o->next_n = 0;
	o->differs = false;
}

/* Keeps what was read, which is not what is known; returns when it counts. */
static uint64_t keep_next(struct external *o, const struct reading *r, uint64_t now_ms)
{
	uint64_t rest_ms, end_ms;

	if (!o->differs)
		o->differs_ms = o->next_ms = now_ms;
	else if (!same(r, o->next, o->next_n, o->next_refused, &o->next_refused_address))
		o->next_ms = now_ms;
	free(o->next);
	o->next = r->v;
	o->next_n = r->n;
	o->next_refused = r->refused;
	o->next_refused_address = r->refused_address;
	o->differs = true;
	rest_ms = o->next_ms + EXTERNAL_HOLD_MS;
	end_ms = o->differs_ms + EXTERNAL_HOLD_MAX_MS;
	return rest_ms < end_ms ? rest_ms : end_ms;
}

static bool reading_has(const struct reading *r, const struct in6_addr *a)
{
	for (size_t i = 0; i < r->n; i++)
		if (!memcmp(&r->v[i], a, sizeof(*a)))
			return true;
	return false;
}

/* True if addresses that are known are missing in a reading, and each of those was there since the one before. What is
 * said of the others does not matter: they may be renewed all the time while what else there is has changed. */
static bool was_back(const struct external *o, const struct reading *r, const struct conf_external *x,
		     const struct wan *w)
{
	bool any = false;

	for (size_t i = 0; i < o->n; i++) {
		if (reading_has(r, &o->v[i]))
			continue;
		if (!wan_was_there(w, x, &o->v[i]))
			return false;
		any = true;
	}
	return any;
}

int external_read(struct external *o, const struct conf_external *x, const struct wan *w, bool at_once, uint64_t now_ms,
		  uint64_t *again_ms)
{
	struct reading r = {.v = calloc(WAN_ADDRESSES_MAX, sizeof(*r.v))};
	uint64_t due_ms;

	*again_ms = UINT64_MAX;
	if (!r.v)
		return -ENOMEM;
	r.n = wan_external(w, x, r.v, WAN_ADDRESSES_MAX, &r.refused, &r.refused_address);
	r.refused = r.refused && !(r.n && codec_is_v4(&r.v[0]));
	if (o->known && same(&r, o->v, o->n, o->refused, &o->refused_address)) {
		forget_next(o);
		free(r.v);
		return 0;
	}
	/* two readings in a row may both have missed that it was back */
	if (o->differs && was_back(o, &r, x, w))
		forget_next(o);
	due_ms = keep_next(o, &r, now_ms);
	if (o->known && !at_once && now_ms < due_ms) {
		*again_ms = due_ms;
		return 0;
	}
	free(o->v);
	*o = (struct external){.v = r.v,
			       .n = r.n,
			       .known = true,
			       .refused = r.refused,
			       .refused_address = r.refused_address,
			       .since_ms = now_ms};
	report(o, x);
	return 1;
}

void external_clear(struct external *o)
{
	free(o->v);
	free(o->next);
	memset(o, 0, sizeof(*o));
}
