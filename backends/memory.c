/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings in memory, with refusals on order. Nothing ends here by itself. */
#include "backends/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/verdict.h"
#include "codec/codec.h"

#define NONE UINT32_MAX

enum side { EXTERNAL, INTERNAL, SIDES };

struct node {
	struct mapping mapping;
	uint64_t ends_ms;     /* 0 = never */
	uint32_t next[SIDES]; /* in the chain of its bucket; [0] links free nodes */
	bool used;
};

/* What undoes one change that was applied. */
struct undo {
	uint32_t node; /* NONE: the change did nothing */
	struct mapping mapping;
	uint64_t ends_ms;
};

struct memory {
	struct backend backend;
	struct node *nodes;
	uint32_t *buckets[SIDES]; /* capacity of each: that of nodes, a power of two */
	uint32_t capacity, free;
	size_t count, sets;
	struct undo *undos;
	size_t undos_capacity;
	unsigned refuse;
	int refuse_error, fail_error;
	uint64_t now_ms; /* stands still unless it is told */
};

static uint32_t hash(const struct memory *m, const struct mapping *a, enum side side)
{
	const struct in6_addr *address = side == EXTERNAL ? &a->external_address : &a->internal_address;
	uint64_t h =
	    (uint64_t)(side == EXTERNAL ? a->external_port : a->internal_port) << 16 | a->protocol << 8 | a->kind;
	uint64_t w[2];

	memcpy(w, address, sizeof(w));
	if (a->remote_port)
		h ^= ((uint64_t)a->remote_port << 32 ^ a->remote_address.s6_addr32[3]) * 0xff51afd7ed558ccd;
	h = (h ^ w[0]) * 0x9e3779b97f4a7c15;
	h = (h ^ h >> 29 ^ w[1]) * 0xbf58476d1ce4e5b9;
	/* an IPv4 address varies in the highest octet of w[1], from where a product only reaches the highest bits */
	return (uint32_t)(h >> 32 ^ h >> 56) & (m->capacity - 1);
}

static bool same_side(const struct mapping *a, const struct mapping *b, enum side side)
{
	if (a->more_ports != b->more_ports || a->protocol != b->protocol || a->kind != b->kind ||
	    a->remote_port != b->remote_port)
		return false;
	if (a->remote_port && memcmp(&a->remote_address, &b->remote_address, sizeof(a->remote_address)) != 0)
		return false;
	if (side == EXTERNAL)
		return a->external_port == b->external_port &&
		       memcmp(&a->external_address, &b->external_address, sizeof(a->external_address)) == 0;
	return a->internal_port == b->internal_port &&
	       memcmp(&a->internal_address, &b->internal_address, sizeof(a->internal_address)) == 0;
}

static uint32_t find(const struct memory *m, const struct mapping *a, enum side side)
{
	uint32_t i = m->capacity ? m->buckets[side][hash(m, a, side)] : NONE;

	while (i != NONE && !same_side(&m->nodes[i].mapping, a, side))
		i = m->nodes[i].next[side];
	return i;
}

/* True if the ports of a mapping, or of one that is a set, are taken. */
static bool is_taken(const struct memory *m, const struct mapping *a)
{
	if (find(m, a, EXTERNAL) != NONE || find(m, a, INTERNAL) != NONE)
		return true;
	/* few use sets, and those who do have few mappings here */
	for (uint32_t i = 0; (m->sets || a->more_ports) && i < m->capacity; i++)
		if (m->nodes[i].used &&
		    (verdict_same_external(&m->nodes[i].mapping, a) || verdict_same_internal(&m->nodes[i].mapping, a)))
			return true;
	return false;
}

static uint32_t find_both(const struct memory *m, const struct mapping *a)
{
	uint32_t i = find(m, a, EXTERNAL);

	return i != NONE && same_side(&m->nodes[i].mapping, a, INTERNAL) ? i : NONE;
}

static void link_node(struct memory *m, uint32_t i)
{
	for (int side = 0; side < SIDES; side++) {
		uint32_t *bucket = &m->buckets[side][hash(m, &m->nodes[i].mapping, side)];

		m->nodes[i].next[side] = *bucket;
		*bucket = i;
	}
}

static int grow(struct memory *m)
{
	uint32_t capacity = m->capacity ? m->capacity * 2 : 64;
	struct node *nodes = realloc(m->nodes, capacity * sizeof(*nodes));
	uint32_t *buckets[SIDES];

	if (!nodes)
		return -ENOMEM;
	m->nodes = nodes;
	for (int side = 0; side < SIDES; side++) {
		buckets[side] = malloc(capacity * sizeof(*buckets[side]));
		if (!buckets[side]) {
			if (side > 0)
				free(buckets[0]);
			return -ENOMEM;
		}
		memset(buckets[side], 0xff, capacity * sizeof(*buckets[side]));
	}
	for (int side = 0; side < SIDES; side++) {
		free(m->buckets[side]);
		m->buckets[side] = buckets[side];
	}
	for (uint32_t i = m->capacity; i < capacity; i++) {
		nodes[i].used = false;
		nodes[i].next[0] = m->free;
		m->free = i;
	}
	m->capacity = capacity;
	for (uint32_t i = 0; i < capacity; i++)
		if (nodes[i].used)
			link_node(m, i);
	return 0;
}

