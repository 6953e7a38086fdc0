/* SPDX-License-Identifier: MIT */
/*
 * NAT-PMP and PCP messages on UDP sockets of Linux: a connection to a server, the listener for its news, and the
 * default gateway. Nothing here waits: poll() on fd. All functions return 0 or -errno.
 */
#ifndef NATPCP_CONN_H
#define NATPCP_CONN_H

#include "codec/client.h"

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The linker knows each function behind "natpcp_", lest short names meet those of others in one program. */
#pragma redefine_extname conn_open natpcp_conn_open
#pragma redefine_extname conn_use natpcp_conn_use
#pragma redefine_extname conn_listen natpcp_conn_listen
#pragma redefine_extname conn_close natpcp_conn_close
#pragma redefine_extname conn_source natpcp_conn_source
#pragma redefine_extname conn_send natpcp_conn_send
#pragma redefine_extname conn_send_message natpcp_conn_send_message
#pragma redefine_extname conn_receive natpcp_conn_receive
#pragma redefine_extname conn_receive_message natpcp_conn_receive_message
#pragma redefine_extname conn_deliver natpcp_conn_deliver
#pragma redefine_extname conn_endpoint natpcp_conn_endpoint
#pragma redefine_extname conn_route_line natpcp_conn_route_line
#pragma redefine_extname conn_default_gateway natpcp_conn_default_gateway

struct conn {
	int fd;
	int family;	      /* AF_INET or AF_INET6 */
	unsigned int ifindex; /* if not 0, only what this interface received is taken */
	bool owned;	      /* conn_close() closes fd */
	bool connected;	      /* to the one server: the kernel drops the rest and reports ICMP errors */
};

/*
 * Opens a socket of its own with a random source port, connected to server; through that interface if ifindex is not
 * 0. A link-local server needs its scope. own is the source address, as conn_source() finds it, or NULL for the
 * kernel's choice.
 */
int conn_open(struct conn *c, const struct client_endpoint *server, const struct in6_addr *own, unsigned int ifindex);

/* Uses a UDP socket of the caller, who may also go on reading from it: conn_deliver(), codec_probe(). conn_close() leaves
 * it open, and no option of it is changed: of ICMP errors its kernel tells only if the caller has connected it or set
 * IP_RECVERR. -EINVAL if fd is no UDP socket over IPv4 or IPv6. */
int conn_use(struct conn *c, int fd);

/*
 * Opens the listener for announcements: 224.0.0.1 (AF_INET) or ff02::1 (AF_INET6), port 5350, shared with other
 * listeners of the host (RFC 6886 3.2.1, RFC 6887 14.1.3). ifindex is required.
 */
int conn_listen(struct conn *c, int family, unsigned int ifindex);

void conn_close(struct conn *c);

/* The own address for requests to server; server, scope and ifindex as for conn_open(). Sends nothing. For a link-local
 * server it is an address that is good beyond the link, if there is one, since it gets the mappings (RFC 6887 8.4). */
int conn_source(const struct client_endpoint *server, unsigned int ifindex, struct in6_addr *own);

/* Sends one datagram. to is not looked at on a connected socket. -EAGAIN if there is no room for it now. -ECONNREFUSED
 * tells of an earlier one, which nobody received, and conn_receive() does not tell again: client_unreachable(); this one
 * was not sent. */
int conn_send(const struct conn *c, const uint8_t *data, size_t length, const struct client_endpoint *to);
int conn_send_message(const struct conn *c, const struct codec_message *m, const struct client_endpoint *to);

/*
 * Receives one datagram of at most capacity octets into data; what is longer is cut to capacity, so give
 * CODEC_MESSAGE_MAX + 1. -EAGAIN if there is none; -ECONNREFUSED if an ICMP error came back: client_unreachable().
 */
int conn_receive(const struct conn *c, uint8_t *data, size_t capacity, size_t *length, struct client_endpoint *from);
/* The same, parsed: m points into data. -EBADMSG for what codec_parse() does not take. */
int conn_receive_message(const struct conn *c, uint8_t *data, size_t capacity, struct codec_message *m,
			 struct client_endpoint *from);

/*
 * For a socket that the caller reads itself, because another protocol goes over it too. What recvfrom() gave is taken as
 * conn_receive_message() would take it: m points into data. -EBADMSG if it is none of ours, and then it is the other
 * protocol's. A client takes the datagram itself: client_deliver() with the address from conn_endpoint().
 */
int conn_deliver(const uint8_t *data, size_t length, const struct sockaddr *from, socklen_t from_length,
		 struct codec_message *m, struct client_endpoint *where);
/* The endpoint that a socket's address stands for; false if it is neither IPv4 nor IPv6. */
bool conn_endpoint(const struct sockaddr *from, socklen_t length, struct client_endpoint *e);

/* One line of the kernel's table of routes. */
struct conn_route {
	char interface[16];
	struct in6_addr gateway;
	uint32_t metric;
};

/* Reads a line of /proc/net/route (AF_INET) or /proc/net/ipv6_route (AF_INET6); false if it is not a default route
 * through a gateway. */
bool conn_route_line(int family, const char *line, struct conn_route *r);

/*
 * The default gateway's server port, through any interface or the one given; *ifindex is set to the interface.
 * -ENETUNREACH if there is none.
 */
int conn_default_gateway(int family, unsigned int *ifindex, struct client_endpoint *gateway);

#ifdef __cplusplus
}
#endif
#endif
