/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* struct in_pktinfo and in6_pktinfo, SO_BINDTODEVICE; nothing else of the library needs it */
#endif
#include "codec/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union socket_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* Returns the length, or 0 if the address has no form in this family. */
static socklen_t to_socket_address(int family, const struct client_endpoint *e, union socket_address *a)
{
	memset(a, 0, sizeof(*a));
	if (family == AF_INET6) {
		a->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
					      .sin6_port = htons(e->port),
					      .sin6_addr = e->address,
					      .sin6_scope_id = e->scope};
		return sizeof(a->v6);
	}
	if (!codec_is_v4(&e->address))
		return 0;
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons(e->port);
	a->v4.sin_addr.s_addr = htonl(codec_to_v4(&e->address));
	return sizeof(a->v4);
}

static void from_socket_address(const union socket_address *a, struct client_endpoint *e)
{
	if (a->any.sa_family == AF_INET6)
		*e = (struct client_endpoint){a->v6.sin6_addr, ntohs(a->v6.sin6_port), a->v6.sin6_scope_id};
	else
		*e = (struct client_endpoint){codec_from_v4(ntohl(a->v4.sin_addr.s_addr)), ntohs(a->v4.sin_port), 0};
}

bool conn_endpoint(const struct sockaddr *from, socklen_t length, struct client_endpoint *e)
{
	union socket_address a = {.v4 = {0}};
	sa_family_t family;

	if (length < sizeof(a.v4))
		return false;
	memcpy(&a, from, length < sizeof(a) ? length : sizeof(a));
	family = a.any.sa_family;
	if (family != AF_INET && (family != AF_INET6 || length < sizeof(a.v6)))
		return false;
	from_socket_address(&a, e);
	return true;
}

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) ? -errno : 0;
}

static int open_udp(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);

	if (fd < 0)
		return -errno;
	return fd;
}

static int bind_to_interface(int fd, unsigned int ifindex)
{
	char name[IF_NAMESIZE];

	if (!if_indextoname(ifindex, name))
		return -errno;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)) ? -errno : 0;
}

int conn_open(struct conn *c, const struct client_endpoint *server, const struct in6_addr *own, unsigned int ifindex)
{
	union socket_address a;
	socklen_t n;
	int rc;

	*c = (struct conn){.fd = -1, .family = codec_is_v4(&server->address) ? AF_INET : AF_INET6};
	rc = open_udp(c->family);
	if (rc < 0)
		return rc;
	c->fd = rc;
	c->owned = c->connected = true;
	rc = ifindex ? bind_to_interface(c->fd, ifindex) : 0;
	if (rc < 0)
		goto out;
	if (own) {
		struct client_endpoint from = {.address = *own, .scope = server->scope};

		n = to_socket_address(c->family, &from, &a);
		rc = n == 0 ? -EAFNOSUPPORT : bind(c->fd, &a.any, n) ? -errno : 0;
		if (rc < 0)
			goto out;
	}
	n = to_socket_address(c->family, server, &a);
	rc = connect(c->fd, &a.any, n) ? -errno : 0;
out:
	if (rc < 0)
		conn_close(c);
	return rc;
}

int conn_use(struct conn *c, int fd)
{
	int protocol = 0;
	socklen_t n = sizeof(protocol);

	*c = (struct conn){.fd = fd};
	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &n))
		return -errno;
	n = sizeof(c->family);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &c->family, &n))
		return -errno;
	return protocol == IPPROTO_UDP && (c->family == AF_INET || c->family == AF_INET6) ? 0 : -EINVAL;
}

static int listen_v4(int fd, unsigned int ifindex)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(CODEC_ANNOUNCE_PORT)};
	struct ip_mreqn join = {.imr_ifindex = (int)ifindex};
	int rc = 0;

	a.sin_addr.s_addr = join.imr_multiaddr.s_addr = htonl(INADDR_ALLHOSTS_GROUP);
	/* the group, not the wildcard: unicasts to this port are for somebody else */
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return -errno;
	if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)))
		return -errno;
	rc = set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	return rc ? rc : set(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

static int listen_v6(int fd, unsigned int ifindex)
{
	struct sockaddr_in6 a = {
	    .sin6_family = AF_INET6, .sin6_port = htons(CODEC_ANNOUNCE_PORT), .sin6_scope_id = ifindex};
	struct ipv6_mreq join = {.ipv6mr_interface = ifindex};
	int rc;

	inet_pton(AF_INET6, "ff02::1", &a.sin6_addr);
	join.ipv6mr_multiaddr = a.sin6_addr;
	rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc)
		return rc;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		return -errno;
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof(join)) && errno != EADDRINUSE)
		return -errno;
	return set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

