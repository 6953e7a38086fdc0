/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/external.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "server/io/log.h"

static void report(const struct external *o, const struct conf_external *x, const struct in6_addr *private_address)
{
	bool has_v4 = o->n && codec_is_v4(&o->v[0]);
	struct log_line l;

	log_begin(&l, has_v4 ? CONF_LOG_INFO : CONF_LOG_WARNING, "external-address");
	log_text(&l, "external", x->name);
	log_text(&l, "interface", *x->interface ? x->interface : NULL);
	if (o->n)
		log_address(&l, "address", &o->v[0]);
	if (o->n > 1)
		log_number(&l, "more", o->n - 1);
	if (!has_v4 && private_address) {
		log_address(&l, "private", private_address);
		log_text(&l, "why", "the IPv4 address is not a public one; private-address = \"allow\" would take it");
	} else if (!has_v4) {
		log_text(&l, "why", "there is no IPv4 address; requests for one are answered with a network failure");
	}
	log_end(&l);
}

static bool same(const struct in6_addr *v, size_t v_n, const struct in6_addr *w, size_t w_n)
{
	return v_n == w_n && (!v_n || !memcmp(v, w, v_n * sizeof(*v)));
}

static void forget_next(struct external *o)
{
	free(o->next);
	o->next = NULL;
	o->next_n = 0;
	o->differs = false;
}

/* Keeps what was read, which is not what is known; returns when it counts. */
static uint64_t keep_next(struct external *o, struct in6_addr *v, size_t n, uint64_t now_ms)
{
	uint64_t rest_ms, end_ms;

	if (!o->differs)
		o->differs_ms = o->next_ms = now_ms;
	else if (!same(v, n, o->next, o->next_n))
		o->next_ms = now_ms;
	free(o->next);
	o->next = v;
	o->next_n = n;
	o->differs = true;
	rest_ms = o->next_ms + EXTERNAL_HOLD_MS;
	end_ms = o->differs_ms + EXTERNAL_HOLD_MAX_MS;
	return rest_ms < end_ms ? rest_ms : end_ms;
}

int external_read(struct external *o, const struct conf_external *x, const struct wan *w, bool at_once, uint64_t now_ms,
		  uint64_t *again_ms)
{
	struct in6_addr *v = calloc(WAN_ADDRESSES_MAX, sizeof(*v)), private_address;
	uint64_t due_ms;
	bool refused;
	size_t n;

	*again_ms = UINT64_MAX;
	if (!v)
		return -ENOMEM;
	n = wan_external(w, x, v, WAN_ADDRESSES_MAX, &refused, &private_address);
	o->refused = refused;
	if (refused)
		o->refused_address = private_address;
	if (o->known && same(v, n, o->v, o->n)) {
		forget_next(o);
		free(v);
		return 0;
	}
	due_ms = keep_next(o, v, n, now_ms);
	if (o->known && !at_once && now_ms < due_ms) {
		*again_ms = due_ms;
		return 0;
	}
	free(o->v);
	*o = (struct external){.v = v,
			       .n = n,
			       .since_ms = now_ms,
			       .refused = refused,
			       .refused_address = o->refused_address,
			       .known = true};
	report(o, x, refused ? &private_address : NULL);
	return 1;
}

const char *external_state(const struct external *o, const char **why)
{
	*why = "";
	if (o->refused && !(o->n && codec_is_v4(&o->v[0]))) {
		*why = "the IPv4 address is not a public one; private-address = \"allow\" would take it";
		return "private";
	}
	if (o->n)
		return "ok";
	*why = "there is no address";
	return "no-address";
}

void external_clear(struct external *o)
{
	free(o->v);
	free(o->next);
	memset(o, 0, sizeof(*o));
}
