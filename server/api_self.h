/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the API share. */
#ifndef SERVER_API_SELF_H
#define SERVER_API_SELF_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/io/control.h"
#include "server/server.h"

#define API_SCHEMA 1 /* changes when something that was there means something else, or is there no more */

/* Answers with an object, which is taken over, and gets the schema's number; NULL: there was no memory for it. */
void api_json(struct control_request *q, int status, json_t *value);
void api_error(struct control_request *q, int status, const char *why);
/* Answers with JSON in pieces, as control_stream() does. */
void api_stream(struct control_request *q, control_next_fn *next, control_done_fn *done, void *context);

/* Parameters as text; NULL, which one that is not there is, is none. Decimal, at most max. */
bool api_number(const char *text, uint64_t max, uint64_t *value);
bool api_port(const char *text, uint16_t *value);
/* By name or number. */
bool api_protocol(const char *text, uint8_t *value);
/* "all" is 0. */
bool api_port_or_all(const char *text, uint16_t *value);
bool api_protocol_or_all(const char *text, uint8_t *value);
bool api_address(const char *text, struct in6_addr *a);

/* The paths. */
void api_status(struct server *s, struct control_request *q);
void api_leases(struct server *s, struct control_request *q);
void api_rules(struct server *s, struct control_request *q);
void api_refusals(struct server *s, struct control_request *q);
void api_events(struct server *s, struct control_request *q);
void api_metrics(struct server *s, struct control_request *q);
void api_revoke(struct server *s, struct control_request *q);

#endif
