/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (16U << 20) /* octets: whatever is longer is not a configuration */

/* The whole of a stream; *length octets, malloc()ed. */
static int stream_read(FILE *f, char **text, size_t *length)
{
	size_t room = 0, n = 0, got;
	char *buffer = NULL, *bigger;

	do {
		if (n == room) {
			room = room ? room * 2 : 16384;
			bigger = room > FILE_MAX ? NULL : realloc(buffer, room);
			if (!bigger) {
				free(buffer);
				return room > FILE_MAX ? -EFBIG : -ENOMEM;
			}
			buffer = bigger;
		}
		got = fread(buffer + n, 1, room - n, f);
		n += got;
	} while (got);
	if (ferror(f)) {
		free(buffer);
		return -EIO;
	}
	*text = buffer;
	*length = n;
	return 0;
}

static int file_read(const char *name, char **text, size_t *length)
{
	FILE *f = fopen(name, "re");
	int error;

	if (!f)
		return -errno;
	error = stream_read(f, text, length);
	fclose(f);
	return error;
}

int settings_read(const struct settings *s, struct conf **conf, char why[CONF_LOCATION_MAX])
{
	char *text = NULL;
	size_t length = 0;
	int error;

	if (!s->file) {
		*conf = conf_loopback(&s->listen, &s->external);
		if (!*conf) {
			snprintf(why, CONF_LOCATION_MAX, "out of memory");
			return -ENOMEM;
		}
	} else {
		error = file_read(s->file, &text, &length);
		if (error) {
			snprintf(why, CONF_LOCATION_MAX, "%.400s: cannot be read: %s", s->file, strerror(-error));
			return error;
		}
		*conf = conf_parse(text, length, s->file, why);
		free(text);
		if (!*conf)
			return -EINVAL;
	}
	if (s->memory_backend)
		(*conf)->backend.type = CONF_BACKEND_MEMORY;
	if (s->nftables_backend)
		(*conf)->backend.type = CONF_BACKEND_NFTABLES;
	return 0;
}