/* A copy of the filters, for a node to keep. False if out of memory. */
static bool copy_filters(struct mapping *m)
{
	size_t size = m->filters_n * sizeof(*m->filters);
	struct mapping_filter *copy = size ? malloc(size) : NULL;

	if (size && !copy)
		return false;
	m->filters = size ? memcpy(copy, m->filters, size) : NULL;
	return true;
}

static void free_filters(const struct mapping *m)
{
	free((void *)(uintptr_t)m->filters);
}

static uint64_t end_of(const struct memory *m, const struct change *c)
{
	return c->timeout_ms ? m->now_ms + c->timeout_ms : 0;
}

/* There must be a free node, which takes the filters over. */
static uint32_t insert(struct memory *m, const struct mapping *a, uint64_t ends_ms)
{
	uint32_t i = m->free;

	m->free = m->nodes[i].next[0];
	m->nodes[i] = (struct node){.mapping = *a, .ends_ms = ends_ms, .used = true};
	link_node(m, i);
	m->count++;
	m->sets += a->more_ports != 0;
	return i;
}

static void erase(struct memory *m, uint32_t i)
{
	for (int side = 0; side < SIDES; side++) {
		uint32_t *at = &m->buckets[side][hash(m, &m->nodes[i].mapping, side)];

		while (*at != i)
			at = &m->nodes[*at].next[side];
		*at = m->nodes[i].next[side];
	}
	m->nodes[i].used = false;
	m->nodes[i].next[0] = m->free;
	m->free = i;
	m->count--;
	m->sets -= m->nodes[i].mapping.more_ports != 0;
}

