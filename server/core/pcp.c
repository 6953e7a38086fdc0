/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/pcp.h"

#include "server/core/floor.h"
#include "server/core/pcp_portset.h"
#include "server/core/wildcard.h"

enum { SHORT_S = 30, LONG_S = 1800, OPTIONS_MAX = CODEC_MESSAGE_MAX - 60 /* beside a MAP */ };

/* RFC 6887 7.4; the other half of this table is in natpmp.c. */
static const uint8_t results[MAPPER_RESULTS_N] = {
    [MAPPER_OK] = PCP_SUCCESS,
    [MAPPER_NOT_AUTHORIZED] = PCP_NOT_AUTHORIZED,
    [MAPPER_NONCE] = PCP_NOT_AUTHORIZED,
    [MAPPER_NONSENSE] = PCP_MALFORMED_OPTION,
    [MAPPER_NETWORK_FAILURE] = PCP_NETWORK_FAILURE,
    [MAPPER_NO_RESOURCES] = PCP_NO_RESOURCES,
    [MAPPER_QUOTA] = PCP_USER_EX_QUOTA,
    [MAPPER_CANNOT_PROVIDE] = PCP_CANNOT_PROVIDE_EXTERNAL,
    [MAPPER_FILTERS] = PCP_EXCESSIVE_REMOTE_PEERS,
};

enum pcp_result pcp_result_of(enum mapper_result result)
{
	return results[result];
}

static uint32_t usual_s(enum pcp_result result)
{
	switch (result) {
	case PCP_NETWORK_FAILURE:
	case PCP_NO_RESOURCES:
	case PCP_USER_EX_QUOTA:
	case PCP_CANNOT_PROVIDE_EXTERNAL:
		return SHORT_S;
	default:
		return LONG_S;
	}
}

/* After these the request counts as one that could not be parsed: RFC 6887 7.2 on the reserved bits. */
static bool parsed(enum pcp_result result)
{
	return result != PCP_UNSUPP_VERSION && result != PCP_MALFORMED_REQUEST && result != PCP_MALFORMED_OPTION;
}

static void send_error(struct engine *e, struct round_answer *a, enum pcp_result result, uint32_t error_s,
		       const char *why, uint64_t now_ms, struct round *r)
{
	reply_length(r, a,
		     pcp_marshal_error(a->request.data, a->request.length, parsed(result), result,
				       error_s ? error_s : usual_s(result), epoch_seconds(&e->epoch_pcp, now_ms),
				       a->buffer, a->capacity));
	reply_refused(r, a, (uint8_t)result, why);
}

void pcp_refuse(struct engine *e, struct round_answer *a, enum mapper_result result, uint32_t error_s, const char *why,
		uint64_t now_ms, struct round *r)
{
	send_error(e, a, results[result], error_s, why, now_ms, r);
}

void pcp_unparsed(struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
		  const struct codec_error *error, uint64_t now_ms, struct round *r)
{
	struct round_answer *a = reply_begin(d, true, d->data[1] & 0x7f, r);

	if (!a)
		return;
	/* the client's address is looked at before the options: RFC 6887 8.2 */
	if (error->result == PCP_MALFORMED_OPTION && !engine_same_address(&m->client_address, &d->source))
		send_error(e, a, PCP_ADDRESS_MISMATCH, 0, "the header has another address", now_ms, r);
	else
		send_error(e, a, error->result, 0, error->why, now_ms, r);
}

/* The options of a request, as far as they mean something to us. */
struct options {
	bool third_party, prefer_failure;
	struct in6_addr target;
	struct terms *terms;
	struct pcp_portset set;
	enum pcp_result result;
	const char *why;
};

static bool fail(struct options *o, enum pcp_result result, const char *why)
{
	o->result = result;
	o->why = why;
	return false;
}

/* An address that could be a host. */
static bool is_host(const struct in6_addr *a)
{
	uint32_t v4 = codec_to_v4(a);

	if (codec_is_unspecified(a))
		return false;
	if (codec_is_v4(a))
		return v4 < 0xe0000000 && v4 >> 24 != 127 && v4 >> 24 != 0;
	return !IN6_IS_ADDR_MULTICAST(a) && !IN6_IS_ADDR_LOOPBACK(a);
}

