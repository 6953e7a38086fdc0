/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a disk, an administrator and a limit can do to the journal: nothing on the disk claims to have what it lacks. */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/unit/io/journal_bed.h"

static void test_no_space(void **state)
{
	struct journal_stats s;

	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	fail_pwrite = (struct fault){.error = ENOSPC, .lasting = true};
	bed_put(2, 20);
	s = bed_stats();
	assert_true(s.behind);
	assert_int_equal(s.error, -ENOSPC);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_int_equal(bed_seen[1], 10);
	bed_put(3, 30);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	fail_pwrite.error = 0;
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	assert_int_equal(bed_stats().error, 0);
	bed_put(4, 40);
	assert_true(bed_is_whole(bed.path));
}

/* Ends while it lasts: what is left says that it is not whole. */
static void test_no_space_to_the_end(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	fail_pwrite = (struct fault){.error = EDQUOT, .lasting = true};
	bed_put(2, 20);
	bed_close();
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_false(bed_read(bed.path).clean);
	assert_int_equal(bed_seen[1], 10);
	assert_int_equal(bed_files(), 1);
}

/* There is room again when it ends. */
static void test_space_at_the_end(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	fail_pwrite = (struct fault){.error = EIO};
	bed_put(2, 20);
	assert_true(bed_stats().behind);
	bed_close();
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_read(bed.path).clean);
}

/* A part of a record that was written is taken back. */
static void test_short_write(void **state)
{
	(void)state;
	for (size_t part = 1; part < RECORD_SIZE; part += 19) {
		struct stat st;

		bed_open(CONF_SYNC_NONE);
		fail_pwrite = (struct fault){.error = ENOSPC, .part = part};
		bed_put(2, 20 + (uint32_t)part);
		assert_true(bed_stats().behind);
		assert_int_equal(stat(bed.path, &st), 0);
		assert_int_equal(st.st_size, bed_stats().octets);
		assert_int_equal(st.st_size % RECORD_SIZE, 0);
		bed_close();
		assert_true(bed_is_whole(bed.path));
	}
	bed_open(CONF_SYNC_NONE);
	fail_pwrite = (struct fault){.error = ENOSPC, .part = 7};
	bed_put(3, 30);
	assert_true(bed_until(bed_caught_up));
	/* nor can it be taken back: it says so */
	fail_pwrite = (struct fault){.error = ENOSPC, .part = 50};
	fail_truncate = (struct fault){.error = EIO};
	bed_put(4, 40);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* The header cannot be written either: nothing is left that could be believed. */
static void test_no_mark(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	fail_pwrite = (struct fault){.error = EIO, .lasting = true};
	fail_header_error = EIO;
	bed_put(2, 20);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_NONE);
	assert_int_equal(access(bed.path, F_OK), 0);
	fail_pwrite.error = fail_header_error = 0;
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));

	fail_pwrite = (struct fault){.error = EIO, .lasting = true};
	fail_header_error = EIO;
	fail_truncate = (struct fault){.error = EIO, .lasting = true};
	bed_put(3, 30);
	assert_int_equal(access(bed.path, F_OK), -1);
	fail_pwrite.error = fail_header_error = fail_truncate.error = 0;
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* A disk that did not take what it was given may have lost any of it. */
static void test_sync_that_fails(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_ALWAYS);
	fail_sync = (struct fault){.error = EIO};
	bed_put(1, 10);
	assert_true(bed_stats().behind);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	bed_put(1, 11);
	fail_sync = (struct fault){.error = EIO};
	bed_close();
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
}

static bool behind(void)
{
	return bed_stats().behind;
}

