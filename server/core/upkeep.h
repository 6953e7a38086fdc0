/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's own work: what comes due, what a walk finds to be wrong, static mappings, adoption. */
#ifndef SERVER_CORE_UPKEEP_H
#define SERVER_CORE_UPKEEP_H

#include "server/core/mapper.h"

/* Expired leases become removals, held ones are freed; a bounded number. False if out of memory. */
bool upkeep_due(struct engine *e, uint64_t now_ms, struct round *r);
/* Goes on with the walk, if one is under way: re-judges, moves and installs leases; a bounded number. False
 * if out of memory. */
bool upkeep_walk(struct engine *e, uint64_t now_ms, struct round *r);
/* Installs what is missing of the static mappings; what is in their way goes first. */
void upkeep_statics(struct engine *e, uint64_t now_ms, struct round *r);
/* Ends the static mappings of the old configuration that the new one has not. False if out of memory. */
bool upkeep_leave_statics(struct engine *e, const struct conf *old_conf, struct round *r);
/* The external that a mapping of an earlier engine belongs to; addresses may not be known yet. SIZE_MAX = none. */
size_t upkeep_guess_external(const struct engine *e, const struct mapping *m);
/* As engine_adopt(). */
int upkeep_adopt(struct engine *e, const struct mapping *m, uint64_t remaining_ms, uint64_t now_ms, struct round *r);

#endif
