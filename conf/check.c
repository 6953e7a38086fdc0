/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/check.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

enum {
	POOL_MAX = 4096,      /* outside addresses of one external */
	EXTERNALS_MAX = 255,  /* a lease keeps the index in 8 bits */
	HOOKS_MAX = 32,	      /* each is asked about each event */
	SECTIONS_MAX = 65535, /* and that of a rule, listen or static in 16, without the last */
};

static bool say(struct parse *p, const char *reason)
{
	text_add(&p->why, reason);
	return false;
}

/* "external "wan"" at the end of a message. */
static bool say_section(struct parse *p, const char *reason, enum schema_section section, const char *title)
{
	text_add(&p->why, reason);
	text_add(&p->why, schema_sections[section].name);
	text_add(&p->why, " ");
	text_quote(&p->why, title);
	return false;
}

static bool is_multicast(const struct in6_addr *a)
{
	return codec_is_v4(a) ? codec_to_v4(a) >> 28 == 14 : a->s6_addr[0] == 0xff;
}

static bool is_host(const struct in6_addr *a)
{
	return !codec_is_unspecified(a) && !is_multicast(a);
}

static bool overlap(const struct conf_prefix *a, const struct conf_prefix *b)
{
	return a->length <= b->length ? conf_prefix_has(a, &b->address) : conf_prefix_has(b, &a->address);
}

/* Something of a section, to be sorted: a key, and where it comes from. */
struct entry {
	const char *name;
	size_t index;
};

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static bool check_titles(struct parse *p, enum schema_section section, size_t most)
{
	const struct parse_origins *o = &p->origins[section];
	struct entry *entries;
	size_t twice = 0, first = 0;

	if (o->n > most) {
		parse_blame_key(p, section, most, NULL);
		text_add(&p->why, "more than ");
		text_number(&p->why, most);
		return say(p, " sections of this kind");
	}
	entries = malloc((o->n + 1) * sizeof(*entries));
	if (!entries) {
		parse_blame_key(p, section, 0, NULL);
		return say(p, "out of memory");
	}
	for (size_t i = 0; i < o->n; i++)
		entries[i] = (struct entry){.name = o->v[i].title, .index = i};
	qsort(entries, o->n, sizeof(*entries), by_name);
	for (size_t i = 1; i < o->n; i++)
		if (!strcmp(entries[i - 1].name, entries[i].name) && (!twice || entries[i].index < twice)) {
			twice = entries[i].index;
			first = entries[i - 1].index;
		}
	free(entries);
	if (!twice)
		return true;
	parse_blame_key(p, section, twice, NULL);
	text_add(&p->why, "the name stands twice, first in line ");
	text_number(&p->why, o->v[first].line);
	return false;
}

static bool check_sections(struct parse *p)
{
	if (!check_titles(p, SCHEMA_EXTERNAL, EXTERNALS_MAX) || !check_titles(p, SCHEMA_LISTEN, SECTIONS_MAX) ||
	    !check_titles(p, SCHEMA_RULE, SECTIONS_MAX) || !check_titles(p, SCHEMA_STATIC, SECTIONS_MAX) ||
	    !check_titles(p, SCHEMA_HOOK, HOOKS_MAX))
		return false;
	for (size_t i = 0; i < p->conf->hooks_n; i++)
		p->conf->hooks[i].exec_line = parse_line(p, SCHEMA_HOOK, i, "exec");
	if (!p->conf->externals_n) {
		parse_blame_key(p, SCHEMA_EXTERNAL, 0, NULL);
		return say(p, "there is no such section; it names the interface to the outside");
	}
	if (!p->conf->listens_n) {
		parse_blame_key(p, SCHEMA_LISTEN, 0, NULL);
		return say(p, "there is no such section; it names the inside interfaces");
	}
	return true;
}

