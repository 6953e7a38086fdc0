/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "server/hook_event.h"
#include "server/io/descriptors.h"
#include "server/io/exec_far.h"
#include "server/io/log.h"
#include "server/io/loop.h"
#include "server/io/sandbox.h"

/* What the child has. */
struct run {
	const struct settings *settings;
	struct conf *conf;
	struct loop *loop;
	struct exec *exec;
	int fd;
};

static const struct conf_hook *hook_named(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->hooks_n; i++)
		if (!strcmp(conf->hooks[i].name, name))
			return &conf->hooks[i];
	return NULL;
}

static bool is_event(const char *name)
{
	for (unsigned what = CONF_EVENT_MADE; what <= CONF_EVENT_RELOAD; what <<= 1)
		if (!strcmp(hook_event_name((enum conf_event)what), name))
			return true;
	return false;
}

static void done(void *context, uint32_t id, enum exec_end end, int code)
{
	exec_far_tell(((struct run *)context)->fd, id, end, code);
}

static void run(struct run *r, struct exec_far_order *o)
{
	const struct conf_hook *hook = hook_named(r->conf, o->name);
	char path[4096], first[] = HOOK_PATH;
	char *argv[] = {path, o->event, NULL}, *envp[HOOK_VARIABLES_OURS + EXEC_FAR_VARIABLES + 1] = {first};
	int error = -ENOENT;

	if (hook && is_event(o->event) && exec_far_environment(o, HOOK_PREFIX, envp + HOOK_VARIABLES_OURS)) {
		snprintf(path, sizeof(path), "%s", hook->exec);
		error = exec_run(r->exec, o->id, path, argv, envp, hook->timeout_s);
	}
	if (error)
		exec_far_tell(r->fd, o->id, EXEC_FAILED, -error);
}

/* What is not the file that the other process has read is not taken: then its new hooks are not known here. */
static void reload(struct run *r, uint64_t sum)
{
	char why[CONF_LOCATION_MAX];
	struct conf *wanted;

	if (settings_read(r->settings, &wanted, why))
		return;
	if (wanted->sum != sum) {
		conf_free(wanted);
		return;
	}
	conf_free(r->conf);
	r->conf = wanted;
}

static void readable(void *context)
{
	struct exec_far_order order;
	struct run *r = context;
	uint64_t sum;

	switch (exec_far_hear(r->fd, &order, &sum)) {
	case EXEC_FAR_RUN:
		run(r, &order);
		break;
	case EXEC_FAR_RELOAD:
		reload(r, sum);
		break;
	default:
		loop_stop(r->loop);
	}
}

/* The programs inherit it. */
static int confine(const struct run *r)
{
	const struct sandbox s = {.programs = true};
	struct sandbox_state state;
	char why[256];
	int error = r->conf->process.sandbox ? sandbox_enter(&s, &state, why, sizeof(why)) : 0;

	if (error)
		log_print(CONF_LOG_ERROR, "hooks-off", "%s", why);
	return error;
}

static void child(struct run *r, const struct privileges *p, pid_t parent)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ};
	char why[256];
	sigset_t none;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "natpcpd-hooks");
	closelog();
	descriptors_keep(&r->fd, 1);
	log_open(r->conf->log.level, r->conf->log.target);
	if (privileges_drop(p, PRIVILEGES_NONE, why, sizeof(why))) {
		log_print(CONF_LOG_ERROR, "hooks-off", "%s", why);
		_exit(1);
	}
	if (getppid() != parent || confine(r))
		_exit(1);
	r->loop = loop_new();
	if (!r->loop || exec_open(&r->exec, r->loop, done, r) || !loop_readable(r->loop, r->fd, readable, r))
		_exit(1);
	loop_run(r->loop, NULL, NULL);
	exec_close(r->exec);
	_exit(0);
}

int runner_start(struct runner *out, const struct settings *settings, struct conf *conf, const struct privileges *p)
{
	struct run r = {.settings = settings, .conf = conf};
	pid_t parent = getpid();
	int fds[2], error = 0;

	*out = (struct runner){.fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	r.fd = fds[1];
	out->pid = fork();
	if (out->pid == 0)
		child(&r, p, parent);
	if (out->pid < 0)
		error = -errno;
	close(fds[1]);
	if (error) {
		close(fds[0]);
		out->pid = 0;
		return error;
	}
	out->fd = fds[0];
	return 0;
}

void runner_wait(struct runner *r)
{
	if (r->pid <= 0)
		return;
	if (r->fd >= 0)
		close(r->fd);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*r = (struct runner){.fd = -1};
}
