/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/lab_self.h"

#include "codec/codec.h"

/* What becomes of one answer: 0 or more of them leave, now or later. */
struct fate {
	bool lost;
	unsigned copies;
	uint32_t late_ms;
};

static uint64_t next_random(void *plan)
{
	return plan_random(plan);
}

static void spoof(const struct parcel *p, const struct fault *f)
{
	struct parcel other;

	parcel_copy(&other, p);
	parcel_disguise(&other, &f->address);
	alter_promise(other.data, other.out.length);
	lab_dispatch(&other);
}

static void befall_answer(struct lab *l, const struct fault *f, struct parcel *p, struct fate *fate)
{
	size_t *n = &p->out.length;

	switch (f->kind) {
	case FAULT_MUTE:
		fate->lost = true;
		break;
	case FAULT_NONCE:
		*n = alter_nonce(p->data, *n);
		break;
	case FAULT_TRUNCATE:
		*n = alter_truncate(*n, f->number);
		break;
	case FAULT_LENGTHEN:
		*n = alter_lengthen(p->data, *n, f->number);
		break;
	case FAULT_GARBAGE:
		*n = alter_garbage(p->data, *n, next_random, &l->plan);
		break;
	case FAULT_SPOOF:
		spoof(p, f);
		break;
	case FAULT_TWICE:
		fate->copies++;
		break;
	case FAULT_SOURCE:
		parcel_disguise(p, &f->address);
		break;
	case FAULT_SOURCE_PORT:
		p->source_port = (uint16_t)f->number;
		break;
	case FAULT_SLOW:
		fate->late_ms += f->time_ms;
		break;
	default:
		break;
	}
}

void lab_answer(struct lab *l, struct parcel *p)
{
	struct sight s = sight(p->data, p->out.length);
	uint64_t now_ms = loop_now_ms(l->loop);
	struct fate fate = {.copies = 1};

	for (size_t i = 0; i < l->plan.n; i++) {
		const struct fault *f = &l->plan.v[i].fault;

		if (fault_when(f->kind) != FAULT_OF_ANSWERS ||
		    !plan_takes(&l->plan, i, &s, &p->out.destination, now_ms) || fate.lost)
			continue;
		lab_tell(l, i, &p->out.destination, p->out.destination_port);
		befall_answer(l, f, p, &fate);
	}
	if (fate.lost)
		return;
	for (; fate.copies > 0; fate.copies--) {
		if (fate.late_ms)
			lab_later(l, p, now_ms + fate.late_ms);
		else
			lab_dispatch(p);
	}
}

/* What nobody asked for (RFC 6887 14.2): an answer leaves from the address that was asked. */
static bool is_update(const struct udp_outgoing *o)
{
	return codec_is_unspecified(&o->source);
}

static bool to_group(const struct parcel *p)
{
	return p->ipv6 ? IN6_IS_ADDR_MULTICAST(&p->out.destination) : IN_MULTICAST(codec_to_v4(&p->out.destination));
}

size_t lab_send(void *context, int fd, bool ipv6, const struct udp_outgoing *v, size_t n, int *error)
{
	struct lab *l = context;
	struct parcel p;

	for (size_t i = 0; i < n; i++) {
		bool restarted, group;

		parcel_fill(&p, fd, ipv6, &v[i]);
		group = to_group(&p);
		if (group)
			l->voices[ipv6] = (struct lab_voice){true, ipv6, fd, v[i].ifindex};
		restarted = ages_put(&l->ages, p.data, p.out.length, loop_now_ms(l->loop));
		if (group || is_update(&v[i]))
			lab_announce(l, &p, group, restarted);
		else
			lab_answer(l, &p);
	}
	if (error)
		*error = 0;
	return n;
}
