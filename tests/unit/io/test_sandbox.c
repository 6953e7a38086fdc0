/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What natpcpd's process cannot do any more, tried in processes that have entered the same sandbox. */
#include "server/io/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/sandbox_calls.h"

#ifndef ETH_P_ALL
#define ETH_P_ALL 3
#endif

/* Ends of a try, as exit codes. */
enum { DONE = 0, NOT_ENTERED = 99 };

static char directory[64], elsewhere[64], inside[96], outside[96], other[96];
static struct sandbox_state found;

static const struct sandbox_path paths[] = {{directory, SANDBOX_WRITE}};

static struct sandbox role(bool programs)
{
	return (struct sandbox){
	    .programs = programs,
	    .sockets = SANDBOX_UDP | SANDBOX_UNIX | SANDBOX_ROUTE | SANDBOX_DIAG,
	    .paths = paths,
	    .paths_n = 1,
	};
}

/* What a try ends with in a process in the sandbox: an errno, 0 = it worked; or minus the signal that ended it. */
static int attempt_as(const struct sandbox *s, int (*try)(void))
{
	struct sandbox_state state;
	char why[256];
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(s, &state, why, sizeof(why)))
			_exit(NOT_ENTERED);
		_exit(try());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int attempt(int (*try)(void))
{
	struct sandbox s = role(false);

	return attempt_as(&s, try);
}

static int result(long rc)
{
	return rc < 0 ? errno : 0;
}

/* Files */

static int open_passwd(void)
{
	return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int make_elsewhere(void)
{
	return result(open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int unlink_elsewhere(void)
{
	return result(unlink(other));
}

static int link_here(void)
{
	return result(link(other, inside));
}

static int make_device(void)
{
	return result(mknod(inside, S_IFCHR | 0600, 0x103));
}

static int change_mode(void)
{
	return result(chmod(directory, 0777));
}

static int write_anew(void)
{
	char beside[104];
	int fd;

	snprintf(beside, sizeof(beside), "%s.new", inside);
	fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) < 0 || ftruncate(fd, 0) < 0 ||
	    rename(beside, inside) < 0 || unlink(inside) < 0 || close(fd) < 0)
		return errno;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? errno : result(fsync(fd));
}

static void test_files(void **unused)
{
	(void)unused;
	assert_int_equal(attempt(write_anew), DONE);
	assert_int_equal(attempt(change_mode), ENOSYS);
	assert_int_equal(attempt(make_device), ENOSYS);
	assert_int_equal(attempt(link_here), ENOSYS);
	if (!found.landlock)
		skip();
	assert_int_equal(attempt(open_passwd), EACCES);
	assert_int_equal(attempt(make_elsewhere), EACCES);
	assert_int_equal(attempt(unlink_elsewhere), EACCES);
}

/* Sockets */

static int try_socket(int family, int type, int protocol)
{
	return result(socket(family, type | SOCK_CLOEXEC, protocol));
}

static int udp4(void)
{
	return try_socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, IPPROTO_UDP);
}

static int rtnetlink(void)
{
	return try_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
}

static int sock_diag(void)
{
	return try_socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
}

