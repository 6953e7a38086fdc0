/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/server_self.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/backend.h"
#include "server/history.h"
#include "server/hooks.h"
#include "server/io/listen.h"
#include "server/io/loop.h"
#include "server/io/notify.h"

void server_blame(const struct server *s, const struct conf *conf, char *why, size_t size)
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

void server_warn(const char *why)
{
	if (*why)
		log_print(CONF_LOG_WARNING, "ruleset-drops", "%s", why);
}

void server_use(struct server *s, struct conf *conf)
{
	s->conf = conf;
	s->macs = rules_have_macs(conf);
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
	server_warn(why);
	/* what cannot be opened is logged, and is tried again */
	error = listeners_apply(s->listeners, wanted, s->wan);
	if (error)
		loop_timer_by(s->wan_settled,
			      loop_now_ms(s->loop) + (error == -ENOMEM ? SERVER_RETRY_MS : SERVER_LISTEN_RETRY_MS));
	error = engine_reload(s->engine, wanted, loop_now_ms(s->loop), s->round);
	if (error) {
		snprintf(why, size, "%s", strerror(-error));
		listeners_apply(s->listeners, old, s->wan);
		s->backend->ops->reload(s->backend, old, again, sizeof(again));
		return error;
	}
	server_use(s, wanted);
	hooks_use(s->hooks, wanted);
	meter_renumbered(&s->meter);
	server_round(s);
	if (server_outside(s, true))
		loop_timer_by(s->wan_settled, loop_now_ms(s->loop) + SERVER_RETRY_MS);
	error = history_reload(s->history, wanted);
	if (error)
		log_print(CONF_LOG_WARNING, "journal", "%s: %s; the old one goes on", wanted->journal.path,
			  error == -EWOULDBLOCK ? "another natpcpd has it" : strerror(-error));
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
		if (!error)
			error = confine_keep(&s->confine, s->conf, wanted);
		if (error)
			snprintf(why, size, "%s", strerror(-error));
		else
			error = reload_apply(s, wanted, why, size);
		if (error == -ENOENT)
			server_blame(s, wanted, why, size);
		if (error)
			conf_free(wanted);
	}
	snprintf(s->reload_error, sizeof(s->reload_error), "%s", error ? why : "");
	events_reload(s->events, !error, error ? why : NULL);
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
