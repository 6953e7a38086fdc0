/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text to a struct conf whose values are right one by one; check.h sees to what they are together. */
#ifndef CONF_PARSE_H
#define CONF_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "conf/schema.h"
#include "conf/text.h"

/* Where a section stands in the file. */
struct parse_origin {
	const char *title; /* NULL for sections without one; borrowed from the conf */
	unsigned line;
	unsigned lines[SCHEMA_KEYS_MAX]; /* of its keys, in the order of the schema; 0 = not in the file */
	char *external;			 /* SCHEMA_REFERENCE as written; NULL = not in the file */
};

struct parse_origins {
	struct parse_origin *v; /* for titled sections parallel to the array in struct conf; else at most one */
	size_t n;
};

struct parse {
	struct conf *conf;
	struct parse_origins origins[SCHEMA_SECTIONS];
	unsigned last_line;
	const char *name; /* of the file */
	struct text why;
};

/* Parses; false with the reason in p->why. p is to be cleared in either case. */
bool parse_text(struct parse *p, const char *text, size_t length, const char *name, char why[CONF_LOCATION_MAX]);
/* Frees everything, p->conf too unless the caller took it and set it to NULL. */
void parse_clear(struct parse *p);

/*
 * Begins the message "name:line: section "title": key: ", to be completed by text_add(&p->why, ...). title and key may
 * be NULL. Returns false.
 */
bool parse_blame(struct parse *p, unsigned line, const char *section, const char *title, const char *key);
/* The same for key (NULL = the section) of the i-th section of a kind, at the line of that key if it stands there. */
bool parse_blame_key(struct parse *p, enum schema_section section, size_t i, const char *key);
/* True if that key stands in the file. */
bool parse_has(const struct parse *p, enum schema_section section, size_t i, const char *key);
/* The line of that key; of its section if the key is not there; 0 if that is not there either. */
unsigned parse_line(const struct parse *p, enum schema_section section, size_t i, const char *key);

#endif
