/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nft_map.h"

#include <string.h>

#include "backends/nft_filter.h"

/* Maps of mappings, and sets of the pieces of filters, by the length of their prefixes. */
enum { WHOLE_N = 23, FROM4_N = 32 / NFT_FILTER_STEP, FROM6_N = NFT_MAP_FROM6_N, MAPS_N = WHOLE_N + FROM4_N + FROM6_N };

#define FROM4(n)                                                                                                       \
	{                                                                                                              \
		"from4-" #n, NFT_MAP_PIECE, NFT_MAP_PORT, false, true, true, n                                         \
	}
#define FROM6(n)                                                                                                       \
	{                                                                                                              \
		"from6-" #n, NFT_MAP_PIECE, NFT_MAP_PORT, false, false, true, n                                        \
	}

static const struct nft_map maps[MAPS_N] = {
    {NFT_MSG_DNAT4, NFT_MAP_FOR_ALL, NFT_MAP_PORT, true, true, true, 0},
    {NFT_MSG_SNAT4, NFT_MAP_FOR_ALL, NFT_MAP_PORT, true, true, false, 0},
    {NFT_MSG_PIN4, NFT_MAP_FOR_ALL, NFT_MAP_PORT, false, true, true, 0},
    {NFT_MSG_PIN6, NFT_MAP_FOR_ALL, NFT_MAP_PORT, false, false, true, 0},
    {NFT_MSG_PEER_DNAT4, NFT_MAP_FOR_PEER, NFT_MAP_PORT, true, true, true, 0},
    {NFT_MSG_PEER_SNAT4, NFT_MAP_FOR_PEER, NFT_MAP_PORT, true, true, false, 0},
    {NFT_MSG_PEER_PIN4, NFT_MAP_FOR_PEER, NFT_MAP_PORT, false, true, true, 0},
    {NFT_MSG_PEER_PIN6, NFT_MAP_FOR_PEER, NFT_MAP_PORT, false, false, true, 0},
    {NFT_MSG_FILTER_DNAT4, NFT_MAP_FOR_FILTER, NFT_MAP_PORT, true, true, true, 0},
    {NFT_MSG_FILTER_PIN4, NFT_MAP_FOR_FILTER, NFT_MAP_PORT, false, true, true, 0},
    {NFT_MSG_FILTER_PIN6, NFT_MAP_FOR_FILTER, NFT_MAP_PORT, false, false, true, 0},
    {NFT_MSG_PORTS_DNAT4, NFT_MAP_OF_PORTS, NFT_MAP_PORT, true, true, true, 0},
    {NFT_MSG_PORTS_SNAT4, NFT_MAP_OF_PORTS, NFT_MAP_PORT, true, true, false, 0},
    {NFT_MSG_PORTS_PIN4, NFT_MAP_OF_PORTS, NFT_MAP_PORT, false, true, true, 0},
    {NFT_MSG_PORTS_PIN6, NFT_MAP_OF_PORTS, NFT_MAP_PORT, false, false, true, 0},
    {NFT_MSG_PROTOCOL_PIN4, NFT_MAP_FOR_ALL, NFT_MAP_PROTOCOL, false, true, true, 0},
    {NFT_MSG_PROTOCOL_PIN6, NFT_MAP_FOR_ALL, NFT_MAP_PROTOCOL, false, false, true, 0},
    {NFT_MSG_HOST_PIN4, NFT_MAP_FOR_ALL, NFT_MAP_HOST, false, true, true, 0},
    {NFT_MSG_HOST_PIN6, NFT_MAP_FOR_ALL, NFT_MAP_HOST, false, false, true, 0},
    {NFT_MSG_FILTER_PROTOCOL_PIN4, NFT_MAP_FOR_FILTER, NFT_MAP_PROTOCOL, false, true, true, 0},
    {NFT_MSG_FILTER_PROTOCOL_PIN6, NFT_MAP_FOR_FILTER, NFT_MAP_PROTOCOL, false, false, true, 0},
    {NFT_MSG_FILTER_HOST_PIN4, NFT_MAP_FOR_FILTER, NFT_MAP_HOST, false, true, true, 0},
    {NFT_MSG_FILTER_HOST_PIN6, NFT_MAP_FOR_FILTER, NFT_MAP_HOST, false, false, true, 0},
    FROM4(4),
    FROM4(8),
    FROM4(12),
    FROM4(16),
    FROM4(20),
    FROM4(24),
    FROM4(28),
    FROM4(32),
    FROM6(4),
    FROM6(8),
    FROM6(12),
    FROM6(16),
    FROM6(20),
    FROM6(24),
    FROM6(28),
    FROM6(32),
    FROM6(36),
    FROM6(40),
    FROM6(44),
    FROM6(48),
    FROM6(52),
    FROM6(56),
    FROM6(60),
    FROM6(64),
    FROM6(68),
    FROM6(72),
    FROM6(76),
    FROM6(80),
    FROM6(84),
    FROM6(88),
    FROM6(92),
    FROM6(96),
    FROM6(100),
    FROM6(104),
    FROM6(108),
    FROM6(112),
    FROM6(116),
    FROM6(120),
    FROM6(124),
    FROM6(128),
};

