/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/ender.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>

#include "backends/ender_msg.h"

enum {
	TOGETHER = 16384,     /* mappings that one search looks for */
	PAUSE_MS = 1000,      /* between two searches at least, */
	PAUSE_TIMES = 10,     /* and so many times as long as the last one took */
	RECEIVE_MAX = 65536,  /* octets: more than the kernel puts into one datagram of a dump */
	COMMANDS_MAX = 32768, /* octets that are sent at once */
};

/* A mapping that ended; in the order of keys, then of external ports. */
struct ended {
	struct {
		struct in6_addr internal_address, external_address, remote_address;
		uint16_t remote_port;
		uint8_t protocol, none;
	} key;
	uint16_t external_port, more_ports, internal_port;
};

/* The two kinds of connections: let in by a mapping; begun inside, where the mapping decided of the outside port. */
enum pass { PASS_LET_IN, PASS_BEGUN_INSIDE, PASSES };

struct ender {
	struct mnl_socket *socket;
	uint32_t mark, hairpin_mark;
	uint32_t seq;
	struct ended *v; /* the first searched ones are sorted */
	size_t n, capacity, searched;
	int pass;
	uint64_t begun_ms, next_ms;
	uint64_t count;
	uint8_t *received, *commands;
	size_t commands_length;
};

int ender_open(struct ender **out, uint32_t mark, uint32_t hairpin_mark)
{
	struct ender *e = calloc(1, sizeof(*e));
	int one = 1, rc;

	if (!e)
		return -ENOMEM;
	e->mark = mark;
	e->hairpin_mark = hairpin_mark;
	e->seq = 1;
	e->received = malloc(RECEIVE_MAX);
	e->commands = malloc(COMMANDS_MAX);
	e->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!e->socket || !e->received || !e->commands || mnl_socket_bind(e->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		rc = e->received && e->commands ? -errno : -ENOMEM;
		ender_close(e);
		return rc;
	}
	mnl_socket_setsockopt(e->socket, NETLINK_CAP_ACK, &one, sizeof(one));
	*out = e;
	return 0;
}

void ender_close(struct ender *e)
{
	if (!e)
		return;
	if (e->socket)
		mnl_socket_close(e->socket);
	free(e->received);
	free(e->commands);
	free(e->v);
	free(e);
}

int ender_add(struct ender *e, const struct mapping *m)
{
	if (e->n == e->capacity) {
		size_t capacity = e->capacity ? e->capacity * 2 : 64;
		struct ended *v = realloc(e->v, capacity * sizeof(*v));

		if (!v)
			return -ENOMEM;
		e->v = v;
		e->capacity = capacity;
	}
	memset(&e->v[e->n], 0, sizeof(*e->v));
	e->v[e->n].key.internal_address = m->internal_address;
	e->v[e->n].key.external_address = m->external_address;
	e->v[e->n].key.remote_address = m->remote_port ? m->remote_address : in6addr_any;
	e->v[e->n].key.remote_port = m->remote_port;
	e->v[e->n].key.protocol = m->protocol;
	e->v[e->n].external_port = m->external_port;
	e->v[e->n].more_ports = m->more_ports;
	e->v[e->n].internal_port = m->internal_port;
	e->n++;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;
	int c = memcmp(&x->key, &y->key, sizeof(x->key));

	return c ? c : x->external_port - y->external_port;
}

