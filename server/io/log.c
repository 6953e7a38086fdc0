/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "codec/codec.h"

static enum conf_log_level log_level = CONF_LOG_INFO;
static enum conf_log_target log_target = CONF_LOG_STDERR;

void log_open(enum conf_log_level level, enum conf_log_target target)
{
	if (target == CONF_LOG_SYSLOG && log_target != CONF_LOG_SYSLOG)
		openlog("natpcpd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	else if (target != CONF_LOG_SYSLOG && log_target == CONF_LOG_SYSLOG)
		closelog();
	log_level = level;
	log_target = target;
}

bool log_enabled(enum conf_log_level level)
{
	return level <= log_level;
}

static const char *level_name(enum conf_log_level level)
{
	switch (level) {
	case CONF_LOG_ERROR:
		return "error";
	case CONF_LOG_WARNING:
		return "warning";
	case CONF_LOG_INFO:
		return "info";
	case CONF_LOG_DEBUG:
		break;
	}
	return "debug";
}

static int level_priority(enum conf_log_level level)
{
	switch (level) {
	case CONF_LOG_ERROR:
		return LOG_ERR;
	case CONF_LOG_WARNING:
		return LOG_WARNING;
	case CONF_LOG_INFO:
		return LOG_INFO;
	case CONF_LOG_DEBUG:
		break;
	}
	return LOG_DEBUG;
}

/* Appends what fits; a cut line stays a line. */
static void put(struct log_line *l, const char *text, size_t n)
{
	size_t room = sizeof(l->text) - 1 - l->n;

	if (n > room)
		n = room;
	memcpy(l->text + l->n, text, n);
	l->n += n;
	l->text[l->n] = '\0';
}

static void put_string(struct log_line *l, const char *text)
{
	put(l, text, strlen(text));
}

static bool plain(const char *value)
{
	if (!*value)
		return false;
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p <= ' ' || *p == '"' || *p == '\\' || *p == '=' || *p == 0x7f)
			return false;
	}
	return true;
}

static void put_value(struct log_line *l, const char *value)
{
	char escaped[5];

	if (plain(value)) {
		put_string(l, value);
		return;
	}
	put_string(l, "\"");
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p == '"' || *p == '\\')
			snprintf(escaped, sizeof(escaped), "\\%c", *p);
		else if (*p < ' ' || *p == 0x7f)
			snprintf(escaped, sizeof(escaped), "\\x%02x", *p);
		else
			snprintf(escaped, sizeof(escaped), "%c", *p);
		put_string(l, escaped);
	}
	put_string(l, "\"");
}

static void put_key(struct log_line *l, const char *key)
{
	if (l->n)
		put_string(l, " ");
	put_string(l, key);
	put_string(l, "=");
}

void log_begin(struct log_line *l, enum conf_log_level level, const char *event)
{
	l->level = level;
	l->n = 0;
	l->text[0] = '\0';
	log_text(l, "event", event);
}

void log_text(struct log_line *l, const char *key, const char *value)
{
	if (!value)
		return;
	put_key(l, key);
	put_value(l, value);
}

void log_number(struct log_line *l, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	log_text(l, key, text);
}

void log_address(struct log_line *l, const char *key, const struct in6_addr *a)
{
	char text[CODEC_ADDRESS_TEXT];

	log_text(l, key, codec_address_text(a, text));
}

void log_endpoint(struct log_line *l, const char *key, const struct in6_addr *a, uint16_t port)
{
	char address[CODEC_ADDRESS_TEXT], text[CODEC_ADDRESS_TEXT + 9];

	codec_address_text(a, address);
	snprintf(text, sizeof(text), codec_is_v4(a) ? "%s:%u" : "[%s]:%u", address, port);
	log_text(l, key, text);
}

void log_protocol(struct log_line *l, const char *key, uint8_t protocol)
{
	const char *name = codec_protocol_name(protocol);

	if (name)
		log_text(l, key, name);
	else
		log_number(l, key, protocol);
}

void log_end(struct log_line *l)
{
	char line[LOG_LINE_MAX + 24];
	int n;
	ssize_t written;

	if (!log_enabled(l->level))
		return;
	if (log_target == CONF_LOG_SYSLOG) {
		syslog(level_priority(l->level), "%s", l->text);
		return;
	}
	n = snprintf(line, sizeof(line), "level=%s %s\n", level_name(l->level), l->text);
	/* one write a line, so that lines of several threads of output never mix; a log that is gone is no reason to stop */
	do
		written = write(STDERR_FILENO, line, (size_t)n);
	while (written < 0 && errno == EINTR);
}

void log_print(enum conf_log_level level, const char *event, const char *format, ...)
{
	struct log_line l;
	char why[LOG_LINE_MAX];
	va_list ap;

	if (!log_enabled(level))
		return;
	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	log_begin(&l, level, event);
	log_text(&l, "why", why);
	log_end(&l);
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t *suppressed)
{
	if (now_ms < l->next_ms) {
		l->suppressed++;
		return false;
	}
	if (suppressed)
		*suppressed = l->suppressed;
	l->suppressed = 0;
	l->next_ms = now_ms + LOG_QUIET_MS;
	return true;
}