static bool check_pool(struct parse *p, size_t i)
{
	const struct conf_prefixes *pool = &p->conf->externals[i].addresses;
	uint64_t count = 0;

	for (size_t j = 0; j < pool->n; j++) {
		const struct conf_prefix *x = &pool->v[j];

		if (!is_host(&x->address)) {
			parse_blame_key(p, SCHEMA_EXTERNAL, i, "addresses");
			return say(p, "an outside address is that of a host");
		}
		count += x->length < 100 ? POOL_MAX + 1 : UINT64_C(1) << (128 - x->length);
		for (size_t other = 0; other <= i; other++) {
			const struct conf_prefixes *o = &p->conf->externals[other].addresses;

			for (size_t k = 0; k < (other == i ? j : o->n); k++) {
				if (!overlap(&o->v[k], x))
					continue;
				parse_blame_key(p, SCHEMA_EXTERNAL, i, "addresses");
				return say_section(p, "an address is given twice, also in ", SCHEMA_EXTERNAL,
						   p->conf->externals[other].name);
			}
		}
		if (count > POOL_MAX) {
			parse_blame_key(p, SCHEMA_EXTERNAL, i, "addresses");
			return say(p, "more than 4096 addresses");
		}
	}
	return true;
}

static bool check_externals(struct parse *p)
{
	const struct conf *c = p->conf;

	for (size_t i = 0; i < c->externals_n; i++) {
		const struct conf_external *x = &c->externals[i];

		if (!x->interface[0] && !x->addresses.n) {
			parse_blame_key(p, SCHEMA_EXTERNAL, i, "interface");
			return say(p, "is missing (or addresses)");
		}
		for (size_t j = 0; j < i; j++) {
			const struct conf_external *other = &c->externals[j];

			/* both would give away the same ports of the same addresses */
			if (x->interface[0] && !strcmp(x->interface, other->interface) &&
			    (!x->addresses.n || !other->addresses.n)) {
				parse_blame_key(p, SCHEMA_EXTERNAL, i, "interface");
				text_quote(&p->why, x->interface);
				return say_section(p, ": is already that of ", SCHEMA_EXTERNAL, other->name);
			}
		}
		if (!check_pool(p, i))
			return false;
	}
	return true;
}

/* Finds what "external" of section i refers to; what says what to do if it is not given and must be. */
static bool resolve(struct parse *p, enum schema_section section, size_t i, size_t *external)
{
	const struct conf *c = p->conf;
	const char *name = p->origins[section].v[i].external;

	*external = 0;
	if (!name)
		return true;
	for (size_t j = 0; j < c->externals_n; j++)
		if (!strcmp(c->externals[j].name, name)) {
			*external = j;
			return true;
		}
	parse_blame_key(p, section, i, "external");
	text_quote(&p->why, name);
	return say(p, ": there is no external section of that name");
}

static bool listens_have(const struct conf *c, const char *interface, size_t before, size_t *which)
{
	for (size_t i = 0; i < before; i++)
		for (size_t k = 0; k < c->listens[i].interfaces.n; k++)
			if (!strcmp(c->listens[i].interfaces.v[k], interface)) {
				*which = i;
				return true;
			}
	return false;
}

static bool check_listen_interfaces(struct parse *p, size_t i)
{
	const struct conf *c = p->conf;
	size_t which;

	for (size_t k = 0; k < c->listens[i].interfaces.n; k++) {
		const char *interface = c->listens[i].interfaces.v[k];

		for (size_t j = 0; j < c->externals_n; j++)
			if (!strcmp(interface, c->externals[j].interface)) {
				parse_blame_key(p, SCHEMA_LISTEN, i, "interfaces");
				text_quote(&p->why, interface);
				return say_section(p, ": is outside, in ", SCHEMA_EXTERNAL, c->externals[j].name);
			}
		if (listens_have(c, interface, i, &which)) {
			parse_blame_key(p, SCHEMA_LISTEN, i, "interfaces");
			text_quote(&p->why, interface);
			return say_section(p, ": stands already in ", SCHEMA_LISTEN, c->listens[which].name);
		}
	}
	return true;
}