/* The last of the sorted ones that does not come after this, NULL = there is none. */
static const struct ended *last_upto(const struct ender *e, const struct ended *wanted)
{
	size_t first = 0, end = e->searched;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (compare(&e->v[middle], wanted) <= 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first ? &e->v[first - 1] : NULL;
}

static bool is_of(const struct ender *e, const struct ender_flow *f, bool peer)
{
	struct ended wanted;
	const struct ended *at;

	memset(&wanted, 0, sizeof(wanted));
	wanted.key.internal_address = f->internal_address;
	wanted.key.external_address = f->external_address;
	wanted.key.protocol = f->protocol;
	if (peer) {
		wanted.key.remote_address = f->remote_address;
		wanted.key.remote_port = f->remote_port;
	}
	wanted.external_port = f->external_port;
	at = last_upto(e, &wanted);
	return at && memcmp(&at->key, &wanted.key, sizeof(wanted.key)) == 0 &&
	       f->external_port - at->external_port <= at->more_ports &&
	       f->internal_port - at->internal_port == f->external_port - at->external_port;
}

/* Refusals come back as messages that are no part of the answer: the connection ended by itself. */
static int send_commands(struct ender *e)
{
	size_t length = e->commands_length;

	e->commands_length = 0;
	return length == 0 || mnl_socket_sendto(e->socket, e->commands, length) >= 0 ? 0 : -errno;
}

static int look(struct ender *e, const struct nlmsghdr *h)
{
	struct ender_flow f;
	int rc = 0;

	if (!ender_msg_read(h, e->mark, &f) || (!is_of(e, &f, false) && !is_of(e, &f, true)))
		return 0;
	if (e->commands_length + ENDER_MSG_MAX > COMMANDS_MAX)
		rc = send_commands(e);
	memset(e->commands + e->commands_length, 0, ENDER_MSG_MAX);
	e->commands_length += ender_msg_forget(e->commands + e->commands_length, &f, 0);
	e->count++;
	return rc;
}

static int ask(struct ender *e)
{
	_Alignas(8) uint8_t question[ENDER_MSG_MAX] = {0};
	uint32_t value = e->pass == PASS_LET_IN ? e->mark : e->hairpin_mark;
	uint32_t mask = e->pass == PASS_LET_IN ? e->mark : e->mark | e->hairpin_mark;
	size_t length;

	/* commands have the number 0 */
	e->seq += e->seq == UINT32_MAX ? 2 : 1;
	length = ender_msg_ask(question, value, mask, e->seq);
	return mnl_socket_sendto(e->socket, question, length) < 0 ? -errno : 0;
}

/* The search is over, one way or the other. */
static void finish(struct ender *e, uint64_t now_ms)
{
	uint64_t pause_ms = (now_ms - e->begun_ms) * PAUSE_TIMES;

	e->n -= e->searched;
	memmove(e->v, e->v + e->searched, e->n * sizeof(*e->v));
	e->searched = 0;
	e->commands_length = 0;
	e->next_ms = now_ms + (pause_ms > PAUSE_MS ? pause_ms : PAUSE_MS);
	if (e->n == 0) {
		free(e->v);
		e->v = NULL;
		e->capacity = 0;
	}
}

static int begin(struct ender *e, uint64_t now_ms)
{
	e->searched = e->n < TOGETHER ? e->n : TOGETHER;
	qsort(e->v, e->searched, sizeof(*e->v), compare);
	e->begun_ms = now_ms;
	e->pass = PASS_LET_IN;
	return ask(e);
}

/* What one datagram says. 1: the answer goes on; 0: it is complete; -errno. */
static int take(struct ender *e, ssize_t length)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)e->received;
	int rest = (int)length, rc = 1;

	for (; rc > 0 && mnl_nlmsg_ok(h, rest); h = mnl_nlmsg_next(h, &rest)) {
		if (h->nlmsg_seq != e->seq)
			continue;
		if (h->nlmsg_type == NLMSG_DONE)
			rc = 0;
		else if (h->nlmsg_type == NLMSG_ERROR)
			rc = mnl_nlmsg_get_payload_len(h) < sizeof(struct nlmsgerr)
				 ? -EIO
				 : ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
		else if (look(e, h) < 0)
			rc = -EIO;
	}
	return rc;
}

static int go_on(struct ender *e, uint64_t now_ms)
{
	ssize_t length = recv(mnl_socket_get_fd(e->socket), e->received, RECEIVE_MAX, 0);
	int rc, sent;

	if (length < 0)
		return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
	rc = take(e, length);
	sent = send_commands(e);
	if (rc < 0 || sent < 0)
		return rc < 0 ? rc : sent;
	if (rc == 0 && ++e->pass < PASSES)
		return ask(e);
	if (rc == 0)
		finish(e, now_ms);
	return 0;
}

int ender_step(struct ender *e, uint64_t now_ms)
{
	int rc = 0;

	if (e->searched > 0)
		rc = go_on(e, now_ms);
	else if (e->n > 0 && now_ms >= e->next_ms)
		rc = begin(e, now_ms);
	else if (recv(mnl_socket_get_fd(e->socket), e->received, RECEIVE_MAX, 0) < 0) /* what is left of an answer */
		rc = 0;
	if (rc < 0)
		finish(e, now_ms);
	return rc;
}

uint64_t ender_deadline(const struct ender *e)
{
	return e->n > 0 && e->searched == 0 ? e->next_ms : UINT64_MAX;
}

int ender_fd(const struct ender *e)
{
	return mnl_socket_get_fd(e->socket);
}

bool ender_idle(const struct ender *e)
{
	return e->searched == 0;
}

uint64_t ender_count(const struct ender *e)
{
	return e->count;
}
