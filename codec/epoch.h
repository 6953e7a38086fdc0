/* SPDX-License-Identifier: MIT */
/* The seconds counter that every response carries: RFC 6886 3.6 and RFC 6887 8.5. */
#ifndef NATPCP_EPOCH_H
#define NATPCP_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The linker knows each function behind "natpcp_", lest short names meet those of others in one program. */
#pragma redefine_extname epoch_seconds natpcp_epoch_seconds
#pragma redefine_extname epoch_set natpcp_epoch_set
#pragma redefine_extname epoch_check_pcp natpcp_epoch_check_pcp
#pragma redefine_extname epoch_check_natpmp natpcp_epoch_check_natpmp

/* A server's counter: it was 0 at origin_ms of the caller's monotonic clock. origin_ms may be negative in effect
 * (a counter that goes on from before the clock began), hence signed. */
struct epoch {
	int64_t origin_ms;
};

/* The counter in whole seconds at now_ms. */
uint32_t epoch_seconds(const struct epoch *e, uint64_t now_ms);
/* Makes the counter show seconds at now_ms. */
void epoch_set(struct epoch *e, uint32_t seconds, uint64_t now_ms);

/* What a client remembers of one server. Starts zeroed. */
struct epoch_check {
	bool seen;
	uint32_t server_s;  /* the counter in the last response */
	uint64_t client_ms; /* when it arrived */
};

/* RFC 6887 8.5: takes a response's counter. Returns false if the server must be thought to have lost its state; the
 * new value is remembered in either case. */
bool epoch_check_pcp(struct epoch_check *c, uint32_t server_s, uint64_t now_ms);
/* The same by RFC 6886 3.6 (7/8 of the time that passed, 2 s of slack). */
bool epoch_check_natpmp(struct epoch_check *c, uint32_t server_s, uint64_t now_ms);

#ifdef __cplusplus
}
#endif
#endif
