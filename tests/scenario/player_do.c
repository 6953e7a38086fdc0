/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands, but for requests and expectations. */
#include "tests/scenario/player_self.h"

#include <errno.h>

static char *read_block(struct player *p)
{
	static char text[64 * 1024];
	char line[PLAYER_LINE_MAX];
	size_t used = 0;

	*text = '\0';
	while (fgets(line, sizeof(line), p->file)) {
		p->line++;
		if (strcmp(line, "end\n") == 0)
			return text;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", line);
	}
	player_fail(p, "no end");
	return NULL;
}

static bool do_conf(struct player *p)
{
	char *text = read_block(p);

	if (!text || p->open)
		return player_fail(p, "one conf, ended by end");
	p->open = world_open(&p->world, text);
	return p->open || player_fail(p, "%s", p->world.why);
}

static bool do_reload(struct player *p)
{
	char *text = read_block(p);
	struct conf *conf = text ? conf_parse(text, strlen(text), "conf", p->world.why) : NULL;

	if (!conf)
		return player_fail(p, "%s", p->world.why);
	if (!player_begin(p) || engine_reload(p->world.engine, conf, p->world.now_ms, p->world.round) != 0)
		return false;
	conf_free(p->world.old_conf);
	p->world.old_conf = p->world.conf;
	p->world.conf = conf;
	return player_settle(p);
}

static bool do_wan(struct player *p, char **words, size_t n)
{
	struct in6_addr addresses[16];
	size_t external = 0, count = 0;

	if (n > 1 && strlen(words[0]) == 1) {
		external = strtoul(words[0], NULL, 10);
		words++;
		n--;
	}
	for (; count < n && count < 16 && strcmp(words[count], "none") != 0; count++)
		if (!player_read_address(p, words[count], &addresses[count]))
			return false;
	if (!player_begin(p))
		return false;
	engine_wan(p->world.engine, external, addresses, count, p->world.now_ms, p->world.round);
	return player_settle(p);
}

static bool do_host(struct player *p, char **words, size_t n)
{
	struct player_host *h = &p->hosts[p->hosts_n];
	const char *v;

	if (n < 2 || p->hosts_n == PLAYER_HOSTS_MAX)
		return player_fail(p, "host NAME ADDRESS");
	*h = (struct player_host){.port = 40000, .interface = "lan0"};
	snprintf(h->name, sizeof(h->name), "%s", words[0]);
	for (size_t i = 2; i < n; i++) {
		if ((v = player_value(words[i], "interface")))
			snprintf(h->interface, sizeof(h->interface), "%s", v);
		else if ((v = player_value(words[i], "listen")))
			h->listen = (uint16_t)strtoul(v, NULL, 10);
		else if ((v = player_value(words[i], "port")))
			h->port = (uint16_t)strtoul(v, NULL, 10);
		else
			return player_fail(p, "what is %s?", words[i]);
	}
	p->hosts_n++;
	return player_read_address(p, words[1], &h->address);
}

static bool do_at(struct player *p, char **words, size_t n)
{
	uint64_t to = PLAYER_START_MS + (n ? (uint64_t)(strtod(words[0], NULL) * 1000 + 0.5) : 0);

	if (!player_begin(p))
		return false;
	player_queue_clear(&p->announcements);
	if (to < p->world.now_ms)
		return player_fail(p, "time goes forward");
	return (world_pass(&p->world, to, player_note, p) || player_fail(p, "there is no end of ticks")) && !*p->why;
}

static bool do_refuse(struct player *p, char **words, size_t n)
{
	int error = -EEXIST;

	if (n < 1 || n > 2 || (n > 1 && !player_read_error(p, words[1], &error)))
		return player_fail(p, "refuse N [ERROR]");
	backend_memory_refuse(p->world.backend, (unsigned)strtoul(words[0], NULL, 10), error);
	return true;
}

static bool do_fail(struct player *p, char **words, size_t n)
{
	int error = 0;

	if (n != 1 || (strcmp(words[0], "off") != 0 && !player_read_error(p, words[0], &error)))
		return player_fail(p, "fail ERROR|off");
	backend_memory_fail(p->world.backend, error);
	return true;
}

static void remove_one(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct change *c = context;

	(void)remaining_ms;
	c->mapping = *m;
}

