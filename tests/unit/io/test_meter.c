/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/meter.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

/* Without a socket no name is known: all is on "". */
static struct round_reply reply(const uint8_t *data, size_t length)
{
	return (struct round_reply){.data = data,
				    .length = length,
				    .destination = codec_from_v4(0xc000020a),
				    .destination_port = 5000,
				    .ifindex = 3};
}

static void answers(void **state)
{
	static const uint8_t pcp[24] = {2, 0x81, 0, 0}, refused[24] = {2, 0x81, 0, 2}, strange[24] = {2, 0xff, 0, 4},
			     natpmp[16] = {0, 0x82, 0, 0};
	struct loop *loop = loop_new();
	struct listeners *s = listeners_new(loop, NULL, NULL);
	struct round_reply v[8] = {reply(pcp, 24),     reply(pcp, 24),	  reply(refused, 24),
				   reply(strange, 24), reply(natpmp, 16), reply(natpmp, 0)};
	struct meter m = {.received_us = 100};

	(void)state;
	v[6] = reply(pcp, 24); /* a Mapping Update */
	v[6].ifindex = 0;
	v[7] = reply(natpmp, 16);
	v[7].kind = ROUND_ANNOUNCE;
	meter_answers(&m, v, 8, s, 140);
	assert_int_equal(m.interfaces_n, 1);
	assert_string_equal(m.interfaces[0]->name, "");
	assert_int_equal(m.interfaces[0]->answers[1][1][0], 2);
	assert_int_equal(m.interfaces[0]->answers[1][1][2], 1);
	assert_int_equal(m.interfaces[0]->answers[1][3][4], 1);
	assert_int_equal(m.interfaces[0]->answers[0][2][0], 1);
	assert_int_equal(m.request_us.count, 5);
	assert_int_equal(m.request_us.sum, 200);
	/* what no request was the reason for has no latency */
	m.received_us = 0;
	meter_answers(&m, v, 1, s, 0);
	assert_int_equal(m.request_us.count, 5);
	assert_int_equal(m.interfaces[0]->answers[1][1][0], 3);
	meter_renumbered(&m);
	meter_answers(&m, v, 1, s, 0);
	assert_int_equal(m.interfaces_n, 1);
	meter_clear(&m);
	assert_int_equal(m.interfaces_n, 0);
	listeners_free(s);
	loop_free(loop);
}

static void commits(void **state)
{
	static struct meter m;

	(void)state;
	meter_commit(&m, 1, 10);
	meter_commit(&m, 64, 100);
	assert_int_equal(m.commit_us.count, 2);
	assert_int_equal(histogram_below(&m.changes, 0), 1); /* at most one */
	assert_int_equal(histogram_below(&m.changes, 5), 1);
	assert_int_equal(histogram_below(&m.changes, 6), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(commits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
