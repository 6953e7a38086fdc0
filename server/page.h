/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page for people, as it is sent. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include <stddef.h>

extern const char page_html[];
extern const size_t page_html_n; /* octets */
/* What a browser may let it do: the value of its Content-Security-Policy header. */
extern const char page_csp[];

#endif
