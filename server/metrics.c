/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/metrics.h"

#include "codec/codec.h"
#include "server/events.h"
#include "server/hooks.h"
#include "server/io/wall.h"
#include "server/meter.h"
#include "server/metrics_text.h"
#include "server/version.h"
#include "server/views.h"

/* A pair of label and value behind another, as metrics_sample() takes them. */
#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void about(const struct server *s, const struct server_status *now, struct grown *t)
{
	struct server_health health;

	server_health(s, &health);
	metrics_family(t, "build_info", "gauge", "Version of natpcpd.");
	metrics_sample(t, "build_info", LABELS("version", NATPCPD_VERSION, "backend", now->backend), 1);
	metrics_one(t, "start_time_seconds", "gauge", "When it started, in seconds since 1970.",
		    wall_now_ms() / 1000 - now->up_s);
	metrics_one(t, "reloads_total", "counter", "Configurations taken over.", now->reloads);
	metrics_one(t, "reload_successful", "gauge", "Whether the last reload was, or there was none.",
		    !*now->reload_error);
	metrics_one(t, "backend_up", "gauge", "Whether the packet filter did the last time what it was told.",
		    health.ok);
	metrics_one(t, "backend_failures_total", "counter", "Transactions that failed as a whole.",
		    now->backend_failures);
	metrics_one(t, "reinstalls_total", "counter",
		    "Times that all mappings were put back, since others had removed them.", health.reinstalls);
	metrics_one(t, "ruleset_looks_total", "counter", "Looks at the ruleset because others changed it.",
		    now->ruleset_looks);
	metrics_one(t, "flow_searches_total", "counter", "Searches for connections of mappings.", now->flow_searches);
}

static const char *opcode(unsigned protocol, unsigned i)
{
	return i == METER_OPCODES - 1 ? "other"
	       : protocol	      ? pcp_opcode_name((uint8_t)i)
				      : natpmp_opcode_name((uint8_t)i);
}

static const char *result(unsigned protocol, unsigned i)
{
	const char *name = protocol ? pcp_result_name((uint8_t)i) : natpmp_result_name((uint16_t)i);

	return *name == '?' ? "other" : name;
}

/* Of the version that they were answered in; of another, the answer says that it is none. */
static const char *version(unsigned protocol, unsigned i)
{
	unsigned unsupported = protocol ? PCP_UNSUPP_VERSION : NATPMP_UNSUPP_VERSION;

	return i == unsupported ? "unsupported" : protocol ? "2" : "0";
}

static void requests(const struct meter *m, struct grown *t)
{
	metrics_family(t, "requests_total", "counter", "Requests that were answered.");
	for (size_t i = 0; i < m->interfaces_n; i++)
		for (unsigned p = 0; p < METER_PROTOCOLS; p++)
			for (unsigned o = 0; o < METER_OPCODES; o++)
				for (unsigned r = 0; r < METER_RESULTS; r++) {
					uint64_t n = m->interfaces[i]->answers[p][o][r];

					if (n)
						metrics_sample(t, "requests_total",
							       LABELS("interface", m->interfaces[i]->name, "protocol",
								      p ? "pcp" : "nat-pmp", "version", version(p, r),
								      "opcode", opcode(p, o), "result", result(p, r)),
							       n);
				}
}

static void drops(const struct server_status *now, const struct engine_stats *e, struct grown *t)
{
	metrics_family(t, "drops_total", "counter", "Datagrams that got no answer.");
	for (unsigned i = 0; i < ENGINE_DROP_N; i++)
		metrics_sample(t, "drops_total", LABELS("reason", views_drop_name(i)), e->drops[i]);
	metrics_sample(t, "drops_total", LABELS("reason", "not-our-address"), now->drop_address);
	metrics_sample(t, "drops_total", LABELS("reason", "other-side"), now->drop_source);
	metrics_sample(t, "drops_total", LABELS("reason", "full"), now->drop_full);
}

static void leases_of(const struct tally_rule *r, const char *rule, struct grown *t)
{
	for (unsigned i = 0; i < TALLY_PROTOCOLS; i++)
		for (unsigned j = 0; j < TALLY_ORIGINS; j++)
			if (r->mappings[i][j])
				metrics_sample(t, "leases",
					       LABELS("rule", rule, "protocol", tally_protocol_name(i), "origin",
						      views_origin_name(j)),
					       r->mappings[i][j]);
}

static void leases(const struct server *s, const struct engine_stats *e, struct grown *t)
{
	const struct conf *conf = server_conf(s);
	const struct tally *tally = engine_tally(server_engine(s));
	const struct {
		const char *event;
		uint64_t n;
	} changes[] = {{"made", e->made},	{"renewed", e->renewed}, {"deleted", e->deleted},
		       {"expired", e->expired}, {"revoked", e->revoked}, {"moved", e->moved}};

	metrics_family(t, "leases", "gauge", "Mappings in force; the rule is empty if there is none for it.");
	for (size_t i = 0; i < tally->rules; i++)
		leases_of(&tally->v[i], conf->rules[i].name, t);
	leases_of(tally_of(tally, UINT16_MAX), "", t);
	leases_of(tally_static(tally), "", t);
	metrics_one(t, "clients", "gauge", "Hosts that have mappings, or had some lately.", e->clients);
	metrics_family(t, "mapping_changes_total", "counter", "What became of mappings.");
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		metrics_sample(t, "mapping_changes_total", LABELS("event", changes[i].event), changes[i].n);
	metrics_one(t, "refused_changes_total", "counter", "Changes that the packet filter refused.",
		    e->refused_changes);
}

