/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/verdict.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Changes are letters of mappings; a group is a run of the same digit. expected: '.' stays, 'x' falls. */
static const struct {
	const char *name, *mappings, *groups;
	size_t refused;
	const char *expected;
} rows[] = {
    {"alone", "abc", "123", 1, ".x."},
    {"first", "abc", "123", 0, "x.."},
    {"last", "abc", "123", 2, "..x"},
    {"its group before and behind", "abcde", "12223", 2, ".xxx."},
    {"all one group", "abc", "111", 1, "xxx"},
    {"later changes on the mapping", "abaca", "12345", 0, "x.x.x"},
    {"not earlier ones", "abaca", "12345", 2, "..x.x"},
    {"later ones with their groups", "abacde", "122334", 0, "xxx..."},
    {"and so on", "abbccd", "112233", 0, "xxxxxx"},
    {"a member's later change", "abcbd", "11234", 0, "xx.x."},
    {"the same number again is another group", "abcd", "1212", 0, "x..."},
};

static void table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct change c[8] = {0};
		size_t n = 0;

		for (; rows[i].mappings[n]; n++) {
			c[n].mapping.internal_port = (uint16_t)rows[i].mappings[n];
			c[n].group = (uint32_t)rows[i].groups[n];
		}
		verdict_refuse(c, n, rows[i].refused, -EEXIST);
		for (size_t j = 0; j < n; j++)
			if (c[j].verdict != (rows[i].expected[j] == 'x' ? -EEXIST : 0))
				fail_msg("%s: change %zu: verdict %d", rows[i].name, j, c[j].verdict);
	}
}

static void earlier_verdicts_stay(void **state)
{
	struct change c[3] = {{.group = 1}, {.group = 1, .verdict = -ENOSPC}, {.group = 1}};

	(void)state;
	verdict_refuse(c, 3, 2, -EEXIST);
	assert_int_equal(c[0].verdict, -EEXIST);
	assert_int_equal(c[1].verdict, -ENOSPC);
	assert_int_equal(c[2].verdict, -EEXIST);
}

static void sameness(void **state)
{
	const struct mapping m = {.internal_port = 1, .external_port = 2, .protocol = 6, .kind = MAPPING_NAT};
	const struct mapping peer = {.external_port = 2, .remote_port = 53, .protocol = 6, .kind = MAPPING_NAT};
	struct mapping other = m;

	(void)state;
	assert_true(verdict_same_mapping(&m, &other));
	other.internal_address.s6_addr[15] = 1;
	assert_true(verdict_same_external(&m, &other));
	assert_false(verdict_same_internal(&m, &other));
	assert_false(verdict_same_mapping(&m, &other));
	other = m;
	other.external_port = 3;
	assert_false(verdict_same_external(&m, &other));
	assert_true(verdict_same_internal(&m, &other));
	other = m;
	other.protocol = 17;
	assert_false(verdict_same_external(&m, &other) || verdict_same_internal(&m, &other));
	other = m;
	other.kind = MAPPING_PINHOLE;
	assert_false(verdict_same_external(&m, &other) || verdict_same_internal(&m, &other));
	other = m;
	other.remote_port = 53;
	assert_false(verdict_same_external(&m, &other) || verdict_same_internal(&m, &other));
	other = peer;
	assert_true(verdict_same_mapping(&peer, &other));
	other.remote_address.s6_addr[15] = 1;
	assert_false(verdict_same_external(&peer, &other) || verdict_same_internal(&peer, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table),
	    cmocka_unit_test(earlier_verdicts_stay),
	    cmocka_unit_test(sameness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