static bool check_listen_addresses(struct parse *p, size_t i)
{
	const struct conf *c = p->conf;

	for (size_t k = 0; k < c->listens[i].addresses.n; k++) {
		const struct in6_addr *a = &c->listens[i].addresses.v[k].address;
		char text[CODEC_ADDRESS_TEXT];

		for (size_t j = 0; j <= i; j++)
			for (size_t m = 0; m < (j == i ? k : c->listens[j].addresses.n); m++) {
				if (memcmp(a, &c->listens[j].addresses.v[m].address, sizeof(*a)))
					continue;
				parse_blame_key(p, SCHEMA_LISTEN, i, "addresses");
				text_quote(&p->why, codec_address_text(a, text));
				return say_section(p, ": stands already in ", SCHEMA_LISTEN, c->listens[j].name);
			}
		if (is_host(a))
			continue;
		/* requests are taken only from inside: never listen everywhere */
		parse_blame_key(p, SCHEMA_LISTEN, i, "addresses");
		text_quote(&p->why, codec_address_text(a, text));
		return say(p, ": not an address of this host");
	}
	return true;
}

static bool check_listens(struct parse *p)
{
	struct conf *c = p->conf;

	for (size_t i = 0; i < c->listens_n; i++) {
		struct conf_listen *l = &c->listens[i];

		if (!l->interfaces.n && !l->addresses.n) {
			parse_blame_key(p, SCHEMA_LISTEN, i, "interfaces");
			return say(p, "is missing");
		}
		if (l->interfaces.n && l->addresses.n) {
			parse_blame_key(p, SCHEMA_LISTEN, i, "addresses");
			return say(p, "takes the place of interfaces, give one of them");
		}
		if (!resolve(p, SCHEMA_LISTEN, i, &l->external))
			return false;
		if (c->externals_n > 1 && !p->origins[SCHEMA_LISTEN].v[i].external) {
			parse_blame_key(p, SCHEMA_LISTEN, i, "external");
			return say(p, "is missing; there are several external sections");
		}
		if (!check_listen_interfaces(p, i) || !check_listen_addresses(p, i))
			return false;
	}
	return true;
}

static bool only_if_allowed(struct parse *p, size_t rule, const char *key)
{
	parse_blame_key(p, SCHEMA_RULE, rule, key);
	return say(p, "has a meaning only in a rule that allows");
}

static bool check_rules(struct parse *p)
{
	const struct conf *c = p->conf;
	bool bound = false;
	size_t which;

	for (size_t i = 0; i < c->listens_n; i++)
		bound = bound || c->listens[i].addresses.n;
	for (size_t i = 0; i < c->rules_n; i++) {
		const struct conf_rule *r = &c->rules[i];

		if (r->lifetime_max_s && r->lifetime_max_s < c->lifetime.min_s) {
			parse_blame_key(p, SCHEMA_RULE, i, "lifetime-max");
			text_add(&p->why, "is less than min of section \"lifetime\", ");
			text_number(&p->why, c->lifetime.min_s);
			if (!parse_has(p, SCHEMA_RULE, i, "lifetime-max"))
				text_add(&p->why, "; the rule has it from its preset, unless it says so itself");
			return false;
		}
		if (r->preset && r->action == CONF_DENY)
			return only_if_allowed(p, i, "preset");
		if (r->reject_ports.n && r->action == CONF_DENY)
			return only_if_allowed(p, i, "reject-ports");
		if (r->mappings_total && r->action == CONF_DENY)
			return only_if_allowed(p, i, "mappings-total");
		/* what a rule denies of a host it denies of all of it, too */
		if (r->wildcard && r->action == CONF_DENY)
			return only_if_allowed(p, i, "wildcard");
		/* a misspelt name in a rule that denies would open what it was to close */
		for (size_t k = 0; !bound && k < r->interfaces.n; k++)
			if (!listens_have(c, r->interfaces.v[k], c->listens_n, &which)) {
				parse_blame_key(p, SCHEMA_RULE, i, "interfaces");
				text_quote(&p->why, r->interfaces.v[k]);
				return say(p, ": no listen section has this interface");
			}
	}
	return true;
}

