/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_msg.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/nft_filter.h"
#include "backends/nft_map.h"
#include "codec/codec.h"

/* Lengths of keys and data: fields of 4 or 16 octets, one after the other; those with a peer or a network have two more. */
enum { V4_KEY = 12, V6_KEY = 24, V4_PEER_KEY = 20, V6_PEER_KEY = 44, NAT_DATA = 8, PORTS_DATA = 4, FIELD = 4 };

/* Octets of the longest piece: timeouts, a key with two headers, and its own header; of all else in a message. */
enum { PIECE_MAX = 4 + 2 * 12 + 8 + V6_PEER_KEY, AROUND_MAX = 20 + 4 + NFT_MSG_TABLE_MAX + 4 + 12 + 4 };
/* Of an element that is no piece: a second key, and data; of a message with the longest name of a set. */
enum { ELEMENT_MAX = PIECE_MAX + 8 + V6_PEER_KEY + 8 + NAT_DATA, OPENED_MAX = AROUND_MAX + NFT_MSG_NAME_MAX };

static struct nlmsghdr *put(struct nft_msg_batch *b, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id,
			    uint32_t seq)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(b->data + b->length);
	struct nfgenmsg *g;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = seq;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
	g->res_id = htons(res_id);
	return h;
}

void nft_msg_begin(struct nft_msg_batch *b, uint32_t seq)
{
	b->length = 0;
	nft_msg_close(b, put(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, seq));
}

uint32_t nft_msg_end(struct nft_msg_batch *b)
{
	struct nlmsghdr *last = (struct nlmsghdr *)(void *)(b->data + b->last);
	uint32_t seq = last->nlmsg_seq;

	last->nlmsg_flags |= NLM_F_ACK;
	nft_msg_close(b, put(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES, seq + 1));
	return seq;
}

struct nlmsghdr *nft_msg_open(struct nft_msg_batch *b, uint16_t type, uint16_t flags, uint8_t family, uint32_t seq)
{
	return put(b, NFNL_SUBSYS_NFTABLES << 8 | type, flags, family, 0, seq);
}

void nft_msg_close(struct nft_msg_batch *b, struct nlmsghdr *message)
{
	b->last = b->length;
	b->length += NLMSG_ALIGN(message->nlmsg_len);
}

static size_t put_address(uint8_t *out, const struct in6_addr *address, bool v4)
{
	size_t length = v4 ? 4 : 16;

	memcpy(out, address->s6_addr + 16 - length, length);
	return length;
}

static size_t put_port(uint8_t *out, uint16_t port)
{
	out[0] = port >> 8;
	out[1] = port & 0xff;
	out[2] = out[3] = 0;
	return 4;
}

static size_t put_protocol(uint8_t *out, uint8_t protocol)
{
	out[0] = protocol;
	out[1] = out[2] = out[3] = 0;
	return FIELD;
}

struct element {
	const struct nft_map *map;
	bool v4;
	bool interval; /* up to last */
	uint8_t key[V6_PEER_KEY], last[V6_PEER_KEY];
	uint8_t key_length;
	uint8_t data_length; /* 0: none */
	uint8_t data[NAT_DATA];
};

static void to_element(struct element *e, const struct mapping *m, enum nft_msg_side side)
{
	bool v4 = m->kind == MAPPING_NAT || codec_is_v4(&m->external_address);
	bool outside = side == NFT_MSG_EXTERNAL;
	const struct nft_map *map = nft_map_of(m, v4, outside);
	size_t n = 0;

	e->map = map;
	e->v4 = v4;
	e->interval = m->more_ports != 0;
	if (map->reach != NFT_MAP_HOST)
		n += put_protocol(e->key, m->protocol);
	n += put_address(e->key + n, outside ? &m->external_address : &m->internal_address, v4);
	if (map->reach == NFT_MAP_PORT)
		n += put_port(e->key + n, outside ? m->external_port : m->internal_port);
	if (m->remote_port) {
		n += put_address(e->key + n, &m->remote_address, v4);
		n += put_port(e->key + n, m->remote_port);
	}
	e->key_length = (uint8_t)n;
	if (e->interval) {
		memcpy(e->last, e->key, n);
		put_port(e->last + n - 4, (uint16_t)(m->external_port + m->more_ports));
	}
	e->data_length = 0;
	if (m->kind == MAPPING_NAT) {
		n = put_address(e->data, outside ? &m->internal_address : &m->external_address, v4);
		if (m->more_ports == 0)
			n += put_port(e->data + n, outside ? m->internal_port : m->external_port);
		e->data_length = (uint8_t)n;
	}
}

