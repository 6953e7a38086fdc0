/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char help[] =
    "usage: natpcpc [options] COMMAND\n"
    "\n"
    "  map PROTO INTPORT [EXTPORT]  map a port; EXTPORT 0 leaves the choice to the gateway (default: INTPORT)\n"
    "  peer PROTO INTPORT ADDR:PORT [EXTPORT]\n"
    "                               keep the way to and from one host outside open (PCP); [ADDR]:PORT for IPv6\n"
    "  unmap PROTO INTPORT          delete the mapping\n"
    "  unmap-all tcp|udp            delete all mappings of this host (NAT-PMP)\n"
    "  address                      show the gateway's external address\n"
    "  announce                     ask whether a gateway is there, and for its epoch\n"
    "  listen                       show what the gateway announces\n"
    "  raw HEX                      send one datagram, show the answer\n"
    "PROTO is tcp, udp, another protocol's name or its number.\n"
    "\n"
    "  -s, --server ADDR[%IFACE]    the gateway (default: this host's default gateway)\n"
    "      --port PORT              its port (default: 5351)\n"
    "  -i, --interface IFACE        use this interface only\n"
    "  -6                           the IPv6 default gateway\n"
    "  -1, --natpmp                 NAT-PMP only\n"
    "  -2, --pcp                    PCP only (default: PCP, then NAT-PMP)\n"
    "  -t, --timeout SECONDS        wait so long for an answer (default: 15; listen, map --keep: for ever)\n"
    "  -j, --json                   one JSON object a line\n"
    "  -l, --lifetime SECONDS       ask for so long, also 30m, 2h, 1d (default: 7200)\n"
    "  -k, --keep                   stay and renew; SIGINT or SIGTERM deletes the mapping\n"
    "  -n, --count COUNT            listen: end after so many announcements\n"
    "      --external ADDR          suggest this external address\n"
    "      --prefer-failure         that port and address or none\n"
    "      --third-party ADDR       map for another host\n"
    "      --filter PREFIX[:PORT]   let only these peers in; may be repeated\n"
    "      --description TEXT       for the gateway's lists\n"
    "      --nonce HEX|random       the mapping's nonce, 24 digits\n"
    "\n"
    "The nonce is the key to a PCP mapping. Unless given it is derived from this host's machine-id, the user, the\n"
    "gateway, the protocol and the port, so that a later natpcpc of the same user can renew and delete the mapping.\n"
    "Exit: 0 done, 1 refused or no answer, 2 bad usage.\n";

static bool parse_number(const char *s, uint64_t max, uint64_t *out)
{
	char *rest;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	*out = strtoull(s, &rest, 10);
	return !errno && *rest == 0 && *out <= max;
}

bool options_port(const char *s, uint16_t *port)
{
	uint64_t v;

	if (!parse_number(s, UINT16_MAX, &v))
		return false;
	*port = (uint16_t)v;
	return true;
}

bool options_protocol(const char *s, uint8_t *protocol)
{
	uint64_t v;

	for (unsigned int i = 0; i <= UINT8_MAX; i++) {
		const char *name = codec_protocol_name((uint8_t)i);

		if (name && strcmp(name, s) == 0) {
			*protocol = (uint8_t)i;
			return true;
		}
	}
	if (!parse_number(s, UINT8_MAX, &v))
		return false;
	*protocol = (uint8_t)v;
	return true;
}

