/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX	  "NATPCP_"
#define ROOM	  2048
#define PATH_ROOM 4096

extern char **environ;

bool hook_exists(const char *program)
{
	const char *at = getenv("PATH");
	char path[PATH_ROOM];

	if (strchr(program, '/'))
		return access(program, X_OK) == 0;
	while (at && *at) {
		size_t n = strcspn(at, ":");
		int length = snprintf(path, sizeof(path), "%.*s/%s", n ? (int)n : 1, n ? at : ".", program);

		if (length > 0 && (size_t)length < sizeof(path) && access(path, X_OK) == 0)
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

struct cursor {
	char *at, *end;
	size_t count;
	bool full;
};

__attribute__((format(printf, 3, 4))) static void put(struct cursor *c, const char *name, const char *format, ...)
{
	va_list ap;
	int n = snprintf(c->at, (size_t)(c->end - c->at), PREFIX "%s=", name), m;

	va_start(ap, format);
	m = n < c->end - c->at ? vsnprintf(c->at + n, (size_t)(c->end - c->at - n), format, ap) : 0;
	va_end(ap);
	if (n + m >= c->end - c->at) {
		c->full = true;
		c->at = c->end - 1;
		return;
	}
	c->at += n + m + 1;
	c->count++;
}

static void put_address(struct cursor *c, const char *name, const struct in6_addr *a)
{
	char t[CODEC_ADDRESS_TEXT];

	put(c, name, "%s", codec_is_unspecified(a) ? "" : codec_address_text(a, t));
}

/* A port that is not there is the empty string, as an address is. */
static void put_port(struct cursor *c, const char *name, uint16_t port, bool there)
{
	char t[8];

	snprintf(t, sizeof(t), "%u", port);
	put(c, name, "%s", there ? t : "");
}

size_t hook_environment(const struct hook_news *n, const struct hook_news *old, char *room, size_t capacity)
{
	struct cursor c = {.at = room, .end = room + capacity};
	bool outside = !codec_is_unspecified(&n->external_address) || n->external_port;
	const struct hook_news none = {0};
	char number[8];

	if (!old)
		old = &none;
	snprintf(number, sizeof(number), "%u", n->protocol);
	put(&c, "EVENT", "%s", n->event);
	put(&c, "VERSION", "%s", n->version == CODEC_VERSION_PCP ? "pcp" : "nat-pmp");
	put_address(&c, "GATEWAY", &n->gateway);
	put(&c, "PROTOCOL", "%s", codec_protocol_name(n->protocol) ? codec_protocol_name(n->protocol) : number);
	put_address(&c, "INTERNAL_ADDRESS", &n->internal_address);
	put_port(&c, "INTERNAL_PORT", n->internal_port, true);
	put(&c, "PORTS", "%u", n->ports);
	put_address(&c, "EXTERNAL_ADDRESS", &n->external_address);
	put_port(&c, "EXTERNAL_PORT", n->external_port, outside);
	put_address(&c, "OLD_EXTERNAL_ADDRESS", &old->external_address);
	put_port(&c, "OLD_EXTERNAL_PORT", old->external_port,
		 old->external_port || !codec_is_unspecified(&old->external_address));
	put(&c, "LIFETIME_S", "%u", n->lifetime_s);
	return c.full ? 0 : c.count;
}

/* The environment of this process without what looks like ours, and ours. To be freed. */
static char **environment(const struct hook_news *n, const struct hook_news *old, char *room)
{
	size_t ours = hook_environment(n, old, room, ROOM), theirs = 0, count = 0;
	char **all;

	while (environ[theirs])
		theirs++;
	all = calloc(theirs + ours + 1, sizeof(*all));
	if (!all)
		return NULL;
	for (size_t i = 0; i < theirs; i++)
		if (strncmp(environ[i], PREFIX, strlen(PREFIX)) != 0)
			all[count++] = environ[i];
	for (size_t i = 0; i < ours; i++) {
		all[count++] = room;
		room += strlen(room) + 1;
	}
	return all;
}

static char **arguments(const struct hook *h)
{
	size_t n = 0;
	char **all;

	while (h->arguments && h->arguments[n])
		n++;
	all = calloc(n + 2, sizeof(*all));
	if (!all)
		return NULL;
	all[0] = strdup(h->program);
	for (size_t i = 0; i < n; i++)
		all[1 + i] = h->arguments[i];
	return all;
}

/* Signals as they were before we caught them, nothing to read, and its output beside ours, which others may be parsing. */
static int spawn(struct hook *h, char **argv, char **env)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, stops;
	int rc;

	sigemptyset(&none);
	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGCHLD);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &stops);
	/* a group of its own: Ctrl-C is for us, who tell it that the mapping is gone */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawnp(&h->pid, h->program, &files, &attributes, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return rc;
}

static void run(struct hook *h)
{
	char room[ROOM];
	char **env = environment(&h->next, h->has_told ? &h->told : NULL, room), **argv = arguments(h);
	int rc = env && argv ? spawn(h, argv, env) : ENOMEM;

	if (argv)
		free(argv[0]);
	free(argv);
	free(env);
	if (rc) {
		h->pid = 0;
		fprintf(stderr, "natpcpc: cannot run %s: %s\n", h->program, strerror(rc));
	}
	h->told = h->next;
	h->has_told = true;
	h->pending = false;
}

/* What came and went while the program ran is no news. */
static bool is_old(const struct hook *h, const struct hook_news *n)
{
	return h->has_told && strcmp(n->event, "changed") == 0 && strcmp(h->told.event, "lost") != 0 &&
	       n->external_port == h->told.external_port &&
	       memcmp(&n->external_address, &h->told.external_address, sizeof(n->external_address)) == 0;
}

void hook_tell(struct hook *h, const struct hook_news *n)
{
	if (!h->program)
		return;
	h->next = *n;
	h->pending = true;
	if (h->pid == 0)
		run(h);
}

void hook_reap(struct hook *h)
{
	int status;

	if (h->pid == 0 || waitpid(h->pid, &status, WNOHANG) != h->pid)
		return;
	h->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		fprintf(stderr, "natpcpc: %s ended with %d\n", h->program, WEXITSTATUS(status));
	if (WIFSIGNALED(status))
		fprintf(stderr, "natpcpc: %s was ended by signal %d\n", h->program, WTERMSIG(status));
	if (h->pending && is_old(h, &h->next))
		h->pending = false;
	if (h->pending)
		run(h);
}
