/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/report.h"

#include "codec/codec.h"

static const struct {
	const char *name;
	enum conf_log_level level;
} kinds[] = {
    [ROUND_MADE] = {"made", CONF_LOG_INFO},	  [ROUND_RENEWED] = {"renewed", CONF_LOG_DEBUG},
    [ROUND_REFUSED] = {"refused", CONF_LOG_INFO}, [ROUND_ENDED] = {"ended", CONF_LOG_INFO},
    [ROUND_MOVED] = {"moved", CONF_LOG_INFO},	  [ROUND_ADOPTED] = {"adopted", CONF_LOG_INFO},
};

static void opcode(struct log_line *l, const struct round_event *e)
{
	const char *name = e->pcp ? pcp_opcode_name(e->opcode) : natpmp_opcode_name(e->opcode);

	if (*name == '?')
		log_number(l, "opcode", e->opcode);
	else
		log_text(l, "opcode", name);
}

void report_line(struct log_line *l, const struct round_event *e)
{
	const struct mapping *m = &e->mapping;
	/* a refusal may come before a mapping is known */
	bool all = m->internal_port == 0 && (e->kind != ROUND_REFUSED || (e->pcp && e->opcode == PCP_MAP &&
									  !codec_is_unspecified(&m->internal_address)));

	log_begin(l, kinds[e->kind].level, kinds[e->kind].name);
	if (e->kind != ROUND_ADOPTED && e->kind != ROUND_ENDED)
		log_text(l, "by", e->permanent ? "static" : e->pcp ? "pcp" : "nat-pmp");
	if (!e->permanent)
		log_address(l, "client", &e->client);
	if (e->kind == ROUND_REFUSED && !e->permanent) {
		opcode(l, e);
		log_text(l, "result", e->pcp ? pcp_result_name(e->result) : natpmp_result_name(e->result));
	}
	if (all && m->protocol == 0)
		log_text(l, "protocol", "all");
	else if (m->protocol || e->kind != ROUND_REFUSED)
		log_protocol(l, "protocol", m->protocol);
	if (all)
		log_address(l, "internal", &m->internal_address);
	else if (m->protocol || m->internal_port)
		log_endpoint(l, "internal", &m->internal_address, m->internal_port);
	if (all && !codec_is_unspecified(&m->external_address) && m->external_port == 0)
		log_address(l, "external", &m->external_address);
	else if (!codec_is_unspecified(&m->external_address) || m->external_port)
		log_endpoint(l, "external", &m->external_address, m->external_port);
	if (all)
		log_text(l, "ports", "all");
	if (m->remote_port)
		log_endpoint(l, "peer", &m->remote_address, m->remote_port);
	if (m->more_ports)
		log_number(l, "ports", m->more_ports + 1u);
	if (!e->permanent && (e->kind == ROUND_MADE || e->kind == ROUND_RENEWED || e->kind == ROUND_MOVED))
		log_number(l, "lifetime_s", e->lifetime_s);
	log_text(l, "rule", e->rule);
	log_text(l, "why", e->why);
}

void report_events(struct report *r, const struct round_event *v, size_t n, uint64_t now_ms)
{
	struct log_line l;
	uint64_t suppressed;

	for (size_t i = 0; i < n; i++) {
		suppressed = 0;
		if (!log_enabled(kinds[v[i].kind].level))
			continue;
		if (v[i].kind == ROUND_REFUSED &&
		    !log_limit_pass(&r->refused[v[i].pcp][v[i].result % REPORT_RESULTS], now_ms, &suppressed))
			continue;
		report_line(&l, &v[i]);
		if (suppressed)
			log_number(&l, "suppressed", suppressed);
		log_end(&l);
	}
}

void report_dropped(struct log_limit *limit, const struct udp_datagram *d, const char *interface, const char *why,
		    uint64_t now_ms)
{
	struct log_line line;

	if (!log_enabled(CONF_LOG_DEBUG) || !log_limit_pass(limit, now_ms, NULL))
		return;
	log_begin(&line, CONF_LOG_DEBUG, "dropped");
	log_endpoint(&line, "client", &d->source, d->source_port);
	log_address(&line, "to", &d->destination);
	log_text(&line, "interface", interface);
	log_text(&line, "why", why);
	log_end(&line);
}
