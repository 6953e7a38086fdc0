/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backends/backend.h"
#include "codec/codec.h"
#include "server/api.h"
#include "server/external.h"
#include "server/flows.h"
#include "server/guard.h"
#include "server/history.h"
#include "server/io/busy.h"
#include "server/io/control.h"
#include "server/io/listen.h"
#include "server/io/log.h"
#include "server/io/loop.h"
#include "server/io/neighbour.h"
#include "server/io/notify.h"
#include "server/io/privileges.h"
#include "server/io/route.h"
#include "server/io/udp.h"
#include "server/io/wan.h"
#include "server/lookup.h"
#include "server/replies.h"
#include "server/report.h"
#include "server/version.h"
#include "server/waiting.h"

#define BUSY_MS		1000  /* the gateway's own ports are read at most so often */
#define SETTLE_MS	50    /* changes of links and addresses are waited for so long, as they come in groups */
#define RETRY_MS	1000  /* until links and addresses that could not be read are looked at again */
#define LISTEN_RETRY_MS 10000 /* until a socket that could not be opened is tried again */
#define REVOKE_LOOK	4096  /* leases looked at in one step of a revocation */
#define REVOKE_END	64    /* leases ended in one step */

struct server {
	const struct settings *settings;
	struct conf *conf;
	struct loop *loop;
	struct loop_event *tick, *wan_readable, *wan_settled, *signals[3];
	struct wan *wan;
	struct listeners *listeners;
	struct udp_inbox *inbox;
	struct backend *backend;
	struct lookup *lookup; /* NULL: there is no packet filter */
	struct flows *flows;
	struct waiting *waiting;
	struct guard *guard;
	struct history *history;
	struct engine *engine;
	struct round *round;
	struct control *control;
	struct busy busy;
	struct route *route;
	uint64_t busy_next_ms;
	struct external *externals; /* by index of conf.externals */
	size_t externals_n;
	bool macs; /* a rule asks for them */
	uint64_t start_ms;
	struct server_status status;
	char reload_error[SERVER_WHY_MAX];
	struct report report;
	struct replies_count replies;
	struct log_limit quiet_backend, quiet_busy, quiet_send, quiet_receive;
};

/* The one way in which the packet filter is changed and anybody is answered. */
static void round_finish(struct server *s)
{
	uint64_t now_ms = loop_now_ms(s->loop), failed = s->replies.failed_answers;
	size_t n;
	struct change *changes = round_changes(s->round, &n);
	const struct round_reply *replies;
	const struct round_event *events;
	int error = n ? s->backend->ops->commit(s->backend, changes, n) : 0;

	if (error) {
		s->status.backend_failures++;
		guard_later(s->guard);
		if (log_limit_pass(&s->quiet_backend, now_ms, NULL))
			log_print(CONF_LOG_ERROR, "backend-failed", "%s: %s", s->backend->ops->name, strerror(-error));
	}
	engine_settle(s->engine, now_ms, s->round);
	history_take(s->history, s->round, now_ms);
	flows_take(s->flows, s->round);
	events = round_events(s->round, &n);
	report_events(&s->report, events, n, now_ms);
	replies = round_replies(s->round, &n);
	replies_send(replies, n, s->listeners, s->wan, &s->replies);
	round_clear(s->round);
	if (s->replies.failed_answers != failed && log_limit_pass(&s->quiet_send, now_ms, NULL))
		log_print(CONF_LOG_WARNING, "send-failed", "%s", strerror(-s->replies.error));
}

/* Requests */

static void busy_refresh(struct server *s)
{
	uint32_t interfaces[16];
	size_t n = 0;
	int error;

	if (loop_now_ms(s->loop) < s->busy_next_ms)
		return;
	s->busy_next_ms = loop_now_ms(s->loop) + BUSY_MS;
	for (size_t i = 0; i < s->conf->externals_n && n < sizeof(interfaces) / sizeof(interfaces[0]); i++) {
		interfaces[n] = wan_ifindex(s->wan, s->conf->externals[i].interface);
		n += interfaces[n] != 0;
	}
	error = busy_read(&s->busy, interfaces, n);
	if (!error)
		error = engine_busy(s->engine, s->busy.v, s->busy.n);
	if (error && log_limit_pass(&s->quiet_busy, loop_now_ms(s->loop), NULL))
		log_print(CONF_LOG_WARNING, "own-ports-unknown", "sock_diag: %s", strerror(-error));
}

