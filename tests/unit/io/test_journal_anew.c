/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal written anew, and that a crash at any moment leaves a file with everything. */
#include "server/io/journal.h"

#include "tests/unit/io/journal_bed.h"

#include "tests/unit/core/failmalloc.h"

static unsigned slices_wanted;

static bool rewritten(void)
{
	return bed_stats().rewritten >= 2;
}

/* So many that it begins to be written anew. */
static void fill(void)
{
	struct journal_stats s = bed_stats();

	for (uint64_t i = s.records; i <= 2 * s.live + 8192; i++)
		bed_put((uint16_t)(i % 3000), (uint32_t)i + 1);
}

static unsigned meanwhile; /* records appended by the load */

/* Between any two events of the loop the file at its place has everything that was appended. */
static bool rewritten_under_load(void)
{
	static uint16_t port;

	meanwhile++;
	port = (uint16_t)(port * 31 + 7);
	bed_put(port % 3000, port % 5 ? 1000U + port : 0);
	if (!bed_is_whole(bed.path))
		return true;
	return rewritten();
}

static void test_anew(void **state)
{
	struct journal_stats s;

	(void)state;
	bed.at_once = 64;
	bed_open(CONF_SYNC_NONE);
	fill();
	meanwhile = 0;
	assert_int_equal(bed_stats().rewritten, 1);
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_ALWAYS), 0);
	assert_true(bed_until(rewritten_under_load));
	s = bed_stats();
	assert_int_equal(s.rewritten, 2);
	assert_false(s.behind);
	assert_true(bed_is_whole(bed.path));
	assert_true(s.records <= 3002 + meanwhile); /* the leases, a header and a state, and the load */
	assert_true(s.live >= 2000);
	assert_int_equal(bed_files(), 1);
	bed_put(9, 90);
	assert_true(bed_is_whole(bed.path));
	bed_close();
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_read(bed.path).clean);
}

static unsigned times_wanted;

static bool rewritten_so_often(void)
{
	return bed_stats().rewritten >= times_wanted;
}

/* A home with 100 leases: a renewal costs its record and hardly more, and the file does not grow for ever. */
static void test_flash(void **state)
{
	enum { LEASES = 100, RENEWALS = 30000, RECORDS_MAX = 2 * (LEASES + 2) + 8192 + 1 };
	uint64_t begin;

	(void)state;
	bed_open(CONF_SYNC_NONE);
	for (unsigned i = 0; i < LEASES; i++)
		bed_put((uint16_t)i, 1);
	begin = bed_written;
	for (unsigned i = 0; i < RENEWALS; i++) {
		bed_put((uint16_t)(i % LEASES), i + 2);
		assert_true(bed_stats().records <= RECORDS_MAX);
		if (bed_stats().records <= 2 * bed_stats().live + 8192)
			continue;
		times_wanted = bed_stats().rewritten + 1;
		assert_true(bed_until(rewritten_so_often));
	}
	assert_in_range(bed_stats().rewritten, 3, 5);
	assert_in_range(bed_written - begin, RENEWALS * RECORD_SIZE, RENEWALS * (RECORD_SIZE + 2));
	assert_true(bed_is_whole(bed.path));
}

static bool slices_enough(void)
{
	return bed.slices >= slices_wanted;
}

/* An end in the middle of it leaves the old file, with everything, and nothing beside it. */
static void test_end_while_it_is_written_anew(void **state)
{
	(void)state;
	for (unsigned stop = 1; stop < 12; stop++) {
		bed.at_once = 400;
		bed_open(CONF_SYNC_INTERVAL);
		fill();
		slices_wanted = bed.slices + stop;
		if (stop < 9)
			assert_true(bed_until(slices_enough));
		else
			assert_true(bed_until(rewritten));
		bed_put(5, stop);
		bed_close();
		assert_true(bed_is_whole(bed.path));
		assert_true(bed_read(bed.path).clean);
		assert_int_equal(bed_files(), 1);
	}
}

/* What a crash left beside it is removed. */
static void test_left_over(void **state)
{
	char beside[160];
	FILE *f;

	(void)state;
	snprintf(beside, sizeof(beside), "%s.new", bed.path);
	f = fopen(beside, "w");
	fputs("half", f);
	fclose(f);
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(bed_files(), 1);
	assert_true(bed_is_whole(bed.path));
}

static bool failed(void)
{
	return bed_stats().failures > 0 && bed_is_whole(bed.path);
}

/* Whatever fails of the new file: the old one goes on, whole, and the new one is made later. */
static void test_new_file_that_fails(void **state)
{
	struct fault *const faults[] = {&fail_sync, &fail_sync, &fail_rename, &fail_pwrite};
	static const unsigned after[] = {0, 1, 0, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		bed.at_once = 1000;
		bed_open(CONF_SYNC_NONE);
		fill();
		assert_int_equal(bed_files(), 2);
		*faults[i] = (struct fault){.error = EIO, .after = after[i]};
		assert_true(bed_until(failed));
		assert_false(bed_stats().behind);
		assert_int_equal(bed_stats().error, -EIO);
		assert_int_equal(bed_files(), 1);
		bed_put(17, 170);
		assert_true(bed_is_whole(bed.path));
		assert_true(bed_until(rewritten));
		assert_true(bed_is_whole(bed.path));
		assert_int_equal(bed_stats().error, 0);
		assert_int_equal(bed_files(), 1);
		bed_close();
	}
}

