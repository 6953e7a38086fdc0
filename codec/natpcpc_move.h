/* SPDX-License-Identifier: MIT */
/* A host that moves: its address or its default gateway changes while natpcpc --keep stays. */
#ifndef NATPCP_NATPCPC_MOVE_H
#define NATPCP_NATPCPC_MOVE_H

#include "codec/natpcpc.h"

/* Opens a socket that hears of changed addresses and routes; 0 or -errno. As a conn, so that it can be waited for. */
int move_watch(struct conn *watch);
/* Takes what has come. True if something may have changed. */
bool move_heard(const struct conn *watch);

/*
 * Looks whom a session has to ask now, and from which address. Where that has changed it begins anew there: the mapping is
 * another one. Where not, what got no answer is asked again.
 */
void move_follow(struct app *a, struct session *s);

#endif
