/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal_read.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

static const uint8_t boot[RECORD_BOOT_ID] = {1, 2, 3}, later[RECORD_BOOT_ID] = {4, 5, 6};

static char directory[64], path[96];
static uint8_t file[64 * 1024];
static size_t length;

static int setup(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/natpcpd-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/leases.journal", directory);
	length = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (unlink(path) < 0)
		rmdir(path);
	return rmdir(directory);
}

static void add(const struct record *r)
{
	size_t n = record_put(r, file + length, sizeof(file) - length);

	assert_true(n > 0);
	length += n;
}

static void add_header(bool behind)
{
	struct record r = {.type = RECORD_HEADER, .written_ms = 1000, .header.behind = behind};

	memcpy(r.header.boot_id, boot, sizeof(boot));
	add(&r);
}

static void add_state(uint64_t boot_ms, uint64_t wall_ms, bool clean)
{
	add(&(struct record){
	    .type = RECORD_STATE,
	    .written_ms = boot_ms,
	    .state = {.natpmp = {-500}, .pcp = {700}, .boot_ms = boot_ms, .wall_ms = wall_ms, .clean = clean}});
}

static void add_lease(uint16_t port, uint64_t written_ms, uint64_t expires_ms)
{
	struct record r = {.type = RECORD_LEASE, .written_ms = written_ms};

	r.lease.internal_port = port;
	r.lease.expires_ms = expires_ms;
	if (port % 2) {
		r.lease.extra.description = (const uint8_t *)"a description";
		r.lease.extra.description_length = 13;
	}
	add(&r);
}

static void save(size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(file, 1, n, f), n);
	fclose(f);
}

static struct journal_past past;
static uint64_t due[16];
static unsigned seen;

static int see(void *context, const struct record *r)
{
	assert_ptr_equal(context, due);
	assert_true(r->type == RECORD_LEASE || r->type == RECORD_END);
	assert_true(past.records > 0); /* is complete by now */
	if (seen < 16)
		due[seen] = r->lease.expires_ms;
	if (r->lease.internal_port % 2)
		assert_memory_equal(r->lease.extra.description, "a description", 13);
	seen++;
	return 0;
}

static int read_at(const uint8_t *id, uint64_t now_ms, uint64_t wall_ms)
{
	seen = 0;
	return journal_read(path, id, now_ms, wall_ms, &past, see, due);
}

static void test_whole(void **state)
{
	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	add_lease(2, 2000, 9000);
	add_lease(3, 2500, UINT64_MAX);
	save(length);
	assert_int_equal(read_at(boot, 3000, 52000), 0);
	assert_int_equal(past.found, JOURNAL_WHOLE);
	assert_true(past.same_boot);
	assert_false(past.clean);
	assert_int_equal(past.records, 4);
	assert_int_equal(past.bad_offset, length);
	assert_string_equal(past.why, "");
	assert_int_equal(seen, 2);
	assert_true(due[0] == 9000 && due[1] == UINT64_MAX);
	assert_true(past.state.natpmp.origin_ms == -500 && past.state.pcp.origin_ms == 700);
	add_state(3000, 52000, true);
	save(length);
	assert_int_equal(read_at(boot, 3000, 52000), 0);
	assert_true(past.clean);
	/* what is behind a clean end is none */
	add_lease(4, 3000, 9000);
	save(length);
	assert_int_equal(read_at(boot, 3000, 52000), 0);
	assert_false(past.clean);
	assert_int_equal(journal_read(path, boot, 3000, 52000, &past, NULL, NULL), 0);
	assert_int_equal(past.records, 6);
}

static int refuse(void *context, const struct record *r)
{
	(void)r;
	seen++;
	*(int *)context -= 1;
	return *(int *)context ? 0 : -77;
}

static void test_reader_that_has_enough(void **state)
{
	int left = 2;

	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	for (uint16_t i = 0; i < 5; i++)
		add_lease(i, 2000, 9000);
	save(length);
	seen = 0;
	assert_int_equal(journal_read(path, boot, 3000, 52000, &past, refuse, &left), -77);
	assert_int_equal(seen, 2);
}

