/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * getnameinfo() in numbers, in the place of the C library's for the whole program. libevent's HTTP server asks for the
 * name of everybody who connects, and ends the connection if there is none: musl has none for a unix socket.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict host, socklen_t host_size,
		char *restrict service, socklen_t service_size, int flags)
{
	char name[INET6_ADDRSTRLEN] = "localhost";
	unsigned port = 0;
	int n;

	(void)flags;
	switch (address->sa_family) {
	case AF_UNIX:
		break;
	case AF_INET: {
		struct sockaddr_in in;

		if (length < sizeof(in))
			return EAI_FAMILY;
		memcpy(&in, address, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, name, sizeof(name));
		port = ntohs(in.sin_port);
		break;
	}
	case AF_INET6: {
		struct sockaddr_in6 in;

		if (length < sizeof(in))
			return EAI_FAMILY;
		memcpy(&in, address, sizeof(in));
		inet_ntop(AF_INET6, &in.sin6_addr, name, sizeof(name));
		port = ntohs(in.sin6_port);
		break;
	}
	default:
		return EAI_FAMILY;
	}
	if (host && host_size) {
		n = snprintf(host, host_size, "%s", name);
		if (n < 0 || (socklen_t)n >= host_size)
			return EAI_OVERFLOW;
	}
	if (service && service_size) {
		n = snprintf(service, service_size, "%u", port);
		if (n < 0 || (socklen_t)n >= service_size)
			return EAI_OVERFLOW;
	}
	return 0;
}
