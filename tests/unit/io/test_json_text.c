/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/json_text.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"

static size_t fill(char *out, size_t room)
{
	struct in6_addr v[2] = {codec_from_v4(0xc6336401), {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
	struct json_text t;

	json_text_begin(&t, out, room);
	json_text_string(&t, "rule", "a \"b\" \\ \x01\x1f\x7f <script>\xc3\xa4\n", 64);
	json_text_string(&t, "none", NULL, 64);
	json_text_string(&t, "cut", "ab\xc3\xa4", 3);
	json_text_number(&t, "zero", 0);
	json_text_number(&t, "most", UINT64_MAX);
	json_text_seconds(&t, "at", UINT64_C(1794000000007));
	json_text_bool(&t, "yes", true);
	json_text_bool(&t, "no", false);
	json_text_address(&t, "a", &v[1]);
	json_text_protocol(&t, "tcp", 6);
	json_text_protocol(&t, "other", 253);
	json_text_endpoint(&t, "four", &v[0], 443);
	json_text_endpoint(&t, "six", &v[1], 443);
	json_text_addresses(&t, "all", v, 2);
	json_text_addresses(&t, "empty", v, 0);
	return json_text_end(&t);
}

static const char wanted[] =
    "{\"rule\":\"a \\\"b\\\" \\\\ \\u0001\\u001f\\u007f <script>\xc3\xa4\\u000a\",\"cut\":\"ab\",\"zero\":0,"
    "\"most\":18446744073709551615,\"at\":1794000000.007,\"yes\":true,\"no\":false,\"a\":\"2001:db8::1\","
    "\"tcp\":\"tcp\",\"other\":253,\"four\":\"198.51.100.1:443\",\"six\":\"[2001:db8::1]:443\","
    "\"all\":[\"198.51.100.1\",\"2001:db8::1\"],\"empty\":[]}";

static void whole(void **state)
{
	char out[1024];
	size_t n = fill(out, sizeof(out));
	json_t *o;

	(void)state;
	assert_int_equal(n, sizeof(wanted) - 1);
	assert_memory_equal(out, wanted, n);
	o = json_loadb(out, n, JSON_DECODE_INT_AS_REAL, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "rule")),
			    "a \"b\" \\ \x01\x1f\x7f <script>\xc3\xa4\n");
	json_decref(o);
}

/* It is there as a whole or not at all, and nothing is written behind its room. */
static void cut(void **state)
{
	size_t n = sizeof(wanted) - 1;

	(void)state;
	for (size_t room = 1; room < n; room++) {
		char *out = malloc(room);

		assert_int_equal(fill(out, room), 0);
		free(out);
	}
}

static void empty(void **state)
{
	char out[2];
	struct json_text t;

	(void)state;
	json_text_begin(&t, out, sizeof(out));
	assert_int_equal(json_text_end(&t), 2);
	assert_memory_equal(out, "{}", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(cut), cmocka_unit_test(empty)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
