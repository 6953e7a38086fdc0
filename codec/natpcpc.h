/* SPDX-License-Identifier: MIT */
/*
 * The program natpcpc: its commands and loop (natpcpc.c), the command line (natpcpc_options.c), what it prints
 * (natpcpc_out.c), nonces (natpcpc_nonce.c).
 */
#ifndef NATPCP_NATPCPC_H
#define NATPCP_NATPCPC_H

#include "codec/client.h"
#include "codec/conn.h"

enum exit_code { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

#define FILTERS_MAX  16
#define DATAGRAM_MAX (CODEC_MESSAGE_MAX + 1)

struct options {
	const char *server;
	uint16_t port;
	const char *interface;
	int family;
	enum client_mode mode;
	uint64_t timeout_ms; /* 0 = not given */
	bool json, keep, prefer_failure, third, has_nonce, random_nonce;
	uint32_t lifetime_s;
	unsigned long count;
	struct in6_addr external, third_party;
	struct pcp_option filters[FILTERS_MAX];
	size_t filters_count;
	const char *description;
	struct codec_nonce nonce;
};

struct app {
	struct options o;
	struct client_endpoint server;
	unsigned int ifindex; /* 0 = any */
	struct in6_addr own;
	struct conn conn;
	struct conn news[2];
	struct client client;
	struct client_op op;
	uint8_t area[CLIENT_OPTIONS_MAX]; /* the request's options */
};

/* Reads the command line up to optind. Returns an exit code if the program is to end, else -1. */
int options_read(struct options *o, int argc, char **argv);
bool options_port(const char *text, uint16_t *port);
/* ADDR:PORT or [ADDR]:PORT. */
bool options_peer(const char *text, struct in6_addr *address, uint16_t *port);
/* A name or a number. */
bool options_protocol(const char *text, uint8_t *protocol);

/* Says on stderr what is wrong with the command line; returns EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int out_usage(const char *format, ...);

/* A line of output on stdout: a JSON object, or key=value pairs. Starts as {.json = ...}. */
struct line {
	bool json, begun;
};

void out_text(struct line *l, const char *key, const char *value);
void out_number(struct line *l, const char *key, uint64_t value);
void out_address(struct line *l, const char *key, const struct in6_addr *a);
void out_hex(struct line *l, const char *key, const uint8_t *data, size_t length);
void out_end(struct line *l);
/* What a message says. */
void out_message(struct line *l, const struct codec_message *m);

/* One line for the state of the operation; returns the exit code that belongs to it. */
int out_result(const struct app *a, const char *operation);
/* The same for one that rc ended: -ETIMEDOUT or another -errno. */
int out_failure(const struct app *a, const char *operation, int rc);

/* The mapping's nonce: given, random, or derived. */
void nonce_choose(const struct app *a, uint8_t protocol, uint16_t internal_port, struct codec_nonce *nonce);
bool hex_parse(const char *text, uint8_t *out, size_t capacity, size_t *length);

#endif
