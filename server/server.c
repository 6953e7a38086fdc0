/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server_self.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backends/backend.h"
#include "backends/proxy.h"
#include "codec/codec.h"
#include "server/external.h"
#include "server/flows.h"
#include "server/guard.h"
#include "server/history.h"
#include "server/hooks.h"
#include "server/io/control.h"
#include "server/io/listen.h"
#include "server/io/loop.h"
#include "server/io/neighbour.h"
#include "server/io/notify.h"
#include "server/io/route.h"
#include "server/io/turns.h"
#include "server/io/udp.h"
#include "server/io/wan.h"
#include "server/io/watchdog.h"
#include "server/lookup.h"
#include "server/waiting.h"

#define BUSY_MS	  1000 /* the gateway's own ports are read at most so often */
#define SETTLE_MS 50   /* changes of links and addresses are waited for so long, as they come in groups */

static int commit(struct server *s, struct change *changes, size_t n)
{
	uint64_t begin_us = loop_clock_us();
	int error = s->backend->ops->commit(s->backend, changes, n);

	meter_commit(&s->meter, n, loop_clock_us() - begin_us);
	if (error)
		s->failed_ms = loop_now_ms(s->loop);
	/* each change of it is told, not each failure */
	if (!error != s->health.ok)
		events_backend(s->events, error ? "failed" : "ok", error ? strerror(-error) : NULL);
	s->health.ok = !error;
	if (error)
		s->health.last_error = error;
	return error;
}

void server_round(struct server *s)
{
	uint64_t now_ms = loop_now_ms(s->loop), failed = s->replies.failed_answers;
	size_t n;
	struct change *changes = round_changes(s->round, &n);
	const struct round_reply *replies;
	const struct round_event *events;
	bool changed = n != 0;
	int error = changed ? commit(s, changes, n) : 0;

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
	hooks_round(s->hooks, events, n);
	events_round(s->events, events, n, now_ms);
	replies = round_replies(s->round, &n);
	replies_send(replies, n, s->listeners, s->wan, s->settings->between, &s->replies);
	s->meter.rounds += n || changed;
	meter_answers(&s->meter, replies, n, s->listeners, s->meter.received_us ? loop_clock_us() : 0);
	round_clear(s->round);
	if (s->replies.failed_answers != failed && log_limit_pass(&s->quiet_send, now_ms, NULL))
		log_print(CONF_LOG_WARNING, "send-failed", "%s", strerror(-s->replies.error));
}

/* Requests */

void server_busy(struct server *s)
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

static bool is_outside(const struct server *s, uint32_t ifindex)
{
	for (size_t i = 0; i < s->conf->externals_n; i++)
		if (wan_ifindex(s->wan, s->conf->externals[i].interface) == ifindex)
			return true;
	return false;
}

/* True if a host is behind an interface that is listened on, and not the gateway itself. */
static bool is_inside(const struct server *s, const struct in6_addr *host)
{
	uint32_t ifindex = route_interface(s->route, host);

	for (size_t i = 0; ifindex && i < listeners_count(s->listeners); i++)
		if (!listeners_at(s->listeners, i)->address_only && listeners_at(s->listeners, i)->ifindex == ifindex)
			return true;
	return false;
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
	if (l->address_only && is_outside(s, d->ifindex)) {
		s->status.drop_source++;
		report_dropped(&s->report.side, d, l->interface, "it came in from outside", loop_now_ms(s->loop));
		return false;
	}
	/* the kernel lets IPv6 through that says that it is from the gateway; the way back would be none */
	if (l->address_only ||
	    (wan_on_link(s->wan, d->ifindex, &d->source) && !wan_has(s->wan, d->ifindex, &d->source)))
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

/* admitted: it waited, and was let in before. */
static void request(struct server *s, const struct listener *l, const struct udp_datagram *u, bool admitted)
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
	    .crowded = s->crowded,
	};
	struct in6_addr host;

	d.admitted = admitted || engine_admits(s->engine, &d, loop_now_ms(s->loop));
	if (!d.admitted)
		return;
	/* each of these is a question to the kernel, which a flood cannot ask */
	if (s->macs)
		d.mac_known = neighbour_mac(u->ifindex, &u->source, &d.mac) == 0;
	if (waiting_takes(s->waiting, s->flows, s->engine, u, &d, loop_now_ms(s->loop)))
		return;
	lookup_flow(s->lookup, s->engine, &d, loop_now_ms(s->loop));
	if (!l->address_only && engine_asks_place(s->engine, &d, &host))
		d.misplaced = !is_inside(s, &host);
	engine_request(s->engine, &d, loop_now_ms(s->loop), s->round);
}