/* RFC 6887 13.1. */
static bool take_third_party(const struct engine *e, const struct engine_datagram *d, const struct pcp_option *o,
			     struct options *v)
{
	if (!conf_prefixes_have(&e->conf->third_party.clients, &d->source))
		return fail(v, PCP_UNSUPP_OPTION, "the host may not map for others");
	if (v->third_party)
		return fail(v, PCP_MALFORMED_OPTION, "THIRD_PARTY twice");
	if (engine_same_address(&o->third_party, &d->source))
		return fail(v, PCP_MALFORMED_REQUEST, "THIRD_PARTY names the sender itself");
	if (!is_host(&o->third_party))
		return fail(v, PCP_MALFORMED_OPTION, "THIRD_PARTY names no host");
	v->third_party = true;
	v->target = o->third_party;
	return true;
}

/* An optional option that is malformed hides nothing: read_options() passes over it, too. */
bool pcp_names_host(const struct pcp_message *m, struct in6_addr *host)
{
	enum codec_verdict verdict;
	struct pcp_option o;
	size_t at = 0;

	while ((verdict = pcp_option_next(m->options, m->options_length, &at, &o, NULL)) != CODEC_DROP)
		if (verdict == CODEC_OK && o.code == PCP_OPTION_THIRD_PARTY) {
			*host = o.third_party;
			return true;
		}
	return false;
}

bool engine_asks_place(const struct engine *e, const struct engine_datagram *d, struct in6_addr *host)
{
	size_t length = d->length < CODEC_MESSAGE_MAX + 4 ? d->length : CODEC_MESSAGE_MAX + 4;
	struct codec_message m;

	if (length < 2 || d->data[0] != CODEC_VERSION_PCP || (d->data[1] != PCP_MAP && d->data[1] != PCP_PEER) ||
	    !conf_prefixes_have(&e->conf->third_party.clients, &d->source) ||
	    codec_parse(d->data, length, &m, NULL) != CODEC_OK)
		return false;
	return pcp_names_host(&m.pcp, host);
}

/* RFC 7220. Where texts are not kept, the option is one that we do not know. */
static bool take_description(const struct engine *e, const struct pcp_option *o, struct options *v)
{
	if (e->conf->limits.description_max == 0 || terms_description(v->terms, o, e->conf->limits.description_max))
		return true;
	return fail(v, PCP_MALFORMED_OPTION, "DESCRIPTION twice");
}

static bool take_option(const struct engine *e, const struct engine_datagram *d, const struct pcp_option *o,
			uint8_t opcode, struct options *v)
{
	bool map = opcode == PCP_MAP, mapping = map || opcode == PCP_PEER;

	if (mapping && o->code == PCP_OPTION_DESCRIPTION)
		return take_description(e, o, v);
	if (map && o->code == PCP_OPTION_PORT_SET && e->conf->limits.port_set_max > 0)
		pcp_portset_take(&v->set, o);
	if (o->code >= PCP_OPTION_OPTIONAL)
		return true; /* optional: what we do not know of is not there */
	if (map && o->code == PCP_OPTION_FILTER) {
		terms_filter(v->terms, o);
		return true;
	}
	if (mapping && o->code == PCP_OPTION_THIRD_PARTY)
		return take_third_party(e, d, o, v);
	if (map && o->code == PCP_OPTION_PREFER_FAILURE) {
		if (v->prefer_failure)
			return fail(v, PCP_MALFORMED_OPTION, "PREFER_FAILURE twice");
		v->prefer_failure = true;
		return true;
	}
	if (mapping && o->code == PCP_OPTION_PREFER_FAILURE)
		return fail(v, PCP_MALFORMED_REQUEST, "PREFER_FAILURE in a PEER"); /* RFC 6887 12.1 */
	return fail(v, PCP_UNSUPP_OPTION, "an option that is not supported");
}

/* In the order in which they stand, RFC 6887 7.3. False if one of them is wrong. */
static bool read_options(const struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
			 struct terms *t, struct options *v)
{
	struct codec_error error;
	struct pcp_option o;
	size_t at = 0;

