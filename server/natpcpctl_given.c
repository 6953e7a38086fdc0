/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_given.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_command.h"
#include "server/natpcpctl_say.h"
#include "server/version.h"

enum { OPTIONS_MAX = 32 };

const char *given_get(const struct given *o, char letter)
{
	return o->v[(unsigned char)letter & CHAR_MAX];
}

bool given_has(const struct given *o, char letter)
{
	return given_get(o, letter) != NULL;
}

int given_bad(const struct command *c, const char *format, ...)
{
	va_list arguments;
	char why[512];

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	say(stderr, "natpcpctl: %s\n", why);
	if (c) {
		command_usage(stderr, c);
		say(stderr, "natpcpctl help %s says more\n", c->name);
	} else {
		command_brief(stderr);
		say(stderr, "natpcpctl help says which commands there are\n");
	}
	return CTL_USAGE;
}

/* What getopt_long() wants to know, made of the one table. */
static void tables(struct option *names, char *letters)
{
	*letters++ = ':'; /* what is wrong is said here */
	for (const struct command_option *o = command_options; o->letter; o++) {
		if (o->name)
			*names++ =
			    (struct option){o->name, o->argument ? required_argument : no_argument, NULL, o->letter};
		if (o->brief) {
			*letters++ = o->letter;
			if (o->argument)
				*letters++ = ':';
		}
	}
	*names = (struct option){0};
	*letters = '\0';
}

/* The command, as far as can be seen in a line that is not understood. */
static const struct command *guess(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (command_find(argv[i]))
			return command_find(argv[i]);
	return NULL;
}

static int wrong_option(int c, int argc, char **argv, int before)
{
	const char *word = optind > before ? argv[optind - 1] : argv[optind];

	if (c == ':')
		return given_bad(guess(argc, argv), "option %s needs a value", word);
	if (optopt && !strncmp(word, "--", 2))
		return given_bad(guess(argc, argv), "option %s takes no value", word);
	if (optopt)
		return given_bad(guess(argc, argv), "there is no option -%c", optopt);
	return given_bad(guess(argc, argv), "there is no option %s", word);
}

/* How the option was probably written. */
static const char *written(char letter)
{
	static char text[32];

	for (const struct command_option *o = command_options; o->letter; o++) {
		if (o->letter == letter && o->name)
			snprintf(text, sizeof(text), "--%s", o->name);
		else if (o->letter == letter)
			snprintf(text, sizeof(text), "-%c", letter);
	}
	return text;
}

static int judge(const struct given *o, const struct command *c, int n)
{
	for (const struct command_option *x = command_options; x->letter; x++)
		if (given_has(o, x->letter) && !command_takes(c, x->letter))
			return given_bad(c, "%s has no option %s", c->name, written(x->letter));
	if (n < c->least)
		return given_bad(c, "%s needs %s", c->name, c->arguments);
	if (n > c->most)
		return given_bad(c, "there are too many arguments");
	return -1;
}

int given_read(struct given *o, const struct command **c, int *n, char ***argument, int argc, char **argv)
{
	struct option names[OPTIONS_MAX];
	char letters[2 * OPTIONS_MAX];
	int letter, before = 1;

	memset(o, 0, sizeof(*o));
	tables(names, letters);
	opterr = 0;
	optind = 0; /* a first call, also after another one */
	while ((letter = getopt_long(argc, argv, letters, names, NULL)) != -1) {
		if (letter == '?' || letter == ':')
			return wrong_option(letter, argc, argv, before);
		o->v[letter & CHAR_MAX] = optarg ? optarg : "";
		before = optind;
	}
	if (given_has(o, 'V')) {
		puts("natpcpctl " NATPCPD_VERSION);
		return CTL_DONE;
	}
	*c = optind < argc ? command_find(argv[optind]) : NULL;
	if (given_has(o, 'h')) {
		if (*c)
			command_help(stdout, *c);
		else
			command_list(stdout);
		return CTL_DONE;
	}
	if (optind == argc)
		return given_bad(NULL, "a command is missing");
	if (!*c)
		return given_bad(NULL, "there is no command %s", argv[optind]);
	*n = argc - optind - 1;
	*argument = argv + optind + 1;
	return judge(o, *c, *n);
}