static int apply(struct memory *m, const struct change *c, struct undo *u)
{
	struct mapping added = c->mapping;
	int rc;

	*u = (struct undo){.node = find_both(m, &c->mapping)};
	if (u->node != NONE) {
		u->mapping = m->nodes[u->node].mapping;
		u->ends_ms = m->nodes[u->node].ends_ms;
	}
	switch (c->op) {
	case CHANGE_ADD:
		if (is_taken(m, &c->mapping))
			return -EEXIST;
		rc = m->free == NONE ? grow(m) : 0;
		if (rc == 0 && !copy_filters(&added))
			rc = -ENOMEM;
		if (rc == 0)
			u->node = insert(m, &added, end_of(m, c));
		return rc;
	case CHANGE_RENEW:
		if (u->node == NONE)
			return -ENOENT;
		m->nodes[u->node].ends_ms = end_of(m, c);
		return 0;
	case CHANGE_REMOVE:
		if (u->node != NONE)
			erase(m, u->node);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static void undo(struct memory *m, const struct change *c, const struct undo *u)
{
	if (u->node == NONE)
		return;
	if (c->op == CHANGE_ADD) {
		free_filters(&m->nodes[u->node].mapping);
		erase(m, u->node);
	} else if (c->op == CHANGE_RENEW) {
		m->nodes[u->node].ends_ms = u->ends_ms;
	} else {
		insert(m, &u->mapping, u->ends_ms);
	}
}

/*
 * Refuses change i and its group, and takes back what was applied from the group's first change up to i. Returns the
 * index of that first change, from which the others are to be applied again.
 */
static size_t refuse(struct memory *m, struct change *changes, size_t n, size_t i, int error)
{
	size_t first = i;

	for (size_t j = 0; j < n; j++)
		if (changes[j].group == changes[i].group) {
			if (j < first)
				first = j;
		}
	for (size_t j = i; j-- > first;)
		if (changes[j].verdict == 0)
			undo(m, &changes[j], &m->undos[j]);
	for (size_t j = first; j < n; j++)
		if (changes[j].group == changes[i].group && changes[j].verdict == 0)
			changes[j].verdict = error;
	return first;
}

/* The refusal of an earlier change on the same mapping, or 0. */
static int refused_before(const struct change *changes, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (changes[j].verdict != 0 && verdict_same_mapping(&changes[j].mapping, &changes[i].mapping))
			return changes[j].verdict;
	return 0;
}

static int reserve_undos(struct memory *m, size_t n)
{
	struct undo *undos;

	if (n <= m->undos_capacity)
		return 0;
	undos = realloc(m->undos, n * sizeof(*undos));
	if (!undos)
		return -ENOMEM;
	m->undos = undos;
	m->undos_capacity = n;
	return 0;
}

static int memory_commit(struct backend *b, struct change *changes, size_t n)
{
	struct memory *m = (struct memory *)b;
	int rc = m->fail_error ? m->fail_error : reserve_undos(m, n);
	size_t scripted = SIZE_MAX;
	bool refusals = false;

	for (size_t i = 0; i < n; i++)
		changes[i].verdict = rc;
	if (rc)
		return rc;
	if (m->refuse > n) {
		m->refuse -= (unsigned)n;
	} else if (m->refuse) {
		scripted = m->refuse - 1;
		m->refuse = 0;
	}
	for (size_t i = 0; i < n;) {
		if (changes[i].verdict == 0) {
			rc = i == scripted ? m->refuse_error : refusals ? refused_before(changes, i) : 0;
			if (rc == 0)
				rc = apply(m, &changes[i], &m->undos[i]);
			if (rc) {
				i = refuse(m, changes, n, i, rc);
				refusals = true;
				continue;
			}
		}
		i++;
	}
	for (size_t i = 0; i < n; i++)
		if (changes[i].verdict == 0 && changes[i].op == CHANGE_REMOVE && m->undos[i].node != NONE)
			free_filters(&m->undos[i].mapping);
	return 0;
}

static void tell(const struct memory *m, uint32_t i, backend_list_fn *fn, void *context)
{
	struct mapping found;
	uint64_t ends_ms;

	if (i == NONE)
		return;
	found = m->nodes[i].mapping;
	ends_ms = m->nodes[i].ends_ms;
	/* what should have ended was not ended by its owner, and has next to no time left */
	fn(context, &found, ends_ms > m->now_ms ? ends_ms - m->now_ms : ends_ms != 0);
}

static int memory_list(struct backend *b, backend_list_fn *fn, void *context)
{
	struct memory *m = (struct memory *)b;

	if (m->fail_error)
		return m->fail_error;
	for (uint32_t i = 0; i < m->capacity; i++)
		tell(m, m->nodes[i].used ? i : NONE, fn, context);
	return 0;
}

static int memory_list_filtered(struct backend *b, backend_list_fn *fn, void *context)
{
	struct memory *m = (struct memory *)b;

	if (m->fail_error)
		return m->fail_error;
	for (uint32_t i = 0; i < m->capacity; i++)
		tell(m, m->nodes[i].used && m->nodes[i].mapping.filters_n ? i : NONE, fn, context);
	return 0;
}

static int memory_ask(struct backend *b, const struct mapping *v, size_t n, backend_list_fn *fn, void *context)
{
	struct memory *m = (struct memory *)b;

	if (m->fail_error)
		return m->fail_error;
	for (size_t i = 0; i < n; i++) {
		bool inside = v[i].kind == MAPPING_NAT && codec_is_unspecified(&v[i].external_address);

		uint32_t at = find(m, &v[i], inside ? INTERNAL : EXTERNAL);

		tell(m, at != NONE && m->nodes[at].mapping.filters_n ? NONE : at, fn, context);
	}
	return 0;
}

static int memory_count(struct backend *b, size_t *n)
{
	struct memory *m = (struct memory *)b;

	*n = m->count;
	return m->fail_error;
}

static int memory_reload(struct backend *b, const struct conf *conf, char *why, size_t size)
{
	(void)b, (void)conf;
	if (size)
		why[0] = '\0';
	return 0;
}

static int memory_watch_fd(const struct backend *b)
{
	(void)b;
	return -1;
}

static bool memory_drain(struct backend *b)
{
	(void)b;
	return false;
}

static int memory_watch(struct backend *b, char *why, size_t size)
{
	(void)why;
	(void)size;
	(void)b;
	return BACKEND_INTACT;
}

static void memory_close(struct backend *b, bool clear)
{
	struct memory *m = (struct memory *)b;

	(void)clear;
	for (uint32_t i = 0; i < m->capacity; i++)
		if (m->nodes[i].used)
			free_filters(&m->nodes[i].mapping);
	free(m->nodes);
	free(m->buckets[EXTERNAL]);
	free(m->buckets[INTERNAL]);
	free(m->undos);
	free(m);
}

static const struct backend_ops memory_ops = {
    .name = "memory",
    .commit = memory_commit,
    .list = memory_list,
    .list_filtered = memory_list_filtered,
    .ask = memory_ask,
    .count = memory_count,
    .reload = memory_reload,
    .watch_fd = memory_watch_fd,
    .drain = memory_drain,
    .watch = memory_watch,
    .close = memory_close,
};

int backend_memory_open(struct backend **b)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->backend.ops = &memory_ops;
	m->free = NONE;
	*b = &m->backend;
	return 0;
}

void backend_memory_refuse(struct backend *b, unsigned n, int error)
{
	struct memory *m = (struct memory *)b;

	m->refuse = n;
	m->refuse_error = error;
}

void backend_memory_fail(struct backend *b, int error)
{
	((struct memory *)b)->fail_error = error;
}

void backend_memory_time(struct backend *b, uint64_t now_ms)
{
	((struct memory *)b)->now_ms = now_ms;
}

size_t backend_memory_count(const struct backend *b)
{
	return ((const struct memory *)b)->count;
}