static int unix_datagram(void)
{
	return try_socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int nfnetlink(void)
{
	return try_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
}

static int generic_netlink(void)
{
	return try_socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
}

static int raw(void)
{
	return try_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
}

static int raw6(void)
{
	return try_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

static int packet(void)
{
	return try_socket(AF_PACKET, SOCK_RAW, ETH_P_ALL);
}

static int tcp(void)
{
	return try_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
}

static int vsock(void)
{
	return try_socket(AF_VSOCK, SOCK_STREAM, 0);
}

/* Junk in the upper half of a register is no way around a comparison. */
static int packet_with_junk(void)
{
	return result(syscall(SYS_socket, (1UL << 32) | AF_PACKET, SOCK_RAW, ETH_P_ALL));
}

static int set_mac(void)
{
	struct ifreq r = {.ifr_name = "lo"};

	return result(ioctl(0, SIOCSIFHWADDR, &r));
}

static void test_sockets(void **unused)
{
	int (*const good[])(void) = {udp4, rtnetlink, sock_diag, unix_datagram};
	int (*const bad[])(void) = {nfnetlink, generic_netlink, raw, raw6, packet, tcp, vsock, packet_with_junk};

	(void)unused;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(attempt(good[i]), DONE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(attempt(bad[i]), ENOSYS);
	if (!sandbox_sanitized)
		assert_int_equal(attempt(set_mac), ENOSYS);
}

/* Memory that is code */

static int code_of_data(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return EBADMSG;
	*p = (char)0xc3;
	return result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int code_at_once(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		   ? errno
		   : 0;
}

static int data_of_code(void)
{
	uintptr_t page = (uintptr_t)code_at_once & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);

	return result(mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
}

static int data(void)
{
	char *p = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, 1 << 20, PROT_READ | PROT_WRITE) < 0)
		return errno;
	p[4096] = 1;
	return result(munmap(p, 1 << 20));
}

static void test_memory(void **unused)
{
	(void)unused;
	assert_int_equal(attempt(data), DONE);
	assert_int_equal(attempt(code_of_data), ENOSYS);
	assert_int_equal(attempt(code_at_once), ENOSYS);
	assert_int_equal(attempt(data_of_code), ENOSYS);
}

/* Processes and threads */

static int run_true(void)
{
	char *argv[] = {(char *)(uintptr_t) "true", NULL};

	execv("/bin/true", argv);
	return errno;
}

static int make_process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static void *thread(void *context)
{
	*(int *)context = DONE;
	return NULL;
}

static int make_thread(void)
{
	pthread_t t;
	int answer = EBADMSG, error = pthread_create(&t, NULL, thread, &answer);

	return error ? error : pthread_join(t, NULL) ? EDEADLK : answer;
}

static int signal_parent(void)
{
	return result(kill(getppid(), 0));
}

static int signal_init(void)
{
	return result(syscall(SYS_tgkill, 1, 1, 0));
}

static int end_itself(void)
{
	signal(SIGABRT, SIG_DFL);
	abort();
}

static int trace(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int user_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int become_root(void)
{
	return result(setuid(0));
}

static int io_uring(void)
{
	return result(syscall(425, 1, NULL)); /* io_uring_setup */
}

static int bpf(void)
{
	return result(syscall(SYS_bpf, 0, NULL, 0));
}

static int more_core(void)
{
	struct rlimit r = {0};

	if (getrlimit(RLIMIT_CORE, &r) < 0)
		return errno;
	if (r.rlim_max)
		return EBADMSG;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max > SANDBOX_DESCRIPTORS)
		return EBADMSG;
	return result(setrlimit(RLIMIT_NOFILE, &r));
}

static int more_memory(void)
{
	sandbox_memory(1ULL << 32);
	return 0;
}

static int unknown_call(void)
{
	return result(syscall(4095));
}

static void test_processes(void **unused)
{
	int (*const hostile[])(void) = {run_true, user_namespace, become_root, io_uring, bpf};

	(void)unused;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		assert_int_equal(attempt(hostile[i]), -SIGSYS);
	assert_int_equal(attempt(make_thread), DONE);
	assert_int_equal(attempt(more_memory), DONE);
	assert_int_equal(attempt(unknown_call), ENOSYS);
	assert_int_equal(attempt(end_itself), -SIGABRT);
	assert_int_equal(attempt(signal_init), ENOSYS);
	if (sandbox_sanitized)
		return;
	assert_int_equal(attempt(trace), -SIGSYS);
	assert_int_equal(attempt(make_process), ENOSYS);
	assert_int_equal(attempt(signal_parent), ENOSYS);
	assert_int_equal(attempt(more_core), ENOSYS);
}

/* Where there are hooks their programs may do what programs do. */
static void test_programs(void **unused)
{
	struct sandbox s = role(true);

	(void)unused;
	assert_int_equal(attempt_as(&s, run_true), DONE);
	assert_int_equal(attempt_as(&s, open_passwd), DONE);
	assert_int_equal(attempt_as(&s, user_namespace), EPERM);
	assert_int_equal(attempt_as(&s, bpf), EPERM);
	assert_int_equal(attempt_as(&s, unknown_call), ENOSYS);
}

/* It is entered as a whole, or the process does not go on. */
static void test_no_memory(void **unused)
{
	struct sandbox s = role(false);
	struct sandbox_state state;
	char why[256] = "";
	int status;
	pid_t pid;

	(void)unused;
	if (sandbox_sanitized)
		skip();
	s.memory = 1;
	pid = fork();
	if (pid == 0)
		_exit(sandbox_enter(&s, &state, why, sizeof(why)) == -ENOMEM && strstr(why, "sandbox: seccomp") ? 0
														: 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void *wait_for_end(void *context)
{
	char octet;

	if (read(*(int *)context, &octet, 1) < 0)
		return context;
	return NULL;
}

/* A thread that is there already would stay free of Landlock. */
static void test_another_thread(void **unused)
{
	struct sandbox s = role(false);
	struct sandbox_state state;
	char why[256] = "";
	pthread_t t;
	int fds[2];

	(void)unused;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pthread_create(&t, NULL, wait_for_end, &fds[0]), 0);
	assert_int_equal(sandbox_enter(&s, &state, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "sandbox = false"));
	close(fds[1]);
	pthread_join(t, NULL);
	close(fds[0]);
}

/* What this kernel has is the same for all. */
static int begin(void **unused)
{
	struct sandbox s = role(false);
	int fds[2], status, fd;
	char why[256];
	pid_t pid;

	(void)unused;
	snprintf(directory, sizeof(directory), "/tmp/natpcp-sandbox-XXXXXX");
	snprintf(elsewhere, sizeof(elsewhere), "/tmp/natpcp-sandbox-XXXXXX");
	if (!mkdtemp(directory) || !mkdtemp(elsewhere) || pipe(fds) < 0)
		return -1;
	snprintf(inside, sizeof(inside), "%s/journal", directory);
	snprintf(outside, sizeof(outside), "%s/file", elsewhere);
	snprintf(other, sizeof(other), "%s/other", elsewhere);
	fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	pid = fork();
	if (pid == 0) {
		if (sandbox_enter(&s, &found, why, sizeof(why)) || write(fds[1], &found, sizeof(found)) < 0)
			_exit(1);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status || read(fds[0], &found, sizeof(found)) < 0)
		return -1;
	close(fds[0]);
	close(fds[1]);
	print_message("seccomp %d, Landlock %d, no writable code %d\n", found.filter, found.landlock, found.no_code);
	return 0;
}

static int end(void **unused)
{
	(void)unused;
	unlink(other);
	rmdir(directory);
	return rmdir(elsewhere);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files),     cmocka_unit_test(test_sockets),	     cmocka_unit_test(test_memory),
	    cmocka_unit_test(test_processes), cmocka_unit_test(test_another_thread), cmocka_unit_test(test_programs),
	    cmocka_unit_test(test_no_memory),
	};

	if (!sandbox_has_filter()) {
		puts("SKIP: built without libseccomp");
		return 0;
	}
	return cmocka_run_group_tests(tests, begin, end);
}
