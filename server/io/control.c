/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/io/control_socket.h"
#include "server/io/origin.h"
#include "server/io/patience.h"
#include "server/io/reserve.h"

#define IDLE_S	    30	  /* an exchange that does not move for so long is ended */
#define REQUEST_MS  30000 /* a request that is not whole then is ended, though it moves */
#define HEADERS_MAX 16384 /* octets */
#define BODY_MAX    16384 /* octets */
#define INPUT_MAX   65536 /* octets, more than one request may have */
#define OUTPUT_MAX  65536 /* octets of a stream that wait in its socket; the kernel takes twice that */
#define SPARE	    32	  /* descriptors that are left to the rest of the server */
#define PAUSE_MS    1000  /* without accepting anybody, when there are too many */

struct control {
	LIST_ENTRY(control) others;
	struct loop *loop;
	struct loop_event *resume;
	struct evhttp *http;
	struct evconnlistener *listener;
	control_fn *fn;
	void *context;
	struct control_file file; /* of the unix socket */
	char *where;		  /* of the other one: its address and port; NULL: it is the unix socket */
};

/* All that listen: of an accept that fails libevent tells the listener and its own HTTP server, and nothing of ours. */
static LIST_HEAD(, control) listening = LIST_HEAD_INITIALIZER(listening);
/* Of all of them, by descriptor. */
static struct patience patience;

struct control_request {
	struct control *control;
	struct evhttp_request *http;
	struct evkeyvalq parameters;
	const char *path;
	bool streams; /* the answer comes later */
};

struct control_stream {
	struct evhttp_request *http;
	control_next_fn *next;
	control_done_fn *done;
	void *context;
	bool waits; /* for control_wake() */
};

bool control_post(const struct control_request *q)
{
	return evhttp_request_get_command(q->http) == EVHTTP_REQ_POST;
}

bool control_read_only(const struct control_request *q)
{
	return q->control->where != NULL;
}

const char *control_path(const struct control_request *q)
{
	return q->path;
}

const char *control_parameter(const struct control_request *q, const char *key)
{
	return evhttp_find_header(&q->parameters, key);
}

const char *control_header(const struct control_request *q, const char *key)
{
	return evhttp_find_header(evhttp_request_get_input_headers(q->http), key);
}

void control_add_header(struct control_request *q, const char *key, const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(q->http), key, value);
}

/* What is answered is for nobody but who asked, and does nothing in a browser unless the page says what it may. */
static void headers(struct evhttp_request *http, const char *type)
{
	static const struct {
		const char *key, *value;
	} all[] = {
	    {"Cache-Control", "no-store"},
	    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Referrer-Policy", "no-referrer"},
	    {"X-Content-Type-Options", "nosniff"},
	};
	struct evkeyvalq *out = evhttp_request_get_output_headers(http);

	evhttp_add_header(out, "Content-Type", type);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!evhttp_find_header(out, all[i].key))
			evhttp_add_header(out, all[i].key, all[i].value);
}

static bool is_head(const struct evhttp_request *http)
{
	return evhttp_request_get_command(http) == EVHTTP_REQ_HEAD;
}

/* text NULL: nobody knows how long it would be (RFC 9110 8.6: then nothing is said of it). */
static void reply(struct evhttp_request *http, int status, const char *reason, const char *type, const char *text,
		  size_t length)
{
	struct evbuffer *body = evbuffer_new();
	char number[24];

	if (!body || (!is_head(http) && evbuffer_add(body, text, length) < 0)) {
		evhttp_send_error(http, HTTP_INTERNAL, NULL);
	} else {
		headers(http, type);
		snprintf(number, sizeof(number), "%zu", length);
		if (text)
			evhttp_add_header(evhttp_request_get_output_headers(http), "Content-Length", number);
		evhttp_send_reply(http, status, reason, body);
	}
	if (body)
		evbuffer_free(body);
}

void control_reply(struct control_request *q, int status, const char *type, const char *text, size_t length)
{
	reply(q->http, status, NULL, type, text, length);
}

static void stream_end(struct control_stream *s)
{
	s->done(s->context);
	free(s);
}

static int descriptor(struct evhttp_connection *connection)
{
	return bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
}