/* Seconds, or a number with s, m, h or d. */
static bool parse_lifetime(const char *s, uint32_t *out)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} units[] = {{0, 1}, {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *rest;
	unsigned long long v;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	v = strtoull(s, &rest, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*rest == units[i].unit && (*rest == 0 || rest[1] == 0)) {
			*out = (uint32_t)(v * units[i].seconds);
			return !errno && v <= UINT32_MAX / units[i].seconds;
		}
	return false;
}

/* Seconds with a fraction. */
static bool parse_timeout(const char *s, uint64_t *out_ms)
{
	char *rest;
	double v = strtod(s, &rest);

	if (rest == s || *rest || !(v > 0) || v > 1e9)
		return false;
	*out_ms = (uint64_t)(v * 1000) ? (uint64_t)(v * 1000) : 1;
	return true;
}

/* ADDR, ADDR/LEN, with :PORT; an IPv6 prefix with a port stands in brackets. */
static bool parse_filter(const char *s, struct pcp_option *f)
{
	char copy[80], *prefix = copy, *port = NULL, *length;
	uint64_t n = 128;

	*f = (struct pcp_option){.code = PCP_OPTION_FILTER};
	if (strlen(s) >= sizeof(copy))
		return false;
	strcpy(copy, s);
	if (copy[0] == '[') {
		port = strchr(copy, ']');
		if (!port || port[1] != ':')
			return false;
		*port++ = 0;
		prefix++;
	} else if (strchr(copy, ':') == strrchr(copy, ':')) {
		port = strchr(copy, ':');
	}
	if (port)
		*port++ = 0;
	length = strchr(prefix, '/');
	if (length)
		*length++ = 0;
	if (!codec_address_parse(prefix, strlen(prefix), &f->filter.remote_address))
		return false;
	if (length && !parse_number(length, codec_is_v4(&f->filter.remote_address) ? 32 : 128, &n))
		return false;
	if (length && codec_is_v4(&f->filter.remote_address))
		n += 96;
	f->filter.prefix_length = (uint8_t)n;
	return !port || options_port(port, &f->filter.remote_port);
}

enum {
	OPTION_PORT = 256,
	OPTION_EXTERNAL,
	OPTION_PREFER,
	OPTION_THIRD,
	OPTION_FILTER,
	OPTION_DESCRIPTION,
	OPTION_NONCE
};

static const struct option long_options[] = {
    {"server", required_argument, NULL, 's'},
    {"port", required_argument, NULL, OPTION_PORT},
    {"interface", required_argument, NULL, 'i'},
    {"natpmp", no_argument, NULL, '1'},
    {"pcp", no_argument, NULL, '2'},
    {"timeout", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},
    {"lifetime", required_argument, NULL, 'l'},
    {"keep", no_argument, NULL, 'k'},
    {"count", required_argument, NULL, 'n'},
    {"external", required_argument, NULL, OPTION_EXTERNAL},
    {"prefer-failure", no_argument, NULL, OPTION_PREFER},
    {"third-party", required_argument, NULL, OPTION_THIRD},
    {"filter", required_argument, NULL, OPTION_FILTER},
    {"description", required_argument, NULL, OPTION_DESCRIPTION},
    {"nonce", required_argument, NULL, OPTION_NONCE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

bool options_peer(const char *s, struct in6_addr *address, uint16_t *port)
{
	struct pcp_option f;

	if (strchr(s, '/') || !parse_filter(s, &f) || f.filter.remote_port == 0)
		return false;
	*address = f.filter.remote_address;
	*port = f.filter.remote_port;
	return true;
}

static bool parse_nonce(struct options *o, const char *s)
{
	size_t n = 0;

	o->random_nonce = strcmp(s, "random") == 0;
	o->has_nonce = !o->random_nonce;
	return o->random_nonce ||
	       (hex_parse(s, o->nonce.octets, sizeof(o->nonce.octets), &n) && n == sizeof(o->nonce.octets));
}

/* Takes one option with an argument or without; false if it is not valid. */
static bool take(struct options *o, int option, const char *argument)
{
	uint64_t v = 0;

	switch (option) {
	case 's':
		o->server = argument;
		return true;
	case OPTION_PORT:
		return options_port(argument, &o->port) && o->port;
	case 'i':
		o->interface = argument;
		return true;
	case '6':
		o->family = AF_INET6;
		return true;
	case '1':
		o->mode = CLIENT_NATPMP;
		return true;
	case '2':
		o->mode = CLIENT_PCP;
		return true;
	case 't':
		return parse_timeout(argument, &o->timeout_ms);
	case 'j':
		o->json = true;
		return true;
	case 'l':
		return parse_lifetime(argument, &o->lifetime_s);
	case 'k':
		o->keep = true;
		return true;
	case 'n':
		if (!parse_number(argument, UINT32_MAX, &v))
			return false;
		o->count = (unsigned long)v;
		return true;
	case OPTION_EXTERNAL:
		return codec_address_parse(argument, strlen(argument), &o->external);
	case OPTION_PREFER:
		o->prefer_failure = true;
		return true;
	case OPTION_THIRD:
		o->third = true;
		return codec_address_parse(argument, strlen(argument), &o->third_party);
	case OPTION_FILTER:
		return o->filters_count < FILTERS_MAX && parse_filter(argument, &o->filters[o->filters_count++]);
	case OPTION_DESCRIPTION:
		o->description = argument;
		return codec_utf8_valid((const uint8_t *)argument, strlen(argument));
	case OPTION_NONCE:
		return parse_nonce(o, argument);
	}
	return false;
}

int options_read(struct options *o, int argc, char **argv)
{
	int option;

	*o = (struct options){.port = CODEC_SERVER_PORT, .lifetime_s = CLIENT_LIFETIME};
	while ((option = getopt_long(argc, argv, "s:i:612t:jl:kn:h", long_options, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_DONE;
		}
		if (option == '?')
			return EXIT_USAGE;
		if (!take(o, option, optarg))
			return out_usage("not a valid value: %s", optarg ? optarg : argv[optind - 1]);
	}
	return -1;
}
