/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving up root. */
#ifndef SERVER_IO_PRIVILEGES_H
#define SERVER_IO_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
	bool drop;   /* there is somebody to become */
	bool absent; /* there would be, but the user does not exist and was not named */
	uid_t uid;
	gid_t gid;
};

/*
 * Finds out whom to become: nobody if user is "" or natpcpd was not started as root. A user that does not exist is
 * -ENOENT if named, that is the operator's choice. 0 or -errno with one line in why.
 */
int privileges_find(const char *user, bool named, struct privileges *p, char *why, size_t size);

/* What a process is for. */
enum privileges_role {
	PRIVILEGES_PACKETS, /* keeps what this kernel asks for to open the request sockets anew, which mostly is nothing */
	PRIVILEGES_NONE,    /* keeps nothing */
	PRIVILEGES_FILTER, /* keeps CAP_NET_ADMIN, for the packet filter */
};

/*
 * Becomes that user, keeping only that, and gives up gaining privileges ever again. Who stays root by the operator's choice
 * keeps all that root has. 0 or -errno with one line in why.
 */
int privileges_drop(const struct privileges *p, enum privileges_role role, char *why, size_t size);

/* True if this process may change the packet filter. */
bool privileges_have_filter(void);

#endif