static void stream_closed(struct evhttp_connection *connection, void *context)
{
	struct control_stream *s = context;

	(void)connection;
	/* a request that libevent took off its connection is left to us */
	if (!evhttp_request_get_connection(s->http))
		evhttp_request_free(s->http);
	stream_end(s);
}

static void stream_more(struct evhttp_connection *connection, void *context)
{
	struct control_stream *s = context;
	struct evbuffer *piece = evbuffer_new();
	size_t length = 0;
	char *text = piece ? s->next(s->context, &length) : NULL;

	s->waits = !text && length == CONTROL_LATER;
	if (text && evbuffer_add(piece, text, length) == 0) {
		evhttp_send_reply_chunk_with_cb(s->http, piece, stream_more, s);
	} else if (!s->waits) {
		evhttp_connection_set_closecb(connection, NULL, NULL);
		patience_answered(&patience, descriptor(connection));
		evhttp_send_reply_end(s->http);
		stream_end(s);
	}
	free(text);
	if (piece)
		evbuffer_free(piece);
}

void control_wake(struct control_stream *s)
{
	if (s->waits)
		stream_more(evhttp_request_get_connection(s->http), s);
}

struct control_stream *control_stream(struct control_request *q, const char *type, control_next_fn *next,
				      control_done_fn *done, void *context)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(q->http);
	struct control_stream *s = is_head(q->http) ? NULL : calloc(1, sizeof(*s));
	static const int output = OUTPUT_MAX;

	if (!s) {
		done(context);
		if (is_head(q->http))
			reply(q->http, HTTP_OK, NULL, type, NULL, 0);
		else
			evhttp_send_error(q->http, HTTP_INTERNAL, NULL);
		return NULL;
	}
	q->streams = true;
	*s = (struct control_stream){.http = q->http, .next = next, .done = done, .context = context, .waits = true};
	evhttp_connection_set_closecb(connection, stream_closed, s);
	/* else the kernel keeps megabytes for a reader that does not read */
	setsockopt(descriptor(connection), SOL_SOCKET, SO_SNDBUF, &output, sizeof(output));
	headers(q->http, type);
	evhttp_send_reply_start(q->http, HTTP_OK, NULL);
	return s;
}

static void refuse(struct evhttp_request *http, int status, const char *reason, const char *why)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "{\"schema\":1,\"error\":\"%s\"}\n", why);

	reply(http, status, reason, CONTROL_JSON, text, (size_t)n);
}

/* The one value of a header; NULL if there is none, or more than one. */
static const char *single(const struct evkeyvalq *in, const char *key)
{
	const char *value = NULL;
	const struct evkeyval *h;

	TAILQ_FOREACH(h, in, next)
	{
		if (strcasecmp(h->key, key) != 0)
			continue;
		if (value)
			return NULL;
		value = h->value;
	}
	return value;
}

/* On a loopback address anybody of this machine may ask, and every page in its browsers can. True if it was refused. */
static bool strange(const struct control *c, struct evhttp_request *http, const struct evhttp_uri *uri)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(http);
	const char *path = evhttp_uri_get_path(uri);
	enum evhttp_cmd_type command = evhttp_request_get_command(http);

	if (evhttp_uri_get_host(uri) || !origin_host(c->where, single(in, "Host"))) {
		refuse(http, 421, "Misdirected Request",
		       "the Host header is not the address that this server listens on");
	} else if (!origin_own(c->where, evhttp_find_header(in, "Origin")) ||
		   /* a link to the page may stand anywhere */
		   (!origin_site(evhttp_find_header(in, "Sec-Fetch-Site")) && strcmp(path ? path : "", "/") != 0)) {
		refuse(http, 403, "Forbidden", "the page of another site asks");
	} else if (command != EVHTTP_REQ_GET && command != EVHTTP_REQ_HEAD) {
		evhttp_add_header(evhttp_request_get_output_headers(http), "Allow", "GET, HEAD");
		refuse(http, HTTP_BADMETHOD, "Method Not Allowed", "here is nothing but to look at");
	} else {
		return false;
	}
	return true;
}

