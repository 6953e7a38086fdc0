/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/keep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/store.h"

/* True if the key's member is a char *. */
static bool is_string(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_STRING:
	case SCHEMA_INTERFACE:
	case SCHEMA_TABLE:
	case SCHEMA_LOOPBACK:
		return true;
	default:
		return false;
	}
}

/* Octets of a member without pointers; 0 if the key's has some, or is more than one. */
static size_t plain_size(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_BOOL:
		return sizeof(bool);
	case SCHEMA_ENUM:
		return sizeof(unsigned);
	case SCHEMA_NUMBER:
	case SCHEMA_DURATION:
	case SCHEMA_MARK:
		return sizeof(uint32_t);
	default:
		return 0;
	}
}

static int keep_string(char *const *running, char **wanted, bool *differs)
{
	char *copy;

	*differs = strcmp(*running, *wanted) != 0;
	if (!*differs)
		return 0;
	copy = store_copy(*running, strlen(*running));
	if (!copy)
		return -ENOMEM;
	free(*wanted);
	*wanted = copy;
	return 0;
}

int keep_running(const struct conf *running, struct conf *wanted, keep_fn *fn, void *context)
{
	for (size_t i = 0; i < schema_keys_n; i++) {
		const struct schema_key *key = &schema_keys[i];
		const void *from = (const char *)running + key->offset;
		void *to = (char *)wanted + key->offset;
		bool differs;

		/* a section that may stand several times is another one after a reload: its keys are all live */
		if (key->live || key->section < SCHEMA_TITLED)
			continue;
		if (is_string(key)) {
			int error = keep_string(from, to, &differs);

			if (error)
				return error;
		} else {
			differs = memcmp(from, to, plain_size(key)) != 0;
			memcpy(to, from, plain_size(key));
		}
		if (key->told)
			memcpy((char *)wanted + key->told, (const char *)running + key->told, sizeof(bool));
		if (differs)
			fn(context, key);
	}
	return 0;
}
