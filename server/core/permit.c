/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/permit.h"

#include <string.h>

#include "codec/codec.h"
#include "server/core/outside.h"
#include "server/core/policy.h"

static bool same(const struct in6_addr *a, const struct in6_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool permit_sound(const struct conf *conf, const struct mapping *m)
{
	bool v4 = codec_is_v4(&m->internal_address);

	if (m->kind != MAPPING_NAT && m->kind != MAPPING_PINHOLE)
		return false;
	if (codec_is_v4(&m->external_address) != v4 ||
	    (m->kind == MAPPING_NAT && (!v4 || m->external >= conf->externals_n)))
		return false;
	if (m->more_ports > UINT16_MAX - m->internal_port || m->more_ports > UINT16_MAX - m->external_port)
		return false;
	if ((m->remote_port != 0) + (m->more_ports != 0) + (m->filters_n != 0) > 1)
		return false;
	if (m->remote_port && codec_is_v4(&m->remote_address) != v4)
		return false;
	for (size_t i = 0; i < m->filters_n; i++)
		if (codec_is_v4(&m->filters[i].address) != v4 || m->filters[i].prefix_length > 128 ||
		    (v4 && m->filters[i].prefix_length < 96))
			return false;
	return true;
}

/* What the operator wrote down needs no rule. */
static bool is_static(const struct conf *conf, const struct mapping *m)
{
	for (size_t i = 0; i < conf->statics_n; i++) {
		const struct conf_static *s = &conf->statics[i];

		if (s->protocol == m->protocol && s->external_port == m->external_port &&
		    s->to_port == m->internal_port && same(&s->to_address, &m->internal_address) && !m->more_ports &&
		    !m->remote_port && !m->filters_n && (m->kind == MAPPING_PINHOLE || s->external == m->external))
			return true;
	}
	return false;
}

/* An address that no host inside has. */
static bool is_nobody(const struct in6_addr *a)
{
	uint32_t v4 = codec_to_v4(a);

	if (codec_is_unspecified(a))
		return true;
	if (codec_is_v4(a))
		return v4 >> 24 == 0 || v4 >> 24 == 127 || v4 >> 28 >= 14;
	return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_MULTICAST(a) || IN6_IS_ADDR_LINKLOCAL(a);
}

static bool has_static_port(const struct conf *conf, const struct mapping *m, uint16_t port)
{
	for (size_t i = 0; i < conf->statics_n; i++) {
		const struct conf_static *s = &conf->statics[i];

		if (s->external == m->external && s->protocol == m->protocol && s->external_port == port)
			return true;
	}
	return false;
}

static bool is_reserved(const struct conf *conf, const struct mapping *m)
{
	for (uint32_t i = 0; i <= m->more_ports; i++) {
		uint16_t port = (uint16_t)(m->external_port + i);

		if (policy_reserved(conf, m->protocol, port) || has_static_port(conf, m, port))
			return true;
	}
	return false;
}

static bool is_given(const struct conf_ranges *r, const struct mapping *m)
{
	for (uint32_t i = 0; r->n && i <= m->more_ports; i++)
		if (!conf_ranges_have(r, (uint16_t)(m->external_port + i)))
			return false;
	return true;
}

/* The rules about every port of it. A flow that is there already has whatever port it has. */
static bool is_allowed(const struct conf *conf, const struct mapping *m)
{
	struct policy_request q = {.client = m->internal_address,
				   .anywhere = true,
				   .protocol = m->protocol,
				   .internal_port = m->internal_port};

	for (uint32_t i = 0; i <= m->more_ports; i++, q.internal_port++) {
		uint16_t port = m->remote_port ? 0 : (uint16_t)(m->external_port + i);

		if (!policy_could(conf, &q, port, port))
			return false;
	}
	return true;
}

static const char *permit_nat(const struct conf *conf, const struct mapping *m, const struct permit_place *place)
{
	const struct conf_external *x = &conf->externals[m->external];

	if (!x->nat)
		return "the external does not translate";
	if (!place->outside)
		return "the external address is none of this router's";
	if (!outside_mappable(m->protocol) || !m->internal_port || !m->external_port)
		return "only ports can be translated";
	if (m->more_ports && m->internal_port != m->external_port)
		return "the ports of a set are the same on both sides";
	return NULL;
}

static const char *permit_pinhole(const struct conf *conf, const struct mapping *m)
{
	bool v4 = codec_is_v4(&m->internal_address), routed = !v4;

	for (size_t i = 0; i < conf->externals_n; i++)
		routed = routed || !conf->externals[i].nat;
	if (!routed)
		return "no external is without translation";
	if (m->internal_port != m->external_port || !same(&m->internal_address, &m->external_address))
		return "both sides are the same where nothing is translated";
	if (m->internal_port && !outside_mappable(m->protocol))
		return "the protocol has no ports";
	if (!m->internal_port && (m->more_ports || m->remote_port))
		return "all ports are open as they are";
	return NULL;
}

const char *permit_add(const struct conf *conf, const struct mapping *m, const struct permit_place *place)
{
	const char *why = m->kind == MAPPING_NAT ? permit_nat(conf, m, place) : permit_pinhole(conf, m);

	if (why || is_static(conf, m))
		return why;
	if (place->own || is_nobody(&m->internal_address))
		return "the internal address is no host's";
	if (place->beyond)
		return "the internal address is outside";
	if (m->kind == MAPPING_NAT && is_reserved(conf, m))
		return "the external port is reserved";
	if (m->kind == MAPPING_NAT && !m->remote_port && !is_given(&conf->externals[m->external].ports, m))
		return "the external port is none of the external's";
	return is_allowed(conf, m) ? NULL : "no rule allows it";
}

const char *permit_change(const struct conf *conf, const struct change *c, const struct permit_place *place)
{
	if (!permit_sound(conf, &c->mapping))
		return "there is no such mapping";
	return c->op == CHANGE_REMOVE ? NULL : permit_add(conf, &c->mapping, place);
}
