/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that changes the packet filter, apart from the one that reads packets: it has the privilege for that, and
 * no other; it reads nothing but the questions of its one parent (backends/wire.h), the configuration, and what the
 * kernel says; and it makes no mapping that the configuration does not allow (server/core/permit.h).
 */
#ifndef SERVER_WARDEN_H
#define SERVER_WARDEN_H

#include <sys/types.h>

#include "backends/proxy.h"
#include "server/io/privileges.h"
#include "server/settings.h"

struct warden {
	struct proxy_ends ends; /* of the parent */
	pid_t pid;
};

/*
 * Starts it. It ends when the parent does, or asks for that. To be called while the process is small and has one thread:
 * what it has open, the child closes. 0 or -errno.
 */
int warden_start(struct warden *w, const struct settings *settings, struct conf *conf, const struct privileges *p);
/* Closes the ends, but for those that were set to -1 as somebody else has them, and waits for its end. */
void warden_wait(struct warden *w);

#endif
