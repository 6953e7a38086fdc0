/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/unit/core/failmalloc.h"

static uint8_t buffer[2 * RECORD_MAX];
static struct record_storage storage;

static size_t hex(const char *text, uint8_t *out)
{
	size_t n = 0;

	for (; *text; text++) {
		char pair[3] = {text[0], text[1], 0};

		if (*text == ' ')
			continue;
		out[n++] = (uint8_t)strtoul(pair, NULL, 16);
		text++;
	}
	return n;
}

static struct in6_addr v4(uint32_t a)
{
	return codec_from_v4(a);
}

static struct record lease(void)
{
	struct record r = {.type = RECORD_LEASE, .written_ms = 0x1122334455667788};

	r.lease = (struct record_lease){.protocol = 6,
					.kind = MAPPING_NAT,
					.origin = 1,
					.flags = 4,
					.internal_port = 8080,
					.external_port = 18080,
					.reply_port = 5350,
					.internal_address = v4(0xc000020b),
					.external_address = v4(0xc6336401),
					.nonce = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
					.expires_ms = 0x1122334455697788,
					.listen = 0xa1a2a3a4,
					.external = 0xb1b2b3b4};
	return r;
}

static size_t get(const uint8_t *data, size_t n, struct record *r, const char **why)
{
	/* a block of exactly that length, so that ASan sees a read beyond it */
	uint8_t *copy = malloc(n ? n : 1);
	size_t taken;

	assert_non_null(copy);
	if (n)
		memcpy(copy, data, n);
	taken = record_get(copy, n, &storage, r, why);
	free(copy);
	assert_int_equal(taken == 0, *why != NULL);
	return taken;
}

static void assert_same_lease(const struct record_lease *a, const struct record_lease *b)
{
	const struct extra_parts *x = &a->extra, *y = &b->extra;

	assert_int_equal(a->held, b->held);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->origin, b->origin);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->internal_port, b->internal_port);
	assert_int_equal(a->external_port, b->external_port);
	assert_int_equal(a->reply_port, b->reply_port);
	assert_memory_equal(&a->internal_address, &b->internal_address, 16);
	assert_memory_equal(&a->external_address, &b->external_address, 16);
	assert_memory_equal(&a->nonce, &b->nonce, sizeof(a->nonce));
	assert_true(a->expires_ms == b->expires_ms);
	assert_int_equal(a->listen, b->listen);
	assert_int_equal(a->external, b->external);
	assert_memory_equal(&x->remote_address, &y->remote_address, 16);
	assert_memory_equal(&x->asker, &y->asker, 16);
	assert_int_equal(x->remote_port, y->remote_port);
	assert_int_equal(x->more_ports, y->more_ports);
	assert_int_equal(x->first_port, y->first_port);
	assert_int_equal(x->filters_n, y->filters_n);
	for (size_t i = 0; i < x->filters_n; i++) {
		assert_memory_equal(&x->filters[i].address, &y->filters[i].address, 16);
		assert_int_equal(x->filters[i].port, y->filters[i].port);
		assert_int_equal(x->filters[i].prefix_length, y->filters[i].prefix_length);
	}
	assert_int_equal(x->description_length, y->description_length);
	if (x->description_length)
		assert_memory_equal(x->description, y->description, x->description_length);
}

/* What any reader of the file relies on: an old one must be read by what comes later. */
static void test_golden(void **state)
{
	static const struct {
		struct record r;
		const char *octets, *sum;
	} golden[] = {
	    {{RECORD_HEADER, 7, {.header = {.boot_id = {0xb0, [15] = 0x0b}, .behind = true}}},
	     "01 00 01 00 0000000000000007 6e61747063706400 0001 b000000000000000000000000000000b",
	     "e7ae300c"},
	    {{RECORD_STATE,
	      9,
	      {.state = {.natpmp = {-2}, .pcp = {0x0102}, .boot_ms = 0x0a0b, .wall_ms = 0x0c0d0e0f, .clean = true}}},
	     "02 00 02 00 0000000000000009 fffffffffffffffe 0000000000000102 0000000000000a0b 000000000c0d0e0f",
	     "da013d11"},
	};
	struct record r = lease();
	uint8_t expected[2 * RECORD_SIZE] = {0};
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(golden) / sizeof(*golden); i++) {
		memset(expected, 0, sizeof(expected));
		hex(golden[i].octets, expected);
		hex(golden[i].sum, expected + RECORD_SIZE - 4);
		assert_int_equal(record_put(&golden[i].r, buffer, sizeof(buffer)), RECORD_SIZE);
		assert_memory_equal(buffer, expected, RECORD_SIZE);
	}
	memset(expected, 0, sizeof(expected));
	n = hex("03 01 04 00 1122334455667788 06 00 01 04 1f90 46a0 14e6 00000000000000000000ffffc000020b"
		"00000000000000000000ffffc6336401 0102030405060708090a0b0c 1122334455697788 a1a2a3a4 b1b2b3b4",
		expected);
	memset(expected + n, 0, RECORD_SIZE - n);
	hex("37da85bf", expected + RECORD_SIZE - 4);
	/* :: :: 0 0 0 0 2 "hi" */
	hex("05 01 00000000000000000000000000000000 00000000000000000000000000000000 0000 0000 0000 0000 0002 6869",
	    expected + RECORD_SIZE);
	hex("0047d657", expected + 2 * RECORD_SIZE - 4);
	r.lease.held = true;
	r.lease.extra.description_length = 2;
	r.lease.extra.description = (const uint8_t *)"hi";
	assert_int_equal(record_put(&r, buffer, sizeof(buffer)), 2 * RECORD_SIZE);
	assert_memory_equal(buffer, expected, sizeof(expected));
}