/* Only what came to an address of the interface it came in on, from where its source belongs (RFC 6886 3.3, 6887 8.2). */
static bool eligible(struct server *s, const struct listener *l, const struct udp_datagram *d)
{
	enum route_answer answer;

	if (l->address_only ? memcmp(&d->destination, &l->address, sizeof(l->address)) != 0
			    : !wan_has(s->wan, d->ifindex, &d->destination)) {
		s->status.drop_address++;
		report_dropped(&s->report.address, d, l->interface, "not an address of this interface",
			       loop_now_ms(s->loop));
		return false;
	}
	if (l->address_only || wan_on_link(s->wan, d->ifindex, &d->source))
		return true;
	answer = route_leads(s->route, &d->source, d->ifindex, loop_now_ms(s->loop));
	if (answer == ROUTE_THERE)
		return true;
	s->status.drop_source++;
	report_dropped(&s->report.side, d, l->interface,
		       answer == ROUTE_ELSEWHERE ? "the way back to the source is another interface"
						 : "too many sources to look up the way back to each",
		       loop_now_ms(s->loop));
	return false;
}

static void request(struct server *s, const struct listener *l, const struct udp_datagram *u)
{
	struct engine_datagram d = {
	    .data = u->data,
	    .length = u->length,
	    .source = u->source,
	    .destination = u->destination,
	    .source_port = u->source_port,
	    .listen = l->listen,
	    .ifindex = u->ifindex,
	    .interface = l->interface,
	};

	/* each of these is a question to the kernel, which a flood cannot ask */
	if (engine_hears(s->engine, &u->source, loop_now_ms(s->loop))) {
		if (s->macs)
			d.mac_known = neighbour_mac(u->ifindex, &u->source, &d.mac) == 0;
		if (waiting_takes(s->waiting, s->flows, s->engine, u, &d, loop_now_ms(s->loop)))
			return;
		lookup_flow(s->lookup, s->engine, &d, loop_now_ms(s->loop));
	}
	engine_request(s->engine, &d, loop_now_ms(s->loop), s->round);
}

static void readable(void *context, const struct listener *l)
{
	struct server *s = context;
	const struct udp_datagram *v = NULL;
	int n = udp_receive(s->inbox, l->fd, &v);

	if (n <= 0) {
		if (n < 0 && log_limit_pass(&s->quiet_receive, loop_now_ms(s->loop), NULL))
			log_print(CONF_LOG_WARNING, "receive-failed", "%s: %s", l->interface, strerror(-n));
		return;
	}
	busy_refresh(s);
	s->status.datagrams += (unsigned)n;
	for (int i = 0; i < n; i++) {
		if (eligible(s, l, &v[i]))
			request(s, l, &v[i]);
	}
	round_finish(s);
}

/* A request that waited. The sections may have other numbers by now, so its socket says which is its. */
static void again(void *context, const struct udp_datagram *u)
{
	struct server *s = context;

	for (size_t i = 0; i < listeners_count(s->listeners); i++) {
		const struct listener *l = listeners_at(s->listeners, i);

		if (l->ipv6 == !codec_is_v4(&u->source) &&
		    (l->address_only ? memcmp(&l->address, &u->destination, sizeof(l->address)) == 0
				     : l->ifindex == u->ifindex)) {
			if (eligible(s, l, u))
				request(s, l, u);
			return;
		}
	}
}

static void finish_waiting(void *context)
{
	round_finish(context);
}

/* Time */

static void tick(void *context)
{
	struct server *s = context;

	engine_tick(s->engine, loop_now_ms(s->loop), s->round);
	round_finish(s);
}

/* The end of a wake-up: whatever it did may have changed when the engine wants to be called. */
static void woken(void *context)
{
	struct server *s = context;

	loop_timer_set(s->tick, engine_deadline(s->engine));
}

/* Outside addresses */

