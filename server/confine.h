/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What natpcpd's process may still do when it has started, as its configuration says: see server/io/sandbox.h. */
#ifndef SERVER_CONFINE_H
#define SERVER_CONFINE_H

#include "conf/conf.h"
#include "server/io/privileges.h"
#include "server/io/sandbox.h"

struct confine {
	struct sandbox_state state;
	bool hooks;	    /* there is a process that runs their programs */
	char journal[4096]; /* the directory of its files, "" = none at the start */
	uint64_t start;	    /* octets of address space at the start */
	char user[33];	    /* that was become; "" = nobody */
	unsigned uid;	    /* that it is */
	char missing[256];  /* what does not hold of it, and why; "" = nothing */
};

/* Enters the sandbox, unless the configuration turns it off, and logs what holds. file: the configuration is there, NULL =
 * nowhere. 0 or -errno with one line in why. */
int confine_enter(struct confine *c, const struct conf *conf, const char *file, const struct privileges *p, char *why,
		  size_t size);

/* Before another configuration is taken over: what it would need and cannot have any more is left as it is until a start,
 * and logged. Does nothing without a sandbox. 0 or -ENOMEM. */
int confine_keep(const struct confine *c, const struct conf *running, struct conf *wanted);

#endif
