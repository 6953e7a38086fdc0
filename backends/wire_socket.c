/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/wire_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { START = 16384 }; /* octets that are read at once: a whole message of most rounds */

int wire_send(int fd, const struct wire_buffer *b)
{
	size_t sent = 0;

	while (sent < b->length) {
		ssize_t n = send(fd, b->data + sent, b->length - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		sent += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int reserve(struct wire_buffer *b, size_t capacity)
{
	uint8_t *data;

	if (capacity <= b->capacity)
		return 0;
	data = realloc(b->data, capacity);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->capacity = capacity;
	return 0;
}

int wire_receive(int fd, struct wire_buffer *b, struct wire_head *h)
{
	size_t whole = sizeof(*h);
	int rc = reserve(b, START);

	b->length = 0;
	if (rc)
		return rc;
	while (b->length < whole) {
		ssize_t n = recv(fd, b->data + b->length, b->capacity - b->length, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != ECONNRESET ? -errno : -EPIPE;
		b->length += (size_t)n;
		if (whole > sizeof(*h) || b->length < sizeof(*h))
			continue;
		memcpy(h, b->data, sizeof(*h));
		if (h->length > WIRE_MAX)
			return -EBADMSG;
		whole += h->length;
		rc = reserve(b, whole);
		if (rc)
			return rc;
	}
	return b->length == whole ? 0 : -EBADMSG;
}
