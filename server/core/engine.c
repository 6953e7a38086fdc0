/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/engine.h"

#include <errno.h>
#include <stdlib.h>

#include "server/core/natpmp.h"
#include "server/core/pcp.h"
#include "server/core/upkeep.h"

enum { CROWD_OF = 64 };

uint64_t engine_retry_at(struct engine_retry *t, uint64_t now_ms)
{
	if (t->wait_ms == 0)
		t->wait_ms = ENGINE_RETRY_MIN_MS;
	else if (t->asked_ms != now_ms)
		t->wait_ms = t->wait_ms < ENGINE_RETRY_MAX_MS / 2 ? t->wait_ms * 2 : ENGINE_RETRY_MAX_MS;
	t->asked_ms = now_ms;
	return now_ms + t->wait_ms;
}

struct mapping engine_mapping(const struct lease *l)
{
	const struct extra_parts *x = extra_parts(l->extra);

	return (struct mapping){.internal_address = l->internal_address,
				.external_address = l->external_address,
				.internal_port = l->internal_port,
				.external_port = l->external_port,
				.protocol = l->protocol,
				.kind = l->kind,
				.external = l->external,
				.more_ports = x->more_ports,
				.remote_port = x->remote_port,
				.remote_address = x->remote_address,
				.filters_n = x->filters_n,
				.filters = x->filters};
}

const char *engine_rule_name(const struct engine *e, const struct lease *l)
{
	if (l->origin == ENGINE_ORIGIN_STATIC)
		return l->rule < e->conf->statics_n ? e->conf->statics[l->rule].name : NULL;
	return l->rule < e->conf->rules_n ? e->conf->rules[l->rule].name : NULL;
}

uint32_t engine_remaining_s(const struct lease *l, uint64_t now_ms)
{
	if (l->expires_ms == UINT64_MAX)
		return CODEC_LIFETIME_FOREVER;
	return l->expires_ms > now_ms ? (uint32_t)((l->expires_ms - now_ms + 999) / 1000) : 0;
}

bool engine_lost(const struct engine *e, const struct lease *l)
{
	return (l->flags & LEASE_GENERATION) != e->generation << 4;
}

void engine_set_generation(struct lease *l, uint8_t generation)
{
	l->flags = (uint8_t)((l->flags & ~LEASE_GENERATION) | generation << 4);
}

size_t engine_home(const struct engine *e, const struct lease *l)
{
	size_t owner;

	if (l->origin == ENGINE_ORIGIN_STATIC)
		return l->external;
	if (l->listen < e->conf->listens_n)
		return e->conf->listens[l->listen].external;
	owner = outside_owner(e, &l->external_address);
	return owner != SIZE_MAX ? owner : l->external;
}

bool engine_stranded(const struct engine *e, const struct lease *l)
{
	size_t home = engine_home(e, l);
	struct in6_addr first;

	return l->kind == MAPPING_NAT && home < e->conf->externals_n && outside_at(e, home, 0, &first) &&
	       !(l->external == home && outside_has(e, home, &l->external_address));
}

void engine_refresh(struct engine *e, const struct lease *l)
{
	if (l->kind != MAPPING_NAT)
		return;
	/* which external the lease says it is on may be out of date, and does not matter: who has the address has the marks */
	for (size_t i = 0; i < e->conf->externals_n; i++)
		if (e->conf->externals[i].nat)
			outside_refresh(e, i, &l->external_address, l->protocol, l->external_port);
}

void engine_state_lost(struct engine *e, uint64_t now_ms)
{
	epoch_set(&e->epoch_natpmp, 0, now_ms);
	epoch_set(&e->epoch_pcp, 0, now_ms);
	e->nonces_open = true;
	announce_begin(&e->announce, now_ms);
}

void engine_walk_all(struct engine *e)
{
	e->walk = 0;
	e->walk_again = (struct engine_retry){.at_ms = ENGINE_NEVER};
}

