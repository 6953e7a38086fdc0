/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/io/origin.h"

#include <string.h>
#include <strings.h>

/* Browsers leave out the port of their scheme. */
static bool same(const char *name, size_t length, const char *port, const char *host)
{
	if (strncasecmp(host, name, length) != 0)
		return false;
	return !strcmp(host + length, port) || (!host[length] && !strcmp(port, ":80"));
}

bool origin_host(const char *where, const char *host)
{
	static const char localhost[] = "localhost";
	const char *port = strrchr(where, ':');

	return host && port &&
	       (same(where, (size_t)(port - where), port, host) || same(localhost, sizeof(localhost) - 1, port, host));
}

bool origin_own(const char *where, const char *origin)
{
	static const char scheme[] = "http://";

	return !origin ||
	       (!strncmp(origin, scheme, sizeof(scheme) - 1) && origin_host(where, origin + sizeof(scheme) - 1));
}

bool origin_site(const char *site)
{
	return !site || !strcmp(site, "same-origin") || !strcmp(site, "none");
}
