/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_command.h"

#include <string.h>

#include "server/natpcpctl.h"
#include "server/version.h"

/* clang-format off */
const struct command commands[] = {
	{"status", "", "addresses, counters, how the server does", "", 0, 0, natpcpctl_status},
	{"leases", "", "every mapping in force", "cprPo46kRw", 0, 0, natpcpctl_leases},
	{"explain", "CLIENT PROTO INTPORT [EXTPORT]", "which rule decides a request, why, and what would be granted", "i", 3, 4,
	 natpcpctl_explain},
	{"rules", "", "the rules in the order in which they are tried, and how often each decided", "", 0, 0, natpcpctl_rules},
	{"refusals", "", "the last requests that were refused, the newest first", "", 0, 0, natpcpctl_refusals},
	{"watch", "", "what happens, a line each, until it is stopped", "t", 0, 0, natpcpctl_watch},
	{"revoke", "PROTO EXTADDR EXTPORT\nPROTO|all EXTADDR all\n--client ADDR\n--rule NAME\n--all",
	 "ends mappings and their connections", "cra", 0, 3, natpcpctl_revoke},
	{"reload", "", "lets the server read its configuration anew", "", 0, 0, natpcpctl_reload},
	{"check", "[FILE]", "looks for mistakes in a configuration; asks no server", "", 0, 1, natpcpctl_check},
	{"metrics", "", "counters in the text format of Prometheus", "", 0, 0, natpcpctl_metrics},
	{"journal", "FILE", "what a journal has; asks no server", "a", 1, 1, natpcpctl_journal},
	{"selftest", "", "opens a port, and looks whether it can be reached, or what drops it; for root",
	 "46iHF", 0, 0, natpcpctl_selftest},
	{"import", "miniupnpd FILE", "prints a natpcpd.conf made from a miniupnpd.conf; asks no server", "", 2, 2, natpcpctl_import},
	{"help", "[COMMAND]", "how a command is used", "", 0, 1, natpcpctl_help},
	{0},
};

const struct command_option command_options[] = {
	{'s', true, true, "socket", "SOCKET", "the server's control socket, " NATPCPD_SOCKET " unless given"},
	{'j', false, true, "json", NULL, "for programs: one JSON object (watch: one a line), described in natpcpctl(8)"},
	{'C', false, true, "color", "WHEN", "auto, always or never; auto is on a terminal, unless NO_COLOR is set"},
	{'V', true, true, "version", NULL, "the version of this program"},
	{'h', true, true, "help", NULL, "help; behind a command, that command's"},
	{'c', false, false, "client", "ADDR|PREFIX", "mappings of these hosts (revoke: of one host)"},
	{'p', false, false, "port", "PORT", "mappings with this port, internal or external"},
	{'r', false, false, "rule", "NAME", "mappings that this rule allows"},
	{'P', false, false, "proto", "PROTO", "mappings of this protocol: a name or a number"},
	{'o', false, false, "origin", "ORIGIN", "nat-pmp, pcp, static or adopted"},
	{'4', true, false, NULL, NULL, "IPv4 hosts only"},
	{'6', true, false, NULL, NULL, "IPv6 hosts only"},
	{'k', false, false, "sort", "KEY", "by client, internal-port, external, external-port, proto, expires, rule or origin"},
	{'R', false, false, "reverse", NULL, "the last first"},
	{'w', false, false, "watch", NULL, "stay, and show changes as they come; needs a terminal"},
	{'i', false, false, "interface", "NAME", "as if it was asked through this interface (selftest: the inside interface)"},
	{'t', false, false, "types", "TYPE[,TYPE]...", "only these events"},
	{'H', false, false, "host", "ADDR", "the test host's address, one that is free and inside"},
	{'F', false, false, "from", "ADDR", "the address from which the test packets come"},
	{'a', false, false, "all", NULL, "revoke: every mapping but static ones; journal: each record"},
	{0},
};
/* clang-format on */

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

bool command_takes(const struct command *c, char letter)
{
	for (const struct command_option *o = command_options; o->letter; o++)
		if (o->letter == letter)
			return o->everywhere || strchr(c->options, letter);
	return false;
}

static void option_line(FILE *out, const struct command_option *o)
{
	char text[64];

	snprintf(text, sizeof(text), "%s%c%s%s%s%s%s", o->brief ? "-" : "", o->brief ? o->letter : ' ',
		 o->brief && o->name ? ", " : "", o->name ? "--" : "", o->name ? o->name : "", o->argument ? " " : "",
		 o->argument ? o->argument : "");
	fprintf(out, "  %-24s %s\n", o->brief ? text : text + 1, o->text);
}

static void option_lines(FILE *out, const struct command *c)
{
	for (const struct command_option *o = command_options; o->letter; o++)
		if (c ? strchr(c->options, o->letter) != NULL : o->everywhere)
			option_line(out, o);
}

void command_brief(FILE *out)
{
	fputs("usage: natpcpctl [-s SOCKET] [--json] COMMAND [...]\n", out);
}

void command_list(FILE *out)
{
	command_brief(out);
	fputc('\n', out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->summary);
	fputs("\nnatpcpctl help COMMAND says how each is used, natpcpctl(8) what it prints. For all commands:\n\n",
	      out);
	option_lines(out, NULL);
}

void command_usage(FILE *out, const struct command *c)
{
	const char *form = c->arguments, *end;

	do {
		end = strchr(form, '\n');
		fprintf(out, "%s natpcpctl %s%s%.*s%s\n", form == c->arguments ? "usage:" : "      ", c->name,
			*form ? " " : "", (int)(end ? end - form : (long)strlen(form)), form,
			*c->options && !strstr(c->arguments, "--") ? " [OPTION]..." : "");
		form = end ? end + 1 : NULL;
	} while (form);
}

void command_help(FILE *out, const struct command *c)
{
	command_usage(out, c);
	fprintf(out, "\n%s\n", c->summary);
	if (*c->options) {
		fputc('\n', out);
		option_lines(out, c);
	}
	fputs("\nFor all commands:\n\n", out);
	option_lines(out, NULL);
}
