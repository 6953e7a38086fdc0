/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/fault.h"

#include <stdio.h>
#include <string.h>

#include "codec/codec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TIME_MAX (40U * 86400 * 1000) /* 40 days in milliseconds */
#define HOLD_S	 30		      /* what RFC 6887 7.4 proposes for errors that pass */

/* A piece of the text. */
struct word {
	const char *text;
	size_t length;
};

static bool is(struct word w, const char *name)
{
	return strlen(name) == w.length && memcmp(w.text, name, w.length) == 0;
}

static bool empty(struct word w)
{
	return w.length == 0;
}

/* Cuts off what stands before the first separator. */
static struct word cut(struct word *rest, char separator)
{
	const char *at = rest->length ? memchr(rest->text, separator, rest->length) : NULL;
	struct word w = {rest->text, at ? (size_t)(at - rest->text) : rest->length};
	size_t gone = w.length + (at != NULL);

	rest->text += gone;
	rest->length -= gone;
	return w;
}

/* The next word behind blanks; empty at the end. */
static struct word next(struct word *rest)
{
	struct word w;

	while (rest->length && (*rest->text == ' ' || *rest->text == '\t')) {
		rest->text++;
		rest->length--;
	}
	w = (struct word){rest->text, 0};
	while (w.length < rest->length && w.text[w.length] != ' ' && w.text[w.length] != '\t')
		w.length++;
	rest->text += w.length;
	rest->length -= w.length;
	return w;
}

/* Values: each reader takes a whole word. */

