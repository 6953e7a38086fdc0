/* SPDX-License-Identifier: MIT */
/*
 * A NAT-PMP and PCP client without I/O: datagrams and time go in, datagrams and deadlines come out.
 *
 * The caller owns the socket, the clock, the randomness and all memory. The walk is always the same:
 *
 *	client_init(&c, CLIENT_AUTO, &server, &own, seed);
 *	client_request_init(&request, IPPROTO_TCP, 8080, &nonce);
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
 * One client speaks to one server and carries any number of operations; a host with several servers, or with one for
 * IPv4 and one for IPv6 (RFC 6887 8.1), has a client for each. A server with several addresses: client_paths().
 * Times are milliseconds of one clock that never goes back (RFC 6887 8.5). Retransmission is RFC 6886 3.1 and RFC 6887
 * 8.1.1, renewal RFC 6887 11.2.1, the choice between the protocols RFC 6886 1.1 and RFC 6887 section 9, that among the
 * addresses of a server RFC 7488 section 3.
 */
#ifndef NATPCP_CLIENT_H
#define NATPCP_CLIENT_H

#include "codec/codec.h"
#include "codec/epoch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The linker knows each function behind "natpcp_", lest short names meet those of others in one program. */
#pragma redefine_extname client_init natpcp_client_init
#pragma redefine_extname client_paths natpcp_client_paths
#pragma redefine_extname client_path_now natpcp_client_path_now
#pragma redefine_extname client_paths_stale natpcp_client_paths_stale
#pragma redefine_extname client_paths_sort natpcp_client_paths_sort
#pragma redefine_extname client_request_init natpcp_client_request_init
#pragma redefine_extname client_nonce natpcp_client_nonce
#pragma redefine_extname client_map natpcp_client_map
#pragma redefine_extname client_peer natpcp_client_peer
#pragma redefine_extname client_address natpcp_client_address
#pragma redefine_extname client_announce natpcp_client_announce
#pragma redefine_extname client_check natpcp_client_check
#pragma redefine_extname client_retry natpcp_client_retry
#pragma redefine_extname client_delete natpcp_client_delete
#pragma redefine_extname client_forget natpcp_client_forget
#pragma redefine_extname client_deliver natpcp_client_deliver
#pragma redefine_extname client_unreachable natpcp_client_unreachable
#pragma redefine_extname client_next natpcp_client_next
#pragma redefine_extname client_changed natpcp_client_changed
#pragma redefine_extname client_code_name natpcp_client_code_name

#define CLIENT_NEVER	   UINT64_MAX /* a deadline that does not come */
#define CLIENT_LIFETIME	   7200	      /* seconds to ask for, RFC 6886 3.3 */
#define CLIENT_OPTIONS_MAX (CODEC_MESSAGE_MAX - 24 - 36)
#define CLIENT_PATHS_MAX   8  /* addresses of one server */
#define CLIENT_SECRET	   16 /* octets for client_nonce() */

/* Where a datagram comes from or goes to. scope is the interface index of a link-local address, 0 = not known. */
struct client_endpoint {
	struct in6_addr address;
	uint16_t port;
	uint32_t scope;
};

/*
 * An address of the server, and the own address that datagrams to it leave from, unspecified where there is none. Own
 * goes into PCP requests (RFC 6887 8.1); behind an inner NAT that was told otherwise it is that NAT's outside address.
 */
struct client_path {
	struct client_endpoint server;
	struct in6_addr own;
};

