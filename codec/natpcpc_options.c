/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/natpcpc.h"
#include "codec/natpcpc_parse.h"

#define MAPS	  (COMMAND_MAP | COMMAND_PEER)
#define CHANGES	  (MAPS | COMMAND_UNMAP)
#define ASKS	  (CHANGES | COMMAND_UNMAP_ALL | COMMAND_ADDRESS | COMMAND_ANNOUNCE)
#define ALL	  (ASKS | COMMAND_LISTEN | COMMAND_PROBE | COMMAND_RAW)
#define HELP_LINE 30 /* where the second column begins */

enum {
	OPTION_PORT = 256,
	OPTION_EXTERNAL,
	OPTION_PREFER,
	OPTION_THIRD,
	OPTION_FILTER,
	OPTION_DESCRIPTION,
	OPTION_PARITY,
	OPTION_NONCE,
	OPTION_EXEC,
};

/* The one table of options: getopt's and the help's. */
static const struct {
	int id; /* a letter, or above 255 */
	const char *name, *argument;
	unsigned int commands;
	const char *help;
} rows[] = {
    {'l', "lifetime", "TIME", MAPS, "ask for so long: seconds, or 30m, 2h, 1d, forever (default: 2h)"},
    {OPTION_EXTERNAL, "external", "PORT|ADDR", MAPS,
     "suggest this port outside, address, or ADDR:PORT; any leaves it open"},
    {OPTION_PREFER, "prefer-failure", NULL, COMMAND_MAP, "exactly what --external says, or none"},
    {OPTION_FILTER, "filter", "CIDR[:PORT]", COMMAND_MAP, "let only these peers in; may be repeated"},
    {OPTION_THIRD, "third-party", "ADDR", CHANGES, "for another host, if the gateway lets this one"},
    {OPTION_DESCRIPTION, "description", "TEXT", MAPS, "for the gateway's lists"},
    {OPTION_PARITY, "parity", NULL, COMMAND_MAP, "of a range: even ports to even ports"},
    {'k', "keep", NULL, MAPS, "stay and renew; SIGINT, SIGTERM or SIGHUP deletes the mapping"},
    {OPTION_EXEC, "exec", "CMD", MAPS, "with --keep: run this program when the outside address or port changes"},
    {OPTION_NONCE, "nonce", "HEX|random", CHANGES, "the mapping's nonce, 24 digits"},
    {'n', "count", "COUNT", COMMAND_LISTEN, "end after so many announcements"},
    {'s', "server", "ADDR[%IFACE]", ALL, "the gateway (default: that of the default route); may be repeated"},
    {OPTION_PORT, "port", "PORT", ALL & ~COMMAND_LISTEN, "its port (default: 5351)"},
    {'i', "interface", "IFACE", ALL, "use this interface only"},
    {'4', "ipv4", NULL, ALL, "the IPv4 default gateway (default: that one, or the IPv6 one where it lacks)"},
    {'6', "ipv6", NULL, ALL, "the IPv6 default gateway; -4 -6 asks both"},
    {'a', "all", NULL, ALL, "the default gateways of all interfaces"},
    {'1', "natpmp", NULL, ASKS, "NAT-PMP only"},
    {'2', "pcp", NULL, ASKS, "PCP only (default: PCP, then NAT-PMP)"},
    {'t', "timeout", "SECONDS", ALL, "wait so long for an answer (default: 15; listen, --keep: for ever)"},
    {'j', "json", NULL, ALL, "one JSON object a line"},
    {'h', "help", NULL, ALL, "this text; after a command, that command's"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct command_row command_rows[] = {
    {COMMAND_MAP, "map", 2, 3, "PROTO PORT [EXTPORT]", "map a port outside to PORT of this host",
     "Asks the gateway to send what comes to a port outside to this host's PORT. EXTPORT is the same as --external.\n"
     "PORT may be a range (4000-4007: one mapping of several ports) or all; PROTO tcp, udp, another protocol's name "
     "or\n"
     "number, or all. What is granted is printed, and may differ from what was asked for. --exec CMD runs CMD, without "
     "a\n"
     "shell, with what follows -- as its arguments and the mapping in its environment (NATPCP_*: see natpcpc(1))."},
    {COMMAND_PEER, "peer", 3, 4, "PROTO PORT ADDR:PORT [EXTPORT]", "keep the way to one host outside open (PCP)",
     "Asks the gateway to keep the way between PORT and one host outside open (PCP). [ADDR]:PORT for IPv6. It cannot "
     "be\n"
     "deleted: it ends with its lifetime."},
    {COMMAND_UNMAP, "unmap", 2, 2, "PROTO PORT", "delete a mapping",
     "Deletes a mapping that the same user of this host has made, or the one whose --nonce is given."},
    {COMMAND_UNMAP_ALL, "unmap-all", 1, 1, "tcp|udp", "delete all mappings of this host (NAT-PMP)",
     "Deletes all NAT-PMP mappings of this host."},
    {COMMAND_ADDRESS, "address", 0, 0, "", "show the gateway's external address",
     "Shows the gateway's external address."},
    {COMMAND_ANNOUNCE, "announce", 0, 0, "", "ask whether a gateway is there, and for its epoch",
     "Asks whether a gateway is there, and for its epoch: the seconds since it last lost its mappings."},
    {COMMAND_LISTEN, "listen", 0, 0, "", "print what gateways announce",
     "Prints what gateways announce on port 5350: another external address, a restart, lost mappings."},
    {COMMAND_PROBE, "probe", 0, 0, "", "show what a gateway speaks, and how it answers each corner",
     "Shows what a gateway speaks and how it answers each corner of the protocols. Makes a few short mappings to "
     "ports\n"
     "that natpcpc itself holds, and deletes them. Several gateways are shown side by side."},
    {COMMAND_RAW, "raw", 1, 1, "HEX", "send one datagram, show the answer", "Sends one datagram, shows the answer."},
};
const size_t command_rows_count = sizeof(command_rows) / sizeof(command_rows[0]);

int options_wrong(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("natpcpc: ", stderr);
	vfprintf(stderr, format, ap);
	fputs(" (see natpcpc --help)\n", stderr);
	va_end(ap);
	return EXIT_USAGE;
}

static void help_option(size_t i)
{
	int n;

	if (rows[i].id < 256)
		n = printf("  -%c, --%s", rows[i].id, rows[i].name);
	else
		n = printf("      --%s", rows[i].name);
	if (rows[i].argument)
		n += printf(" %s", rows[i].argument);
	printf("%*s%s\n", n < HELP_LINE ? HELP_LINE - n : 1, "", rows[i].help);
}

static void help_command(const struct command_row *c)
{
	int n = printf("  %s %s", c->name, c->arguments);

	printf("%*s%s\n", n < HELP_LINE + 8 ? HELP_LINE + 8 - n : 1, "", c->summary);
}

void options_help(const struct command_row *command)
{
	if (command) {
		printf("usage: natpcpc %s%s%s [options]\n\n%s\n\n", command->name, *command->arguments ? " " : "",
		       command->arguments, command->help);
	} else {
		puts("usage: natpcpc COMMAND [ARGUMENTS] [options]\n\n"
		     "Asks NAT-PMP and PCP gateways for ports. natpcpc COMMAND --help tells what a command takes.\n");
		for (size_t i = 0; i < command_rows_count; i++)
			help_command(&command_rows[i]);
		putchar('\n');
	}
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].commands & (command ? command->command : ALL))
			help_option(i);
	puts("\nExit: 0 done, 1 refused (with the code and what it means), 2 bad usage, 3 no answer.");
}

