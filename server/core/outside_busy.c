/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/outside_busy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/state.h"

enum { FOREIGN_MS = 60000 };

/* Sorted by port first, so that the wildcard addresses of a port are found with it. */
static int compare(const void *a, const void *b)
{
	const struct engine_busy *x = a, *y = b;

	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	return memcmp(&x->address, &y->address, sizeof(x->address));
}

static bool is_own(const struct outside_busy *b, const struct in6_addr *address, uint8_t protocol, uint16_t port)
{
	size_t low = 0, high = b->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->v[middle].port < port || (b->v[middle].port == port && b->v[middle].protocol < protocol))
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < b->n && b->v[low].port == port && b->v[low].protocol == protocol; low++)
		if (codec_is_unspecified(&b->v[low].address) || engine_same_address(&b->v[low].address, address))
			return true;
	return false;
}

static bool is_foreign(const struct outside_busy *b, const struct in6_addr *address, uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; b->foreign_n > 0 && i < sizeof(b->foreign) / sizeof(*b->foreign); i++) {
		const struct outside_foreign *f = &b->foreign[i];

		if (f->until_ms && f->port == port && f->protocol == protocol &&
		    engine_same_address(&f->address, address))
			return true;
	}
	return false;
}

bool outside_busy_has(const struct outside_busy *b, const struct in6_addr *address, uint8_t protocol, uint16_t port)
{
	return is_own(b, address, protocol, port) || is_foreign(b, address, protocol, port);
}

void outside_busy_mark(const struct outside_busy *b, const struct in6_addr *address, uint8_t protocol,
		       struct ports *ports)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].protocol == protocol && is_own(b, address, protocol, b->v[i].port))
			ports_set(ports, protocol, b->v[i].port, true);
	for (size_t i = 0; i < sizeof(b->foreign) / sizeof(*b->foreign); i++)
		if (b->foreign[i].protocol == protocol && is_foreign(b, address, protocol, b->foreign[i].port))
			ports_set(ports, protocol, b->foreign[i].port, true);
}

void outside_busy_foreign(struct engine *e, size_t external, const struct in6_addr *address, uint8_t protocol,
			  uint16_t port, uint64_t now_ms)
{
	struct outside_busy *b = &e->busy;
	struct outside_foreign *f = &b->foreign[b->foreign_next++ % (sizeof(b->foreign) / sizeof(*b->foreign))];
	struct outside_foreign was = *f;

	*f = (struct outside_foreign){
	    .address = *address, .port = port, .protocol = protocol, .until_ms = now_ms + FOREIGN_MS};
	b->foreign_n += !was.until_ms;
	outside_refresh(e, external, address, protocol, port);
	if (was.until_ms)
		for (size_t i = 0; i < e->conf->externals_n; i++)
			outside_refresh(e, i, &was.address, was.protocol, was.port);
}

void outside_busy_forget(struct engine *e, uint64_t now_ms)
{
	for (size_t i = 0; i < sizeof(e->busy.foreign) / sizeof(*e->busy.foreign); i++) {
		struct outside_foreign *f = &e->busy.foreign[i];

		if (!f->until_ms || f->until_ms > now_ms)
			continue;
		f->until_ms = 0;
		e->busy.foreign_n--;
		for (size_t j = 0; j < e->conf->externals_n; j++)
			outside_refresh(e, j, &f->address, f->protocol, f->port);
	}
}

/* Makes the marks of a port what they should be now, on every address. */
static void refresh_everywhere(struct engine *e, const struct engine_busy *b)
{
	for (size_t j = 0; j < e->conf->externals_n; j++)
		for (size_t k = 0; k < e->outsides[j].places_n; k++)
			outside_refresh(e, j, &e->outsides[j].places[k].address, b->protocol, b->port);
}

/* It is called every second with hardly any news: only what came and went costs something. */
int outside_busy_set(struct engine *e, const struct engine_busy *v, size_t n)
{
	struct engine_busy *old = e->busy.v, *now = malloc((n + 1) * sizeof(*now));
	size_t old_n = e->busy.n;

	if (!now)
		return -ENOMEM;
	if (n)
		memcpy(now, v, n * sizeof(*now));
	qsort(now, n, sizeof(*now), compare);
	e->busy.v = now;
	e->busy.n = n;
	for (size_t i = 0, j = 0; i < old_n || j < n;) {
		int order = i == old_n ? 1 : j == n ? -1 : compare(&old[i], &now[j]);

		if (order)
			refresh_everywhere(e, order < 0 ? &old[i] : &now[j]);
		i += order <= 0;
		j += order >= 0;
	}
	free(old);
	return 0;
}