static void rules(const struct server *s, struct grown *t)
{
	const struct conf *conf = server_conf(s);
	const struct tally *tally = engine_tally(server_engine(s));

	metrics_family(t, "rule_hits_total", "counter", "Requests that a rule decided.");
	for (size_t i = 0; i < tally->rules; i++)
		metrics_sample(t, "rule_hits_total", LABELS("rule", conf->rules[i].name), tally->v[i].hits);
	metrics_family(t, "rule_refused_total", "counter", "Of these, requests that got no mapping.");
	for (size_t i = 0; i < tally->rules; i++)
		metrics_sample(t, "rule_refused_total", LABELS("rule", conf->rules[i].name), tally->v[i].refused);
	metrics_one(t, "unmatched_requests_total", "counter", "Requests that no rule matched.",
		    tally_of(tally, UINT16_MAX)->hits);
}

static void journal(const struct server *s, struct grown *t)
{
	struct journal_stats j;

	if (!server_journal(s, &j))
		return;
	metrics_one(t, "journal_size_bytes", "gauge", "Length of the file.", j.octets);
	metrics_one(t, "journal_behind", "gauge", "Whether the file lacks something, and is tried again.", j.behind);
	metrics_one(t, "journal_written_bytes_total", "counter", "Appended to the file.", j.appended);
	metrics_one(t, "journal_rewrites_total", "counter", "Times that the file was written anew.", j.rewritten);
	metrics_one(t, "journal_syncs_total", "counter", "Times that it was forced to the disk.", j.syncs);
	metrics_one(t, "journal_failures_total", "counter", "Failures to write it.", j.failures);
}

static void hooks(const struct server *s, struct grown *t)
{
	struct hooks_stats h;

	hooks_stats(server_hooks(s), &h);
	metrics_one(t, "hooks_runs_total", "counter", "Runs of hooks.", h.runs);
	metrics_one(t, "hooks_failures_total", "counter",
		    "Hooks that could not be run, or ended otherwise than with exit code 0.", h.failures);
	metrics_one(t, "hooks_merged_total", "counter", "Events told with a later one of the same kind.", h.merged);
	metrics_one(t, "hooks_limited_total", "counter", "Refusals not told, as there were too many.", h.limited);
	metrics_one(t, "hooks_dropped_total", "counter", "Events not told, as too many waited.", h.dropped);
	metrics_one(t, "hooks_waiting", "gauge", "Events that wait to be told.", h.waiting);
	metrics_one(t, "hooks_running", "gauge", "Hooks that run.", h.running);
}

static void outside(const struct server *s, const struct engine_stats *e, struct grown *t)
{
	const struct conf *conf = server_conf(s);

	metrics_family(t, "external_addresses", "gauge", "Outside addresses that are in use.");
	for (size_t i = 0; i < conf->externals_n; i++) {
		const struct in6_addr *v;

		metrics_sample(t, "external_addresses", LABELS("external", conf->externals[i].name),
			       server_external(s, i, &v));
	}
	metrics_family(t, "listen_sockets", "gauge", "Request sockets that are open.");
	for (size_t i = 0; i < conf->listens_n; i++)
		metrics_sample(t, "listen_sockets", LABELS("listen", conf->listens[i].name), server_sockets(s, i));
	metrics_family(t, "epoch_seconds", "gauge", "Age of the state, as clients are told.");
	metrics_sample(t, "epoch_seconds", LABELS("protocol", "nat-pmp"), e->epoch_natpmp_s);
	metrics_sample(t, "epoch_seconds", LABELS("protocol", "pcp"), e->epoch_pcp_s);
	metrics_one(t, "announcements_total", "counter", "Announcements to all hosts.", e->announcements);
}

void metrics_write(struct server *s, struct grown *t)
{
	const struct meter *m = server_meter(s);
	struct server_status now;
	struct engine_stats e;

	server_status(s, &now);
	engine_stats(server_engine(s), server_now_ms(s), &e);
	about(s, &now, t);
	metrics_one(t, "datagrams_total", "counter", "Datagrams received.", now.datagrams);
	requests(m, t);
	metrics_one(t, "replies_total", "counter", "Datagrams sent, announcements included.", now.replies);
	metrics_one(t, "send_failures_total", "counter", "Datagrams that could not be sent.", now.send_failures);
	drops(&now, &e, t);
	leases(s, &e, t);
	rules(s, t);
	metrics_one(t, "rounds_total", "counter", "Rounds: what one wake-up changed and answered together.", m->rounds);
	metrics_numbers(t, "round_changes", "Changes in one transaction of the packet filter.", &m->changes);
	metrics_seconds(t, "commit_duration_seconds", "How long the packet filter took for a transaction.",
			&m->commit_us);
	metrics_seconds(t, "request_duration_seconds", "From the reception of a request until its answer was sent.",
			&m->request_us);
	outside(s, &e, t);
	journal(s, t);
	hooks(s, t);
	metrics_one(t, "events_readers", "gauge", "Who reads along at /v1/events.",
		    events_readers(server_events_of(s)));
}
