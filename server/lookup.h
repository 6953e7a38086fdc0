/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks up in the packet filter what the engine has to know of a request's flow. */
#ifndef SERVER_LOOKUP_H
#define SERVER_LOOKUP_H

#include "server/core/engine.h"

struct lookup;
struct proxy;

/* Asks by a proxy, which is borrowed. 0 or -ENOMEM. */
int lookup_open(struct lookup **l, struct proxy *proxy);
/* NULL is allowed. */
void lookup_close(struct lookup *l);
/* Fills in d->flow if the engine asks for it. A NULL l knows of no flow. What fails is logged. */
void lookup_flow(struct lookup *l, const struct engine *e, struct engine_datagram *d, uint64_t now_ms);

#endif
