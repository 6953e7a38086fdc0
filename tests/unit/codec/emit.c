/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints "name hex" for each golden message, its octets written by the codec, for judge.py. */
#include "codec/codec.h"
#include "tests/unit/codec/vectors.h"

#include <stdio.h>

static size_t marshal(const struct vector *v, uint8_t *out, size_t capacity)
{
	uint8_t area[CODEC_MESSAGE_MAX];
	struct codec_message m = v->message;
	size_t length = 0;

	for (size_t i = 0; i < v->option_count; i++) {
		if (!pcp_option_put(&v->options[i], area, &length, sizeof(area)))
			return 0;
	}
	if (length > 0) {
		m.pcp.options = area;
		m.pcp.options_length = length;
	}
	return codec_marshal(&m, out, capacity);
}

int main(void)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t out[CODEC_MESSAGE_MAX];
		size_t length = marshal(&vectors[i], out, sizeof(out));

		if (length == 0) {
			fprintf(stderr, "%s cannot be marshalled\n", vectors[i].name);
			return 1;
		}
		printf("%s ", vectors[i].name);
		for (size_t o = 0; o < length; o++)
			printf("%02x", out[o]);
		putchar('\n');
	}
	return 0;
}
