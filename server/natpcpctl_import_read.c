/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_import_read.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "server/natpcpctl_import_table.h"

#define LINE_MAX_OCTETS 512
#define LANS_MAX	1000
#define RULES_MAX	1000
#define YEAR_S		31536000

struct reader {
	struct import *x;
	bool (*find)(uint32_t address, char interface[IF_NAMESIZE]);
	const char *text; /* of the line, for notes */
	unsigned line;
	bool full; /* no memory */
};

void import_tame(FILE *out, const char *s)
{
	for (size_t i = 0; s[i]; i++) {
		if (i == 100) {
			fputs("...", out);
			return;
		}
		fputc(s[i] >= ' ' && s[i] < 0x7f ? s[i] : '?', out);
	}
}

static void note(struct reader *r, const char *why)
{
	fprintf(r->x->notes, "# line %u: ", r->line);
	import_tame(r->x->notes, r->text);
	fprintf(r->x->notes, "\n#\t%s\n", why);
}

/* One more element of size octets behind n of them; NULL if there is no memory. */
static void *more(struct reader *r, void *v, size_t n, size_t size)
{
	void *bigger = reallocarray(v, n + 1, size);

	r->full = r->full || !bigger;
	return bigger;
}

/* Names that need no quotes and no escapes; the kernel would take others, but nobody uses them. */
static bool is_interface(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < IF_NAMESIZE && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@") == n;
}

static bool is_yes(const char *value)
{
	return !strcmp(value, "yes");
}

static void external(struct reader *r, const char *value)
{
	if (!is_interface(value))
		note(r, "is no name of an interface");
	else if (*r->x->external && strcmp(r->x->external, value) != 0)
		note(r, "a second external interface needs a section external of its own, and listen sections that "
			"name it");
	else
		strcpy(r->x->external, value);
}

static void external_address(struct reader *r, const char *value)
{
	char interface[IF_NAMESIZE];
	uint32_t address;
	unsigned length;

	if (!import_network(value, &address, &length) || length != 32 || !(address >> 24) || address >> 28 >= 14 ||
	    address >> 24 == 127) {
		note(r, "is no address of a host");
	} else if (r->find(address, interface)) {
		r->x->external_address = address;
	} else {
		r->x->allow_private = true;
		note(
		    r,
		    "this machine does not have that address, and natpcpd tells its clients only of ports that it opens"
		    " itself: private-address is allowed instead, which is right if the router in front sends "
		    "everything"
		    " here");
	}
}

static void lan_add(struct reader *r, const struct import_lan *lan)
{
	struct import *x = r->x;
	struct import_lan *bigger;

	for (size_t i = 0; i < x->lans_n; i++) {
		const struct import_lan *l = &x->lans[i];

		if (*lan->interface ? !strcmp(lan->interface, l->interface)
				    : !*l->interface && lan->address == l->address) {
			note(r, "stands there twice");
			return;
		}
	}
	if (x->lans_n == LANS_MAX) {
		note(r, "are too many");
		return;
	}
	bigger = more(r, x->lans, x->lans_n, sizeof(*bigger));
	if (!bigger)
		return;
	x->lans = bigger;
	x->lans[x->lans_n++] = *lan;
}

static void listening(struct reader *r, const char *value)
{
	char copy[LINE_MAX_OCTETS], *rest = NULL, *word;
	struct import_lan lan = {0};

	snprintf(copy, sizeof(copy), "%s", value);
	word = strtok_r(copy, " \t", &rest);
	if (word && import_network(word, &lan.address, &lan.length)) {
		if (!(lan.address >> 24) || lan.address >> 28 >= 14) {
			note(r, "is no address of a host");
			return;
		}
		word = strtok_r(NULL, " \t", &rest);
		/* the interface may follow, for IPv6 */
		if (word && is_interface(word))
			strcpy(lan.interface, word);
		else if (word)
			note(r, "what follows the address is left out: an external address for one inside network needs"
				" sections external and listen for it");
		if (!*lan.interface && !r->find(lan.address, lan.interface))
			note(r, "this machine has no interface with that address now, so natpcpd would be bound to the"
				" address, and hear no IPv6: put its interface into interfaces instead");
		lan_add(r, &lan);
		return;
	}
	for (; word; word = strtok_r(NULL, " \t", &rest)) {
		memset(&lan, 0, sizeof(lan));
		if (!is_interface(word)) {
			note(r, "is neither an IPv4 address nor the name of an interface");
			return;
		}
		strcpy(lan.interface, word);
		lan_add(r, &lan);
	}
}

static void lifetime(struct reader *r, const char *value, uint32_t *v)
{
	char b[128];
	struct text why;

	text_init(&why, b, sizeof(b));
	if (!value_number(value, 1, YEAR_S, v, &why)) {
		*v = 0;
		note(r, "is no number of seconds between 1 and those of a year");
	}
}

