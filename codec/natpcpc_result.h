/* SPDX-License-Identifier: MIT */
#ifndef NATPCP_NATPCPC_RESULT_H
#define NATPCP_NATPCPC_RESULT_H

#include "codec/natpcpc.h"

/* A line for the state of a session's operation, on stdout, or on stderr for one without an answer; returns the exit code
 * that belongs to it. */
int result_show(const struct app *a, const struct session *s, const char *operation);

#endif
