/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_journal.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/io/journal_read.h"

static char directory[64], path[96], out[1 << 16], complaint[1024];
static uint8_t file[16384];
static size_t length;
static uint64_t boot_ms, wall_ms;

static void put(const struct record *r)
{
	size_t n = record_put(r, file + length, sizeof(file) - length);

	assert_true(n > 0);
	length += n;
}

static struct record lease(uint16_t port, uint64_t left_ms)
{
	struct record r = {.type = RECORD_LEASE, .written_ms = boot_ms};

	r.lease.protocol = 6;
	r.lease.kind = MAPPING_NAT;
	r.lease.origin = 1;
	r.lease.internal_address = codec_from_v4(0xc000020b);
	r.lease.external_address = codec_from_v4(0xc6336401);
	r.lease.internal_port = port;
	r.lease.external_port = (uint16_t)(10000 + port);
	r.lease.expires_ms = boot_ms + left_ms;
	return r;
}

static void save(void)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(file, 1, length, f), length);
	fclose(f);
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int setup(void **state)
{
	struct record r = {.type = RECORD_HEADER};

	(void)state;
	strcpy(directory, "/tmp/natpcpd-test-XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/leases.journal", directory);
	boot_ms = clock_ms(CLOCK_BOOTTIME);
	wall_ms = clock_ms(CLOCK_REALTIME);
	length = 0;
	journal_boot(r.header.boot_id);
	r.written_ms = boot_ms;
	put(&r);
	r = (struct record){.type = RECORD_STATE, .written_ms = boot_ms};
	r.state.natpmp.origin_ms = (int64_t)boot_ms - 77000;
	r.state.pcp.origin_ms = (int64_t)boot_ms - 33000;
	r.state.boot_ms = boot_ms;
	r.state.wall_ms = wall_ms;
	put(&r);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static void slurp(FILE *f, char *text, size_t size)
{
	rewind(f);
	text[fread(text, 1, size - 1, f)] = '\0';
	fclose(f);
}

/* Its exit code; what it said is in out and complaint. */
static int run(bool json, bool all)
{
	FILE *o = tmpfile(), *e = tmpfile();
	int was_out, was_error, end;

	fflush(NULL);
	was_out = dup(STDOUT_FILENO);
	was_error = dup(STDERR_FILENO);
	dup2(fileno(o), STDOUT_FILENO);
	dup2(fileno(e), STDERR_FILENO);
	end = journal_show(path, json, all);
	fflush(NULL);
	dup2(was_out, STDOUT_FILENO);
	dup2(was_error, STDERR_FILENO);
	close(was_out);
	close(was_error);
	slurp(o, out, sizeof(out));
	slurp(e, complaint, sizeof(complaint));
	return end;
}

static json_t *run_json(bool all, int end)
{
	json_error_t error;
	json_t *o;

	assert_int_equal(run(true, all), end);
	o = json_loads(out, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(o);
	return o;
}

static const char *string(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "(none)";
}

static void test_leases(void **state)
{
	static const struct mapping_filter filter = {
	    .address = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 203, [14] = 113}}, .prefix_length = 120};
	struct record r = lease(80, 3600000);
	json_t *o;
	const json_t *l;

	(void)state;
	put(&r);
	r = lease(81, 3600000);
	put(&r);
	r.type = RECORD_END;
	put(&r);
	r = lease(82, 5000);
	r.lease.held = true;
	put(&r);
	r = lease(83, 0);
	r.lease.expires_ms = UINT64_MAX;
	r.lease.extra.filters = &filter;
	r.lease.extra.filters_n = 1;
	r.lease.extra.description = (const uint8_t *)"a\033[2Jgame";
	r.lease.extra.description_length = 9;
	put(&r);
	save();

	o = run_json(false, 0);
	assert_string_equal(complaint, "");
	assert_string_equal(string(o, "found"), "whole");
	assert_true(json_is_true(json_object_get(o, "same_boot")));
	assert_int_equal(json_integer_value(json_object_get(o, "good_records")), 7);
	assert_int_equal(json_array_size(json_object_get(o, "leases")), 3);
	l = json_array_get(json_object_get(o, "leases"), 0);
	assert_string_equal(string(l, "protocol"), "tcp");
	assert_string_equal(string(l, "internal_address"), "192.0.2.11");
	assert_int_equal(json_integer_value(json_object_get(l, "internal_port")), 80);
	assert_string_equal(string(l, "external_address"), "198.51.100.1");
	assert_int_equal(json_integer_value(json_object_get(l, "external_port")), 10080);
	assert_in_range(json_integer_value(json_object_get(l, "expires_in_s")), 3500, 3600);
	assert_string_equal(string(l, "origin"), "pcp");
	assert_null(json_object_get(l, "held"));
	assert_int_equal(strlen(string(l, "expires_at")), 20);
	l = json_array_get(json_object_get(o, "leases"), 1);
	assert_true(json_is_true(json_object_get(l, "held")));
	l = json_array_get(json_object_get(o, "leases"), 2);
	assert_true(json_is_null(json_object_get(l, "expires_in_s")));
	assert_string_equal(string(l, "description"), "a\033[2Jgame");
	json_decref(o);

	assert_int_equal(run(false, false), 0);
	assert_non_null(strstr(out, "whole, 7 records in"));
	assert_non_null(strstr(out, "NAT-PMP 77 s, PCP 33 s"));
	assert_non_null(strstr(out, "not yet, or not in order"));
	assert_non_null(strstr(out, "198.51.100.1:10080"));
	assert_null(strstr(out, "10081"));
	assert_non_null(strstr(out, "held"));
	assert_non_null(strstr(out, "203.0.113.0/24"));
	assert_non_null(strstr(out, "a?[2Jgame"));
	assert_null(strchr(out, '\033'));
}