int conn_listen(struct conn *c, int family, unsigned int ifindex)
{
	int rc;

	*c = (struct conn){.fd = -1, .family = family, .ifindex = ifindex};
	if (ifindex == 0)
		return -ENODEV;
	rc = open_udp(family);
	if (rc < 0)
		return rc;
	c->fd = rc;
	c->owned = true;
	rc = set(c->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!rc)
		rc = set(c->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!rc)
		rc = family == AF_INET ? listen_v4(c->fd, ifindex) : listen_v6(c->fd, ifindex);
	if (rc)
		conn_close(c);
	return rc;
}

void conn_close(struct conn *c)
{
	if (c->owned && c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->owned = false;
}

static int source_towards(const struct client_endpoint *there, unsigned int ifindex, struct in6_addr *own)
{
	union socket_address a = {0};
	socklen_t n = sizeof(a);
	struct client_endpoint e;
	struct conn c;
	int rc = conn_open(&c, there, NULL, ifindex);

	if (rc)
		return rc;
	rc = getsockname(c.fd, &a.any, &n) ? -errno : 0;
	from_socket_address(&a, &e);
	if (!rc)
		*own = e.address;
	conn_close(&c);
	return rc;
}

int conn_source(const struct client_endpoint *server, unsigned int ifindex, struct in6_addr *own)
{
	/* any address of the Internet: it is only looked up, nothing is sent there */
	static const struct client_endpoint far = {.address = {{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}}, .port = 9};
	unsigned int link = ifindex ? ifindex : server->scope;

	if (IN6_IS_ADDR_LINKLOCAL(&server->address) && source_towards(&far, link, own) == 0 &&
	    !IN6_IS_ADDR_LINKLOCAL(own))
		return 0;
	return source_towards(server, ifindex, own);
}

int conn_send(const struct conn *c, const uint8_t *data, size_t length, const struct client_endpoint *to)
{
	union socket_address a;
	socklen_t n = 0;

	if (!c->connected) {
		n = to_socket_address(c->family, to, &a);
		if (n == 0)
			return -EAFNOSUPPORT;
	}
	return sendto(c->fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT, n ? &a.any : NULL, n) < 0 ? -errno : 0;
}

int conn_send_message(const struct conn *c, const struct codec_message *m, const struct client_endpoint *to)
{
	uint8_t data[CODEC_MESSAGE_MAX];
	size_t n = codec_marshal(m, data, sizeof(data));

	return n ? conn_send(c, data, n, to) : -EMSGSIZE;
}

static unsigned int received_on(struct msghdr *h)
{
	for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
		if (m->cmsg_level == IPPROTO_IP && m->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo i;

			memcpy(&i, CMSG_DATA(m), sizeof(i));
			return (unsigned int)i.ipi_ifindex;
		}
		if (m->cmsg_level == IPPROTO_IPV6 && m->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo i;

			memcpy(&i, CMSG_DATA(m), sizeof(i));
			return i.ipi6_ifindex;
		}
	}
	return 0;
}

int conn_receive(const struct conn *c, uint8_t *data, size_t capacity, size_t *length, struct client_endpoint *from)
{
	for (;;) {
		union socket_address a = {0};
		union {
			struct cmsghdr align;
			uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
		} control;
		struct iovec v = {.iov_base = data, .iov_len = capacity};
		struct msghdr h = {.msg_name = &a,
				   .msg_namelen = sizeof(a),
				   .msg_iov = &v,
				   .msg_iovlen = 1,
				   .msg_control = &control,
				   .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(c->fd, &h, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (c->ifindex && received_on(&h) != c->ifindex)
			continue;
		*length = (size_t)n;
		from_socket_address(&a, from);
		return 0;
	}
}

int conn_receive_message(const struct conn *c, uint8_t *data, size_t capacity, struct codec_message *m,
			 struct client_endpoint *from)
{
	size_t length = 0;
	int rc = conn_receive(c, data, capacity, &length, from);

	if (rc)
		return rc;
	return codec_parse(data, length, m, NULL) == CODEC_OK ? 0 : -EBADMSG;
}

int conn_deliver(const uint8_t *data, size_t length, const struct sockaddr *from, socklen_t from_length,
		 struct codec_message *m, struct client_endpoint *where)
{
	if (codec_probe(data, length) == CODEC_KIND_OTHER || codec_parse(data, length, m, NULL) != CODEC_OK)
		return -EBADMSG;
	return conn_endpoint(from, from_length, where) ? 0 : -EAFNOSUPPORT;
}
