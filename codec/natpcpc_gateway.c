/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool parse_server(const char *s, struct client_endpoint *e)
{
	const char *scope = strchr(s, '%');

	memset(e, 0, sizeof(*e));
	if (scope)
		e->scope = if_nametoindex(scope + 1);
	if (scope && !e->scope)
		return false;
	return codec_address_parse(s, scope ? (size_t)(scope - s) : strlen(s), &e->address);
}

static struct session *add(struct app *a, const struct client_endpoint *server, unsigned int ifindex)
{
	struct session *s;

	for (size_t i = 0; i < a->count; i++)
		if (memcmp(&a->sessions[i].server.address, &server->address, sizeof(server->address)) == 0 &&
		    a->sessions[i].server.scope == server->scope)
			return &a->sessions[i];
	if (a->count == GATEWAYS_MAX)
		return NULL;
	s = &a->sessions[a->count++];
	session_init(s);
	s->server = *server;
	s->server.port = a->o.port;
	s->ifindex = ifindex;
	return s;
}

static bool add_default(struct app *a, int family, unsigned int ifindex)
{
	struct client_endpoint gateway;
	unsigned int through = ifindex;

	if (conn_default_gateway(family, &through, &gateway) != 0)
		return false;
	add(a, &gateway, ifindex);
	return true;
}

/* Those of every interface, in the order of the interfaces. */
static void add_all(struct app *a, int family, unsigned int ifindex)
{
	struct if_nameindex *all = if_nameindex();

	for (struct if_nameindex *i = all; i && i->if_index; i++)
		if (!ifindex || ifindex == i->if_index)
			add_default(a, family, i->if_index);
	if (all)
		if_freenameindex(all);
}

static void add_from_routes(struct app *a, unsigned int ifindex)
{
	bool either = a->o.v4 == a->o.v6;

	if (a->o.all) {
		if (either || a->o.v4)
			add_all(a, AF_INET, ifindex);
		if (either || a->o.v6)
			add_all(a, AF_INET6, ifindex);
		return;
	}
	if ((either || a->o.v4) && add_default(a, AF_INET, ifindex) && !a->o.v6)
		return;
	if (either || a->o.v6)
		add_default(a, AF_INET6, ifindex);
}

static int add_named(struct app *a, unsigned int ifindex)
{
	for (size_t i = 0; i < a->o.servers_count; i++) {
		struct client_endpoint server;

		if (!parse_server(a->o.servers[i], &server))
			return options_wrong("-s: not an address: %s", a->o.servers[i]);
		if (!server.scope && IN6_IS_ADDR_LINKLOCAL(&server.address))
			server.scope = ifindex;
		if (!server.scope && IN6_IS_ADDR_LINKLOCAL(&server.address))
			return options_wrong("-s: %s is of a link: which one? %s%%IFACE", a->o.servers[i],
					     a->o.servers[i]);
		add(a, &server, ifindex);
	}
	return EXIT_DONE;
}

int gateway_find(struct app *a)
{
	unsigned int ifindex = 0;
	int rc = EXIT_DONE;

	if (a->o.interface) {
		ifindex = if_nametoindex(a->o.interface);
		if (!ifindex)
			return options_wrong("no interface %s", a->o.interface);
	}
	if (a->o.servers_count)
		rc = add_named(a, ifindex);
	else
		add_from_routes(a, ifindex);
	if (rc)
		return rc;
	if (a->count == 0) {
		fprintf(stderr, "natpcpc: this host has no default gateway%s%s: say whom to ask by -s ADDR\n",
			a->o.interface ? " through " : "", a->o.interface ? a->o.interface : "");
		return EXIT_SILENCE;
	}
	for (size_t i = 0; i < a->count; i++) {
		struct session *s = &a->sessions[i];

		s->error = conn_source(&s->server, s->ifindex, &s->own);
	}
	return EXIT_DONE;
}
