/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/control_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "codec/codec.h"

#define BACKLOG 16

/* 0 if the path is free now. */
static int stale_remove(const struct sockaddr_un *name)
{
	struct stat st;
	int fd, error = 0;

	if (lstat(name->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0)
		error = -EADDRINUSE;
	else if (errno != ECONNREFUSED)
		error = -errno;
	close(fd);
	if (!error && unlink(name->sun_path) < 0)
		error = -errno;
	return error;
}

static int directory_make(struct control_file *f)
{
	char *copy = strdup(f->path);
	int error = 0;

	if (!copy)
		return -ENOMEM;
	if (mkdir(dirname(copy), 0755) == 0)
		f->directory_made = true;
	else if (errno != EEXIST)
		error = -errno;
	free(copy);
	return error;
}

int control_socket_unix(struct control_file *f)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int fd, error;

	if (strlen(f->path) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	memcpy(name.sun_path, f->path, strlen(f->path));
	error = directory_make(f);
	if (!error)
		error = stale_remove(&name);
	if (error)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0117); /* from its first moment nobody else may open it */
	error = bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 ? -errno : 0;
	umask(mask);
	if (!error) {
		f->bound = true;
		if (lstat(f->path, &st) == 0) {
			f->device = st.st_dev;
			f->inode = st.st_ino;
		}
		error = listen(fd, BACKLOG) < 0 ? -errno : 0;
	}
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

void control_socket_remove(const struct control_file *f)
{
	struct stat st;

	/* another server may have put its own there since */
	if (f->bound && lstat(f->path, &st) == 0 && st.st_dev == f->device && st.st_ino == f->inode)
		unlink(f->path);
}

/* The configuration has been read: what is no port is none that came from there. */
static int endpoint(const char *text, struct in6_addr *a, uint16_t *port)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	unsigned long n = colon ? strtoul(colon + 1, NULL, 10) : 0;

	if (!n || n > UINT16_MAX)
		return -EINVAL;
	if (*text == '[' && end[-1] == ']') {
		text++;
		end--;
	}
	*port = (uint16_t)n;
	if (!codec_address_parse(text, (size_t)(end - text), a))
		return -EINVAL;
	return codec_is_v4(a) ? codec_to_v4(a) >> 24 == 127 ? 0 : -EINVAL : IN6_IS_ADDR_LOOPBACK(a) ? 0 : -EINVAL;
}

static int tcp_listen(const struct sockaddr *name, socklen_t length)
{
	int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, error = 0;

	if (fd < 0)
		return -errno;
	/* exchanges of a server that has just ended keep nobody from the port */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 || bind(fd, name, length) < 0 ||
	    listen(fd, BACKLOG) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

int control_socket_tcp(const char *address, char **where)
{
	char text[CODEC_ADDRESS_TEXT];
	struct in6_addr a;
	uint16_t port;
	bool v4;
	int error = endpoint(address, &a, &port);

	if (error)
		return error;
	v4 = codec_is_v4(&a);
	codec_address_text(&a, text);
	if (asprintf(where, v4 ? "%s:%u" : "[%s]:%u", text, port) < 0) {
		*where = NULL;
		return -ENOMEM;
	}
	if (v4) {
		struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};

		name.sin_addr.s_addr = htonl(codec_to_v4(&a));
		return tcp_listen((const struct sockaddr *)&name, sizeof(name));
	}
	return tcp_listen((const struct sockaddr *)&(
			      struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = a},
			  sizeof(struct sockaddr_in6));
}