static void test_all(void **state)
{
	struct record r = lease(80, 3600000);
	json_t *o;
	const json_t *list;

	(void)state;
	put(&r);
	r.type = RECORD_END;
	put(&r);
	r = (struct record){.type = RECORD_STATE, .written_ms = boot_ms};
	r.state.boot_ms = boot_ms;
	r.state.wall_ms = wall_ms;
	r.state.clean = r.state.always = true;
	put(&r);
	save();
	o = run_json(true, 0);
	list = json_object_get(o, "records");
	assert_int_equal(json_array_size(list), 5);
	assert_string_equal(string(json_array_get(list, 0), "record"), "header");
	assert_string_equal(string(json_array_get(list, 1), "record"), "state");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "epoch_pcp_s")), 33);
	assert_string_equal(string(json_array_get(list, 2), "record"), "lease");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 2), "offset")), 192);
	assert_string_equal(string(json_array_get(list, 3), "record"), "ended");
	assert_string_equal(string(json_array_get(list, 4), "record"), "end");
	assert_true(json_is_true(json_object_get(o, "clean")));
	json_decref(o);
	assert_int_equal(run(false, true), 0);
	assert_non_null(strstr(out, "in order"));
	assert_non_null(strstr(out, "waited for the disk"));
	assert_non_null(strstr(out, "OCTET"));
	assert_non_null(strstr(out, "epoch NAT-PMP 77 s"));
	assert_non_null(strstr(out, "\n192  "));
	/* no lease is left of it */
	assert_int_equal(run(false, false), 0);
	assert_null(strstr(out, "10080"));
}

static void test_damaged(void **state)
{
	struct record r = lease(80, 3600000);
	json_t *o;

	(void)state;
	put(&r);
	r = lease(81, 3600000);
	put(&r);
	file[300] ^= 1;
	save();
	assert_int_equal(run(false, false), 1);
	assert_non_null(strstr(out, "not whole, 3 records in 288 octets"));
	assert_non_null(strstr(out, "10080"));
	assert_non_null(strstr(complaint, "leases.journal: wrong checksum at octet 288 of 384"));
	o = run_json(false, 1);
	assert_string_equal(string(o, "found"), "part");
	assert_int_equal(json_integer_value(json_object_get(o, "good_octets")), 288);
	assert_int_equal(json_array_size(json_object_get(o, "leases")), 1);
	json_decref(o);
	file[0] ^= 1;
	save();
	assert_int_equal(run(false, true), 1);
	assert_non_null(strstr(complaint, "wrong checksum at octet 0 of 384"));
	json_decref(run_json(true, 1));
	unlink(path);
	assert_int_equal(run(false, false), 1);
	assert_non_null(strstr(complaint, "No such file"));
	assert_int_equal(run(true, false), 1);
	strcpy(path + strlen(path) - 7, "\033[2J");
	assert_int_equal(run(false, false), 1);
	assert_null(strchr(complaint, '\033'));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_leases),
	    TEST(test_all),
	    TEST(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
