/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/warden.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "backends/backend.h"
#include "backends/conntrack.h"
#include "backends/ender.h"
#include "backends/serve.h"
#include "backends/wire_socket.h"
#include "codec/codec.h"
#include "conf/keep.h"
#include "server/io/descriptors.h"
#include "server/io/log.h"
#include "server/warden_self.h"

enum {
	OWNER_MS = 5000, /* how long a table may belong to somebody else who is about to end */
	OWNER_STEP_MS = 10,
};

uint64_t warden_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The life of the child */

static int send_answer(void *context, const struct wire_buffer *b)
{
	return wire_send(((struct ward *)context)->questions, b);
}

static int receive(void *context, struct wire_head *h, const uint8_t **body)
{
	struct ward *w = context;
	int rc = wire_receive(w->questions, &w->question, h);

	*body = rc ? NULL : wire_body(&w->question);
	return rc;
}

static void refused(void *context, const struct change *c, const char *why)
{
	struct ward *w = context;
	const struct mapping *m = &c->mapping;
	uint64_t suppressed = 0;
	struct log_line l;

	if (!log_limit_pass(&w->quiet, warden_now_ms(), &suppressed))
		return;
	log_begin(&l, CONF_LOG_ERROR, "change-refused");
	log_protocol(&l, "protocol", m->protocol);
	log_endpoint(&l, "external", &m->external_address, m->external_port);
	log_endpoint(&l, "internal", &m->internal_address, m->internal_port);
	if (suppressed)
		log_number(&l, "suppressed", suppressed);
	log_text(&l, "why", why);
	log_end(&l);
}

/* Opening */

/* A server that was killed a moment ago may still be ending, and its warden be the table's owner. */
static int open_backend(struct ward *w, char why[WIRE_WHY_MAX])
{
	const struct timespec step = {.tv_nsec = OWNER_STEP_MS * 1000000L};
	uint64_t end_ms = warden_now_ms() + OWNER_MS;
	int rc = backend_nft_open(&w->serve.backend, w->conf, why, WIRE_WHY_MAX);

	while (rc == -EPERM && warden_now_ms() < end_ms && privileges_have_filter()) {
		nanosleep(&step, NULL);
		rc = backend_nft_open(&w->serve.backend, w->conf, why, WIRE_WHY_MAX);
	}
	return rc;
}

/* The parent is gone, or does not speak as it should: then it is not spoken to any more. */
static void end(int rc)
{
	struct log_line l;

	if (rc == -EPIPE)
		_exit(0);
	log_begin(&l, CONF_LOG_ERROR, "warden-failed");
	log_text(&l, "why", rc == -EBADMSG ? "the process that reads packets asked what it never asks" : strerror(-rc));
	log_end(&l);
	_exit(1);
}

static void *search(void *context)
{
	struct ward *w = context;
	struct wire_head h;
	int rc = 0;

	while (rc == 0) {
		rc = wire_receive(w->searches, &w->search_question, &h);
		if (rc == 0)
			rc = warden_search(w, &h);
	}
	/* at an orderly end the other thread still has something to do */
	if (rc != -EPIPE)
		end(rc);
	return NULL;
}

/* Capabilities are a thread's: it is started when they have been given up. */
static int start_searching(struct ward *w)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 256 << 10);
	error = pthread_create(&thread, &attributes, search, w);
	pthread_attr_destroy(&attributes);
	return -error;
}

static int open_all(struct ward *w, char why[WIRE_WHY_MAX])
{
	int rc = ender_open(&w->ender, w->conf->backend.mark, w->conf->backend.hairpin_mark);

	if (rc == 0)
		rc = conntrack_open(&w->conntrack);
	if (rc) {
		snprintf(why, WIRE_WHY_MAX, "ctnetlink: %s", strerror(-rc));
		return rc == -ENOENT ? -EIO : rc;
	}
	rc = wan_open(&w->wan);
	if (rc) {
		snprintf(why, WIRE_WHY_MAX, "rtnetlink: %s", strerror(-rc));
		return rc == -ENOENT ? -EIO : rc;
	}
	return open_backend(w, why);
}

