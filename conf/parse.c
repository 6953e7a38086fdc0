/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/parse.h"

#include <stdlib.h>
#include <string.h>

#include "conf/preset.h"
#include "conf/store.h"
#include "conf/token.h"

enum { TITLE_MAX_OCTETS = 63 };

/* The section that is being read. */
struct place {
	enum schema_section section;
	size_t index;
	const char *title;
	unsigned line;
	void *base; /* what the schema's offsets count from */
};

bool parse_blame(struct parse *p, unsigned line, const char *section, const char *title, const char *key)
{
	text_init(&p->why, p->why.out, CONF_LOCATION_MAX);
	text_add(&p->why, p->name);
	text_add(&p->why, ":");
	text_number(&p->why, line);
	text_add(&p->why, ": ");
	if (section) {
		text_add(&p->why, section);
		if (title) {
			text_add(&p->why, " ");
			text_quote(&p->why, title);
		}
		text_add(&p->why, ": ");
	}
	if (key) {
		text_add(&p->why, key);
		text_add(&p->why, ": ");
	}
	return false;
}

unsigned parse_line(const struct parse *p, enum schema_section section, size_t i, const char *key)
{
	const struct parse_origins *o = &p->origins[section];
	const struct schema_key *first, *row = key ? schema_key(section, key) : NULL;
	size_t n;

	if (i >= o->n)
		return 0;
	first = schema_first(section, &n);
	return row && o->v[i].lines[row - first] ? o->v[i].lines[row - first] : o->v[i].line;
}

bool parse_has(const struct parse *p, enum schema_section section, size_t i, const char *key)
{
	const struct parse_origins *o = &p->origins[section];
	size_t n;

	return i < o->n && o->v[i].lines[schema_key(section, key) - schema_first(section, &n)];
}

bool parse_blame_key(struct parse *p, enum schema_section section, size_t i, const char *key)
{
	const struct parse_origins *o = &p->origins[section];
	unsigned line = parse_line(p, section, i, key);

	return parse_blame(p, line ? line : p->last_line, schema_sections[section].name,
			   i < o->n ? o->v[i].title : NULL, key);
}

static bool blame(struct parse *p, const struct place *in, unsigned line, const char *key)
{
	if (!in)
		return parse_blame(p, line, NULL, NULL, key);
	return parse_blame(p, line, schema_sections[in->section].name, in->title, key);
}

static bool no_memory(struct parse *p, const struct place *in, unsigned line, const char *key)
{
	blame(p, in, line, key);
	text_add(&p->why, "out of memory");
	return false;
}

/* What t is, for messages. */
static void add_token(struct text *why, const struct token *t)
{
	if (t->type == TOKEN_END)
		text_add(why, "the end of the file");
	else
		text_quote(why, t->text);
}

static void add_column(struct text *why, const struct token *t)
{
	text_add(why, " (column ");
	text_number(why, t->column);
	text_add(why, ")");
}

/* t is not what the syntax wants here. */
static bool misplaced(struct parse *p, const struct place *in, const char *key, const struct token *t,
		      const char *wanted)
{
	if (!in && !key)
		key = "syntax";
	blame(p, in, t->line, key);
	if (t->type == TOKEN_BAD) {
		text_add(&p->why, t->why);
	} else {
		text_add(&p->why, "expected ");
		text_add(&p->why, wanted);
		text_add(&p->why, ", found ");
		add_token(&p->why, t);
	}
	add_column(&p->why, t);
	return false;
}

static bool open_end(struct parse *p, const struct place *in, const char *key, unsigned line)
{
	blame(p, in, line, key);
	text_add(&p->why, "\"}\" is missing for the \"{\" in this line");
	return false;
}

static void did_you_mean(struct text *why, const char *near)
{
	if (!near)
		return;
	text_add(why, ", did you mean ");
	text_quote(why, near);
	text_add(why, "?");
}

