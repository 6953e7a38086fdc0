/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text is read as a miniupnpd.conf, and what comes of it is a configuration that natpcpd takes. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "server/natpcpctl_import_read.h"
#include "server/natpcpctl_import_write.h"
#include "tests/unit/io/import_interfaces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	char why[CONF_LOCATION_MAX], *text;
	struct import x;
	struct conf *c;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	if (!out || !import_read(&x, (const char *)data, length, find))
		abort();
	import_write(out, &x, "miniupnpd.conf");
	import_clear(&x);
	if (fclose(out))
		abort();
	c = conf_parse(text, n, "out", why);
	if (!c)
		abort();
	conf_free(c);
	free(text);
	return 0;
}
