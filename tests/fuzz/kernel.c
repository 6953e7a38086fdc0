/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "tests/fuzz/poison.h"

enum { SOCKETS = 8, FD = 1000, QUEUE = 64, BUFFERS = 8 };

struct datagram {
	uint8_t *data; /* NULL: it is an error */
	size_t length;
	int error;
};

struct mnl_socket {
	int fd;
	bool open;
	struct datagram queue[QUEUE];
	unsigned n;
};

static struct mnl_socket sockets[SOCKETS];
static struct mnl_socket *newest;
static const uint8_t *input;
static size_t left;
static bool obliges;
static struct {
	void *at;
	size_t size;
} buffers[BUFFERS];
static unsigned buffers_n;

static void empty(struct mnl_socket *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->queue[i].data);
	s->n = 0;
}

void kernel_begin(const uint8_t *data, size_t length)
{
	input = data;
	left = length;
	obliges = false;
	for (unsigned i = 0; i < SOCKETS; i++)
		empty(&sockets[i]);
}

void kernel_rest(void)
{
	for (unsigned i = 0; i < buffers_n; i++)
		__asan_unpoison_memory_region(buffers[i].at, buffers[i].size);
	buffers_n = 0;
}

void kernel_end(unsigned n)
{
	kernel_rest();
	for (unsigned i = 0; i < SOCKETS; i++)
		n -= sockets[i].open;
	if (n)
		abort();
}

void kernel_oblige(bool obliging)
{
	obliges = obliging;
}

uint8_t kernel_octet(void)
{
	if (left == 0 || obliges)
		return 0;
	left--;
	return *input++;
}

size_t kernel_left(void)
{
	return left;
}

/* A block of exactly the length, for what is queued. */
static uint8_t *put(struct mnl_socket *s, size_t length, int error)
{
	struct datagram *d;

	if (s->n == QUEUE)
		return NULL;
	d = &s->queue[s->n++];
	*d = (struct datagram){.length = length, .error = error};
	if (!error) {
		d->data = calloc(1, length ? length : 1);
		if (!d->data)
			abort();
	}
	return d->data;
}

static void put_error(struct mnl_socket *s, uint16_t type, uint32_t seq, int error)
{
	uint8_t *to = put(s, MNL_NLMSG_HDRLEN + sizeof(struct nlmsgerr), 0);
	struct nlmsghdr h = {
	    .nlmsg_len = MNL_NLMSG_HDRLEN + sizeof(struct nlmsgerr), .nlmsg_type = type, .nlmsg_seq = seq};
	struct nlmsgerr e = {.error = error};

	if (to) {
		memcpy(to, &h, sizeof(h));
		memcpy(to + sizeof(h), &e, sizeof(e));
	}
}

/* Gives the messages in a datagram the numbers and the length that they should have. */
static void mend(uint8_t *data, size_t length, uint8_t flags, uint32_t first, uint32_t last)
{
	uint32_t seq = flags & KERNEL_SEQ ? last : first;
	size_t at = 0;
	struct nlmsghdr h;

	while (length - at >= sizeof(h)) {
		memcpy(&h, data + at, sizeof(h));
		/* libmnl takes a length of 2 GB and more for a negative one, and runs away: the kernel has none */
		h.nlmsg_len &= INT32_MAX;
		if (flags & KERNEL_LENGTH && (h.nlmsg_len < sizeof(h) || h.nlmsg_len > length - at))
			h.nlmsg_len = (uint32_t)(length - at);
		if (flags & (KERNEL_SEQ | KERNEL_FIRST)) {
			h.nlmsg_seq = seq;
			h.nlmsg_pid = 0;
		}
		seq += !(flags & KERNEL_SEQ);
		memcpy(data + at, &h, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > length - at || MNL_ALIGN(h.nlmsg_len) > length - at)
			break;
		at += MNL_ALIGN(h.nlmsg_len);
	}
}

static void put_datagram(struct mnl_socket *s, uint32_t first, uint32_t last)
{
	static const int errors[] = {ENOBUFS, EINTR, EAGAIN, ENOMEM};
	uint8_t flags = kernel_octet(), *to;
	size_t length = kernel_octet();

	length |= (size_t)kernel_octet() << 8;

	if (flags & KERNEL_ERROR) {
		put(s, 0, errors[length % 4]);
		return;
	}
	if (flags & KERNEL_REST || length > left)
		length = left;
	to = put(s, length, 0);
	if (!to)
		return;
	if (length)
		memcpy(to, input, length);
	input += length;
	left -= length;
	mend(to, length, flags, first, last);
	if (flags & KERNEL_END)
		put_error(s, NLMSG_DONE, last, 0);
}

