/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/json_text.h"

#include <string.h>

#include "codec/codec.h"

static void put(struct json_text *t, const char *text, size_t n)
{
	if (t->full || (size_t)(t->end - t->at) < n) {
		t->full = true;
		return;
	}
	memcpy(t->at, text, n);
	t->at += n;
}

static void put_text(struct json_text *t, const char *text)
{
	put(t, text, strlen(text));
}

static void put_number(struct json_text *t, uint64_t value, unsigned digits)
{
	char v[24];
	size_t at = sizeof(v);

	do {
		v[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value || sizeof(v) - at < digits);
	put(t, v + at, sizeof(v) - at);
}

static void put_key(struct json_text *t, const char *key)
{
	put_text(t, t->any ? ",\"" : "\"");
	put_text(t, key);
	put_text(t, "\":");
	t->any = true;
}

static void put_quoted(struct json_text *t, const char *text)
{
	put_text(t, "\"");
	put_text(t, text);
	put_text(t, "\"");
}

void json_text_begin(struct json_text *t, char *out, size_t room)
{
	*t = (struct json_text){.begin = out, .at = out, .end = out + room};
	put_text(t, "{");
}

size_t json_text_end(struct json_text *t)
{
	put_text(t, "}");
	return t->full ? 0 : (size_t)(t->at - t->begin);
}

void json_text_string(struct json_text *t, const char *key, const char *value, size_t max)
{
	static const char hex[] = "0123456789abcdef";
	size_t n;

	if (!value)
		return;
	n = strnlen(value, max);
	/* not in the middle of a character */
	if (value[n])
		while (n && ((unsigned char)value[n] & 0xc0) == 0x80)
			n--;
	put_key(t, key);
	put_text(t, "\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)value[i];

		if (c == '"' || c == '\\') {
			put_text(t, "\\");
			put(t, value + i, 1);
		} else if (c < 0x20 || c == 0x7f) {
			put_text(t, "\\u00");
			put(t, &hex[c >> 4], 1);
			put(t, &hex[c & 15], 1);
		} else {
			put(t, value + i, 1);
		}
	}
	put_text(t, "\"");
}

void json_text_number(struct json_text *t, const char *key, uint64_t value)
{
	put_key(t, key);
	put_number(t, value, 1);
}

void json_text_seconds(struct json_text *t, const char *key, uint64_t ms)
{
	put_key(t, key);
	put_number(t, ms / 1000, 1);
	put_text(t, ".");
	put_number(t, ms % 1000, 3);
}

void json_text_bool(struct json_text *t, const char *key, bool value)
{
	put_key(t, key);
	put_text(t, value ? "true" : "false");
}

static void put_address(struct json_text *t, const struct in6_addr *a)
{
	char text[CODEC_ADDRESS_TEXT];

	put_quoted(t, codec_address_text(a, text));
}

void json_text_address(struct json_text *t, const char *key, const struct in6_addr *a)
{
	put_key(t, key);
	put_address(t, a);
}

void json_text_protocol(struct json_text *t, const char *key, uint8_t protocol)
{
	const char *name = codec_protocol_name(protocol);

	put_key(t, key);
	if (name)
		put_quoted(t, name);
	else
		put_number(t, protocol, 1);
}

void json_text_endpoint(struct json_text *t, const char *key, const struct in6_addr *a, uint16_t port)
{
	char text[CODEC_ADDRESS_TEXT];
	bool v4 = codec_is_v4(a);

	put_key(t, key);
	put_text(t, v4 ? "\"" : "\"[");
	put_text(t, codec_address_text(a, text));
	put_text(t, v4 ? ":" : "]:");
	put_number(t, port, 1);
	put_text(t, "\"");
}

void json_text_addresses(struct json_text *t, const char *key, const struct in6_addr *v, size_t n)
{
	put_key(t, key);
	put_text(t, "[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			put_text(t, ",");
		put_address(t, &v[i]);
	}
	put_text(t, "]");
}