/* The element of a piece of a filter, whose key begins with the mapping's external side. */
static void to_piece(struct element *e, const struct mapping *m, const struct mapping_filter *f)
{
	size_t n;

	to_element(e, m, NFT_MSG_EXTERNAL);
	n = put_protocol(e->key, m->protocol);
	n += put_address(e->key + n, &m->external_address, e->v4);
	n += put_port(e->key + n, m->external_port);
	n += put_address(e->key + n, &f->address, e->v4);
	n += put_port(e->key + n, f->port);
	e->key_length = (uint8_t)n;
	e->data_length = 0;
}

enum how { ADD, UPDATE, DELETE, DESTROY, GET, ASK };

static void put_value(struct nlmsghdr *h, uint16_t type, const void *data, size_t length)
{
	struct nlattr *value = mnl_attr_nest_start(h, type);

	mnl_attr_put(h, NFTA_DATA_VALUE, length, data);
	mnl_attr_nest_end(h, value);
}

static void put_element(struct nlmsghdr *h, enum how how, const struct element *e, uint64_t timeout_ms)
{
	struct nlattr *element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);

	if (how <= UPDATE && (timeout_ms || how == UPDATE))
		mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	/* With the same timeout as before, only this makes the element live longer. */
	if (how == UPDATE && timeout_ms)
		mnl_attr_put_u64(h, NFTA_SET_ELEM_EXPIRATION, htobe64(timeout_ms));
	put_value(h, NFTA_SET_ELEM_KEY, e->key, e->key_length);
	if (e->interval)
		put_value(h, NFTA_SET_ELEM_KEY_END, e->last, e->key_length);
	if (how <= UPDATE && e->data_length)
		put_value(h, NFTA_SET_ELEM_DATA, e->data, e->data_length);
	mnl_attr_nest_end(h, element);
}

/* A message about elements of one set, up to the list of them. */
struct elements {
	struct nlmsghdr *message;
	struct nlattr *list;
};