static enum nft_map_shape shape_of(const struct mapping *m, bool outside)
{
	if (m->more_ports)
		return NFT_MAP_OF_PORTS;
	if (m->remote_port)
		return NFT_MAP_FOR_PEER;
	return outside && m->filters_n ? NFT_MAP_FOR_FILTER : NFT_MAP_FOR_ALL;
}

static enum nft_map_reach reach_of(const struct mapping *m)
{
	if (m->kind == MAPPING_NAT || m->external_port || m->more_ports || m->remote_port)
		return NFT_MAP_PORT;
	return m->protocol ? NFT_MAP_PROTOCOL : NFT_MAP_HOST;
}

const struct nft_map *nft_map_of(const struct mapping *m, bool v4, bool outside)
{
	enum nft_map_shape shape = shape_of(m, outside);
	enum nft_map_reach reach = reach_of(m);
	const struct nft_map *t = maps;

	while (t->nat != (m->kind == MAPPING_NAT) || t->v4 != v4 || t->shape != shape || t->reach != reach ||
	       t->outside != outside)
		t++;
	return t;
}

const char *nft_map_from(bool v4, unsigned length)
{
	return maps[WHOLE_N + (v4 ? 0 : FROM4_N) + length / NFT_FILTER_STEP - 1].name;
}

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

void nft_map_mirror(char name[NFT_MSG_NAME_MAX], const char *base, const struct conf_external *external)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strlen(base);

	memcpy(name, base, n);
	name[n++] = '-';
	/* a section's name has 63 octets at most, so it fits */
	for (const char *c = external->name; *c && n < NFT_MSG_NAME_MAX - 4; c++) {
		if (is_plain(*c)) {
			name[n++] = *c;
			continue;
		}
		name[n++] = '.';
		name[n++] = digits[(uint8_t)*c >> 4];
		name[n++] = digits[(uint8_t)*c & 15];
	}
	name[n] = '\0';
}

const struct nft_map *nft_map_at(const struct conf *conf, size_t i, size_t *external)
{
	for (size_t k = 0; k < MAPS_N; k++) {
		size_t n = maps[k].outside ? 1 : conf->externals_n;

		*external = i;
		if (i < n)
			return &maps[k];
		i -= n;
	}
	return NULL;
}

void nft_map_name(char name[NFT_MSG_NAME_MAX], const struct conf *conf, const struct nft_map *map, size_t external)
{
	/* an external that is no more had its mirror deleted: whatever is done to that of another does no harm */
	if (map->outside)
		memcpy(name, map->name, strlen(map->name) + 1);
	else
		nft_map_mirror(name, map->name, &conf->externals[external < conf->externals_n ? external : 0]);
}

const struct nft_map *nft_map_named(const struct conf *conf, const char *name, size_t *external)
{
	char other[NFT_MSG_NAME_MAX];
	const struct nft_map *map;

	for (size_t i = 0; (map = nft_map_at(conf, i, external)); i++) {
		nft_map_name(other, conf, map, *external);
		if (strcmp(name, other) == 0)
			return map;
	}
	return NULL;
}
