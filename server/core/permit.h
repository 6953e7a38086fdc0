/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be changed in the packet filter, by the configuration alone: asked by the process that changes it of each
 * change, as the one that wants it may have been taken over by somebody who sent it a packet. It knows no leases, and
 * of rules only what does not depend on a host's interface and MAC address. Pure.
 */
#ifndef SERVER_CORE_PERMIT_H
#define SERVER_CORE_PERMIT_H

#include <stdbool.h>

#include "backends/mapping.h"
#include "conf/conf.h"

/* Where the addresses of a mapping are. */
struct permit_place {
	bool outside; /* the external address is one that its external gives */
	bool own;     /* the internal address is the router's */
	bool beyond;  /* the internal address is in the network of an interface that is outside, and not also inside */
};

/* True if the mapping is like one that a backend knows, whatever it is for. */
bool permit_sound(const struct conf *conf, const struct mapping *m);

/* Why a mapping that is sound may not be added, in words; NULL = it may. */
const char *permit_add(const struct conf *conf, const struct mapping *m, const struct permit_place *place);

/* Why the change may not be made; NULL = it may. Whatever is there may be taken away. A renewal is as an addition: new
 * kernels make what is to be renewed. */
const char *permit_change(const struct conf *conf, const struct change *c, const struct permit_place *place);

#endif
