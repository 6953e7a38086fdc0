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

int external_read(struct external *o, const struct conf_external *x, const struct wan *w)
{
	struct in6_addr *v = calloc(WAN_ADDRESSES_MAX, sizeof(*v)), private_address;
	bool refused;
	size_t n;

	if (!v)
		return -ENOMEM;
	n = wan_external(w, x, v, WAN_ADDRESSES_MAX, &refused, &private_address);
	if (o->known && n == o->n && (!n || !memcmp(v, o->v, n * sizeof(*v)))) {
		free(v);
		return 0;
	}
	free(o->v);
	*o = (struct external){.v = v, .n = n, .known = true};
	report(o, x, refused ? &private_address : NULL);
	return 1;
}

void external_clear(struct external *o)
{
	free(o->v);
	memset(o, 0, sizeof(*o));
}