	terms_init(t);
	*v = (struct options){.target = d->source, .terms = t};
	for (;;) {
		switch (pcp_option_next(m->options, m->options_length, &at, &o, &error)) {
		case CODEC_OK:
			if (!take_option(e, d, &o, m->opcode, v))
				return false;
			break;
		case CODEC_REFUSE:
			/* codec_parse() has walked the area, so it is the contents; optional ones never harm */
			if (o.code < PCP_OPTION_OPTIONAL)
				return fail(v, error.result, error.why);
			if (!take_option(e, d, &o, m->opcode, v))
				return false;
			break;
		default:
			if (!terms_fit(t, &v->target))
				return fail(v, PCP_MALFORMED_OPTION, "FILTER of another family than the host's");
			return true;
		}
	}
}

static void answer_announce(struct engine *e, struct round_answer *a, const struct engine_datagram *d,
			    const struct pcp_message *m, uint64_t now_ms, struct round *r)
{
	struct options o;
	struct terms t;

	if (read_options(e, d, m, &t, &o))
		reply_length(r, a, pcp_announcement(e, now_ms, a->buffer, a->capacity));
	else
		send_error(e, a, o.result, 0, o.why, now_ms, r);
}

/* An IPv4 address for an IPv6 host, the all-zeros one or another: RFC 6887 10 and 15.1, erratum 3621. The opposite, ::
 * from an IPv4 client, is what many clients say for "any". */
static bool asks_for_nat64(const struct pcp_message *m, const struct in6_addr *internal)
{
	return !codec_is_v4(internal) && codec_is_v4(&m->mapping.external_address);
}

/* All or nothing: RFC 6887 11.3. */
static bool check_wildcard(const struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
			   struct options *v)
{
	const char *why = wildcard_impossible(e, e->conf->listens[d->listen].external, &v->target, m->mapping.protocol);

	if (!why && asks_for_nat64(m, &v->target))
		why = "IPv6 is not translated to IPv4";
	return !why || fail(v, PCP_UNSUPP_PROTOCOL, why);
}

/* What can be said of protocol and port before anything is looked up: RFC 6887 11.3 and 15.1. */
static bool check_protocol(const struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
			   struct options *v)
{
	const struct pcp_mapping *p = &m->mapping;

	if (p->protocol == 0 && p->internal_port != 0)
		return fail(v, PCP_MALFORMED_REQUEST, "all protocols, but one port");
	if (m->lifetime_s == 0)
		return true;
	if (p->internal_port == 0)
		return check_wildcard(e, d, m, v);
	if (!engine_maps(e, p->protocol))
		return fail(v, PCP_UNSUPP_PROTOCOL, "a protocol without ports, or with such as cannot be told apart");
	return true;
}

/* The same for PEER, RFC 6887 12.1 and 12.3. */
static bool check_peer(const struct engine *e, const struct pcp_message *m, struct options *v)
{
	const struct pcp_mapping *p = &m->mapping;

	if (p->protocol == 0 || p->internal_port == 0 || p->remote_port == 0)
		return fail(v, PCP_MALFORMED_REQUEST, "PEER without a protocol or a port");
	if (codec_is_v4(&p->remote_address) != codec_is_v4(&v->target))
		return fail(v, PCP_MALFORMED_REQUEST, "a peer of another family than the host");
	if (!is_host(&p->remote_address))
		return fail(v, PCP_MALFORMED_REQUEST, "the peer is no host");
	if (!engine_maps(e, p->protocol))
		return fail(v, PCP_UNSUPP_PROTOCOL, "a protocol without ports, or with such as cannot be told apart");
	return true;
}

static bool check_set(const struct pcp_message *m, struct options *v)
{
	const char *why = pcp_portset_wrong(&v->set, m->lifetime_s, v->prefer_failure);

	return !why || fail(v, PCP_MALFORMED_OPTION, why);
}

