/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a refused change means for the others of its commit. Pure. */
#ifndef BACKENDS_VERDICT_H
#define BACKENDS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/mapping.h"

/* Sets of ports are the same as what has one of their ports. True if all of a mapping is the same. */
bool verdict_same_mapping(const struct mapping *a, const struct mapping *b);
/* True if the external side is the same: protocol, address, port and peer; the internal side. */
bool verdict_same_external(const struct mapping *a, const struct mapping *b);
bool verdict_same_internal(const struct mapping *a, const struct mapping *b);

/*
 * Sets error as the verdict of change i and of all that fall with it: its group, which stands next to it, later changes
 * on a mapping of these, their groups, and so on. Verdicts other than 0 stay.
 */
void verdict_refuse(struct change *changes, size_t n, size_t i, int error);

#endif