/* Tells the engine of one external, if there is news or always. */
static int external_apply(struct server *s, size_t i, bool always)
{
	struct external *o = &s->externals[i];
	uint64_t again_ms;
	int news = external_read(o, &s->conf->externals[i], s->wan, always, loop_now_ms(s->loop), &again_ms);

	if (s->wan_settled)
		loop_timer_by(s->wan_settled, again_ms);
	if (news < 0 || (!news && !always))
		return news;
	engine_wan(s->engine, i, o->v, o->n, loop_now_ms(s->loop), s->round);
	round_finish(s);
	return 0;
}

static void external_forget(struct server *s)
{
	for (size_t i = 0; i < s->externals_n; i++)
		external_clear(&s->externals[i]);
	free(s->externals);
	s->externals = NULL;
	s->externals_n = 0;
}

static int external_apply_all(struct server *s, bool always)
{
	int error = 0;

	if (s->externals_n != s->conf->externals_n)
		external_forget(s);
	if (!s->externals) {
		s->externals = calloc(s->conf->externals_n, sizeof(*s->externals));
		if (!s->externals)
			return -ENOMEM;
		s->externals_n = s->conf->externals_n;
	}
	for (size_t i = 0; !error && i < s->externals_n; i++)
		error = external_apply(s, i, always);
	return error;
}

static void wan_readable(void *context)
{
	struct server *s = context;

	/* later messages do not put it off, so that a stream of them cannot delay it */
	if (wan_drain(s->wan))
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) + SETTLE_MS);
}

static void wan_settled(void *context)
{
	struct server *s = context;
	int error = wan_refresh(s->wan), listen_error = listeners_apply(s->listeners, s->conf, s->wan);
	int external_error = external_apply_all(s, false);

	if (error < 0)
		log_print(CONF_LOG_WARNING, "interfaces-unknown", "rtnetlink: %s", strerror(-error));
	if (error < 0 || external_error)
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) + RETRY_MS);
	if (listen_error)
		loop_timer_by(s->wan_settled,
			      loop_now_ms(s->loop) + (listen_error == -ENOMEM ? RETRY_MS : LISTEN_RETRY_MS));
}

/* Somebody else removed the mappings. */
static void lost(void *context)
{
	struct server *s = context;

	engine_reinstall(s->engine, loop_now_ms(s->loop), s->round);
	round_finish(s);
}

/* Reload */

/* Puts before a reason where the forward chain stands in the configuration: only the packet filter could find it. */
static void locate(const struct server *s, const struct conf *conf, char *why, size_t size)
{
	char where[SERVER_WHY_MAX];

	if (!s->settings->file)
		return;
	snprintf(where, sizeof(where), "%.400s:%u: ", s->settings->file, conf->backend.forward_line);
	strncat(where, why, sizeof(where) - strlen(where) - 1);
	snprintf(why, size, "%s", where);
}

static bool rules_have_macs(const struct conf *conf)
{
	for (size_t i = 0; i < conf->rules_n; i++) {
		if (conf->rules[i].macs.n)
			return true;
	}
	return false;
}

/* What a backend has to say though it works. */
static void warn(const char *why)
{
	if (*why)
		log_print(CONF_LOG_WARNING, "ruleset-drops", "%s", why);
}

static int reload_apply(struct server *s, struct conf *wanted, char *why, size_t size)
{
	struct conf *old = s->conf;
	char again[SERVER_WHY_MAX];
	int error = s->backend->ops->reload(s->backend, wanted, why, size);

	if (error) { /* whatever it had taken over of wanted by then must not be used any more */
		s->backend->ops->reload(s->backend, old, again, sizeof(again));
		return error;
	}
	warn(why);
	/* what cannot be opened is logged, and is tried again */
	if (listeners_apply(s->listeners, wanted, s->wan))
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) + LISTEN_RETRY_MS);
	error = engine_reload(s->engine, wanted, loop_now_ms(s->loop), s->round);
	if (error) {
		snprintf(why, size, "%s", strerror(-error));
		listeners_apply(s->listeners, old, s->wan);
		s->backend->ops->reload(s->backend, old, again, sizeof(again));
		return error;
	}
	s->conf = wanted;
	s->macs = rules_have_macs(wanted);
	round_finish(s);
	if (external_apply_all(s, true))
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) + RETRY_MS);
	if (history_reload(s->history, wanted))
		log_print(CONF_LOG_WARNING, "journal", "%s", strerror(ENOMEM));
	log_open(wanted->log.level, wanted->log.target);
	conf_free(old);
	return 0;
}