static void test_sync_that_fails_off_the_loop(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(journal_reload(bed.j, bed.path, CONF_SYNC_INTERVAL), 0);
	bed_put(1, 10);
	fail_sync = (struct fault){.error = EIO};
	assert_true(bed_until(behind));
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* Tried again after 1 s, 2 s, ... */
static unsigned failures_wanted;

static bool failed_enough(void)
{
	return bed_stats().failures >= failures_wanted;
}

static void test_waits(void **state)
{
	uint64_t begin = bed_clock(CLOCK_BOOTTIME);

	(void)state;
	bed_open(CONF_SYNC_NONE);
	fail_pwrite = (struct fault){.error = ENOSPC, .lasting = true};
	bed_put(1, 10);
	assert_int_equal(bed_stats().failures, 1);
	bed.due[2] = 1; /* for the new file to fail on */
	failures_wanted = 3;
	assert_true(bed_until(failed_enough));
	assert_true(bed_clock(CLOCK_BOOTTIME) - begin >= 2990);
	fail_pwrite.error = 0;
}

static void test_cannot_be_begun(void **state)
{
	(void)state;
	/* whatever the last one left there: it is not believed while it is not replaced */
	bed_open(CONF_SYNC_NONE);
	bed_close();
	assert_int_equal(bed_read(bed.path).found, JOURNAL_WHOLE);
	bed.due[1] = 10;
	fail_pwrite = (struct fault){.error = ENOSPC, .lasting = true};
	bed_open(CONF_SYNC_NONE);
	assert_true(bed_stats().behind);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_int_equal(bed_files(), 1);
	bed_put(2, 20);
	fail_pwrite.error = 0;
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	bed_close();

	/* and if it cannot be marked it goes */
	fail_pwrite = (struct fault){.error = ENOSPC, .lasting = true};
	fail_truncate = (struct fault){.error = EIO, .lasting = true};
	fail_header_error = EIO;
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(bed_files(), 0);
	fail_header_error = fail_pwrite.error = fail_truncate.error = 0;
}

static void test_directory_in_its_place(void **state)
{
	(void)state;
	assert_int_equal(mkdir(bed.path, 0700), 0);
	bed_open(CONF_SYNC_NONE);
	assert_true(bed_stats().behind);
	bed_put(1, 10);
	assert_int_equal(bed_files(), 1);
	assert_int_equal(rmdir(bed.path), 0);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* A link is replaced, what it points to is not touched. */
static void test_symbolic_link(void **state)
{
	struct stat st;
	FILE *f = fopen(bed.other, "w");

	(void)state;
	fputs("mine", f);
	fclose(f);
	assert_int_equal(symlink(bed.other, bed.path), 0);
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	assert_true(bed_is_whole(bed.path));
	assert_int_equal(stat(bed.other, &st), 0);
	assert_int_equal(st.st_size, 4);
}

static struct loop_event *pulse;

static void beat(void *context)
{
	(void)context;
	bed_put(2, bed.due[2] + 1);
	loop_timer_set(pulse, loop_now_ms(bed.loop) + 20);
}

/* Records come until it is noticed. */
static bool noticed(void)
{
	bool yes;

	pulse = loop_timer(bed.loop, beat, NULL);
	loop_timer_set(pulse, 0);
	yes = bed_until(behind);
	loop_forget(pulse);
	return yes;
}

static void test_file_that_is_removed(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	unlink(bed.path);
	assert_true(noticed());
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	bed_put(3, 30);
	assert_true(bed_is_whole(bed.path));
}

/* An older copy was put in its place: it claims to be whole. */
static void test_file_that_is_replaced(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	bed_close();
	assert_int_equal(rename(bed.path, bed.other), 0);
	bed_open(CONF_SYNC_NONE);
	bed_put(1, 10);
	assert_int_equal(rename(bed.other, bed.path), 0);
	assert_true(noticed());
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	/* the end looks, too */
	unlink(bed.path);
	bed_close();
	assert_true(bed_is_whole(bed.path));
	assert_true(bed_read(bed.path).clean);
}

static void test_directory_that_vanished(void **state)
{
	(void)state;
	bed_open(CONF_SYNC_NONE);
	unlink(bed.path);
	assert_int_equal(rmdir(bed.directory), 0);
	assert_true(noticed());
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	bed_close();
	/* nor is one made above that */
	snprintf(bed.path, sizeof(bed.path), "%s/a/b/journal", bed.directory);
	bed_open(CONF_SYNC_NONE);
	assert_true(bed_stats().behind);
	assert_int_equal(bed_stats().error, -ENOENT);
}

/* A limit that the kernel keeps: EFBIG after a short write, with a signal that is ignored as main() does. */
static void test_limit_of_size(void **state)
{
	struct rlimit before, now;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	now = before;
	now.rlim_cur = 100 * RECORD_SIZE + 33;
	bed_open(CONF_SYNC_NONE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	for (uint16_t i = 0; i < 98; i++)
		bed_put(i, 100U + i);
	assert_false(bed_stats().behind);
	bed_put(98, 198);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(bed_stats().behind);
	assert_int_equal(bed_stats().error, -EFBIG);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	assert_int_equal(bed_read(bed.path).records, 100);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
}

/* A file system that is full, and has room again. */
static void test_full_disk(void **state)
{
	char ballast[160] = "";
	int fd;

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", bed.directory, "tmpfs", 0, "size=256k") < 0)
		skip();
	bed_open(CONF_SYNC_INTERVAL);
	snprintf(ballast, sizeof(ballast), "%s/ballast", bed.directory);
	fd = open(ballast, O_WRONLY | O_CREAT, 0600);
	while (write(fd, ballast, sizeof(ballast)) > 0)
		;
	close(fd);
	for (uint32_t i = 0; i < 2000; i++)
		bed_put((uint16_t)(i % 50), i + 1);
	assert_true(bed_stats().behind);
	assert_int_equal(bed_read(bed.path).found, JOURNAL_PART);
	unlink(ballast);
	assert_true(bed_until(bed_caught_up));
	assert_true(bed_is_whole(bed.path));
	bed_close();
	assert_true(bed_is_whole(bed.path));
	assert_int_equal(umount2(bed.directory, MNT_DETACH), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BED_TEST(test_no_space),
	    BED_TEST(test_no_space_to_the_end),
	    BED_TEST(test_space_at_the_end),
	    BED_TEST(test_short_write),
	    BED_TEST(test_no_mark),
	    BED_TEST(test_sync_that_fails),
	    BED_TEST(test_sync_that_fails_off_the_loop),
	    BED_TEST(test_waits),
	    BED_TEST(test_cannot_be_begun),
	    BED_TEST(test_directory_in_its_place),
	    BED_TEST(test_symbolic_link),
	    BED_TEST(test_file_that_is_removed),
	    BED_TEST(test_file_that_is_replaced),
	    BED_TEST(test_directory_that_vanished),
	    BED_TEST(test_limit_of_size),
	    BED_TEST(test_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
