/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log: lines of key=value, to stderr or syslog. A line begins with its event; a value that has a blank, a quote or
 * a control character is quoted and escaped, so that no client and no name can forge a line.
 */
#ifndef SERVER_IO_LOG_H
#define SERVER_IO_LOG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"

#define LOG_LINE_MAX 1024   /* octets of one line with its NUL; what is longer is cut */
#define LOG_QUIET_MS 10000U /* between two lines of one kind that a packet can trigger */

/* Before the first call: level info, stderr. May be called again. */
void log_open(enum conf_log_level level, enum conf_log_target target);
bool log_enabled(enum conf_log_level level);

/* A line under construction; lives on the caller's stack. */
struct log_line {
	enum conf_log_level level;
	size_t n;
	char text[LOG_LINE_MAX];
};

void log_begin(struct log_line *l, enum conf_log_level level, const char *event);
/* value NULL adds nothing. */
void log_text(struct log_line *l, const char *key, const char *value);
void log_number(struct log_line *l, const char *key, uint64_t value);
void log_address(struct log_line *l, const char *key, const struct in6_addr *a);
/* "192.0.2.1:80" or "[2001:db8::1]:80" */
void log_endpoint(struct log_line *l, const char *key, const struct in6_addr *a, uint16_t port);
/* "tcp" or the number. */
void log_protocol(struct log_line *l, const char *key, uint8_t protocol);
/* Writes the line, if its level is enabled. */
void log_end(struct log_line *l);

/* A whole line: event, and why="..." from a format, in one call. */
void log_print(enum conf_log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One kind of line that packets can trigger. Starts zeroed. */
struct log_limit {
	uint64_t next_ms;
	uint64_t suppressed; /* since the last line */
};
/* True if a line may be written now; suppressed then says how many were not since the last one (may be NULL). */
bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t *suppressed);

#endif
