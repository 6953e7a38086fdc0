/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/api_self.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

void api_json(struct control_request *q, int status, json_t *value)
{
	static const char broken[] = "{\"schema\":1,\"error\":\"out of memory\"}\n";
	char *text = NULL;

	/* in ASCII, since it may be printed on a terminal and clients give it texts */
	if (value && json_object_set_new(value, "schema", json_integer(API_SCHEMA)) == 0)
		text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);

	if (text)
		control_reply(q, status, CONTROL_JSON, text, strlen(text));
	else
		control_reply(q, 500, CONTROL_JSON, broken, sizeof(broken) - 1);
	free(text);
	json_decref(value);
}

void api_stream(struct control_request *q, control_next_fn *next, control_done_fn *done, void *context)
{
	struct control_stream *s = control_stream(q, CONTROL_JSON, next, done, context);

	if (s)
		control_wake(s);
}

void api_error(struct control_request *q, int status, const char *why)
{
	api_json(q, status, json_pack("{s:s}", "error", why));
}

bool api_number(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end && *value <= max;
}

bool api_port(const char *text, uint16_t *value)
{
	uint64_t n;

	if (!api_number(text, UINT16_MAX, &n))
		return false;
	*value = (uint16_t)n;
	return true;
}

bool api_protocol(const char *text, uint8_t *value)
{
	uint64_t n;

	if (api_number(text, UINT8_MAX, &n)) {
		*value = (uint8_t)n;
		return true;
	}
	for (unsigned i = 1; text && i <= UINT8_MAX; i++) {
		const char *name = codec_protocol_name((uint8_t)i);

		if (name && !strcmp(name, text)) {
			*value = (uint8_t)i;
			return true;
		}
	}
	return false;
}

bool api_port_or_all(const char *text, uint16_t *value)
{
	*value = 0;
	return (text && !strcmp(text, "all")) || api_port(text, value);
}

bool api_protocol_or_all(const char *text, uint8_t *value)
{
	*value = 0;
	return (text && !strcmp(text, "all")) || api_protocol(text, value);
}

bool api_address(const char *text, struct in6_addr *a)
{
	return text && codec_address_parse(text, strlen(text), a);
}
