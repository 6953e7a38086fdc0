/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in words. Each function returns its buffer. */
#ifndef SERVER_NATPCPCTL_WORDS_H
#define SERVER_NATPCPCTL_WORDS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum { WORDS_MAX = 48 };

/* "2 days 3 hours", "1 minute", "0 seconds": the two largest units. */
const char *words_duration(uint64_t seconds, char out[WORDS_MAX]);
/* "2d3h", "1m", "0s". */
const char *words_short(uint64_t seconds, char out[WORDS_MAX]);
/* "85 us", "1.2 ms", "3.4 s". */
const char *words_micro(uint64_t us, char out[WORDS_MAX]);
/* A point of time: "2026-03-01 12:00:00", by the clock and the zone of this machine. */
const char *words_time(double unix_s, char out[WORDS_MAX]);
/* "1 mapping", "2 mappings". */
const char *words_count(uint64_t n, const char *what, char out[WORDS_MAX]);

/* The number of a member that is one; less than 0 and all else is 0. */
uint64_t words_number(const json_t *o, const char *key);
/* The text of a member that is one; else "". */
const char *words_text(const json_t *o, const char *key);

#endif
