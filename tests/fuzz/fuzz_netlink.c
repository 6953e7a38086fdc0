/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whoever else asks the kernel: links, addresses, routes, neighbours, sockets, connections, and the messages of a trace of
 * packets. None of them reads beyond a message, and each comes to an end.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/conntrack.h"
#include "backends/ender.h"
#include "backends/ender_list.h"
#include "backends/ender_seen.h"
#include "codec/codec.h"
#include "server/io/busy.h"
#include "server/io/neighbour.h"
#include "server/io/netlink.h"
#include "server/io/route.h"
#include "server/io/wan.h"
#include "server/natpcpctl_selftest_event.h"
#include "tests/fuzz/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void links(void)
{
	static struct in6_addr v[WAN_ADDRESSES_MAX];
	static struct conf_external externals[] = {
	    {.interface = (char *)(uintptr_t) "wan0", .nat = true, .private_address = CONF_PRIVATE_REFUSE},
	    {.interface = (char *)(uintptr_t) "br-lan"},
	};
	struct in6_addr a = codec_from_v4(0xc0000201);
	bool refused;
	struct wan *w;

	if (wan_open(&w))
		return;
	kernel_tell();
	wan_drain(w);
	kernel_rest();
	for (unsigned i = 0; i < 4 && kernel_left() > 0; i++)
		wan_refresh(w);
	for (uint32_t i = 0; i < 4; i++) {
		require(wan_addresses(w, i, v, WAN_ADDRESSES_MAX) <= WAN_ADDRESSES_MAX);
		require(strlen(wan_interface(w, i)) < 16);
		wan_has(w, i, &a);
		wan_on_link(w, i, &a);
		wan_primary(w, i, i % 2, v);
	}
	wan_interface_of(w, &a);
	for (size_t i = 0; i < 2; i++) {
		wan_was_there(w, &externals[i], &a);
		require(wan_external(w, &externals[i], v, WAN_ADDRESSES_MAX, &refused, &a) <= WAN_ADDRESSES_MAX);
	}
	wan_close(w);
}

static void route(void)
{
	struct in6_addr v4 = codec_from_v4(0xc0000202), v6 = {{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
	struct route *r;

	if (route_open(&r))
		return;
	kernel_tell();
	for (unsigned i = 0; i < 4; i++) {
		route_leads(r, i % 2 ? &v6 : &v4, 2, 10000 * i);
		kernel_rest();
	}
	route_close(r);
}

static void neighbour(void)
{
	struct in6_addr a = codec_from_v4(0xc0000202), router = codec_from_v4(0xc0000201);
	struct in6_addr v6 = {{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}};
	struct netlink n = {0};
	struct conf_mac mac;

	neighbour_mac(2, &a, &mac);
	kernel_rest();
	for (unsigned i = 0; i < 4 && kernel_left() > 0; i++) {
		neighbour_missing(&n, i % 3, i % 2 ? &v6 : &router, i % 2 ? &v6 : &a);
		kernel_rest();
	}
	netlink_close(&n);
}

static void busy(void)
{
	static const uint32_t outside[] = {2, 3};
	struct busy b = {0};

	busy_read(&b, outside, 2);
	for (size_t i = 0; i < b.n; i++)
		require(b.v[i].port != 0);
	busy_clear(&b);
}

static void flow(void)
{
	struct conntrack_flow f = {.internal_address = codec_from_v4(0xc0000202),
				   .remote_address = codec_from_v4(0xc6336402),
				   .internal_port = 1000,
				   .remote_port = 53,
				   .protocol = 17};
	struct conntrack *c;

	if (conntrack_open(&c))
		return;
	if (conntrack_find(c, &f) == 0)
		require(codec_is_v4(&f.external_address));
	kernel_rest();
	conntrack_close(c);
}

static void ends(void)
{
	static struct ender_seen seen;
	struct mapping m = {.internal_address = codec_from_v4(0xc0000202),
			    .external_address = codec_from_v4(0xc6336401),
			    .internal_port = 1000,
			    .external_port = 1000,
			    .protocol = 6};
	struct ender_list l = {0};
	struct ender *e;
	uint64_t ended;

	if (ender_open(&e, 0x40000000, 0x20000000))
		return;
	ender_list_add(&l, &m, ENDER_ASK, NULL);
	m.more_ports = 8;
	ender_list_add(&l, &m, ENDER_FORGET, NULL);
	m.internal_port++;
	ender_list_add(&l, &m, ENDER_RESET, NULL);
	ender_search(e, &l, &seen, &ended);
	kernel_rest();
	ender_list_clear(&l);
	ender_close(e);
}

/* In a block of exactly its length. */
static void trace(const uint8_t *data, size_t length)
{
	uint8_t *block = malloc(length);
	struct event e;

	require(block != NULL);
	memcpy(block, data, length);
	if (event_parse(block, length, &e))
		require(strlen(e.place.table) < EVENT_NAME && strlen(e.place.chain) < EVENT_NAME);
	free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static void (*const fn[])(void) = {links, route, neighbour, busy, flow, ends};
	unsigned which;

	kernel_begin(data, length);
	which = kernel_octet() % 7;
	if (which < 6)
		fn[which]();
	else if (length > 1)
		trace(data + 1, length - 1);
	kernel_end(0);
	return 0;
}
