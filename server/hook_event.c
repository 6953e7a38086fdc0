/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/hook_event.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/codec.h"
#include "server/external.h"

enum { KEY_EXTERNAL = 256, KEY_ALL };

static const struct {
	enum conf_event what;
	const char *name;
} kinds[] = {
    [ROUND_MADE] = {CONF_EVENT_MADE, "made"},	       [ROUND_RENEWED] = {CONF_EVENT_RENEWED, "renewed"},
    [ROUND_REFUSED] = {CONF_EVENT_REFUSED, "refused"}, [ROUND_ENDED] = {CONF_EVENT_ENDED, "ended"},
    [ROUND_MOVED] = {CONF_EVENT_MOVED, "moved"},       [ROUND_ADOPTED] = {CONF_EVENT_ADOPTED, "adopted"},
};

enum conf_event hook_event_of(const struct round_event *e)
{
	return kinds[e->kind].what;
}

const char *hook_event_name(enum conf_event what)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].what == what)
			return kinds[i].name;
	return what == CONF_EVENT_EXTERNAL ? "external" : "reload";
}

static void copy(char *to, size_t room, const char *from)
{
	snprintf(to, room, "%s", from ? from : "");
}

void hook_event_mapping(struct hook_event *v, const struct round_event *e)
{
	const struct mapping *m = &e->mapping;

	/* keys are compared octet by octet */
	memset(v, 0, sizeof(*v));
	v->what = hook_event_of(e);
	v->event = *e;
	v->event.rule = v->event.why = NULL;
	v->event.mapping.filters = NULL;
	v->event.mapping.filters_n = 0;
	copy(v->rule, sizeof(v->rule), e->rule);
	copy(v->why, sizeof(v->why), e->why);
	v->client = e->client;
	/* a request that was refused for what it is names no mapping: its sender stands for it */
	v->key.address = codec_is_unspecified(&m->internal_address) ? e->client : m->internal_address;
	v->key.remote_address = m->remote_address;
	v->key.port = m->internal_port;
	v->key.remote_port = m->remote_port;
	v->key.protocol = m->protocol;
}

void hook_event_external(struct hook_event *v, const struct conf_external *x, const struct external *o)
{
	const char *why;

	memset(v, 0, sizeof(*v));
	v->what = CONF_EVENT_EXTERNAL;
	v->key.protocol = KEY_EXTERNAL;
	/* sections have other numbers after a reload, and their names can be long */
	for (size_t i = 0; x->name[i]; i++)
		v->key.address.s6_addr[i % 16] = (uint8_t)(v->key.address.s6_addr[i % 16] * 31 + x->name[i]);
	copy(v->external, sizeof(v->external), x->name);
	copy(v->interface, sizeof(v->interface), x->interface);
	v->state = external_state(o, &why);
	copy(v->why, sizeof(v->why), why);
	v->has_address = o->n && codec_is_v4(&o->v[0]);
	v->refused = o->refused;
	v->address = v->has_address ? o->v[0] : o->refused_address;
}

void hook_event_reload(struct hook_event *v)
{
	memset(v, 0, sizeof(*v));
	v->what = CONF_EVENT_RELOAD;
	v->key.protocol = KEY_ALL;
}

