/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/io/reserve.h"

#define IDLE_S	    30	  /* an exchange that does not move for so long is ended */
#define HEADERS_MAX 16384 /* octets */
#define BODY_MAX    16384 /* octets */
#define BACKLOG	    16
#define SPARE	    32	 /* descriptors that are left to the rest of the server */
#define PAUSE_MS    1000 /* without accepting anybody, when there are too many */

struct control {
	LIST_ENTRY(control) others;
	struct loop *loop;
	struct loop_event *resume;
	struct evhttp *http;
	struct evconnlistener *listener;
	control_fn *fn;
	void *context;
	char *path;
	bool directory_made;
	bool bound;
	dev_t device; /* of the socket file, so that only our own is removed */
	ino_t inode;
};

/* All that listen: of an accept that fails libevent tells the listener and its own HTTP server, and nothing of ours. */
static LIST_HEAD(, control) listening = LIST_HEAD_INITIALIZER(listening);

struct control_request {
	struct evhttp_request *http;
	struct evkeyvalq parameters;
	const char *path;
};

struct stream {
	struct evhttp_request *http;
	control_next_fn *next;
	control_done_fn *done;
	void *context;
};

bool control_post(const struct control_request *q)
{
	return evhttp_request_get_command(q->http) == EVHTTP_REQ_POST;
}

const char *control_path(const struct control_request *q)
{
	return q->path;
}

const char *control_parameter(const struct control_request *q, const char *key)
{
	return evhttp_find_header(&q->parameters, key);
}

static void json_header(struct evhttp_request *http)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(http);

	evhttp_add_header(headers, "Content-Type", "application/json");
	evhttp_add_header(headers, "Cache-Control", "no-store");
}

void control_reply(struct control_request *q, int status, const char *text, size_t length)
{
	struct evbuffer *body = evbuffer_new();

	if (!body || evbuffer_add(body, text, length) < 0) {
		evhttp_send_error(q->http, HTTP_INTERNAL, NULL);
	} else {
		json_header(q->http);
		evhttp_send_reply(q->http, status, NULL, body);
	}
	if (body)
		evbuffer_free(body);
}

static void stream_end(struct stream *s)
{
	s->done(s->context);
	free(s);
}

static void stream_closed(struct evhttp_connection *connection, void *context)
{
	struct stream *s = context;

	(void)connection;
	/* a request that libevent took off its connection is left to us */
	if (!evhttp_request_get_connection(s->http))
		evhttp_request_free(s->http);
	stream_end(s);
}

static void stream_more(struct evhttp_connection *connection, void *context)
{
	struct stream *s = context;
	struct evbuffer *piece = evbuffer_new();
	size_t length = 0;
	char *text = piece ? s->next(s->context, &length) : NULL;

	if (text && evbuffer_add(piece, text, length) == 0) {
		evhttp_send_reply_chunk_with_cb(s->http, piece, stream_more, s);
	} else {
		evhttp_connection_set_closecb(connection, NULL, NULL);
		evhttp_send_reply_end(s->http);
		stream_end(s);
	}
	free(text);
	if (piece)
		evbuffer_free(piece);
}

void control_stream(struct control_request *q, control_next_fn *next, control_done_fn *done, void *context)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(q->http);
	struct stream *s = calloc(1, sizeof(*s));

	if (!s) {
		done(context);
		evhttp_send_error(q->http, HTTP_INTERNAL, NULL);
		return;
	}
	*s = (struct stream){.http = q->http, .next = next, .done = done, .context = context};
	evhttp_connection_set_closecb(connection, stream_closed, s);
	json_header(q->http);
	evhttp_send_reply_start(q->http, HTTP_OK, NULL);
	stream_more(connection, s);
}

static void request(struct evhttp_request *http, void *context)
{
	struct control *c = context;
	struct control_request q = {.http = http};
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	q.path = uri ? evhttp_uri_get_path(uri) : NULL;
	if (!q.path || (query && evhttp_parse_query_str(query, &q.parameters) < 0)) {
		evhttp_send_error(http, HTTP_BADREQUEST, NULL);
		return;
	}
	if (!query)
		TAILQ_INIT(&q.parameters);
	c->fn(c->context, &q);
	evhttp_clear_headers(&q.parameters);
}

