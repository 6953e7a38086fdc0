/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/io/loop.h"

struct process {
	pid_t pid; /* and its group; 0 = there is none */
	uint32_t id;
	bool late;
	uint64_t term_ms, kill_ms; /* when it is to be ended; UINT64_MAX = not, or it was done */
};

struct exec {
	struct loop *loop;
	struct loop_event *signal, *timer;
	exec_done_fn *done;
	void *context;
	size_t n;
	struct process v[EXEC_MAX];
};

/* In the child: nothing that the daemon may do is passed on, not even to a program of root's. What cannot be taken away
 * is not there. */
static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	for (unsigned long c = 0; c < 64; c++)
		prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	syscall(SYS_capset, &header, none);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* In the child, which has the memory of the parent until it is the program: only system calls. Returns an errno. */
static int become(const char *path, char *const argv[], char *const envp[])
{
	struct sigaction plain = {.sa_handler = SIG_DFL};
	sigset_t none;
	int fd;

	/* the daemon's functions must not be called here, and what it ignores is not the program's to ignore */
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &plain, NULL);
	sigemptyset(&none);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 ||
	    setpgid(0, 0) < 0 || chdir("/") < 0)
		return errno;
	/* all are close-on-exec as it is; 4 is to make them so */
	syscall(SYS_close_range, 3U, ~0U, 4U);
	drop_capabilities();
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(path, argv, envp);
	return errno;
}

/* By vfork(): a copy of the page tables of a daemon with a million leases would take longer than everything else. Why it
 * failed comes by a pipe that the program's start closes, as there are places where vfork() is fork(). The child's number,
 * *failure being 0 or an errno; or -errno. */
__attribute__((noinline)) static pid_t spawn(const char *path, char *const argv[], char *const envp[], int *failure)
{
	sigset_t all, before;
	int pipe_fds[2], error;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (pid == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): system calls, which change nothing that the parent has, and _exit() */
		error = become(path, argv, envp);
		if (write(pipe_fds[1], &error, sizeof(error)) < 0)
			_exit(126);
		_exit(127);
	}
	error = pid < 0 ? -errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(pipe_fds[1]);
	*failure = 0;
	if (pid > 0 && read(pipe_fds[0], failure, sizeof(*failure)) != (ssize_t)sizeof(*failure))
		*failure = 0;
	close(pipe_fds[0]);
	return pid < 0 ? error : pid;
}

static void arm(struct exec *x)
{
	uint64_t at_ms = UINT64_MAX;

	for (size_t i = 0; i < EXEC_MAX; i++) {
		if (!x->v[i].pid)
			continue;
		at_ms = x->v[i].term_ms < at_ms ? x->v[i].term_ms : at_ms;
		at_ms = x->v[i].kill_ms < at_ms ? x->v[i].kill_ms : at_ms;
	}
	loop_timer_set(x->timer, at_ms);
}

int exec_run(struct exec *x, uint32_t id, const char *path, char *const argv[], char *const envp[], uint32_t timeout_s)
{
	struct process *p = NULL;
	int error = 0;
	pid_t pid;

	for (size_t i = 0; i < EXEC_MAX && !p; i++)
		if (!x->v[i].pid)
			p = &x->v[i];
	if (!p)
		return -EAGAIN;
	pid = spawn(path, argv, envp, &error);
	if (pid < 0)
		return pid;
	if (error) {
		waitpid(pid, NULL, 0);
		return -error;
	}
	*p = (struct process){
	    .pid = pid, .id = id, .term_ms = loop_now_ms(x->loop) + (uint64_t)timeout_s * 1000, .kill_ms = UINT64_MAX};
	x->n++;
	arm(x);
	return 0;
}

size_t exec_count(const struct exec *x)
{
	return x->n;
}

/* Takes a process that ended. What it left of its group is ended before its number can be another's. */
static bool reap(struct process *p, siginfo_t *end)
{
	memset(end, 0, sizeof(*end));
	if (waitid(P_PID, (id_t)p->pid, end, WEXITED | WNOHANG | WNOWAIT) < 0 || end->si_pid != p->pid)
		return false;
	kill(-p->pid, SIGKILL);
	waitid(P_PID, (id_t)p->pid, end, WEXITED | WNOHANG);
	return true;
}

static void child(void *context)
{
	struct exec *x = context;
	siginfo_t end;

	for (size_t i = 0; i < EXEC_MAX; i++) {
		struct process p = x->v[i];

		if (!p.pid || !reap(&p, &end))
			continue;
		x->v[i].pid = 0;
		x->n--;
		x->done(x->context, p.id,
			p.late			    ? EXEC_LATE
			: end.si_code == CLD_EXITED ? EXEC_EXITED
						    : EXEC_SIGNALED,
			end.si_status);
	}
	arm(x);
}

static void due(void *context)
{
	struct exec *x = context;
	uint64_t now_ms = loop_now_ms(x->loop);

	for (size_t i = 0; i < EXEC_MAX; i++) {
		struct process *p = &x->v[i];

		if (!p->pid)
			continue;
		if (p->kill_ms <= now_ms) {
			p->kill_ms = UINT64_MAX;
			kill(-p->pid, SIGKILL);
		} else if (p->term_ms <= now_ms) {
			p->term_ms = UINT64_MAX;
			p->kill_ms = now_ms + EXEC_TERM_MS;
			p->late = true;
			kill(-p->pid, SIGTERM);
		}
	}
	arm(x);
}

int exec_open(struct exec **out, struct loop *loop, exec_done_fn *done, void *context)
{
	struct exec *x = calloc(1, sizeof(*x));

	if (!x)
		return -ENOMEM;
	x->loop = loop;
	x->done = done;
	x->context = context;
	x->signal = loop_signal(loop, SIGCHLD, child, x);
	x->timer = loop_timer(loop, due, x);
	if (!x->signal || !x->timer) {
		exec_close(x);
		return -ENOMEM;
	}
	*out = x;
	return 0;
}

/* Waits for at most so long. */
static void wait_for_all(struct exec *x, unsigned ms)
{
	const struct timespec turn = {.tv_nsec = 5000000};
	siginfo_t end;

	for (unsigned passed = 0; x->n > 0; passed += 5) {
		for (size_t i = 0; i < EXEC_MAX; i++)
			if (x->v[i].pid && reap(&x->v[i], &end)) {
				x->v[i].pid = 0;
				x->n--;
			}
		if (x->n == 0 || passed >= ms)
			return;
		nanosleep(&turn, NULL);
	}
}

static void signal_all(struct exec *x, int number)
{
	for (size_t i = 0; i < EXEC_MAX; i++)
		if (x->v[i].pid)
			kill(-x->v[i].pid, number);
}

void exec_close(struct exec *x)
{
	if (!x)
		return;
	loop_forget(x->signal);
	loop_forget(x->timer);
	wait_for_all(x, EXEC_CLOSE_MS / 2);
	signal_all(x, SIGTERM);
	wait_for_all(x, EXEC_CLOSE_MS / 4);
	signal_all(x, SIGKILL);
	wait_for_all(x, EXEC_CLOSE_MS / 4);
	free(x);
}
