/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/turns.h"

#include <string.h>

#include "codec/codec.h"

enum { PLACES = 2 * UDP_INBOX }; /* a power of two */

struct place {
	uint64_t client;
	uint16_t seen; /* 0 = free */
};

static uint64_t client_of(const struct in6_addr *a)
{
	uint64_t half;

	/* one socket has one family */
	if (codec_is_v4(a))
		return codec_to_v4(a);
	memcpy(&half, a, sizeof(half));
	return half;
}

/* How many of the same client came before. Whoever chooses addresses that meet in one place makes this walk longer, but
 * not longer than the inbox. */
static uint16_t before(struct place *places, uint64_t client)
{
	size_t i = (client * 0x9e3779b97f4a7c15) >> 32 & (PLACES - 1);

	while (places[i].seen && places[i].client != client)
		i = (i + 1) & (PLACES - 1);
	places[i].client = client;
	return places[i].seen++;
}

void turns_order(const struct udp_datagram *v, size_t n, uint16_t *order)
{
	struct place places[PLACES] = {0};
	uint16_t turn[UDP_INBOX], begin[UDP_INBOX + 1] = {0};

	for (size_t i = 0; i < n; i++) {
		turn[i] = before(places, client_of(&v[i].source));
		begin[turn[i] + 1]++;
	}
	for (size_t i = 1; i <= n; i++)
		begin[i] = (uint16_t)(begin[i] + begin[i - 1]);
	for (size_t i = 0; i < n; i++)
		order[begin[turn[i]]++] = (uint16_t)i;
}