/* Where a key of that name exists. */
static void belongs(struct text *why, const char *name)
{
	for (unsigned s = 0; s < SCHEMA_SECTIONS; s++)
		if (schema_key((enum schema_section)s, name)) {
			text_add(why, ", it is a key of section ");
			text_quote(why, schema_sections[s].name);
			return;
		}
}

static bool store(struct parse *p, const struct place *in, const struct schema_key *key, const char *text,
		  unsigned line)
{
	struct parse_origin *origin = &p->origins[in->section].v[in->index];

	if (key->type == SCHEMA_REFERENCE) {
		origin->external = store_copy(text, strlen(text));
		return origin->external || no_memory(p, in, line, key->name);
	}
	blame(p, in, line, key->name);
	text_quote(&p->why, text);
	text_add(&p->why, ": ");
	switch (store_value(key, in->base, text, &p->why)) {
	case STORE_DONE:
		return true;
	case STORE_NO_MEMORY:
		return no_memory(p, in, line, key->name);
	default:
		return false;
	}
}

/* Behind the "{" of a list. */
static bool parse_list(struct parse *p, struct token_reader *r, const struct place *in, const struct schema_key *key,
		       unsigned line)
{
	bool any = false;
	struct token t;

	for (;;) {
		token_next(r, &t);
		if (t.type == TOKEN_CLOSE)
			break;
		if (t.type == TOKEN_END)
			return open_end(p, in, key->name, line);
		if (t.type != TOKEN_WORD && t.type != TOKEN_STRING)
			return misplaced(p, in, key->name, &t, "a value or \"}\"");
		if (!store(p, in, key, t.text, t.line))
			return false;
		any = true;
		token_next(r, &t);
		if (t.type == TOKEN_CLOSE)
			break;
		if (t.type == TOKEN_END)
			return open_end(p, in, key->name, line);
		if (t.type != TOKEN_COMMA)
			return misplaced(p, in, key->name, &t, "\",\" or \"}\" in the list");
	}
	if (key->some && !any) {
		blame(p, in, line, key->name);
		text_add(&p->why, "an empty list; leave the key out if nothing is to be said");
		return false;
	}
	return true;
}

static bool unknown_key(struct parse *p, const struct place *in, const struct token *t)
{
	enum schema_section section = schema_section(t->text);

	if (section != SCHEMA_SECTIONS) {
		blame(p, in, t->line, t->text);
		text_add(&p->why, "a section cannot stand in a section; is a \"}\" missing for the \"{\" of line ");
		text_number(&p->why, in->line);
		text_add(&p->why, "?");
		return false;
	}
	blame(p, in, t->line, NULL);
	text_quote(&p->why, t->text);
	text_add(&p->why, ": unknown key");
	if (!schema_near_key(in->section, t->text))
		belongs(&p->why, t->text);
	did_you_mean(&p->why, schema_near_key(in->section, t->text));
	return false;
}

/* At the name of a key. */
static bool parse_key(struct parse *p, struct token_reader *r, const struct place *in, struct token *t)
{
	const struct schema_key *key = schema_key(in->section, t->text);
	unsigned line = t->line, *seen;
	size_t n;

	if (!key)
		return unknown_key(p, in, t);
	seen = &p->origins[in->section].v[in->index].lines[key - schema_first(in->section, &n)];
	if (*seen) {
		blame(p, in, line, key->name);
		text_add(&p->why, "stands twice, first in line ");
		text_number(&p->why, *seen);
		return false;
	}
	*seen = line;
	if (key->told)
		*(bool *)((char *)in->base + key->told) = true;
	token_next(r, t);
	if (t->type != TOKEN_EQUALS)
		return misplaced(p, in, key->name, t, "\"=\"");
	token_next(r, t);
	switch (t->type) {
	case TOKEN_WORD:
	case TOKEN_STRING:
		return store(p, in, key, t->text, t->line);
	case TOKEN_OPEN:
		if (key->type >= SCHEMA_LISTS)
			return parse_list(p, r, in, key, t->line);
		blame(p, in, t->line, key->name);
		text_add(&p->why, "takes one value, not a list");
		return false;
	default:
		return misplaced(p, in, key->name, t, "a value");
	}
}

