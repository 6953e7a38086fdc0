/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "expect": what came of the last round, and what there is now. */
#include "tests/scenario/player_self.h"

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at++)
		if ((at == text || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return false;
}

static bool expect_next(struct player *p, struct player_queue *q, const char *what, char **words, size_t n)
{
	const char *text;

	if (q->first == q->n)
		return player_fail(p, "no %s", what);
	text = q->v[q->first++];
	for (size_t i = 0; i < n; i++)
		if (!has_word(text, words[i]))
			return player_fail(p, "no %s in the %s: %s", words[i], what, text);
	return true;
}

static bool expect_hex(struct player *p, char **words, size_t n)
{
	char want[4096] = "";
	const char *have, *h, *w;

	if (p->hexes.first == p->hexes.n)
		return player_fail(p, "no reply");
	have = p->hexes.v[p->hexes.first++];
	p->replies.first++;
	for (size_t i = 0; i < n; i++)
		strncat(want, words[i], sizeof(want) - strlen(want) - 1);
	for (h = have, w = want; *h && *w; h++) {
		if (*h == ' ')
			continue;
		if (*w != '.' && *w != *h)
			break;
		w++;
	}
	return (!*h && !*w) || player_fail(p, "the reply is %s", have);
}

static bool expect_none(struct player *p, const struct player_queue *q, const char *what)
{
	return q->first == q->n || player_fail(p, "there is a %s: %s", what, q->v[q->first]);
}

static void match_mapping(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	struct world_compare *c = context;

	(void)remaining_ms;
	if (c->v->more_ports == m->more_ports && c->v->protocol == m->protocol && c->v->kind == m->kind &&
	    c->v->internal_port == m->internal_port && c->v->external_port == m->external_port &&
	    memcmp(&c->v->internal_address, &m->internal_address, 16) == 0 &&
	    memcmp(&c->v->external_address, &m->external_address, 16) == 0 && c->v->remote_port == m->remote_port &&
	    memcmp(&c->v->remote_address, &m->remote_address, 16) == 0 && words_same_filters(c->v, m))
		c->n++;
}

static bool expect_mapping(struct player *p, char **words, size_t n, bool wanted)
{
	struct mapping m;
	struct world_compare c = {.v = &m};

	if (!player_read_mapping(p, words, n, &m))
		return false;
	p->world.backend->ops->list(p->world.backend, match_mapping, &c);
	return (c.n == 1) == wanted || player_fail(p, wanted ? "it is not there" : "it is there");
}

static bool expect_lease(struct player *p, char **words, size_t n, bool wanted)
{
	static const char *const origins[] = {"natpmp", "pcp", "static", "adopted"};
	struct engine_lease l;
	char text[4096];
	size_t found = 0;

	for (uint32_t cursor = 0; engine_lease_next(p->world.engine, &cursor, p->world.now_ms, &l);) {
		bool all = true;
		size_t used;

		player_text_mapping(&l.mapping, text, sizeof(text));
		used = strlen(text);
		used += (size_t)snprintf(text + used, sizeof(text) - used, " origin=%s", origins[l.origin]);
		if (l.description_length)
			snprintf(text + used, sizeof(text) - used, " text=%.*s", (int)l.description_length,
				 (const char *)l.description);
		for (size_t i = 0; i < n; i++)
			all = all && has_word(text, words[i]);
		found += all;
	}
	return (found == 1) == wanted || player_fail(p, "there are %zu such leases", found);
}

bool player_expect(struct player *p, char **words, size_t n)
{
	static const struct {
		const char *name;
		size_t queue;
	} queues[] = {{"change", offsetof(struct player, changes)},
		      {"event", offsetof(struct player, events)},
		      {"flows", offsetof(struct player, flows)},
		      {"announce", offsetof(struct player, announcements)}};
	bool no = n > 1 && strcmp(words[0], "no") == 0;

	p->expected = true;
	words += no;
	n -= no;
	if (n < 1)
		return player_fail(p, "expect what?");
	if (strcmp(words[0], "silence") == 0 && n == 1 && !no)
		return expect_none(p, &p->replies, "reply");
	if (strcmp(words[0], "hex") == 0 && !no)
		return expect_hex(p, words + 1, n - 1);
	if (strcmp(words[0], "mapping") == 0)
		return expect_mapping(p, words + 1, n - 1, !no);
	if (strcmp(words[0], "lease") == 0)
		return expect_lease(p, words + 1, n - 1, !no);
	if (strcmp(words[0], "mappings") == 0 && n == 2 && !no)
		return backend_memory_count(p->world.backend) == strtoul(words[1], NULL, 10) ||
		       player_fail(p, "there are %zu", backend_memory_count(p->world.backend));
	if (strcmp(words[0], "reply") == 0 && !no) {
		p->hexes.first++;
		return expect_next(p, &p->replies, "reply", words + 1, n - 1);
	}
	for (size_t i = 0; i < sizeof(queues) / sizeof(*queues); i++) {
		struct player_queue *q = (void *)((char *)p + queues[i].queue);

		if (strcmp(words[0], queues[i].name) == 0)
			return no ? expect_none(p, q, words[0]) : expect_next(p, q, words[0], words + 1, n - 1);
	}
	return player_fail(p, "expect what?");
}
