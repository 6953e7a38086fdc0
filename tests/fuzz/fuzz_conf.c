/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any text is a configuration that keeps its promises, or is refused with a message that can be shown. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void must_be_shown(const char *s)
{
	must(s && codec_utf8_valid((const uint8_t *)s, strlen(s)));
	for (; *s; s++)
		must((unsigned char)*s >= ' ');
}

static void must_be_ranges(const struct conf_ranges *r)
{
	for (size_t i = 0; i < r->n; i++) {
		must(r->v[i].first && r->v[i].first <= r->v[i].last);
		must(!i || r->v[i - 1].last < r->v[i].first);
		must(conf_ranges_have(r, r->v[i].first) && conf_ranges_have(r, r->v[i].last));
	}
	must(!conf_ranges_have(r, 0));
}

static void must_be_prefixes(const struct conf_prefixes *p)
{
	for (size_t i = 0; i < p->n; i++) {
		must(p->v[i].length <= 128);
		/* the beginning of IPv6 is a v4-mapped address to look at, and not in the prefix then */
		must(p->v[i].length < 96 || conf_prefix_has(&p->v[i], &p->v[i].address));
	}
}

static void must_be_complete(const struct conf *c)
{
	must(c->externals_n && c->listens_n);
	for (size_t i = 0; i < c->externals_n; i++) {
		must_be_shown(c->externals[i].name);
		must_be_shown(c->externals[i].interface);
		must(c->externals[i].line && c->externals[i].ports.n);
		must_be_ranges(&c->externals[i].ports);
		must_be_prefixes(&c->externals[i].addresses);
	}
	for (size_t i = 0; i < c->listens_n; i++) {
		must_be_shown(c->listens[i].name);
		must(c->listens[i].line && c->listens[i].external < c->externals_n);
		must(!c->listens[i].interfaces.n != !c->listens[i].addresses.n);
		for (size_t k = 0; k < c->listens[i].interfaces.n; k++)
			must_be_shown(c->listens[i].interfaces.v[k]);
	}
	for (size_t i = 0; i < c->rules_n; i++) {
		must_be_shown(c->rules[i].name);
		must_be_prefixes(&c->rules[i].clients);
		must_be_ranges(&c->rules[i].internal_ports);
		must_be_ranges(&c->rules[i].external_ports);
	}
	for (size_t i = 0; i < c->statics_n; i++) {
		must_be_shown(c->statics[i].name);
		must(c->statics[i].external < c->externals_n && c->statics[i].external_port && c->statics[i].to_port);
		must(codec_protocol_name(c->statics[i].protocol) != NULL);
	}
	for (size_t i = 0; i < c->hooks_n; i++) {
		must_be_shown(c->hooks[i].name);
		must_be_shown(c->hooks[i].exec);
		must(c->hooks[i].exec[0] == '/' && c->hooks[i].events && c->hooks[i].timeout_s);
	}
	must_be_ranges(&c->reserved.tcp);
	must_be_ranges(&c->reserved.udp);
	must(c->lifetime.min_s && c->lifetime.min_s <= c->lifetime.max_s);
	must_be_shown(c->backend.table);
	must(c->backend.forward.n <= CONF_CHAINS_MAX);
	for (size_t i = 0; i < c->backend.forward.n; i++) {
		const struct conf_chain *chain = &c->backend.forward.v[i];

		must(*chain->family && *chain->table && *chain->chain);
		must_be_shown(chain->family);
		must_be_shown(chain->table);
		must_be_shown(chain->chain);
	}
	must(c->backend.mark && c->backend.mark != c->backend.hairpin_mark);
	must_be_shown(c->journal.path);
	must_be_shown(c->control.socket);
	must_be_shown(c->control.http);
	must_be_shown(c->process.user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[CONF_LOCATION_MAX];
	struct conf *c;

	memset(why, 'x', sizeof(why));
	c = conf_parse((const char *)data, size, "f", why);
	must(memchr(why, '\0', sizeof(why)) != NULL);
	if (c) {
		must(!why[0]);
		must_be_complete(c);
	} else {
		must(!strncmp(why, "f:", 2) && why[2] >= '1' && why[2] <= '9' && strchr(why, ' '));
		must_be_shown(why);
	}
	conf_free(c);
	return 0;
}
