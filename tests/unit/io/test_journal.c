/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal.h"

#include "tests/unit/io/journal_bed.h"

#include "tests/unit/core/failmalloc.h"

static void test_everything_that_was_appended_is_there(void **state)
{
	struct stat st;

	(void)state;
	bed.due[7] = 70;
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(bed_is_whole(bed.path));
	assert_int_equal(bed_read(bed.path).records, 3);
	assert_false(bed_read(bed.path).clean);
	bed_put(8, 80);
	assert_true(bed_is_whole(bed.path));
	bed_put(7, 0);
	bed_put(8, 81);
	assert_true(bed_is_whole(bed.path));
	assert_int_equal(bed_stats().appended, 3 * RECORD_SIZE);
	assert_int_equal(bed_stats().octets, 6 * RECORD_SIZE);
	bed_close();
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_read(bed.path).clean);
	assert_true(bed_read(bed.path).same_boot);
	/* the next start makes an unclean one of it before it answers */
	bed_open(CONF_SYNC_NONE);
	assert_true(bed_is_whole(bed.path));
	assert_false(bed_read(bed.path).clean);
	assert_int_equal(bed_files(), 1);
}

static void test_one_write_for_one_round(void **state)
{
	uint8_t octets[64 * RECORD_SIZE];
	unsigned calls;

	(void)state;
	bed_open(CONF_SYNC_NONE);
	calls = fail_pwrite.calls;
	for (uint16_t i = 0; i < 64; i++) {
		struct record r = bed_record(i, bed.due[i] = 100U + i);

		record_put(&r, octets + i * RECORD_SIZE, RECORD_SIZE);
	}
	journal_append(bed.j, octets, sizeof(octets));
	journal_append(bed.j, octets, 0);
	assert_int_equal(fail_pwrite.calls, calls + 1);
	assert_true(bed_is_whole(bed.path));
}

static void test_state(void **state)
{
	struct journal_past past;

	(void)state;
	bed.natpmp.origin_ms = -5;
	bed.pcp.origin_ms = 6;
	bed_open(CONF_SYNC_NONE);
	past = bed_read(bed.path);
	assert_true(past.state.natpmp.origin_ms == -5 && past.state.pcp.origin_ms == 6);
	assert_true(past.state.boot_ms <= bed_clock(CLOCK_BOOTTIME));
	assert_true(past.state.boot_ms + 10000 > bed_clock(CLOCK_BOOTTIME));
	assert_true(past.state.wall_ms <= bed_clock(CLOCK_REALTIME));
	bed.pcp.origin_ms = 7;
	journal_state(bed.j);
	past = bed_read(bed.path);
	assert_true(past.state.natpmp.origin_ms == -5 && past.state.pcp.origin_ms == 7);
	bed_close();
	past = bed_read(bed.path);
	assert_true(past.clean && past.state.pcp.origin_ms == 7);
}

static void test_sync_always(void **state)
{
	unsigned calls;

	(void)state;
	bed_open(CONF_SYNC_ALWAYS);
	calls = fail_sync.calls;
	bed_put(1, 10);
	assert_int_equal(fail_sync.calls, calls + 1);
	bed_put(1, 11);
	assert_int_equal(fail_sync.calls, calls + 2);
}

static unsigned syncs_wanted;

static bool synced(void)
{
	return bed_stats().syncs >= syncs_wanted;
}

/* Nothing is forced to the disk unless there is something, and then it is done off the loop. */
static void test_sync_interval(void **state)
{
	uint64_t before = bed_clock(CLOCK_BOOTTIME);
	unsigned calls;

	(void)state;
	bed_open(CONF_SYNC_INTERVAL);
	calls = fail_sync.calls;
	bed_put(1, 10);
	bed_put(2, 20);
	assert_int_equal(fail_sync.calls, calls);
	syncs_wanted = 1;
	assert_true(bed_until(synced));
	assert_int_equal(fail_sync.calls, calls + 1);
	assert_true(bed_clock(CLOCK_BOOTTIME) >= before + 4900);
}

static void test_sync_of_none(void **state)
{
	unsigned calls;

	(void)state;
	bed_open(CONF_SYNC_NONE);
	calls = fail_sync.calls;
	assert_true(calls >= 1); /* that the last start ended in order must not be believed after a power failure */
	bed_put(1, 10);
	assert_int_equal(fail_sync.calls, calls);
	bed_close();
	assert_int_equal(fail_sync.calls, calls + 1);
}

static bool moved(void)
{
	return bed_caught_up() && access(bed.path, F_OK) < 0;
}

static void test_reload_to_another_path(void **state)
{
	(void)state;
	strcpy(bed.path, bed.other);
	bed_open(CONF_SYNC_NONE);
	bed_close();
	snprintf(bed.path, sizeof(bed.path), "%s/leases.journal", bed.directory);
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_ALWAYS), 0);
	assert_int_equal(bed_stats().rewritten, 1);
	assert_int_equal(journal_reload(bed.j, bed.other, CONF_SYNC_ALWAYS), 0);
	assert_true(bed_stats().behind);
	/* an old one there is not taken for ours */
	assert_int_equal(bed_read(bed.other).found, JOURNAL_PART);
	bed_put(2, 20);
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_until(moved));
	assert_true(bed_is_whole(bed.other));
	bed_put(3, 30);
	assert_true(bed_is_whole(bed.other));
	bed_close();
	assert_true(bed_read(bed.other).clean);
	assert_int_equal(bed_files(), 1);
}

