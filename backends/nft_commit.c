/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes into transactions, and what the kernel refused into verdicts. */
#include "backends/nft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/nft_filter.h"
#include "backends/verdict.h"
#include "codec/codec.h"

#define CHUNK_CHANGES 2048 /* changes in one transaction, unless a group has more */
#define TRIES_MAX     8	   /* of a transaction that the kernel wants repeated */
#define PAUSE_CHANGES 16   /* from so many on it is worth it not to listen */

/* One transaction: changes[start] up to, not including, changes[end]. */
struct chunk {
	struct nft *nft;
	struct change *changes;
	size_t n, start, end;
	uint32_t first; /* sequence number of the batch's begin */
	bool gathered;	/* it was sent in runs, so that a refusal does not tell whose it is */
	bool apart;	/* each element is to have a message of its own */
	bool gone;	/* the table or a map is not there */
	bool again;	/* to be sent again without elements that are gone anyhow */
};

static int reserve_slots(struct nft *n, size_t count)
{
	struct nft_slot *slots;

	if (count <= n->slots_capacity)
		return 0;
	slots = realloc(n->slots, count * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	n->slots = slots;
	n->slots_capacity = count;
	return 0;
}

int nft_grow(struct nft *n)
{
	struct nft_msg_batch *b = &n->batch;
	uint8_t *data;

	if (b->capacity >= NFT_BATCH_MAX || b->capacity * 2 > n->batch_max)
		return -EMSGSIZE;
	data = realloc(b->data, b->capacity * 2);
	if (!data)
		return -ENOMEM;
	memset(data + b->capacity, 0, b->capacity);
	b->data = data;
	b->capacity *= 2;
	return 0;
}

/*
 * Puts the changes that are not refused into the batch. The first time c->end is 0: then it is set to where the batch
 * is full, between two groups. Returns 0 or -EMSGSIZE, -ENOMEM: the first group does not fit.
 */
static int fill(struct chunk *c)
{
	struct nft *n = c->nft;
	struct nft_msg_batch *b = &n->batch, boundary;
	size_t limit = c->end ? c->end : c->n, group = c->start, i;
	int rc;

	c->first = n->seq;
	nft_msg_begin(b, c->first);
	boundary = *b;
	for (i = c->start; i < limit; i++) {
		struct nft_slot *slot;

		if (i > c->start && c->changes[i].group != c->changes[i - 1].group) {
			boundary = *b;
			group = i;
			if (i - c->start >= CHUNK_CHANGES)
				break;
		}
		while (c->changes[i].verdict == 0 &&
		       b->capacity - b->length < nft_msg_room(&c->changes[i]) + NFT_MSG_FRAME) {
			if (group > c->start)
				goto full;
			rc = nft_grow(n);
			if (rc)
				return rc;
		}
		rc = reserve_slots(n, i - c->start + 1 > CHUNK_CHANGES ? (i - c->start + 1) * 2 : CHUNK_CHANGES);
		if (rc)
			return rc;
		slot = &n->slots[i - c->start];
		if (c->end == 0)
			*slot = (struct nft_slot){0};
		slot->error = 0;
		slot->failed = 0;
		slot->sent = c->changes[i].verdict == 0;
		if (slot->sent)
			nft_msg_change(b, n->conf, &n->kernel, &c->changes[i],
				       c->first + 1 + NFT_MSG_SEQ_STEP * (uint32_t)(i - c->start), slot->skip);
	}
	group = i;
	boundary = *b;
full:
	b->length = boundary.length;
	b->last = boundary.last;
	c->end = group;
	n->seq += 2 + NFT_MSG_SEQ_STEP * (uint32_t)(c->end - c->start);
	return 0;
}

/* How many changes from i on, before end, make a run: order does not matter among changes of one op, for if two are about
 * the same key, either the kernel refuses the batch or the second finds what it wants. */
static size_t run_of(const struct chunk *c, size_t i, size_t end)
{
	const struct change *changes = c->changes;
	size_t n = 0;

	while (i + n < end && changes[i + n].op == changes[i].op && nft_msg_gathers(&c->nft->kernel, &changes[i + n]))
		n++;
	return n;
}

/* Puts the changes that are not refused into the batch, in runs where they make some. False: it is too small. */
static bool put_runs(struct chunk *c)
{
	struct nft_msg_batch *b = &c->nft->batch;
	size_t i = c->start;

	nft_msg_begin(b, c->first);
	while (i < c->end) {
		const struct change *change = &c->changes[i];
		uint32_t seq = c->first + 1 + NFT_MSG_SEQ_STEP * (uint32_t)(i - c->start);
		size_t n = run_of(c, i, c->end);

		if (n > 0) {
			if (!nft_msg_run(b, c->nft->conf, change, n, seq))
				return false;
			i += n;
			continue;
		}
		if (change->verdict == 0) {
			if (b->capacity - b->length < nft_msg_room(change) + NFT_MSG_FRAME)
				return false;
			nft_msg_change(b, c->nft->conf, &c->nft->kernel, change, seq, 0);
		}
		i++;
	}
	return true;
}

/* The first that begins a group, CHUNK_CHANGES or more from the start. */
static size_t chunk_end(const struct chunk *c)
{
	size_t i = c->start + CHUNK_CHANGES;

	while (i < c->n && c->changes[i].group == c->changes[i - 1].group)
		i++;
	return i < c->n ? i : c->n;
}

/* Does in runs what fill() does. False if they do not fit; then c->end is 0. */
static bool gather(struct chunk *c)
{
	struct nft *n = c->nft;
	int rc;

	c->end = chunk_end(c);
	rc = reserve_slots(n, c->end - c->start);
	for (size_t i = c->start; rc == 0 && i < c->end; i++)
		n->slots[i - c->start] = (struct nft_slot){.sent = c->changes[i].verdict == 0};
	c->first = n->seq;
	while (rc == 0 && !put_runs(c))
		rc = nft_grow(n);
	if (rc)
		c->end = 0;
	else
		n->seq += 2 + NFT_MSG_SEQ_STEP * (uint32_t)(c->end - c->start);
	return rc == 0;
}

static void refused(void *context, uint32_t seq, int error)
{
	struct chunk *c = context;
	uint32_t offset = seq - c->first - 1;
	size_t i = offset / NFT_MSG_SEQ_STEP;
	unsigned side = 1u << NFT_MSG_SEQ_SIDE(offset % NFT_MSG_SEQ_STEP);
	bool made = NFT_MSG_SEQ_MADE(offset % NFT_MSG_SEQ_STEP);
	const struct nft_msg_kernel *kernel = &c->nft->kernel;
	struct nft_slot *slot = &c->nft->slots[i];
	bool removal;

	if (c->gathered) {
		c->apart = c->again = true;
		c->end = 0;
		return;
	}
	if (i >= c->end - c->start)
		return;
	removal = c->changes[c->start + i].op == CHANGE_REMOVE;
	/* An element can be made, and be gone for good, only where there is a map. */
	if (error == -ENOENT && (made || (removal && kernel->destroy))) {
		c->gone = true;
	} else if (error == -ENOENT && removal) {
		slot->skip |= side;
		c->again = true;
	} else {
		slot->failed |= side;
		slot->error = slot->error ? slot->error : error;
	}
}

/*
 * True if change i may have failed only because an element was made or removed by a change that has been refused
 * since: then it deserves to be tried again.
 */
static bool misled(const struct chunk *c, size_t i)
{
	const struct nft_slot *slots = c->nft->slots;
	const struct mapping *m = &c->changes[i].mapping;
	unsigned failed = slots[i - c->start].failed;

	for (size_t j = c->start; j < i; j++) {
		const struct nft_slot *slot = &slots[j - c->start];

		if (!slot->sent || c->changes[j].verdict == 0)
			continue;
		if (failed & ~slot->failed & 1u << NFT_MSG_EXTERNAL && verdict_same_external(&c->changes[j].mapping, m))
			return true;
		if (failed & ~slot->failed & 1u << NFT_MSG_INTERNAL && verdict_same_internal(&c->changes[j].mapping, m))
			return true;
	}
	return false;
}

/* Turns what the kernel refused into verdicts. Returns whether there was anything. */
static bool judge(struct chunk *c)
{
	bool any = false;

	for (size_t i = c->start; i < c->end; i++) {
		const struct nft_slot *slot = &c->nft->slots[i - c->start];

		if (slot->error == 0 || c->changes[i].verdict != 0 || (any && misled(c, i)))
			continue;
		verdict_refuse(c->changes, c->n, i, slot->error);
		any = true;
	}
	return any;
}

struct look {
	const struct conf *conf;
	const struct mapping *mapping;
	bool there;
};

static void compare(void *context, const struct nft_msg_found *found)
{
	struct look *l = context;
	struct mapping m = found->mapping;

	m.external = l->mapping->external; /* only a mirror knows */
	l->there = l->there || verdict_same_mapping(&m, l->mapping);
}

static void compare_elements(void *context, const struct nlmsghdr *message)
{
	struct look *l = context;

	nft_msg_elements(message, l->conf, compare, l);
}

/*
 * The acknowledgement did not come: was it done? A batch is done as a whole, so one new element tells it of all. Without
 * a new one nobody can tell, but then it can be done twice. 0: it was; -EAGAIN: it was not; -errno.
 */
static int find_out(const struct chunk *c)
{
	struct nft *n = c->nft;
	struct look look = {.conf = n->conf};
	size_t i = c->start;
	int rc;

	while (i < c->end && !(n->slots[i - c->start].sent && c->changes[i].op == CHANGE_ADD))
		i++;
	if (i == c->end)
		return -EAGAIN;
	look.mapping = &c->changes[i].mapping;
	n->batch.length = 0;
	nft_msg_get(&n->batch, n->conf, look.mapping, n->seq++);
	rc = nft_query(n, compare_elements, &look);
	if (rc == 0)
		return look.there ? 0 : -EAGAIN;
	return rc == -ENOENT || rc == -EINTR ? -EAGAIN : rc;
}

/* The first change decides whether the kernel will have changed something: what is removed may not be there. */
static bool worth_a_pause(const struct chunk *c)
{
	const struct change *first = &c->changes[c->start];

	return c->gathered && c->end - c->start >= PAUSE_CHANGES && first->verdict == 0 &&
	       (first->op == CHANGE_ADD || (first->op == CHANGE_RENEW && first->timeout_ms));
}

static int transact(struct chunk *c)
{
	uint32_t before = worth_a_pause(c) ? nft_watch_pause(c->nft) : 0;
	int rc = nft_transact(c->nft, c->first, refused, c);

	nft_watch_resume(c->nft, before, rc == 0 && !c->again);
	return rc;
}

/* Sends a chunk until the kernel takes what is left of it. The kernel applies all of a batch or nothing. */
static int send_chunk(struct chunk *c)
{
	int rc, tries = 0;

	do {
		c->gathered = !c->apart && gather(c);
		c->apart = !c->gathered;
		rc = c->gathered ? 0 : fill(c);
		if (rc)
			return rc;
		if (c->nft->batch.length == NFT_MSG_FRAME)
			return 0;
		c->gone = c->again = false;
		rc = transact(c);
		if (rc == -ENOBUFS || rc == -EIO) {
			rc = find_out(c);
			if (rc == 0)
				return 0;
		}
		if (rc == -EAGAIN || rc == -EINTR) {
			if (++tries < TRIES_MAX)
				c->again = true;
			else
				return rc;
		} else if (rc) {
			return rc;
		}
		if (c->gone)
			return -ENOENT;
	} while (judge(c) || c->again);
	return 0;
}

static bool filters_fit(const struct mapping *m)
{
	for (size_t i = 0; i < m->filters_n; i++)
		if (codec_is_v4(&m->filters[i].address) != codec_is_v4(&m->internal_address) ||
		    m->filters[i].prefix_length > 128 ||
		    (codec_is_v4(&m->internal_address) && m->filters[i].prefix_length < 96))
			return false;
	return true;
}

/* Refuses what the maps cannot hold. */
static void check(struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct mapping *m = &changes[i].mapping;
		bool v4 = codec_is_v4(&m->internal_address) && codec_is_v4(&m->external_address);

		if (changes[i].op > CHANGE_REMOVE || m->kind > MAPPING_PINHOLE)
			verdict_refuse(changes, n, i, -EINVAL);
		else if (m->kind == MAPPING_NAT && !v4)
			verdict_refuse(changes, n, i, -EAFNOSUPPORT);
		else if (m->remote_port && codec_is_v4(&m->remote_address) != codec_is_v4(&m->internal_address))
			verdict_refuse(changes, n, i, -EAFNOSUPPORT);
		else if (m->filters_n > NFT_FILTER_MAX)
			verdict_refuse(changes, n, i, -E2BIG);
		else if (!filters_fit(m))
			verdict_refuse(changes, n, i, -EAFNOSUPPORT);
		else if (m->more_ports &&
			 (m->internal_port != m->external_port || m->external_port > UINT16_MAX - m->more_ports))
			verdict_refuse(changes, n, i, -EINVAL);
		else if ((m->remote_port != 0) + (m->more_ports != 0) + (m->filters_n != 0) > 1)
			verdict_refuse(changes, n, i, -EOPNOTSUPP); /* an element would let everybody in */
	}
}

int nft_commit(struct backend *b, struct change *changes, size_t n)
{
	struct chunk c = {.nft = (struct nft *)b, .changes = changes, .n = n};

	for (size_t i = 0; i < n; i++)
		changes[i].verdict = 0;
	check(changes, n);
	for (c.start = 0; c.start < n; c.start = c.end) {
		int rc;

		c.end = 0;
		c.apart = false;
		rc = send_chunk(&c);
		/* A group that no batch can hold is refused alone. */
		if (rc == -EMSGSIZE && c.end == 0) {
			verdict_refuse(changes, n, c.start, rc);
			c.end = c.start;
			continue;
		}
		if (rc) {
			for (size_t i = c.start; i < n; i++)
				if (c.start == 0 || changes[i].verdict == 0)
					changes[i].verdict = rc;
			return c.start == 0 ? rc : 0;
		}
	}
	return 0;
}