/* True if the static mapping translates nothing: it opens the firewall for an inside address. */
static bool is_pinhole(const struct conf *c, const struct conf_static *s)
{
	return !codec_is_v4(&s->to_address) || !c->externals[s->external].nat;
}

static bool check_static_family(struct parse *p, size_t i)
{
	const struct conf_static *s = &p->conf->statics[i];
	const struct conf_external *x = &p->conf->externals[s->external];
	bool v4 = codec_is_v4(&s->to_address), found = !x->addresses.n || (!v4 && x->interface[0]);

	for (size_t k = 0; k < x->addresses.n; k++)
		found = found || codec_is_v4(&x->addresses.v[k].address) == v4;
	if (found)
		return true;
	parse_blame_key(p, SCHEMA_STATIC, i, "to");
	return say_section(
	    p, v4 ? "is IPv4, but there is no such address in " : "is IPv6, but there is no such address in ",
	    SCHEMA_EXTERNAL, x->name);
}

static bool check_static(struct parse *p, size_t i)
{
	struct conf_static *s = &p->conf->statics[i];
	const struct conf_external *x;

	if (!resolve(p, SCHEMA_STATIC, i, &s->external))
		return false;
	x = &p->conf->externals[s->external];
	if (!codec_protocol_name(s->protocol)) {
		parse_blame_key(p, SCHEMA_STATIC, i, "protocol");
		return say(p, "a protocol without ports");
	}
	if (!is_host(&s->to_address)) {
		parse_blame_key(p, SCHEMA_STATIC, i, "to");
		return say(p, "not the address of a host");
	}
	if (!check_static_family(p, i))
		return false;
	if (is_pinhole(p->conf, s)) {
		if (s->external_port == s->to_port)
			return true;
		parse_blame_key(p, SCHEMA_STATIC, i, "to");
		text_add(&p->why, "nothing is translated here: the port must be external-port, ");
		text_number(&p->why, s->external_port);
		return false;
	}
	/* RFC 6887 11.3 */
	if (s->protocol == IPPROTO_UDP &&
	    (s->external_port == CODEC_SERVER_PORT || s->external_port == CODEC_ANNOUNCE_PORT)) {
		parse_blame_key(p, SCHEMA_STATIC, i, "external-port");
		return say(p, "UDP ports 5350 and 5351 are those of NAT-PMP and PCP themselves");
	}
	if (!conf_ranges_have(&x->ports, s->external_port)) {
		parse_blame_key(p, SCHEMA_STATIC, i, "external-port");
		text_number(&p->why, s->external_port);
		return say_section(p, ": is not in ports of ", SCHEMA_EXTERNAL, x->name);
	}
	return true;
}

/* One side of a static mapping. */
struct side {
	struct in6_addr address; /* inside; zero outside, where the external's index says it */
	size_t external;
	uint16_t port;
	uint8_t protocol;
	size_t index;
};

static int by_side(const void *a, const void *b)
{
	const struct side *x = a, *y = b;
	int order = memcmp(&x->address, &y->address, sizeof(x->address));

	if (!order)
		order = (x->external > y->external) - (x->external < y->external);
	if (!order)
		order = (int)x->protocol - (int)y->protocol;
	return order ? order : (int)x->port - (int)y->port;
}