/* The packet filter loses everything, as after "nft flush ruleset". */
static bool do_flush(struct player *p)
{
	struct change c = {.op = CHANGE_REMOVE};

	while (backend_memory_count(p->world.backend)) {
		p->world.backend->ops->list(p->world.backend, remove_one, &c);
		p->world.backend->ops->commit(p->world.backend, &c, 1);
	}
	return true;
}

static bool do_vanish(struct player *p, char **words, size_t n)
{
	struct change c = {.op = CHANGE_REMOVE};

	if (!player_read_mapping(p, words, n, &c.mapping))
		return false;
	p->world.backend->ops->commit(p->world.backend, &c, 1);
	return true;
}

static bool do_blind(struct player *p)
{
	p->blind = true;
	return true;
}

static bool do_agree(struct player *p)
{
	p->blind = false;
	return world_agrees(&p->world) || player_fail(p, "the engine's leases are not what the packet filter has");
}

static bool do_revoke(struct player *p, char **words, size_t n)
{
	struct in6_addr client;
	bool all = n < 1 || strcmp(words[0], "all") == 0;
	uint8_t protocol = 0;

	if (n > 3 || (!all && !player_read_address(p, words[0], &client)) ||
	    (n > 1 && !player_read_protocol(p, words[1], &protocol)))
		return false;
	if (!player_begin(p))
		return false;
	engine_revoke(p->world.engine, all ? NULL : &client, protocol,
		      n > 2 ? (uint16_t)strtoul(words[2], NULL, 10) : 0, p->world.now_ms, p->world.round);
	return player_settle(p);
}

/* A mapping with the seconds that are left of it as the fourth word. */
static bool read_timed(struct player *p, char **words, size_t n, struct mapping *m, uint64_t *left_ms)
{
	if (n < 4 || *words[3] < '0' || *words[3] > '9')
		return player_fail(p, "PROTO INTADDR:PORT EXTADDR:PORT SECONDS");
	*left_ms = strtoull(words[3], NULL, 10) * 1000;
	memmove(words + 1, words, 3 * sizeof(*words));
	return player_read_mapping(p, words + 1, n - 1, m);
}

/* The packet filter has the mapping, and the engine does not know. */
static bool do_appear(struct player *p, char **words, size_t n)
{
	struct change c = {.op = CHANGE_ADD};

	if (!read_timed(p, words, n, &c.mapping, &c.timeout_ms))
		return false;
	p->world.backend->ops->commit(p->world.backend, &c, 1);
	return c.verdict == 0 || player_fail(p, "it cannot");
}

/* The packet filter has the mapping already. */
static bool do_adopt(struct player *p, char **words, size_t n)
{
	struct change c = {.op = CHANGE_ADD};
	uint64_t left_ms;

	if (!read_timed(p, words, n, &c.mapping, &left_ms) || !player_begin(p))
		return false;
	p->world.backend->ops->commit(p->world.backend, &c, 1);
	engine_adopt(p->world.engine, &c.mapping, left_ms, p->world.now_ms, p->world.round);
	if (p->started) {
		p->started = false;
		return player_settle(p) && (p->started = restart_snapshot(&p->world));
	}
	return player_done(p);
}

static bool do_crowd(struct player *p, char **words, size_t n)
{
	if (n != 1 || (strcmp(words[0], "on") != 0 && strcmp(words[0], "off") != 0))
		return player_fail(p, "crowd on | off");
	p->crowded = strcmp(words[0], "on") == 0;
	return true;
}

static bool do_busy(struct player *p, char **words, size_t n)
{
	struct engine_busy busy = {0};

	if (n == 1 && strcmp(words[0], "none") == 0)
		return engine_busy(p->world.engine, NULL, 0) == 0;
	if (n != 3)
		return player_fail(p, "busy PROTO ADDRESS PORT | none");
	if (!player_read_protocol(p, words[0], &busy.protocol) || !player_read_address(p, words[1], &busy.address))
		return false;
	busy.port = (uint16_t)strtoul(words[2], NULL, 10);
	return engine_busy(p->world.engine, &busy, 1) == 0;
}

