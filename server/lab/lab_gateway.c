/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/lab_self.h"

#include "codec/codec.h"

#define FORGED_V4   0xcb007142 /* 203.0.113.66 */
#define ALL_SYSTEMS 0xe0000001 /* 224.0.0.1 */

static void forge_by(const struct fault *f, const struct lab_voice *v, const uint8_t *data, size_t length)
{
	struct in6_addr all_nodes = {.s6_addr = {0xff, 2, [15] = 1}};
	struct parcel p;

	if (!v->known)
		return;
	parcel_fill(&p, v->fd, v->ipv6,
		    &(struct udp_outgoing){.data = data,
					   .length = length,
					   .destination = v->ipv6 ? all_nodes : codec_from_v4(ALL_SYSTEMS),
					   .destination_port = CODEC_ANNOUNCE_PORT,
					   .ifindex = v->ifindex});
	parcel_disguise(&p, &f->address);
	lab_dispatch(&p);
}

/* As if all had been lost, and the outside address were another one. */
static void forge(struct lab *l, const struct fault *f)
{
	struct natpmp_message natpmp = {
	    .response = true, .opcode = NATPMP_ADDRESS, .external_address = codec_from_v4(FORGED_V4)};
	struct pcp_message pcp = {.response = true, .opcode = PCP_ANNOUNCE};
	uint8_t data[32];
	size_t n;

	n = natpmp_marshal(&natpmp, data, sizeof(data));
	forge_by(f, &l->voices[false], data, n);
	n = pcp_marshal(&pcp, data, sizeof(data));
	forge_by(f, &l->voices[false], data, n);
	forge_by(f, &l->voices[true], data, n);
}

static void epoch(struct lab *l, const struct fault *f, uint64_t now_ms)
{
	for (enum sight_protocol p = SIGHT_NATPMP; p <= SIGHT_PCP; p++) {
		if (f->protocol_set && f->protocol != p)
			continue;
		if (f->epoch == FAULT_EPOCH_FROZEN)
			ages_freeze(&l->ages, p, true, now_ms);
		else if (f->epoch == FAULT_EPOCH_SHIFT)
			ages_shift(&l->ages, p, f->seconds);
		else
			ages_set(&l->ages, p, (uint32_t)f->seconds, now_ms);
	}
}

void lab_happen(struct lab *l, size_t i)
{
	const struct fault *f = &l->plan.v[i].fault;

	switch (f->kind) {
	case FAULT_EPOCH:
		l->undo[i] = l->ages;
		epoch(l, f, loop_now_ms(l->loop));
		break;
	case FAULT_FORGE:
		forge(l, f);
		break;
	case FAULT_RESTART:
		l->restart = true;
		l->forget = f->forget;
		l->down_ms = f->down_ms;
		loop_stop(l->loop);
		break;
	default: /* another outside address is whoever reads the notes to give */
		break;
	}
}

/* Its time is over. */
void lab_unhappen(struct lab *l, size_t i)
{
	if (l->plan.v[i].fault.kind != FAULT_EPOCH)
		return;
	for (int p = 0; p < 2; p++) {
		l->ages.v[p].frozen = l->undo[i].v[p].frozen;
		l->ages.v[p].shift_s = l->undo[i].v[p].shift_s;
	}
}
