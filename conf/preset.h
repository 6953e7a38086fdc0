/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What rule { preset = ... } stands for: values of the rule's other keys, for those that it does not give itself. */
#ifndef CONF_PRESET_H
#define CONF_PRESET_H

#include <stddef.h>

#include "conf/conf.h"

enum { PRESET_VALUES_MAX = 7 };

struct preset_row {
	enum conf_preset preset;
	const char *key;
	const char *values[PRESET_VALUES_MAX + 1]; /* as they would stand in the file; NULL behind the last */
};

extern const struct preset_row preset_rows[];
extern const size_t preset_rows_n;

/* The values that a preset has for a key of a rule; NULL if it says nothing of it. */
const char *const *preset_values(enum conf_preset preset, const char *key);

#endif
