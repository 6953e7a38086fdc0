/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is written of changes, and what the kernel answers, read as mappings. */
#include "backends/nft_msg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>

#include "backends/nft_filter.h"
#include "codec/codec.h"
#include "tests/unit/backends/hex.h"
#include "tests/unit/backends/nft_changes.h"

struct seen {
	unsigned n;
	unsigned kinds[NFT_MSG_PIECE + 1];
	struct nft_msg_found last;
};

static void see(void *context, const struct nft_msg_found *found)
{
	struct seen *s = context;

	s->n++;
	s->kinds[found->kind]++;
	s->last = *found;
}

/* Reads every message of a batch. */
static void see_all(const struct nft_msg_batch *b, struct seen *seen)
{
	for (size_t at = 0; at < b->length;) {
		const struct nlmsghdr *h = (const void *)(b->data + at);

		nft_msg_elements(h, &conf, see, seen);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
}

/* What was written is read back; the kernel's answer has the same layout. Truncated at any attribute, nothing is read beyond. */
static void elements(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];

	(void)state;
	for (enum what what = NAT; what <= HOST_V6_FILTER; what++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change c = {.mapping = mapping(what), .op = CHANGE_RENEW, .timeout_ms = 77000};
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)data;
		struct seen seen = {0};
		uint32_t length;

		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &conf, &new, &c, 1, 0);
		see_all(&b, &seen);
		assert_int_equal(seen.kinds[NFT_MSG_PIECE], c.mapping.filters_n);
		assert_int_equal(seen.kinds[NFT_MSG_FILTERED], c.mapping.filters_n != 0);
		/* and its mirror */
		assert_int_equal(seen.kinds[NFT_MSG_WHOLE],
				 (c.mapping.filters_n == 0) + (c.mapping.kind == MAPPING_NAT));
		assert_memory_equal(&seen.last.mapping.internal_address, &c.mapping.internal_address, 16);
		assert_memory_equal(&seen.last.mapping.external_address, &c.mapping.external_address, 16);
		assert_int_equal(seen.last.mapping.internal_port, c.mapping.internal_port);
		assert_int_equal(seen.last.mapping.external_port, c.mapping.external_port);
		assert_int_equal(seen.last.mapping.protocol, c.mapping.protocol);
		assert_int_equal(seen.last.mapping.kind, c.mapping.kind);
		assert_memory_equal(&seen.last.mapping.remote_address, &c.mapping.remote_address, 16);
		assert_int_equal(seen.last.mapping.remote_port, c.mapping.remote_port);
		assert_int_equal(seen.last.remaining_ms, 77000);
		length = h->nlmsg_len;
		for (uint32_t cut = sizeof(*h) + 4; cut < length; cut += 4) {
			uint8_t *copy = malloc(cut);

			assert_non_null(copy);
			memcpy(copy, data, cut);
			((struct nlmsghdr *)(void *)copy)->nlmsg_len = cut;
			nft_msg_elements((const struct nlmsghdr *)(const void *)copy, &conf, see, &seen);
			free(copy);
		}
	}
}

static void note_set(void *context, const struct nft_msg_found *found)
{
	*(struct mapping *)context = found->mapping;
}

/* What is written of a set is read as that set; a range that ends before it begins is none of ours. */
static void sets(void **state)
{
	static const enum what whats[] = {NAT_PORTS, PIN_V4_PORTS, PIN_V6_PORTS};
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change c = {.mapping = mapping(whats[i]), .op = CHANGE_ADD, .timeout_ms = 1000};
		struct mapping read = {0};
		uint16_t last;

		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &conf, &new, &c, 5, 0);
		nft_msg_elements((const struct nlmsghdr *)(const void *)data, &conf, note_set, &read);
		assert_memory_equal(&read, &c.mapping, offsetof(struct mapping, filters_n));
		last = (uint16_t)(c.mapping.external_port + c.mapping.more_ports);
		for (size_t at = ((const struct nlmsghdr *)(const void *)data)->nlmsg_len - 1; at > 0; at--)
			if (data[at - 1] == last >> 8 && data[at] == (last & 0xff)) {
				data[at - 1] = 0;
				data[at] = 1;
				break;
			}
		read.protocol = 0;
		nft_msg_elements((const struct nlmsghdr *)(const void *)data, &conf, note_set, &read);
		assert_int_equal(read.protocol, 0);
	}
}

