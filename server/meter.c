/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/meter.h"

#include <stdlib.h>
#include <string.h>

#include "codec/codec.h"

void meter_commit(struct meter *m, size_t changes, uint64_t us)
{
	histogram_add(&m->commit_us, us, 1);
	histogram_add(&m->changes, changes - 1, 1);
}

/* NULL if out of memory: then it is not counted. */
static struct meter_interface *named(struct meter *m, const char *name)
{
	size_t i = 0;

	while (i < m->interfaces_n && strcmp(m->interfaces[i]->name, name) != 0)
		i++;
	if (i == METER_INTERFACES)
		return m->interfaces[i - 1];
	if (i == m->interfaces_n) {
		if (i == METER_INTERFACES - 1)
			name = "other";
		m->interfaces[i] = calloc(1, sizeof(*m->interfaces[i]));
		if (!m->interfaces[i])
			return NULL;
		strcpy(m->interfaces[i]->name, name);
		m->interfaces_n++;
	}
	return m->interfaces[i];
}

static struct meter_interface *interface_of(struct meter *m, const struct round_reply *r, const struct listeners *s)
{
	const struct listener *l;

	if (m->at && m->ifindex == r->ifindex)
		return m->at;
	l = listeners_find(s, r->listen, !codec_is_v4(&r->destination), r->ifindex);
	m->at = named(m, l ? l->interface : "");
	m->ifindex = r->ifindex;
	return m->at;
}

void meter_answers(struct meter *m, const struct round_reply *v, size_t n, const struct listeners *s, uint64_t now_us)
{
	uint64_t answers = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *d = v[i].data;
		struct meter_interface *x;
		unsigned opcode;

		/* a Mapping Update, which nobody asked for, knows no interface */
		if (v[i].kind != ROUND_UNICAST || v[i].length < 4 || !v[i].ifindex)
			continue;
		answers++;
		x = interface_of(m, &v[i], s);
		if (!x)
			continue;
		opcode = d[1] & 0x7fu;
		x->answers[d[0] != CODEC_VERSION_NATPMP][opcode < METER_OPCODES - 1 ? opcode : METER_OPCODES - 1]
			  [d[3] & (METER_RESULTS - 1)]++;
	}
	if (m->received_us && answers)
		histogram_add(&m->request_us, now_us - m->received_us, answers);
}

void meter_renumbered(struct meter *m)
{
	m->at = NULL;
}

void meter_clear(struct meter *m)
{
	for (size_t i = 0; i < m->interfaces_n; i++)
		free(m->interfaces[i]);
	memset(m, 0, sizeof(*m));
}
