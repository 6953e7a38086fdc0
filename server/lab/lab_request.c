/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/lab_self.h"

#include <string.h>

#include "codec/codec.h"
#include "server/io/log.h"
#include "server/lab/icmp.h"
#include "server/lab/refuse.h"

static void reply(struct lab *l, int fd, const struct udp_datagram *d, const uint8_t *data, size_t length)
{
	struct parcel p;

	if (!length)
		return;
	parcel_fill(&p, fd, !codec_is_v4(&d->source),
		    &(struct udp_outgoing){.data = data,
					   .length = length,
					   .source = d->destination,
					   .destination = d->source,
					   .destination_port = d->source_port,
					   .ifindex = d->ifindex});
	lab_answer(l, &p);
}

static void refuse(struct lab *l, int fd, const struct udp_datagram *d, const struct fault *f,
		   enum sight_protocol protocol)
{
	uint8_t out[UDP_CAPTURE];
	size_t length = d->length < UDP_CAPTURE ? d->length : UDP_CAPTURE, n;
	enum sight_protocol speaks = protocol;

	if (f->kind == FAULT_RESULT) {
		n = refuse_result(d->data, length, f->result[protocol], f->hold_s,
				  ages_now(&l->ages, protocol, loop_now_ms(l->loop)), out, sizeof(out));
	} else {
		speaks = f->style == FAULT_STYLE_PCP || f->style == FAULT_STYLE_PCP1 ? SIGHT_PCP : SIGHT_NATPMP;
		n = refuse_version(d->data, length, f->style, ages_now(&l->ages, speaks, loop_now_ms(l->loop)), out,
				   sizeof(out));
	}
	reply(l, fd, d, out, n);
}

/* So that it may be changed. */
static void own(struct udp_datagram *d, uint8_t *copy)
{
	if (d->data != copy)
		memcpy(copy, d->data, d->length < UDP_CAPTURE ? d->length : UDP_CAPTURE);
	d->data = copy;
}

/* False: the engine does not get to see it. */
static bool befall_request(struct lab *l, int fd, struct udp_datagram *d, uint8_t *copy, const struct fault *f,
			   const struct sight *s)
{
	size_t length = d->length < UDP_CAPTURE ? d->length : UDP_CAPTURE;
	int error;

	switch (f->kind) {
	case FAULT_SILENCE:
		return false;
	case FAULT_RESULT:
	case FAULT_VERSION:
		refuse(l, fd, d, f, s->protocol);
		return false;
	case FAULT_UNREACHABLE:
		error = icmp_send_unreachable(d, CODEC_SERVER_PORT);
		if (error)
			log_print(CONF_LOG_WARNING, "lab-icmp-failed", "%s", strerror(-error));
		return false;
	case FAULT_PORT:
	case FAULT_LIFETIME:
		own(d, copy);
		if (f->kind == FAULT_PORT)
			alter_wish(copy, length, (uint16_t)f->number);
		else
			alter_lifetime(copy, length, f->time_ms / 1000);
		return true;
	default:
		return true;
	}
}

/* False: it ends here. */
static bool request(struct lab *l, int fd, struct udp_datagram *d, uint8_t *copy)
{
	struct sight s = sight(d->data, d->length < UDP_CAPTURE ? d->length : UDP_CAPTURE);
	uint64_t now_ms = loop_now_ms(l->loop);
	bool goes_on = true, shortened = false;

	if (s.response)
		return true;
	for (size_t i = 0; i < l->plan.n; i++) {
		const struct fault *f = &l->plan.v[i].fault;
		enum fault_when when = fault_when(f->kind);

		if ((when != FAULT_OF_REQUESTS && when != FAULT_OF_GATEWAY) ||
		    !plan_takes(&l->plan, i, &s, &d->source, now_ms))
			continue;
		if (when == FAULT_OF_GATEWAY) {
			lab_tell(l, i, &d->source, d->source_port);
			lab_happen(l, i);
		} else if (goes_on) {
			lab_tell(l, i, &d->source, d->source_port);
			goes_on = befall_request(l, fd, d, copy, f, &s);
			shortened = shortened || f->kind == FAULT_LIFETIME;
		}
	}
	if (goes_on && !shortened && s.protocol == SIGHT_PCP) {
		own(d, copy);
		alter_least(copy, d->length < UDP_CAPTURE ? d->length : UDP_CAPTURE, l->least_s);
	}
	return goes_on;
}

int lab_receive(void *context, struct udp_inbox *in, int fd, const struct udp_datagram **v)
{
	struct lab *l = context;
	const struct udp_datagram *all;
	int n = udp_receive(in, fd, &all), kept = 0;

	for (int i = 0; i < n; i++) {
		l->in[kept] = all[i];
		kept += request(l, fd, &l->in[kept], l->data[kept]);
	}
	*v = l->in;
	return n < 0 ? n : kept;
}