/* 0 if the path is free now. */
static int stale_remove(const struct sockaddr_un *name)
{
	struct stat st;
	int fd, error = 0;

	if (lstat(name->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		error = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		error = -errno;
	close(fd);
	if (!error && unlink(name->sun_path) < 0)
		error = -errno;
	return error;
}

static int directory_make(struct control *c)
{
	char *copy = strdup(c->path);
	int error = 0;

	if (!copy)
		return -ENOMEM;
	if (mkdir(dirname(copy), 0755) == 0)
		c->directory_made = true;
	else if (errno != EEXIST)
		error = -errno;
	free(copy);
	return error;
}

/* Returns the listening socket or -errno. */
static int socket_listen(struct control *c)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int fd, error;

	if (strlen(c->path) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, c->path, strlen(c->path));
	error = directory_make(c);
	if (!error)
		error = stale_remove(&name);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0117); /* from its first moment nobody else may open it */
	error = bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
	umask(mask);
	if (!error) {
		c->bound = true;
		if (lstat(c->path, &st) == 0) {
			c->device = st.st_dev;
			c->inode = st.st_ino;
		}
		error = listen(fd, BACKLOG) < 0 ? -errno : 0;
	}
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

/* Whoever else wants to connect waits in the backlog; idle exchanges end meanwhile. */
static void pause_accepting(struct control *c)
{
	evconnlistener_disable(c->listener);
	loop_timer_set(c->resume, loop_now_ms(c->loop) + PAUSE_MS);
}

static void resume_accepting(void *context)
{
	struct control *c = context;

	evconnlistener_enable(c->listener);
}

/* For each new connection. The lowest free descriptor tells how many are open. NULL: libevent makes the usual one. */
static struct bufferevent *accepted(struct event_base *base, void *context)
{
	struct control *c = context;
	struct rlimit most;
	int fd = fcntl(evconnlistener_get_fd(c->listener), F_DUPFD_CLOEXEC, 0);

	(void)base;
	if (fd >= 0)
		close(fd);
	if (fd < 0 || reserve_used() || (getrlimit(RLIMIT_NOFILE, &most) == 0 && (rlim_t)fd + SPARE >= most.rlim_cur))
		pause_accepting(c);
	return NULL;
}

/* There is no descriptor, in the whole system maybe: whoever connects stays in the backlog and the socket readable. */
static void refused(struct evconnlistener *listener, void *http)
{
	(void)http;
	for (struct control *c = LIST_FIRST(&listening); c; c = LIST_NEXT(c, others))
		if (c->listener == listener)
			pause_accepting(c);
}

static int serve(struct control *c, struct loop *loop)
{
	struct evhttp_bound_socket *bound = NULL;
	int fd = socket_listen(c);

	if (fd < 0)
		return fd;
	c->loop = loop;
	c->resume = loop_timer(loop, resume_accepting, c);
	c->http = evhttp_new(loop_base(loop));
	if (c->resume && c->http)
		bound = evhttp_accept_socket_with_handle(c->http, fd);
	if (!bound) {
		close(fd);
		return -ENOMEM;
	}
	c->listener = evhttp_bound_socket_get_listener(bound);
	LIST_INSERT_HEAD(&listening, c, others);
	evconnlistener_set_error_cb(c->listener, refused);
	evhttp_set_bevcb(c->http, accepted, c);
	evhttp_set_allowed_methods(c->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_max_headers_size(c->http, HEADERS_MAX);
	evhttp_set_max_body_size(c->http, BODY_MAX);
	evhttp_set_timeout(c->http, IDLE_S);
	evhttp_set_gencb(c->http, request, c);
	return 0;
}

int control_open(struct control **out, struct loop *loop, const char *path, control_fn *fn, void *context, char *why,
		 size_t size)
{
	struct control *c = calloc(1, sizeof(*c));
	int error = -ENOMEM;

	if (c) {
		c->fn = fn;
		c->context = context;
		c->path = strdup(path);
		if (c->path)
			error = serve(c, loop);
	}
	if (error) {
		snprintf(why, size, "cannot listen on the control socket %s: %s", path,
			 error == -EADDRINUSE ? "another natpcpd answers there"
			 : error == -EEXIST   ? "a file that is no socket is in the way"
					      : strerror(-error));
		control_close(c);
		return error;
	}
	*out = c;
	return 0;
}

int control_own(struct control *c, uid_t uid, gid_t gid)
{
	char *copy;
	int error = 0;

	if (lchown(c->path, uid, gid) < 0)
		return -errno;
	if (!c->directory_made)
		return 0;
	copy = strdup(c->path);
	if (!copy || lchown(dirname(copy), uid, gid) < 0)
		error = -errno;
	free(copy);
	return error;
}

void control_close(struct control *c)
{
	struct stat st;

	if (!c)
		return;
	loop_forget(c->resume);
	if (c->listener)
		LIST_REMOVE(c, others);
	if (c->http)
		evhttp_free(c->http);
	/* another server may have put its own there since */
	if (c->bound && lstat(c->path, &st) == 0 && st.st_dev == c->device && st.st_ino == c->inode)
		unlink(c->path);
	free(c->path);
	free(c);
}