static bool number(struct word w, uint32_t min, uint32_t max, uint32_t *n)
{
	uint64_t v = 0;

	if (w.length == 0 || w.length > 10)
		return false;
	for (size_t i = 0; i < w.length; i++) {
		if (w.text[i] < '0' || w.text[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(w.text[i] - '0');
	}
	*n = (uint32_t)v;
	return v >= min && v <= max;
}

/* "1.5s", "200ms", "2m", "1h": milliseconds. */
static bool duration(struct word w, uint32_t *ms)
{
	static const struct {
		const char *name;
		uint32_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
	uint32_t whole, fraction = 0, ten = 1;
	struct word digits = {w.text, 0}, unit, parts;
	uint64_t v;

	while (digits.length < w.length && strchr("0123456789.", w.text[digits.length]))
		digits.length++;
	unit = (struct word){w.text + digits.length, w.length - digits.length};
	parts = digits;
	if (!number(cut(&parts, '.'), 0, TIME_MAX, &whole) || parts.length > 3 ||
	    (!empty(parts) && !number(parts, 0, 999, &fraction)))
		return false;
	for (size_t i = 0; i < parts.length; i++)
		ten *= 10;
	for (size_t i = 0; i < COUNT(units); i++) {
		if (!is(unit, units[i].name))
			continue;
		v = (uint64_t)whole * units[i].ms + (uint64_t)fraction * units[i].ms / ten;
		*ms = (uint32_t)v;
		return v <= TIME_MAX;
	}
	return false;
}

/* Returns the index of a name in a list that ends with NULL, or -1. */
static int choice(struct word w, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (is(w, names[i]))
			return i;
	return -1;
}

/* "30%", "2.5%": of a million. */
static bool share(struct word w, uint32_t *millionth)
{
	uint32_t whole, fraction = 0;
	struct word parts;

	if (w.length < 2 || w.text[w.length - 1] != '%')
		return false;
	w.length--;
	parts = w;
	if (!number(cut(&parts, '.'), 0, 100, &whole) || parts.length > 3 ||
	    (!empty(parts) && !number(parts, 0, 999, &fraction)))
		return false;
	for (size_t i = parts.length; i < 4; i++)
		fraction *= 10;
	*millionth = whole * 10000 + fraction;
	return *millionth > 0 && *millionth <= 1000000;
}

static bool value_none(struct word w, struct fault *f)
{
	(void)f;
	return empty(w);
}

static bool value_result(struct word w, struct fault *f)
{
	char name[40];
	uint32_t n;
	bool found = false;

	f->result[SIGHT_NATPMP] = f->result[SIGHT_PCP] = FAULT_NO_RESULT;
	if (number(w, 1, 255, &n)) {
		f->result[SIGHT_NATPMP] = f->result[SIGHT_PCP] = (uint16_t)n;
		return true;
	}
	if (w.length >= sizeof(name))
		return false;
	memcpy(name, w.text, w.length);
	name[w.length] = '\0';
	for (uint8_t i = 1; i < 255; i++) {
		if (strcmp(natpmp_result_name(i), name) == 0)
			f->result[SIGHT_NATPMP] = i;
		if (strcmp(pcp_result_name(i), name) == 0)
			f->result[SIGHT_PCP] = i;
	}
	found = f->result[SIGHT_NATPMP] != FAULT_NO_RESULT || f->result[SIGHT_PCP] != FAULT_NO_RESULT;
	return found && strcmp(name, "?") != 0;
}

static bool value_style(struct word w, struct fault *f)
{
	static const char *const names[] = {
	    [FAULT_STYLE_NATPMP] = "natpmp", [FAULT_STYLE_MISPRINT] = "misprint", [FAULT_STYLE_OPCODE] = "opcode",
	    [FAULT_STYLE_PCP1] = "pcp1",     [FAULT_STYLE_PCP] = "pcp",		  [FAULT_STYLE_PCP + 1] = NULL};
	int i = choice(w, names);

	f->style = i < 0 ? FAULT_STYLE_NATPMP : (enum fault_style)i;
	return i >= 0;
}

static bool value_port(struct word w, struct fault *f)
{
	return empty(w) || number(w, 1, UINT16_MAX, &f->number);
}

static bool value_source_port(struct word w, struct fault *f)
{
	return number(w, 1, UINT16_MAX, &f->number) && f->number != CODEC_SERVER_PORT;
}

static bool value_octets(struct word w, struct fault *f)
{
	return empty(w) || number(w, 1, 1400, &f->number);
}

static bool value_time(struct word w, struct fault *f)
{
	return duration(w, &f->time_ms);
}

static bool value_lifetime(struct word w, struct fault *f)
{
	return duration(w, &f->time_ms) && f->time_ms >= 1000;
}

static bool value_host(struct word w, struct fault *f)
{
	return empty(w) || (codec_address_parse(w.text, w.length, &f->address) && !codec_is_unspecified(&f->address));
}

static bool value_outside(struct word w, struct fault *f)
{
	f->address = in6addr_any;
	return is(w, "none") || (codec_address_parse(w.text, w.length, &f->address) && codec_is_v4(&f->address) &&
				 !codec_is_unspecified(&f->address));
}

static bool value_epoch(struct word w, struct fault *f)
{
	uint32_t n = 0;
	bool sign = !empty(w) && (*w.text == '-' || *w.text == '+');
	struct word digits = {w.text + sign, w.length - sign};

	if (is(w, "frozen")) {
		f->epoch = FAULT_EPOCH_FROZEN;
		return true;
	}
	if (!number(digits, 0, UINT32_MAX, &n))
		return false;
	f->epoch = sign ? FAULT_EPOCH_SHIFT : FAULT_EPOCH_SET;
	f->seconds = sign && *w.text == '-' ? -(int64_t)n : (int64_t)n;
	return true;
}

static bool value_restart(struct word w, struct fault *f)
{
	f->forget = is(w, "forget");
	return f->forget || empty(w) || is(w, "keep");
}

static bool value_lost(struct word w, struct fault *f)
{
	(void)f;
	return is(w, "lost");
}

static const struct row {
	const char *name;
	enum fault_when when;
	bool (*value)(struct word w, struct fault *f);
	const char *wants;
} rows[FAULT_KINDS] = {
    [FAULT_SILENCE] = {"silence", FAULT_OF_REQUESTS, value_none, "no value"},
    [FAULT_RESULT] = {"result", FAULT_OF_REQUESTS, value_result, "a result's name or number"},
    [FAULT_VERSION] = {"version", FAULT_OF_REQUESTS, value_style, "natpmp, misprint, opcode, pcp1 or pcp"},
    [FAULT_UNREACHABLE] = {"unreachable", FAULT_OF_REQUESTS, value_none, "no value"},
    [FAULT_PORT] = {"port", FAULT_OF_REQUESTS, value_port, "a port or nothing"},
    [FAULT_LIFETIME] = {"lifetime", FAULT_OF_REQUESTS, value_lifetime, "a time from 1s on"},
    [FAULT_MUTE] = {"mute", FAULT_OF_ANSWERS, value_none, "no value"},
    [FAULT_NONCE] = {"nonce", FAULT_OF_ANSWERS, value_none, "no value"},
    [FAULT_TRUNCATE] = {"truncate", FAULT_OF_ANSWERS, value_octets, "a number of octets or nothing"},
    [FAULT_LENGTHEN] = {"lengthen", FAULT_OF_ANSWERS, value_octets, "a number of octets or nothing"},
    [FAULT_GARBAGE] = {"garbage", FAULT_OF_ANSWERS, value_none, "no value"},
    [FAULT_SPOOF] = {"spoof", FAULT_OF_ANSWERS, value_host, "an address or nothing"},
    [FAULT_TWICE] = {"twice", FAULT_OF_ANSWERS, value_none, "no value"},
    [FAULT_SOURCE] = {"source", FAULT_OF_ANSWERS, value_host, "an address or nothing"},
    [FAULT_SOURCE_PORT] = {"source-port", FAULT_OF_ANSWERS, value_source_port, "a port that is not 5351"},
    [FAULT_SLOW] = {"slow", FAULT_OF_ANSWERS, value_time, "a time such as 1.5s"},
    [FAULT_ANNOUNCE] = {"announce", FAULT_OF_ANNOUNCEMENTS, value_lost, "lost"},
    [FAULT_EPOCH] = {"epoch", FAULT_OF_GATEWAY, value_epoch, "+SECONDS, -SECONDS, SECONDS or frozen"},
    [FAULT_FORGE] = {"forge", FAULT_OF_GATEWAY, value_host, "an address or nothing"},
    [FAULT_RESTART] = {"restart", FAULT_OF_GATEWAY, value_restart, "keep, forget or nothing"},
    [FAULT_ADDRESS] = {"address", FAULT_OF_GATEWAY, value_outside, "an IPv4 address or none"},
};

/* "1,3-5" */
static bool which(struct word w, struct fault *f)
{
	while (!empty(w)) {
		struct word range = cut(&w, ','), first = cut(&range, '-');
		struct fault_range *r = &f->n[f->n_n];

		if (f->n_n == FAULT_RANGES || !number(first, 1, UINT32_MAX, &r->first))
			return false;
		r->last = r->first;
		if (!empty(range) && !number(range, r->first, UINT32_MAX, &r->last))
			return false;
		f->n_n++;
	}
	return f->n_n > 0;
}

static bool ops(struct word w, struct fault *f)
{
	static const char *const names[] = {
	    [SIGHT_ADDRESS] = "address", [SIGHT_MAP] = "map",		[SIGHT_PEER] = "peer",
	    [SIGHT_DELETE] = "delete",	 [SIGHT_ANNOUNCE] = "announce", [SIGHT_UNKNOWN] = NULL};

	while (!empty(w)) {
		int i = choice(cut(&w, ','), names);

		if (i < 0)
			return false;
		f->ops |= 1U << i;
	}
	return f->ops != 0;
}

/* What stands behind a fault. Returns what it should have been, or NULL. */
static const char *qualify(struct word name, struct word value, struct fault *f)
{
	static const char *const protocols[] = {"natpmp", "pcp", NULL};
	uint32_t ms = 0;
	int i;

	if (is(name, "n"))
		return which(value, f) ? NULL : "numbers from 1 on, such as 1,3-5";
	if (is(name, "every"))
		return number(value, 1, UINT32_MAX, &f->every) ? NULL : "a number from 1 on";
	if (is(name, "share"))
		return share(value, &f->share) ? NULL : "a share such as 30%";
	if (is(name, "op"))
		return ops(value, f) ? NULL : "some of address, map, peer, delete, announce";
	if (is(name, "protocol")) {
		i = choice(value, protocols);
		f->protocol_set = i >= 0;
		f->protocol = i < 0 ? SIGHT_OTHER : (enum sight_protocol)i;
		return i >= 0 ? NULL : "natpmp or pcp";
	}
	if (is(name, "client")) {
		f->client_set = true;
		return codec_address_parse(value.text, value.length, &f->client) ? NULL : "an address";
	}
	if (is(name, "at") || is(name, "for")) {
		if (!duration(value, &ms))
			return "a time such as 1.5s";
		*(is(name, "at") ? &f->at_ms : &f->for_ms) = ms;
		return NULL;
	}
	if (is(name, "hold") && f->kind == FAULT_RESULT) {
		if (!duration(value, &ms))
			return "a time such as 30s";
		f->hold_s = ms / 1000;
		return NULL;
	}
	if (is(name, "down") && f->kind == FAULT_RESTART)
		return duration(value, &f->down_ms) ? NULL : "a time such as 1.5s";
	return "";
}

static bool fail(char why[FAULT_WHY], struct word w, const char *must, const char *what)
{
	snprintf(why, FAULT_WHY, "%.*s: %s%s", w.length > 60 ? 60 : (int)w.length, w.text, must, what);
	return false;
}

static bool kind(struct word word, struct fault *f, char why[FAULT_WHY])
{
	struct word value = word, name = cut(&value, '=');
	for (int i = 0; i < FAULT_KINDS; i++) {
		if (!is(name, rows[i].name))
			continue;
		f->kind = (enum fault_kind)i;
		f->given = !empty(value);
		if (rows[i].value(value, f))
			return true;
		return fail(why, word, "this fault takes ", rows[i].wants);
	}
	return fail(why, word, "there is no such fault", "");
}

bool fault_parse(const char *text, struct fault *f, char why[FAULT_WHY])
{
	struct word rest = {text, strcspn(text, "#\r\n")}, word;
	bool named = false;

	*f = (struct fault){.for_ms = FAULT_ALWAYS, .hold_s = HOLD_S};
	while (word = next(&rest), !empty(word)) {
		struct word value, name;
		const char *wants;

		if (memchr(word.text, '"', word.length) || memchr(word.text, '\\', word.length))
			return fail(why, word, "no quotes, please", "");
		if (!named) {
			if (!kind(word, f, why))
				return false;
			named = true;
			continue;
		}
		value = word;
		name = cut(&value, '=');
		wants = qualify(name, value, f);
		if (!wants)
			continue;
		if (!*wants)
			return fail(why, word, "means nothing behind this fault", "");
		return fail(why, word, "must be ", wants);
	}
	return named || fail(why, (struct word){text, 0}, "which fault?", "");
}

const char *fault_name(enum fault_kind kind)
{
	return rows[kind].name;
}

enum fault_when fault_when(enum fault_kind kind)
{
	return rows[kind].when;
}

bool fault_fits(const struct fault *f, const struct sight *s, const struct in6_addr *client)
{
	if (f->ops && !(f->ops & 1U << s->op))
		return false;
	if (f->protocol_set && f->protocol != s->protocol)
		return false;
	if (f->client_set && memcmp(&f->client, client, sizeof(*client)) != 0)
		return false;
	switch (f->kind) {
	case FAULT_RESULT:
		return s->protocol != SIGHT_OTHER && f->result[s->protocol] != FAULT_NO_RESULT;
	case FAULT_VERSION:
		return s->protocol == (f->style == FAULT_STYLE_PCP ? SIGHT_NATPMP : SIGHT_PCP);
	case FAULT_NONCE:
		return s->protocol == SIGHT_PCP && (s->op == SIGHT_MAP || s->op == SIGHT_PEER || s->op == SIGHT_DELETE);
	case FAULT_PORT:
	case FAULT_LIFETIME:
		return s->op == SIGHT_MAP || s->op == SIGHT_PEER;
	default:
		return true;
	}
}
