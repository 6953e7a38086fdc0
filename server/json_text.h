/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One flat JSON object, written into memory of the caller's: nothing is allocated, and it is whole or not there. */
#ifndef SERVER_JSON_TEXT_H
#define SERVER_JSON_TEXT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_text {
	char *begin, *at, *end;
	bool full, any;
};

/* Begins with "{". */
void json_text_begin(struct json_text *t, char *out, size_t room);
/* Ends with "}". The length, without a NUL; 0 if it did not fit. */
size_t json_text_end(struct json_text *t);

/* key is a plain word. value: UTF-8, of which at most max octets are taken, whole characters; NULL: nothing is written. */
void json_text_string(struct json_text *t, const char *key, const char *value, size_t max);
void json_text_number(struct json_text *t, const char *key, uint64_t value);
/* Seconds with three decimals. */
void json_text_seconds(struct json_text *t, const char *key, uint64_t ms);
void json_text_bool(struct json_text *t, const char *key, bool value);
void json_text_address(struct json_text *t, const char *key, const struct in6_addr *a);
/* By name if it has one, else by number. */
void json_text_protocol(struct json_text *t, const char *key, uint8_t protocol);
/* "198.51.100.2:443" or "[2001:db8::2]:443" */
void json_text_endpoint(struct json_text *t, const char *key, const struct in6_addr *a, uint16_t port);
/* A list of n addresses. */
void json_text_addresses(struct json_text *t, const char *key, const struct in6_addr *v, size_t n);

#endif
