/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_say.h"

#include <stdlib.h>
#include <string.h>

/* The octets of what a terminal might take for a command, or by which text hides or changes its direction: controls of
 * ASCII and of Latin 1, marks and separators of U+200B to U+206F, the byte order mark. 0: it is none of these. */
static size_t untamed(const unsigned char *p)
{
	if (*p < ' ' || *p == 0x7f)
		return 1;
	if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
		return 2;
	if (*p == 0xe2 && p[1] == 0x80 && ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae)))
		return 3;
	if (*p == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf)
		return 3;
	return *p == 0xef && p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
}

void say_tame(char *text)
{
	const unsigned char *from = (const unsigned char *)text;

	while (*from) {
		size_t n = untamed(from);

		*text++ = n ? '?' : (char)*from;
		from += n ? n : 1;
	}
	*text = '\0';
}

void say_list(FILE *out, const char *format, va_list arguments)
{
	char *text;
	int n = vasprintf(&text, format, arguments);

	if (n < 0)
		return;
	if (n > 0 && text[n - 1] == '\n') {
		text[n - 1] = '\0';
		say_tame(text);
		fprintf(out, "%s\n", text);
	} else {
		say_tame(text);
		fputs(text, out);
	}
	free(text);
}

void say(FILE *out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_list(out, format, arguments);
	va_end(arguments);
}
