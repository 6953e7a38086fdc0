/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends the connections of mappings that are no more, after the round in which they ended and apart from all rounds. */
#ifndef SERVER_FLOWS_H
#define SERVER_FLOWS_H

struct conf;
struct flows;
struct loop;
struct round;

/* Without a packet filter nothing is done. 0 or -errno. */
int flows_open(struct flows **f, struct loop *loop, const struct conf *conf);
/* NULL is allowed. */
void flows_close(struct flows *f);
/* Notes what a settled round says of connections. */
void flows_take(struct flows *f, const struct round *r);

#endif