/* A mapping of another external is in another mirror; one of an external that is no more is in none that does harm. */
static void mirrors(void **state)
{
	static _Alignas(8) uint8_t data[NFT_MSG_CHANGE_MAX];
	char one[] = "wan", two[] = "b", table[] = "natpcpd";
	struct conf_external externals[] = {{.name = one}, {.name = two}};
	const struct conf c = {.externals = externals, .externals_n = 2, .backend.table = table};
	static const char *const expected[] = {"snat4-wan", "snat4-b", "snat4-wan"};

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		struct nft_msg_batch b = {.data = data, .capacity = sizeof(data)};
		struct change add = {.mapping = mapping(NAT), .op = CHANGE_ADD};
		struct seen seen = {0};

		add.mapping.external = i;
		memset(data, 0, sizeof(data));
		nft_msg_change(&b, &c, &new, &add, 1, 0);
		assert_string_equal((const char *)data + b.last + 16 + 4 + 12 + 4, expected[i]);
		nft_msg_elements((const struct nlmsghdr *)(const void *)(data + b.last), &c, see, &seen);
		assert_int_equal(seen.n, 1);
		assert_int_equal(seen.last.mapping.external, i % 2);
		assert_int_equal(seen.last.mapping.internal_port, add.mapping.internal_port);
		assert_int_equal(seen.last.mapping.external_port, add.mapping.external_port);
		assert_memory_equal(&seen.last.mapping.internal_address, &add.mapping.internal_address, 16);
		assert_memory_equal(&seen.last.mapping.external_address, &add.mapping.external_address, 16);
	}
}

/* A list that is longer than an attribute can be is more than one message. */
static void long_run(void **state)
{
	enum { N = 3000, ROOM = 1 << 20 };
	struct change *changes = calloc(N, sizeof(*changes));
	uint8_t *data = calloc(1, ROOM);
	struct nft_msg_batch b = {.data = data, .capacity = ROOM};
	struct seen seen = {0};
	unsigned messages = 0;

	(void)state;
	assert_true(changes && data);
	for (unsigned i = 0; i < N; i++)
		changes[i] = in_run(NAT, i, CHANGE_RENEW);
	assert_true(nft_msg_run(&b, &conf, changes, N, 1));
	for (size_t at = 0; at < b.length; messages++) {
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)(data + at);

		assert_int_equal(h->nlmsg_seq, 1 + messages);
		nft_msg_elements(h, &conf, see, &seen);
		at += NLMSG_ALIGN(h->nlmsg_len);
	}
	assert_int_equal(seen.n, 2 * N);
	assert_int_equal(messages, 6);
	free(changes);
	free(data);
}

