/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server said, shown on a terminal that it shall not command. */
#ifndef SERVER_NATPCPCTL_SAY_H
#define SERVER_NATPCPCTL_SAY_H

#include <stdarg.h>
#include <stdio.h>

/* In place: characters that could make a terminal show something else become '?', the end of a line too. */
void say_tame(char *text);
/* As fprintf(), tamed but for a line's end at the end. */
void say(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_list(FILE *out, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

#endif
