/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_move.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

int move_watch(struct conn *watch)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK,
				.nl_groups =
				    RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};

	*watch = (struct conn){.owned = true};
	watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (watch->fd < 0)
		return -errno;
	if (bind(watch->fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return 0;
	conn_close(watch);
	return -errno;
}

bool move_heard(const struct conn *watch)
{
	char data[8192];
	bool heard = false;

	/* what it says is not looked at: the tables are read anew; ENOBUFS says that something was missed */
	while (recv(watch->fd, data, sizeof(data), 0) > 0 || errno == ENOBUFS)
		heard = true;
	return heard;
}

void move_follow(struct app *a, struct session *s)
{
	struct client_endpoint server = s->server;
	unsigned int through = s->ifindex;
	struct in6_addr own;

	if (s->finished)
		return;
	/* a network that is away may come back as it was */
	if (a->o.servers_count == 0 &&
	    conn_default_gateway(codec_is_v4(&server.address) ? AF_INET : AF_INET6, &through, &server))
		return;
	server.port = s->server.port;
	if (conn_source(&server, s->ifindex, &own))
		return;
	if (memcmp(&server.address, &s->server.address, sizeof(own)) == 0 && server.scope == s->server.scope &&
	    memcmp(&own, &s->own, sizeof(own)) == 0) {
		client_retry(&s->client, session_now());
		return;
	}
	session_close(s);
	s->server = server;
	s->own = own;
	s->error = session_open(s, a->o.mode);
	if (!s->error && !map_start(a, s))
		s->error = -EINVAL;
	if (!s->error)
		session_hear(s);
	s->moved = true;
}
