/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/listen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "server/io/log.h"
#include "server/io/udp.h"

struct entry {
	struct listener l; /* first: a listener is its entry */
	struct listeners *set;
	struct loop_event *event;
};

struct listeners {
	struct loop *loop;
	listener_fn *fn;
	void *context;
	struct entry **v;
	size_t n, room;
	char **absent; /* names of interfaces that were missing and logged */
	size_t absent_n;
};

struct listeners *listeners_new(struct loop *loop, listener_fn *fn, void *context)
{
	struct listeners *s = calloc(1, sizeof(*s));

	if (s) {
		s->loop = loop;
		s->fn = fn;
		s->context = context;
	}
	return s;
}

static void entry_free(struct entry *e)
{
	loop_forget(e->event);
	if (e->l.fd >= 0)
		close(e->l.fd);
	free(e);
}

static void absent_clear(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void listeners_free(struct listeners *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		entry_free(s->v[i]);
	free(s->v);
	absent_clear(s->absent, s->absent_n);
	free(s);
}

static void readable(void *context)
{
	struct entry *e = context;

	e->set->fn(e->set->context, &e->l);
}

static bool same(const struct listener *a, const struct listener *b)
{
	if (a->ipv6 != b->ipv6 || a->address_only != b->address_only)
		return false;
	if (a->address_only)
		return !memcmp(&a->address, &b->address, sizeof(a->address));
	return a->ifindex == b->ifindex && !strcmp(a->interface, b->interface);
}

/* Two socket sets while one is made from the other. */
struct change {
	struct listeners *set;
	struct entry **v;
	size_t n, room;
	char **absent;
	size_t absent_n;
	int error;
};

static struct entry *take(struct change *c, const struct listener *want)
{
	for (size_t i = 0; i < c->set->n; i++) {
		struct entry *e = c->set->v[i];

		if (e && same(&e->l, want)) {
			c->set->v[i] = NULL;
			return e;
		}
	}
	return NULL;
}

static int entry_open(struct listeners *set, const struct listener *want, struct entry **out)
{
	struct udp_where w = {
	    .ipv6 = want->ipv6,
	    .interface = want->address_only ? NULL : want->interface,
	    .address = want->address,
	    .ifindex = want->ifindex,
	    .port = CODEC_SERVER_PORT,
	};
	struct entry *e = calloc(1, sizeof(*e));
	int fd;

	if (!e)
		return -ENOMEM;
	e->l = *want;
	e->set = set;
	fd = e->l.fd = udp_open(&w);
	if (fd >= 0)
		e->event = loop_readable(set->loop, fd, readable, e);
	if (!e->event) {
		entry_free(e);
		return fd < 0 ? fd : -ENOMEM;
	}
	*out = e;
	return 0;
}

static void opening_failed(const struct listener *want, int error)
{
	struct log_line l;

	log_begin(&l, CONF_LOG_ERROR, "listen-failed");
	if (want->address_only)
		log_endpoint(&l, "address", &want->address, CODEC_SERVER_PORT);
	else
		log_text(&l, "interface", want->interface);
	log_text(&l, "family", want->ipv6 ? "ipv6" : "ipv4");
	log_text(&l, "why", strerror(-error));
	if (error == -EADDRINUSE)
		log_text(&l, "hint", "another NAT-PMP or PCP server is running on UDP port 5351");
	log_end(&l);
}

static void report(const struct listener *o, const char *event)
{
	struct log_line l;

	log_begin(&l, CONF_LOG_INFO, event);
	log_text(&l, "interface", *o->interface ? o->interface : NULL);
	if (o->address_only)
		log_address(&l, "address", &o->address);
	log_text(&l, "family", o->ipv6 ? "ipv6" : "ipv4");
	log_end(&l);
}

static void add(struct change *c, const struct listener *want)
{
	struct entry *e = NULL, **v;
	int error = 0;

	if (c->n == c->room) {
		size_t room = c->room ? c->room * 2 : 16;

		v = reallocarray(c->v, room, sizeof(struct entry *));
		if (!v) {
			c->error = -ENOMEM;
			return;
		}
		c->v = v;
		c->room = room;
	}
	e = take(c, want);
	if (e) {
		e->l.listen = want->listen;
		e->l.ifindex = want->ifindex;
		memcpy(e->l.interface, want->interface, sizeof(e->l.interface));
	} else {
		error = entry_open(c->set, want, &e);
		if (!error)
			report(want, "listening");
	}
	if (error == -EAFNOSUPPORT && want->ipv6) {
		log_print(CONF_LOG_DEBUG, "listen-skipped", "this kernel has no IPv6");
		return;
	}
	if (error) {
		opening_failed(want, error);
		c->error = error;
		return;
	}
	c->v[c->n++] = e;
}

static bool named(char *const *v, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(v[i], name))
			return true;
	}
	return false;
}

