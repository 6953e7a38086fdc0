/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables backend with a kernel that answers anything. It reads nothing beyond a message, ends, and tells only of
 * mappings that could be ours.
 */
#include "backends/nft.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"
#include "conf/conf.h"
#include "tests/fuzz/kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

enum { OPERATIONS = 32, MAPPINGS = 6 };

static const char text[] =
    "external \"wan\" { interface = \"wan0\" }\n"
    "external \"dmz\" { addresses = { \"203.0.113.0/30\" } }\n"
    "listen \"lan\" { interfaces = { \"lan0\" } external = \"wan\" }\n"
    "listen \"other\" { interfaces = { \"lan1\" } external = \"dmz\" }\n"
    "rule \"all\" { action = allow }\n"
    "backend { forward-chain = { \"inet filter forward\", \"ip filter FORWARD\" } natpmp-reset = true }\n";

static struct conf *conf;

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Something to read of it all, so that what is not there is found out. */
static void found(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	unsigned *n = context;

	(void)remaining_ms;
	++*n;
	require(codec_is_v4(&m->internal_address) == codec_is_v4(&m->external_address));
	require(m->kind == MAPPING_NAT || m->kind == MAPPING_PINHOLE);
	require(m->external_port + m->more_ports <= UINT16_MAX);
	for (size_t i = 0; i < m->filters_n; i++)
		require(m->filters[i].prefix_length <= 128);
}

static void fill(struct mapping m[MAPPINGS])
{
	for (unsigned i = 0; i < MAPPINGS; i++) {
		m[i] = (struct mapping){.internal_address = codec_from_v4(0xc0000202 + i),
					.external_address = codec_from_v4(0xc6336401),
					.internal_port = (uint16_t)(1000 + i),
					.external_port = (uint16_t)(1000 + i),
					.protocol = i % 2 ? 6 : 17,
					.kind = MAPPING_NAT};
	}
	m[1].external_address = codec_from_v4(0);
	m[2].more_ports = 3;
	m[3].remote_address = codec_from_v4(0xc6336402);
	m[3].remote_port = 53;
	m[4].kind = MAPPING_PINHOLE;
	m[4].internal_address = m[4].external_address = (struct in6_addr){{{0x20, 0x01, 0x0d, 0xb8, [15] = 5}}};
	m[5].kind = MAPPING_PINHOLE;
	m[5].external_address = m[5].internal_address;
}

static void commit(struct backend *b)
{
	static const struct mapping_filter filters[] = {
	    {.address.s6_addr = {[10] = 0xff, 0xff, 198, 51, 100, 2}, .port = 80, .prefix_length = 128},
	    {.address.s6_addr = {[10] = 0xff, 0xff, 203, 0, 113, 0}, .prefix_length = 120},
	};
	struct mapping m[MAPPINGS];
	struct change changes[MAPPINGS];
	uint8_t op = kernel_octet();

	fill(m);
	if (op & 128) {
		m[0].filters = filters;
		m[0].filters_n = 2;
	}
	for (unsigned i = 0; i < MAPPINGS; i++)
		changes[i] = (struct change){.mapping = m[i],
					     .op = (op >> i) % 3 == 0	? CHANGE_ADD
						   : (op >> i) % 3 == 1 ? CHANGE_RENEW
									: CHANGE_REMOVE,
					     .timeout_ms = 60000};
	b->ops->commit(b, changes, MAPPINGS);
}

static void operate(struct backend *b)
{
	struct mapping m[MAPPINGS];
	struct backend_flows flows;
	char why[256] = "";
	uint64_t token;
	unsigned n = 0;
	size_t count;

	switch (kernel_octet() % 11) {
	case 0:
		b->ops->list(b, found, &n);
		break;
	case 1:
		b->ops->list_filtered(b, found, &n);
		break;
	case 2:
		fill(m);
		b->ops->ask(b, m, MAPPINGS, found, &n);
		break;
	case 3:
		b->ops->count(b, &count);
		break;
	case 4:
		b->ops->token(b, &token);
		break;
	case 5:
		b->ops->set_token(b, 0x1234567890abcdef);
		break;
	case 6:
		b->ops->watch(b, why, sizeof(why));
		break;
	case 7:
		kernel_tell(); /* the monitor was opened last */
		b->ops->drain(b);
		break;
	case 8:
		b->ops->flows(b, &flows);
		break;
	case 9:
		b->ops->reload(b, conf, why, sizeof(why));
		break;
	default:
		commit(b);
		break;
	}
	kernel_rest();
}

/* As it was when it had just been opened, but for memory that has grown. */
static void set_back(struct nft *n, const struct nft *then)
{
	struct nft now = *n;

	*n = *then;
	n->batch = now.batch;
	n->slots = now.slots;
	n->slots_capacity = now.slots_capacity;
}

static struct backend *open_backend(bool obliging)
{
	char why[1024] = "";
	struct backend *b;

	kernel_oblige(obliging);
	if (backend_nft_open(&b, conf, why, sizeof(why)) < 0) {
		require(!obliging && why[0] != '\0');
		return NULL;
	}
	kernel_oblige(false);
	return b;
}

/* To open takes a thousand times as long as to read an answer: mostly, one that is open is used again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct backend *kept;
	static struct nft fresh;
	struct backend *b;
	bool anew;

	if (!kept) {
		conf = conf_parse(text, sizeof(text) - 1, "f", (char[CONF_LOCATION_MAX]){0});
		require(conf != NULL);
		kernel_begin(data, 0);
		kept = open_backend(true);
		fresh = *(struct nft *)kept;
	}
	kernel_begin(data, length);
	anew = kernel_octet() % 64 == 63;
	b = anew ? open_backend(false) : kept;
	for (unsigned i = 0; b && i < OPERATIONS && kernel_left() > 0; i++)
		operate(b);
	if (!anew)
		set_back((struct nft *)kept, &fresh);
	else if (b)
		b->ops->close(b, false);
	kernel_end(2);
	return 0;
}
