/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/token.h"

#include <string.h>

#include "codec/codec.h"

void token_init(struct token_reader *r, const char *text, size_t length, char *scratch)
{
	*r = (struct token_reader){.at = text, .end = text + length, .line = 1, .column = 1, .scratch = scratch};
	/* some editors begin a UTF-8 file with a byte order mark */
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r->at += 3;
}

static void step(struct token_reader *r)
{
	unsigned char c = (unsigned char)*r->at++;

	if (c == '\n') {
		r->line++;
		r->column = 1;
	} else if (r->at == r->end || ((unsigned char)*r->at & 0xc0) != 0x80) {
		r->column++;
	}
}

static void bad(struct token *t, const struct token_reader *r, const char *why)
{
	*t = (struct token){.type = TOKEN_BAD, .line = r->line, .column = r->column, .text = "", .why = why};
}

bool token_check(const struct token_reader *reader, struct token *t)
{
	struct token_reader r = *reader;

	while (r.at < r.end) {
		size_t n = 1;

		if (!*r.at) {
			bad(t, &r, "a NUL octet");
			return false;
		}
		while (!codec_utf8_valid((const uint8_t *)r.at, n))
			if (++n > 4 || n > (size_t)(r.end - r.at)) {
				bad(t, &r, "not UTF-8");
				return false;
			}
		while (n--)
			step(&r);
	}
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* True at two given characters. */
static bool looks_at(const struct token_reader *r, const char *two)
{
	return r->end - r->at >= 2 && r->at[0] == two[0] && r->at[1] == two[1];
}

/* Skips space and comments; false with *t set if a comment has no end. */
static bool skip(struct token_reader *r, struct token *t)
{
	while (r->at < r->end) {
		if (is_space(*r->at)) {
			step(r);
		} else if (*r->at == '#' || looks_at(r, "//")) {
			while (r->at < r->end && *r->at != '\n')
				step(r);
		} else if (looks_at(r, "/*")) {
			bad(t, r, "comment without \"*/\"");
			step(r);
			step(r);
			while (r->at < r->end && !looks_at(r, "*/"))
				step(r);
			if (r->at == r->end)
				return false;
			step(r);
			step(r);
		} else {
			break;
		}
	}
	return true;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

/* The digits of an escape, at most most of them; 256 and above if there is none or the value is too large. */
static unsigned escape_number(struct token_reader *r, unsigned base, unsigned most)
{
	unsigned value = 0, n = 0;

	while (n < most && r->at < r->end && digit_value(*r->at) < (int)base) {
		value = value * base + (unsigned)digit_value(*r->at);
		step(r);
		n++;
	}
	return n ? value : 256;
}

/* Behind a backslash in a string with double quotes. Appends to out; NULL or what is wrong. */
static const char *escape(struct token_reader *r, char **out)
{
	unsigned value;

	if (r->at == r->end)
		return NULL; /* the string has no end either */
	if (*r->at == '\n') {
		step(r);
		return NULL;
	}
	if (*r->at == '\\' || *r->at == '"' || *r->at == '\'') {
		*(*out)++ = *r->at;
		step(r);
		return NULL;
	}
	if (*r->at == 'x') {
		step(r);
		value = escape_number(r, 16, 2);
	} else {
		value = escape_number(r, 8, 3);
	}
	if (value > 255)
		return "unknown escape (there are \\\\ \\\" \\' \\xHH and \\OOO)";
	*(*out)++ = (char)value;
	return NULL;
}

static void string(struct token_reader *r, struct token *t)
{
	struct token_reader start = *r;
	char quote = *r->at;
	char *out = r->scratch;
	const char *why;

	step(r);
	while (r->at < r->end && *r->at != quote) {
		struct token_reader here = *r;

		if (*r->at == '\n') {
			bad(t, &start, "string without its closing quote in this line");
			return;
		}
		if (*r->at == '\\' && quote == '"') {
			step(r);
			why = escape(r, &out);
			if (why) {
				bad(t, &here, why);
				return;
			}
			continue;
		}
		if (looks_at(r, "\\\\") || looks_at(r, "\\'"))
			step(r);
		*out++ = *r->at;
		step(r);
	}
	if (r->at == r->end) {
		bad(t, &start, "string without its closing quote");
		return;
	}
	step(r);
	*out = '\0';
	/* no value needs them, and names go into logs and messages */
	for (const char *p = r->scratch; p < out; p++)
		if (is_control(*p)) {
			bad(t, &start, "string with a control character");
			return;
		}
	if (!codec_utf8_valid((const uint8_t *)r->scratch, (size_t)(out - r->scratch))) {
		bad(t, &start, "string that is not UTF-8");
		return;
	}
	t->type = TOKEN_STRING;
	t->text = r->scratch;
}

static void word(struct token_reader *r, struct token *t)
{
	char *out = r->scratch;

	while (r->at < r->end && !is_space(*r->at) && !strchr("\"'#(){}=,;\\", *r->at)) {
		if (is_control(*r->at)) {
			bad(t, r, "a control character");
			return;
		}
		if (looks_at(r, "//") || looks_at(r, "/*")) {
			bad(t, r, "a comment without a space before it, or a word that needs quotes");
			return;
		}
		*out++ = *r->at;
		step(r);
	}
	if (out == r->scratch) {
		bad(t, r, *r->at == ';' ? "no \";\" is needed" : "a character that must stand in quotes");
		return;
	}
	*out = '\0';
	t->type = TOKEN_WORD;
	t->text = r->scratch;
}

void token_next(struct token_reader *r, struct token *t)
{
	static const struct {
		char c;
		enum token_type type;
		const char *text;
	} marks[] = {
	    {'{', TOKEN_OPEN, "{"}, {'}', TOKEN_CLOSE, "}"}, {'=', TOKEN_EQUALS, "="}, {',', TOKEN_COMMA, ","}};

	if (!skip(r, t))
		return;
	*t = (struct token){.type = TOKEN_END, .line = r->line, .column = r->column, .text = ""};
	if (r->at == r->end)
		return;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (*r->at == marks[i].c) {
			t->type = marks[i].type;
			t->text = marks[i].text;
			step(r);
			return;
		}
	if (*r->at == '"' || *r->at == '\'')
		string(r, t);
	else
		word(r, t);
}
