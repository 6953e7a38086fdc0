/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a reload must leave as it runs: the keys that the schema does not call live. */
#ifndef CONF_KEEP_H
#define CONF_KEEP_H

#include "conf/conf.h"
#include "conf/schema.h"

/* Called for a key whose value would have been another one. */
typedef void keep_fn(void *context, const struct schema_key *key);

/*
 * Gives wanted the running value of every key that takes a restart. 0; or -ENOMEM, then wanted is to be freed only: it
 * may have some of them.
 */
int keep_running(const struct conf *running, struct conf *wanted, keep_fn *fn, void *context);

#endif
