/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/keep.h"
#include "server/io/log.h"

#define FILE_MAX (16U << 20) /* octets: whatever is longer is not a configuration */

/* The whole of a stream; *length octets, malloc()ed. */
static int stream_read(FILE *f, char **text, size_t *length)
{
	size_t room = 0, n = 0, got;
	char *buffer = NULL, *bigger;
	int error;

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
		errno = 0;
		got = fread(buffer + n, 1, room - n, f);
		error = errno; /* of a directory, for instance */
		n += got;
	} while (got);
	if (ferror(f)) {
		free(buffer);
		return error ? -error : -EIO;
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

/* Why a program cannot be run; NULL = it seems that it can. */
static const char *program_fault(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a file";
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? "is not executable" : NULL;
}

/* What the parser cannot know: whether the programs of hooks are there. */
static int hooks_check(const struct settings *s, const struct conf *conf, char why[CONF_LOCATION_MAX])
{
	for (size_t i = 0; i < conf->hooks_n; i++) {
		const struct conf_hook *h = &conf->hooks[i];
		const char *fault = program_fault(h->exec);

		if (!fault)
			continue;
		snprintf(why, CONF_LOCATION_MAX, "%.200s:%u: hook \"%s\": exec: \"%.100s\": %s", s->file, h->exec_line,
			 h->name, h->exec, fault);
		return -EINVAL;
	}
	return 0;
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
		error = hooks_check(s, *conf, why);
		if (error) {
			conf_free(*conf);
			*conf = NULL;
			return error;
		}
	}
	if (s->memory_backend)
		(*conf)->backend.type = CONF_BACKEND_MEMORY;
	if (s->nftables_backend)
		(*conf)->backend.type = CONF_BACKEND_NFTABLES;
	return 0;
}

void settings_wait(const char *key)
{
	struct log_line l;

	log_begin(&l, CONF_LOG_WARNING, "restart-needed");
	log_text(&l, "key", key);
	log_text(&l, "why", "this change takes effect when natpcpd is started anew");
	log_end(&l);
}

static void restart_needed(void *context, const struct schema_key *key)
{
	char name[64];

	(void)context;
	snprintf(name, sizeof(name), "%s.%s", schema_sections[key->section].name, key->name);
	settings_wait(name);
}

int settings_keep(const struct conf *running, struct conf *wanted)
{
	return keep_running(running, wanted, restart_needed, NULL);
}
