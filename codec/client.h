/* SPDX-License-Identifier: MIT */
/*
 * A NAT-PMP and PCP client without I/O: datagrams and time go in, datagrams and deadlines come out.
 *
 * The caller owns the socket, the clock, the randomness and all memory. The walk is always the same:
 *
 *	client_init(&c, CLIENT_AUTO, &server, &own, seed);
 *	client_map(&c, &op, &request, now);
 *	for (;;) {
 *		while ((n = client_next(&c, out, sizeof(out), &to, &deadline, now)) > 0)
 *			send n octets of out to `to`
 *		wait for the socket, at most until deadline
 *		client_deliver(&c, in, length, &from, now);
 *		while ((op = client_changed(&c)) != NULL)
 *			look at op->result
 *	}
 *
 * One client speaks to one server from one own address and carries any number of operations. Times are milliseconds
 * of one clock that never goes back (RFC 6887 8.5). Retransmission is RFC 6886 3.1 and RFC 6887 8.1.1, renewal
 * RFC 6887 11.2.1, the choice between the protocols RFC 6886 1.1 and RFC 6887 section 9.
 */
#ifndef NATPCP_CLIENT_H
#define NATPCP_CLIENT_H

#include "codec/codec.h"
#include "codec/epoch.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CLIENT_NEVER	   UINT64_MAX /* a deadline that does not come */
#define CLIENT_LIFETIME	   7200	      /* seconds to ask for, RFC 6886 3.3 */
#define CLIENT_OPTIONS_MAX (CODEC_MESSAGE_MAX - 24 - 36)

/* Where a datagram comes from or goes to. scope is the interface index of a link-local address, 0 = not known. */
struct client_endpoint {
	struct in6_addr address;
	uint16_t port;
	uint32_t scope;
};

enum client_mode {
	CLIENT_AUTO, /* PCP first, NAT-PMP when the server refuses the version */
	CLIENT_NATPMP,
	CLIENT_PCP,
};

enum client_state {
	CLIENT_IDLE,	  /* with no client */
	CLIENT_ASKING,	  /* no answer yet, or the mapping ran out before a renewal was answered */
	CLIENT_GRANTED,	  /* the mapping exists; the address is known; the server has answered the ANNOUNCE */
	CLIENT_REFUSED,	  /* code says why */
	CLIENT_NO_ANSWER, /* all tries spent, or the network said that nobody listens */
	CLIENT_DELETED,
};

/* What a mapping shall be. Copied by client_map(), but not the options. */
struct client_request {
	uint8_t protocol;		  /* IANA number; 0 = all, with internal_port 0 */
	uint16_t internal_port;		  /* 0 = all ports */
	uint16_t external_port;		  /* suggestion, 0 = any */
	struct in6_addr external_address; /* suggestion, unspecified = any of the own address's family */
	uint32_t lifetime_s;		  /* 0 deletes what an earlier client with the same nonce has made */
	struct codec_nonce nonce;	  /* unguessable, another one for each server (RFC 6887 11.2) */
	bool keep;			  /* renew, and ask again after an error; else one answer is enough */
	const uint8_t *options;		  /* PCP option area (pcp_option_put()), borrowed until client_forget() */
	size_t options_length;		  /* at most CLIENT_OPTIONS_MAX, 20 octets less with a remote_port */
	/* not 0: for one peer alone, by PEER (RFC 6887 12), which asks for 1 s at least and cannot delete */
	uint16_t remote_port;
	struct in6_addr remote_address;
};

/* What is known of an operation. All but state holds what the last answer said. */
struct client_result {
	enum client_state state;
	enum codec_version protocol; /* of the last answer; which of the two code belongs to */
	uint16_t code;		     /* enum natpmp_result or enum pcp_result */
	uint32_t lifetime_s;	     /* as the server said: of the mapping, or of the error */
	uint32_t epoch_s;
	uint16_t external_port;
	struct in6_addr external_address; /* unspecified while not known: NAT-PMP tells it only to client_address() */
	uint64_t expires_ms;		  /* when the mapping ends, 0 = there is none; also set while a renewal fails */
};

