/* SPDX-License-Identifier: MIT */
/*
 * The program natpcpc. main() and the commands are in natpcpc.c; a file for each: _map (map, peer, unmap, unmap-all),
 * _keep (the same with --keep), _move (a host that moves), _ask (address, announce, raw), _listen, _probe with _corner. Below them: _options and
 * _parse (the command line), _gateway (whom to ask), _session (a socket and a client for each gateway, and the one loop),
 * _hook (--exec), _nonce, _out, _result and _message (what is printed).
 */
#ifndef NATPCP_NATPCPC_H
#define NATPCP_NATPCPC_H

#include "codec/natpcpc_hook.h"
#include "codec/natpcpc_options.h"
#include "codec/natpcpc_session.h"

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_SILENCE = 3 };

#define TIMEOUT_MS 15000 /* for an answer, unless --timeout says another */
#define GOODBYE_MS 3000	 /* for the deletion when --keep ends */

struct app {
	struct options o;
	struct session sessions[GATEWAYS_MAX];
	size_t count;
	struct client_request request; /* of map, peer and unmap; the nonce and the options are each session's own */
	uint16_t ports;		       /* how many from request.internal_port on */
};

/* The commands: argv holds what follows the command's name. All return an exit code. */
int natpcpc_map(struct app *a, int argc, char **argv);
int natpcpc_peer(struct app *a, int argc, char **argv);
int natpcpc_unmap(struct app *a, int argc, char **argv);
int natpcpc_unmap_all(struct app *a, int argc, char **argv);
int natpcpc_address(struct app *a, int argc, char **argv);
int natpcpc_announce(struct app *a, int argc, char **argv);
int natpcpc_raw(struct app *a, int argc, char **argv);
int natpcpc_listen(struct app *a, int argc, char **argv);
int natpcpc_probe(struct app *a, int argc, char **argv);

/* Maps, renews and tells every change until a signal comes, then deletes. operation is "map" or "peer". */
int keep_run(struct app *a, const char *operation);

/* Whom to ask, with the interface and the own address of each, from --server or this host's routes. 0 or an exit code,
 * which was explained. */
int gateway_find(struct app *a);

/* When this command has waited long enough. */
uint64_t app_deadline(const struct app *a, uint64_t default_ms);
/* Sends the request to a session's gateway. False if it cannot be put on the wire, which was explained. */
bool map_start(struct app *a, struct session *s);
/* NAT-PMP tells the address apart from the port: asks for it, where it lacks. */
void map_learn_address(struct app *a, struct session *s);
/* The exit code of several gateways: 0 only if all are, a refusal before silence. */
int app_worse(int one, int other);

/* The mapping's nonce: given, random, or derived from this host, the gateway, the protocol and the port. */
void nonce_choose(const struct options *o, const struct session *s, uint8_t protocol, uint16_t internal_port,
		  struct codec_nonce *nonce);
void nonce_random(struct codec_nonce *nonce);

#endif
