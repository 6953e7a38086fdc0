/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server: the engine, a backend and the sockets put together. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "server/core/engine.h"
#include "server/io/journal.h"
#include "server/settings.h"

#define SERVER_WHY_MAX CONF_LOCATION_MAX

/* What the programs exit with. */
enum { SERVER_DONE = 0, SERVER_FAILED = 1, SERVER_USAGE = 2 };

struct server;

/*
 * Starts: sockets, packet filter, what it holds, outside addresses, privileges. Takes conf over, in any case; borrows
 * settings. Nobody is answered before server_run(). SERVER_DONE; or another exit code with one line in why.
 */
int server_open(struct server **s, const struct settings *settings, struct conf *conf, char why[SERVER_WHY_MAX]);
/* Serves until SIGTERM or SIGINT. Returns an exit code. */
int server_run(struct server *s);
/* Ends: mappings stay in the packet filter unless the settings or the configuration say otherwise. */
void server_close(struct server *s);

/* What the control socket needs. */

uint64_t server_now_ms(const struct server *s);
const struct engine *server_engine(const struct server *s);
const struct conf *server_conf(const struct server *s);

struct server_status {
	uint64_t up_s;
	const char *backend;
	uint64_t datagrams;    /* received */
	uint64_t drop_address; /* of them, to no address of the interface they came in on */
	uint64_t drop_source;  /* of them, from a subnet of another interface */
	uint64_t drop_full;    /* of them, because too many wait */
	uint64_t replies;
	uint64_t send_failures;
	uint64_t backend_failures;
	uint64_t flow_searches;
	uint64_t ruleset_looks; /* because others changed it */
	uint64_t reloads;
	const char *reload_error; /* why the last reload failed; "" if it did not */
};
void server_status(const struct server *s, struct server_status *status);
/* Whether the packet filter does what it is told. */
struct server_health {
	bool ok;		 /* the last time it did */
	int last_error;		 /* -errno of the last failure; 0: there was none */
	uint64_t last_failure_s; /* how long ago */
	uint64_t reinstalls;	 /* others had removed the mappings */
};
void server_health(const struct server *s, struct server_health *health);
struct meter;
const struct meter *server_meter(const struct server *s);
struct confine;
const struct confine *server_confine(const struct server *s);
struct events;
struct events *server_events_of(struct server *s);
struct hooks;
const struct hooks *server_hooks(const struct server *s);
/* False: there is no journal. */
bool server_journal(const struct server *s, struct journal_stats *stats);
/* The outside addresses of an external (index into conf.externals); valid until the loop goes on. */
size_t server_external(const struct server *s, size_t external, const struct in6_addr **v);
/* All that is known of them, and for how many seconds they have been there; NULL: nothing. */
struct external;
const struct external *server_external_state(const struct server *s, size_t external, uint64_t *since_s);
/* The addresses of an interface of this machine, up to n. Returns how many. */
size_t server_interface(const struct server *s, const char *name, struct in6_addr *v, size_t n);
/* How many request sockets a listen section has. */
size_t server_sockets(const struct server *s, size_t listen);

/* Fills in by which interface the client asks, if the question does not say, and its link-layer address. */
void server_locate(struct server *s, struct engine_question *q);

/* Reads the configuration anew. 0; or -errno with one line in why (size octets), and the old one stays. */
int server_reload(struct server *s, char *why, size_t size);

/* Which leases are to end. Static mappings never do. */
struct server_revocation {
	bool client_set, external_set;
	struct in6_addr client;		  /* client_set */
	struct in6_addr external_address; /* external_set */
	uint8_t protocol;		  /* 0: all */
	uint16_t external_port;		  /* 0: all */
	bool wildcard;			  /* only the mapping of all ports of the protocol, or of all protocols if 0 */
	const char *rule;		  /* NULL: all */
	uint32_t cursor;		  /* where the walk stands; 0 at first */
};
/* Looks at the next part of the leases, ends those that match and adds their number to *ended. True if there is more. */
bool server_revoke(struct server *s, struct server_revocation *r, size_t *ended);

#endif
