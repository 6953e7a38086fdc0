/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/descriptors.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST = 3, APART = 64, MOST = 65536 };

/* Not every C library has closefrom(), and not every kernel close_range(). */
static void close_from(int first)
{
	long most = sysconf(_SC_OPEN_MAX);

	if (syscall(SYS_close_range, (unsigned)first, ~0U, 0U) == 0)
		return;
	for (int fd = first; fd < most && fd < MOST; fd++)
		close(fd);
}

void descriptors_keep(int *v, size_t n)
{
	/* one may be where another is to go */
	for (size_t i = 0; i < n; i++)
		v[i] = fcntl(v[i], F_DUPFD_CLOEXEC, APART);
	for (size_t i = 0; i < n; i++) {
		dup3(v[i], FIRST + (int)i, O_CLOEXEC);
		v[i] = FIRST + (int)i;
	}
	close_from(FIRST + (int)n);
}