/* The most elements that filters can make: there is room for their messages, and the kernel can count their octets. */
static void most_filters(void **state)
{
	struct mapping_filter filters[NFT_FILTER_MAX];
	char table[NFT_MSG_TABLE_MAX];
	struct conf named = conf;

	(void)state;
	memset(table, 'x', sizeof(table) - 1);
	table[sizeof(table) - 1] = '\0';
	named.backend.table = table;
	for (enum what what = NAT_FILTER; what <= HOST_V6_FILTER; what++) {
		for (unsigned spread = 0; spread < 2; spread++) {
			struct change c = {.mapping = mapping(what), .op = CHANGE_RENEW, .timeout_ms = 1};
			struct nft_msg_batch b = {0};
			struct seen seen = {0};
			unsigned pieces = 0;

			/* all of the same length, or as many lengths as there are */
			for (unsigned i = 0; i < NFT_FILTER_MAX; i++) {
				bool v4 = codec_is_v4(&c.mapping.internal_address);
				unsigned length = spread ? (v4 ? 97 + i : 1 + 4 * i) : v4 ? 96 : 1;

				filters[i] = (struct mapping_filter){.port = (uint16_t)(i + 1),
								     .prefix_length = (uint8_t)length};
				if (v4)
					filters[i].address.s6_addr[10] = filters[i].address.s6_addr[11] = 0xff;
				pieces += length == 96 ? 16 : 1u << (3 - (length + 3) % 4);
			}
			c.mapping.filters = filters;
			c.mapping.filters_n = NFT_FILTER_MAX;
			b.capacity = nft_msg_room(&c);
			b.data = calloc(1, b.capacity);
			assert_non_null(b.data);
			nft_msg_change(&b, &named, &old, &c, 1, 0);
			assert_true(b.length <= b.capacity);
			for (size_t at = 0; at < b.length;
			     at += NLMSG_ALIGN(((const struct nlmsghdr *)(const void *)(b.data + at))->nlmsg_len))
				assert_true(((const struct nlmsghdr *)(const void *)(b.data + at))->nlmsg_len <
					    UINT16_MAX);
			see_all(&b, &seen);
			/* deleted and made */
			assert_int_equal(seen.kinds[NFT_MSG_PIECE], 2 * pieces);
			free(b.data);
		}
	}
}

static const struct {
	const char *name, *hex;
	unsigned n;
	uint64_t remaining_ms;
} answers[] = {
    {"for ever",
     "480000000c0a01040700000000000000"
     "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b13880000",
     1, 0},
    {"about to end: a timeout, nothing left of it",
     "540000000c0a01040700000000000000"
     "01000000" PIN4 "2800038024000180" TEN_S "140001801000010011000000c000020b13880000",
     1, 1},
    {"two elements",
     "600000000c0a01040700000000000000"
     "01000000" PIN4 "3400038018000180140001801000010011000000c000020b1388000018000180140001801000010011000000c"
     "000020b13890000",
     2, 0},
    {"a key of another length",
     "440000000c0a01040700000000000000"
     "01000000" PIN4 "1800038014000180100001800c00010011000000c000020b",
     0, 0},
    {"no port in pin4, which would be all of them elsewhere",
     "480000000c0a01040700000000000000"
     "01000000" PIN4 "1c00038018000180140001801000010011000000c000020b00000000",
     0, 0},
    {"no protocol in protocol-pin4, which would be all of them elsewhere",
     "4c0000000c0a01060700000000000000010000000c0001006e617470637064001200020070726f746f636f6c2d70696e34000000"
     "1800038014000180100001800c00010000000000c000020b",
     0, 0},
    {"the mirror map",
     "5c0000000c0a01060800000000000000"
     "01000000" SNAT4 "2c00038028000180" IN_KEY OUT_DATA,
     1, 0},
    {"no data in dnat4",
     "480000000c0a01060700000000000000"
     "01000000" DNAT4 "1c00038018000180" OUT_KEY,
     0, 0},
    {"no elements",
     "2c0000000c0a01060700000000000000"
     "01000000" DNAT4,
     0, 0},
    {"nothing at all", "140000000c0a0106070000000000000001000000", 0, 0},
};

static void odd_answers(void **state)
{
	static _Alignas(8) uint8_t data[512];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct seen seen = {0};
		size_t n = from_hex(answers[i].hex, data);

		print_message("%s\n", answers[i].name);
		assert_int_equal(n, data[0]);
		nft_msg_elements((const struct nlmsghdr *)(const void *)data, &conf, see, &seen);
		assert_int_equal(seen.n, answers[i].n);
		assert_int_equal(seen.last.remaining_ms, answers[i].remaining_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(elements), cmocka_unit_test(sets),		cmocka_unit_test(mirrors),
	    cmocka_unit_test(long_run), cmocka_unit_test(most_filters), cmocka_unit_test(odd_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
