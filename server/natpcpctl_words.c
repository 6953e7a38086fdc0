/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const struct unit {
	uint64_t seconds;
	const char *name;
	char letter;
} units[] = {{86400, "day", 'd'}, {3600, "hour", 'h'}, {60, "minute", 'm'}, {1, "second", 's'}};

enum { UNITS = sizeof(units) / sizeof(units[0]) };

/* The largest unit that there is one of. */
static size_t largest(uint64_t seconds)
{
	size_t i = 0;

	while (i + 1 < UNITS && seconds < units[i].seconds)
		i++;
	return i;
}

const char *words_count(uint64_t n, const char *what, char out[WORDS_MAX])
{
	snprintf(out, WORDS_MAX, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
	return out;
}

const char *words_duration(uint64_t seconds, char out[WORDS_MAX])
{
	char first[WORDS_MAX], second[WORDS_MAX];
	size_t i = largest(seconds);
	uint64_t rest = i + 1 < UNITS ? seconds % units[i].seconds / units[i + 1].seconds : 0;

	words_count(seconds / units[i].seconds, units[i].name, first);
	if (rest)
		snprintf(out, WORDS_MAX, "%.23s %.23s", first, words_count(rest, units[i + 1].name, second));
	else
		snprintf(out, WORDS_MAX, "%s", first);
	return out;
}

const char *words_short(uint64_t seconds, char out[WORDS_MAX])
{
	size_t i = largest(seconds);
	uint64_t rest = i + 1 < UNITS ? seconds % units[i].seconds / units[i + 1].seconds : 0;

	if (rest)
		snprintf(out, WORDS_MAX, "%" PRIu64 "%c%" PRIu64 "%c", seconds / units[i].seconds, units[i].letter,
			 rest, units[i + 1].letter);
	else
		snprintf(out, WORDS_MAX, "%" PRIu64 "%c", seconds / units[i].seconds, units[i].letter);
	return out;
}

const char *words_micro(uint64_t us, char out[WORDS_MAX])
{
	if (us < 1000)
		snprintf(out, WORDS_MAX, "%" PRIu64 " us", us);
	else if (us < 1000000)
		snprintf(out, WORDS_MAX, "%.1f ms", (double)us / 1e3);
	else
		snprintf(out, WORDS_MAX, "%.1f s", (double)us / 1e6);
	return out;
}

const char *words_time(double unix_s, char out[WORDS_MAX])
{
	time_t seconds = unix_s > 0 && unix_s < 1e12 ? (time_t)unix_s : 0;
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || !strftime(out, WORDS_MAX, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, WORDS_MAX, "?");
	return out;
}

uint64_t words_number(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

const char *words_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}
