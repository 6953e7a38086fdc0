/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages over a stream socket that blocks. */
#ifndef BACKENDS_WIRE_SOCKET_H
#define BACKENDS_WIRE_SOCKET_H

#include "backends/wire.h"

/* Sends a message that was ended. 0 or -errno. */
int wire_send(int fd, const struct wire_buffer *b);

/* Waits for a message and puts it into the buffer, its head into *h; the body follows the head there. 0; -EPIPE if the
 * other end is gone; -EBADMSG if it is no message, or not the only one; -ENOMEM: then it was not read, and nothing more
 * can be. */
int wire_receive(int fd, struct wire_buffer *b, struct wire_head *h);

/* The body of a message in a buffer. */
static inline const uint8_t *wire_body(const struct wire_buffer *b)
{
	return b->data + sizeof(struct wire_head);
}

#endif
