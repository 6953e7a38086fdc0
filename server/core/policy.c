/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/policy.h"

#include <string.h>

static bool interface_listed(const struct conf_strings *s, const char *interface)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], interface) == 0)
			return true;
	return false;
}

static bool mac_listed(const struct conf_macs *m, const struct conf_mac *mac)
{
	for (size_t i = 0; i < m->n; i++)
		if (memcmp(&m->v[i], mac, sizeof(*mac)) == 0)
			return true;
	return false;
}

static bool has_ports(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_DCCP:
	case IPPROTO_SCTP:
	case IPPROTO_UDPLITE:
		return true;
	default:
		return false;
	}
}

/* True if no port is left out. */
static bool is_whole(const struct conf_ranges *r)
{
	uint32_t next = 1;

	for (size_t i = 0; i < r->n && r->v[i].first <= next; i++)
		next = r->v[i].last + 1u;
	return r->n == 0 || next > UINT16_MAX;
}

/* Why a rule that allows does not allow all ports that are asked for. */
static const char *not_all(const struct conf_rule *r, const struct policy_request *q)
{
	if (!r->wildcard)
		return "wildcard";
	/* no list can have the protocol 0 */
	if (r->protocols_set && !conf_protocols_have(&r->protocols, q->protocol))
		return "protocols";
	if (!is_whole(&r->internal_ports))
		return "internal-ports";
	return is_whole(&r->external_ports) ? NULL : "external-ports";
}

/* True if a rule that allows refuses an inside port that is asked for, or one of all that are. */
static bool rejects(const struct conf_rule *r, const struct policy_request *q)
{
	if (!r->reject_ports.n ||
	    (q->protocol != 0 && r->protocols_set && !conf_protocols_have(&r->protocols, q->protocol)))
		return false;
	if (q->internal_port == 0)
		return q->protocol == 0 || has_ports(q->protocol);
	return conf_ranges_have(&r->reject_ports, q->internal_port);
}

/* Why a rule that denies denies none of all ports that are asked for. */
static const char *not_any(const struct conf_rule *r, const struct policy_request *q)
{
	if (q->protocol == 0)
		return NULL;
	if (r->protocols_set && !conf_protocols_have(&r->protocols, q->protocol))
		return "protocols";
	if (has_ports(q->protocol))
		return NULL;
	if (!is_whole(&r->internal_ports))
		return "internal-ports";
	return is_whole(&r->external_ports) ? NULL : "external-ports";
}

/* Why a rule is not about this host. */
static const char *not_host(const struct conf_rule *r, const struct policy_request *q)
{
	if (r->clients.n && !conf_prefixes_have(&r->clients, &q->client))
		return "clients";
	if (q->anywhere)
		return NULL;
	if (r->interfaces.n && !interface_listed(&r->interfaces, q->interface))
		return "interfaces";
	return !r->macs.n || (q->mac_known && mac_listed(&r->macs, &q->mac)) ? NULL : "macs";
}

static bool concerns(const struct conf_rule *r, const struct policy_request *q)
{
	return !not_host(r, q);
}

/* The key of a rule for which it does not match; NULL: it does. */
static const char *mismatch(const struct conf_rule *r, const struct policy_request *q)
{
	const char *key = not_host(r, q);

	if (key)
		return key;
	if (q->internal_port == 0)
		return r->action == CONF_ALLOW ? not_all(r, q) : not_any(r, q);
	if (r->protocols_set && !conf_protocols_have(&r->protocols, q->protocol))
		return "protocols";
	if (r->internal_ports.n && !conf_ranges_have(&r->internal_ports, q->internal_port))
		return "internal-ports";
	return NULL;
}

static bool matches(const struct conf_rule *r, const struct policy_request *q)
{
	return !mismatch(r, q);
}

/* It takes outside ports away from the rules after it, which is not to decide. */
static bool takes_away(const struct conf_rule *r, const struct policy_request *q)
{
	return r->action == CONF_DENY && r->external_ports.n && q->internal_port != 0;
}

