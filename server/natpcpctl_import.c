/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl import miniupnpd FILE: prints a natpcpd.conf made from a miniupnpd.conf. */
#include <errno.h>
#include <ifaddrs.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_import_read.h"
#include "server/natpcpctl_import_write.h"
#include "server/natpcpctl_say.h"

#define FILE_MAX_OCTETS (1 << 20)

static bool find(uint32_t address, char interface[IF_NAMESIZE])
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (i = all; i && !found; i = i->ifa_next) {
		const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)i->ifa_addr;

		found = a && a->sin_family == AF_INET && ntohl(a->sin_addr.s_addr) == address;
		/* an alias, "eth0:1", is an address of eth0 */
		if (found)
			snprintf(interface, IF_NAMESIZE, "%.*s", (int)strcspn(i->ifa_name, ":"), i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

/* The whole file, or NULL with errno. */
static char *slurp(const char *path, size_t *n)
{
	FILE *in = fopen(path, "re");
	char *v = in ? malloc(FILE_MAX_OCTETS) : NULL;
	int error = errno;

	*n = v ? fread(v, 1, FILE_MAX_OCTETS, in) : 0;
	if (v && ferror(in)) {
		error = errno;
		free(v);
		v = NULL;
	} else if (*n == FILE_MAX_OCTETS) {
		error = EFBIG;
		free(v);
		v = NULL;
	}
	if (in)
		fclose(in);
	errno = error;
	return v;
}

/* The configuration; NULL if out of memory. */
static char *convert(const char *text, size_t length, const char *from)
{
	struct import x;
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);
	bool good = import_read(&x, text, length, find) && f;

	if (good)
		import_write(f, &x, from);
	import_clear(&x);
	if (f && fclose(f) == 0 && good)
		return out;
	free(out);
	return NULL;
}

static bool print_json(const char *text)
{
	json_t *o = json_pack("{s:i, s:s}", "schema", CTL_SCHEMA, "conf", text);
	bool good = o && json_dumpf(o, stdout, JSON_COMPACT) == 0;

	putchar('\n');
	json_decref(o);
	return good;
}

int natpcpctl_import(struct tool *t, int n, char **argument)
{
	size_t length;
	char *text, *conf;
	bool good = true;

	(void)n; /* 2 */
	if (strcmp(argument[0], "miniupnpd") != 0)
		return given_bad(t->command, "only a miniupnpd.conf can be imported");
	text = slurp(argument[1], &length);
	if (!text) {
		say(stderr, "natpcpctl: %s: %s\n", argument[1], strerror(errno));
		return CTL_FAILED;
	}
	conf = convert(text, length, argument[1]);
	free(text);
	if (!conf) {
		fputs("natpcpctl: out of memory\n", stderr);
		return CTL_FAILED;
	}
	if (t->json)
		good = print_json(conf);
	else
		fputs(conf, stdout);
	free(conf);
	return good ? CTL_DONE : CTL_FAILED;
}
