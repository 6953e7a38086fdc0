/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How what is printed looks: colours, and how wide it may be. */
#ifndef SERVER_NATPCPCTL_LOOK_H
#define SERVER_NATPCPCTL_LOOK_H

#include <stdbool.h>
#include <stdio.h>

struct look {
	bool color;
	bool terminal;
	unsigned columns; /* 0: any number */
	unsigned lines;	  /* 0: any number */
};

enum paint { PAINT_PLAIN, PAINT_TITLE, PAINT_GOOD, PAINT_BAD, PAINT_DIM };

/* when: "auto", "always", "never"; NULL is auto: on a terminal, unless NO_COLOR is set or TERM is dumb. False if it is
 * none of these. */
bool look_at(struct look *l, int fd, const char *when);
/* The terminal's size, which may change. */
void look_measure(struct look *l, int fd);

/* The terminal's words for a colour and for its end; "" without colours. */
const char *look_on(const struct look *l, enum paint p);
const char *look_off(const struct look *l, enum paint p);
/* As say(), in a colour. */
void look_say(FILE *out, const struct look *l, enum paint p, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* How many columns of a terminal UTF-8 text takes. */
size_t look_width(const char *text);
/* How many octets of text take at most so many columns. */
size_t look_cut(const char *text, size_t columns);

#endif
