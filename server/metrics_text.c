/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/metrics_text.h"

#include <inttypes.h>
#include <string.h>

enum {
	FIRST_US = 4, /* 16 us */
	LAST_US = 23, /* 8 s */
	LAST_NUMBER = 13,
};

void metrics_family(struct grown *t, const char *name, const char *type, const char *help)
{
	grown_format(t, "# HELP natpcpd_%s %s\n# TYPE natpcpd_%s %s\n", name, help, name, type);
}

static void label(struct grown *t, const char *key, const char *value)
{
	grown_format(t, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\n')
			grown_string(t, "\\n");
		else if (*value == '"' || *value == '\\')
			grown_format(t, "\\%c", *value);
		else
			grown_put(value, 1, t);
	}
	grown_string(t, "\"");
}

void metrics_sample(struct grown *t, const char *name, const char *const *labels, uint64_t value)
{
	grown_format(t, "natpcpd_%s", name);
	for (size_t i = 0; labels && labels[i]; i += 2) {
		grown_string(t, i ? "," : "{");
		label(t, labels[i], labels[i + 1]);
	}
	if (labels && labels[0])
		grown_string(t, "}");
	grown_format(t, " %" PRIu64 "\n", value);
}

void metrics_one(struct grown *t, const char *name, const char *type, const char *help, uint64_t value)
{
	metrics_family(t, name, type, help);
	metrics_sample(t, name, NULL, value);
}

static void seconds(struct grown *t, uint64_t us)
{
	grown_format(t, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

void metrics_seconds(struct grown *t, const char *name, const char *help, const struct histogram *h)
{
	metrics_family(t, name, "histogram", help);
	for (unsigned i = FIRST_US; i <= LAST_US; i++) {
		grown_format(t, "natpcpd_%s_bucket{le=\"", name);
		seconds(t, UINT64_C(1) << i);
		grown_format(t, "\"} %" PRIu64 "\n", histogram_below(h, i));
	}
	grown_format(t, "natpcpd_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nnatpcpd_%s_sum ", name, h->count, name);
	seconds(t, h->sum);
	grown_format(t, "\nnatpcpd_%s_count %" PRIu64 "\n", name, h->count);
}

void metrics_numbers(struct grown *t, const char *name, const char *help, const struct histogram *h)
{
	metrics_family(t, name, "histogram", help);
	for (unsigned i = 0; i <= LAST_NUMBER; i++)
		grown_format(t, "natpcpd_%s_bucket{le=\"%u\"} %" PRIu64 "\n", name, 1u << i, histogram_below(h, i));
	grown_format(
	    t, "natpcpd_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nnatpcpd_%s_sum %" PRIu64 "\nnatpcpd_%s_count %" PRIu64 "\n",
	    name, h->count, name, h->sum + h->count, name, h->count);
}
