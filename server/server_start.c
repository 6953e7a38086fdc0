/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server_self.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backends/backend.h"
#include "backends/proxy.h"
#include "server/api.h"
#include "server/flows.h"
#include "server/history.h"
#include "server/hooks.h"
#include "server/io/control.h"
#include "server/io/listen.h"
#include "server/io/loop.h"
#include "server/io/privileges.h"
#include "server/io/route.h"
#include "server/io/wan.h"
#include "server/lookup.h"
#include "server/version.h"
#include "server/waiting.h"

static int failed(char why[SERVER_WHY_MAX], const char *what, int error)
{
	snprintf(why, SERVER_WHY_MAX, "%s: %s", what, strerror(-error));
	return SERVER_FAILED;
}

/* Sockets come first, though nothing is read from them before the loop runs: a second server ends here, before it
 * touches the packet filter of the first. */
static int start_sockets(struct server *s, char why[SERVER_WHY_MAX])
{
	int error = wan_open(&s->wan);

	if (!error)
		error = route_open(&s->route);
	if (error)
		return failed(why, "rtnetlink", error);
	error = server_hear(s);
	if (error)
		return failed(why, "event loop", error);
	error = listeners_apply(s->listeners, s->conf, s->wan);
	if (error)
		return failed(why, "a request socket could not be opened", error);
	if (*s->conf->control.socket &&
	    control_open(&s->control, s->loop, s->conf->control.socket, api_request, s, why, SERVER_WHY_MAX))
		return SERVER_FAILED;
	if (*s->conf->control.http &&
	    control_open_http(&s->http, s->loop, s->conf->control.http, api_request, s, why, SERVER_WHY_MAX))
		return SERVER_FAILED;
	return SERVER_DONE;
}

static int start_backend(struct server *s, char why[SERVER_WHY_MAX])
{
	int error;

	if (s->conf->backend.type == CONF_BACKEND_MEMORY) {
		error = backend_memory_open(&s->backend);
		if (!error)
			error = flows_open(&s->flows, s->loop, NULL, s->conf, waiting_answered, s->waiting);
		return error ? failed(why, "memory backend", error) : SERVER_DONE;
	}
	error = proxy_open(&s->proxy, &s->warden.ends, s->conf, why, SERVER_WHY_MAX);
	if (error == -ENOENT) {
		/* what the configuration names and the ruleset lacks is the configuration's fault */
		server_blame(s, s->conf, why, SERVER_WHY_MAX);
		return SERVER_USAGE;
	}
	if (error)
		return SERVER_FAILED;
	s->warden.ends = (struct proxy_ends){-1, -1, -1}; /* the proxy's now */
	s->backend = proxy_backend(s->proxy);
	server_warn(why);
	error = flows_open(&s->flows, s->loop, s->proxy, s->conf, waiting_answered, s->waiting);
	if (!error)
		error = lookup_open(&s->lookup, s->proxy);
	if (error)
		return failed(why, "the packet filter", error);
	flows_watch(s->flows, s->backend);
	return SERVER_DONE;
}

/* Nobody is heard before the packet filter has what was answered, and the journal says so. */
static int start_leases(struct server *s, char why[SERVER_WHY_MAX])
{
	const char *what;
	int error = history_open(&s->history, s->loop, s->backend, s->engine, s->conf, why, SERVER_WHY_MAX);

	if (error)
		return *why ? SERVER_FAILED : failed(why, "journal", error);
	error = server_adopt(s, &what);
	if (error)
		return failed(why, what, error);
	error = server_outside(s, true);
	if (error)
		return failed(why, "engine", error);
	for (; engine_walks(s->engine); server_round(s)) {
		loop_worked(s->loop);
		engine_tick(s->engine, loop_now_ms(s->loop), s->round);
	}
	loop_worked(s->loop);
	server_busy(s);
	engine_start(s->engine, loop_now_ms(s->loop), s->round);
	server_round(s);
	error = history_begin(s->history);
	return error ? failed(why, "journal", error) : SERVER_DONE;
}