static int give_up(struct ward *w, char why[WIRE_WHY_MAX])
{
	char reason[WIRE_WHY_MAX];
	int rc = privileges_drop(&w->privileges, PRIVILEGES_FILTER, reason, sizeof(reason));

	/* the change of user has undone it */
	if (rc == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)) {
		rc = -errno;
		snprintf(reason, sizeof(reason), "prctl: %s", strerror(-rc));
	}
	if (rc == 0 && getppid() != w->parent)
		_exit(0);
	if (rc == 0)
		rc = warden_confine(w, reason, sizeof(reason));
	if (rc == 0) {
		rc = start_searching(w);
		if (rc)
			snprintf(reason, sizeof(reason), "no thread: %s", strerror(-rc));
	}
	if (rc)
		snprintf(why, WIRE_WHY_MAX, "%s", reason);
	return rc;
}

static int answer_open(struct ward *w)
{
	char why[WIRE_WHY_MAX] = "";
	struct wire_open opened = {0};
	struct wire_buffer *b = &w->serve.answer;
	int rc = open_all(w, why);

	if (rc == 0)
		rc = give_up(w, why);
	opened.maps_dccp = backend_nft_maps(IPPROTO_DCCP);
	opened.elicits = w->ender && ender_elicits(w->ender);
	wire_begin(b, WIRE_DONE);
	wire_put(b, &opened, sizeof(opened));
	wire_put(b, why, strlen(why));
	if (!wire_end(b, 0, rc))
		return -ENOMEM;
	rc = send_answer(w, b) || rc ? -EPIPE : 0; /* what could not be opened is the end */
	return rc;
}

/* Reloading */

static int take_over(struct ward *w, struct conf *wanted, char why[WIRE_WHY_MAX])
{
	return w->serve.backend->ops->reload(w->serve.backend, wanted, why, WIRE_WHY_MAX);
}

/* The other process says it. */
static void needs_restart(void *context, const struct schema_key *key)
{
	(void)context, (void)key;
}

/* The configuration as the file has it now, if it is still the one that the parent has read. */
static int reload_new(struct ward *w, uint64_t sum, char why[WIRE_WHY_MAX])
{
	struct conf *wanted;
	int rc = settings_read(w->settings, &wanted, why);

	if (rc)
		return rc == -ENOENT ? -EIO : rc;
	if (wanted->sum != sum) {
		snprintf(why, WIRE_WHY_MAX, "the configuration was changed while it was read");
		rc = -EAGAIN;
	}
	if (rc == 0)
		rc = keep_running(w->conf, wanted, needs_restart, NULL);
	if (rc == 0) {
		why[0] = '\0';
		rc = take_over(w, wanted, why);
	}
	if (rc) {
		/* the backend may know it until it is told of another one */
		conf_free(w->failed);
		w->failed = wanted;
		return rc;
	}
	conf_free(w->before);
	w->before = w->conf;
	w->conf = wanted;
	log_open(wanted->log.level, wanted->log.target);
	return 0;
}

static int reload_old(struct ward *w, uint64_t sum, char why[WIRE_WHY_MAX])
{
	struct conf *other;
	int rc;

	if (sum != w->conf->sum && w->before && sum == w->before->sum) {
		rc = take_over(w, w->before, why);
		other = w->conf;
		w->conf = w->before;
		w->before = other;
		return rc;
	}
	rc = sum == w->conf->sum ? take_over(w, w->conf, why) : -EINVAL;
	if (rc == 0) {
		conf_free(w->failed);
		w->failed = NULL;
	}
	return rc;
}

static int reload(struct ward *w, const struct wire_head *h, const uint8_t *body)
{
	char why[WIRE_WHY_MAX] = "";
	struct wire_reload r;
	int rc;

	if (!wire_get(body, h->length, &r, sizeof(r)))
		return -EBADMSG;
	rc = r.again ? reload_old(w, r.sum, why) : reload_new(w, r.sum, why);
	return serve_why(&w->serve, rc, why);
}

/* The rest */

static int find_flow(struct ward *w, const struct wire_head *h, const uint8_t *body)
{
	struct wire_buffer *b = &w->serve.answer;
	struct conntrack_flow f;
	int rc = wire_get_flow(body, h->length, &f);

	if (rc)
		return rc;
	if (codec_is_v4(&f.internal_address) != codec_is_v4(&f.remote_address))
		return -EBADMSG;
	rc = conntrack_find(w->conntrack, &f);
	wire_begin(b, WIRE_DONE);
	wire_put_flow(b, &f);
	return wire_end(b, 1, rc) ? send_answer(w, b) : -ENOMEM;
}

