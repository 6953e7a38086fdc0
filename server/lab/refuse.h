/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers that a gateway gives instead of doing what it was asked. Pure. */
#ifndef SERVER_LAB_REFUSE_H
#define SERVER_LAB_REFUSE_H

#include <stddef.h>
#include <stdint.h>

#include "server/lab/fault.h"

/* Each writes into room octets and returns the length; 0: it does not fit. epoch_s is that of the answer's protocol. */

/* The request's protocol is not OTHER. hold_s: the lifetime of the error, PCP. */
size_t refuse_result(const uint8_t *request, size_t length, uint16_t result, uint32_t hold_s, uint32_t epoch_s,
		     uint8_t *out, size_t room);
size_t refuse_version(const uint8_t *request, size_t length, enum fault_style style, uint32_t epoch_s, uint8_t *out,
		      size_t room);

#endif
