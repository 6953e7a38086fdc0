/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whom a server on a loopback address answers. Every page in a browser of this machine can send requests there, whatever
 * name it has made lead to it (DNS rebinding): what the browser says of itself tells them apart.
 */
#ifndef SERVER_IO_ORIGIN_H
#define SERVER_IO_ORIGIN_H

#include <stdbool.h>

/* where: "127.0.0.1:5380" or "[::1]:5380", written as the shortest form of its address. */

/* A Host header (NULL: there is none) that names this server, by address or as localhost. */
bool origin_host(const char *where, const char *host);
/* An Origin header that names this server; NULL: none was sent, as by all that are no pages. */
bool origin_own(const char *where, const char *origin);
/* A Sec-Fetch-Site header that is not another site's; NULL: none was sent. */
bool origin_site(const char *site);

#endif