static void test_header_and_state(void **state)
{
	struct record r = {.type = RECORD_HEADER, .written_ms = 3, .header = {.boot_id = {1, 2, 3}}}, back;
	const char *why;

	(void)state;
	for (int behind = 0; behind < 2; behind++) {
		r.header.behind = behind;
		assert_int_equal(record_put(&r, buffer, RECORD_SIZE), RECORD_SIZE);
		assert_int_equal(get(buffer, sizeof(buffer), &back, &why), RECORD_SIZE);
		assert_int_equal(back.type, RECORD_HEADER);
		assert_int_equal(back.written_ms, 3);
		assert_int_equal(back.header.behind, behind);
		assert_memory_equal(back.header.boot_id, r.header.boot_id, RECORD_BOOT_ID);
	}
	r = (struct record){
	    RECORD_STATE, 4, {.state = {{INT64_MIN}, {INT64_MAX}, UINT64_MAX, 5, false, false, UINT64_MAX - 1}}};
	for (int flags = 0; flags < 4; flags++) {
		r.state.clean = flags & 1;
		r.state.always = (flags & 2) != 0;
		assert_int_equal(record_put(&r, buffer, RECORD_SIZE), RECORD_SIZE);
		assert_int_equal(get(buffer, RECORD_SIZE, &back, &why), RECORD_SIZE);
		assert_int_equal(back.type, RECORD_STATE);
		assert_true(back.state.natpmp.origin_ms == INT64_MIN);
		assert_true(back.state.pcp.origin_ms == INT64_MAX);
		assert_true(back.state.boot_ms == UINT64_MAX);
		assert_true(back.state.wall_ms == 5);
		assert_true(back.state.token == UINT64_MAX - 1);
		assert_int_equal(back.state.clean, flags & 1);
		assert_int_equal(back.state.always, flags >> 1);
	}
}

static void test_plain_lease_is_one_record(void **state)
{
	struct record r = lease(), back;
	const char *why;

	(void)state;
	for (int i = 0; i < 4; i++) {
		r.type = i & 1 ? RECORD_LEASE : RECORD_END;
		r.lease.held = i & 2;
		assert_int_equal(record_put(&r, buffer, RECORD_SIZE), RECORD_SIZE);
		assert_int_equal(get(buffer, RECORD_SIZE, &back, &why), RECORD_SIZE);
		assert_int_equal(back.type, r.type);
		assert_true(back.written_ms == r.written_ms);
		assert_same_lease(&back.lease, &r.lease);
	}
}

static struct mapping_filter filters[200];
static uint8_t text[3000];

static void fill(struct extra_parts *x, size_t filters_n, size_t description)
{
	for (size_t i = 0; i < filters_n; i++)
		filters[i] =
		    (struct mapping_filter){v4(0xcb007100 + (uint32_t)i), (uint16_t)(i * 7), (uint8_t)(128 - i % 33)};
	for (size_t i = 0; i < description; i++)
		text[i] = (uint8_t)('a' + i % 26);
	x->filters_n = (uint16_t)filters_n;
	x->filters = filters;
	x->description_length = (uint16_t)description;
	x->description = text;
}

static void assert_round_trip(const struct record *r)
{
	struct record back;
	const char *why;
	size_t n = record_put(r, buffer, RECORD_MAX);

	assert_true(n > 0 && n % RECORD_SIZE == 0);
	assert_int_equal(get(buffer, n, &back, &why), n);
	assert_same_lease(&back.lease, &r->lease);
}

