/* SPDX-License-Identifier: MIT */
/* natpcpc's talk with one gateway: a socket, a client of libnatpcp and one operation; and the loop that serves them all. */
#ifndef NATPCP_NATPCPC_SESSION_H
#define NATPCP_NATPCPC_SESSION_H

#include "codec/client.h"
#include "codec/conn.h"
#include "codec/natpcpc_hook.h"

#define DATAGRAM_MAX (CODEC_MESSAGE_MAX + 1)

struct session {
	struct client_endpoint server;
	unsigned int ifindex; /* what was asked for, 0 = any */
	struct in6_addr own;
	struct conn conn, news;
	struct client client;
	struct client_op op;
	uint8_t area[CLIENT_OPTIONS_MAX]; /* the request's options */
	int error;			  /* 0, or the -errno that ended it */
	bool unreachable;		  /* the last thing that was heard is that nobody listens there */
	/* of --keep */
	struct hook hook;
	struct client_result told;
	bool finished, mapped, warned, moved;
	int code;
};

/* SIGINT, SIGTERM and SIGHUP are noted from now on, and only while the loop waits; SIGCHLD ends a wait. A second one of them
 * ends the program. */
void session_catch_signals(void);
bool session_stopped(void);

/* Milliseconds of a clock that goes on while the machine sleeps, as the gateway's lifetimes do. */
uint64_t session_now(void);

void session_init(struct session *s);
/* Opens the socket and the client. 0 or -errno. */
int session_open(struct session *s, enum client_mode mode);
/* Opens the listener for this gateway's announcements. 0 or -errno. */
int session_hear(struct session *s);
void session_close(struct session *s);

/*
 * Sends what is due and waits for datagrams, something from extra (NULL for none), a deadline, until_ms or a signal,
 * whatever comes first. What an operation that
 * is kept cannot send is tried again by the client; for any other, and for a socket that fails, error is set.
 */
void session_step(struct session *s, size_t count, const struct conn *extra, uint64_t until_ms);

/* Until op, an operation of s, has an answer. 0, -ETIMEDOUT, -EINTR for a signal, or another -errno. The other sessions
 * go on meanwhile. */
int session_await(struct session *all, size_t count, struct session *s, const struct client_op *op, uint64_t until_ms);

/* Waits for one of the sockets, until_ms or a signal. False if nothing came. */
bool session_poll(const struct conn *const *conns, size_t count, uint64_t until_ms);

/* The interface that has an address; 0 if none. */
unsigned int session_interface(const struct in6_addr *own);

#endif
