/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text that grows. */
#ifndef SERVER_GROWN_H
#define SERVER_GROWN_H

#include <stdbool.h>
#include <stddef.h>

struct grown {
	char *v; /* n octets, without a NUL; the caller's to free */
	size_t n, room;
	bool failed; /* out of memory: what came after is not in it */
};

/* A json_dump_callback_t, among others; context is the struct grown. 0, or -1 if it failed. */
int grown_put(const char *piece, size_t size, void *context);
int grown_string(struct grown *t, const char *piece);
int grown_format(struct grown *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
