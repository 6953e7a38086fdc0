/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/sandbox_calls.h"

#include <stddef.h>

/*
 * A C library chooses the call that does a function of it, and chooses another after an update or on another architecture:
 * so each function stands here with all calls that do it, old and new, and with the 64 bit time of 32 bit machines. Names that
 * libseccomp or this architecture does not know are left out. What is nowhere here is told ENOSYS, which a library takes
 * for an older kernel, and then makes the call that was there before.
 */
#define ALLOW(n)                                                                                                       \
	{                                                                                                              \
		n, SANDBOX_CALL_ALLOW                                                                                  \
	}
#define HOSTILE(n)                                                                                                     \
	{                                                                                                              \
		n, SANDBOX_CALL_HOSTILE                                                                                \
	}
#define START(n)                                                                                                       \
	{                                                                                                              \
		n, SANDBOX_CALL_START                                                                                  \
	}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

#ifdef SANITIZED
const bool sandbox_sanitized = true;
/* what a report and the search for leaks at the end are made with */
#define SANITIZER(n) ALLOW(n)
#else
const bool sandbox_sanitized = false;
#define SANITIZER(n) HOSTILE(n)
#endif

/* clang-format off */
const struct sandbox_call sandbox_calls[] = {
	/* memory; mmap and mprotect by argument */
	ALLOW("brk"), ALLOW("munmap"), ALLOW("mremap"), ALLOW("madvise"),

	/* sockets that are open; socket() by argument. socketcall() is what 32 bit x86 had for them all */
	ALLOW("bind"), ALLOW("connect"), ALLOW("accept"), ALLOW("accept4"), ALLOW("shutdown"),
	ALLOW("getsockname"), ALLOW("getpeername"), ALLOW("getsockopt"), ALLOW("setsockopt"),
	ALLOW("send"), ALLOW("sendto"), ALLOW("sendmsg"), ALLOW("sendmmsg"), ALLOW("recv"), ALLOW("recvfrom"),
	ALLOW("recvmsg"), ALLOW("recvmmsg"), ALLOW("recvmmsg_time64"),

	/* descriptors */
	ALLOW("read"), ALLOW("readv"), ALLOW("pread64"), ALLOW("preadv"), ALLOW("write"), ALLOW("writev"), ALLOW("pwrite64"),
	ALLOW("pwritev"), ALLOW("sendfile"), ALLOW("sendfile64"), ALLOW("lseek"), ALLOW("_llseek"), ALLOW("close"),
	ALLOW("close_range"), ALLOW("fcntl"), ALLOW("fcntl64"), ALLOW("dup"), ALLOW("dup2"), ALLOW("dup3"),
	ALLOW("fstat"), ALLOW("fstat64"),

	/* the journal: written anew beside itself and renamed; the control socket: removed. Where is Landlock's to say */
	ALLOW("open"), ALLOW("openat"), ALLOW("stat"), ALLOW("stat64"), ALLOW("lstat"), ALLOW("lstat64"), ALLOW("newfstatat"),
	ALLOW("fstatat64"), ALLOW("statx"), ALLOW("access"), ALLOW("faccessat"), ALLOW("faccessat2"), ALLOW("readlink"),
	ALLOW("readlinkat"), ALLOW("unlink"), ALLOW("unlinkat"), ALLOW("rename"), ALLOW("renameat"), ALLOW("renameat2"),
	ALLOW("mkdir"), ALLOW("mkdirat"), ALLOW("ftruncate"), ALLOW("ftruncate64"), ALLOW("fsync"), ALLOW("fdatasync"),
	ALLOW("flock"), ALLOW("fallocate"), ALLOW("umask"),

	/* the loop */
	ALLOW("epoll_create"), ALLOW("epoll_create1"), ALLOW("epoll_ctl"), ALLOW("epoll_wait"), ALLOW("epoll_pwait"),
	ALLOW("epoll_pwait2"), ALLOW("poll"), ALLOW("ppoll"), ALLOW("ppoll_time64"), ALLOW("select"), ALLOW("_newselect"),
	ALLOW("pselect6"), ALLOW("pselect6_time64"), ALLOW("eventfd"), ALLOW("eventfd2"), ALLOW("timerfd_create"),
	ALLOW("timerfd_settime"), ALLOW("timerfd_settime64"), ALLOW("timerfd_gettime"), ALLOW("timerfd_gettime64"),
	ALLOW("pipe"), ALLOW("pipe2"), ALLOW("socketpair"),

	/* time, where it is not read without a call */
	ALLOW("clock_gettime"), ALLOW("clock_gettime64"), ALLOW("clock_getres"), ALLOW("clock_getres_time64"),
	ALLOW("gettimeofday"), ALLOW("time"), ALLOW("nanosleep"), ALLOW("clock_nanosleep"), ALLOW("clock_nanosleep_time64"),
	ALLOW("restart_syscall"),

	/* threads; clone by argument. clone3() hides its argument from a filter: ENOSYS, and a library takes clone() */
	ALLOW("futex"), ALLOW("futex_time64"), ALLOW("futex_waitv"), ALLOW("futex_wake"), ALLOW("futex_wait"),
	ALLOW("futex_requeue"), ALLOW("set_robust_list"), ALLOW("get_robust_list"), ALLOW("rseq"), ALLOW("membarrier"),
	ALLOW("set_tid_address"), ALLOW("gettid"), ALLOW("sched_yield"), ALLOW("sched_getaffinity"),
	ALLOW("sched_setaffinity"), ALLOW("getcpu"), ALLOW("exit"), ALLOW("exit_group"),

	/* signals; those to itself by argument */
	ALLOW("rt_sigaction"), ALLOW("sigaction"), ALLOW("rt_sigprocmask"), ALLOW("sigprocmask"), ALLOW("rt_sigreturn"),
	ALLOW("sigreturn"), ALLOW("rt_sigtimedwait"), ALLOW("rt_sigtimedwait_time64"), ALLOW("sigaltstack"),

	/* about itself */
	ALLOW("getpid"), ALLOW("getppid"), ALLOW("getuid"), ALLOW("getuid32"), ALLOW("geteuid"), ALLOW("geteuid32"),
	ALLOW("getgid"), ALLOW("getgid32"), ALLOW("getegid"), ALLOW("getegid32"), ALLOW("getrandom"), ALLOW("uname"),
	ALLOW("sysinfo"), ALLOW("getrlimit"), ALLOW("ugetrlimit"), ALLOW("getrusage"), ALLOW("getcwd"),

	/* the end of the processes that it has started */
	ALLOW("wait4"), ALLOW("waitid"), ALLOW("waitpid"),

	/* other programs, other processes and their memory */
	START("execve"), START("execveat"), START("fork"), START("vfork"),
	SANITIZER("ptrace"), HOSTILE("process_vm_readv"), HOSTILE("process_vm_writev"), HOSTILE("pidfd_getfd"), HOSTILE("kcmp"),
	HOSTILE("process_madvise"), HOSTILE("perf_event_open"), HOSTILE("userfaultfd"),
	/* another user, with other rights */
	START("setuid"), START("setuid32"), START("setgid"), START("setgid32"), START("setreuid"), START("setreuid32"),
	START("setregid"), START("setregid32"), START("setresuid"), START("setresuid32"), START("setresgid"),
	START("setresgid32"), START("setgroups"), START("setgroups32"), START("setfsuid"), START("setfsuid32"),
	START("setfsgid"), START("setfsgid32"), START("capset"), START("personality"),
	/* another view of files, by which Landlock's paths could be others' */
	HOSTILE("mount"), HOSTILE("umount"), HOSTILE("umount2"), HOSTILE("move_mount"), HOSTILE("open_tree"), HOSTILE("fsopen"),
	HOSTILE("fsconfig"), HOSTILE("fsmount"), HOSTILE("fspick"), HOSTILE("mount_setattr"), HOSTILE("pivot_root"),
	HOSTILE("chroot"), HOSTILE("unshare"), HOSTILE("setns"), HOSTILE("open_by_handle_at"), HOSTILE("name_to_handle_at"),
	START("memfd_create"), HOSTILE("memfd_secret"),
	/* parts of the kernel that holes were found in again and again */
	HOSTILE("bpf"), HOSTILE("io_uring_setup"), HOSTILE("io_uring_enter"), HOSTILE("io_uring_register"), HOSTILE("add_key"),
	HOSTILE("keyctl"), HOSTILE("request_key"), HOSTILE("modify_ldt"), HOSTILE("uselib"), HOSTILE("lookup_dcookie"),
	/* the whole machine */
	HOSTILE("init_module"), HOSTILE("finit_module"), HOSTILE("create_module"), HOSTILE("delete_module"),
	HOSTILE("kexec_load"), HOSTILE("kexec_file_load"), HOSTILE("reboot"), HOSTILE("swapon"), HOSTILE("swapoff"),
	HOSTILE("acct"), HOSTILE("quotactl"), HOSTILE("iopl"), HOSTILE("ioperm"), HOSTILE("settimeofday"), HOSTILE("stime"),
	HOSTILE("clock_settime"), HOSTILE("clock_settime64"), HOSTILE("adjtimex"), HOSTILE("clock_adjtime"),
	HOSTILE("sethostname"), HOSTILE("setdomainname"), HOSTILE("syslog"), HOSTILE("vhangup"),

#ifdef SANITIZED
	ALLOW("prctl"), ALLOW("getdents"), ALLOW("getdents64"), ALLOW("tkill"), ALLOW("kill"), ALLOW("prlimit64"),
	ALLOW("ioctl"), ALLOW("arch_prctl"),
#endif
	{NULL, SANDBOX_CALL_ALLOW},
};
/* clang-format on */