struct engine *engine_new(const struct conf *conf, const uint8_t seed[ENGINE_SEED_LENGTH], uint64_t now_ms)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->conf = conf;
	e->lifetime_uncut_s = policy_lifetime_uncut(conf);
	e->key = hash_key_from(seed);
	e->leases = lease_table_new(seed, now_ms);
	e->limit = limit_new(seed, conf->limits.requests_per_second, conf->limits.burst);
	e->outsides = outside_new(conf, NULL, NULL);
	e->walk = LEASE_NONE;
	e->walk_again.at_ms = e->statics.at_ms = e->removal.at_ms = ENGINE_NEVER;
	announce_init(&e->announce);
	epoch_set(&e->epoch_natpmp, 0, now_ms);
	epoch_set(&e->epoch_pcp, 0, now_ms);
	if (!tally_init(&e->tally, conf->rules_n) || !e->leases || !e->limit || !e->outsides) {
		engine_free(e);
		return NULL;
	}
	lease_tally(e->leases, &e->tally);
	return e;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	updates_clear(&e->updates);
	outside_free(e->outsides, e->conf->externals_n);
	free(e->busy.v);
	limit_free(e->limit);
	lease_table_free(e->leases);
	tally_clear(&e->tally);
	free(e);
}

static void drop(struct engine *e, enum engine_drop why)
{
	e->stats.drops[why]++;
}

/* False for an address and port that nothing should be sent to. Port 5351 is a server's (RFC 6886 3.1, RFC 6887 8): what it
 * takes our answer for is not ours to find out. An IPv4 address in an IPv6 packet is nobody's that an answer would reach;
 * before 5.4 the kernel lets it through. */
static bool sane_source(const struct engine_datagram *d, const struct conf_listen *section)
{
	const struct in6_addr *a = &d->source;
	uint32_t v4 = codec_to_v4(a);
	bool loopback = codec_is_v4(a) ? v4 >> 24 == 127 : IN6_IS_ADDR_LOOPBACK(a);

	if (d->source_port == 0 || d->source_port == CODEC_SERVER_PORT || codec_is_unspecified(a) ||
	    IN6_IS_ADDR_MULTICAST(a) || codec_is_v4(a) != codec_is_v4(&d->destination))
		return false;
	if (codec_is_v4(a) && (v4 >= 0xe0000000 || v4 >> 24 == 0))
		return false;
	/* the gateway itself, unless it serves an address on purpose and not a network */
	return loopback || section->addresses.n > 0 || !engine_same_address(a, &d->destination);
}

static unsigned kind_of(uint8_t opcode)
{
	return opcode < 3 ? opcode : 3;
}

static void answer_natpmp(struct engine *e, const struct engine_datagram *d, size_t length, uint64_t now_ms,
			  struct round *r)
{
	struct codec_message m;

	if (codec_parse(d->data, length, &m, NULL) != CODEC_OK) {
		drop(e, ENGINE_DROP_SHORT);
		return;
	}
	/* a version error with the opcode as RFC 6886 3.5 misprinted it, which looks like a request */
	if (m.natpmp.response) {
		drop(e, ENGINE_DROP_RESPONSE);
		return;
	}
	e->stats.requests_natpmp[kind_of(m.natpmp.opcode)]++;
	natpmp_request(e, d, &m.natpmp, now_ms, r);
}

static void answer_pcp(struct engine *e, const struct engine_datagram *d, size_t length, uint64_t now_ms,
		       struct round *r)
{
	struct codec_message m;
	struct codec_error error = {.result = PCP_UNSUPP_VERSION, .why = "another version than 2"};
	enum codec_verdict verdict = CODEC_REFUSE;