static struct elements open_elements(struct nft_msg_batch *b, const char *table, enum how how, const char *set,
				     uint32_t seq)
{
	static const uint16_t types[] = {NFT_MSG_NEWSETELEM,	  NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM,
					 NFT_MSG_DESTROY_ELEMENT, NFT_MSG_GETSETELEM, NFT_MSG_GETSETELEM};
	static const uint16_t flags[] = {NLM_F_CREATE | NLM_F_EXCL, NLM_F_CREATE, 0, 0, NLM_F_ACK, 0};
	struct elements v = {.message = nft_msg_open(b, types[how], flags[how], NFPROTO_INET, seq)};

	mnl_attr_put_strz(v.message, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(v.message, NFTA_SET_ELEM_LIST_SET, set);
	v.list = mnl_attr_nest_start(v.message, NFTA_SET_ELEM_LIST_ELEMENTS);
	return v;
}

static void close_elements(struct nft_msg_batch *b, const struct elements *v)
{
	mnl_attr_nest_end(v->message, v->list);
	nft_msg_close(b, v->message);
}

/* A message for each length of which there are pieces. They bear the number of their mapping's external element. */
static void put_pieces(struct nft_msg_batch *b, const struct conf *conf, enum how how, const struct mapping *m,
		       uint64_t timeout_ms, uint32_t seq)
{
	struct mapping_filter v[NFT_FILTER_PIECES_MAX];
	size_t n = nft_filter_pieces(m->filters, m->filters_n, v);

	for (size_t i = 0; i < n; i++) {
		struct elements list;
		struct element e;

		if (v[i].prefix_length == 0)
			continue; /* done with others of its length */
		to_piece(&e, m, &v[i]);
		list = open_elements(b, conf->backend.table, how,
				     nft_map_from(e.v4, v[i].prefix_length - (e.v4 ? 96u : 0u)), seq);
		put_element(list.message, how, &e, timeout_ms);
		for (size_t j = i + 1; j < n; j++) {
			if (v[j].prefix_length != v[i].prefix_length)
				continue;
			to_piece(&e, m, &v[j]);
			put_element(list.message, how, &e, timeout_ms);
			v[j].prefix_length = 0;
		}
		close_elements(b, &list);
	}
}

static void put_side(struct nft_msg_batch *b, const struct conf *conf, enum how how, const struct mapping *m,
		     enum nft_msg_side side, uint64_t timeout_ms, uint32_t seq)
{
	char set[NFT_MSG_NAME_MAX];
	struct elements list;
	struct element e;

	if (side == NFT_MSG_EXTERNAL && m->filters_n)
		put_pieces(b, conf, how, m, timeout_ms, seq);
	to_element(&e, m, side);
	nft_map_name(set, conf, e.map, m->external);
	list = open_elements(b, conf->backend.table, how, set, seq);
	put_element(list.message, how, &e, timeout_ms);
	close_elements(b, &list);
}

static size_t pieces_room(const struct mapping *m)
{
	struct mapping_filter v[NFT_FILTER_PIECES_MAX];
	size_t n = nft_filter_pieces(m->filters, m->filters_n, v);

	return n * PIECE_MAX + (n < NFT_MAP_FROM6_N ? n : NFT_MAP_FROM6_N) * AROUND_MAX;
}

size_t nft_msg_room(const struct change *c)
{
	/* a renewal on an older kernel has them twice */
	return NFT_MSG_CHANGE_MAX + (c->mapping.filters_n ? 2 * pieces_room(&c->mapping) : 0);
}

void nft_msg_change(struct nft_msg_batch *b, const struct conf *conf, const struct nft_msg_kernel *kernel,
		    const struct change *c, uint32_t seq, unsigned skip)
{
	int sides = c->mapping.kind == MAPPING_NAT ? NFT_MSG_SIDES : 1;
	bool update = c->op == CHANGE_RENEW && kernel->update;

	if (c->op != CHANGE_ADD && !update)
		for (int side = 0; side < sides; side++)
			if (!(skip & 1u << side))
				put_side(b, conf, c->op == CHANGE_REMOVE && kernel->destroy ? DESTROY : DELETE,
					 &c->mapping, side, 0, seq + (uint32_t)side);
	if (c->op != CHANGE_REMOVE)
		for (int side = 0; side < sides; side++)
			put_side(b, conf, update ? UPDATE : ADD, &c->mapping, side, c->timeout_ms,
				 seq + 2 + (uint32_t)side);
}

bool nft_msg_gathers(const struct nft_msg_kernel *kernel, const struct change *c)
{
	return c->mapping.filters_n == 0 && (c->op == CHANGE_ADD || (c->op == CHANGE_RENEW && kernel->update) ||
					     (c->op == CHANGE_REMOVE && kernel->destroy));
}

/* The message of a run that is open, and for which set. */
struct run {
	struct elements list; /* without a message: none is open */
	const struct nft_map *map;
	uint8_t external;
};

static size_t run_length(const struct run *r)
{
	return r->list.message ? r->list.message->nlmsg_len : 0;
}

/* Whether an element of m's can go into the open message: into the same set, and the list of them stays an attribute. */
static bool continues(const struct run *r, const struct element *e, const struct mapping *m)
{
	return r->list.message && r->map == e->map && (e->map->outside || r->external == m->external) &&
	       run_length(r) + ELEMENT_MAX <= UINT16_MAX;
}

static bool put_in_run(struct nft_msg_batch *b, const struct conf *conf, struct run *r, const struct change *c,
		       enum nft_msg_side side, uint32_t *seq)
{
	static const enum how hows[] = {[CHANGE_ADD] = ADD, [CHANGE_RENEW] = UPDATE, [CHANGE_REMOVE] = DESTROY};
	const struct mapping *m = &c->mapping;
	char set[NFT_MSG_NAME_MAX];
	struct element e;

	to_element(&e, m, side);
	if (b->capacity - b->length < run_length(r) + OPENED_MAX + ELEMENT_MAX + NFT_MSG_FRAME)
		return false;
	if (!continues(r, &e, m)) {
		if (r->list.message)
			close_elements(b, &r->list);
		nft_map_name(set, conf, e.map, m->external);
		r->list = open_elements(b, conf->backend.table, hows[c->op], set, (*seq)++);
		r->map = e.map;
		r->external = m->external;
	}
	put_element(r->list.message, hows[c->op], &e, c->timeout_ms);
	return true;
}

bool nft_msg_run(struct nft_msg_batch *b, const struct conf *conf, const struct change *changes, size_t n, uint32_t seq)
{
	for (int side = 0; side < NFT_MSG_SIDES; side++) {
		struct run r = {.list.message = NULL};

		for (size_t i = 0; i < n; i++)
			if (changes[i].verdict == 0 &&
			    (side == NFT_MSG_EXTERNAL || changes[i].mapping.kind == MAPPING_NAT) &&
			    !put_in_run(b, conf, &r, &changes[i], side, &seq))
				return false;
		if (r.list.message)
			close_elements(b, &r.list);
	}
	return true;
}

void nft_msg_get(struct nft_msg_batch *b, const struct conf *conf, const struct mapping *m, uint32_t seq)
{
	put_side(b, conf, GET, m, NFT_MSG_EXTERNAL, 0, seq);
}

void nft_msg_ask(struct nft_msg_batch *b, const struct conf *conf, const struct mapping *m, enum nft_msg_side side,
		 uint32_t seq)
{
	put_side(b, conf, ASK, m, side, 0, seq);
}

void nft_msg_flush(struct nft_msg_batch *b, const char *table, const char *set, uint32_t seq)
{
	struct nlmsghdr *h = nft_msg_open(b, NFT_MSG_DELSETELEM, 0, NFPROTO_INET, seq);

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	nft_msg_close(b, h);
}

/* Attributes by type; foreign types are left out. */
struct attributes {
	const struct nlattr *of[16];
};

static int collect(const struct nlattr *a, void *context)
{
	struct attributes *t = context;

	if (mnl_attr_get_type(a) < 16)
		t->of[mnl_attr_get_type(a)] = a;
	return MNL_CB_OK;
}

/* The octets of a nested NFTA_DATA_VALUE, if there are as many as expected. */
static const uint8_t *get_value(const struct nlattr *a, size_t length)
{
	struct attributes t = {0};

	if (!a || mnl_attr_parse_nested(a, collect, &t) != MNL_CB_OK || !t.of[NFTA_DATA_VALUE] ||
	    mnl_attr_get_payload_len(t.of[NFTA_DATA_VALUE]) != length)
		return NULL;
	return mnl_attr_get_payload(t.of[NFTA_DATA_VALUE]);
}

static uint64_t get_ms(const struct nlattr *a)
{
	uint64_t ms = 0;

	if (a && mnl_attr_get_payload_len(a) == sizeof(ms))
		memcpy(&ms, mnl_attr_get_payload(a), sizeof(ms));
	return be64toh(ms);
}

static struct in6_addr get_address(const uint8_t *in, bool v4)
{
	struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (v4)
		memcpy(a.s6_addr + 12, in, 4);
	else
		memcpy(a.s6_addr, in, 16);
	return a;
}

static uint16_t get_port(const uint8_t *in)
{
	return (uint16_t)(in[0] << 8 | in[1]);
}

struct walk {
	const struct nft_map *map;
	uint8_t external;
	nft_msg_found_fn *fn;
	void *context;
};

static size_t key_length_of(const struct nft_map *map)
{
	switch (map->shape) {
	case NFT_MAP_FOR_PEER:
	case NFT_MAP_PIECE:
		return map->v4 ? V4_PEER_KEY : V6_PEER_KEY;
	default:
		return (map->v4 ? V4_KEY : V6_KEY) - (size_t)map->reach * FIELD;
	}
}

/* What the key begins with, of whichever side it is. */
static void get_side(const struct nft_map *map, const uint8_t *key, struct mapping *m)
{
	if (map->reach != NFT_MAP_HOST) {
		m->protocol = key[0];
		key += FIELD;
	}
	m->internal_address = m->external_address = get_address(key, map->v4);
	if (map->reach == NFT_MAP_PORT)
		m->internal_port = m->external_port = get_port(key + (map->v4 ? 4 : 16));
}

/* A 0 that would open more than its map is for: none of ours. In pieces it is what it says. */
static bool seems_larger(const struct nft_map *map, const struct mapping *m)
{
	if (map->nat || map->shape == NFT_MAP_PIECE)
		return false;
	return (map->reach == NFT_MAP_PORT && m->external_port == 0) ||
	       (map->reach != NFT_MAP_HOST && m->protocol == 0);
}

/* What an element has beyond protocol, address and port. False if it does not look like one of ours. */
static bool get_more(const struct nft_map *map, const uint8_t *key, const uint8_t *last, struct nft_msg_found *f)
{
	size_t address_length = map->v4 ? 4 : 16, length = 8 + address_length;
	struct mapping *m = &f->mapping;

	switch (map->shape) {
	case NFT_MAP_FOR_ALL:
		return true;
	case NFT_MAP_FOR_PEER:
		m->remote_address = get_address(key + length, map->v4);
		m->remote_port = get_port(key + length + address_length);
		return true;
	case NFT_MAP_FOR_FILTER:
		f->kind = NFT_MSG_FILTERED;
		return true;
	case NFT_MAP_OF_PORTS:
		if (!last || memcmp(key, last, length - 4) != 0 || get_port(last + length - 4) <= m->external_port)
			return false;
		m->more_ports = (uint16_t)(get_port(last + length - 4) - m->external_port);
		return true;
	case NFT_MAP_PIECE:
		f->kind = NFT_MSG_PIECE;
		f->filter.address = get_address(key + length, map->v4);
		f->filter.port = get_port(key + length + address_length);
		f->filter.prefix_length = (uint8_t)(map->length + (map->v4 ? 96 : 0));
		return true;
	}
	return false;
}

/* A mirror's key is the inside. */
static void turn(struct mapping *m)
{
	struct in6_addr address = m->internal_address;
	uint16_t port = m->internal_port;

	m->internal_address = m->external_address;
	m->internal_port = m->external_port;
	m->external_address = address;
	m->external_port = port;
}

static int get_element(const struct nlattr *element, void *context)
{
	const struct walk *w = context;
	const struct nft_map *map = w->map;
	size_t key_length = key_length_of(map);
	struct nft_msg_found f = {.kind = NFT_MSG_WHOLE};
	struct mapping *m = &f.mapping;
	struct attributes t = {0};
	const uint8_t *key, *data;

	if (mnl_attr_parse_nested(element, collect, &t) != MNL_CB_OK)
		return MNL_CB_OK;
	key = get_value(t.of[NFTA_SET_ELEM_KEY], key_length);
	if (!key)
		return MNL_CB_OK;
	m->kind = map->nat ? MAPPING_NAT : MAPPING_PINHOLE;
	m->external = w->external;
	get_side(map, key, m);
	if (seems_larger(map, m) || !get_more(map, key, get_value(t.of[NFTA_SET_ELEM_KEY_END], key_length), &f))
		return MNL_CB_OK;
	if (map->nat) {
		data = get_value(t.of[NFTA_SET_ELEM_DATA], map->shape == NFT_MAP_OF_PORTS ? PORTS_DATA : NAT_DATA);
		if (!data)
			return MNL_CB_OK;
		m->internal_address = get_address(data, true);
		if (map->shape != NFT_MAP_OF_PORTS)
			m->internal_port = get_port(data + 4);
		if (!map->outside)
			turn(m);
	}
	f.remaining_ms = get_ms(t.of[NFTA_SET_ELEM_EXPIRATION]);
	/* An element that is about to end must not look like one that never does. */
	if (f.remaining_ms == 0 && get_ms(t.of[NFTA_SET_ELEM_TIMEOUT]) != 0)
		f.remaining_ms = 1;
	w->fn(w->context, &f);
	return MNL_CB_OK;
}

void nft_msg_elements(const struct nlmsghdr *message, const struct conf *conf, nft_msg_found_fn *fn, void *context)
{
	size_t external = 0;
	struct attributes t = {0};
	struct walk w = {.fn = fn, .context = context};
	const struct nlattr *name;

	if (mnl_attr_parse(message, sizeof(struct nfgenmsg), collect, &t) != MNL_CB_OK)
		return;
	name = t.of[NFTA_SET_ELEM_LIST_SET];
	if (!name || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0 || !t.of[NFTA_SET_ELEM_LIST_ELEMENTS])
		return;
	w.map = nft_map_named(conf, mnl_attr_get_str(name), &external);
	if (!w.map)
		return;
	w.external = w.map->outside ? 0 : (uint8_t)external;
	mnl_attr_parse_nested(t.of[NFTA_SET_ELEM_LIST_ELEMENTS], get_element, &w);
}