enum client_mode {
	/* PCP first; NAT-PMP when the server refuses the version, unless own is an address of the public IPv4 internet
	 * (RFC 6886 section 3) */
	CLIENT_AUTO,
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

/*
 * What a mapping shall be. Copied by client_map() and client_peer(), but not the options. See client_request_init().
 *
 * options is a PCP option area (pcp_option_put()), borrowed until client_forget(), at most CLIENT_OPTIONS_MAX octets,
 * for client_peer() 20 less, and 20 less where internal_address makes a THIRD_PARTY necessary. A deletion carries of it
 * THIRD_PARTY and PORT_SET only (RFC 6887 13.3, RFC 7753 4.4).
 */
struct client_request {
	uint8_t protocol;		  /* IANA number; 0 = all, with internal_port 0 */
	uint16_t internal_port;		  /* 0 = all ports: client_map() */
	uint16_t external_port;		  /* suggestion, 0 = any */
	struct in6_addr external_address; /* suggestion, unspecified = any of external_family */
	int external_family;		  /* AF_INET or AF_INET6; 0 = that of the internal address */
	/*
	 * Unspecified = own: of the path in use, or of the first where the two are of different families. Any other
	 * address than that of the path in use goes by THIRD_PARTY (RFC 6887 13.1, RFC 7488 section 5).
	 */
	struct in6_addr internal_address;
	uint32_t lifetime_s;	  /* 0 deletes what an earlier client with the same nonce has made */
	struct codec_nonce nonce; /* unguessable, another one for each server (RFC 6887 11.2): client_nonce() */
	bool keep;		  /* renew, and ask again after an error; else one answer is enough */
	const uint8_t *options;
	size_t options_length;
	/* for client_peer() only */
	uint16_t remote_port;
	struct in6_addr remote_address;
};

/* What is known of an operation. All but state and expires_ms holds what the last answer said. */
struct client_result {
	enum client_state state;
	enum codec_version protocol; /* of the last answer; which of the two code belongs to */
	uint16_t code;		     /* enum natpmp_result or enum pcp_result */
	uint32_t lifetime_s;	     /* as the server said: of the mapping, or of the error */
	uint32_t epoch_s;
	uint16_t external_port;
	struct in6_addr external_address; /* unspecified while not known: NAT-PMP tells it only to client_address() */
	uint64_t expires_ms;		  /* when the mapping ends, 0 = there is none; also set while a renewal fails */
	/*
	 * Granted ports: from first_internal_port on, port_set_size of them, outside from external_port on. More than
	 * one only by PORT_SET (RFC 7753), whose set may begin elsewhere than was asked for (6.3). One of several that
	 * were asked for does not mean that the server knows no sets (4.3).
	 */
	uint16_t first_internal_port;
	uint16_t port_set_size;
	bool description_taken; /* the server has stored the DESCRIPTION of the request (RFC 7220 section 3) */
	uint8_t unprocessed;	/* optional options of the request that the server did nothing with (RFC 6887 7.3) */
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
	bool checking;		    /* asks for what is left of the lifetime, not for more */
	bool refuses_natpmp;	    /* version 0 was refused in this exchange */
	bool falling_back;	    /* NAT-PMP is to be sent as soon as it is this operation's turn */
	bool natpmp_pace;	    /* the server is known to answer fast: RFC 6886 3.1 instead of RFC 6887 8.1.1 */
	bool sent_pcp, sent_natpmp; /* in this exchange */
	bool last_natpmp;
	bool ever_sent, ever_pcp;
	bool any_external; /* no external address was suggested at first */
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
	struct client_path paths[CLIENT_PATHS_MAX];
	uint8_t path, paths_count;
	bool path_answered, paths_stale, paths_spent;
	bool speaks_pcp; /* the server has answered in it */
	uint64_t random;
	struct client_op *ops;
	struct epoch_check epoch_pcp, epoch_natpmp;
	struct in6_addr natpmp_address;
	uint64_t hold_new_ms, hold_all_ms;
	uint64_t heard_ms; /* when the server was heard last */
};

/*
 * A client of one server address. server: usually port CODEC_SERVER_PORT; scope is where the address was learnt. own:
 * see struct client_path. seed: drives the jitter only, need not be secret, should differ from run to run.
 */
void client_init(struct client *c, enum client_mode mode, const struct client_endpoint *server,
		 const struct in6_addr *own, uint64_t seed);

/*
 * Gives the client all addresses of its server, the best first: client_paths_sort(). Each gets four datagrams of a
 * request by RFC 6887 8.1.1, then it is the next one's turn, at once after client_unreachable(); when none is left, all
 * begins anew after 15 minutes (RFC 7488 section 3). All operations use the one that has answered, until it stops
 * answering. Paths without an own address are left out. Returns false, with nothing changed, if none is left, there are
 * more than CLIENT_PATHS_MAX, or one that NAT-PMP alone cannot use is left.
 * The path in use stays if it is among them and has answered; else what is unanswered begins anew with the first.
 */
bool client_paths(struct client *c, const struct client_path *paths, size_t count, uint64_t now_ms);
/* Where datagrams go now: the caller sends from own, through the interface of the server's scope. */
const struct client_path *client_path_now(const struct client *c);
/* True once the address in use has stopped answering, until the next client_paths(): the list is to be made and sorted
 * anew (RFC 7488 section 3, 6.). Without that the client starts over with the list that it has. */
bool client_paths_stale(const struct client *c);

/*
 * Sorts by RFC 6724 section 6, as far as addresses alone tell: usable, scope, label, precedence, smaller scope, longest
 * prefix; equals stay in their order. sources are the candidates for the internal address, all own ones if sources_count
 * is 0: those on which the service listens, or the one of the connection (RFC 7488 section 3, 1.). A path whose own
 * address is none of them goes behind the others.
 */
void client_paths_sort(struct client_path *paths, size_t count, const struct in6_addr *sources, size_t sources_count);

/* A request with the usual values: lifetime CLIENT_LIFETIME, to be kept, nothing suggested. */
void client_request_init(struct client_request *r, uint8_t protocol, uint16_t internal_port,
			 const struct codec_nonce *nonce);

/*
 * Makes a nonce: the same for the same arguments, and for anyone without the secret not to be told from random (RFC 6887
 * 11.2). secret: from the system's random numbers at the start of the program, or a stored one if mappings are to be
 * deleted and renewed by later runs. server: another one for each server, and for all addresses of one server (RFC 7488
 * section 3) always the same of them.
 */
void client_nonce(const uint8_t secret[CLIENT_SECRET], const struct in6_addr *server, uint8_t protocol,
		  uint16_t internal_port, struct codec_nonce *nonce);

/*
 * Starts an operation; op needs no initial contents, and what it was for is forgotten; r may be the request in op. If
 * false is returned op is as it was, and if it never was an operation it is none now: not even client_delete() may see it.
 *
 * client_map() and client_peer() return false if the request cannot be put on the wire in this mode, or must not be by
 * the RFCs: NAT-PMP has only TCP and UDP, IPv4, the own address, one port, and no mandatory options; options must be whole
 * and fit, and be options of the opcode; PREFER_FAILURE needs an external_port and excludes PORT_SET; PORT_SET is of two
 * ports at least and begins at internal_port; THIRD_PARTY, PREFER_FAILURE, DESCRIPTION and PORT_SET occur once,
 * THIRD_PARTY not with an own address; a set has no port in common with another mapping of the client (RFC 7753 6.3);
 * without ports in the protocol there is none to ask for.
 *
 * With internal_port 0 client_map() asks for all ports, and there is no falling back to NAT-PMP, which has but a deletion
 * of that form: CLIENT_NATPMP and lifetime 0 delete what all programs of the host have of the protocol (RFC 6886 3.4).
 *
 * client_peer() asks by PEER (RFC 6887 section 12) for remote_port and remote_address of the request alone, for 1 s at
 * least; it cannot delete.
 * client_address() learns the external address: NAT-PMP's own request first, where the server has none a PCP mapping
 * of UDP port 9 for a minute (RFC 6887 11.6), for which the nonce is. client_announce() asks whether a server is there
 * and for its epoch; with NAT-PMP it is an address request. Both return false only for NAT-PMP with an IPv6 server.
 */
bool client_map(struct client *c, struct client_op *op, const struct client_request *r, uint64_t now_ms);
bool client_peer(struct client *c, struct client_op *op, const struct client_request *r, uint64_t now_ms);
bool client_address(struct client *c, struct client_op *op, const struct codec_nonce *nonce, uint64_t now_ms);
bool client_announce(struct client *c, struct client_op *op, uint64_t now_ms);

/*
 * Has the server looked at for one granted mapping, at once or 4 s after its last datagram: the request asks for what is
 * left of the lifetime (RFC 6887 16.3.2), so that nothing changes but what is known of the epoch; one operation is
 * enough for all. Returns false if the mapping does not exist or is not kept.
 */
bool client_check(struct client *c, struct client_op *op, uint64_t now_ms);

/* Something has changed, a link or a DHCP lease: what got no answer and waits is asked again, with the first path
 * (RFC 6886 3.1). Another server is another client, with other nonces; no hold of this one binds it (RFC 6887 8.3). */
void client_retry(struct client *c, uint64_t now_ms);

/* Deletes the mapping of an operation; the state becomes CLIENT_DELETED when the server has agreed, at once if nothing
 * was ever sent. What is not answered before the mapping would have run out, at the latest, ends as CLIENT_NO_ANSWER; what a
 * request with lifetime 0 deletes ends by the schedule alone. */
void client_delete(struct client *c, struct client_op *op, uint64_t now_ms);

/* Takes an operation out without a word to the server; its memory is the caller's again. */
void client_forget(struct client *c, struct client_op *op);

/*
 * Takes a datagram that came from `from`, on the own socket or on port 5350. Whatever is not a response of the server,
 * from its address and port in use, that belongs to an operation or is an announcement, changes nothing. Returns true
 * if it was taken. When all addresses have been tried in vain an announcement from any of them counts.
 */
bool client_deliver(struct client *c, const uint8_t *data, size_t length, const struct client_endpoint *from,
		    uint64_t now_ms);

/* Tells that an ICMP error came back for what was sent last: no use in waiting. The next address is tried, with the
 * last or only one NAT-PMP, then what is not kept ends (RFC 7488 section 3, RFC 6886 3.1). */
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