/* What the preset of a rule says of a key; *told: it says something. */
static bool set_preset(struct parse *p, const struct place *in, const struct schema_key *key, bool *told)
{
	const struct conf_rule *rule = in->base;
	const char *const *value = in->section == SCHEMA_RULE ? preset_values(rule->preset, key->name) : NULL;

	*told = value != NULL;
	if (value && key->told)
		*(bool *)((char *)in->base + key->told) = true;
	for (; value && *value; value++)
		if (store_value(key, in->base, *value, &p->why) != STORE_DONE)
			return no_memory(p, in, in->line, key->name);
	return true;
}

/* The defaults of the keys that the file does not have. */
static bool set_defaults(struct parse *p, const struct place *in, const struct parse_origin *origin)
{
	size_t n;
	const struct schema_key *key = schema_first(in->section, &n);

	for (size_t i = 0; i < n; i++, key++) {
		bool told;

		if (origin && origin->lines[i])
			continue;
		if (!set_preset(p, in, key, &told))
			return false;
		if (told)
			continue;
		if (key->required) {
			blame(p, in, in->line, key->name);
			text_add(&p->why, "is missing");
			return false;
		}
		if (key->initial && store_value(key, in->base, key->initial, &p->why) != STORE_DONE)
			return no_memory(p, in, in->line, key->name);
	}
	return true;
}