/* A record that the new file does not take, at any moment of its life. */
static void test_record_that_the_new_file_does_not_take(void **state)
{
	(void)state;
	for (unsigned moment = 1; moment < 7; moment++) {
		bed.at_once = 1000;
		bed_open(CONF_SYNC_ALWAYS);
		assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_NONE), 0);
		fill();
		assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_ALWAYS), 0);
		slices_wanted = bed.slices + moment;
		if (moment < 5)
			assert_true(bed_until(slices_enough));
		fail_pwrite = (struct fault){.error = ENOSPC, .after = 1}; /* after the old one's */
		bed_put(23, 5 + moment);
		assert_true(bed_is_whole(bed.path));
		assert_false(bed_stats().behind);
		assert_true(bed_until(rewritten));
		assert_true(bed_is_true(bed.path));
		assert_true(bed_until(bed_caught_up));
		assert_true(bed_is_whole(bed.path));
		bed_close();
	}
}

/* The old file fails while the new one is written: that has everything. */
static void test_record_that_the_old_file_does_not_take(void **state)
{
	(void)state;
	bed.at_once = 1000;
	bed_open(CONF_SYNC_NONE);
	fill();
	fail_pwrite = (struct fault){.error = ENOSPC};
	bed_put(23, 5);
	assert_true(bed_stats().behind);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	bed_put(24, 6);
	assert_true(bed_until(bed_caught_up));
	assert_int_equal(bed_stats().rewritten, 2);
	assert_true(bed_is_whole(bed.path));
}

static void begin_with_gate(unsigned *which, unsigned n)
{
	bed.at_once = 1000;
	bed_open(CONF_SYNC_NONE);
	fill();
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_ALWAYS), 0);
	*which = n;
	assert_true(bed_until_gate());
}

static bool another_failed(void)
{
	return bed_stats().failures > 0;
}

/* While the disk takes the new file that fails to take a record: it never gets the name. */
static void test_record_that_it_does_not_take_before_it_has_its_name(void **state)
{
	(void)state;
	begin_with_gate(&gate_sync, 1);
	fail_pwrite = (struct fault){.error = ENOSPC, .after = 1};
	bed_put(23, 5);
	assert_int_equal(bed_stats().failures, 0);
	sem_post(&gate_open);
	assert_true(bed_until(another_failed));
	assert_false(bed_stats().behind);
	assert_int_equal(bed_stats().rewritten, 1);
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_until(rewritten));
	assert_true(bed_is_whole(bed.path));
}

/* It has the name, though nobody knows yet. */
static void test_record_that_it_does_not_take_with_its_name(void **state)
{
	(void)state;
	begin_with_gate(&gate_rename, 1);
	bed_put(22, 4);
	assert_true(bed_is_whole(bed.path));
	fail_pwrite = (struct fault){.error = ENOSPC, .after = 1};
	bed_put(23, 5);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	bed_put(24, 6);
	assert_true(bed_is_true(bed.path));
	sem_post(&gate_open);
	assert_true(bed_until(another_failed));
	assert_true(bed_is_true(bed.path));
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* The disk does not take a record after the name was given. */
static void test_sync_that_fails_with_its_name(void **state)
{
	(void)state;
	begin_with_gate(&gate_rename, 1);
	fail_sync = (struct fault){.error = EIO, .after = 1};
	bed_put(23, 5);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	sem_post(&gate_open);
	assert_true(bed_until(another_failed));
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* The daemon ends there. */
static void test_end_with_its_name(void **state)
{
	(void)state;
	begin_with_gate(&gate_rename, 1);
	bed_put(23, 5);
	sem_post(&gate_open);
	bed_close();
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_read(bed.path).clean);
	assert_int_equal(bed_files(), 1);
}

static bool moved(void)
{
	return bed_caught_up() && access(bed.path, F_OK) < 0;
}

static void test_reload_meanwhile(void **state)
{
	(void)state;
	begin_with_gate(&gate_rename, 1);
	assert_int_equal(journal_reload(bed.j, bed.other, CONF_SYNC_NONE), 0);
	bed_put(23, 5);
	sem_post(&gate_open);
	assert_true(bed_until(moved));
	assert_true(bed_is_whole(bed.other));
	assert_int_equal(bed_files(), 1);
}

/* Something else stands where the new file is made. */
static void test_name_that_is_taken(void **state)
{
	char beside[160];

	(void)state;
	snprintf(beside, sizeof(beside), "%s.new", bed.path);
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(mkdir(beside, 0700), 0);
	fill();
	assert_int_equal(bed_stats().failures, 1);
	assert_false(bed_stats().behind);
	assert_true(bed_is_whole(bed.path));
	rmdir(beside);
	assert_true(bed_until(rewritten));
	assert_true(bed_is_whole(bed.path));
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	(void)state;
	for (long n = 1; n < 4; n++) {
		bed_open(CONF_SYNC_NONE);
		failmalloc_in = n;
		fill();
		assert_int_equal(failmalloc_in, 0); /* it has failed */
		failmalloc_in = 0;
		assert_false(bed_stats().behind);
		assert_true(bed_is_whole(bed.path));
		assert_true(bed_until(rewritten));
		assert_true(bed_is_whole(bed.path));
		assert_int_equal(bed_files(), 1);
		bed_close();
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(test_anew),
		BED_TEST(test_flash),
		BED_TEST(test_end_while_it_is_written_anew),
		BED_TEST(test_left_over),
		BED_TEST(test_new_file_that_fails),
		BED_TEST(test_record_that_the_new_file_does_not_take),
		BED_TEST(test_record_that_the_old_file_does_not_take),
		BED_TEST(test_record_that_it_does_not_take_before_it_has_its_name),
		BED_TEST(test_record_that_it_does_not_take_with_its_name),
		BED_TEST(test_sync_that_fails_with_its_name),
		BED_TEST(test_end_with_its_name),
		BED_TEST(test_reload_meanwhile),
		BED_TEST(test_name_that_is_taken),
#if FAILMALLOC
		BED_TEST(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
