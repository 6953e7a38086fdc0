/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

int journal_lock(const char *path)
{
	char *beside;
	int fd, error;

	if (asprintf(&beside, "%s.lock", path) < 0)
		return -ENOMEM;
	fd = open(beside, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0600);
	error = -errno;
	free(beside);
	if (fd < 0)
		return error;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}