int server_reload(struct server *s, char *why, size_t size)
{
	struct conf *wanted;
	char parse[CONF_LOCATION_MAX];
	struct log_line l;
	int error;

	notify_reloading();
	error = settings_read(s->settings, &wanted, parse);
	if (error) {
		snprintf(why, size, "%s", parse);
	} else {
		error = settings_keep(s->conf, wanted);
		if (error)
			snprintf(why, size, "%s", strerror(-error));
		else
			error = reload_apply(s, wanted, why, size);
		if (error == -ENOENT)
			locate(s, wanted, why, size);
		if (error)
			conf_free(wanted);
	}
	snprintf(s->reload_error, sizeof(s->reload_error), "%s", error ? why : "");
	if (error) {
		log_print(CONF_LOG_ERROR, "reload-failed", "%s", why);
	} else {
		s->status.reloads++;
		log_begin(&l, CONF_LOG_INFO, "reloaded");
		log_text(&l, "file", s->settings->file ? s->settings->file : "built in");
		log_end(&l);
	}
	notify("READY=1");
	return error;
}

static void hangup(void *context)
{
	struct server *s = context;
	char why[SERVER_WHY_MAX];

	server_reload(s, why, sizeof(why));
}

static void terminate(void *context)
{
	struct server *s = context;

	loop_stop(s->loop);
}

/* Start and end */

struct adoption {
	struct server *s;
	int error;
	bool any;
};

static void adopt(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct adoption *a = context;
	struct server *s = a->s;
	int error = engine_adopt(s->engine, m, remaining_ms, loop_now_ms(s->loop), s->round);

	a->any = true;
	if (error)
		a->error = error;
}

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
	s->inbox = udp_inbox_new();
	s->listeners = listeners_new(s->loop, readable, s);
	if (!s->inbox || !s->listeners)
		return failed(why, "sockets", -ENOMEM);
	error = listeners_apply(s->listeners, s->conf, s->wan);
	if (error)
		return failed(why, "a request socket could not be opened", error);
	if (*s->conf->control.socket &&
	    control_open(&s->control, s->loop, s->conf->control.socket, api_request, s, why, SERVER_WHY_MAX))
		return SERVER_FAILED;
	return SERVER_DONE;
}

static int start_backend(struct server *s, char why[SERVER_WHY_MAX])
{
	int error = waiting_open(&s->waiting, s->loop, again, finish_waiting, s);

	if (error)
		return failed(why, "event loop", error);
	error = flows_open(&s->flows, s->loop, s->conf, waiting_answered, s->waiting);
	if (error)
		return failed(why, "ctnetlink", error);

	if (s->conf->backend.type == CONF_BACKEND_MEMORY) {
		error = backend_memory_open(&s->backend);
		return error ? failed(why, "memory backend", error) : SERVER_DONE;
	}
	error = lookup_open(&s->lookup);
	if (error)
		return failed(why, "ctnetlink", error);
	error = backend_nft_open(&s->backend, s->conf, why, SERVER_WHY_MAX);
	if (!error) {
		flows_watch(s->flows, s->backend);
		warn(why);
		return SERVER_DONE;
	}
	if (error != -ENOENT)
		return SERVER_FAILED;
	/* what the configuration names and the ruleset lacks is the configuration's fault */
	locate(s, s->conf, why, SERVER_WHY_MAX);
	return SERVER_USAGE;
}

/* Nobody is heard before the packet filter has what was answered, and the journal says so. */
static int start_leases(struct server *s, char why[SERVER_WHY_MAX])
{
	struct adoption a = {.s = s};
	int error = history_open(&s->history, s->loop, s->engine, s->conf, why, SERVER_WHY_MAX);

	if (error)
		return *why ? SERVER_FAILED : failed(why, "journal", error);
	error = s->backend->ops->list(s->backend, adopt, &a);
	if (error)
		return failed(why, "the packet filter could not be listed", error);
	if (!a.error)
		a.error = engine_adopted(s->engine, a.any, s->round);
	if (a.error)
		return failed(why, "adoption", a.error);
	round_finish(s);
	error = external_apply_all(s, true);
	if (error)
		return failed(why, "engine", error);
	for (; engine_walks(s->engine); round_finish(s))
		engine_tick(s->engine, loop_now_ms(s->loop), s->round);
	busy_refresh(s);
	engine_start(s->engine, loop_now_ms(s->loop), s->round);
	round_finish(s);
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
	if (s->conf->backend.type == CONF_BACKEND_NFTABLES && !backend_nft_maps(IPPROTO_DCCP)) {
		log_print(CONF_LOG_INFO, "protocol-unsupported", "dccp: this kernel does not track its ports");
		engine_without(s->engine, IPPROTO_DCCP);
	}
	return start_leases(s, why);
}

