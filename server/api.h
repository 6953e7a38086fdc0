/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the control socket understands. JSON, addresses as text, times in seconds; each object has "schema": 1.
 *   GET  /v1/status
 *   GET  /v1/leases[?limit=N][&cursor=C]    "next" is the cursor that goes on, absent at the end; and only those that
 *        [&client=A|PREFIX][&port=N]        match all of these: internal address; internal or external port;
 *        [&rule=NAME][&protocol=P]          name or number
 *        [&family=4|6][&origin=O]           of the internal address; nat-pmp, pcp, static or adopted
 *   GET  /v1/rules                          with what each decided and what is in force by it
 *   GET  /v1/refusals                       the last ones, as events
 *   GET  /v1/events[?types=T,T...]          server-sent events, from now on or from behind Last-Event-ID
 *   GET  /v1/explain?client=A&protocol=P&internal_port=N[&external_port=N][&interface=I]
 *   POST /v1/reload
 *   POST /v1/revoke?...                     client=A | rule=NAME | protocol=P&external_address=A&external_port=N | all=1
 *   GET  /metrics                           Prometheus' text format
 *   GET  /                                  the page
 * An error is {"error": "..."} with status 400, 404, 405, 500 or 503. On a loopback address there is neither explain,
 * reload nor revoke.
 */
#ifndef SERVER_API_H
#define SERVER_API_H

#include "server/io/control.h"

/* A control_fn; context is the struct server. */
void api_request(void *context, struct control_request *q);

#endif
