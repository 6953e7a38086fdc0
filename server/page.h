/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The status page, server/page.html, as the build embeds it (server/page.sh). */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include <stddef.h>

/* UTF-8, page_html_n octets, with a NUL behind them. */
extern const char page_html[];
extern const size_t page_html_n;
/* The value of Content-Security-Policy that it is to be served with: nothing runs but its own script. */
extern const char page_csp[];

#endif
