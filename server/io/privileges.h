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

/*
 * Becomes that user, keeping CAP_NET_ADMIN for the packet filter and what this kernel asks for to open the request
 * sockets anew, and gives up gaining privileges ever again. 0 or -errno with one line in why.
 */
int privileges_drop(const struct privileges *p, char *why, size_t size);

#endif
