/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/journal_lock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[64], path[128], lock[160];

static int setup(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/natpcpd-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/leases.journal", directory);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(lock);
	return rmdir(directory);
}

static void test_one_at_a_time(void **state)
{
	struct stat st;
	int fd = journal_lock(path), again;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(journal_lock(path), -EWOULDBLOCK);
	close(fd);
	again = journal_lock(path);
	assert_true(again >= 0);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 0);
	close(again);
}

/* Whoever is killed has nothing any more. */
static void test_killed(void **state)
{
	pid_t child = fork();
	int status, fd;

	(void)state;
	if (child == 0) {
		journal_lock(path);
		raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	fd = journal_lock(path);
	assert_true(fd >= 0);
	close(fd);
}

static void test_no_telling(void **state)
{
	char beyond[192];

	(void)state;
	snprintf(beyond, sizeof(beyond), "%s/none/leases.journal", directory);
	assert_int_equal(journal_lock(beyond), -ENOENT);
	assert_int_equal(symlink("/dev/null", lock), 0);
	assert_int_equal(journal_lock(path), -ELOOP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_one_at_a_time), TEST(test_killed), TEST(test_no_telling)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