/* A variable that does not fit is left out. */
__attribute__((format(printf, 3, 4))) static void add(struct hook_environment *env, const char *name,
						      const char *format, ...)
{
	size_t room = sizeof(env->text) - env->length;
	char *at = env->text + env->length;
	va_list list;
	int head, n;

	head = snprintf(at, room, "%s=", name);
	if (env->n == HOOK_VARIABLES || head < 0 || (size_t)head >= room)
		return;
	va_start(list, format);
	n = vsnprintf(at + head, room - (size_t)head, format, list);
	va_end(list);
	if (n < 0 || (size_t)n >= room - (size_t)head)
		return;
	for (char *c = at; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	env->variables[env->n++] = at;
	env->length += (size_t)(head + n) + 1;
}

static void add_text(struct hook_environment *env, const char *name, const char *value)
{
	if (value && *value)
		add(env, name, "%s", value);
}

static void add_address(struct hook_environment *env, const char *name, const struct in6_addr *a)
{
	char text[CODEC_ADDRESS_TEXT];

	if (!codec_is_unspecified(a))
		add(env, name, "%s", codec_address_text(a, text));
}

static void add_opcode(struct hook_environment *env, const struct round_event *e)
{
	const char *name = e->pcp ? pcp_opcode_name(e->opcode) : natpmp_opcode_name(e->opcode);

	if (*name == '?')
		add(env, "NATPCPD_OPCODE", "%u", (unsigned)e->opcode);
	else
		add_text(env, "NATPCPD_OPCODE", name);
	add_text(env, "NATPCPD_RESULT", e->pcp ? pcp_result_name(e->result) : natpmp_result_name(e->result));
}

static void add_protocol(struct hook_environment *env, uint8_t protocol)
{
	const char *name = protocol ? codec_protocol_name(protocol) : "all";

	if (name)
		add_text(env, "NATPCPD_PROTOCOL", name);
	else
		add(env, "NATPCPD_PROTOCOL", "%u", (unsigned)protocol);
}

static void add_mapping(struct hook_environment *env, const struct round_event *e)
{
	const struct mapping *m = &e->mapping;
	/* a refusal may come before a mapping is known */
	bool all = m->internal_port == 0 && (e->kind != ROUND_REFUSED || (e->pcp && e->opcode == PCP_MAP &&
									  !codec_is_unspecified(&m->internal_address)));

	if (m->protocol || all)
		add_protocol(env, m->protocol);
	if (all || m->protocol || m->internal_port) {
		add_address(env, "NATPCPD_INTERNAL_ADDRESS", &m->internal_address);
		add(env, "NATPCPD_INTERNAL_PORT", "%u", (unsigned)m->internal_port);
	}
	add_address(env, "NATPCPD_EXTERNAL_ADDRESS", &m->external_address);
	if (m->external_port || (all && !codec_is_unspecified(&m->external_address)))
		add(env, "NATPCPD_EXTERNAL_PORT", "%u", (unsigned)m->external_port);
	if (m->more_ports)
		add(env, "NATPCPD_PORTS", "%u", m->more_ports + 1u);
	if (m->remote_port) {
		add_address(env, "NATPCPD_PEER_ADDRESS", &m->remote_address);
		add(env, "NATPCPD_PEER_PORT", "%u", (unsigned)m->remote_port);
	}
}

static void add_event(struct hook_environment *env, const struct round_event *e)
{
	if (e->kind != ROUND_ADOPTED && e->kind != ROUND_ENDED)
		add_text(env, "NATPCPD_BY", e->permanent ? "static" : e->pcp ? "pcp" : "nat-pmp");
	if (!e->permanent)
		add_address(env, "NATPCPD_CLIENT", &e->client);
	add_mapping(env, e);
	if (!e->permanent && (e->kind == ROUND_MADE || e->kind == ROUND_RENEWED || e->kind == ROUND_MOVED))
		add(env, "NATPCPD_LIFETIME", "%u", (unsigned)e->lifetime_s);
	if (e->kind == ROUND_REFUSED && !e->permanent)
		add_opcode(env, e);
}

void hook_environment(struct hook_environment *env, const struct hook_event *v, const char *hook)
{
	env->n = env->length = 0;
	add_text(env, "PATH", strchr(HOOK_PATH, '=') + 1);
	add_text(env, "NATPCPD_HOOK", hook);
	add_text(env, "NATPCPD_EVENT", hook_event_name(v->what));
	if (v->what == CONF_EVENT_EXTERNAL) {
		add_text(env, "NATPCPD_EXTERNAL", v->external);
		add_text(env, "NATPCPD_INTERFACE", v->interface);
		add_text(env, "NATPCPD_STATE", v->state);
		if (v->has_address)
			add_address(env, "NATPCPD_EXTERNAL_ADDRESS", &v->address);
		else if (v->refused)
			add_address(env, "NATPCPD_REFUSED_ADDRESS", &v->address);
	} else if (v->what != CONF_EVENT_RELOAD) {
		add_event(env, &v->event);
	}
	add_text(env, "NATPCPD_RULE", v->rule);
	add_text(env, "NATPCPD_WHY", v->why);
	env->variables[env->n] = NULL;
}
