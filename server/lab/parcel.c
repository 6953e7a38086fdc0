/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/parcel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/codec.h"

void parcel_fill(struct parcel *p, int fd, bool ipv6, const struct udp_outgoing *out)
{
	p->fd = fd;
	p->ipv6 = ipv6;
	p->out = *out;
	if (p->out.length > ALTER_ROOM)
		p->out.length = ALTER_ROOM;
	p->source_port = 0;
	p->foreign = false;
	memcpy(p->data, out->data, p->out.length);
	p->out.data = p->data;
}

void parcel_copy(struct parcel *to, const struct parcel *from)
{
	*to = *from;
	to->out.data = to->data;
}

void parcel_disguise(struct parcel *p, const struct in6_addr *wanted)
{
	struct in6_addr host = codec_from_v4(0xc0000242); /* 192.0.2.66 */
	bool link_local = IN6_IS_ADDR_LINKLOCAL(&p->out.source) || IN6_IS_ADDR_MC_LINKLOCAL(&p->out.destination);

	if (p->ipv6 && link_local)
		host = (struct in6_addr){.s6_addr = {0xfe, 0x80, [15] = 0x66}};
	else if (p->ipv6)
		host = (struct in6_addr){.s6_addr = {0x20, 0x01, 0x0d, 0xb8, 0, 1, [15] = 0x66}};
	if (!codec_is_unspecified(wanted) && codec_is_v4(wanted) == !p->ipv6)
		host = *wanted;
	p->out.source = host;
	p->foreign = true;
}

/* The kernel sends from what is not ours for those who say that they mean it. */
static int transparent(int fd, bool ipv6)
{
	int on = 1;

	return setsockopt(fd, ipv6 ? SOL_IPV6 : SOL_IP, ipv6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof(on)) < 0
		   ? -errno
		   : 0;
}

/* From another port: a socket for this datagram alone. */
static int send_apart(const struct parcel *p)
{
	struct udp_where w = {.ipv6 = p->ipv6, .address = p->out.source, .port = p->source_port};
	int fd, error = 0;

	if (p->foreign) /* bound to any address, the source is said with the datagram */
		w.address = p->ipv6 ? in6addr_any : codec_from_v4(INADDR_ANY);
	else if (IN6_IS_ADDR_LINKLOCAL(&w.address))
		w.ifindex = p->out.ifindex;
	fd = udp_open(&w);
	if (fd < 0)
		return fd;
	if (p->foreign)
		error = transparent(fd, p->ipv6);
	if (!error)
		udp_send(fd, p->ipv6, &p->out, 1, &error);
	close(fd);
	return error;
}

int parcel_send(const struct parcel *p)
{
	int error = 0;

	if (p->source_port)
		return send_apart(p);
	if (p->foreign)
		error = transparent(p->fd, p->ipv6);
	if (!error)
		udp_send(p->fd, p->ipv6, &p->out, 1, &error);
	return error;
}