/* Many clients are served before one twice; who has to be answered soon does not wait until all of them are. */
static void serve(struct server *s, const struct listener *l, const struct udp_datagram *v, size_t n)
{
	uint16_t order[UDP_INBOX];

	if (n > ROUND_REQUESTS_MAX)
		turns_order(v, n, order);
	for (size_t i = 0; i < n; i++) {
		const struct udp_datagram *u = n > ROUND_REQUESTS_MAX ? &v[order[i]] : &v[i];

		if (eligible(s, l, u))
			request(s, l, u, false);
		if ((i + 1) % ROUND_REQUESTS_MAX == 0 || i + 1 == n)
			server_round(s);
	}
}

static void readable(void *context, struct listener *l)
{
	struct server *s = context;
	const struct udp_datagram *v = NULL;
	int n = between_receive(s->settings->between, s->inbox, l->fd, &v);

	s->crowded = crowd_is(&l->crowd, n > 0 ? (size_t)n : 0, UDP_INBOX, loop_now_ms(s->loop));
	if (n <= 0) {
		if (n < 0 && log_limit_pass(&s->quiet_receive, loop_now_ms(s->loop), NULL))
			log_print(CONF_LOG_WARNING, "receive-failed", "%s: %s", l->interface, strerror(-n));
		return;
	}
	s->meter.received_us = loop_clock_us();
	server_busy(s);
	s->status.datagrams += (unsigned)n;
	serve(s, l, v, (size_t)n);
	s->meter.received_us = 0;
	s->crowded = false;
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
				request(s, l, u, true);
			return;
		}
	}
}

static void finish_waiting(void *context)
{
	server_round(context);
}

int server_hear(struct server *s)
{
	s->inbox = udp_inbox_new();
	s->listeners = listeners_new(s->loop, readable, s);
	if (!s->inbox || !s->listeners)
		return -ENOMEM;
	return waiting_open(&s->waiting, s->loop, again, finish_waiting, s);
}

/* Time */

static void tick(void *context)
{
	struct server *s = context;

	engine_tick(s->engine, loop_now_ms(s->loop), s->round);
	server_round(s);
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
	const struct in6_addr *told;
	uint64_t again_ms;
	bool changed;
	size_t n;
	int error, news = external_read(o, &s->conf->externals[i], s->wan, always, loop_now_ms(s->loop), &again_ms);

	if (s->wan_settled)
		loop_timer_by(s->wan_settled, again_ms);
	changed = news > 0;
	if (news < 0 || (!news && !always))
		return news;
	told = external_told(o, &n);
	error = engine_wan(s->engine, i, told, n, loop_now_ms(s->loop), s->round);
	if (error < 0)
		o->known = false; /* so that it is news the next time, too */
	else if (news)
		hooks_external(s->hooks, &s->conf->externals[i], o);
	server_round(s);
	if (changed)
		server_tell_external(s, i);
	return error;
}

static void external_forget(struct server *s)
{
	for (size_t i = 0; i < s->externals_n; i++)
		external_clear(&s->externals[i]);
	free(s->externals);
	s->externals = NULL;
	s->externals_n = 0;
}

