/* SPDX-License-Identifier: MIT */
/* What natpcpc prints. Results go to stdout, a line each; why something did not work goes to stderr. */
#ifndef NATPCP_NATPCPC_OUT_H
#define NATPCP_NATPCPC_OUT_H

#include "codec/codec.h"

#define OUT_SCHEMA    1 /* of the JSON: grows when a key changes its meaning or goes */
#define OUT_HOST_PORT (CODEC_ADDRESS_TEXT + 16)

/* A line of output on stdout: a JSON object, or key=value pairs. Starts as {.json = ...}. */
struct line {
	bool json, begun;
	unsigned int inside; /* arrays and objects that are open */
	bool first;	     /* in the innermost of them */
};

void out_text(struct line *l, const char *key, const char *value);
void out_bool(struct line *l, const char *key, bool value);
void out_number(struct line *l, const char *key, uint64_t value);
/* Milliseconds, from microseconds. */
void out_ms(struct line *l, const char *key, uint64_t us);
void out_address(struct line *l, const char *key, const struct in6_addr *a);
void out_protocol(struct line *l, const char *key, uint8_t value);
void out_hex(struct line *l, const char *key, const uint8_t *data, size_t length);
/* An array of objects, in JSON only: each begins with out_object() and ends with out_close(), so does the array. */
void out_array(struct line *l, const char *key);
void out_object(struct line *l, const char *key);
void out_close(struct line *l, char bracket);
void out_end(struct line *l);

/* The time of day: UTC with milliseconds for JSON, local for people. */
#define OUT_TIME 40
const char *out_time(bool json, char out[OUT_TIME]);

/* What a message says. */
void out_message(struct line *l, const struct codec_message *m);
/* The result of a NAT-PMP response, also of one to an opcode that the codec does not know. */
uint16_t out_natpmp_result(const struct natpmp_message *m);

const char *out_version(enum codec_version v);
/* "192.0.2.1:80", "[2001:db8::1]:80", "192.0.2.1:80-87" for several ports, "192.0.2.1" for port 0. */
const char *out_host_port(const struct in6_addr *a, uint16_t port, uint16_t ports, char out[OUT_HOST_PORT]);
/* A protocol's name or number. */
const char *out_who(uint8_t protocol, char out[8]);

/* What a result code means for the one who asked, in a few words. */
const char *out_meaning(enum codec_version v, uint16_t code);

#endif
