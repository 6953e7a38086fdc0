/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/udp.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/codec.h"

/* Room for either packet info. */
union control {
	struct cmsghdr align;
	uint8_t octets[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

union name {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct udp_inbox {
	struct mmsghdr messages[UDP_INBOX];
	struct iovec vectors[UDP_INBOX];
	union name names[UDP_INBOX];
	union control controls[UDP_INBOX];
	struct udp_datagram datagrams[UDP_INBOX];
	uint8_t data[UDP_INBOX][UDP_CAPTURE];
};

static socklen_t name_set(union name *name, bool ipv6, const struct in6_addr *a, uint16_t port, uint32_t ifindex)
{
	memset(name, 0, sizeof(*name));
	if (ipv6) {
		name->in6.sin6_family = AF_INET6;
		name->in6.sin6_port = htons(port);
		name->in6.sin6_addr = *a;
		if (IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MC_LINKLOCAL(a))
			name->in6.sin6_scope_id = ifindex;
		return sizeof(name->in6);
	}
	name->in.sin_family = AF_INET;
	name->in.sin_port = htons(port);
	name->in.sin_addr.s_addr = htonl(codec_to_v4(a));
	return sizeof(name->in);
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The forced form passes the system's limit and needs a privilege; without it as much as is allowed. */
static void buffer_set(int fd, int forced, int option, int octets)
{
	if (set_int(fd, SOL_SOCKET, forced, octets) < 0)
		set_int(fd, SOL_SOCKET, option, octets);
}

static int options_set(int fd, const struct udp_where *w)
{
	int error;

	if (w->ipv6) {
		error = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		if (!error)
			error = set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	} else {
		error = set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	}
	if (error)
		return error;
	buffer_set(fd, SO_RCVBUFFORCE, SO_RCVBUF, UDP_RECEIVE_BUFFER);
	buffer_set(fd, SO_SNDBUFFORCE, SO_SNDBUF, UDP_SEND_BUFFER);
	if (w->interface &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, w->interface, (socklen_t)strlen(w->interface)) < 0)
		return -errno;
	return 0;
}

int udp_open(const struct udp_where *w)
{
	static const struct in6_addr any6 = IN6ADDR_ANY_INIT;
	const struct in6_addr any4 = codec_from_v4(INADDR_ANY);
	const struct in6_addr *address = !w->interface ? &w->address : w->ipv6 ? &any6 : &any4;
	union name name;
	socklen_t length = name_set(&name, w->ipv6, address, w->port, w->ifindex);
	int error, fd = socket(w->ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);

	if (fd < 0)
		return -errno;
	error = options_set(fd, w);
	/* no SO_REUSEADDR: it would let another program take our port, and hide that another server runs */
	if (!error && bind(fd, &name.any, length) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	return fd;
}

struct udp_inbox *udp_inbox_new(void)
{
	struct udp_inbox *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	for (size_t i = 0; i < UDP_INBOX; i++) {
		in->vectors[i] = (struct iovec){in->data[i], UDP_CAPTURE};
		in->messages[i].msg_hdr.msg_iov = &in->vectors[i];
		in->messages[i].msg_hdr.msg_iovlen = 1;
		in->messages[i].msg_hdr.msg_name = &in->names[i];
		in->messages[i].msg_hdr.msg_control = &in->controls[i];
		in->datagrams[i].data = in->data[i];
	}
	return in;
}

void udp_inbox_free(struct udp_inbox *in)
{
	free(in);
}

static void destination_read(struct msghdr *m, struct udp_datagram *d)
{
	struct in_pktinfo v4;
	struct in6_pktinfo v6;

	d->destination = in6addr_any;
	d->ifindex = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			d->destination = codec_from_v4(ntohl(v4.ipi_addr.s_addr));
			d->ifindex = (uint32_t)v4.ipi_ifindex;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			d->destination = v6.ipi6_addr;
			d->ifindex = v6.ipi6_ifindex;
		}
	}
}

static void datagram_read(struct udp_inbox *in, size_t i)
{
	struct udp_datagram *d = &in->datagrams[i];
	const union name *name = &in->names[i];

	d->length = in->messages[i].msg_len;
	if (name->any.sa_family == AF_INET6) {
		d->source = name->in6.sin6_addr;
		d->source_port = ntohs(name->in6.sin6_port);
	} else {
		d->source = codec_from_v4(ntohl(name->in.sin_addr.s_addr));
		d->source_port = ntohs(name->in.sin_port);
	}
	destination_read(&in->messages[i].msg_hdr, d);
}

int udp_receive(struct udp_inbox *in, int fd, const struct udp_datagram **v)
{
	int n;

	for (size_t i = 0; i < UDP_INBOX; i++) { /* the kernel wrote what it used of them */
		in->messages[i].msg_hdr.msg_namelen = sizeof(in->names[i]);
		in->messages[i].msg_hdr.msg_controllen = sizeof(in->controls[i]);
	}
	/* MSG_TRUNC: the true length, so that a longer message is known to be too long */
	do
		n = recvmmsg(fd, in->messages, UDP_INBOX, MSG_DONTWAIT | MSG_TRUNC, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	for (size_t i = 0; i < (size_t)n; i++)
		datagram_read(in, i);
	*v = in->datagrams;
	return n;
}

/* Returns the octets of control data, 0 if neither a source nor an interface is asked for. */
static size_t source_set(union control *control, bool ipv6, const struct udp_outgoing *o)
{
	struct in_pktinfo v4 = {0};
	struct in6_pktinfo v6 = {0};
	struct cmsghdr *c = &control->align;

	if (codec_is_unspecified(&o->source) && !o->ifindex)
		return 0;
	memset(control, 0, sizeof(*control));
	if (ipv6) {
		v6.ipi6_addr = o->source;
		v6.ipi6_ifindex = o->ifindex;
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(v6));
		memcpy(CMSG_DATA(c), &v6, sizeof(v6));
		return CMSG_SPACE(sizeof(v6));
	}
	v4.ipi_spec_dst.s_addr = htonl(codec_to_v4(&o->source));
	v4.ipi_ifindex = (int)o->ifindex;
	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(v4));
	memcpy(CMSG_DATA(c), &v4, sizeof(v4));
	return CMSG_SPACE(sizeof(v4));
}

static size_t batch_send(int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error)
{
	struct mmsghdr messages[UDP_BATCH];
	struct iovec vectors[UDP_BATCH];
	union name names[UDP_BATCH];
	union control controls[UDP_BATCH];
	size_t next = 0, sent = 0;
	int done;

	memset(messages, 0, n * sizeof(messages[0]));
	for (size_t i = 0; i < n; i++) {
		struct msghdr *m = &messages[i].msg_hdr;

		vectors[i].iov_base = (void *)(uintptr_t)v[i].data;
		vectors[i].iov_len = v[i].length;
		m->msg_iov = &vectors[i];
		m->msg_iovlen = 1;
		m->msg_name = &names[i];
		m->msg_namelen = name_set(&names[i], ipv6, &v[i].destination, v[i].destination_port, v[i].ifindex);
		m->msg_controllen = source_set(&controls[i], ipv6, &v[i]);
		m->msg_control = m->msg_controllen ? &controls[i] : NULL;
	}
	while (next < n) {
		done = sendmmsg(fd, messages + next, (unsigned)(n - next), MSG_DONTWAIT);
		if (done > 0) {
			next += (size_t)done;
			sent += (size_t)done;
		} else if (errno != EINTR) { /* it is the first that failed: leave it out, clients ask again */
			*error = -errno;
			next++;
		}
	}
	return sent;
}

size_t udp_send(int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error)
{
	size_t sent = 0, batch;
	int last = 0;

	for (size_t i = 0; i < n; i += batch) {
		batch = n - i < UDP_BATCH ? n - i : UDP_BATCH;
		sent += batch_send(fd, ipv6, v + i, batch, &last);
	}
	if (error)
		*error = last;
	return sent;
}

bool udp_half_full(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t length = sizeof(memory);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) == 0 &&
	       memory[SK_MEMINFO_WMEM_ALLOC] > memory[SK_MEMINFO_SNDBUF] / 2;
}
