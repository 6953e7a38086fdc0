/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/preset.h"

#include <string.h>

/* Ports that no preset opens: remote login without encryption, and what Windows shares with its own network. */
#define REJECTED "21", "23", "135", "137-139", "445", "3389"

/* clang-format off */
const struct preset_row preset_rows[] = {
	/* hosts of one's own: what programs ask for, and no services of the system */
	{CONF_PRESET_HOME, "action", {"allow"}},
	{CONF_PRESET_HOME, "protocols", {"tcp", "udp"}},
	{CONF_PRESET_HOME, "internal-ports", {"1024-65535"}},
	{CONF_PRESET_HOME, "reject-ports", {REJECTED}},
	{CONF_PRESET_HOME, "external-ports", {"1024-65535"}},
	{CONF_PRESET_HOME, "mappings-max", {"128"}},
	/* hosts of others: few, and not for long after they left */
	{CONF_PRESET_GUEST, "action", {"allow"}},
	{CONF_PRESET_GUEST, "protocols", {"tcp", "udp"}},
	{CONF_PRESET_GUEST, "internal-ports", {"1024-65535"}},
	{CONF_PRESET_GUEST, "reject-ports", {REJECTED}},
	{CONF_PRESET_GUEST, "external-ports", {"1024-65535"}},
	{CONF_PRESET_GUEST, "lifetime-max", {"1h"}},
	{CONF_PRESET_GUEST, "mappings-max", {"8"}},
	{CONF_PRESET_GUEST, "mappings-total", {"256"}},
	/* consoles and computers to play on: some ask for two ports below 1024, which are Kerberos' and IKE's by name */
	{CONF_PRESET_GAMING, "action", {"allow"}},
	{CONF_PRESET_GAMING, "protocols", {"tcp", "udp"}},
	{CONF_PRESET_GAMING, "internal-ports", {"88", "500", "1024-65535"}},
	{CONF_PRESET_GAMING, "reject-ports", {REJECTED}},
	{CONF_PRESET_GAMING, "external-ports", {"88", "500", "1024-65535"}},
	{CONF_PRESET_GAMING, "mappings-max", {"32"}},
};
/* clang-format on */
const size_t preset_rows_n = sizeof(preset_rows) / sizeof(preset_rows[0]);

const char *const *preset_values(enum conf_preset preset, const char *key)
{
	for (size_t i = 0; i < preset_rows_n; i++)
		if (preset_rows[i].preset == preset && !strcmp(preset_rows[i].key, key))
			return preset_rows[i].values;
	return NULL;
}
