/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpd: options, order of start, exit codes. */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/codec.h"
#include "server/io/sandbox.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/version.h"

static const char usage[] = "usage: natpcpd [-c FILE] [-t] [-x] [-b nftables|memory]\n"
			    "       natpcpd -b memory -l ADDRESS [-e ADDRESS]\n"
			    "\n"
			    "  -c FILE      configuration, " NATPCPD_CONF " unless given\n"
			    "  -t           check the configuration and exit: 0 if it is good, else 2\n"
			    "  -x           remove all mappings at the end\n"
			    "  -b BACKEND   nftables or memory, whatever the configuration says\n"
			    "  -l ADDRESS   serve everybody on this address, without a configuration\n"
			    "  -e ADDRESS   the external address that -l speaks of, 198.51.100.1 unless given\n"
			    "  -V           version\n"
			    "  -h           this text\n";

static int bad_usage(const char *what, const char *value)
{
	fprintf(stderr, "natpcpd: %s%s%s\n%s", what, value ? " " : "", value ? value : "", usage);
	return SERVER_USAGE;
}

struct options {
	struct settings settings;
	bool test, listen, external;
	int end; /* an exit code, -1: go on */
};

static bool address(const char *text, struct in6_addr *a)
{
	return codec_address_parse(text, strlen(text), a);
}

/* One host's address: not 0.0.0.0, ::, multicast or broadcast. */
static bool bindable(const struct in6_addr *a)
{
	bool v4 = codec_is_v4(a);

	return !codec_is_unspecified(a) && !IN6_IS_ADDR_MULTICAST(a) &&
	       !(v4 && (IN_MULTICAST(codec_to_v4(a)) || codec_to_v4(a) == INADDR_BROADCAST));
}

/* Takes one option; an exit code, or -1 to go on. */
static int option(struct options *o, int c)
{
	switch (c) {
	case 'c':
		o->settings.file = optarg;
		return -1;
	case 't':
		o->test = true;
		return -1;
	case 'x':
		o->settings.clear_on_exit = true;
		return -1;
	case 'b':
		o->settings.memory_backend = !strcmp(optarg, "memory");
		o->settings.nftables_backend = !strcmp(optarg, "nftables");
		if (!o->settings.memory_backend && !o->settings.nftables_backend)
			return bad_usage("there is no backend", optarg);
		return -1;
	case 'l':
		if (o->listen)
			return bad_usage("-l stands twice; one server serves one address, -c FILE several", NULL);
		o->listen = true;
		return address(optarg, &o->settings.listen) && bindable(&o->settings.listen)
			   ? -1
			   : bad_usage("-l takes one address of this machine, such as 127.0.0.1 or ::1, not", optarg);
	case 'e':
		o->external = true;
		return address(optarg, &o->settings.external) && codec_is_v4(&o->settings.external) &&
			       bindable(&o->settings.external)
			   ? -1
			   : bad_usage("-e takes an IPv4 address, such as 198.51.100.1, not", optarg);
	case 'V':
		puts(sandbox_has_filter() ? "natpcpd " NATPCPD_VERSION
					  : "natpcpd " NATPCPD_VERSION " without libseccomp");
		return SERVER_DONE;
	case 'h':
		fputs(usage, stdout);
		return SERVER_DONE;
	default: /* getopt has said what is wrong */
		fputs(usage, stderr);
		return SERVER_USAGE;
	}
}

static int options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int c, end;

	o->settings.external = codec_from_v4(0xc6336401); /* 198.51.100.1 */
	while ((c = getopt_long(argc, argv, "c:txb:l:e:Vh", names, NULL)) != -1) {
		end = option(o, c);
		if (end >= 0)
			return end;
	}
	if (optind < argc)
		return bad_usage("there is no argument", argv[optind]);
	if (o->listen && o->settings.file)
		return bad_usage("-l and -c exclude each other", NULL);
	if (o->external && !o->listen)
		return bad_usage("-e needs -l", NULL);
	if (o->listen && !o->settings.memory_backend)
		return bad_usage("-l needs -b memory", NULL);
	if (!o->listen && !o->settings.file)
		o->settings.file = NATPCPD_CONF;
	return -1;
}

/* Started with one of the three closed, "ready" and the log would go into whatever socket got its number. */
static void descriptors_open(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct server *server;
	struct conf *conf;
	char why[SERVER_WHY_MAX];
	int end;

	descriptors_open();
	end = options_read(&o, argc, argv);
	if (end >= 0)
		return end;
	if (settings_read(&o.settings, &conf, why)) {
		fprintf(stderr, "%s\n", why);
		return SERVER_USAGE;
	}
	if (o.test) {
		conf_free(conf);
		return SERVER_DONE;
	}
	signal(SIGPIPE, SIG_IGN); /* a reader of the control socket that goes away is no reason to end */
	signal(SIGXFSZ, SIG_IGN); /* nor is a file that may not grow any more */
	end = server_open(&server, &o.settings, conf, why);
	if (end) {
		fprintf(stderr, "%s%s\n", end == SERVER_USAGE ? "" : "natpcpd: ", why); /* like what the parser says */
		return end;
	}
	puts("ready");
	fflush(stdout);
	end = server_run(server);
	server_close(server);
	return end;
}
