/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/core/reply.h"

/* LENGTH_MORE: an answer may have a PORT_SET where its request had none. */
enum { DATA_MAX = 1104, LENGTH_MIN = 64, LENGTH_MORE = 12 };

struct round_answer *reply_begin(const struct engine_datagram *d, bool pcp, uint8_t opcode, struct round *r)
{
	struct round_request q = {.data = d->data,
				  .length = d->length < DATA_MAX ? d->length : DATA_MAX,
				  .source = d->source,
				  .destination = d->destination,
				  .ifindex = d->ifindex,
				  .source_port = d->source_port,
				  .listen = d->listen,
				  .pcp = pcp};
	size_t padded = (q.length + 3) & ~(size_t)3;
	uint32_t i = round_answer(r, &q, (padded < LENGTH_MIN ? LENGTH_MIN : padded) + LENGTH_MORE);

	if (i == ROUND_NONE)
		return NULL;
	r->answers[i].opcode = opcode;
	r->answers[i].mapping.internal_address = d->source;
	return &r->answers[i];
}

uint32_t reply_index(const struct round *r, const struct round_answer *a)
{
	return (uint32_t)(a - r->answers);
}

void reply_length(struct round *r, const struct round_answer *a, size_t length)
{
	r->replies[reply_index(r, a)].length = length;
}

void reply_refused(struct round *r, struct round_answer *a, uint8_t result, const char *why)
{
	a->refused = true;
	round_event(r, &(struct round_event){.kind = ROUND_REFUSED,
					     .pcp = a->request.pcp,
					     .opcode = a->opcode,
					     .result = result,
					     .mapping = a->mapping,
					     .client = a->request.source,
					     .rule = a->rule,
					     .why = why});
}
