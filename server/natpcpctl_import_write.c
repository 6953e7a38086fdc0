/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_import_write.h"

#include <inttypes.h>
#include <string.h>

/* natpcpd's own, where miniupnpd.conf says nothing */
#define MIN_S 120
#define MAX_S 86400

static void address(FILE *out, uint32_t v4)
{
	fprintf(out, "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255, v4 & 255);
}

static void network(FILE *out, uint32_t v4, unsigned length)
{
	fputc('"', out);
	address(out, length ? v4 & ~UINT32_C(0) << (32 - length) : 0);
	fprintf(out, "/%u\"", length);
}

static void write_external(FILE *out, const struct import *x)
{
	fputs("external \"wan\" {\n", out);
	if (*x->external)
		fprintf(out, "\tinterface = \"%s\"\n", x->external);
	else
		fputs("\t# no ext_ifname was there: put in the name of the interface to the internet\n"
		      "\tinterface = \"wan0\"\n",
		      out);
	if (x->external_address) {
		fputs("\taddresses = { \"", out);
		address(out, x->external_address);
		fputs("\" }\n", out);
	}
	if (x->allow_private)
		fputs("\tprivate-address = \"allow\"\n", out);
	fputs("}\n\n", out);
}

/* True if requests are heard there: an interface cannot be inside and outside. */
static bool is_inside(const struct import *x, const struct import_lan *l)
{
	return strcmp(l->interface, *x->external ? x->external : "wan0") != 0;
}

static void write_list(FILE *out, const struct import *x, bool named)
{
	bool any = false;

	for (size_t i = 0; i < x->lans_n; i++) {
		const struct import_lan *l = &x->lans[i];

		if ((*l->interface != '\0') != named || !is_inside(x, l))
			continue;
		fputs(any ? ", \"" : " { \"", out);
		if (named)
			fputs(l->interface, out);
		else
			address(out, l->address);
		fputc('"', out);
		any = true;
	}
	fputs(" }\n", out);
}

static size_t count(const struct import *x, bool named)
{
	size_t n = 0;

	for (size_t i = 0; i < x->lans_n; i++)
		n += (*x->lans[i].interface != '\0') == named && is_inside(x, &x->lans[i]);
	return n;
}

static void write_listens(FILE *out, const struct import *x)
{
	static const char rest[] =
	    "\texternal = \"wan\"\n"
	    "\t# miniupnpd lets an IPv4 mapping be renewed with another nonce, as some clients do\n"
	    "\tnonce-check = \"same-address\"\n"
	    "}\n\n";
	size_t named = count(x, true), bound = count(x, false);

	if (!x->spoken)
		fputs("# miniupnpd did not answer NAT-PMP and PCP (enable_pcp_pmp is \"no\" unless it is said), natpcpd"
		      " does.\n",
		      out);
	if (named || !bound) {
		fputs("listen \"lan\" {\n\tinterfaces =", out);
		if (named)
			write_list(out, x, true);
		else
			fputs(" { \"br-lan\" }\n\t# no listening_ip was there that is inside: put in the names of the"
			      " inside interfaces\n",
			      out);
		fputs(rest, out);
	}
	if (bound) {
		fputs("listen \"by address\" {\n\taddresses =", out);
		write_list(out, x, false);
		fputs(rest, out);
	}
	for (size_t i = 0; i < x->lans_n; i++)
		if (!is_inside(x, &x->lans[i]))
			fprintf(out, "# listening_ip %s: is the external interface, on which natpcpd hears nobody\n\n",
				x->lans[i].interface);
}

static void write_ports(FILE *out, const char *key, uint16_t first, uint16_t last)
{
	if (first == 1 && last == 65535)
		return;
	fprintf(out, "\t%s = { \"%u", key, first);
	if (last != first)
		fprintf(out, "-%u", last);
	fputs("\" }\n", out);
}

static void write_rule(FILE *out, const struct import_rule *r)
{
	fprintf(out, "rule \"line %u\" {\n\taction = %s\n", r->line, r->allow ? "allow" : "deny");
	if (r->allow || r->length) {
		fputs("\tclients = { ", out);
		network(out, r->network, r->length);
		fputs(" }\n", out);
	} else {
		fputs("\t# every host, with IPv6 too, which miniupnpd did not judge\n", out);
	}
	write_ports(out, "internal-ports", r->internal_first, r->internal_last);
	write_ports(out, "external-ports", r->external_first, r->external_last);
	fputs("}\n", out);
}

static void write_rules(FILE *out, const struct import *x)
{
	bool decided = false;

	fputs(
	    "# The first rule that matches decides, as with miniupnpd. One difference: external-ports of a rule that\n"
	    "# allows are the ports that are given, so who asks for another one gets one of these.\n",
	    out);
	if (x->no_ipv6)
		fputs("rule \"no IPv6\" {\n\taction = deny\n"
		      "\tclients = { \"2000::/3\", \"fc00::/7\", \"fe80::/10\" }\n}\n",
		      out);
	for (size_t i = 0; i < x->rules_n && !decided; i++) {
		write_rule(out, &x->rules[i]);
		decided = import_rule_is_all(&x->rules[i]) && !x->rules[i].allow;
		if (decided && i + 1 < x->rules_n)
			fputs("# the rules of miniupnpd.conf behind this one were never reached\n", out);
	}
	if (decided)
		fputs("# Nothing behind it can match. For IPv6 miniupnpd allowed every host to open ports; natpcpd's "
		      "rules\n"
		      "# judge IPv6 too: put a rule that allows your networks before it if you want that.\n\n",
		      out);
	else
		fputs("# miniupnpd allows what no rule matches, natpcpd refuses it. This rule keeps it as it was; "
		      "better\n"
		      "# write preset = \"home\" instead of action and protocols, which leaves out the ports of "
		      "services.\n"
		      "rule \"no rule matched\" {\n\taction = allow\n\tprotocols = { \"tcp\", \"udp\" }\n}\n\n",
		      out);
}

static void write_third_party(FILE *out, const struct import *x)
{
	bool any = false;

	if (!x->third_party)
		return;
	fputs("# pcp_allow_thirdparty: miniupnpd let everybody map for every other host. Better name a few hosts.\n"
	      "third-party {\n",
	      out);
	for (size_t i = 0; i < x->lans_n; i++) {
		const struct import_lan *l = &x->lans[i];

		if (!l->length || l->length == 32 || !is_inside(x, l))
			continue;
		fputs(any ? ", " : "\tclients = { ", out);
		network(out, l->address, l->length);
		any = true;
	}
	fputs(any ? " }\n}\n\n"
		  : "\t# the inside networks are not known: listening_ip has no mask\n"
		    "\t#clients = { \"192.0.2.5\" }\n}\n\n",
	      out);
}

static void write_lifetime(FILE *out, const struct import *x)
{
	uint32_t min_s = x->min_s ? x->min_s : MIN_S, max_s = x->max_s ? x->max_s : MAX_S;

	if (!x->min_s && !x->max_s)
		return;
	fputs("lifetime {\n", out);
	if (min_s > max_s) {
		fprintf(out, "\t# min_lifetime %" PRIu32 " is more than max_lifetime %" PRIu32 "\n", min_s, max_s);
		if (x->max_s)
			min_s = max_s;
		else
			max_s = min_s;
	}
	fprintf(out, "\tmin = %" PRIu32 "\n\tmax = %" PRIu32 "\n}\n\n", min_s, max_s);
}

static void write_backend(FILE *out, const struct import *x)
{
	fputs(
	    "backend {\n"
	    "\t# If your firewall drops what is forwarded, name the chain that drops, or several as a list; `nft list\n"
	    "\t# chains` shows them: look for \"hook forward\". One rule goes into each that accepts what was "
	    "mapped.\n",
	    out);
	if (*x->forward_chain || *x->forward_table)
		fprintf(out, "\t# miniupnpd's chain %s%swas in table %s: it is the chain there that jumped to it.\n",
			x->forward_chain, *x->forward_chain ? " " : "",
			*x->forward_table ? x->forward_table : "filter");
	fprintf(out, "\t#forward-chain = \"inet %s forward\"\n}\n",
		*x->forward_table && strcmp(x->forward_table, "natpcpd") != 0 ? x->forward_table : "filter");
}

void import_write(FILE *out, const struct import *x, const char *from)
{
	fputs("# natpcpd.conf, made by natpcpctl import from ", out);
	import_tame(out, from);
	fputs("\n# Look it through, check it with natpcpd -t -c FILE, and read natpcpd.conf(5) for what else there "
	      "is.\n\n",
	      out);
	write_external(out, x);
	write_listens(out, x);
	write_rules(out, x);
	write_third_party(out, x);
	write_lifetime(out, x);
	write_backend(out, x);
	if (x->notes_length)
		fprintf(out, "\n# Lines of miniupnpd.conf that have no counterpart here, or not quite:\n%s",
			x->notes_text);
}
