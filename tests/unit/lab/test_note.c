/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/note.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"

/* The line that a note makes, read as JSON. */
static json_t *line(const struct note *n)
{
	char text[512] = "";
	int fds[2], out = dup(STDOUT_FILENO);
	json_t *j;

	fflush(stdout);
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDOUT_FILENO);
	note(n);
	dup2(out, STDOUT_FILENO);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	close(fds[1]);
	close(out);
	assert_int_equal(text[strlen(text) - 1], '\n');
	j = json_loads(text, 0, NULL);
	assert_non_null(j);
	return j;
}

static void lines(void **state)
{
	struct in6_addr client = codec_from_v4(0xc000020b), none = in6addr_any;
	json_t *j =
	    line(&(struct note){.what = "silence", .fault = "silence n=1", .client = &client, .client_port = 4000});
	struct timespec t;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &t);
	assert_true(json_number_value(json_object_get(j, "at")) > (double)t.tv_sec - 5);
	assert_true(json_number_value(json_object_get(j, "at")) < (double)t.tv_sec + 2);
	assert_string_equal(json_string_value(json_object_get(j, "what")), "silence");
	assert_string_equal(json_string_value(json_object_get(j, "fault")), "silence n=1");
	assert_string_equal(json_string_value(json_object_get(j, "client")), "192.0.2.11");
	assert_int_equal(json_integer_value(json_object_get(j, "client_port")), 4000);
	assert_int_equal(json_object_size(j), 5);
	json_decref(j);
	j = line(&(struct note){.what = "address", .to = &none});
	assert_true(json_is_null(json_object_get(j, "to")) && json_object_get(j, "to"));
	assert_int_equal(json_object_size(j), 3);
	json_decref(j);
	j = line(&(struct note){.what = "address", .to = &client});
	assert_string_equal(json_string_value(json_object_get(j, "to")), "192.0.2.11");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lines)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
