/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text put together in a buffer of fixed size, for messages. What does not fit is cut at a character's end. */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct text {
	char *out; /* always ends with a NUL */
	size_t capacity;
	size_t length;
};

/* Starts with empty text in out, which the caller owns; capacity > 0 counts the NUL. */
void text_init(struct text *t, char *out, size_t capacity);
/* Appends s, which must be UTF-8, or number in decimal. */
void text_add(struct text *t, const char *s);
void text_number(struct text *t, uint64_t number);
/* Appends s in double quotes; what is longer than 64 octets is shown as its beginning and three dots. */
void text_quote(struct text *t, const char *s);

#endif