static void identifier(struct reader *r, const char *value, char v[64])
{
	char b[128];
	struct text why;

	text_init(&why, b, sizeof(b));
	if (value_identifier(value, strlen(value), &why))
		strcpy(v, value);
	else
		note(r, "is no name that a chain or table can have");
}

static void option(struct reader *r, const char *name, const char *value)
{
	struct import *x = r->x;
	const char *why = import_table_why(name);

	if (!strcmp(name, "ext_ifname")) {
		external(r, value);
	} else if (!strcmp(name, "ext_ip")) {
		external_address(r, value);
	} else if (!strcmp(name, "ext_allow_private_ipv4")) {
		x->allow_private = x->allow_private || is_yes(value);
	} else if (!strcmp(name, "listening_ip")) {
		listening(r, value);
	} else if (!strcmp(name, "ipv6_disable")) {
		x->no_ipv6 = is_yes(value);
	} else if (!strcmp(name, "enable_natpmp") || !strcmp(name, "enable_pcp_pmp")) {
		x->spoken = is_yes(value);
		if (!x->spoken)
			note(r, "natpcpd speaks nothing but NAT-PMP and PCP, so it answers");
	} else if (!strcmp(name, "min_lifetime")) {
		lifetime(r, value, &x->min_s);
	} else if (!strcmp(name, "max_lifetime")) {
		lifetime(r, value, &x->max_s);
	} else if (!strcmp(name, "pcp_allow_thirdparty")) {
		x->third_party = is_yes(value);
	} else if (!strcmp(name, "upnp_forward_chain")) {
		identifier(r, value, x->forward_chain);
	} else if (!strcmp(name, "upnp_table_name")) {
		identifier(r, value, x->forward_table);
	} else if (!strcmp(name, "ext_ifname6") && !strcmp(value, x->external)) {
		/* the same interface, as it is with natpcpd */
	} else {
		if (!strcmp(name, "ext_perform_stun") && !strncmp(value, "yes", 3))
			x->allow_private = true;
		note(r, why ? why : "is no option that natpcpctl knows");
	}
}

static void rule(struct reader *r, const char *text)
{
	struct import *x = r->x;
	struct import_rule rule = {.line = r->line}, *bigger;
	const char *why = import_rule_read(&rule, text);

	if (!why && x->rules_n == RULES_MAX)
		why = "is the 1001st rule, which is too much";
	if (why) {
		note(r, why);
		return;
	}
	bigger = more(r, x->rules, x->rules_n, sizeof(*bigger));
	if (!bigger)
		return;
	x->rules = bigger;
	x->rules[x->rules_n++] = rule;
}

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
		*--end = '\0';
	return s;
}

static void line(struct reader *r, char *text)
{
	char name[64], copy[LINE_MAX_OCTETS], *value;
	size_t n;

	text = trim(text);
	if (!*text || *text == '#')
		return;
	snprintf(copy, sizeof(copy), "%s", text);
	r->text = text;
	value = strchr(copy, '=');
	if ((!strncmp(text, "allow", 5) || !strncmp(text, "deny", 4)) &&
	    isspace((unsigned char)text[text[0] == 'a' ? 5 : 4])) {
		rule(r, text);
		return;
	}
	if (!value) {
		note(r, "is neither an option nor a rule");
		return;
	}
	*value++ = '\0';
	snprintf(name, sizeof(name), "%s", trim(copy));
	value = trim(value);
	n = strlen(value);
	if (n > 1 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
		value[n - 1] = '\0';
		value = trim(value + 1);
	}
	option(r, name, value);
}

bool import_read(struct import *x, const char *text, size_t length,
		 bool (*find)(uint32_t address, char interface[IF_NAMESIZE]))
{
	struct reader r = {.x = x, .find = find};
	char b[LINE_MAX_OCTETS];

	memset(x, 0, sizeof(*x));
	x->notes = open_memstream(&x->notes_text, &x->notes_length);
	if (!x->notes)
		return false;
	for (size_t at = 0; at < length && !r.full;) {
		const char *end = memchr(text + at, '\n', length - at);
		size_t n = end ? (size_t)(end - text) - at : length - at, kept = n < sizeof(b) ? n : sizeof(b) - 1;

		memcpy(b, text + at, kept);
		b[kept] = '\0';
		r.line++;
		line(&r, b);
		at += n + 1;
	}
	return !r.full && fflush(x->notes) == 0;
}

void import_clear(struct import *x)
{
	if (x->notes)
		fclose(x->notes);
	free(x->notes_text);
	free(x->lans);
	free(x->rules);
	memset(x, 0, sizeof(*x));
}