/* Takes one option with an argument or without; false if it is not valid. */
static bool take(struct options *o, int id, const char *argument)
{
	uint64_t v = 0;

	switch (id) {
	case 's':
		if (o->servers_count == GATEWAYS_MAX)
			return false;
		o->servers[o->servers_count++] = argument;
		return true;
	case OPTION_PORT:
		return parse_port(argument, &o->port) && o->port;
	case 'i':
		o->interface = argument;
		return true;
	case '4':
		o->v4 = true;
		return true;
	case '6':
		o->v6 = true;
		return true;
	case 'a':
		o->all = true;
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
		return parse_lifetime(argument, &o->lifetime_s) && o->lifetime_s;
	case 'k':
		o->keep = true;
		return true;
	case 'n':
		if (!parse_number(argument, UINT32_MAX, &v))
			return false;
		o->count = (unsigned long)v;
		return true;
	case OPTION_EXTERNAL:
		return parse_outside(argument, &o->external, &o->external_port, &o->has_external_port);
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
		return codec_utf8_valid((const uint8_t *)argument, strlen(argument)) &&
		       strlen(argument) <= CODEC_DESCRIPTION_MAX;
	case OPTION_PARITY:
		o->parity = true;
		return true;
	case OPTION_NONCE:
		o->random_nonce = strcmp(argument, "random") == 0;
		o->has_nonce = !o->random_nonce;
		return o->random_nonce || parse_nonce(argument, &o->nonce);
	case OPTION_EXEC:
		o->exec = argument;
		return *argument;
	}
	return false;
}