/* The options that were processed, in the order of their codes: RFC 6887 7.3. */
static size_t write_options(const struct options *v, const struct pcp_message *m, bool kept, uint8_t out[OPTIONS_MAX])
{
	struct pcp_option third_party = {.code = PCP_OPTION_THIRD_PARTY, .third_party = v->target};
	struct pcp_option prefer_failure = {.code = PCP_OPTION_PREFER_FAILURE};
	size_t length = 0;

	if (v->third_party)
		pcp_option_put(&third_party, out, &length, OPTIONS_MAX);
	if (v->prefer_failure)
		pcp_option_put(&prefer_failure, out, &length, OPTIONS_MAX);
	terms_put(v->terms, m, kept, out, &length, OPTIONS_MAX);
	return length;
}

static void send_mapping(struct engine *e, const struct round_answer *a, const struct pcp_message *m,
			 const struct options *o, const struct mapper_want *w, const struct mapper_verdict *v,
			 uint64_t now_ms, struct round *r)
{
	bool parity = o->set.parity && !((v->set_first ^ v->external_port) & 1);
	uint8_t options[OPTIONS_MAX];
	struct pcp_message out = {.response = true,
				  .version = CODEC_VERSION_PCP,
				  .opcode = m->opcode,
				  .result = PCP_SUCCESS,
				  .lifetime_s = v->lifetime_s,
				  .epoch_s = epoch_seconds(&e->epoch_pcp, now_ms),
				  .mapping = m->mapping,
				  .options = options,
				  .options_length = write_options(o, m, v->kept, options)};

	out.mapping.internal_port = w->internal_port;
	pcp_portset_put(v->set_first, v->set_more, parity, options, &out.options_length, sizeof(options));
	/* a deletion repeats what was suggested, if it is one: RFC 6887 15.1 */
	if (m->lifetime_s > 0 || v->lifetime_s > 0 || m->opcode == PCP_PEER) {
		out.mapping.external_address = v->external_address;
		out.mapping.external_port = v->external_port;
	}
	reply_length(r, a, pcp_marshal(&out, a->buffer, a->capacity));
}

static void do_map(struct engine *e, struct round_answer *a, const struct mapper_want *w, uint64_t now_ms,
		   struct round *r, struct mapper_verdict *v)
{
	mapper_do(e, w, now_ms, r, v);
	a->rule = v->rule;
	a->lease = v->lease;
	a->external_port = v->external_port;
	a->n = r->changes_n - a->first;
}

/* The request touches some mappings: each is answered as if it had been asked for alone, RFC 7753 4.4.1. A refusal is
 * told where it is about the request's own port, or if there is nothing else to tell: it would have that port in it. */
static void answer_parts(struct engine *e, struct round_answer *a, const struct engine_datagram *d,
			 const struct pcp_message *m, const struct options *o, const struct mapper_want *w,
			 const uint16_t *ports, size_t n, uint64_t now_ms, struct round *r)
{
	struct mapping asked = a->mapping;
	const struct limit_client sender = engine_limit_client(e, d);
	bool answered = false;

	for (size_t i = 0; i < n; i++) {
		struct mapper_want part = *w;
		struct mapper_verdict v;

		/* each answer counts as a request, so that a few octets cannot call forth many: RFC 7753 7 */
		if (i > 0 && (!limit_take(e->limit, &sender, now_ms) || !(a = reply_begin(d, true, PCP_MAP, r))))
			return;
		a->mapping = asked;
		a->mapping.internal_port = part.internal_port = ports[i];
		part.answer = reply_index(r, a);
		do_map(e, a, &part, now_ms, r, &v);
		if (v.result == MAPPER_OK)
			send_mapping(e, a, m, o, &part, &v, now_ms, r);
		else if (ports[i] == w->internal_port || (!answered && i + 1 == n))
			pcp_refuse(e, a, v.result, v.error_s, v.why, now_ms, r);
		else
			reply_refused(r, a, (uint8_t)pcp_result_of(v.result), v.why);
		answered = answered || v.result == MAPPER_OK || ports[i] == w->internal_port;
	}
}

