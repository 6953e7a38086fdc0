/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration as the command line and the file give it together. */
#ifndef SERVER_SETTINGS_H
#define SERVER_SETTINGS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "conf/conf.h"
#include "server/between.h"

struct settings {
	const char *file; /* NULL: the built-in configuration of -l */
	struct in6_addr listen, external;
	bool memory_backend;	       /* -b memory */
	bool nftables_backend;	       /* -b nftables */
	bool clear_on_exit;	       /* -x */
	const struct between *between; /* NULL: the sockets alone */
};

/* Reads and parses. 0; or -EINVAL, or the -errno of reading the file, with "file:line: key: why" or "file: why" in why. */
int settings_read(const struct settings *s, struct conf **conf, char why[CONF_LOCATION_MAX]);

/* On a reload: what takes a restart to change stays in wanted as it is in running, with a log line for each key.
 * 0 or -ENOMEM. */
int settings_keep(const struct conf *running, struct conf *wanted);
/* Logs that a key of a new configuration, "journal.path", counts from the next start on. */
void settings_wait(const char *key);

#endif