	/* version 0 comes here where NAT-PMP is not spoken, and is then as foreign as any other: RFC 6887 appendix A */
	if (d->data[0] == CODEC_VERSION_PCP)
		verdict = codec_parse(d->data, length, &m, &error);
	else
		m = (struct codec_message){.protocol = CODEC_VERSION_PCP, .pcp.opcode = d->data[1] & 0x7f};
	if (verdict == CODEC_DROP) {
		drop(e, ENGINE_DROP_SHORT);
		return;
	}
	e->stats.requests_pcp[kind_of(d->data[1] & 0x7f)]++;
	if (verdict == CODEC_OK)
		pcp_request(e, d, &m.pcp, now_ms, r);
	else
		pcp_unparsed(e, d, &m.pcp, &error, now_ms, r);
}

struct limit_client engine_limit_client(const struct engine *e, const struct engine_datagram *d)
{
	const struct lease_client *c = lease_client(e->leases, &d->source);

	return (struct limit_client){.address = d->source, .ifindex = d->ifindex, .known = c && c->active > 0};
}

/* Whether the sender may ask now. When more come in than can be served, one of CROWD_OF strangers is: who has mappings
 * must not lose them to those who are made up. */
static bool has_turn(struct engine *e, const struct engine_datagram *d, uint64_t now_ms)
{
	struct limit_client c = engine_limit_client(e, d);

	if (d->crowded && !c.known && e->strangers++ % CROWD_OF != 0) {
		drop(e, ENGINE_DROP_CROWD);
		return false;
	}
	if (limit_take(e->limit, &c, now_ms) || limit_leak(e->limit, now_ms))
		return true;
	drop(e, ENGINE_DROP_RATE);
	return false;
}

/* NAT-PMP is for what is translated. */
static bool speaks_natpmp(const struct engine *e, const struct conf_listen *section)
{
	return section->natpmp && e->conf->externals[section->external].nat;
}

/* The order of RFC 6887 8.2, with the response bit before the version: no two servers can be made to talk. */
bool engine_admits(struct engine *e, const struct engine_datagram *d, uint64_t now_ms)
{
	const struct conf_listen *section = &e->conf->listens[d->listen];
	bool natpmp = speaks_natpmp(e, section), ipv6 = !codec_is_v4(&d->source);

	if (!sane_source(d, section))
		drop(e, ENGINE_DROP_SOURCE);
	else if (d->length < 2)
		drop(e, ENGINE_DROP_SHORT);
	else if (d->data[1] & 0x80)
		drop(e, ENGINE_DROP_RESPONSE);
	else if (!natpmp && !section->pcp)
		drop(e, ENGINE_DROP_DISABLED);
	else if (natpmp && ipv6 && (d->data[0] == CODEC_VERSION_NATPMP || !section->pcp))
		drop(e, ENGINE_DROP_FAMILY);
	else if (section->pcp && d->data[0] == CODEC_VERSION_PCP && d->length < 24)
		drop(e, ENGINE_DROP_SHORT);
	else
		return has_turn(e, d, now_ms);
	return false;
}