static int by_side_and_index(const void *a, const void *b)
{
	const struct side *x = a, *y = b;
	int order = by_side(a, b);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The first static mapping whose side equals that of an earlier one; that one in *earlier. 0 = there is none. */
static size_t find_clash(struct side *sides, size_t n, size_t *earlier)
{
	size_t clash = 0;

	qsort(sides, n, sizeof(*sides), by_side_and_index);
	for (size_t i = 1; i < n; i++)
		if (!by_side(&sides[i - 1], &sides[i]) && (!clash || sides[i].index < clash)) {
			clash = sides[i].index;
			*earlier = sides[i - 1].index;
		}
	return clash;
}

static bool check_clashes(struct parse *p, struct side *sides)
{
	const struct conf *c = p->conf;
	size_t n = 0, clash, earlier = 0;

	for (size_t i = 0; i < c->statics_n; i++)
		if (!is_pinhole(c, &c->statics[i]))
			sides[n++] = (struct side){.external = c->statics[i].external,
						   .port = c->statics[i].external_port,
						   .protocol = c->statics[i].protocol,
						   .index = i};
	clash = find_clash(sides, n, &earlier);
	if (clash) {
		parse_blame_key(p, SCHEMA_STATIC, clash, "external-port");
		text_number(&p->why, c->statics[clash].external_port);
		return say_section(p, ": is already mapped by ", SCHEMA_STATIC, c->statics[earlier].name);
	}
	for (n = 0; n < c->statics_n; n++)
		sides[n] = (struct side){.address = c->statics[n].to_address,
					 .port = c->statics[n].to_port,
					 .protocol = c->statics[n].protocol,
					 .index = n};
	clash = find_clash(sides, n, &earlier);
	if (clash) {
		/* one inside port has one outside port: what it sends goes out from that one (RFC 6886 3.9) */
		parse_blame_key(p, SCHEMA_STATIC, clash, "to");
		return say_section(p, "the same inside address and port as in ", SCHEMA_STATIC,
				   c->statics[earlier].name);
	}
	return true;
}

static bool check_statics(struct parse *p)
{
	struct side *sides;
	bool good;

	for (size_t i = 0; i < p->conf->statics_n; i++)
		if (!check_static(p, i))
			return false;
	sides = malloc((p->conf->statics_n + 1) * sizeof(*sides));
	if (!sides) {
		parse_blame_key(p, SCHEMA_STATIC, 0, NULL);
		return say(p, "out of memory");
	}
	good = check_clashes(p, sides);
	free(sides);
	return good;
}

static bool check_single(struct parse *p)
{
	const struct conf *c = p->conf;

	if (c->lifetime.min_s > c->lifetime.max_s) {
		bool max = parse_line(p, SCHEMA_LIFETIME, 0, "max") > parse_line(p, SCHEMA_LIFETIME, 0, "min");

		parse_blame_key(p, SCHEMA_LIFETIME, 0, max ? "max" : "min");
		text_number(&p->why, max ? c->lifetime.max_s : c->lifetime.min_s);
		text_add(&p->why, max ? ": is less than min, " : ": is more than max, ");
		text_number(&p->why, max ? c->lifetime.min_s : c->lifetime.max_s);
		return false;
	}
	if (c->backend.mark == c->backend.hairpin_mark) {
		bool given =
		    parse_line(p, SCHEMA_BACKEND, 0, "hairpin-mark") >= parse_line(p, SCHEMA_BACKEND, 0, "mark");

		parse_blame_key(p, SCHEMA_BACKEND, 0, given ? "hairpin-mark" : "mark");
		return say(p, given ? "is the same bit as mark" : "is the same bit as hairpin-mark");
	}
	for (size_t i = 0; i < c->backend.forward.n; i++) {
		const struct conf_chain *chain = &c->backend.forward.v[i];

		if (strcmp(chain->family, "inet") || strcmp(chain->table, c->backend.table))
			continue;
		parse_blame_key(p, SCHEMA_BACKEND, 0, "forward-chain");
		return say(p, "a chain of yours is needed, not one of the daemon's own table");
	}
	return true;
}

bool check_conf(struct parse *p)
{
	return check_sections(p) && check_externals(p) && check_listens(p) && check_rules(p) && check_statics(p) &&
	       check_single(p);
}
