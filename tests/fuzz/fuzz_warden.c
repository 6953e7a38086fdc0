/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that reads packets and was taken over: it says anything to the one that changes the packet filter. What is
 * sound becomes messages for the kernel; what is permitted goes to a memory backend, which must hold nothing else.
 *
 * Input: messages, each with a kind, how many records it says to have, how long it is (two octets each), and a body.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/nft_msg.h"
#include "backends/serve.h"
#include "codec/codec.h"
#include "conf/conf.h"
#include "server/core/permit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static const char text[] =
    "external \"wan\" { addresses = { 198.51.100.1 } ports = { 443, 1024-60000 } }\n"
    "external \"routed\" { interface = wan1 nat = false }\n"
    "listen \"lan\" { interfaces = { lan0 } external = wan }\n"
    "rule \"no\" { action = deny clients = { 192.0.2.64/26 } }\n"
    "rule \"yes\" { action = allow clients = { 192.0.2.0/24 } }\n"
    "rule \"all\" { action = allow clients = { 2001:db8::/32 } wildcard = true }\n"
    "static \"web\" { protocol = tcp external-port = 443 external = wan to = \"192.0.2.70:8443\" }\n"
    "reserved-ports { tcp = { 22, 5000-5010 } }\n"
    "backend { type = memory }\n";

struct fuzz {
	struct serve s;
	struct conf *conf;
	const uint8_t *data;
	size_t length;
	uint8_t *body; /* of its exact length */
};

static struct permit_place place(const struct fuzz *f, const struct mapping *m)
{
	return (struct permit_place){.outside =
					 conf_prefixes_have(&f->conf->externals[0].addresses, &m->external_address)};
}

static void check(bool what)
{
	if (!what)
		abort();
}

/* What the kernel would be told: it fits where it is said to fit. */
static void tell_kernel(const struct fuzz *f, const struct change *c)
{
	size_t room = nft_msg_room(c) + 2 * NFT_MSG_FRAME;
	struct nft_msg_batch b = {.data = calloc(1, room), .capacity = room};

	for (unsigned old = 0; b.data && old < 2; old++) {
		const struct nft_msg_kernel kernel = {.destroy = !old, .update = !old};

		nft_msg_begin(&b, 1);
		nft_msg_change(&b, f->conf, &kernel, c, 2, 0);
		check(b.length <= room);
		memset(b.data, 0, room);
	}
	free(b.data);
}

static const char *permit(void *context, const struct change *c)
{
	const struct fuzz *f = context;
	struct permit_place p;

	if (!permit_sound(f->conf, &c->mapping))
		return "unsound";
	tell_kernel(f, c);
	p = place(f, &c->mapping);
	return permit_change(f->conf, c, &p);
}

static bool shaped(void *context, const struct mapping *m)
{
	return permit_sound(((struct fuzz *)context)->conf, m);
}

static void refused(void *context, const struct change *c, const char *why)
{
	(void)context, (void)c, (void)why;
}

static int send_answer(void *context, const struct wire_buffer *b)
{
	struct wire_head h;

	(void)context;
	memcpy(&h, b->data, sizeof(h));
	check(h.length == b->length - sizeof(h));
	return 0;
}

static int next(void *context, struct wire_head *h, const uint8_t **body)
{
	struct fuzz *f = context;
	uint16_t n, length;

	if (f->length < 5)
		return -EPIPE;
	memcpy(&n, f->data + 1, sizeof(n));
	memcpy(&length, f->data + 3, sizeof(length));
	h->what = f->data[0];
	h->n = n == UINT16_MAX ? UINT32_MAX : n;
	f->data += 5;
	f->length -= 5;
	h->length = length < f->length ? length : (uint32_t)f->length;
	h->result = 0;
	free(f->body);
	f->body = malloc(h->length ? h->length : 1);
	if (!f->body)
		return -ENOMEM;
	memcpy(f->body, f->data, h->length);
	f->data += h->length;
	f->length -= h->length;
	*body = f->body;
	return 0;
}

static int other(void *context, const struct wire_head *h, const uint8_t *body)
{
	struct conntrack_flow flow;
	struct fuzz *f = context;
	struct ender_list l = {0};
	struct wire_room r = {0};

	if (h->what == WIRE_FIND)
		return wire_get_flow(body, h->length, &flow) ? -EBADMSG : serve_done(&f->s, -ENOENT);
	if (h->what != WIRE_SEARCH)
		return -EBADMSG;
	if (wire_get_items(&r, body, h->length, h->n, &l.v) == 0) {
		l.n = h->n;
		ender_list_sort(&l);
	}
	wire_room_clear(&r);
	return serve_done(&f->s, 0);
}

static void look(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct fuzz *f = context;
	struct permit_place p = place(f, m);

	(void)remaining_ms;
	check(permit_add(f->conf, m, &p) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	static struct conf *conf;
	struct fuzz f = {.data = data, .length = length};
	char why[CONF_LOCATION_MAX];
	const uint8_t *body;
	struct wire_head h;
	int rc = 0;

	if (!conf)
		conf = conf_parse(text, sizeof(text) - 1, "fuzz.conf", why);
	f.conf = conf;
	f.s = (struct serve){.permit = permit,
			     .shaped = shaped,
			     .refused = refused,
			     .send = send_answer,
			     .receive = next,
			     .other = other,
			     .context = &f};
	check(conf && backend_memory_open(&f.s.backend) == 0);
	while (rc == 0 && next(&f, &h, &body) == 0)
		rc = serve_question(&f.s, &h, body);
	f.s.backend->ops->list(f.s.backend, look, &f);
	f.s.backend->ops->close(f.s.backend, false);
	serve_clear(&f.s);
	free(f.body);
	return 0;
}