/* getopt's two tables, from ours. shorts needs room for three octets a row and a colon. */
static void tables(struct option longs[ROWS + 1], char *shorts)
{
	/* a missing argument is not the same as an option that there is not */
	*shorts++ = ':';
	for (size_t i = 0; i < ROWS; i++) {
		longs[i] =
		    (struct option){rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, rows[i].id};
		if (rows[i].id > 255)
			continue;
		*shorts++ = (char)rows[i].id;
		if (rows[i].argument)
			*shorts++ = ':';
	}
	*shorts = 0;
	longs[ROWS] = (struct option){0};
}

static size_t row_of(int id)
{
	size_t i = 0;

	while (i < ROWS && rows[i].id != id)
		i++;
	return i;
}

static const struct command_row *command_named(const char *name)
{
	for (size_t i = 0; i < command_rows_count; i++)
		if (strcmp(command_rows[i].name, name) == 0)
			return &command_rows[i];
	return NULL;
}

/* What one option alone cannot tell. */
static int check(const struct options *o, const struct command_row *c, const bool given[ROWS])
{
	for (size_t i = 0; i < ROWS; i++)
		if (given[i] && !(rows[i].commands & c->command))
			return options_wrong("%s: has no --%s", c->name, rows[i].name);
	if (o->exec && !o->keep)
		return options_wrong("--exec goes with --keep");
	if (o->exec_arguments && !o->exec)
		return options_wrong("what follows -- are the arguments of --exec's program, which is not there");
	if (given[row_of('1')] && given[row_of('2')])
		return options_wrong("either --natpmp or --pcp");
	if (o->servers_count && (o->v4 || o->v6 || o->all))
		return options_wrong("-s says whom to ask: not together with -4, -6, -a");
	return -1;
}

int options_read(struct options *o, const struct command_row **command, int *argc, char ***argv)
{
	struct option longs[ROWS + 1];
	char shorts[2 * ROWS + 2];
	bool given[ROWS] = {false}, help = false;
	int count = *argc, id;
	char **all = *argv;

	*o = (struct options){.port = CODEC_SERVER_PORT, .lifetime_s = CLIENT_LIFETIME};
	for (int i = 1; i < *argc && !o->exec_arguments; i++)
		if (strcmp(all[i], "--") == 0) {
			o->exec_arguments = all + i + 1;
			count = i;
		}
	tables(longs, shorts);
	opterr = 0;
	while ((id = getopt_long(count, all, shorts, longs, NULL)) != -1) {
		if (id == ':')
			return options_wrong("%s: lacks its argument", all[optind - 1]);
		if (id == '?')
			return options_wrong("no such option: %s", all[optind - 1]);
		help = help || id == 'h';
		given[row_of(id)] = true;
		if (id != 'h' && !take(o, id, optarg))
			return options_wrong("--%s: not valid: %s", rows[row_of(id)].name, optarg);
	}
	*argc = count - optind;
	*argv = all + optind;
	*command = *argc > 0 ? command_named(**argv) : NULL;
	if (help) {
		options_help(*command);
		return EXIT_DONE;
	}
	if (*argc <= 0)
		return options_wrong("no command");
	if (!*command)
		return options_wrong("no such command: %s", **argv);
	--*argc;
	++*argv;
	if (*argc < (*command)->min || *argc > (*command)->max)
		return options_wrong("%s: wrong number of arguments", (*command)->name);
	return check(o, *command, given);
}
