/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the warden can still do when it has the packet filter. */
#include "server/warden_self.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/io/journal_file.h"
#include "server/io/sandbox.h"

int warden_confine(const struct ward *w, char *why, size_t size)
{
	/* an editor puts another file in the place of the old one: so what is read is the directory */
	char *real = realpath(w->settings->file, NULL), *where = real ? journal_file_directory(real) : NULL;
	const struct sandbox_path path = {where, SANDBOX_READ};
	/* all its netfilter sockets are open */
	const struct sandbox s = {.sockets = SANDBOX_UNIX | SANDBOX_ROUTE, .paths = &path, .paths_n = where != NULL};
	struct sandbox_state state;
	int error = 0;

	if (w->conf->process.sandbox)
		error = sandbox_enter(&s, &state, why, size);
	free(real);
	free(where);
	return error;
}