static int start_events(struct server *s, char why[SERVER_WHY_MAX])
{
	s->tick = loop_timer(s->loop, tick, s);
	s->wan_settled = loop_timer(s->loop, wan_settled, s);
	s->wan_readable = loop_readable(s->loop, wan_fd(s->wan), wan_readable, s);
	s->signals[0] = loop_signal(s->loop, SIGTERM, terminate, s);
	s->signals[1] = loop_signal(s->loop, SIGINT, terminate, s);
	s->signals[2] = loop_signal(s->loop, SIGHUP, hangup, s);
	if (!s->tick || !s->wan_settled || !s->wan_readable || !s->signals[0] || !s->signals[1] || !s->signals[2] ||
	    guard_open(&s->guard, s->loop, s->backend, lost, s))
		return failed(why, "event loop", -ENOMEM);
	return SERVER_DONE;
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
	return privileges_drop(p, why, SERVER_WHY_MAX) ? SERVER_FAILED : SERVER_DONE;
}

static int start(struct server *s, char why[SERVER_WHY_MAX])
{
	struct privileges p;
	struct log_line l;
	int end;

	if (privileges_find(s->conf->process.user, s->conf->process.user_set, &p, why, SERVER_WHY_MAX))
		return SERVER_USAGE;
	if (p.absent)
		log_print(CONF_LOG_WARNING, "root-kept", "there is no user %s: natpcpd keeps running as root",
			  s->conf->process.user);
	if (*s->conf->control.http)
		log_print(CONF_LOG_WARNING, "ignored", "control.http: this version serves no HTTP over TCP");
	end = start_sockets(s, why);
	if (!end)
		end = start_backend(s, why);
	if (!end)
		end = start_engine(s, why);
	if (!end)
		end = start_events(s, why);
	if (!end)
		end = start_privileges(s, &p, why);
	if (end)
		return end;
	log_begin(&l, CONF_LOG_INFO, "started");
	log_text(&l, "version", NATPCPD_VERSION);
	log_text(&l, "backend", s->backend->ops->name);
	log_number(&l, "sockets", listeners_count(s->listeners));
	log_end(&l);
	return SERVER_DONE;
}