/* What the request wants, in neutral words. False if it is wrong in itself: o says how. */
static bool read_want(const struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
		      struct terms *t, struct options *o, struct mapper_want *w)
{
	*w = (struct mapper_want){.pcp = true,
				  .protocol = m->mapping.protocol,
				  .internal_port = m->mapping.internal_port,
				  .suggested_port = m->mapping.external_port,
				  .suggested_address = m->mapping.external_address,
				  .lifetime_s = m->lifetime_s,
				  .nonce = m->mapping.nonce,
				  .interface = d->interface,
				  .listen = d->listen,
				  .reply_port = d->source_port,
				  .terms = t,
				  .remote_address = m->mapping.remote_address,
				  .remote_port = m->mapping.remote_port,
				  .flow = &d->flow,
				  .flows_left_s = d->flows_left_s,
				  .answer = ROUND_NONE};
	if (!read_options(e, d, m, t, o) ||
	    !(m->opcode == PCP_PEER ? check_peer(e, m, o) : check_protocol(e, d, m, o)) || !check_set(m, o))
		return false;
	/* a deletion goes on: the host may be gone, and its mapping should be */
	if (d->misplaced && m->lifetime_s > 0)
		return fail(o, PCP_NOT_AUTHORIZED, "THIRD_PARTY names the gateway or a host that is not inside");
	w->internal_address = o->target;
	w->third_party = o->third_party;
	w->asker = o->third_party ? d->source : in6addr_any;
	w->prefer_failure = o->prefer_failure;
	/* a protocol without ports has none at the sender either, and which one's would be meant of all protocols? */
	w->nonsense = (o->prefer_failure && (w->lifetime_s == 0 || w->suggested_port == 0)) ||
		      (t->filter && w->lifetime_s == 0) || (terms_has_port(t) && !outside_mappable(w->protocol));
	/* the sender's MAC address says nothing of the host that it asks for */
	w->mac_known = d->mac_known && !o->third_party;
	w->mac = d->mac;
	w->ports = w->internal_port ? o->set.size : 0; /* all of them are no set */
	w->parity = o->set.parity;
	return true;
}

static void answer_mapping(struct engine *e, struct round_answer *a, const struct engine_datagram *d,
			   const struct pcp_message *m, uint64_t now_ms, struct round *r)
{
	bool peer = m->opcode == PCP_PEER;
	uint16_t parts[PORTSET_TOUCHED_MAX];
	size_t n;
	struct options o;
	struct terms t;
	struct mapper_verdict v = {.result = MAPPER_OK, .lease = LEASE_NONE};
	struct mapper_want w;
	bool right = read_want(e, d, m, &t, &o, &w);

	w.answer = reply_index(r, a);
	a->mapping.protocol = w.protocol;
	a->mapping.internal_port = w.internal_port;
	a->mapping.external_address = w.suggested_address;
	a->mapping.external_port = w.suggested_port;
	a->mapping.remote_address = w.remote_address;
	a->mapping.remote_port = w.remote_port;
	if (!right) {
		send_error(e, a, o.result, 0, o.why, now_ms, r);
		return;
	}
	a->mapping.internal_address = w.internal_address;
	n = asks_for_nat64(m, &w.internal_address) ? 0 : pcp_portset_parts(e, &w, parts);
	if (n > 0) {
		answer_parts(e, a, d, m, &o, &w, parts, n, now_ms, r);
		return;
	}
	if (!asks_for_nat64(m, &w.internal_address))
		do_map(e, a, &w, now_ms, r, &v);
	else if (m->lifetime_s > 0 || peer)
		v = (struct mapper_verdict){.result = o.prefer_failure ? MAPPER_CANNOT_PROVIDE : MAPPER_NO_RESOURCES,
					    .why = "IPv6 is not translated to IPv4",
					    .lease = LEASE_NONE};
	/* a flow that lives on by itself lives so long at least: RFC 6887 12.1, 15 */
	if (peer && v.result == MAPPER_OK && d->flow.known && v.lifetime_s < d->flow.left_s)
		v.lifetime_s = d->flow.left_s;
	if (v.result == MAPPER_OK)
		send_mapping(e, a, m, &o, &w, &v, now_ms, r);
	else
		pcp_refuse(e, a, v.result, v.error_s, v.why, now_ms, r);
}

