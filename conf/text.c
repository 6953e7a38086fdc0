/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/text.h"

#include <string.h>

#include "codec/codec.h"

#define TEXT_QUOTE_MAX 64

void text_init(struct text *t, char *out, size_t capacity)
{
	*t = (struct text){.out = out, .capacity = capacity};
	out[0] = '\0';
}

static void add_octets(struct text *t, const char *s, size_t length)
{
	size_t room = t->capacity - t->length - 1;

	if (length > room) {
		length = codec_utf8_cut((const uint8_t *)s, length, room);
		t->capacity = t->length + length + 1; /* a message that was cut does not go on */
	}
	memcpy(t->out + t->length, s, length);
	t->length += length;
	t->out[t->length] = '\0';
}

void text_add(struct text *t, const char *s)
{
	add_octets(t, s, strlen(s));
}

void text_number(struct text *t, uint64_t number)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + number % 10);
	while (number /= 10);
	add_octets(t, digits + i, sizeof(digits) - i);
}

void text_quote(struct text *t, const char *s)
{
	size_t length = strlen(s);
	size_t shown = length > TEXT_QUOTE_MAX ? codec_utf8_cut((const uint8_t *)s, length, TEXT_QUOTE_MAX) : length;

	text_add(t, "\"");
	add_octets(t, s, shown);
	text_add(t, shown < length ? "...\"" : "\"");
}
