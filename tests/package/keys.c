/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the table of the configuration as natpcpd.conf(5) has it: an entry of a list in mdoc for each key, under a comment
 * that names its section. manual.py compares. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/schema.h"

#define WIDTH 78

static const char *const type_names[] = {
    [SCHEMA_BOOL] = "true or false",
    [SCHEMA_NUMBER] = "a number",
    [SCHEMA_DURATION] = "a duration",
    [SCHEMA_MARK] = "a mark",
    [SCHEMA_PORT] = "a port",
    [SCHEMA_PROTOCOL] = "a protocol with ports",
    [SCHEMA_STRING] = "a string",
    [SCHEMA_INTERFACE] = "an interface",
    [SCHEMA_TABLE] = "a table",
    [SCHEMA_CHAINS] = "chains",
    [SCHEMA_PROGRAM] = "a program",
    [SCHEMA_LOOPBACK] = "a loopback address and port",
    [SCHEMA_ENDPOINT] = "an address and port",
    [SCHEMA_REFERENCE] = "a title",
    [SCHEMA_INTERFACES] = "interfaces",
    [SCHEMA_PREFIXES] = "networks",
    [SCHEMA_ADDRESSES] = "addresses",
    [SCHEMA_RANGES] = "ports",
    [SCHEMA_MACS] = "hardware addresses",
    [SCHEMA_PROTOCOLS] = "protocols",
};

/* What troff takes for something else. A line of a list's entry never begins with a dot. */
static void escaped(const char *from, char *to)
{
	for (; *from; from++) {
		if (*from == '\\' || *from == '"')
			to += sprintf(to, "%s", *from == '"' ? "\\(dq" : "\\e");
		else
			*to++ = *from;
	}
	*to = '\0';
}

/* A sentence, from its first letter to a full stop, in lines that are not too long; each of its parts in one of its own. */
static void sentence(const char *text)
{
	char plain[2048], *word, *rest;
	size_t column = 0;

	if (strlen(text) * 4 + 2 > sizeof(plain))
		abort();
	escaped(text, plain);
	/* a name or a value that the sentence begins with stays as it is */
	if (plain[0] >= 'a' && plain[0] <= 'z' && !strchr(":,", plain[strcspn(plain, ":, ")]))
		plain[0] = (char)(plain[0] - 'a' + 'A');
	strcat(plain, ".");
	for (word = strtok_r(plain, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		size_t length = strlen(word);

		if (column && column + 1 + length > WIDTH) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%s", column ? " " : "", word);
	}
	putchar('\n');
}

static void value(const struct schema_key *k)
{
	const char *name = (size_t)k->type < sizeof(type_names) / sizeof(type_names[0]) ? type_names[k->type] : NULL;

	if (k->choices) {
		/* a list may have several of them */
		for (const struct schema_choice *c = k->choices; c->name; c++)
			printf("%s%s", c == k->choices ? "" : k->type == SCHEMA_ENUM ? " | " : ", ", c->name);
		return;
	}
	if (!name) {
		fprintf(stderr, "tests/package/keys.c: the type of %s has no name for people\n", k->name);
		exit(1);
	}
	printf("%s", name);
}

static void entry(const struct schema_key *k)
{
	printf(".It Cm %s No = ", k->name);
	value(k);
	putchar('\n');
	sentence(k->text);
	if (k->type == SCHEMA_NUMBER || k->type == SCHEMA_DURATION)
		printf("From %u to %u%s%s.\n", k->min, k->max, k->unit ? " " : "", k->unit ? k->unit : "");
	if (k->type == SCHEMA_STRING && k->max)
		printf("At most %u octets.\n", k->max);
	if (k->some)
		printf("Not an empty list.\n");
	if (k->required)
		printf("It must be given.\n");
	else if (k->initial && *k->initial)
		printf("Default: %s%s%s.\n", k->initial, k->type == SCHEMA_DURATION && k->unit ? " " : "",
		       k->type == SCHEMA_DURATION && k->unit ? k->unit : "");
	else
		printf("Default: none.\n");
	if (!k->live)
		printf("A change needs a restart.\n");
	printf(".\\\"-\n");
}

int main(void)
{
	for (unsigned s = 0; s < SCHEMA_SECTIONS; s++) {
		size_t n;
		const struct schema_key *k = schema_first((enum schema_section)s, &n);

		printf(".\\\" section %s\n", schema_sections[s].name);
		while (n--)
			entry(k++);
	}
	return 0;
}