/* After a restart of the machine: the wall clock says how long it took. */
static void test_another_boot(void **state)
{
	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	add_lease(2, 2000, 9000);
	add_lease(4, 6000, 7000); /* 1 s left at the end */
	add_lease(6, 6000, UINT64_MAX);
	add_lease(8, 6000, 5000);
	save(length);
	/* the last record was at 55000 by the wall clock */
	assert_int_equal(read_at(later, 300, 57000), 0);
	assert_int_equal(past.found, JOURNAL_WHOLE);
	assert_false(past.same_boot);
	assert_true(past.time_known);
	assert_int_equal(past.elapsed_ms, 2000);
	assert_int_equal(seen, 4);
	assert_true(due[0] == 1300); /* 3 s were left, 2 s have passed */
	assert_true(due[1] <= 300);
	assert_true(due[2] == UINT64_MAX);
	assert_true(due[3] <= 300);
	/* the counters go on: 6500 ms at the last record, 8500 now */
	assert_true(300 - past.state.natpmp.origin_ms == 8500);
	assert_true(300 - past.state.pcp.origin_ms == 7300);
	assert_int_equal(past.state.boot_ms, 0);

	/* the same moment */
	assert_int_equal(read_at(later, 300, 55000), 0);
	assert_true(past.time_known);
	assert_int_equal(past.elapsed_ms, 0);
	assert_true(due[0] == 3300);

	/* a wall clock that went back says nothing: nobody has more than there was left */
	assert_int_equal(read_at(later, 300, 54999), 0);
	assert_false(past.time_known);
	assert_true(due[0] == 3300 && due[1] == 1300);
	assert_true(300 - past.state.natpmp.origin_ms == 6500);

	/* long after */
	assert_int_equal(read_at(later, 100000, 55000 + 99000), 0);
	assert_true(due[0] <= 100000 && due[1] <= 100000 && due[2] == UINT64_MAX);
	assert_int_equal(past.state.boot_ms, 0);
	assert_int_equal(read_at(later, 100000, 55000 + 9000), 0);
	assert_int_equal(past.state.boot_ms, 100000 - 9000 - 5000);
}

static void test_wall_clock_that_was_set(void **state)
{
	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	add_lease(2, 2000, 9000);
	add_state(3000, 900000, false);
	save(length);
	assert_int_equal(read_at(later, 300, 901000), 0);
	assert_true(past.time_known);
	assert_int_equal(past.elapsed_ms, 1000);
	assert_true(due[0] == 300 + 6000 - 1000);
}

static void test_which_boot(void **state)
{
	static const uint8_t unknown[RECORD_BOOT_ID];

	(void)state;
	add_header(false);
	add_state(5000, 50000, false);
	save(length);
	assert_int_equal(read_at(boot, 5000, 50000), 0);
	assert_true(past.same_boot);
	/* a clock that is behind its own past */
	assert_int_equal(read_at(boot, 4999, 50000), 0);
	assert_false(past.same_boot);
	memset(file + 22, 0, RECORD_BOOT_ID);
	length = 0;
	add(&(struct record){.type = RECORD_HEADER});
	save(2 * RECORD_SIZE);
	assert_int_equal(read_at(unknown, 5000, 50000), 0);
	assert_int_equal(past.found, JOURNAL_WHOLE);
	assert_false(past.same_boot);
}

static void test_this_boot(void **state)
{
	static const uint8_t unknown[RECORD_BOOT_ID];
	uint8_t id[RECORD_BOOT_ID], again[RECORD_BOOT_ID];

	(void)state;
	journal_boot(id);
	journal_boot(again);
	assert_memory_equal(id, again, sizeof(id));
	if (access("/proc/sys/kernel/random/boot_id", R_OK) == 0)
		assert_memory_not_equal(id, unknown, sizeof(id));
}

/* Where each record of the file begins, and where the last one ends. */
static size_t borders[16];

static void make_damaged(void)
{
	add_header(false);
	borders[1] = length;
	add_state(1000, 50000, false);
	for (uint16_t i = 0; i < 6; i++) {
		borders[2 + i] = length;
		add_lease(i, 2000, 9000 + i);
	}
	borders[8] = length;
}

