/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/confine.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/io/journal_file.h"
#include "server/io/log.h"
#include "server/settings.h"

/* Address space of natpcpd itself, of its threads' stacks and of what the C library sets apart for them; and of a lease,
 * which takes 200 octets, or twice that while a table grows. A bound for a leak, not a measure: what it uses is much less. */
#define MEMORY_SELF   (512ULL << 20)
#define MEMORY_LEASE  1024ULL
#define MEMORY_FILTER 512ULL

static uint64_t memory_now(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long long pages = 0;

	if (f && fscanf(f, "%llu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Leases from before may be more than the limits allow now. */
static uint64_t memory(const struct confine *c, const struct conf *conf)
{
	return c->start + MEMORY_SELF + conf->limits.mappings * (MEMORY_LEASE + conf->limits.description_max) +
	       conf->limits.filters * MEMORY_FILTER;
}

/* The service manager's socket may be one without a file. */
static bool notifies_abstract(void)
{
	const char *name = getenv("NOTIFY_SOCKET");

	return name && *name == '@';
}

static void missing(struct confine *c, const char *what)
{
	size_t n = strlen(c->missing);

	if (what)
		snprintf(c->missing + n, sizeof(c->missing) - n, "%s%s", n ? "; " : "", what);
}

static void tell(const struct confine *c)
{
	struct log_line l;

	log_begin(&l, CONF_LOG_INFO, "sandbox");
	log_text(&l, "seccomp", c->state.filter ? "yes" : "no");
	log_number(&l, "landlock", (uint64_t)c->state.landlock);
	log_text(&l, "writable_code", c->state.no_code ? "refused" : c->state.filter ? "filtered" : "allowed");
	log_number(&l, "uid", c->uid);
	log_text(&l, "missing", *c->missing ? c->missing : NULL);
	log_end(&l);
}

static int enter(struct confine *c, const struct conf *conf, const char *file, char *why, size_t size)
{
	/* an editor puts another file in the place of the old one: so what is read is the directory */
	char *real = file ? realpath(file, NULL) : NULL, *where = real ? journal_file_directory(real) : NULL;
	char *journal = *conf->journal.path ? journal_file_directory(conf->journal.path) : NULL;
	char *control = *conf->control.socket ? journal_file_directory(conf->control.socket) : NULL;
	struct sandbox_path paths[3];
	struct sandbox s = {
	    .abstract = notifies_abstract(),
	    .sockets = SANDBOX_UDP | SANDBOX_UNIX | SANDBOX_ROUTE | SANDBOX_DIAG,
	    .paths = paths,
	};
	int error;

	json_object_seed(0); /* it would read /dev/urandom for it later */
	c->start = memory_now();
	s.memory = memory(c, conf);
	if (where)
		paths[s.paths_n++] = (struct sandbox_path){where, SANDBOX_READ};
	snprintf(c->journal, sizeof(c->journal), "%s", journal ? journal : "");
	if (journal)
		paths[s.paths_n++] = (struct sandbox_path){journal, SANDBOX_WRITE};
	if (control)
		paths[s.paths_n++] = (struct sandbox_path){control, SANDBOX_REMOVE};
	error = sandbox_enter(&s, &c->state, why, size);
	free(real);
	free(where);
	free(journal);
	free(control);
	return error;
}

int confine_enter(struct confine *c, const struct conf *conf, const char *file, const struct privileges *p, char *why,
		  size_t size)
{
	int error = 0;

	memset(c, 0, sizeof(*c));
	c->hooks = conf->hooks_n > 0;
	c->uid = (unsigned)geteuid();
	if (p->drop)
		snprintf(c->user, sizeof(c->user), "%s", conf->process.user);
	if (conf->process.sandbox)
		error = enter(c, conf, file, why, size);
	if (error)
		return error;
	missing(c, c->state.no_filter);
	missing(c, c->state.no_landlock);
	missing(c, c->state.no_no_code);
	if (!c->state.on)
		missing(c, "process { sandbox = false }");
	tell(c);
	return 0;
}

static int keep_journal(const struct confine *c, const struct conf *running, struct conf *wanted)
{
	char *where = *wanted->journal.path ? journal_file_directory(wanted->journal.path) : NULL;
	bool there = where && !strcmp(where, c->journal);
	char *copy;

	free(where);
	if (there || !*wanted->journal.path || !strcmp(running->journal.path, wanted->journal.path))
		return 0;
	copy = strdup(running->journal.path);
	if (!copy)
		return -ENOMEM;
	free(wanted->journal.path);
	wanted->journal.path = copy;
	settings_wait("journal.path");
	return 0;
}

int confine_keep(const struct confine *c, const struct conf *running, struct conf *wanted)
{
	if (!c->state.on)
		return 0;
	if (!c->hooks && wanted->hooks_n > 0) {
		settings_wait("hook.exec");
		for (size_t i = 0; i < wanted->hooks_n; i++)
			wanted->hooks[i].events = 0; /* nobody wants to know */
	}
	sandbox_memory(memory(c, wanted));
	return c->state.landlock ? keep_journal(c, running, wanted) : 0;
}
