/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control socket understands. JSON, addresses as text, times in seconds.
 *   GET  /v1/status
 *   GET  /v1/leases[?limit=N][&cursor=C]    "next" is the cursor that goes on, absent at the end
 *   GET  /v1/explain?client=A&protocol=P&internal_port=N[&external_port=N][&interface=I]
 *   POST /v1/reload
 *   POST /v1/revoke?...                     client=A | rule=NAME | protocol=P&external_address=A&external_port=N | all=1
 * An error is {"error": "..."} with status 400, 404, 405 or 500.
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/io/control.h"

/* A control_fn; context is the struct server. */
void api_request(void *context, struct control_request *q);

#endif
