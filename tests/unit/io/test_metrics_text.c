/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/metrics_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void same(struct grown *t, const char *wanted)
{
	assert_false(t->failed);
	assert_int_equal(t->n, strlen(wanted));
	assert_memory_equal(t->v, wanted, t->n);
	free(t->v);
	*t = (struct grown){0};
}

static void samples(void **state)
{
	static const char *const labels[] = {"rule", "a \"b\" \\ c\nd", "protocol", "tcp", NULL};
	struct grown t = {0};

	(void)state;
	metrics_one(&t, "x_total", "counter", "An x.", UINT64_MAX);
	same(&t,
	     "# HELP natpcpd_x_total An x.\n# TYPE natpcpd_x_total counter\nnatpcpd_x_total 18446744073709551615\n");
	metrics_sample(&t, "leases", labels, 0);
	same(&t, "natpcpd_leases{rule=\"a \\\"b\\\" \\\\ c\\nd\",protocol=\"tcp\"} 0\n");
}

static void has(const struct grown *t, const char *line)
{
	assert_non_null(memmem(t->v, t->n, line, strlen(line)));
}

static void histograms(void **state)
{
	struct histogram h = {0};
	struct grown t = {0};

	(void)state;
	histogram_add(&h, 15, 2);
	histogram_add(&h, 1500000, 1);
	histogram_add(&h, UINT64_C(20000000), 1);
	metrics_seconds(&t, "a_seconds", "A.", &h);
	has(&t, "# TYPE natpcpd_a_seconds histogram\nnatpcpd_a_seconds_bucket{le=\"0.000016\"} 2\n");
	has(&t, "natpcpd_a_seconds_bucket{le=\"1.048576\"} 2\nnatpcpd_a_seconds_bucket{le=\"2.097152\"} 3\n");
	has(&t, "natpcpd_a_seconds_bucket{le=\"8.388608\"} 3\nnatpcpd_a_seconds_bucket{le=\"+Inf\"} 4\n"
		"natpcpd_a_seconds_sum 21.500030\nnatpcpd_a_seconds_count 4\n");
	free(t.v);
	t = (struct grown){0};
	h = (struct histogram){0};
	histogram_add(&h, 1 - 1, 1);
	histogram_add(&h, 2 - 1, 1);
	histogram_add(&h, 3 - 1, 1);
	metrics_numbers(&t, "b", "B.", &h);
	has(&t, "natpcpd_b_bucket{le=\"1\"} 1\nnatpcpd_b_bucket{le=\"2\"} 2\nnatpcpd_b_bucket{le=\"4\"} 3\n");
	has(&t, "natpcpd_b_bucket{le=\"+Inf\"} 3\nnatpcpd_b_sum 6\nnatpcpd_b_count 3\n");
	free(t.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(samples), cmocka_unit_test(histograms)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
