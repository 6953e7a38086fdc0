/* SPDX-License-Identifier: GPL-2.0-or-later */
/* By which interface the kernel would send to a client. */
#ifndef SERVER_IO_ROUTE_H
#define SERVER_IO_ROUTE_H

#include <netinet/in.h>
#include <stdint.h>

struct route;

/* 0 or -errno. */
int route_open(struct route **r);
/* NULL is allowed. */
void route_close(struct route *r);

/* The interface, 0 if there is no route or it could not be asked. */
uint32_t route_interface(struct route *r, const struct in6_addr *a);

enum route_answer {
	ROUTE_THERE,
	ROUTE_ELSEWHERE, /* or nowhere */
	ROUTE_UNASKED,	 /* so many addresses came lately that the kernel was not asked */
};
/*
 * Whether the way to an address is by the interface that it came from. An answer is believed for a second, one that was
 * yes for a minute while no route changes. The kernel is asked 50,000 times in a second at most, so that datagrams with
 * made-up sources cost little more than others: meanwhile whoever was there in the last minute is taken to be there
 * still.
 */
enum route_answer route_leads(struct route *r, const struct in6_addr *a, uint32_t ifindex, uint64_t now_ms);

#endif