const char *policy_passes(const struct conf_rule *r, const struct policy_request *q)
{
	const char *key = mismatch(r, q);

	return !key && takes_away(r, q) ? "external-ports" : key;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Keeps what a range has in common with the ports before, between and behind those of r. */
static void leave_out(const struct conf_ranges *r, struct conf_range from, struct policy_verdict *v)
{
	uint32_t next = from.first;

	for (size_t i = 0; i <= r->n && next <= from.last && v->left_n < POLICY_RANGES_MAX; i++) {
		uint32_t end = i < r->n ? r->v[i].first : 65536u;

		if (end > (uint32_t)from.last + 1)
			end = (uint32_t)from.last + 1;
		if (end > next)
			v->left[v->left_n++] = (struct conf_range){(uint16_t)next, (uint16_t)(end - 1)};
		if (i < r->n && next <= r->v[i].last)
			next = r->v[i].last + 1u;
	}
}

/* Takes away what the rules before the one that allows deny. */
static void narrow(const struct conf *conf, const struct policy_request *q, struct policy_verdict *v)
{
	static const struct conf_range any = {1, 65535};

	for (uint16_t i = 0; i < v->rule; i++) {
		const struct conf_rule *r = &conf->rules[i];
		struct conf_range before[POLICY_RANGES_MAX];
		size_t n = 1;

		if (r->action != CONF_DENY || !r->external_ports.n || !matches(r, q))
			continue;
		if (!v->narrowed && v->given->n) {
			n = v->given->n < POLICY_RANGES_MAX ? v->given->n : POLICY_RANGES_MAX;
			memcpy(before, v->given->v, n * sizeof(*before));
		} else if (!v->narrowed) {
			before[0] = any;
		} else {
			n = v->left_n;
			memcpy(before, v->left, n * sizeof(*before));
		}
		v->narrowed = true;
		v->left_n = 0;
		for (size_t j = 0; j < n; j++)
			leave_out(&r->external_ports, before[j], v);
		if (v->left_n == 0) {
			v->rule = i;
			v->allowed = false;
			v->why = "denied by rule";
			return;
		}
	}
}

void policy_judge(const struct conf *conf, const struct policy_request *q, struct policy_verdict *v)
{
	static const struct conf_ranges every;

	memset(v, 0, offsetof(struct policy_verdict, left));
	v->rule = UINT16_MAX;
	v->why = q->internal_port ? "no rule matches" : "no rule allows it with wildcard = true";
	v->given = &every;
	v->lifetime_max_s = conf->lifetime.max_s;
	v->mappings_max = conf->limits.mappings_per_client;
	for (size_t i = 0; i < conf->rules_n; i++) {
		const struct conf_rule *r = &conf->rules[i];
		bool rejected = rejects(r, q) && concerns(r, q);
		if (!rejected && policy_passes(r, q))
			continue;
		v->rule = (uint16_t)i;
		v->allowed = r->action == CONF_ALLOW && !rejected;
		v->why = v->allowed ? "allowed by rule" : rejected ? "a port that the rule rejects" : "denied by rule";
		if (v->allowed)
			v->given = &r->external_ports;
		if (r->lifetime_max_s)
			v->lifetime_max_s = least(v->lifetime_max_s, r->lifetime_max_s);
		if (r->mappings_max)
			v->mappings_max = r->mappings_max;
		break;
	}
	if (v->allowed && q->internal_port != 0)
		narrow(conf, q, v);
}

struct conf_ranges policy_ports(struct policy_verdict *v)
{
	return v->narrowed ? (struct conf_ranges){v->left, v->left_n} : *v->given;
}

/* True if one of the ports is in the ranges; if all are in one of them. */
static bool touches_ports(const struct conf_ranges *r, uint16_t first, uint16_t last)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].first <= last && first <= r->v[i].last)
			return true;
	return false;
}

static bool has_ports_all(const struct conf_ranges *r, uint16_t first, uint16_t last)
{
	uint32_t next = first;

	for (size_t i = 0; i < r->n && next <= last && r->v[i].first <= next; i++)
		if (r->v[i].last >= next)
			next = r->v[i].last + 1u;
	return next > last;
}

bool policy_could(const struct conf *conf, const struct policy_request *q, uint16_t first, uint16_t last)
{
	for (size_t i = 0; i < conf->rules_n; i++) {
		const struct conf_rule *r = &conf->rules[i];
		bool certain = !q->anywhere || (!r->interfaces.n && !r->macs.n);

		if (rejects(r, q) && concerns(r, q)) {
			if (certain)
				return false;
			continue;
		}
		if (!matches(r, q))
			continue;
		if (r->action == CONF_ALLOW) {
			if (!first || !r->external_ports.n || has_ports_all(&r->external_ports, first, last))
				return true;
			if (certain)
				return false;
		} else if (certain && (q->internal_port == 0 || !r->external_ports.n ||
				       (first && touches_ports(&r->external_ports, first, last)))) {
			return false;
		}
	}
	return false;
}

bool policy_reserved(const struct conf *conf, uint8_t protocol, uint16_t port)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return conf_ranges_have(&conf->reserved.tcp, port);
	case IPPROTO_UDP:
		return port == 5350 || port == 5351 || conf_ranges_have(&conf->reserved.udp, port);
	case IPPROTO_DCCP:
		return conf_ranges_have(&conf->reserved.dccp, port);
	case IPPROTO_SCTP:
		return conf_ranges_have(&conf->reserved.sctp, port);
	case IPPROTO_UDPLITE:
		return conf_ranges_have(&conf->reserved.udplite, port);
	default:
		return false;
	}
}

uint32_t policy_lifetime(const struct conf *conf, const struct policy_verdict *v, bool pcp, uint32_t lifetime_s)
{
	if (pcp && lifetime_s < conf->lifetime.min_s)
		lifetime_s = conf->lifetime.min_s;
	return least(lifetime_s, v->lifetime_max_s);
}

uint32_t policy_lifetime_uncut(const struct conf *conf)
{
	uint32_t uncut_s = conf->lifetime.max_s;

	for (size_t i = 0; i < conf->rules_n; i++)
		if (conf->rules[i].lifetime_max_s)
			uncut_s = least(uncut_s, conf->rules[i].lifetime_max_s);
	return uncut_s;
}
