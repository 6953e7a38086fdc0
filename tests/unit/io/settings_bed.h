/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory with a configuration in it, for processes that read it themselves. */
#ifndef TESTS_UNIT_IO_SETTINGS_BED_H
#define TESTS_UNIT_IO_SETTINGS_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/settings.h"

struct settings_bed {
	char directory[32], file[64];
	struct settings settings;
};

static inline void settings_bed_open(struct settings_bed *b)
{
	memset(b, 0, sizeof(*b));
	strcpy(b->directory, "/tmp/natpcpd-test-XXXXXX");
	assert_non_null(mkdtemp(b->directory));
	snprintf(b->file, sizeof(b->file), "%s/natpcpd.conf", b->directory);
	b->settings.file = b->file;
}

/* The directory must be empty but for the configuration. */
static inline void settings_bed_close(struct settings_bed *b)
{
	unlink(b->file);
	assert_int_equal(rmdir(b->directory), 0);
}

/* Writes the configuration, and reads it. The caller's. */
__attribute__((format(printf, 2, 3))) static inline struct conf *settings_bed_conf(const struct settings_bed *b,
										   const char *format, ...)
{
	char why[CONF_LOCATION_MAX];
	struct conf *conf;
	FILE *f = fopen(b->file, "w");
	va_list arguments;

	assert_non_null(f);
	va_start(arguments, format);
	vfprintf(f, format, arguments);
	va_end(arguments);
	assert_int_equal(fclose(f), 0);
	if (settings_read(&b->settings, &conf, why))
		fail_msg("%s", why);
	return conf;
}

#endif
