/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process can still do when everything is open: as little as its role needs. From here on it has no writable code,
 * no core dump, a filter of system calls (seccomp) and one of files (Landlock), none of which can be taken back.
 */
#ifndef SERVER_IO_SANDBOX_H
#define SERVER_IO_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sockets that may be opened anew: bits of a set. Those that are open stay what they are. */
enum sandbox_sockets {
	SANDBOX_UDP = 1,	/* IPv4 and IPv6 */
	SANDBOX_UNIX = 2,	/* the service manager and syslog */
	SANDBOX_ROUTE = 4,	/* rtnetlink */
	SANDBOX_DIAG = 8,	/* sock_diag */
	SANDBOX_NETFILTER = 16, /* nftables and ctnetlink */
};

/* What may be done with the files of a directory, or with one file: bits of a set. */
enum sandbox_access {
	SANDBOX_READ = 1,
	SANDBOX_WRITE = 2, /* of a directory: files may also be made, renamed and removed in it */
	SANDBOX_REMOVE = 4,
};

enum { SANDBOX_DESCRIPTORS = 4096 };

struct sandbox_path {
	const char *path;
	unsigned access;
};

/* A role. */
struct sandbox {
	/* It starts programs that are not ours. They inherit all of this, so only what no program should do is refused:
	 * files, memory and sockets are theirs. */
	bool programs;
	bool abstract;	  /* it speaks to unix sockets of the abstract name space */
	unsigned sockets; /* enum sandbox_sockets */
	const struct sandbox_path *paths;
	size_t paths_n;	 /* what is not there is left out, and cannot be opened later */
	uint64_t memory; /* octets of address space; 0 = no limit */
};

/* What of it holds. */
struct sandbox_state {
	bool on; /* it was asked for */
	bool filter, no_code;
	int landlock;	       /* its version, 0 = not */
	const char *no_filter; /* why not, NULL */
	const char *no_landlock;
	const char *no_no_code;
};

/*
 * Enters it. No thread may run but the caller's. What this kernel or this program cannot do is left out, and said in state;
 * all else that fails is -errno, with one line in why, and the process must not go on.
 */
int sandbox_enter(const struct sandbox *s, struct sandbox_state *state, char *why, size_t size);

/* Another limit of address space, within sandbox too. */
void sandbox_memory(uint64_t octets);

/* True if this program can filter system calls at all: it was built with libseccomp. */
bool sandbox_has_filter(void);

#endif
