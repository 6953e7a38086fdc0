/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/ages.h"

void ages_init(struct ages *a, uint32_t older_s)
{
	for (int i = 0; i < 2; i++)
		a->v[i] = (struct age){.shift_s = older_s};
}

/* What the engine would say now. */
static uint32_t engine_now(const struct age *v, uint64_t now_ms)
{
	return v->seen ? v->engine_s + (uint32_t)((now_ms - v->at_ms) / 1000) : 0;
}

static uint32_t limited(int64_t s)
{
	return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static uint32_t told(const struct age *v, uint32_t engine_s)
{
	return v->frozen ? v->frozen_s : limited((int64_t)engine_s + v->shift_s);
}

uint32_t ages_now(const struct ages *a, enum sight_protocol protocol, uint64_t now_ms)
{
	const struct age *v = &a->v[protocol];

	return told(v, engine_now(v, now_ms));
}

bool ages_put(struct ages *a, uint8_t *data, size_t length, uint64_t now_ms)
{
	struct sight s = sight(data, length);
	size_t at = s.protocol == SIGHT_NATPMP ? SIGHT_NATPMP_EPOCH : SIGHT_PCP_EPOCH;
	struct age *v;
	uint32_t engine_s = 0, t;
	bool restarted;

	if (s.protocol == SIGHT_OTHER || !s.response || length < at + 4)
		return false;
	v = &a->v[s.protocol];
	for (size_t i = 0; i < 4; i++)
		engine_s = engine_s << 8 | data[at + i];
	restarted = v->seen && engine_s < engine_now(v, now_ms);
	if (restarted)
		v->shift_s = 0;
	/* the first of a second stays: what is counted on from it is never ahead of the engine */
	if (!v->seen || restarted || engine_s != engine_now(v, now_ms)) {
		v->engine_s = engine_s;
		v->at_ms = now_ms;
	}
	v->seen = true;
	t = told(v, engine_s);
	for (size_t i = 0; i < 4; i++)
		data[at + i] = (uint8_t)(t >> (24 - 8 * i));
	return restarted;
}

void ages_restart(struct ages *a, enum sight_protocol protocol)
{
	a->v[protocol].shift_s = 0;
	a->v[protocol].seen = false;
}

void ages_shift(struct ages *a, enum sight_protocol protocol, int64_t seconds)
{
	a->v[protocol].shift_s += seconds;
}

void ages_set(struct ages *a, enum sight_protocol protocol, uint32_t epoch_s, uint64_t now_ms)
{
	struct age *v = &a->v[protocol];

	v->shift_s = (int64_t)epoch_s - engine_now(v, now_ms);
}

void ages_freeze(struct ages *a, enum sight_protocol protocol, bool frozen, uint64_t now_ms)
{
	struct age *v = &a->v[protocol];

	v->frozen_s = frozen ? ages_now(a, protocol, now_ms) : 0;
	v->frozen = frozen;
}
