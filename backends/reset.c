/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/reset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/reset_msg.h"
#include "codec/codec.h"

int reset_open(uint32_t mark)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

void reset_elicit(int fd, const struct conntrack_tuple *t, bool called)
{
	uint32_t from = codec_to_v4(&t->destination), to = codec_to_v4(&t->source);
	/* what the way depends on: of several uplinks the one with that address */
	const struct in_pktinfo way = {.ipi_spec_dst.s_addr = htonl(from)};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(to)};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = {.room = {0}};
	uint8_t segment[RESET_MSG_LENGTH];
	struct iovec part = {.iov_base = segment, .iov_len = sizeof(segment)};
	const struct msghdr m = {.msg_name = &address,
				 .msg_namelen = sizeof(address),
				 .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	control.header =
	    (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(way)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
	memcpy(CMSG_DATA(&control.header), &way, sizeof(way));
	reset_msg_segment(segment, called ? RESET_MSG_SYN : RESET_MSG_ACK, from, t->destination_port, to,
			  t->source_port);
	(void)!sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}
