/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words of a scenario as values. */
#include "tests/scenario/player_self.h"

#include <errno.h>

const char *player_value(const char *word, const char *key)
{
	size_t n = strlen(key);

	return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

bool player_read_address(struct player *p, const char *text, struct in6_addr *a)
{
	return codec_address_parse(text, strlen(text), a) || player_fail(p, "no address: %s", text);
}

bool player_read_protocol(struct player *p, const char *text, uint8_t *protocol)
{
	for (unsigned i = 0; i < 256; i++) {
		const char *name = codec_protocol_name((uint8_t)i);

		if (name && strcmp(name, text) == 0) {
			*protocol = (uint8_t)i;
			return true;
		}
	}
	*protocol = (uint8_t)strtoul(text, NULL, 10);
	return *text >= '0' && *text <= '9' ? true : player_fail(p, "no protocol: %s", text);
}

bool player_read_side(struct player *p, const char *text, struct in6_addr *a, uint16_t *port)
{
	const char *colon = strrchr(text, ':');

	if (!colon || !codec_address_parse(text, (size_t)(colon - text), a))
		return player_fail(p, "no ADDRESS:PORT: %s", text);
	*port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return true;
}

bool player_read_mapping(struct player *p, char **words, size_t n, struct mapping *m)
{
	static struct mapping_filter filters[32];

	memset(m, 0, sizeof(*m));
	if (n < 3)
		return player_fail(p, "a mapping is PROTO INTADDR:PORT EXTADDR:PORT [ports=N]");
	if (!player_read_protocol(p, words[0], &m->protocol) ||
	    !player_read_side(p, words[1], &m->internal_address, &m->internal_port) ||
	    !player_read_side(p, words[2], &m->external_address, &m->external_port))
		return false;
	m->kind = memcmp(&m->internal_address, &m->external_address, 16) == 0 ? MAPPING_PINHOLE : MAPPING_NAT;
	for (size_t i = 3; i < n; i++) {
		const char *v;

		if ((v = player_value(words[i], "peer"))) {
			if (!player_read_side(p, v, &m->remote_address, &m->remote_port))
				return false;
		} else if ((v = player_value(words[i], "filters"))) {
			size_t found = words_read_filters(v, filters, sizeof(filters) / sizeof(*filters));

			if (found == SIZE_MAX)
				return player_fail(p, "no filters: %s", v);
			m->filters_n = (uint16_t)found;
			m->filters = filters;
		} else if ((v = player_value(words[i], "ports"))) {
			m->more_ports = (uint16_t)(strtoul(v, NULL, 10) - 1);
		} else if (strcmp(words[i], "without") == 0 && i + 2 == n && strcmp(words[i + 1], "filters") == 0) {
			break;
		} else {
			return player_fail(p, "what is %s?", words[i]);
		}
	}
	return true;
}

bool player_read_error(struct player *p, const char *name, int *error)
{
	static const struct {
		const char *name;
		int error;
	} errors[] = {{"EEXIST", EEXIST}, {"ENOENT", ENOENT}, {"ENOSPC", ENOSPC}, {"EBUSY", EBUSY}, {"EIO", EIO}};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (strcmp(errors[i].name, name) == 0) {
			*error = -errors[i].error;
			return true;
		}
	return player_fail(p, "no error: %s", name);
}

size_t player_read_hex(char **words, size_t n, uint8_t *out, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < n; i++)
		for (const char *c = words[i]; c[0] && c[1] && length < size; c += 2) {
			char octet[3] = {c[0], c[1], '\0'};

			out[length++] = (uint8_t)strtoul(octet, NULL, 16);
		}
	return length;
}

const struct player_host *player_host(struct player *p, const char *name)
{
	for (size_t i = 0; i < p->hosts_n; i++)
		if (strcmp(p->hosts[i].name, name) == 0)
			return &p->hosts[i];
	player_fail(p, "no such host: %s", name);
	return NULL;
}
