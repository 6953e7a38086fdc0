/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system calls of the filter, by name: plain tables. */
#ifndef SERVER_IO_SANDBOX_CALLS_H
#define SERVER_IO_SANDBOX_CALLS_H

#include <stdbool.h>

enum sandbox_call_kind {
	SANDBOX_CALL_ALLOW,
	SANDBOX_CALL_HOSTILE, /* nothing of ours makes it: who does has taken the process over */
	SANDBOX_CALL_START,   /* starts a program or becomes somebody: hostile unless the role starts programs */
};

struct sandbox_call {
	const char *name;
	enum sandbox_call_kind kind;
};

/* Ends with a row without a name. Calls whose arguments count are not here: sandbox_filter.c has them. */
extern const struct sandbox_call sandbox_calls[];

/* True in a program that is built with a sanitizer, whose own calls are then allowed. */
extern const bool sandbox_sanitized;

#endif
