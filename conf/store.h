/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One value of a key, put where the schema says. */
#ifndef CONF_STORE_H
#define CONF_STORE_H

#include "conf/schema.h"
#include "conf/text.h"

enum store_result { STORE_DONE, STORE_REFUSED, STORE_NO_MEMORY };

/*
 * Converts text by the key's type and stores it in the structure at base; lists grow by it. STORE_REFUSED appends the
 * reason to why. SCHEMA_REFERENCE is not for here: what it refers to may come later in the file.
 */
enum store_result store_value(const struct schema_key *key, void *base, const char *text, struct text *why);

/* A copy of length octets of s with a NUL behind them; NULL if out of memory. */
char *store_copy(const char *s, size_t length);
/* Makes room for one more element behind *n of size octets each, zeroed, and counts it; NULL if out of memory. */
void *store_grow(void **v, size_t *n, size_t size);

#endif
