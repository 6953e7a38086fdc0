/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libnatpmp GATEWAY PORT: maps one UDP and one TCP port with libnatpmp, the library of transmission, Bitcoin and others. */
#include <arpa/inet.h>
#include <errno.h>
#include <natpmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>

static int answer(natpmp_t *n, natpmpresp_t *r)
{
	int rc;

	do {
		struct timeval left;
		fd_set fds;

		FD_ZERO(&fds);
		FD_SET(n->s, &fds);
		if (getnatpmprequesttimeout(n, &left) || select(n->s + 1, &fds, NULL, NULL, &left) < 0)
			return -errno;
		rc = readnatpmpresponseorretry(n, r);
	} while (rc == NATPMP_TRYAGAIN);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct {
		int protocol;
		const char *name;
	} kinds[] = {{NATPMP_PROTOCOL_UDP, "udp"}, {NATPMP_PROTOCOL_TCP, "tcp"}};
	char address[INET_ADDRSTRLEN];
	natpmpresp_t r;
	natpmp_t n;
	int rc;

	if (argc != 3 || initnatpmp(&n, 1, inet_addr(argv[1])) < 0)
		return 2;
	rc = sendpublicaddressrequest(&n) < 0 ? -1 : answer(&n, &r);
	if (rc < 0) {
		printf("libnatpmp: address: error %d\n", rc);
		return 1;
	}
	inet_ntop(AF_INET, &r.pnu.publicaddress.addr, address, sizeof(address));
	for (size_t i = 0; i < 2; i++) {
		rc = sendnewportmappingrequest(&n, kinds[i].protocol, (uint16_t)atoi(argv[2]), 0, 120) < 0
			 ? -1
			 : answer(&n, &r);
		if (rc < 0 || !r.pnu.newportmapping.mappedpublicport || !r.pnu.newportmapping.lifetime) {
			printf("libnatpmp: %s: error %d\n", kinds[i].name, rc);
			return 1;
		}
		printf("MAPPED %s ext=%s:%u int=:%u lifetime=%u client=libnatpmp\n", kinds[i].name, address,
		       (unsigned)r.pnu.newportmapping.mappedpublicport, (unsigned)r.pnu.newportmapping.privateport,
		       (unsigned)r.pnu.newportmapping.lifetime);
	}
	closenatpmp(&n);
	return 0;
}