static int start_engine(struct server *s, char why[SERVER_WHY_MAX])
{
	uint8_t seed[ENGINE_SEED_LENGTH];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return failed(why, "getrandom", -errno);
	s->round = round_new();
	s->engine = engine_new(s->conf, seed, loop_now_ms(s->loop));
	if (!s->round || !s->engine)
		return failed(why, "engine", -ENOMEM);
	if (s->conf->backend.type == CONF_BACKEND_NFTABLES && !proxy_maps_dccp(s->proxy)) {
		log_print(CONF_LOG_INFO, "protocol-unsupported", "dccp: this kernel does not track its ports");
		engine_without(s->engine, IPPROTO_DCCP);
	}
	return start_leases(s, why);
}

static int start_privileges(struct server *s, const struct privileges *p, char why[SERVER_WHY_MAX])
{
	int error;

	if (p->drop && s->control) {
		error = control_own(s->control, p->uid, p->gid);
		if (error)
			return failed(why, "the control socket could not be given away", error);
	}
	if (p->drop) {
		if (history_own(s->history, p->uid, p->gid, why, SERVER_WHY_MAX))
			log_print(CONF_LOG_WARNING, "journal", "%s", why);
	}
	/* threads have what they had when they began: those that come after this have less */
	history_rest(s->history);
	flows_rest(s->flows);
	if (privileges_drop(p, PRIVILEGES_PACKETS, why, SERVER_WHY_MAX))
		return SERVER_FAILED;
	/* what stands between the server and its sockets does what it likes */
	return !s->settings->between && confine_enter(&s->confine, s->conf, s->settings->file, p, why, SERVER_WHY_MAX)
		   ? SERVER_FAILED
		   : SERVER_DONE;
}

static int start(struct server *s, char why[SERVER_WHY_MAX])
{
	struct log_line l;
	int error, end;

	error = hooks_open(&s->hooks, s->loop, s->conf, s->runner.fd);
	if (error)
		return failed(why, "hooks", error);
	s->runner.fd = -1;
	end = start_sockets(s, why);
	if (!end)
		end = start_backend(s, why);
	if (!end)
		end = start_engine(s, why);
	if (!end) {
		error = server_events(s);
		if (error)
			end = failed(why, "event loop", error);
	}
	if (!end)
		end = start_privileges(s, &s->privileges, why);
	if (end)
		return end;
	log_begin(&l, CONF_LOG_INFO, "started");
	log_text(&l, "version", NATPCPD_VERSION);
	log_text(&l, "backend", s->backend->ops->name);
	log_number(&l, "sockets", listeners_count(s->listeners));
	log_end(&l);
	return SERVER_DONE;
}

/* Before there is anything that the others should not have. */
static int start_processes(struct server *s, char why[SERVER_WHY_MAX])
{
	int error;

	if (privileges_find(s->conf->process.user, s->conf->process.user_set, &s->privileges, why, SERVER_WHY_MAX))
		return SERVER_USAGE;
	if (s->privileges.absent)
		log_print(CONF_LOG_WARNING, "root-kept", "there is no user %s: natpcpd keeps running as root",
			  s->conf->process.user);
	if (s->conf->hooks_n > 0) {
		error = runner_start(&s->runner, s->settings, s->conf, &s->privileges);
		if (error)
			return failed(why, "a process for hooks", error);
	}
	if (s->conf->backend.type == CONF_BACKEND_MEMORY)
		return SERVER_DONE;
	error = warden_start(&s->warden, s->settings, s->conf, &s->privileges);
	return error ? failed(why, "a process for the packet filter", error) : SERVER_DONE;
}

int server_open(struct server **out, const struct settings *settings, struct conf *conf, char why[SERVER_WHY_MAX])
{
	struct server *s = calloc(1, sizeof(*s));
	int error, end;

	if (!s) {
		conf_free(conf);
		return failed(why, "start", -ENOMEM);
	}
	log_open(conf->log.level, conf->log.target);
	s->settings = settings;
	s->runner.fd = -1;
	server_use(s, conf);
	s->health.ok = true;
	end = start_processes(s, why);
	if (end) {
		server_close(s);
		return end;
	}
	s->loop = loop_new();
	s->events = s->loop ? events_new(s->loop, server_second, s) : NULL;
	if (s->events) {
		s->start_ms = loop_now_ms(s->loop);
		error = settings->between ? settings->between->open(settings->between->context, s->loop) : 0;
		end = error ? failed(why, "between", error) : start(s, why);
	} else {
		end = failed(why, "event loop", -ENOMEM);
	}
	if (end) {
		server_close(s);
		return end;
	}
	*out = s;
	return SERVER_DONE;
}
