/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char one[] = "wan", two[] = "DSL 2.";
static struct conf_external externals[] = {{.name = one}, {.name = two}};
static const struct conf conf = {.externals = externals, .externals_n = 2};

/* Each map once, mirrors once for each external; by its name each is found again. */
static void names(void **state)
{
	char name[NFT_MSG_NAME_MAX], other[NFT_MSG_NAME_MAX];
	const struct nft_map *map;
	size_t n = 0, mirrors = 0, external, ignored;

	(void)state;
	for (; (map = nft_map_at(&conf, n, &external)); n++) {
		mirrors += !map->outside;
		nft_map_name(name, &conf, map, external);
		for (size_t i = 0; i < n; i++) {
			nft_map_name(other, &conf, nft_map_at(&conf, i, &ignored), ignored);
			assert_string_not_equal(name, other);
		}
		if (strcmp(name, "snat4-DSL.202.2e") == 0)
			assert_int_equal(external, 1);
		assert_ptr_equal(nft_map_named(&conf, name, &ignored), map);
		assert_int_equal(ignored, external);
	}
	assert_int_equal(n, 66);
	assert_int_equal(mirrors, 6);
	assert_null(nft_map_named(&conf, "lan", &ignored));
	nft_map_mirror(name, NFT_MSG_PEER_SNAT4, &externals[1]);
	assert_string_equal(name, "peer-snat4-DSL.202.2e");
}

/* The name of a section has 63 octets at most: that of a set holds it, whatever they are. */
static void longest_name(void **state)
{
	char section[64], name[NFT_MSG_NAME_MAX];
	struct conf_external odd = {.name = section};

	(void)state;
	memset(section, '\xff', 63);
	section[63] = '\0';
	nft_map_mirror(name, NFT_MSG_PEER_SNAT4, &odd);
	assert_int_equal(strlen(name), strlen("peer-snat4-") + 3 * 63);
}

/* Where a mapping belongs. One of all ports is never where it would be for everybody if it is for some. */
static void shapes(void **state)
{
	static const struct mapping_filter filter = {.prefix_length = 128};
	static const struct {
		struct mapping mapping;
		const char *name;
	} rows[] = {
	    {{.kind = MAPPING_NAT, .protocol = 6, .internal_port = 80, .external_port = 80}, NFT_MSG_DNAT4},
	    {{.kind = MAPPING_PINHOLE, .protocol = 6, .internal_port = 80, .external_port = 80}, NFT_MSG_PIN4},
	    {{.kind = MAPPING_PINHOLE, .protocol = 6}, NFT_MSG_PROTOCOL_PIN4},
	    {{.kind = MAPPING_PINHOLE}, NFT_MSG_HOST_PIN4},
	    {{.kind = MAPPING_PINHOLE, .protocol = 6, .filters_n = 1, .filters = &filter},
	     NFT_MSG_FILTER_PROTOCOL_PIN4},
	    {{.kind = MAPPING_PINHOLE, .filters_n = 1, .filters = &filter}, NFT_MSG_FILTER_HOST_PIN4},
	    {{.kind = MAPPING_PINHOLE, .protocol = 6, .more_ports = 1}, NFT_MSG_PORTS_PIN4},
	    {{.kind = MAPPING_PINHOLE, .protocol = 6, .remote_port = 9}, NFT_MSG_PEER_PIN4},
	    {{.kind = MAPPING_NAT, .protocol = 6}, NFT_MSG_DNAT4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(nft_map_of(&rows[i].mapping, true, true)->name, rows[i].name);
	assert_string_equal(nft_map_of(&rows[2].mapping, false, true)->name, NFT_MSG_PROTOCOL_PIN6);
	assert_string_equal(nft_map_of(&rows[3].mapping, false, true)->name, NFT_MSG_HOST_PIN6);
	assert_string_equal(nft_map_of(&rows[0].mapping, true, false)->name, NFT_MSG_SNAT4);
	assert_string_equal(nft_map_from(true, 24), "from4-24");
	assert_string_equal(nft_map_from(false, 4), "from6-4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(longest_name),
	    cmocka_unit_test(shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