size_t pcp_concerns(const struct engine *e, const struct engine_datagram *d, const struct pcp_message *m,
		    uint64_t now_ms, uint32_t leases[PORTSET_TOUCHED_MAX])
{
	uint16_t parts[PORTSET_TOUCHED_MAX];
	struct mapper_want w;
	struct options o;
	struct terms t;
	size_t n, found = 0;

	if (!engine_same_address(&m->client_address, &d->source) || !read_want(e, d, m, &t, &o, &w) ||
	    asks_for_nat64(m, &w.internal_address))
		return 0;
	n = pcp_portset_parts(e, &w, parts);
	if (n == 0)
		parts[n++] = w.internal_port;
	for (size_t i = 0; i < n; i++) {
		w.internal_port = parts[i];
		leases[found] = floor_concerns(e, &w, now_ms);
		found += leases[found] != LEASE_NONE;
	}
	return found;
}

void pcp_request(struct engine *e, const struct engine_datagram *d, const struct pcp_message *m, uint64_t now_ms,
		 struct round *r)
{
	struct round_answer *a = reply_begin(d, true, m->opcode, r);

	if (!a)
		return;
	if (!engine_same_address(&m->client_address, &d->source)) {
		send_error(e, a, PCP_ADDRESS_MISMATCH, 0, "the header has another address", now_ms, r);
		return;
	}
	switch (m->opcode) {
	case PCP_ANNOUNCE:
		answer_announce(e, a, d, m, now_ms, r);
		break;
	case PCP_MAP:
		if (e->conf->listens[d->listen].map)
			answer_mapping(e, a, d, m, now_ms, r);
		else
			send_error(e, a, PCP_NOT_AUTHORIZED, 0, "MAP is switched off", now_ms, r);
		break;
	case PCP_PEER:
		if (e->conf->listens[d->listen].peer)
			answer_mapping(e, a, d, m, now_ms, r);
		else
			send_error(e, a, PCP_NOT_AUTHORIZED, 0, "PEER is switched off", now_ms, r);
		break;
	default:
		send_error(e, a, PCP_UNSUPP_OPCODE, 0, "unknown opcode", now_ms, r);
		break;
	}
}

size_t pcp_announcement(const struct engine *e, uint64_t now_ms, uint8_t *out, size_t capacity)
{
	struct pcp_message m = {.response = true,
				.version = CODEC_VERSION_PCP,
				.opcode = PCP_ANNOUNCE,
				.epoch_s = epoch_seconds(&e->epoch_pcp, now_ms)};

	return pcp_marshal(&m, out, capacity);
}

size_t pcp_update(const struct engine *e, const struct lease *l, bool failed, uint64_t now_ms, uint8_t *out,
		  size_t capacity)
{
	struct pcp_option third_party = {.code = PCP_OPTION_THIRD_PARTY, .third_party = l->internal_address};
	struct pcp_option prefer_failure = {.code = PCP_OPTION_PREFER_FAILURE};
	uint8_t options[OPTIONS_MAX];
	struct pcp_message m = {.response = true,
				.version = CODEC_VERSION_PCP,
				.opcode = lease_is_peer(l) ? PCP_PEER : PCP_MAP,
				.result = failed ? PCP_CANNOT_PROVIDE_EXTERNAL : PCP_SUCCESS,
				.lifetime_s = failed ? SHORT_S : engine_remaining_s(l, now_ms),
				.epoch_s = epoch_seconds(&e->epoch_pcp, now_ms),
				.mapping = {.nonce = l->nonce,
					    .protocol = l->protocol,
					    .internal_port = l->internal_port,
					    .external_port = l->external_port,
					    .external_address = l->external_address,
					    .remote_port = extra_parts(l->extra)->remote_port,
					    .remote_address = extra_parts(l->extra)->remote_address},
				.options = options};

	if (l->flags & LEASE_THIRD_PARTY)
		pcp_option_put(&third_party, options, &m.options_length, sizeof(options));
	/* only what was wanted so can fail, and the error repeats the request */
	if (failed)
		pcp_option_put(&prefer_failure, options, &m.options_length, sizeof(options));
	/* RFC 6887 14.2: what is mandatory is in it, a description is not */
	terms_put_filters(extra_parts(l->extra), options, &m.options_length, sizeof(options));
	/* RFC 7753 has it there, whatever RFC 6887 14.2 says of options */
	pcp_portset_put(l->internal_port, portset_more(l), false, options, &m.options_length, sizeof(options));
	return pcp_marshal(&m, out, capacity);
}
