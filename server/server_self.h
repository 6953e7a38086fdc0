/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server is made of, for the files that are the server. */
#ifndef SERVER_SERVER_SELF_H
#define SERVER_SERVER_SELF_H

#include "server/confine.h"
#include "server/events.h"
#include "server/io/busy.h"
#include "server/io/log.h"
#include "server/meter.h"
#include "server/replies.h"
#include "server/report.h"
#include "server/runner.h"
#include "server/server.h"
#include "server/warden.h"

enum {
	SERVER_RETRY_MS = 1000,		/* until links and addresses that could not be read are looked at again */
	SERVER_LISTEN_RETRY_MS = 10000, /* until a socket that could not be opened is tried again */
};

struct server {
	const struct settings *settings;
	struct conf *conf;
	struct loop *loop;
	struct loop_event *tick, *wan_readable, *wan_settled, *signals[3];
	struct wan *wan;
	struct listeners *listeners;
	struct udp_inbox *inbox;
	struct runner runner;
	struct warden warden;
	struct proxy *proxy; /* to the packet filter; NULL: there is none */
	struct backend *backend;
	struct loop_event *warden_gone;
	bool failed;	       /* it has to be started anew */
	struct lookup *lookup; /* NULL: there is no packet filter */
	struct flows *flows;
	struct waiting *waiting;
	struct guard *guard;
	struct history *history;
	struct hooks *hooks;
	struct engine *engine;
	struct round *round;
	struct control *control, *http; /* on the unix socket, on a loopback address; NULL = none */
	struct busy busy;
	struct route *route;
	uint64_t busy_next_ms;
	struct watchdog *watchdog;  /* NULL: nobody wants to know */
	struct external *externals; /* by index of conf.externals */
	size_t externals_n;
	bool macs;    /* a rule asks for them */
	bool crowded; /* what is served now came with too much else */
	uint64_t start_ms;
	struct server_status status;
	char reload_error[SERVER_WHY_MAX];
	struct report report;
	struct replies_count replies;
	struct events *events;
	struct meter meter;
	struct histogram second; /* what meter.request_us was when the last second of events_stats_fn began */
	struct server_health health;
	struct confine confine;
	uint64_t failed_ms; /* when the packet filter last did */
	struct privileges privileges;
	struct log_limit quiet_backend, quiet_busy, quiet_send, quiet_receive;
};

/* server.c: the one way in which the packet filter is changed and anybody is answered. */
void server_round(struct server *s);
/* Reads the gateway's own ports, if that was not just done. */
void server_busy(struct server *s);
/* Tells the engine of all outside addresses, or only of those that changed. 0 or -errno. */
int server_outside(struct server *s, bool always);
/* Makes what requests come in by; no socket is opened. 0 or -errno. */
int server_hear(struct server *s);
/* Makes the loop call the server for all else. 0 or -errno. */
int server_events(struct server *s);

/* server_control.c: an events_stats_fn; context is the server. */
void server_second(void *context, struct event_stats *stats);
/* An external has other addresses than before. */
void server_tell_external(struct server *s, size_t external);

/* server_adopt.c: from engine_adopt() to engine_end_over(), as engine.h has them; all rounds are finished. 0; or -errno, and
 * *what says of what. */
int server_adopt(struct server *s, const char **what);

/* server_reload.c: from now on conf holds, which is taken over; the one before is not freed. */
void server_use(struct server *s, struct conf *conf);
/* Puts before a reason where the forward chains stand in conf: only the packet filter could find that one is not there. */
void server_blame(const struct server *s, const struct conf *conf, char *why, size_t size);
/* What a backend has to say though it works, if anything. */
void server_warn(const char *why);

#endif
