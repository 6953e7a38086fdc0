/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_look.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "server/natpcpctl_say.h"

void look_measure(struct look *l, int fd)
{
	struct winsize size;

	l->columns = l->lines = 0;
	if (l->terminal && ioctl(fd, TIOCGWINSZ, &size) == 0) {
		l->columns = size.ws_col;
		l->lines = size.ws_row;
	}
}

bool look_at(struct look *l, int fd, const char *when)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	*l = (struct look){.terminal = isatty(fd) == 1};
	look_measure(l, fd);
	if (!when || !strcmp(when, "auto"))
		l->color = l->terminal && !(no && *no) && term && strcmp(term, "dumb") != 0;
	else if (!strcmp(when, "always"))
		l->color = true;
	else
		return !strcmp(when, "never");
	return true;
}

const char *look_on(const struct look *l, enum paint p)
{
	static const char *const codes[] = {
	    [PAINT_PLAIN] = "",	      [PAINT_TITLE] = "\033[1m", [PAINT_GOOD] = "\033[32m",
	    [PAINT_BAD] = "\033[31m", [PAINT_DIM] = "\033[2m",
	};

	return l && l->color ? codes[p] : "";
}

const char *look_off(const struct look *l, enum paint p)
{
	return l && l->color && p != PAINT_PLAIN ? "\033[0m" : "";
}

void look_say(FILE *out, const struct look *l, enum paint p, const char *format, ...)
{
	va_list arguments;

	fputs(look_on(l, p), out);
	va_start(arguments, format);
	say_list(out, format, arguments);
	va_end(arguments);
	fputs(look_off(l, p), out);
}

/* The character that begins at text, and how many octets it has; what is no UTF-8 is one of its own. */
static size_t character(const char *text, wchar_t *c)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0;

	*c = more ? *p & (0x3f >> more) : *p;
	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*c = '?';
			return 1;
		}
		*c = *c << 6 | (p[i] & 0x3f);
	}
	return more + 1;
}

static size_t columns(wchar_t c)
{
	int n = wcwidth(c);

	return n < 0 ? 1 : (size_t)n;
}

size_t look_width(const char *text)
{
	size_t n = 0;
	wchar_t c;

	while (*text) {
		text += character(text, &c);
		n += columns(c);
	}
	return n;
}

size_t look_cut(const char *text, size_t most)
{
	size_t used = 0, n = 0;
	wchar_t c;

	while (text[n]) {
		size_t octets = character(text + n, &c);

		used += columns(c);
		if (used > most)
			break;
		n += octets;
	}
	return n;
}