/* One operation, in the caller's memory from client_map() until client_forget(). Read request and result. */
struct client_op {
	struct client_request request;
	struct client_result result;
	/* the rest is the client's own */
	struct client_op *next;
	uint8_t kind;
	uint8_t phase;
	bool changed;
	bool deleting;
	bool refuses_natpmp;	    /* version 0 was refused in this exchange */
	bool falling_back;	    /* NAT-PMP is to be sent as soon as it is this operation's turn */
	bool natpmp_pace;	    /* the server is known to answer fast: RFC 6886 3.1 instead of RFC 6887 8.1.1 */
	bool sent_pcp, sent_natpmp; /* in this exchange */
	bool last_natpmp;
	bool ever_sent, ever_pcp;
	unsigned int tries;
	unsigned int renewal;
	uint64_t rt_ms;
	uint64_t first_ms, last_ms, due_ms, until_ms;
	uint64_t granted_ms;
};

/* RFC 6887 8.1.1; 0 = no limit for all but irt_ms. */
struct client_schedule {
	uint32_t irt_ms, mrt_ms;
	uint32_t mrc;
	uint32_t mrd_ms;
};

struct client {
	struct client_schedule schedule; /* may be changed after client_init() */
	/* the rest is the client's own */
	enum client_mode mode;
	struct client_endpoint server;
	struct in6_addr own;
	uint64_t random;
	struct client_op *ops;
	struct epoch_check epoch_pcp, epoch_natpmp;
	struct in6_addr natpmp_address;
	uint64_t hold_new_ms, hold_all_ms;
};

/*
 * server: usually port CODEC_SERVER_PORT. own: the source address of the datagrams, which goes into PCP requests
 * (RFC 6887 8.1). seed: drives the jitter only, need not be secret, should differ from run to run.
 */
void client_init(struct client *c, enum client_mode mode, const struct client_endpoint *server,
		 const struct in6_addr *own, uint64_t seed);

/*
 * Starts an operation; op needs no initial contents and must not be in use. client_map() returns false if the request
 * cannot be put on the wire in this mode: NAT-PMP has only TCP and UDP, IPv4, and no mandatory options; the options
 * must be whole and fit.
 *
 * client_address() learns the external address: NAT-PMP's own request first, where the server has none a PCP mapping
 * of UDP port 9 for a minute (RFC 6887 11.6), for which the nonce is. client_announce() asks whether a server is there
 * and for its epoch; with NAT-PMP it is an address request. Both return false only for NAT-PMP with an IPv6 server.
 */
bool client_map(struct client *c, struct client_op *op, const struct client_request *r, uint64_t now_ms);
bool client_address(struct client *c, struct client_op *op, const struct codec_nonce *nonce, uint64_t now_ms);
bool client_announce(struct client *c, struct client_op *op, uint64_t now_ms);

/* Deletes the mapping of an operation; the state becomes CLIENT_DELETED when the server has agreed, at once if nothing
 * was ever sent. What is not answered before the mapping would have run out ends as CLIENT_NO_ANSWER. */
void client_delete(struct client *c, struct client_op *op, uint64_t now_ms);

/* Takes an operation out without a word to the server; its memory is the caller's again. */
void client_forget(struct client *c, struct client_op *op);

/*
 * Takes a datagram that came from `from`, on the own socket or on port 5350. Whatever is not a response of the server,
 * from the server's address and port, that belongs to an operation or is an announcement, changes nothing. Returns
 * true if it was taken.
 */
bool client_deliver(struct client *c, const uint8_t *data, size_t length, const struct client_endpoint *from,
		    uint64_t now_ms);

/* Tells that an ICMP error came back for what was sent last: no use in waiting (RFC 6886 3.1, RFC 7488 section 3). */
void client_unreachable(struct client *c, uint64_t now_ms);

/*
 * Writes the next datagram that is to be sent now and returns its length, or 0 if there is none; *to says where to.
 * capacity must be CODEC_MESSAGE_MAX or more. After 0, *deadline_ms is when to call again, or CLIENT_NEVER; calling
 * earlier or later does no harm.
 */
size_t client_next(struct client *c, uint8_t *out, size_t capacity, struct client_endpoint *to, uint64_t *deadline_ms,
		   uint64_t now_ms);

/* An operation that got an answer or changed its state since it was last returned here, or NULL. */
struct client_op *client_changed(struct client *c);

/* The name of a result's code, "?" if it has none. */
const char *client_code_name(const struct client_result *r);

#ifdef __cplusplus
}
#endif
#endif
