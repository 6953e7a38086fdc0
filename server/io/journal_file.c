/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/core/record.h"

char *journal_file_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* One level of directory, no more: what lacks above it lacks for a reason. */
static int make_directory(const char *path)
{
	char *directory = journal_file_directory(path);
	int error = !directory ? -ENOMEM : mkdir(directory, 0750) < 0 ? -errno : 0;

	free(directory);
	return error;
}

static int create(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int journal_file_new(struct journal_file *f, const char *path, bool *made)
{
	struct stat st;
	int fd, error;

	if (made)
		*made = false;
	unlink(path);
	fd = create(path);
	if (fd < 0 && errno == ENOENT) {
		error = make_directory(path);
		if (error)
			return error == -EEXIST ? -ENOENT : error;
		if (made)
			*made = true;
		fd = create(path);
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	*f = (struct journal_file){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
	return 0;
}

void journal_file_close(struct journal_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

int journal_file_write(struct journal_file *f, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t done = 0; done < n;) {
		ssize_t written = pwrite(f->fd, p + done, n - done, (off_t)(f->octets + done));
		int error;

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) {
			/* part of a record in the middle would hide all that comes after it */
			error = written < 0 ? -errno : -EIO;
			if (done && ftruncate(f->fd, (off_t)f->octets) < 0)
				error = -errno;
			return error;
		}
		done += (size_t)written;
	}
	f->octets += n;
	return 0;
}

bool journal_file_at(const struct journal_file *f, const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && st.st_dev == f->device && st.st_ino == f->inode;
}

int journal_file_behind(int fd)
{
	uint8_t octets[RECORD_SIZE];
	struct record_storage storage;
	struct record r;
	const char *why;

	if (pread(fd, octets, sizeof(octets), 0) != (ssize_t)sizeof(octets) ||
	    !record_get(octets, sizeof(octets), &storage, &r, &why) || r.type != RECORD_HEADER || r.header.behind)
		return 0;
	r.header.behind = true;
	record_put(&r, octets, sizeof(octets));
	if (pwrite(fd, octets, sizeof(octets), 0) == (ssize_t)sizeof(octets))
		return 0;
	return ftruncate(fd, 0) < 0 ? -errno : 0;
}

int journal_file_spoil(const char *path)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), error;

	if (fd < 0 && (errno == ENOENT || errno == EISDIR || errno == ELOOP || errno == ENXIO))
		return 0; /* no reader of ours takes it for a journal */
	error = fd < 0 ? -errno : journal_file_behind(fd);
	if (fd >= 0 && !error && fdatasync(fd) < 0 && errno != EINVAL && errno != EROFS)
		error = -errno;
	if (fd >= 0)
		close(fd);
	if (!error)
		return 0;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int journal_file_sync_directory(const char *path)
{
	char *directory = journal_file_directory(path);
	int fd, error = 0;

	if (!directory)
		return -ENOMEM;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	if (fd < 0)
		return -errno;
	/* some file systems have nothing to do here and say so */
	if (fsync(fd) < 0 && errno != EINVAL)
		error = -errno;
	close(fd);
	return error;
}
