/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/patience.h"

#include <stdlib.h>
#include <string.h>

#define ANSWERING UINT64_MAX
#define STEP	  64 /* descriptors that the table grows by */

static struct patience_one *entry(struct patience *p, int fd)
{
	return fd >= 0 && (size_t)fd < p->n ? &p->v[fd] : NULL;
}

static bool grow(struct patience *p, int fd)
{
	size_t n = (size_t)fd + STEP;
	struct patience_one *v = realloc(p->v, n * sizeof(*v));

	if (!v)
		return false;
	memset(v + p->n, 0, (n - p->n) * sizeof(*v));
	p->v = v;
	p->n = n;
	return true;
}

bool patience_more(struct patience *p, int fd, uint64_t socket, uint64_t now_ms, uint32_t most_ms)
{
	struct patience_one *e;

	if (fd < 0 || ((size_t)fd >= p->n && !grow(p, fd)))
		return true;
	e = &p->v[fd];
	if (e->socket != socket)
		*e = (struct patience_one){.socket = socket};
	if (e->since_ms == 0)
		e->since_ms = now_ms;
	return e->since_ms == ANSWERING || now_ms - e->since_ms <= most_ms;
}

void patience_whole(struct patience *p, int fd)
{
	if (entry(p, fd))
		entry(p, fd)->since_ms = ANSWERING;
}

void patience_answered(struct patience *p, int fd)
{
	if (entry(p, fd))
		entry(p, fd)->since_ms = 0;
}