int server_outside(struct server *s, bool always)
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
	int external_error = server_outside(s, false);

	meter_renumbered(&s->meter);
	if (error < 0)
		log_print(CONF_LOG_WARNING, "interfaces-unknown", "rtnetlink: %s", strerror(-error));
	if (error < 0 || external_error)
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) + SERVER_RETRY_MS);
	if (listen_error)
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) +
						  (listen_error == -ENOMEM ? SERVER_RETRY_MS : SERVER_LISTEN_RETRY_MS));
}

/* Somebody else removed the mappings. */
static void lost(void *context)
{
	struct server *s = context;

	s->health.reinstalls++;
	events_backend(s->events, "reinstalled", "others removed the mappings from the packet filter");
	engine_reinstall(s->engine, loop_now_ms(s->loop), s->round);
	server_round(s);
	history_join(s->history);
}

/* Signals */

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

/* The supervisor is to start all of it anew: the journal and the packet filter have what was answered. */
static void warden_gone(void *context)
{
	struct server *s = context;

	if (s->failed)
		return;
	log_print(CONF_LOG_ERROR, "warden-gone", "the process that changes the packet filter has ended");
	s->failed = true;
	loop_stop(s->loop);
}

int server_events(struct server *s)
{
	s->tick = loop_timer(s->loop, tick, s);
	s->wan_settled = loop_timer(s->loop, wan_settled, s);
	s->wan_readable = loop_readable(s->loop, wan_fd(s->wan), wan_readable, s);
	s->signals[0] = loop_signal(s->loop, SIGTERM, terminate, s);
	s->signals[1] = loop_signal(s->loop, SIGINT, terminate, s);
	s->signals[2] = loop_signal(s->loop, SIGHUP, hangup, s);
	if (!s->tick || !s->wan_settled || !s->wan_readable || !s->signals[0] || !s->signals[1] || !s->signals[2])
		return -ENOMEM;
	if (watchdog_open(&s->watchdog, s->loop))
		return -ENOMEM;
	if (s->proxy) {
		s->warden_gone = loop_readable(s->loop, proxy_fd(s->proxy), warden_gone, s);
		if (!s->warden_gone)
			return -ENOMEM;
	}
	return guard_open(&s->guard, s->loop, s->backend, lost, s);
}

/* The whole of it */

int server_run(struct server *s)
{
	int error;

	hooks_start(s->hooks);
	notify("READY=1");
	woken(s);
	error = loop_run(s->loop, woken, s);
	notify("STOPPING=1");
	if (error)
		log_print(CONF_LOG_ERROR, "loop-failed", "%s", strerror(-error));
	log_print(CONF_LOG_INFO, "stopped", "%s",
		  error	      ? "the event loop failed"
		  : s->failed ? "nothing can be changed in the packet filter"
			      : "by signal");
	return error || s->failed ? SERVER_FAILED : SERVER_DONE;
}

void server_close(struct server *s)
{
	bool clear = s->settings->clear_on_exit || s->conf->backend.on_exit == CONF_EXIT_CLEAR;

	control_close(s->control);
	control_close(s->http);
	events_free(s->events);
	loop_forget(s->tick);
	loop_forget(s->wan_readable);
	loop_forget(s->wan_settled);
	loop_forget(s->warden_gone);
	watchdog_close(s->watchdog);
	guard_close(s->guard);
	for (size_t i = 0; i < sizeof(s->signals) / sizeof(s->signals[0]); i++)
		loop_forget(s->signals[i]);
	hooks_close(s->hooks);
	flows_close(s->flows);
	waiting_close(s->waiting);
	if (s->settings->between && s->loop)
		s->settings->between->close(s->settings->between->context);
	history_close(s->history, clear);
	listeners_free(s->listeners);
	udp_inbox_free(s->inbox);
	if (s->backend)
		s->backend->ops->close(s->backend, clear);
	warden_wait(&s->warden);
	runner_wait(&s->runner);
	engine_free(s->engine);
	round_free(s->round);
	wan_close(s->wan);
	lookup_close(s->lookup);
	route_close(s->route);
	busy_clear(&s->busy);
	meter_clear(&s->meter);
	external_forget(s);
	loop_free(s->loop);
	conf_free(s->conf);
	free(s);
}