void engine_request(struct engine *e, const struct engine_datagram *d, uint64_t now_ms, struct round *r)
{
	const struct conf_listen *section = &e->conf->listens[d->listen];
	bool natpmp = speaks_natpmp(e, section);
	size_t length = d->length < CODEC_MESSAGE_MAX + 4 ? d->length : CODEC_MESSAGE_MAX + 4;

	if (!d->admitted && !engine_admits(e, d, now_ms))
		return;
	if (natpmp && d->data[0] == CODEC_VERSION_NATPMP)
		answer_natpmp(e, d, length, now_ms, r);
	else if (section->pcp)
		answer_pcp(e, d, length, now_ms, r);
	else
		natpmp_version(e, d, now_ms, r);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t engine_deadline(const struct engine *e)
{
	uint64_t at = earlier(lease_deadline(e->leases), e->walk != LEASE_NONE ? 0 : e->walk_again.at_ms);

	if (at < e->memory.at_ms)
		at = e->memory.at_ms;
	at = earlier(at, e->statics.at_ms);
	at = earlier(at, e->announce.next_ms);
	return earlier(at, update_deadline(&e->updates));
}

/* What was done in this round needs no memory in the next; if nothing was, the next would be no better at once. */
static void upkeep(struct engine *e, uint64_t now_ms, struct round *r)
{
	size_t before = r->changes_n;
	bool due, walked;

	if (e->memory.at_ms > now_ms)
		return;
	due = upkeep_due(e, now_ms, r);
	walked = upkeep_walk(e, now_ms, r);
	if ((due && walked) || r->changes_n > before)
		e->memory = (struct engine_retry){0};
	else
		e->memory.at_ms = engine_retry_at(&e->memory, now_ms);
}

void engine_tick(struct engine *e, uint64_t now_ms, struct round *r)
{
	/* before the start there is nothing but what the start does */
	if (!e->started) {
		upkeep_walk(e, now_ms, r);
		return;
	}
	outside_busy_forget(e, now_ms);
	upkeep(e, now_ms, r);
	upkeep_statics(e, now_ms, r);
	announce_tick(e, now_ms, r);
	update_tick(e, now_ms, r);
}

int engine_wan(struct engine *e, size_t external, const struct in6_addr *addresses, size_t n, uint64_t now_ms,
	       struct round *r)
{
	bool first = !e->outsides[external].told;
	int changed = outside_tell(e, external, addresses, n);

	if (changed < 0)
		return changed;
	if (changed == 0 && !first)
		return 0;
	if (changed > 0) {
		/* RFC 6887 8.5; RFC 6886 3.6 knows of no such reset */
		epoch_set(&e->epoch_pcp, 0, now_ms);
		announce_begin(&e->announce, now_ms);
	}
	engine_walk_all(e);
	if (e->started)
		e->statics = (struct engine_retry){.at_ms = now_ms};
	upkeep_walk(e, now_ms, r);
	return 0;
}

int engine_busy(struct engine *e, const struct engine_busy *v, size_t n)
{
	return outside_busy_set(e, v, n);
}

void engine_without(struct engine *e, uint8_t protocol)
{
	unsigned number = outside_mappable(protocol);

	if (number)
		e->without |= (uint8_t)(1u << (number - 1));
}

bool engine_maps(const struct engine *e, uint8_t protocol)
{
	unsigned number = outside_mappable(protocol);

	return number && !(e->without >> (number - 1) & 1);
}

int engine_adopt(struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms, struct round *r)
{
	return upkeep_adopt(e, m, remaining_ms, now_ms, r);
}

void engine_start(struct engine *e, uint64_t now_ms, struct round *r)
{
	e->started = true;
	engine_state_lost(e, now_ms);
	if (e->past.natpmp_goes_on)
		e->epoch_natpmp = e->past.natpmp;
	/* RFC 6887 8.5: nor may an external address have changed */
	if (e->past.pcp_goes_on && !e->moved)
		e->epoch_pcp = e->past.pcp;
	e->nonces_open = !e->past.pcp_goes_on;
	/* it is put together; what is found from now on has nothing to do with it */
	e->past = (struct engine_past){0};
	e->statics = (struct engine_retry){.at_ms = now_ms};
	upkeep_statics(e, now_ms, r);
}

bool engine_walks(const struct engine *e)
{
	return e->walk != LEASE_NONE;
}

void engine_epochs(const struct engine *e, struct epoch *natpmp, struct epoch *pcp)
{
	*natpmp = e->epoch_natpmp;
	*pcp = e->epoch_pcp;
}

/* The packet filter has none of the leases any more. They need not be touched for that, but when the numbers run out: a
 * lease that has not been put back in all that time must not look as if it had. */
static void lose_all(struct engine *e)
{
	if (++e->generation < ENGINE_LOST)
		return;
	e->generation = 0;
	for (uint32_t i = 0; (i = lease_walk(e->leases, i)) != LEASE_NONE; i++)
		engine_set_generation(lease_at(e->leases, i), ENGINE_LOST);
}

void engine_reinstall(struct engine *e, uint64_t now_ms, struct round *r)
{
	lose_all(e);
	engine_state_lost(e, now_ms);
	engine_walk_all(e);
	upkeep_walk(e, now_ms, r);
}