static void assert_prefix(size_t records, size_t end, bool bad)
{
	assert_int_equal(read_at(boot, 3000, 52000), 0);
	assert_int_equal(past.records, records);
	assert_int_equal(past.bad_offset, end);
	assert_int_equal(past.found, records < 2 ? JOURNAL_NONE : bad ? JOURNAL_PART : JOURNAL_WHOLE);
	assert_int_equal(seen, records < 2 ? 0 : records - 2);
	for (size_t i = 0; i < seen; i++)
		assert_true(due[i] == 9000 + i);
	assert_int_equal(past.found == JOURNAL_WHOLE, *past.why == '\0');
	assert_false(past.clean);
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	make_damaged();
	for (size_t n = 0; n <= length; n++) {
		size_t records = 0;

		while (records < 8 && borders[records + 1] <= n)
			records++;
		save(n);
		assert_prefix(records, borders[records], n != borders[records]);
	}
}

static void test_flip_anywhere(void **state)
{
	(void)state;
	make_damaged();
	for (size_t at = 0; at < length; at++) {
		size_t records = 0;

		while (borders[records + 1] <= at)
			records++;
		file[at] ^= (uint8_t)(1 << at % 8);
		save(length);
		file[at] ^= (uint8_t)(1 << at % 8);
		assert_prefix(records, borders[records], true);
	}
}

/* A page that never reached the disk. */
static void test_hole(void **state)
{
	(void)state;
	make_damaged();
	memset(file + borders[3], 0, RECORD_SIZE);
	save(length);
	assert_prefix(3, borders[3], true);
	/* zeros behind the end */
	length = 0;
	make_damaged();
	memset(file + length, 0, 4096);
	save(length + 4096);
	assert_prefix(8, length, true);
}

static void test_second_header(void **state)
{
	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	add_header(false);
	save(length);
	assert_int_equal(read_at(boot, 3000, 52000), 0);
	assert_int_equal(past.found, JOURNAL_PART);
	assert_int_equal(past.records, 2);
	assert_non_null(strstr(past.why, "a second header at octet 192 of 288"));
}

static void test_behind(void **state)
{
	(void)state;
	add_header(true);
	add_state(1000, 50000, false);
	add_lease(2, 2000, 9000);
	add_state(1000, 50000, true);
	save(length);
	assert_int_equal(read_at(boot, 3000, 52000), 0);
	assert_int_equal(past.found, JOURNAL_PART);
	assert_int_equal(past.records, 4);
	assert_int_equal(seen, 1);
	assert_false(past.clean);
	assert_string_not_equal(past.why, "");
}

static void assert_none(int end, const char *why)
{
	assert_int_equal(read_at(boot, 3000, 52000), end);
	assert_int_equal(past.found, JOURNAL_NONE);
	assert_int_equal(seen, 0);
	if (why)
		assert_non_null(strstr(past.why, why));
	else
		assert_string_equal(past.why, "");
}

static void test_no_journal(void **state)
{
	(void)state;
	assert_none(0, NULL);
	save(0);
	assert_none(0, "empty");
	memset(file, 'x', 1000);
	save(1000);
	assert_none(0, "wrong checksum at octet 0 of 1000");
	add_state(1000, 50000, false);
	save(length);
	assert_none(0, "no journal of natpcpd");
	length = 0;
	add_header(false);
	file[21]++;
	save(length);
	assert_none(0, "another version");
	length = 0;
	add_header(false);
	save(length);
	assert_none(0, "nothing but");
}

static void test_what_is_no_file(void **state)
{
	char other[128];

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_none(-EISDIR, "directory");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_none(-EINVAL, "no regular file");
	unlink(path);
	add_header(false);
	add_state(1000, 50000, false);
	snprintf(other, sizeof(other), "%s/other", directory);
	save(length);
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_none(-ELOOP, "symbolic link");
	unlink(path);
	assert_int_equal(rename(other, path), 0);
	assert_int_equal(chmod(path, 0), 0);
	assert_int_equal(seteuid(geteuid() ? geteuid() : 1234), 0);
	assert_int_not_equal(journal_read(path, boot, 1, 1, &past, NULL, NULL), 0);
	assert_int_equal(past.found, JOURNAL_NONE);
	assert_string_equal(past.why, strerror(EACCES));
	assert_int_equal(seteuid(getuid()), 0);
}

static int in_order(void *context, const struct record *r)
{
	uint32_t *n = context;

	assert_true(r->lease.expires_ms == *n);
	assert_int_equal(r->lease.extra.description_length, *n % 900);
	++*n;
	return 0;
}

