/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sockets that control.c listens on. */
#ifndef SERVER_IO_CONTROL_SOCKET_H
#define SERVER_IO_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

struct control_file {
	char *path;
	bool directory_made; /* of the socket, which was not there */
	bool bound;
	dev_t device; /* of the socket file, so that only our own is removed */
	ino_t inode;
};

/*
 * Listens on f->path, mode 0660; its directory is made if it lacks, a socket that nobody listens on any more is removed.
 * A descriptor; -EADDRINUSE if another server answers there, -EEXIST if a file that is no socket is in the way, or
 * another -errno.
 */
int control_socket_unix(struct control_file *f);
/* Removes the socket if it is still ours. */
void control_socket_remove(const struct control_file *f);
/* Listens on "ADDRESS:PORT" or "[ADDRESS]:PORT", nothing but loopback. A descriptor or -errno; *where is it in its shortest
 * form, malloc()ed. */
int control_socket_tcp(const char *address, char **where);

#endif