static void answer(struct mnl_socket *s, const uint8_t *data, size_t length)
{
	struct nlmsghdr h = {0};
	uint32_t first = 0, last = 0;
	uint8_t how = kernel_octet(), n = how % 4, at_refusal = how / 4, i = 0;
	int error = n == 0 && at_refusal ? -(int)kernel_octet() : 0;

	for (size_t at = 0; length - at >= sizeof(h); at += MNL_ALIGN(h.nlmsg_len)) {
		memcpy(&h, data + at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > length - at)
			abort(); /* what we say is always well-formed */
		first = at ? first : h.nlmsg_seq;
		last = h.nlmsg_seq;
		if (n)
			continue;
		if (error && ++i == at_refusal)
			put_error(s, NLMSG_ERROR, last, error);
		else if ((h.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
			put_error(s, NLMSG_DONE, last, 0);
		else if (h.nlmsg_flags & NLM_F_ACK)
			put_error(s, NLMSG_ERROR, last, 0);
	}
	for (; n > 0; n--)
		put_datagram(s, first, last);
}

void kernel_tell(void)
{
	if (newest)
		put_datagram(newest, 0, 0);
}

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	(void)bus;
	(void)flags;
	for (unsigned i = 0; i < SOCKETS; i++) {
		if (sockets[i].open)
			continue;
		sockets[i] = (struct mnl_socket){.fd = FD + (int)i, .open = true};
		newest = &sockets[i];
		return newest;
	}
	errno = EMFILE;
	return NULL;
}

int mnl_socket_bind(struct mnl_socket *s, unsigned groups, pid_t pid)
{
	(void)groups;
	(void)pid;
	return s->open ? 0 : -1;
}

int mnl_socket_get_fd(const struct mnl_socket *s)
{
	return s->fd;
}

unsigned mnl_socket_get_portid(const struct mnl_socket *s)
{
	return s->open ? 0 : 1;
}

int mnl_socket_setsockopt(const struct mnl_socket *s, int type, void *value, socklen_t n)
{
	(void)type;
	(void)value;
	(void)n;
	return s->open ? 0 : -1;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *s, const void *data, size_t length)
{
	answer(&sockets[s->fd - FD], data, length);
	return (ssize_t)length;
}

static struct mnl_socket *socket_of(int fd)
{
	if (fd < FD || fd >= FD + SOCKETS || !sockets[fd - FD].open)
		abort();
	return &sockets[fd - FD];
}

int mnl_socket_close(struct mnl_socket *s)
{
	kernel_rest();
	empty(s);
	s->open = false;
	newest = NULL;
	for (unsigned i = 0; i < SOCKETS; i++)
		if (sockets[i].open)
			newest = &sockets[i];
	return 0;
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
	struct mnl_socket *s = socket_of(fd);
	struct datagram d;
	size_t n, padded;

	(void)flags;
	__asan_unpoison_memory_region(to, size);
	if (s->n == 0) {
		errno = EAGAIN;
		return -1;
	}
	d = s->queue[0];
	memmove(s->queue, s->queue + 1, --s->n * sizeof(d));
	if (!d.data) {
		errno = d.error;
		return -1;
	}
	n = d.length < size ? d.length : size;
	memcpy(to, d.data, n);
	/* libmnl reads to the end of the padding: the kernel always sends it, and a buffer always has room for it */
	padded = MNL_ALIGN(n) < size ? MNL_ALIGN(n) : size;
	memset((uint8_t *)to + n, 0, padded - n);
	free(d.data);
	if (buffers_n < BUFFERS) {
		buffers[buffers_n].at = to;
		buffers[buffers_n++].size = size;
		__asan_poison_memory_region((uint8_t *)to + padded, size - padded);
	}
	return (ssize_t)n;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *s, void *to, size_t size)
{
	return recv(s->fd, to, size, 0);
}

/* of what else sockets are for here, nothing is wanted */
int setsockopt(int fd, int level, int name, const void *value, socklen_t n)
{
	(void)level;
	(void)name;
	(void)value;
	(void)n;
	return socket_of(fd) ? 0 : -1;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *n)
{
	(void)level;
	(void)name;
	(void)value;
	(void)n;
	errno = ENOPROTOOPT;
	return socket_of(fd) ? -1 : 0;
}

int socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	errno = EPERM;
	return -1;
}