/* Records with parts wherever the octets that are read at once end. */
static void test_long_file(void **state)
{
	static uint8_t text[1000];
	uint32_t n = 0;
	FILE *f;

	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	save(length);
	f = fopen(path, "ab");
	for (uint32_t i = 0; i < 20000; i++) {
		struct record r = {.type = RECORD_LEASE, .written_ms = 1};

		r.lease.expires_ms = i;
		r.lease.extra.description = text;
		r.lease.extra.description_length = (uint16_t)(i % 900);
		length = record_put(&r, file, sizeof(file));
		assert_int_equal(fwrite(file, 1, length, f), length);
	}
	fclose(f);
	assert_int_equal(journal_read(path, boot, 3000, 52000, &past, in_order, &n), 0);
	assert_int_equal(past.found, JOURNAL_WHOLE);
	assert_int_equal(past.records, 20002);
	assert_int_equal(n, 20000);
}

static int cut(void *context, const struct record *r)
{
	(void)r;
	++*(uint32_t *)context;
	return truncate(path, 400000);
}

/* Somebody, or the disk, takes away some of it between the look at it and the reading: not all was there. */
static void test_shrinks(void **state)
{
	struct record r = {.type = RECORD_LEASE, .written_ms = 1};
	uint32_t n = 0;
	FILE *f;

	(void)state;
	add_header(false);
	add_state(1000, 50000, false);
	save(length);
	f = fopen(path, "ab");
	record_put(&r, file, sizeof(file));
	for (uint32_t i = 0; i < 8000; i++)
		assert_int_equal(fwrite(file, 1, RECORD_SIZE, f), RECORD_SIZE);
	fclose(f);
	assert_int_equal(journal_read(path, boot, 3000, 52000, &past, cut, &n), 0);
	assert_true(n > 0 && n < 8000);
	assert_int_equal(past.found, JOURNAL_PART);
	assert_false(past.clean);
	assert_int_equal(past.records, n + 2);
	assert_string_equal(past.why, "it changed while it was read");
}

struct places {
	unsigned n;
	uint64_t offset[16];
	enum record_type type[16];
};

static int place(void *context, uint64_t offset, const struct record *r)
{
	struct places *p = context;

	p->offset[p->n] = offset;
	p->type[p->n++] = r->type;
	return 0;
}

static void test_scan(void **state)
{
	struct places p = {0};
	struct journal_scan scan;

	(void)state;
	make_damaged();
	file[borders[7] + 5] ^= 1;
	save(length);
	assert_int_equal(journal_scan(path, &scan, place, &p), 0);
	assert_int_equal(p.n, 7);
	assert_int_equal(scan.records, 7);
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(p.offset[i], borders[i]);
		assert_int_equal(p.type[i], i == 0 ? RECORD_HEADER : i == 1 ? RECORD_STATE : RECORD_LEASE);
	}
	assert_int_equal(scan.size, length);
	assert_int_equal(scan.end, borders[7]);
	assert_int_equal(scan.last_ms, 2000);
	assert_string_equal(scan.bad, "wrong checksum");
	assert_true(scan.has_header && scan.has_state && !scan.clean);
	unlink(path);
	assert_int_equal(journal_scan(path, &scan, place, &p), -ENOENT);
}

#if FAILMALLOC
static void test_no_memory(void **state)
{
	size_t held;

	(void)state;
	make_damaged();
	save(length);
	held = failmalloc_held;
	failmalloc_in = 1;
	assert_none(-ENOMEM, "memory");
	seen = 0;
	failmalloc_in = 2;
	assert_int_equal(journal_read(path, boot, 1, 1, &past, see, due), -ENOMEM);
	failmalloc_in = 0;
	assert_int_equal(seen, 0);
	assert_int_equal(failmalloc_held, held);
}
#endif

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_reader_that_has_enough),
		TEST(test_another_boot),
		TEST(test_wall_clock_that_was_set),
		TEST(test_which_boot),
		TEST(test_this_boot),
		TEST(test_cut_anywhere),
		TEST(test_flip_anywhere),
		TEST(test_hole),
		TEST(test_second_header),
		TEST(test_behind),
		TEST(test_no_journal),
		TEST(test_what_is_no_file),
		TEST(test_long_file),
		TEST(test_shrinks),
		TEST(test_scan),
#if FAILMALLOC
		TEST(test_no_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
