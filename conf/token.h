/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of a configuration file. White space separates; #, // and comments like this one are skipped; strings
 * stand in "" (escapes \\ \" \' \xHH \OOO, and a backslash at the end of a line joins it with the next) or in ''
 * (escapes \\ and \').
 */
#ifndef CONF_TOKEN_H
#define CONF_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

enum token_type {
	TOKEN_END,
	TOKEN_WORD,   /* unquoted */
	TOKEN_STRING, /* quoted */
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUALS,
	TOKEN_COMMA,
	TOKEN_BAD,
};

struct token {
	enum token_type type;
	unsigned line;	  /* where it begins, from 1 */
	unsigned column;  /* in characters, from 1 */
	const char *text; /* as it is meant, quotes and escapes resolved; valid until the next token is read */
	const char *why;  /* TOKEN_BAD: a static string */
};

struct token_reader {
	const char *at, *end;
	unsigned line, column;
	char *scratch;
};

/* text is borrowed; scratch has room for length + 1 octets and belongs to the caller. */
void token_init(struct token_reader *r, const char *text, size_t length, char *scratch);

/* True if the whole text is UTF-8 without NUL; else *t is TOKEN_BAD with the place. The reader stays where it is. */
bool token_check(const struct token_reader *r, struct token *t);

/* Reads the next token. After TOKEN_END comes TOKEN_END, after TOKEN_BAD nothing must be read. The text must have
 * passed token_check(). */
void token_next(struct token_reader *r, struct token *t);

#endif