/* The end comes before it got there. */
static void test_reload_and_end(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	assert_int_equal(journal_reload(bed.j, bed.other, CONF_SYNC_NONE), 0);
	bed_close();
	assert_true(bed_is_whole(bed.other));
	assert_true(bed_read(bed.other).clean);
	assert_int_equal(bed_files(), 1);
}

static void test_own(void **state)
{
	char why[256] = "";
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	/* a directory that is made here goes with the file */
	snprintf(bed.path, sizeof(bed.path), "%s/made/leases.journal", bed.directory);
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(journal_own(bed.j, 1234, 1235, why, sizeof(why)), 0);
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 1235);
	*strrchr(bed.path, '/') = '\0';
	assert_int_equal(stat(bed.path, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_mode & 07777, 0750);
	bed_close();
	bed_empty(bed.path);
	/* another does not, and it is said what that means */
	snprintf(bed.path, sizeof(bed.path), "%s/leases.journal", bed.directory);
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(journal_own(bed.j, 1234, 1235, why, sizeof(why)), -EACCES);
	assert_non_null(strstr(why, "chown 1234 /tmp/natpcpd-test-"));
	assert_int_equal(chown(bed.directory, 1234, (gid_t)-1), 0);
	assert_int_equal(journal_own(bed.j, 1234, 1235, why, sizeof(why)), 0);
	assert_int_equal(chown(bed.directory, 0, (gid_t)-1), 0);
	assert_int_equal(stat(bed.directory, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

static void test_remove(void **state)
{
	char link_to_it[160];

	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	snprintf(link_to_it, sizeof(link_to_it), "%s/second", bed.directory);
	assert_int_equal(link(bed.path, link_to_it), 0);
	journal_remove(bed.j);
	bed.j = NULL;
	assert_int_equal(bed_files(), 1);
	/* what a loss of power might leave is not believed */
	assert_int_equal(bed_read(link_to_it).found, JOURNAL_PART);
	/* another's file is left alone */
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(rename(link_to_it, bed.path), 0);
	journal_remove(bed.j);
	bed.j = NULL;
	assert_int_equal(bed_files(), 1);
	journal_remove(NULL);
	journal_close(NULL);
}

/* The file says whether it was on the disk before it was answered, and says so on the disk. */
static void test_reload_to_another_sync(void **state)
{
	unsigned calls;

	(void)state;
	bed_open(CONF_SYNC_ALWAYS);
	assert_true(bed_read(bed.path).state.always);
	calls = fail_sync.calls;
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_NONE), 0);
	assert_false(bed_read(bed.path).state.always);
	assert_int_equal(fail_sync.calls, calls + 1);
	bed_put(1, 10);
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_NONE), 0);
	assert_int_equal(fail_sync.calls, calls + 1);
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_ALWAYS), 0);
	assert_true(bed_read(bed.path).state.always);
	assert_int_equal(fail_sync.calls, calls + 2);
}

/* Before the first record that is dated by it. */
static void test_wall_clock_that_is_set(void **state)
{
	uint64_t records;

	(void)state;
	bed_open(CONF_SYNC_NONE);
	records = bed_stats().records;
	bed_put(1, 10);
	assert_int_equal(bed_stats().records, records + 1);
	bed_wall_ms = 5000;
	bed_put(1, 11);
	assert_int_equal(bed_stats().records, records + 3);
	assert_true(bed_is_whole(bed.path));
	bed_put(1, 12);
	bed_wall_ms += 500;
	bed_put(1, 13);
	assert_int_equal(bed_stats().records, records + 5);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	int end = -ENOMEM;
	long n;

	(void)state;
	for (n = 1; end || bed_stats().behind; n++) {
		if (bed.j)
			bed_close();
		assert_true(n < 100);
		failmalloc_in = n;
		end = journal_open(&bed.j, bed.loop, bed.path, CONF_SYNC_NONE, bed_boot, &bed_source);
		failmalloc_in = 0;
		assert_true(end == 0 || end == -ENOMEM);
		if (end)
			bed.j = NULL;
	}
	assert_true(n > 2); /* one that failed, and all went well */
	failmalloc_in = 1;
	assert_int_equal(journal_reload(bed.j, bed.other, CONF_SYNC_NONE), -ENOMEM);
	failmalloc_in = 0;
	bed_put(1, 10);
	assert_true(bed_is_whole(bed.path));
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED_TEST(test_everything_that_was_appended_is_there),
		BED_TEST(test_one_write_for_one_round),
		BED_TEST(test_state),
		BED_TEST(test_sync_always),
		BED_TEST(test_sync_interval),
		BED_TEST(test_sync_of_none),
		BED_TEST(test_reload_to_another_path),
		BED_TEST(test_reload_and_end),
		BED_TEST(test_own),
		BED_TEST(test_remove),
		BED_TEST(test_reload_to_another_sync),
		BED_TEST(test_wall_clock_that_is_set),
#if FAILMALLOC
		BED_TEST(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
