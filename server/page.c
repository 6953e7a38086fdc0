/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/page.h"

const char page_html[] = "<!DOCTYPE html>\n<html lang=\"en\"><title>natpcpd</title>\n"
			 "<p>natpcpd runs. <a href=\"/v1/status\">Status</a>, <a href=\"/v1/leases\">leases</a>.\n";
const size_t page_html_n = sizeof(page_html) - 1;
const char page_csp[] = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