int server_open(struct server **out, const struct settings *settings, struct conf *conf, char why[SERVER_WHY_MAX])
{
	struct server *s = calloc(1, sizeof(*s));
	int end;

	if (!s) {
		conf_free(conf);
		return failed(why, "start", -ENOMEM);
	}
	log_open(conf->log.level, conf->log.target);
	s->settings = settings;
	s->conf = conf;
	s->macs = rules_have_macs(conf);
	s->loop = loop_new();
	if (s->loop) {
		s->start_ms = loop_now_ms(s->loop);
		end = start(s, why);
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

int server_run(struct server *s)
{
	int error;

	notify("READY=1");
	woken(s);
	error = loop_run(s->loop, woken, s);
	notify("STOPPING=1");
	if (error)
		log_print(CONF_LOG_ERROR, "loop-failed", "%s", strerror(-error));
	log_print(CONF_LOG_INFO, "stopped", "%s", error ? "the event loop failed" : "by signal");
	return error ? SERVER_FAILED : SERVER_DONE;
}

void server_close(struct server *s)
{
	bool clear = s->settings->clear_on_exit || s->conf->backend.on_exit == CONF_EXIT_CLEAR;

	control_close(s->control);
	loop_forget(s->tick);
	loop_forget(s->wan_readable);
	loop_forget(s->wan_settled);
	guard_close(s->guard);
	for (size_t i = 0; i < sizeof(s->signals) / sizeof(s->signals[0]); i++)
		loop_forget(s->signals[i]);
	flows_close(s->flows);
	waiting_close(s->waiting);
	history_close(s->history, clear);
	listeners_free(s->listeners);
	udp_inbox_free(s->inbox);
	if (s->backend)
		s->backend->ops->close(s->backend, clear);
	engine_free(s->engine);
	round_free(s->round);
	wan_close(s->wan);
	lookup_close(s->lookup);
	route_close(s->route);
	busy_clear(&s->busy);
	external_forget(s);
	loop_free(s->loop);
	conf_free(s->conf);
	free(s);
}

/* What the control socket needs */

uint64_t server_now_ms(const struct server *s)
{
	return loop_now_ms(s->loop);
}

const struct engine *server_engine(const struct server *s)
{
	return s->engine;
}

const struct conf *server_conf(const struct server *s)
{
	return s->conf;
}

void server_status(const struct server *s, struct server_status *status)
{
	*status = s->status;
	status->up_s = (loop_now_ms(s->loop) - s->start_ms) / 1000;
	status->backend = s->backend->ops->name;
	status->drop_full = waiting_dropped(s->waiting);
	status->replies = s->replies.sent;
	status->send_failures = s->replies.failed;
	status->flow_searches = flows_searches(s->flows);
	status->ruleset_looks = guard_looks(s->guard);
	status->reload_error = s->reload_error;
}

bool server_journal(const struct server *s, struct journal_stats *stats)
{
	return history_stats(s->history, stats);
}

size_t server_external(const struct server *s, size_t external, const struct in6_addr **v)
{
	if (external >= s->externals_n)
		return 0;
	*v = s->externals[external].v;
	return s->externals[external].n;
}

void server_locate(struct server *s, struct engine_question *q)
{
	uint32_t ifindex = *q->interface ? wan_ifindex(s->wan, q->interface) : wan_interface_of(s->wan, &q->client);

	if (!ifindex)
		ifindex = route_interface(s->route, &q->client);
	if (!*q->interface)
		q->interface = wan_interface(s->wan, ifindex);
	q->mac_known = ifindex && neighbour_mac(ifindex, &q->client, &q->mac) == 0;
}

size_t server_sockets(const struct server *s, size_t listen)
{
	size_t n = 0;

	for (size_t i = 0; i < listeners_count(s->listeners); i++)
		n += listeners_at(s->listeners, i)->listen == listen;
	return n;
}

static bool revocable(const struct server_revocation *r, const struct engine_lease *l)
{
	const struct mapping *m = &l->mapping;

	if (r->wildcard && (m->internal_port != 0 || m->protocol != r->protocol))
		return false;
	return l->origin != ENGINE_ORIGIN_STATIC && (!r->protocol || r->protocol == m->protocol) &&
	       (!r->external_port ||
		(r->external_port >= m->external_port && r->external_port - m->external_port <= m->more_ports)) &&
	       (!r->client_set || !memcmp(&r->client, &m->internal_address, sizeof(r->client))) &&
	       (!r->external_set || !memcmp(&r->external_address, &m->external_address, sizeof(r->external_address))) &&
	       (!r->rule || (l->rule && !strcmp(r->rule, l->rule)));
}

static size_t end(struct server *s, const struct mapping *m, uint64_t now_ms)
{
	/* a port of 0 would be any */
	if (m->internal_port == 0)
		return engine_revoke_wildcard(s->engine, &m->internal_address, m->protocol, now_ms, s->round);
	return engine_revoke(s->engine, &m->internal_address, m->protocol, m->external_port, now_ms, s->round);
}

bool server_revoke(struct server *s, struct server_revocation *r, size_t *ended)
{
	uint64_t now_ms = loop_now_ms(s->loop);
	struct engine_lease l;
	size_t before = *ended;
	bool more = true;

	for (unsigned i = 0; more && i < REVOKE_LOOK && *ended - before < REVOKE_END; i++) {
		more = engine_lease_next(s->engine, &r->cursor, now_ms, &l);
		if (more && revocable(r, &l))
			*ended += end(s, &l.mapping, now_ms);
	}
	round_finish(s);
	return more;
}
