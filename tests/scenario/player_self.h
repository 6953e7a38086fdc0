/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the player is made of, for the files that are the player. What returns false ends the scenario. */
#ifndef TESTS_SCENARIO_PLAYER_SELF_H
#define TESTS_SCENARIO_PLAYER_SELF_H

#include "codec/codec.h"
#include "tests/scenario/restart.h"
#include "tests/scenario/words.h"

enum { PLAYER_LINE_MAX = 4096, PLAYER_HOSTS_MAX = 32, PLAYER_TEXTS_MAX = 4096, PLAYER_START_MS = 1000000 };

struct player_host {
	char name[32], interface[32];
	struct in6_addr address;
	uint16_t port, listen;
};

/* Texts that wait to be expected. */
struct player_queue {
	char *v[PLAYER_TEXTS_MAX];
	size_t first, n;
};

struct player {
	struct world world;
	bool open, collecting; /* inside round ... commit */
	bool blind;	       /* between blind and agree */
	bool expected;	       /* anything was */
	bool started;	       /* since then all is in the journal */
	bool crowded;	       /* more comes in than can be served */
	struct player_host hosts[PLAYER_HOSTS_MAX];
	size_t hosts_n;
	struct player_queue replies, hexes, changes, events, flows, announcements;
	FILE *file;
	unsigned line, steps;
	uint8_t *packets[ROUND_REQUESTS_MAX]; /* borrowed by the round */
	size_t packets_n;
	char why[1024];
};

/* player.c: notes why the scenario fails, and returns false. */
bool player_fail(struct player *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
void player_queue_clear(struct player_queue *q);
/* Keeps a copy of the text. */
void player_queue_push(struct player_queue *q, const char *text);

/* player_text.c */
void player_text_mapping(const struct mapping *m, char *out, size_t size);
void player_text_hex(const uint8_t *data, size_t length, char *out, size_t size);
void player_text_message(const uint8_t *data, size_t length, char *out, size_t size);

/* player_words.c: what follows "key=" in a word, or NULL. */
const char *player_value(const char *word, const char *key);
bool player_read_address(struct player *p, const char *text, struct in6_addr *a);
bool player_read_protocol(struct player *p, const char *text, uint8_t *protocol);
/* ADDRESS:PORT */
bool player_read_side(struct player *p, const char *text, struct in6_addr *a, uint16_t *port);
/* PROTO INTADDR:PORT EXTADDR:PORT and what may follow; its filters live until the next call. */
bool player_read_mapping(struct player *p, char **words, size_t n, struct mapping *m);
/* The name of an error, as -errno. */
bool player_read_error(struct player *p, const char *name, int *error);
/* The words are octets, two digits each, with or without blanks between. Returns how many. */
size_t player_read_hex(char **words, size_t n, uint8_t *out, size_t size);
/* NULL, and the scenario fails, if there is none. */
const struct player_host *player_host(struct player *p, const char *name);

/* player_round.c: makes way for a round of one command; inside round ... commit the one that is open goes on. */
bool player_begin(struct player *p);
/* Settles the round, notes it, and makes way for the next. */
bool player_settle(struct player *p);
/* The same, but inside round ... commit, where more comes. */
bool player_done(struct player *p);
/* A settled round into the queues; false invariants fail. For world_pass(): context is the player. */
void player_note(struct world *w, void *context);

/* player_request.c */
bool player_in(struct player *p, char **words, size_t n);

/* player_expect.c */
bool player_expect(struct player *p, char **words, size_t n);

/* player_do.c: plays one line. */
bool player_do(struct player *p, char **words, size_t n);

#endif