static bool do_without(struct player *p, char **words, size_t n)
{
	uint8_t protocol;

	if (n < 1 || !player_read_protocol(p, words[0], &protocol))
		return player_fail(p, "without PROTO");
	engine_without(p->world.engine, protocol);
	return true;
}

/* What is in the packet filter without a lease is not known yet. */
static bool settle_start(void *context)
{
	struct player *p = context;
	bool blind = p->blind, done;

	p->blind = true;
	done = player_settle(p);
	p->blind = blind;
	return done;
}

static bool do_restart(struct player *p, char **words, size_t n)
{
	struct engine_past past = {.whole = true, .same_boot = true};
	size_t part = 3;

	if (!player_begin(p))
		return false;
	engine_epochs(p->world.engine, &past.natpmp, &past.pcp);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i], "part") == 0 || strcmp(words[i], "none") == 0)
			past.whole = false;
		if (strcmp(words[i], "none") == 0)
			p->world.journal_length = 0;
		else if (strcmp(words[i], "natpmp") == 0)
			past.natpmp_goes_on = true;
		else if (strcmp(words[i], "pcp") == 0)
			past.pcp_goes_on = true;
		else if (strcmp(words[i], "list") == 0)
			part = 0;
		else if (player_value(words[i], "after"))
			p->world.now_ms += strtoull(player_value(words[i], "after"), NULL, 10) * 1000;
		else if (strcmp(words[i], "reboot") == 0)
			past.same_boot = !do_flush(p);
		else if (strcmp(words[i], "part") != 0)
			return player_fail(p, "what is %s?", words[i]);
	}
	p->started = false;
	if (!restart_engine(&p->world, &past) || !restart_take(&p->world, part, settle_start, p))
		return *p->why == '\0' && player_fail(p, "out of memory");
	return player_settle(p);
}

static bool do_start(struct player *p)
{
	if (!player_begin(p))
		return false;
	while (engine_walks(p->world.engine)) {
		engine_tick(p->world.engine, p->world.now_ms, p->world.round);
		if (!player_settle(p) || !player_begin(p))
			return false;
	}
	engine_start(p->world.engine, p->world.now_ms, p->world.round);
	if (!player_settle(p))
		return false;
	p->started = restart_snapshot(&p->world);
	return p->started || player_fail(p, "out of memory");
}

static bool do_reinstall(struct player *p)
{
	if (!player_begin(p))
		return false;
	engine_reinstall(p->world.engine, p->world.now_ms, p->world.round);
	return player_settle(p);
}

static bool do_round(struct player *p)
{
	p->collecting = player_begin(p);
	return p->collecting;
}

static bool do_commit(struct player *p)
{
	p->collecting = false;
	return player_settle(p);
}

bool player_do(struct player *p, char **words, size_t n)
{
	static const struct {
		const char *name;
		bool (*with)(struct player *, char **, size_t);
		bool (*without)(struct player *);
	} commands[] = {
	    {"conf", NULL, do_conf},	       {"wan", do_wan, NULL},	      {"start", NULL, do_start},
	    {"host", do_host, NULL},	       {"at", do_at, NULL},	      {"in", player_in, NULL},
	    {"round", NULL, do_round},	       {"commit", NULL, do_commit},   {"expect", player_expect, NULL},
	    {"refuse", do_refuse, NULL},       {"fail", do_fail, NULL},	      {"reload", NULL, do_reload},
	    {"reinstall", NULL, do_reinstall}, {"flush", NULL, do_flush},     {"revoke", do_revoke, NULL},
	    {"vanish", do_vanish, NULL},       {"blind", NULL, do_blind},     {"agree", NULL, do_agree},
	    {"adopt", do_adopt, NULL},	       {"without", do_without, NULL}, {"busy", do_busy, NULL},
	    {"crowd", do_crowd, NULL},	       {"restart", do_restart, NULL}, {"appear", do_appear, NULL},
	};

	if (!p->open && strcmp(words[0], "conf") != 0)
		return player_fail(p, "conf comes first");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, words[0]) == 0) {
			p->steps++;
			if (!commands[i].with && n > 1)
				return player_fail(p, "what is %s?", words[1]);
			return commands[i].with ? commands[i].with(p, words + 1, n - 1) : commands[i].without(p);
		}
	return player_fail(p, "no such command: %s", words[0]);
}
