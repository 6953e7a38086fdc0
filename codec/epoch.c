/* SPDX-License-Identifier: MIT */
#include "codec/epoch.h"

uint32_t epoch_seconds(const struct epoch *e, uint64_t now_ms)
{
	/* an origin that was read from a file may be anything */
	int64_t shown_ms = (int64_t)(now_ms - (uint64_t)e->origin_ms);

	return shown_ms < 0 ? 0 : (uint32_t)(shown_ms / 1000);
}

void epoch_set(struct epoch *e, uint32_t seconds, uint64_t now_ms)
{
	e->origin_ms = (int64_t)(now_ms - (uint64_t)seconds * 1000);
}

/* What passed at the client since the last response. A client's clock never goes back; if it does, nothing passed. */
static uint64_t passed_ms(const struct epoch_check *c, uint64_t now_ms)
{
	return now_ms > c->client_ms ? now_ms - c->client_ms : 0;
}

static void remember(struct epoch_check *c, uint32_t server_s, uint64_t now_ms)
{
	c->seen = true;
	c->server_s = server_s;
	c->client_ms = now_ms;
}

static bool plausible_pcp(const struct epoch_check *c, uint32_t server_s, uint64_t now_ms)
{
	if (!c->seen)
		return true;
	if ((uint64_t)server_s + 1 < c->server_s)
		return false;

	/* one second back is allowed and counts as none */
	uint64_t server_delta = server_s > c->server_s ? server_s - c->server_s : 0;
	uint64_t client_delta = passed_ms(c, now_ms) / 1000;
	return client_delta + 2 >= server_delta - server_delta / 16 &&
	       server_delta + 2 >= client_delta - client_delta / 16;
}

bool epoch_check_pcp(struct epoch_check *c, uint32_t server_s, uint64_t now_ms)
{
	bool ok = plausible_pcp(c, server_s, now_ms);
	remember(c, server_s, now_ms);
	return ok;
}

bool epoch_check_natpmp(struct epoch_check *c, uint32_t server_s, uint64_t now_ms)
{
	uint64_t passed = passed_ms(c, now_ms);
	uint64_t expected_s = c->server_s + (passed - passed / 8) / 1000;
	bool ok = !c->seen || (uint64_t)server_s + 2 >= expected_s;
	remember(c, server_s, now_ms);
	return ok;
}
