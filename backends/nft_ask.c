/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks for mappings by their keys, many at once. The kernel finds each in constant time, while a map that is listed is
 * walked from its start again for each 32 KB of the list. */
#include "backends/nft.h"

#include <errno.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "backends/nft_found.h"
#include "codec/codec.h"

#define ASK_MAX 2048 /* answers to as many questions fit into the socket's buffer */

struct answers {
	struct nft *nft;
	uint32_t first, last;
	struct nft_found outside, mirrors;
	bool done;
	int error;
};

/* True for a message of an answer about a mirror. */
static bool is_mirror(const struct answers *a, uint32_t seq)
{
	return NFT_MSG_SEQ_SIDE(seq - a->first) == NFT_MSG_INTERNAL;
}

/* What the outside of is not known is asked for by its inside: its mirror tells of all of it. */
static bool by_inside(const struct mapping *m)
{
	return m->kind == MAPPING_NAT && codec_is_unspecified(&m->external_address);
}

static void take(struct answers *a, const struct nlmsghdr *h)
{
	int error;

	if (h->nlmsg_seq - a->first > a->last - a->first)
		return;
	if (h->nlmsg_seq == a->last) {
		a->done = true;
		return;
	}
	if (h->nlmsg_type == NLMSG_ERROR) {
		if (mnl_nlmsg_get_payload_len(h) < sizeof(struct nlmsgerr))
			return;
		error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
		if (error && error != -ENOENT && a->error == 0)
			a->error = error;
		return;
	}
	nft_found_take(is_mirror(a, h->nlmsg_seq) ? &a->mirrors : &a->outside, h);
}

/* Every answer is there when the questions are sent. */
static int receive(struct answers *a)
{
	struct nft *n = a->nft;

	while (!a->done) {
		ssize_t length = recv(mnl_socket_get_fd(n->socket), n->received, NFT_RECEIVE_MAX, MSG_DONTWAIT);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)n->received;
		int rest = (int)length;

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN || errno == ENOBUFS ? -EINTR : -errno;
		for (; mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest))
			take(a, h);
	}
	return a->error;
}

/* A message for each: of several keys in one the kernel stops at the first that is not there. Its last question is for
 * the number of the ruleset, which always has an answer. Returns how many were taken, 0 = not even one fits. */
static size_t fill(struct answers *a, const struct mapping *v, size_t n)
{
	struct nft *nft = a->nft;
	struct nft_msg_batch *b = &nft->batch;
	bool mirrors = nft->conf->externals_n > 1;
	size_t i;

	b->length = 0;
	a->first = nft->seq + (nft->seq & 1);
	for (i = 0; i < n && i < ASK_MAX; i++) {
		const struct change c = {.mapping = v[i]};
		uint32_t seq = a->first + 2 * (uint32_t)i;

		if (b->capacity - b->length < nft_msg_room(&c) + NFT_MSG_FRAME)
			break;
		if (by_inside(&v[i])) /* its number is that of an outside one: nothing else will be told of it */
			nft_msg_ask(b, nft->conf, &v[i], NFT_MSG_INTERNAL, seq);
		else
			nft_msg_ask(b, nft->conf, &v[i], NFT_MSG_EXTERNAL, seq);
		if (mirrors && v[i].kind == MAPPING_NAT && !by_inside(&v[i]))
			nft_msg_ask(b, nft->conf, &v[i], NFT_MSG_INTERNAL, seq + 1);
	}
	a->last = a->first + 2 * (uint32_t)i;
	nft->seq = a->last + 1;
	nft_msg_close(b, nft_msg_open(b, NFT_MSG_GETGEN, 0, NFPROTO_UNSPEC, a->last));
	return i;
}

int nft_ask(struct backend *b, const struct mapping *v, size_t n, backend_list_fn *fn, void *context)
{
	struct nft *nft = (struct nft *)b;
	struct answers a = {.nft = nft, .outside.conf = nft->conf, .mirrors.conf = nft->conf};
	int rc = 0;

	/* fn may change what v points into, so all are asked for first */
	for (size_t i = 0, taken; rc == 0 && i < n; i += taken) {
		taken = fill(&a, v + i, n - i);
		if (taken == 0) {
			rc = nft_grow(nft);
			continue;
		}
		a.done = false;
		rc = mnl_socket_sendto(nft->socket, nft->batch.data, nft->batch.length) < 0 ? -errno : receive(&a);
	}
	if (rc == 0 && (a.outside.failed || a.mirrors.failed))
		rc = -ENOMEM;
	if (rc == 0)
		nft_found_tell(&a.outside, &a.mirrors, fn, context);
	nft_found_clear(&a.outside);
	nft_found_clear(&a.mirrors);
	return rc;
}
