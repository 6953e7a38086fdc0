/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void comma(struct line *l)
{
	if (l->inside) {
		if (!l->first)
			fputs(", ", stdout);
		l->first = false;
		return;
	}
	fputs(l->begun ? (l->json ? ", " : " ") : (l->json ? "{" : ""), stdout);
	l->begun = true;
}

static void put_key(struct line *l, const char *name)
{
	comma(l);
	if (name)
		printf(l->json ? "\"%s\": " : "%s=", name);
}

static void put_string(const char *s)
{
	putchar('"');
	for (; *s; s++)
		if ((unsigned char)*s < 0x20)
			printf("\\u%04x", (unsigned char)*s);
		else if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else
			putchar(*s);
	putchar('"');
}

void out_text(struct line *l, const char *name, const char *value)
{
	put_key(l, name);
	if (l->json)
		put_string(value);
	else
		fputs(value, stdout);
}

void out_bool(struct line *l, const char *name, bool value)
{
	put_key(l, name);
	fputs(value ? "true" : "false", stdout);
}

void out_number(struct line *l, const char *name, uint64_t value)
{
	put_key(l, name);
	printf("%" PRIu64, value);
}

void out_ms(struct line *l, const char *name, uint64_t us)
{
	put_key(l, name);
	printf("%" PRIu64 ".%03u", us / 1000, (unsigned int)(us % 1000));
}

void out_address(struct line *l, const char *name, const struct in6_addr *a)
{
	char t[CODEC_ADDRESS_TEXT];

	out_text(l, name, codec_address_text(a, t));
}

void out_protocol(struct line *l, const char *name, uint8_t value)
{
	if (codec_protocol_name(value))
		out_text(l, name, codec_protocol_name(value));
	else
		out_number(l, name, value);
}

void out_hex(struct line *l, const char *name, const uint8_t *data, size_t length)
{
	put_key(l, name);
	fputs(l->json ? "\"" : "", stdout);
	for (size_t i = 0; i < length; i++)
		printf("%02x", data[i]);
	fputs(l->json ? "\"" : "", stdout);
}

static void open_bracket(struct line *l, const char *name, char bracket)
{
	put_key(l, name);
	putchar(bracket);
	l->inside++;
	l->first = true;
}

void out_array(struct line *l, const char *name)
{
	open_bracket(l, name, '[');
}

void out_object(struct line *l, const char *name)
{
	open_bracket(l, name, '{');
}

void out_close(struct line *l, char bracket)
{
	putchar(bracket);
	l->inside--;
	l->first = false;
}

void out_end(struct line *l)
{
	puts(l->json ? "}" : "");
	fflush(stdout);
}

const char *out_time(bool json, char out[OUT_TIME])
{
	struct timespec t;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &t);
	if (json) {
		gmtime_r(&t.tv_sec, &tm);
		n = strftime(out, OUT_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(out + n, OUT_TIME - n, ".%03ldZ", t.tv_nsec / 1000000);
	} else {
		localtime_r(&t.tv_sec, &tm);
		strftime(out, OUT_TIME, "%Y-%m-%d %H:%M:%S", &tm);
	}
	return out;
}

const char *out_version(enum codec_version v)
{
	return v == CODEC_VERSION_PCP ? "pcp" : "nat-pmp";
}

const char *out_host_port(const struct in6_addr *a, uint16_t port, uint16_t ports, char out[OUT_HOST_PORT])
{
	char t[CODEC_ADDRESS_TEXT] = "?";

	if (!codec_is_unspecified(a))
		codec_address_text(a, t);
	if (port == 0)
		snprintf(out, OUT_HOST_PORT, "%s", t);
	else if (ports > 1)
		snprintf(out, OUT_HOST_PORT, strchr(t, ':') ? "[%s]:%u-%u" : "%s:%u-%u", t, port, port + ports - 1);
	else
		snprintf(out, OUT_HOST_PORT, strchr(t, ':') ? "[%s]:%u" : "%s:%u", t, port);
	return out;
}

const char *out_who(uint8_t number, char out[8])
{
	if (codec_protocol_name(number))
		return codec_protocol_name(number);
	snprintf(out, 8, "%u", number);
	return out;
}
