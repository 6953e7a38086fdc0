/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the lab's faults are made of, for the files that make them. */
#ifndef SERVER_LAB_LAB_SELF_H
#define SERVER_LAB_LAB_SELF_H

#include "server/io/loop.h"
#include "server/lab/ages.h"
#include "server/lab/lab.h"
#include "server/lab/parcel.h"
#include "server/lab/plan.h"

enum {
	LAB_LATE_MAX = 256, /* answers that are under way */
	LAB_ORDER_MAX = 512,
};

struct lab_late {
	uint64_t at_ms;
	struct parcel parcel;
};

/* What is said to a group goes by this. */
struct lab_voice {
	bool known, ipv6;
	int fd;
	uint32_t ifindex;
};

struct lab {
	struct between between;
	struct loop *loop;
	struct loop_event *timer, *readable;
	struct plan plan;
	struct ages ages;
	struct ages undo[PLAN_MAX]; /* as the epochs were before a fault of them */
	struct lab_late *late[LAB_LATE_MAX];
	struct lab_voice voices[2]; /* by ipv6 */
	/* announcements of the start, which a box that was there long before does not make; until there is other news */
	bool fresh, address_known;
	uint8_t address[4]; /* that they tell */
	bool restart, forget;
	uint32_t down_ms;
	uint32_t least_s; /* lifetime */
	int orders;
	char order[LAB_ORDER_MAX];
	size_t order_n;
	struct udp_datagram in[UDP_BATCH];
	uint8_t data[UDP_BATCH][UDP_CAPTURE];
};

/* lab.c */

/* Notes that a fault is applied, to a message of a client or to the gateway (NULL). */
void lab_tell(const struct lab *l, size_t i, const struct in6_addr *client, uint16_t port);
/* Lets it leave, now or later. */
void lab_dispatch(const struct parcel *p);
void lab_later(struct lab *l, const struct parcel *p, uint64_t at_ms);

/* lab_request.c, lab_answer.c: what the server calls instead of the sockets. */
int lab_receive(void *context, struct udp_inbox *in, int fd, const struct udp_datagram **v);
size_t lab_send(void *context, int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error);
/* One answer, whoever made it: faults befall it, and what is left of it leaves. */
void lab_answer(struct lab *l, struct parcel *p);
/* lab_announce.c: one that is for all, or tells of a change that nobody asked for; restarted: its epoch went back. */
void lab_announce(struct lab *l, const struct parcel *p, bool group, bool restarted);

/* lab_gateway.c: a fault of the gateway begins, or is over. */
void lab_happen(struct lab *l, size_t i);
void lab_unhappen(struct lab *l, size_t i);

#endif
