/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/descriptors.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* In a child: 0 if the two pipes' ends are what is left, in the order that they were given in. */
static int look(int first, int second)
{
	int v[2] = {first, second};
	char c;

	descriptors_keep(v, 2);
	if (v[0] != 3 || v[1] != 4)
		return 1;
	if (read(3, &c, 1) != 1 || c != 'a' || read(4, &c, 1) != 1 || c != 'b')
		return 2;
	if (!(fcntl(3, F_GETFD) & FD_CLOEXEC) || !(fcntl(4, F_GETFD) & FD_CLOEXEC))
		return 3;
	for (int fd = 5; fd < 300; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 4;
	return fcntl(0, F_GETFD) < 0 ? 5 : 0;
}

static void kept(void **state)
{
	int a[2], b[2], status;

	(void)state;
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	assert_int_equal(fcntl(a[0], F_DUPFD, 200), 200);
	assert_int_equal(write(a[1], "aa", 2), 2);
	assert_int_equal(write(b[1], "bb", 2), 2);
	for (int swapped = 0; swapped < 2; swapped++) {
		/* where they are already, and where the other one is to go */
		pid_t pid = fork();

		if (pid == 0) {
			int first = dup2(a[0], swapped ? 4 : 3), second;

			first = fcntl(first, F_DUPFD, 20);
			second = fcntl(b[0], F_DUPFD, 20);
			dup2(first, swapped ? 4 : 3);
			dup2(second, swapped ? 3 : 4);
			_exit(look(swapped ? 4 : 3, swapped ? 3 : 4));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	close(200);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(kept)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