/* Appends an element for a titled section; its name and line are set. NULL if out of memory. */
static void *new_section(struct conf *c, enum schema_section section, char *title, unsigned line)
{
#define NEW(list)                                                                                                      \
	do {                                                                                                           \
		void *v = c->list;                                                                                     \
		slot = store_grow(&v, &c->list##_n, sizeof(*c->list));                                                 \
		c->list = v;                                                                                           \
		if (slot) {                                                                                            \
			c->list[c->list##_n - 1].name = title;                                                         \
			c->list[c->list##_n - 1].line = line;                                                          \
		}                                                                                                      \
	} while (0)
	void *slot = NULL;

	switch (section) {
	case SCHEMA_EXTERNAL:
		NEW(externals);
		break;
	case SCHEMA_LISTEN:
		NEW(listens);
		break;
	case SCHEMA_RULE:
		NEW(rules);
		break;
	case SCHEMA_STATIC:
		NEW(statics);
		break;
	default:
		NEW(hooks);
		break;
	}
	return slot;
#undef NEW
}

/* Fills in where what will be parsed has to go. title is NULL for sections without one. */
static bool begin_section(struct parse *p, struct place *in, char *title)
{
	struct parse_origins *origins = &p->origins[in->section];
	struct parse_origin *origin;
	void *v = origins->v;

	if (title) {
		in->base = new_section(p->conf, in->section, title, in->line);
		if (!in->base) {
			free(title);
			return no_memory(p, NULL, in->line, schema_sections[in->section].name);
		}
	} else {
		in->base = p->conf;
	}
	in->title = title;
	in->index = origins->n;
	origin = store_grow(&v, &origins->n, sizeof(*origins->v));
	origins->v = v;
	if (!origin)
		return no_memory(p, in, in->line, NULL);
	origin->title = title;
	origin->line = in->line;
	return true;
}

static bool parse_title(struct parse *p, struct token_reader *r, struct token *t, const struct place *in, char **title)
{
	const char *section = schema_sections[in->section].name;

	token_next(r, t);
	*title = NULL;
	if (in->section >= SCHEMA_TITLED) {
		if (p->origins[in->section].n) {
			blame(p, NULL, in->line, section);
			text_add(&p->why, "this section stands twice, first in line ");
			text_number(&p->why, p->origins[in->section].v[0].line);
			return false;
		}
		return t->type == TOKEN_OPEN || misplaced(p, in, NULL, t, "\"{\"");
	}
	if (t->type != TOKEN_STRING && t->type != TOKEN_WORD)
		return misplaced(p, in, NULL, t, "a name in quotes");
	if (!*t->text || strlen(t->text) > TITLE_MAX_OCTETS) {
		blame(p, NULL, t->line, section);
		text_quote(&p->why, t->text);
		text_add(&p->why, ": a name has 1 to 63 octets");
		return false;
	}
	*title = store_copy(t->text, strlen(t->text));
	if (!*title)
		return no_memory(p, in, t->line, NULL);
	token_next(r, t);
	if (t->type == TOKEN_OPEN)
		return true;
	free(*title);
	return misplaced(p, in, NULL, t, "\"{\"");
}

/* At the name of a section. */
static bool parse_section(struct parse *p, struct token_reader *r, struct token *t)
{
	struct place in = {.section = schema_section(t->text), .line = t->line};
	char *title;

	if (in.section == SCHEMA_SECTIONS) {
		blame(p, NULL, t->line, NULL);
		text_quote(&p->why, t->text);
		text_add(&p->why, ": unknown section");
		did_you_mean(&p->why, schema_near_section(t->text));
		if (!schema_near_section(t->text))
			belongs(&p->why, t->text);
		return false;
	}
	if (!parse_title(p, r, t, &in, &title) || !begin_section(p, &in, title))
		return false;
	for (;;) {
		token_next(r, t);
		switch (t->type) {
		case TOKEN_CLOSE:
			return set_defaults(p, &in, &p->origins[in.section].v[in.index]);
		case TOKEN_WORD:
			if (!parse_key(p, r, &in, t))
				return false;
			break;
		case TOKEN_END:
			return open_end(p, &in, NULL, in.line);
		case TOKEN_COMMA:
			return misplaced(p, &in, NULL, t, "a key or \"}\" (several values stand in { })");
		default:
			return misplaced(p, &in, NULL, t, "a key or \"}\"");
		}
	}
}

static bool parse_file(struct parse *p, struct token_reader *r)
{
	struct token t;

	if (!token_check(r, &t))
		return misplaced(p, NULL, NULL, &t, "");
	for (;;) {
		token_next(r, &t);
		if (t.type == TOKEN_END)
			break;
		if (t.type != TOKEN_WORD)
			return misplaced(p, NULL, NULL, &t, "the name of a section");
		if (!parse_section(p, r, &t))
			return false;
	}
	p->last_line = t.line;
	for (unsigned s = SCHEMA_TITLED; s < SCHEMA_SECTIONS; s++) {
		struct place in = {.section = (enum schema_section)s, .line = t.line, .base = p->conf};

		if (!p->origins[s].n && !set_defaults(p, &in, NULL))
			return false;
	}
	p->conf->backend.forward_line = parse_line(p, SCHEMA_BACKEND, 0, "forward-chain");
	return true;
}

bool parse_text(struct parse *p, const char *text, size_t length, const char *name, char why[CONF_LOCATION_MAX])
{
	struct token_reader r;
	char *scratch;
	bool good;

	*p = (struct parse){.name = name};
	text_init(&p->why, why, CONF_LOCATION_MAX);
	p->conf = calloc(1, sizeof(*p->conf));
	scratch = length < SIZE_MAX ? malloc(length + 1) : NULL;
	if (!p->conf || !scratch) {
		free(scratch);
		return no_memory(p, NULL, 1, "file");
	}
	token_init(&r, text, length, scratch);
	good = parse_file(p, &r);
	free(scratch);
	return good;
}

void parse_clear(struct parse *p)
{
	for (unsigned s = 0; s < SCHEMA_SECTIONS; s++) {
		for (size_t i = 0; i < p->origins[s].n; i++)
			free(p->origins[s].v[i].external);
		free(p->origins[s].v);
	}
	conf_free(p->conf);
}
