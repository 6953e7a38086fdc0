/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the addresses of a change are by what the kernel says, and what the configuration says of it. */
#include "server/warden_self.h"

#include <string.h>

#include "backends/backend.h"
#include "backends/verdict.h"
#include "server/core/permit.h"

/* True if an interface of that name is listened on, too. */
static bool is_inside(const struct conf *conf, const char *interface)
{
	for (size_t i = 0; i < conf->listens_n; i++)
		for (size_t k = 0; k < conf->listens[i].interfaces.n; k++)
			if (!strcmp(conf->listens[i].interfaces.v[k], interface))
				return true;
	return false;
}

static bool is_outside(const struct conf *conf, const char *interface)
{
	for (size_t i = 0; i < conf->externals_n; i++)
		if (*interface && !strcmp(conf->externals[i].interface, interface))
			return true;
	return false;
}

static struct permit_place look(const struct ward *w, const struct mapping *m)
{
	const struct conf_external *x = &w->conf->externals[m->kind == MAPPING_NAT ? m->external : 0];
	uint32_t inside = wan_interface_of(w->wan, &m->internal_address);
	const char *name = wan_interface(w->wan, inside);
	struct permit_place p = {.own = inside && wan_has(w->wan, inside, &m->internal_address),
				 .beyond = is_outside(w->conf, name) && !is_inside(w->conf, name)};

	if (m->kind == MAPPING_NAT)
		p.outside = x->addresses.n ? conf_prefixes_have(&x->addresses, &m->external_address)
					   : wan_has(w->wan, wan_ifindex(w->wan, x->interface), &m->external_address);
	return p;
}

/* An address may have come since it was read. */
static void read_anew(struct ward *w)
{
	if (wan_drain(w->wan))
		w->wan_stale = true;
	if (w->wan_stale && wan_refresh(w->wan) >= 0)
		w->wan_stale = false;
}

struct look {
	const struct mapping *wanted;
	bool found;
};

static void compare(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct look *l = context;

	(void)remaining_ms;
	l->found = l->found || verdict_same_mapping(m, l->wanted);
}

/* Those with filters cannot be asked for. */
static bool is_there(struct ward *w, const struct mapping *m)
{
	struct look l = {.wanted = m};
	struct backend *b = w->serve.backend;

	return !m->filters_n && b->ops->ask(b, m, 1, compare, &l) == 0 && l.found;
}

const char *warden_permit(void *context, const struct change *c)
{
	struct ward *w = context;
	const struct conf *conf = w->conf;
	struct permit_place place = {0};
	const char *why;

	if (c->op != CHANGE_REMOVE && permit_sound(conf, &c->mapping)) {
		/* once for a question: many of one that come between are as one */
		if (!w->place_checked)
			read_anew(w);
		w->place_checked = true;
		place = look(w, &c->mapping);
	}
	why = permit_change(conf, c, &place);
	/* what was permitted when it was made goes on, until the other process ends it */
	return why && c->op == CHANGE_RENEW && permit_sound(conf, &c->mapping) && is_there(w, &c->mapping) ? NULL : why;
}

bool warden_shaped(void *context, const struct mapping *m)
{
	return permit_sound(((struct ward *)context)->conf, m);
}