/* Says so once, until the interface appears. */
static void note_absent(struct change *c, const char *interface)
{
	struct log_line l;
	char **v;

	if (!named(c->set->absent, c->set->absent_n, interface)) {
		log_begin(&l, CONF_LOG_WARNING, "interface-absent");
		log_text(&l, "interface", interface);
		log_text(&l, "why", "there is no such interface now; listening starts when it appears");
		log_end(&l);
	}
	v = reallocarray(c->absent, c->absent_n + 1, sizeof(char *));
	if (!v)
		return;
	c->absent = v;
	v[c->absent_n] = strdup(interface);
	if (v[c->absent_n])
		c->absent_n++;
}

/* NAT-PMP is a protocol of IPv4; a section without protocols gets no socket, so that ICMP answers (RFC 6886 3.8). */
static bool serves(const struct conf_listen *s, bool ipv6)
{
	return s->pcp || (s->natpmp && !ipv6);
}

static void section_add(struct change *c, const struct conf_listen *s, uint16_t index, const struct wan *wan)
{
	for (size_t i = 0; i < s->interfaces.n; i++) {
		struct listener want = {.fd = -1, .listen = index};

		want.ifindex = wan_ifindex(wan, s->interfaces.v[i]);
		if (!want.ifindex) {
			note_absent(c, s->interfaces.v[i]);
			continue;
		}
		strncpy(want.interface, s->interfaces.v[i], sizeof(want.interface) - 1);
		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			want.ipv6 = ipv6;
			if (serves(s, ipv6))
				add(c, &want);
		}
	}
	for (size_t i = 0; i < s->addresses.n; i++) {
		struct listener want = {.fd = -1, .listen = index, .address_only = true};

		want.address = s->addresses.v[i].address;
		want.ipv6 = !codec_is_v4(&want.address);
		want.ifindex = wan_interface_of(wan, &want.address);
		strncpy(want.interface, wan_interface(wan, want.ifindex), sizeof(want.interface) - 1);
		if (serves(s, want.ipv6))
			add(c, &want);
	}
}

int listeners_apply(struct listeners *s, const struct conf *conf, const struct wan *wan)
{
	struct change c = {.set = s};

	for (size_t i = 0; i < conf->listens_n; i++)
		section_add(&c, &conf->listens[i], (uint16_t)i, wan);
	/* the new ones stand: whatever was not taken over goes */
	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i])
			continue;
		report(&s->v[i]->l, "listen-ended");
		entry_free(s->v[i]);
	}
	free(s->v);
	s->v = c.v;
	s->n = c.n;
	s->room = c.room;
	absent_clear(s->absent, s->absent_n);
	s->absent = c.absent;
	s->absent_n = c.absent_n;
	return c.error;
}

size_t listeners_count(const struct listeners *s)
{
	return s->n;
}

const struct listener *listeners_at(const struct listeners *s, size_t i)
{
	return &s->v[i]->l;
}

const struct listener *listeners_find(const struct listeners *s, uint16_t listen, bool ipv6, uint32_t ifindex)
{
	const struct listener *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct listener *l = &s->v[i]->l;

		if (l->listen != listen || l->ipv6 != ipv6)
			continue;
		if (!ifindex || l->ifindex == ifindex)
			return l;
		if (l->address_only && !found)
			found = l;
	}
	return found;
}
