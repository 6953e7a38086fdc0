/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the pure layers use of cmocka, and what it prints, for a machine that there is a compiler for, but no
 * library but C's. Included once per program, as those of cmocka are linked with it once. */
#ifndef TESTS_ALONE_CMOCKA_H
#define TESTS_ALONE_CMOCKA_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*test)(void **state);
	int (*setup)(void **state), (*teardown)(void **state);
};

enum alone_end { ALONE_OK, ALONE_FAILED, ALONE_SKIPPED };

static jmp_buf alone_out;

static inline void __attribute__((noreturn)) alone_fail(const char *what, const char *file, int line)
{
	printf("%s\n%s:%d: error: Failure!\n", what, file, line);
	longjmp(alone_out, ALONE_FAILED);
}

static inline void alone_numbers(int good, uintmax_t a, const char *what, uintmax_t b, const char *file, int line)
{
	if (good)
		return;
	printf("%#jx is not %s %#jx: ", a, what, b);
	alone_fail("", file, line);
}

/* cmocka, too, compares whatever it is as the largest unsigned number. */
#define alone_compare(a, op, what, b)                                                                                  \
	do {                                                                                                           \
		const uintmax_t alone_a = (uintmax_t)(a), alone_b = (uintmax_t)(b);                                    \
		alone_numbers(alone_a op alone_b, alone_a, what, alone_b, __FILE__, __LINE__);                         \
	} while (0)
#define assert_int_equal(a, b)	   alone_compare(a, ==, "", b)
#define assert_int_not_equal(a, b) alone_compare(a, !=, "other than", b)
#define assert_in_range(v, low, high)                                                                                  \
	do {                                                                                                           \
		const uintmax_t alone_v = (uintmax_t)(v);                                                              \
		alone_compare(alone_v, >=, "at least", low);                                                           \
		alone_compare(alone_v, <=, "at most", high);                                                           \
	} while (0)
#define assert_ptr_equal(a, b)	   alone_compare((uintptr_t)(a), ==, "", (uintptr_t)(b))
#define assert_ptr_not_equal(a, b) alone_compare((uintptr_t)(a), !=, "other than", (uintptr_t)(b))
#define assert_true(v)                                                                                                 \
	do {                                                                                                           \
		if (!(v))                                                                                              \
			alone_fail(#v, __FILE__, __LINE__);                                                            \
	} while (0)
#define assert_false(v)			 assert_true(!(v))
#define assert_non_null(v)		 assert_true((v) != NULL)
#define assert_null(v)			 assert_true((v) == NULL)
#define assert_memory_equal(a, b, n)	 assert_true(memcmp(a, b, n) == 0)
#define assert_memory_not_equal(a, b, n) assert_true(memcmp(a, b, n) != 0)
#define assert_string_equal(a, b)                                                                                      \
	do {                                                                                                           \
		const char *alone_a = (a), *alone_b = (b);                                                             \
		if (strcmp(alone_a, alone_b)) {                                                                        \
			printf("\"%s\" != \"%s\": ", alone_a, alone_b);                                                \
			alone_fail("", __FILE__, __LINE__);                                                            \
		}                                                                                                      \
	} while (0)
#define print_message printf
#define fail()	      alone_fail("", __FILE__, __LINE__)
#define fail_msg(...)                                                                                                  \
	do {                                                                                                           \
		printf(__VA_ARGS__);                                                                                   \
		alone_fail("", __FILE__, __LINE__);                                                                    \
	} while (0)
#define skip() longjmp(alone_out, ALONE_SKIPPED)

static inline enum alone_end alone_run(const struct CMUnitTest *t)
{
	void *state = NULL;
	volatile int end;

	if (t->setup && t->setup(&state))
		return ALONE_FAILED;
	end = setjmp(alone_out);
	if (end == ALONE_OK)
		t->test(&state);
	if (t->teardown && t->teardown(&state))
		return ALONE_FAILED;
	return (enum alone_end)end;
}

static inline int alone_run_all(const struct CMUnitTest *tests, size_t n)
{
	static const char *const marks[] = {"       OK ", "  FAILED  ", "  SKIPPED "};
	static const char *const ends[] = {"  PASSED  ", "  FAILED  ", "  SKIPPED "};
	size_t count[3] = {0};

	for (size_t i = 0; i < n; i++) {
		enum alone_end end;

		printf("[ RUN      ] %s\n", tests[i].name);
		end = alone_run(&tests[i]);
		count[end]++;
		printf("[%s] %s\n", marks[end], tests[i].name);
	}
	for (size_t i = 0; i < 3; i++)
		if (i == ALONE_OK || count[i])
			printf("[%s] %zu test(s)%s\n", ends[i], count[i], i == ALONE_OK ? "." : ", listed above:");
	return (int)count[ALONE_FAILED];
}

#define cmocka_unit_test_setup_teardown(test, setup, teardown)                                                         \
	{                                                                                                              \
#test, test, setup, teardown                                                                           \
	}
#define cmocka_unit_test(test)			       cmocka_unit_test_setup_teardown(test, NULL, NULL)
#define cmocka_run_group_tests(tests, setup, teardown) alone_run_all(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