static void test_extra(void **state)
{
	struct record r = lease();
	struct extra_parts *x = &r.lease.extra;

	(void)state;
	for (size_t f = 0; f <= 32; f++)
		for (size_t d = 0; d <= CODEC_DESCRIPTION_MAX; d += d < 200 ? 1 : 68) {
			fill(x, f, d);
			assert_round_trip(&r);
		}
	fill(x, 43, CODEC_DESCRIPTION_MAX);
	assert_round_trip(&r);
	x->remote_address = v4(0xc6336463);
	x->remote_port = 443;
	x->asker = v4(0xc0000205);
	x->more_ports = 9;
	x->first_port = 8076;
	assert_round_trip(&r);
	fill(x, 0, 0);
	assert_round_trip(&r);
}

/* Each of the small ones alone is reason enough for a part. */
static void test_each_of_an_extra(void **state)
{
	struct record r = lease();

	(void)state;
	r.lease.extra = (struct extra_parts){.remote_address = v4(1)};
	assert_round_trip(&r);
	r.lease.extra = (struct extra_parts){.remote_port = 1};
	assert_round_trip(&r);
	r.lease.extra = (struct extra_parts){.asker = v4(1)};
	assert_round_trip(&r);
	r.lease.extra = (struct extra_parts){.more_ports = 1};
	assert_round_trip(&r);
	r.lease.extra = (struct extra_parts){.first_port = 1};
	assert_round_trip(&r);
}

static void test_end_has_its_key(void **state)
{
	struct record r = lease(), back;
	const char *why;

	(void)state;
	r.type = RECORD_END;
	fill(&r.lease.extra, 32, 1000);
	assert_int_equal(record_put(&r, buffer, RECORD_SIZE), RECORD_SIZE);
	r.lease.extra.remote_port = 53;
	r.lease.extra.remote_address = v4(0xc6336463);
	assert_int_equal(record_put(&r, buffer, sizeof(buffer)), 2 * RECORD_SIZE);
	assert_int_equal(get(buffer, sizeof(buffer), &back, &why), 2 * RECORD_SIZE);
	assert_int_equal(back.lease.extra.remote_port, 53);
	assert_memory_equal(&back.lease.extra.remote_address, &r.lease.extra.remote_address, 16);
	assert_int_equal(back.lease.extra.filters_n, 0);
}

static void test_no_room(void **state)
{
	struct record r = lease();
	size_t n;

	(void)state;
	fill(&r.lease.extra, 32, CODEC_DESCRIPTION_MAX);
	n = record_put(&r, buffer, sizeof(buffer));
	assert_true(n <= RECORD_MAX);
	for (size_t room = 0; room < n; room++) {
		uint8_t *out = malloc(room ? room : 1);

		assert_non_null(out);
		assert_int_equal(record_put(&r, out, room), 0);
		free(out);
	}
	assert_int_equal(record_put(&r, buffer, n), n);
	fill(&r.lease.extra, 0, RECORD_PARTS_MAX * 90 - 42);
	assert_int_equal(record_put(&r, buffer, sizeof(buffer)), RECORD_MAX);
	assert_round_trip(&r);
	fill(&r.lease.extra, 0, RECORD_PARTS_MAX * 90 - 41);
	assert_int_equal(record_put(&r, buffer, sizeof(buffer)), 0);
	r.lease.extra.filters_n = UINT16_MAX;
	assert_int_equal(record_put(&r, buffer, sizeof(buffer)), 0);
}

static size_t damaged(size_t i, uint8_t *r, size_t n)
{
	struct record back;
	const char *why;

	switch (i) {
	case 0:
		return record_put(&(struct record){.type = RECORD_HEADER}, r, n);
	case 1:
		return record_put(&(struct record){.type = RECORD_STATE}, r, n);
	default:
		back = lease();
		fill(&back.lease.extra, i == 3 ? 3 : 0, i == 3 ? 100 : 0);
		n = record_put(&back, r, n);
		assert_int_equal(get(r, n, &back, &why), n);
		return n;
	}
}

static void test_each_flip_is_noticed(void **state)
{
	struct record back;
	const char *why;

	(void)state;
	for (size_t kind = 0; kind < 4; kind++) {
		size_t n = damaged(kind, buffer, RECORD_MAX);

		for (size_t bit = 0; bit < 8 * n; bit++) {
			buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(get(buffer, n, &back, &why), 0);
			buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t octet = 0; octet < n; octet++) {
			buffer[octet] ^= 0xff;
			assert_int_equal(get(buffer, n, &back, &why), 0);
			buffer[octet] ^= 0xff;
		}
		assert_int_equal(get(buffer, n, &back, &why), n);
	}
}