static int close_all(struct ward *w, bool clear)
{
	w->serve.backend->ops->close(w->serve.backend, clear);
	w->serve.backend = NULL;
	serve_done(&w->serve, 0);
	return -EPIPE;
}

static int other(void *context, const struct wire_head *h, const uint8_t *body)
{
	struct ward *w = context;

	if (!w->serve.backend)
		return h->what == WIRE_OPEN ? answer_open(w) : -EBADMSG;
	switch (h->what) {
	case WIRE_RELOAD:
		return reload(w, h, body);
	case WIRE_FIND:
		return find_flow(w, h, body);
	case WIRE_CLOSE:
		return close_all(w, h->n != 0);
	default:
		return -EBADMSG;
	}
}

static int answer_one(struct ward *w)
{
	struct wire_head h;
	const uint8_t *body;
	int rc = receive(w, &h, &body);

	if (rc == 0) {
		w->place_checked = false;
		rc = serve_question(&w->serve, &h, body);
	}
	if (rc == 0)
		wire_trim(&w->question);
	return rc;
}

/* Until the parent is gone, or does not speak as it should. */
static int serve(struct ward *w)
{
	int rc = 0;

	while (rc == 0) {
		struct backend *b = w->serve.backend;
		struct pollfd v[2] = {{.fd = w->questions, .events = POLLIN},
				      {.fd = b ? b->ops->watch_fd(b) : -1, .events = POLLIN}};

		if (poll(v, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (b && v[1].revents && b->ops->drain(b))
			eventfd_write(w->news, 1);
		if (v[0].revents)
			rc = answer_one(w);
	}
	return rc;
}

static void child_signals(void)
{
	/* who ends the server ends the parent, which ends this one when it is done with it */
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2};
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What the parent had open is none of this one's, but for the ends. */
static void child_descriptors(struct ward *w)
{
	int ends[3] = {w->questions, w->searches, w->news};

	closelog();
	descriptors_keep(ends, 3);
	log_open(w->conf->log.level, w->conf->log.target);
	w->questions = ends[0];
	w->searches = ends[1];
	w->news = ends[2];
}

static void child(struct ward *w)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "natpcpd-warden");
	if (getppid() != w->parent)
		_exit(0);
	child_signals();
	child_descriptors(w);
	w->serve.permit = warden_permit;
	w->serve.shaped = warden_shaped;
	w->serve.refused = refused;
	w->serve.send = send_answer;
	w->serve.receive = receive;
	w->serve.other = other;
	w->serve.context = w;
	end(serve(w));
}

/* The parent */

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int warden_start(struct warden *out, const struct settings *settings, struct conf *conf, const struct privileges *p)
{
	struct ward w = {.settings = settings, .conf = conf, .privileges = *p, .parent = getpid()};
	int questions[2] = {-1, -1}, searches[2] = {-1, -1}, error = 0;

	w.news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w.news < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, questions) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, searches) < 0)
		error = -errno;
	if (error == 0) {
		w.questions = questions[1];
		w.searches = searches[1];
		out->pid = fork();
		if (out->pid == 0)
			child(&w);
		if (out->pid < 0)
			error = -errno;
	}
	close_end(&questions[1]);
	close_end(&searches[1]);
	out->ends = (struct proxy_ends){questions[0], searches[0], w.news};
	if (error) {
		close_end(&out->ends.questions);
		close_end(&out->ends.searches);
		close_end(&out->ends.news);
		out->pid = 0;
	}
	return error;
}

void warden_wait(struct warden *w)
{
	int status = 0;

	if (w->pid <= 0)
		return;
	close_end(&w->ends.questions);
	close_end(&w->ends.searches);
	close_end(&w->ends.news);
	while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
		;
	/* what it should have done may not be done */
	if (WIFSIGNALED(status))
		log_print(CONF_LOG_ERROR, "warden-failed", "signal %d ended it", WTERMSIG(status));
	w->pid = 0;
}
