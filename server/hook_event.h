/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a hook is told: an event that can wait, and the environment that it becomes. */
#ifndef SERVER_HOOK_EVENT_H
#define SERVER_HOOK_EVENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/core/round.h"

struct external;

enum {
	HOOK_NAME_MAX = 64,   /* octets of a section's name with its NUL */
	HOOK_WHY_MAX = 128,   /* what is longer is cut */
	HOOK_TEXT_MAX = 2048, /* of all variables together */
	HOOK_VARIABLES = 24,
	HOOK_VARIABLES_OURS = 1, /* the first ones, whose names do not begin with HOOK_PREFIX: PATH */
};

/* What has to be told in order: a mapping by its inside and its peer, or an external section, or all there is. */
struct hook_key {
	struct in6_addr address, remote_address;
	uint16_t port, remote_port;
	uint32_t protocol; /* beyond 255: no mapping */
};
_Static_assert(sizeof(struct hook_key) == 2 * sizeof(struct in6_addr) + 2 * sizeof(uint16_t) + sizeof(uint32_t),
	       "octets of no member");

/* It borrows nothing: the lease, and the configuration, may be gone when it is told. */
struct hook_event {
	enum conf_event what;
	struct hook_key key;
	struct in6_addr client; /* who is behind it; :: = nobody */
	struct round_event event;
	char rule[HOOK_NAME_MAX], why[HOOK_WHY_MAX];
	/* CONF_EVENT_EXTERNAL */
	char external[HOOK_NAME_MAX], interface[16];
	const char *state;
	struct in6_addr address; /* outside; or the one that is refused */
	bool has_address, refused;
};

/* Which event a hook would have to want. */
enum conf_event hook_event_of(const struct round_event *e);
const char *hook_event_name(enum conf_event what);

void hook_event_mapping(struct hook_event *v, const struct round_event *e);
void hook_event_external(struct hook_event *v, const struct conf_external *x, const struct external *o);
void hook_event_reload(struct hook_event *v);

#define HOOK_PREFIX "NATPCPD_"
#define HOOK_PATH   "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
struct hook_environment {
	char *variables[HOOK_VARIABLES + 1]; /* "NAME=value"; NULL behind the last */
	size_t n, length;
	char text[HOOK_TEXT_MAX];
};
/* For the hook of that name. What does not apply is not there; no value has control characters, and nothing that a client
 * can choose as a text is in any. */
void hook_environment(struct hook_environment *env, const struct hook_event *v, const char *hook);

#endif