static void test_each_cut_is_noticed(void **state)
{
	struct record back;
	const char *why;

	(void)state;
	for (size_t kind = 0; kind < 4; kind++) {
		size_t n = damaged(kind, buffer, RECORD_MAX);

		for (size_t length = 0; length < n; length++) {
			assert_int_equal(get(buffer, length, &back, &why), 0);
			assert_string_equal(why, "cut short");
		}
	}
}

static void test_what_is_wrong(void **state)
{
	static uint8_t other[RECORD_MAX];
	struct record r = lease(), back;
	const char *why;
	size_t n;

	(void)state;
	memset(buffer, 0, RECORD_SIZE);
	assert_int_equal(get(buffer, RECORD_SIZE, &back, &why), 0);
	assert_string_equal(why, "wrong checksum");
	memset(buffer, 0xff, RECORD_SIZE);
	assert_int_equal(get(buffer, RECORD_SIZE, &back, &why), 0);

	/* a record of another version, wherever that has its checksum */
	damaged(0, buffer, RECORD_SIZE);
	buffer[21]++;
	assert_int_equal(get(buffer, RECORD_SIZE, &back, &why), 0);
	assert_string_equal(why, "another version");

	/* the parts of one record behind another */
	fill(&r.lease.extra, 0, 100);
	n = record_put(&r, buffer, sizeof(buffer));
	r.lease.internal_port++;
	assert_int_equal(record_put(&r, other, sizeof(other)), n);
	memcpy(other + RECORD_SIZE, buffer + RECORD_SIZE, n - RECORD_SIZE);
	assert_int_equal(get(other, n, &back, &why), 0);
	/* two of them exchanged, one of them left out */
	memcpy(other, buffer, RECORD_SIZE);
	memcpy(other + RECORD_SIZE, buffer + 2 * RECORD_SIZE, RECORD_SIZE);
	memcpy(other + 2 * RECORD_SIZE, buffer + RECORD_SIZE, RECORD_SIZE);
	assert_int_equal(get(other, n, &back, &why), 0);
	/* no record begins with a part */
	assert_int_equal(get(buffer + RECORD_SIZE, RECORD_SIZE, &back, &why), 0);
}

/* What no writer of ours makes, with a checksum that is right. */
static void test_right_sum_of_wrong_things(void **state)
{
	static const struct {
		size_t at;
		uint8_t octet;
		const char *why;
	} wrong[] = {
	    {1, RECORD_PARTS_MAX + 1, "too many parts"},
	    {0, RECORD_STATE, "too many parts"},
	    {0, RECORD_PART, "a part without its record"},
	    {0, 0, "unknown type"},
	    {0, 6, "unknown type"},
	    {0, RECORD_HEADER, "no journal of natpcpd"},
	};
	struct record r = lease(), back;
	const char *why;

	(void)state;
	fill(&r.lease.extra, 0, 3);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		uLong sum;

		memset(buffer, 0, sizeof(buffer));
		record_put(&r, buffer, sizeof(buffer));
		buffer[wrong[i].at] = wrong[i].octet;
		sum = crc32(0, buffer, RECORD_SIZE - 4);
		for (int k = 0; k < 4; k++)
			buffer[RECORD_SIZE - 4 + k] = (uint8_t)(sum >> (24 - 8 * k));
		assert_int_equal(get(buffer, sizeof(buffer), &back, &why), 0);
		assert_string_equal(why, wrong[i].why);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(record_name("lan"), record_name("lan"));
	assert_int_not_equal(record_name("lan"), record_name("lan2"));
	assert_int_not_equal(record_name(""), 0);
	assert_int_equal(record_name("123456789"), 0xcbf43926); /* the check value of CRC-32 */
}

#if FAILMALLOC
static void test_allocates_nothing(void **state)
{
	struct record r = lease(), back;
	const char *why;
	size_t n, calls = failmalloc_calls;

	(void)state;
	fill(&r.lease.extra, 32, CODEC_DESCRIPTION_MAX);
	n = record_put(&r, buffer, sizeof(buffer));
	assert_int_equal(record_get(buffer, n, &storage, &back, &why), n);
	assert_int_equal(failmalloc_calls, calls);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_header_and_state),
		cmocka_unit_test(test_plain_lease_is_one_record),
		cmocka_unit_test(test_extra),
		cmocka_unit_test(test_each_of_an_extra),
		cmocka_unit_test(test_end_has_its_key),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_each_flip_is_noticed),
		cmocka_unit_test(test_each_cut_is_noticed),
		cmocka_unit_test(test_what_is_wrong),
		cmocka_unit_test(test_right_sum_of_wrong_things),
		cmocka_unit_test(test_names),
#if FAILMALLOC
		cmocka_unit_test(test_allocates_nothing),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
