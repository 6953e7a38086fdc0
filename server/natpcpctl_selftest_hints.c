/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may have kept a packet of the self-test from getting through, beside the chain that dropped it. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/natpcpctl_selftest.h"

/* A number in /proc/sys/net; -1 if it cannot be read. */
static int number(const char *where, const char *interface, const char *key)
{
	char path[128], text[32];
	FILE *f;
	int v = -1;

	snprintf(path, sizeof(path), "/proc/sys/net/%s%s/%s", where, interface, key);
	f = fopen(path, "re");
	if (f && fgets(text, sizeof(text), f))
		v = atoi(text);
	if (f)
		fclose(f);
	return v;
}

/* True if the interface is up and something is connected to it. */
static bool runs(const char *interface)
{
	struct ifreq r = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool down;

	memcpy(r.ifr_name, interface, strnlen(interface, sizeof(r.ifr_name) - 1));
	down =
	    fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &r) && (r.ifr_flags & (IFF_UP | IFF_RUNNING)) != (IFF_UP | IFF_RUNNING);
	if (fd >= 0)
		close(fd);
	return !down;
}

static bool has_legacy_rules(void)
{
	FILE *f = fopen("/proc/net/ip_tables_names", "re");
	bool any = f && fgetc(f) != EOF;

	if (f)
		fclose(f);
	return any;
}

static void dropped(const struct selftest *s, const struct selftest_step *step, FILE *out)
{
	const struct event_place *p = &step->seen.place;
	char chain[EVENT_NAME], text[CODEC_ADDRESS_TEXT];

	if (!step->granted) {
		fputs("the rules of this machine must accept UDP port 5351 from the inside interface\n", out);
		return;
	}
	if (trace_forward_chain(p, chain))
		fprintf(
		    out,
		    "what was mapped passes where natpcpd may put one rule: backend { forward-chain = \"%s %s %s\" }\n",
		    event_family(p->family), p->table, chain);
	if (p->rule)
		fprintf(out,
			"if the rule is about where the packet comes from, %s: another address is given by --from\n",
			codec_address_text(&s->outside, text));
	if (p->rule)
		fprintf(out, "the rule is shown by: nft -a list chain %s %s %s (handle %llu)\n",
			event_family(p->family), p->table, p->chain, (unsigned long long)p->rule);
}

static int strict(const char *interface)
{
	int all = number("ipv4/conf/", "all", "rp_filter"), own = number("ipv4/conf/", interface, "rp_filter");

	return (all > own ? all : own) == 1;
}

static void lost(const struct selftest *s, const struct selftest_step *step, FILE *out)
{
	int back = link_route(&s->outside), in = link_route(&s->host);
	char name[IF_NAMESIZE] = "nothing";

	if (!s->v6 && number("ipv4", "", "ip_forward") == 0)
		fputs("this machine does not forward: net.ipv4.ip_forward is 0\n", out);
	if (s->v6 && number("ipv6/conf/", "all", "forwarding") == 0)
		fputs("this machine does not forward: net.ipv6.conf.all.forwarding is 0\n", out);
	if (!runs(s->lan))
		fprintf(out, "%s is down, or nothing is connected to it\n", s->lan);
	if (!s->v6 && strict(s->wan) && back != s->wan_index)
		fprintf(out,
			"net.ipv4.conf.%s.rp_filter is 1, and the way back to the test packet's source is not %s: try "
			"--from"
			" with an address that is routed there, or 2\n",
			s->wan, s->wan);
	if (in != s->lan_index)
		fprintf(out, "the route to the test host leaves by %s, not by %s\n",
			in ? if_indextoname((unsigned)in, name) : name, s->lan);
	if (step->seen.queued)
		fputs("a chain gave the packet to a program (queue)\n", out);
	if (!step->seen.any)
		fprintf(out,
			"it did not get as far as the first chain: look at netdev chains, tc and XDP of %s, and at "
			"rp_filter\n",
			s->wan);
	else
		fprintf(out, "the last chain that it passed is %s %s %s\n", event_family(step->seen.place.family),
			step->seen.place.table, step->seen.place.chain);
	if (has_legacy_rules())
		fputs("there are rules of iptables-legacy, which cannot be traced: look at iptables-legacy -L -v\n",
		      out);
	if (number("bridge", "", "bridge-nf-call-iptables") == 1)
		fputs("net.bridge.bridge-nf-call-iptables is 1: what passes the bridge meets the IP rules, too\n", out);
}

static void unanswered(const struct selftest *s, const struct selftest_step *step, FILE *out)
{
	if (!step->seen.any)
		fprintf(out, "the request did not get as far as the first chain of %s\n", s->lan);
	else
		fprintf(out, "the last chain that the request passed is %s %s %s\n",
			event_family(step->seen.place.family), step->seen.place.table, step->seen.place.chain);
	fprintf(out, "does a section listen name %s, with pcp = true? natpcpctl status counts what was dropped\n",
		s->lan);
	if (has_legacy_rules())
		fputs("there are rules of iptables-legacy, which cannot be traced: look at iptables-legacy -L -v\n",
		      out);
	fputs("the answer, UDP from port 5351, may be dropped on its way out\n", out);
}

/* True if the external section has an address of the family. */
static bool has_address(const struct selftest *s, const json_t *external)
{
	const json_t *list = json_object_get(external, "addresses");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text && (strchr(text, ':') != NULL) == s->v6)
			return true;
	}
	return false;
}

static void refused(const struct selftest *s, FILE *out)
{
	const json_t *list = json_object_get(s->status, "externals");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *x = json_array_get(list, i);
		const char *why = json_string_value(json_object_get(x, "why"));

		if (why && *why)
			fprintf(out, "external %s: %s\n", json_string_value(json_object_get(x, "name")), why);
		else if (!has_address(s, x))
			fprintf(out, "external %s has no %s address\n", json_string_value(json_object_get(x, "name")),
				s->v6 ? "IPv6" : "IPv4");
	}
}

void selftest_hints(const struct selftest *s, const struct selftest_step *step, FILE *out)
{
	const char *backend = json_string_value(json_object_get(s->status, "backend"));

	if (step->granted && step->end != SELFTEST_REACHED && backend && !strcmp(backend, "memory"))
		fputs("the server's backend is memory: it opens nothing\n", out);
	switch (step->end) {
	case SELFTEST_DROPPED:
		dropped(s, step, out);
		break;
	case SELFTEST_LOST:
		lost(s, step, out);
		break;
	case SELFTEST_REFUSED:
		if (step->result == PCP_NETWORK_FAILURE)
			refused(s, out);
		break;
	case SELFTEST_UNANSWERED:
		unanswered(s, step, out);
		break;
	default:
		break;
	}
}