static void answer(struct control_request *q)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(q->http);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	q->path = uri ? evhttp_uri_get_path(uri) : NULL;
	if (uri && q->control->where && strange(q->control, q->http, uri))
		return;
	if (!q->path || (query && evhttp_parse_query_str(query, &q->parameters) < 0)) {
		evhttp_send_error(q->http, HTTP_BADREQUEST, NULL);
		return;
	}
	if (!query)
		TAILQ_INIT(&q->parameters);
	q->control->fn(q->control->context, q);
	evhttp_clear_headers(&q->parameters);
}

static void request(struct evhttp_request *http, void *context)
{
	struct evhttp_connection *connection = evhttp_request_get_connection(http);
	struct control_request q = {.control = context, .http = http};
	int fd = descriptor(connection);

	/* while it answers libevent looks for the end of the connection, and would keep all that comes before */
	bufferevent_setwatermark(evhttp_connection_get_bufferevent(connection), EV_READ, 0, INPUT_MAX);
	patience_whole(&patience, fd);
	answer(&q);
	if (!q.streams)
		patience_answered(&patience, fd);
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

static void came(struct evbuffer *input, const struct evbuffer_cb_info *info, void *context)
{
	const struct control *c = LIST_FIRST(&listening);
	int fd = bufferevent_getfd(context);
	struct stat st;

	(void)input;
	if (!c || info->n_added == 0 || fstat(fd, &st) < 0)
		return;
	/* libevent ends it, as if the other side had gone */
	if (!patience_more(&patience, fd, st.st_ino, loop_now_ms(c->loop), REQUEST_MS))
		shutdown(fd, SHUT_RDWR);
}

/* For each new connection. The lowest free descriptor tells how many are open: where anybody may connect, half are left to
 * the operator's. NULL: libevent makes the usual one. */
static struct bufferevent *accepted(struct event_base *base, void *context)
{
	struct control *c = context;
	struct bufferevent *connection = bufferevent_socket_new(base, -1, 0);
	struct rlimit most;
	int fd = fcntl(evconnlistener_get_fd(c->listener), F_DUPFD_CLOEXEC, 0);

	if (fd >= 0)
		close(fd);
	if (fd < 0 || reserve_used() ||
	    (getrlimit(RLIMIT_NOFILE, &most) == 0 &&
	     (rlim_t)fd + SPARE >= (c->where ? most.rlim_cur / 2 : most.rlim_cur)))
		pause_accepting(c);
	if (connection)
		evbuffer_add_cb(bufferevent_get_input(connection), came, connection);
	return connection;
}

/* There is no descriptor, in the whole system maybe: whoever connects stays in the backlog and the socket readable. */
static void refused(struct evconnlistener *listener, void *http)
{
	(void)http;
	for (struct control *c = LIST_FIRST(&listening); c; c = LIST_NEXT(c, others))
		if (c->listener == listener)
			pause_accepting(c);
}

/* Everything is offered to request() where it says more of what is not allowed than libevent would. */
static const enum evhttp_cmd_type local = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST,
				  all_there_are = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
						  EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
						  EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH;

/* fd: a listening socket, or the error of making one. */
static int serve(struct control *c, struct loop *loop, int fd)
{
	struct evhttp_bound_socket *bound = NULL;

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
	evhttp_set_allowed_methods(c->http, c->where ? all_there_are : local);
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
		c->file.path = strdup(path);
		if (c->file.path)
			error = serve(c, loop, control_socket_unix(&c->file));
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

int control_open_http(struct control **out, struct loop *loop, const char *where, control_fn *fn, void *context,
		      char *why, size_t size)
{
	struct control *c = calloc(1, sizeof(*c));
	int error = -ENOMEM;

	if (c) {
		c->fn = fn;
		c->context = context;
		error = serve(c, loop, control_socket_tcp(where, &c->where));
	}
	if (error) {
		snprintf(why, size, "cannot listen on %s for HTTP: %s", where, strerror(-error));
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

	if (lchown(c->file.path, uid, gid) < 0)
		return -errno;
	if (!c->file.directory_made)
		return 0;
	copy = strdup(c->file.path);
	if (!copy || lchown(dirname(copy), uid, gid) < 0)
		error = -errno;
	free(copy);
	return error;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	loop_forget(c->resume);
	if (c->listener)
		LIST_REMOVE(c, others);
	if (c->http)
		evhttp_free(c->http);
	control_socket_remove(&c->file);
	free(c->file.path);
	free(c->where);
	free(c);
}
