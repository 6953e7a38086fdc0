/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "conf/check.h"
#include "conf/parse.h"

/* FNV-1a. */
static uint64_t sum_of(const char *text, size_t length)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ (uint8_t)text[i]) * 0x100000001b3;
	return sum;
}

struct conf *conf_parse(const char *text, size_t length, const char *name, char why[CONF_LOCATION_MAX])
{
	struct conf *conf = NULL;
	struct parse p;

	if (parse_text(&p, text, length, name, why) && check_conf(&p)) {
		conf = p.conf;
		conf->sum = sum_of(text, length);
		p.conf = NULL;
		why[0] = '\0';
	}
	parse_clear(&p);
	return conf;
}

struct conf *conf_loopback(const struct in6_addr *listen, const struct in6_addr *external)
{
	/* a test client must not run into silence: no rate limit; any address may be played for the outside one */
	static const char text[] = "external \"wan\" { addresses = { 198.51.100.1 } private-address = allow }\n"
				   "listen \"loopback\" { addresses = { 127.0.0.1 } }\n"
				   "rule \"everybody\" { action = allow }\n"
				   "limits { requests-per-second = 0 }\n"
				   "backend { type = memory }\n"
				   "journal { path = \"\" }\n"
				   "control { socket = \"\" }\n"
				   "process { user = \"\" }\n";
	char why[CONF_LOCATION_MAX];
	struct conf *conf = conf_parse(text, sizeof(text) - 1, "-l", why);

	if (!conf)
		return NULL;
	conf->listens[0].addresses.v[0].address = *listen;
	if (external)
		conf->externals[0].addresses.v[0].address = *external;
	return conf;
}

static void free_strings(struct conf_strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
}

static void free_chains(struct conf_chains *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].family);
		free(c->v[i].table);
		free(c->v[i].chain);
	}
	free(c->v);
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->externals_n; i++) {
		free(c->externals[i].name);
		free(c->externals[i].interface);
		free(c->externals[i].addresses.v);
		free(c->externals[i].ports.v);
	}
	free(c->externals);
	for (size_t i = 0; i < c->listens_n; i++) {
		free(c->listens[i].name);
		free_strings(&c->listens[i].interfaces);
		free(c->listens[i].addresses.v);
	}
	free(c->listens);
	for (size_t i = 0; i < c->rules_n; i++) {
		free(c->rules[i].name);
		free(c->rules[i].clients.v);
		free_strings(&c->rules[i].interfaces);
		free(c->rules[i].macs.v);
		free(c->rules[i].internal_ports.v);
		free(c->rules[i].reject_ports.v);
		free(c->rules[i].external_ports.v);
	}
	free(c->rules);
	for (size_t i = 0; i < c->statics_n; i++)
		free(c->statics[i].name);
	free(c->statics);
	for (size_t i = 0; i < c->hooks_n; i++) {
		free(c->hooks[i].name);
		free(c->hooks[i].exec);
	}
	free(c->hooks);
	free(c->reserved.tcp.v);
	free(c->reserved.udp.v);
	free(c->reserved.sctp.v);
	free(c->reserved.dccp.v);
	free(c->reserved.udplite.v);
	free(c->third_party.clients.v);
	free(c->backend.table);
	free_chains(&c->backend.forward);
	free(c->journal.path);
	free(c->control.socket);
	free(c->control.http);
	free(c->process.user);
	free(c);
}

bool conf_prefix_has(const struct conf_prefix *p, const struct in6_addr *address)
{
	unsigned whole = p->length / 8, rest = p->length % 8;

	/* "::/0" means IPv6; IPv4 is inside it only by the form in which addresses are kept */
	if (p->length < 96 && codec_is_v4(address))
		return false;
	return !memcmp(&p->address, address, whole) &&
	       (!rest || !((p->address.s6_addr[whole] ^ address->s6_addr[whole]) >> (8 - rest)));
}

bool conf_prefixes_have(const struct conf_prefixes *p, const struct in6_addr *address)
{
	for (size_t i = 0; i < p->n; i++)
		if (conf_prefix_has(&p->v[i], address))
			return true;
	return false;
}

bool conf_ranges_have(const struct conf_ranges *r, uint16_t port)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (port < r->v[middle].first)
			high = middle;
		else if (port > r->v[middle].last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

bool conf_chains_have(const struct conf_chains *c, const char *family, const char *table, const char *chain)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->v[i].family, family) && !strcmp(c->v[i].table, table) && !strcmp(c->v[i].chain, chain))
			return true;
	return false;
}

bool conf_protocols_have(const struct conf_protocols *p, uint8_t protocol)
{
	return p->bits[protocol / 64] >> (protocol % 64) & 1;
}
