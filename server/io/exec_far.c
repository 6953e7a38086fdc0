/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/exec_far.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/io/loop.h"

/* A question, of which no more is sent than counts. */
struct question {
	uint32_t what, none;
	uint64_t sum;
	struct exec_far_order order;
};

struct answer {
	uint32_t id, end;
	int32_t code;
};

enum { ORDER_HEAD = offsetof(struct question, order) + offsetof(struct exec_far_order, text) };

struct exec_far {
	struct loop_event *readable;
	int fd;
	bool gone;
	exec_done_fn *done;
	void *context;
	size_t n;
	struct {
		uint32_t id;
		bool runs;
	} v[EXEC_MAX];
};

/* The end that asks */

static int forget(struct exec_far *x, uint32_t id)
{
	for (size_t i = 0; i < EXEC_MAX; i++)
		if (x->v[i].runs && x->v[i].id == id) {
			x->v[i].runs = false;
			x->n--;
			return 0;
		}
	return -ENOENT;
}

/* None that was asked for will be told of. */
static void gone(struct exec_far *x)
{
	x->gone = true;
	loop_forget(x->readable);
	x->readable = NULL;
	for (size_t i = 0; i < EXEC_MAX; i++) {
		if (!x->v[i].runs)
			continue;
		x->v[i].runs = false;
		x->n--;
		x->done(x->context, x->v[i].id, EXEC_FAILED, EPIPE);
	}
}

static void readable(void *context)
{
	struct exec_far *x = context;
	struct answer a;
	ssize_t n = recv(x->fd, &a, sizeof(a), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(a) || a.end > EXEC_FAILED || forget(x, a.id)) {
		gone(x);
		return;
	}
	x->done(x->context, a.id, (enum exec_end)a.end, a.code);
}

int exec_far_open(struct exec_far **out, struct loop *loop, int fd, exec_done_fn *done, void *context)
{
	struct exec_far *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->readable = loop_readable(loop, fd, readable, x);
	if (!x->readable) {
		free(x);
		return -ENOMEM;
	}
	x->fd = fd;
	x->done = done;
	x->context = context;
	*out = x;
	return 0;
}

void exec_far_close(struct exec_far *x)
{
	struct answer a;

	if (!x)
		return;
	loop_forget(x->readable);
	shutdown(x->fd, SHUT_WR);
	while (recv(x->fd, &a, sizeof(a), 0) > 0 || errno == EINTR)
		errno = 0;
	close(x->fd);
	free(x);
}

static int ask(struct exec_far *x, const struct question *q, size_t length)
{
	if (x->gone)
		return -EPIPE;
	while (send(x->fd, q, length, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int exec_far_run(struct exec_far *x, uint32_t id, const char *name, const char *event, char *const envp[])
{
	struct question q;
	size_t i;
	int error;

	for (i = 0; i < EXEC_MAX && x->v[i].runs; i++)
		;
	if (i == EXEC_MAX)
		return -EAGAIN;
	memset(&q, 0, ORDER_HEAD);
	q.what = EXEC_FAR_RUN;
	q.order.id = id;
	snprintf(q.order.name, sizeof(q.order.name), "%s", name);
	snprintf(q.order.event, sizeof(q.order.event), "%s", event);
	for (; *envp; envp++) {
		size_t n = strlen(*envp) + 1;

		if (n > sizeof(q.order.text) - q.order.length)
			return -E2BIG;
		memcpy(q.order.text + q.order.length, *envp, n);
		q.order.length += (uint32_t)n;
	}
	error = ask(x, &q, ORDER_HEAD + q.order.length);
	if (error)
		return error;
	x->v[i].id = id;
	x->v[i].runs = true;
	x->n++;
	return 0;
}

size_t exec_far_count(const struct exec_far *x)
{
	return x->n;
}

void exec_far_reload(struct exec_far *x, uint64_t sum)
{
	const struct question q = {.what = EXEC_FAR_RELOAD, .sum = sum};

	ask(x, &q, ORDER_HEAD);
}

/* The end that runs them */

static bool is_text(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

enum exec_far_what exec_far_hear(int fd, struct exec_far_order *order, uint64_t *sum)
{
	struct question q;
	ssize_t n;

	do
		n = recv(fd, &q, sizeof(q), MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return EXEC_FAR_END;
	if (n < ORDER_HEAD || n > (ssize_t)sizeof(q))
		return EXEC_FAR_WRONG;
	*sum = q.sum;
	if (q.what == EXEC_FAR_RELOAD)
		return EXEC_FAR_RELOAD;
	if (q.what != EXEC_FAR_RUN || q.order.length != (size_t)n - ORDER_HEAD ||
	    !is_text(q.order.name, sizeof(q.order.name)) || !is_text(q.order.event, sizeof(q.order.event)))
		return EXEC_FAR_WRONG;
	memcpy(order, &q.order, offsetof(struct exec_far_order, text) + q.order.length);
	return EXEC_FAR_RUN;
}

/* One variable of at most n octets; its length, 0 = it is none. */
static size_t variable(const char *at, size_t n, const char *prefix)
{
	const char *end = memchr(at, '\0', n);

	if (!end || strncmp(at, prefix, strlen(prefix)) != 0 || !strchr(at, '='))
		return 0;
	for (const char *c = at; c < end; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return 0;
	return (size_t)(end - at);
}

bool exec_far_environment(struct exec_far_order *order, const char *prefix, char *envp[EXEC_FAR_VARIABLES + 1])
{
	size_t n = 0;

	for (size_t at = 0, length; at < order->length; at += length + 1) {
		length = variable(order->text + at, order->length - at, prefix);
		if (!length || n == EXEC_FAR_VARIABLES)
			return false;
		envp[n++] = order->text + at;
	}
	envp[n] = NULL;
	return true;
}

void exec_far_tell(int fd, uint32_t id, enum exec_end end, int code)
{
	const struct answer a = {.id = id, .end = (uint32_t)end, .code = code};

	while (send(fd, &a, sizeof(a), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}
