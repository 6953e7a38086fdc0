/* SPDX-License-Identifier: MIT */
/*
 * --exec: a program that is told when what the outside sees of a mapping changes. It is run without a shell, at most one at
 * a time for each mapping, and nobody waits for it: what happens meanwhile is told, as one piece of news, when it has ended.
 */
#ifndef NATPCP_NATPCPC_HOOK_H
#define NATPCP_NATPCPC_HOOK_H

#include <sys/types.h>

#include "codec/codec.h"

/* What the program finds in its environment. */
struct hook_news {
	const char *event; /* mapped, changed, lost, unmapped */
	enum codec_version version;
	struct in6_addr gateway;
	uint8_t protocol;
	struct in6_addr internal_address, external_address; /* unspecified = not known, or there is none */
	uint16_t internal_port, external_port, ports;
	uint32_t lifetime_s;
};

struct hook {
	const char *program;
	char **arguments; /* NULL-terminated, without the program's name */
	pid_t pid;	  /* 0 = does not run */
	bool pending;
	struct hook_news next, told;
	bool has_told;
};

/* Whether there is such a program: a path, or a name that PATH finds. */
bool hook_exists(const char *program);

/* Runs the program with this, now or when it has ended. */
void hook_tell(struct hook *h, const struct hook_news *n);

/* Looks whether the program has ended; to be called after each wait. */
void hook_reap(struct hook *h);

/*
 * What hook_tell() gives the program, as NAME=VALUE strings into room, one after the other; old is what was told before,
 * or NULL. Returns how many, 0 if they do not fit.
 */
size_t hook_environment(const struct hook_news *n, const struct hook_news *old, char *room, size_t capacity);

#endif
