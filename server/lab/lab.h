/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The faults of the lab's gateway, between its server and its sockets. */
#ifndef SERVER_LAB_LAB_H
#define SERVER_LAB_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "server/between.h"
#include "server/lab/fault.h"

struct lab;

/* orders: a descriptor with lines to obey, "begin" or a fault; -1: none, and the time of the faults starts at once. NULL
 * if out of memory. */
struct lab *lab_new(uint64_t seed, int orders);
void lab_free(struct lab *l);
/* Before the server is opened. False with the reason. */
bool lab_add(struct lab *l, const char *text, char why[FAULT_WHY]);
/* What the server is to be opened with; lives as long as the lab. */
const struct between *lab_between(const struct lab *l);

/* The least lifetime by PCP, where no fault wants a shorter one. The server itself has to grant any. */
void lab_least(struct lab *l, uint32_t least_s);
/* True if a fault ended the server's loop: it is to be closed, opened again after *down_ms, and has to *forget all between. */
bool lab_restarts(struct lab *l, bool *forget, uint32_t *down_ms);

#endif
