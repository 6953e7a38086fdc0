/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_import_table.h"

#include <stddef.h>
#include <string.h>

static const char upnp[] = "belongs to UPnP, which natpcpd does not speak";
static const char pf[] = "belongs to another packet filter than nftables";
static const char unused[] = "is not needed: a mapping ends with its lifetime, and clients renew what they use";
static const char stun[] = "natpcpd asks no STUN server: it tells its clients the address of the interface";
static const char own_table[] = "natpcpd makes a table and chains of its own: table in section backend";
static const char journal[] =
    "its leases are not taken over, clients ask anew; natpcpd keeps a journal: path in section journal";

static const struct {
	const char *name, *why;
} rows[] = {
    {"ext_perform_stun", stun},
    {"ext_stun_host", stun},
    {"ext_stun_port", stun},
    {"ext_allow_private_ipv6", "natpcpd opens IPv6 ports for whatever address a host has"},
    {"ipv6_listening_ip", "natpcpd listens on every address of its inside interfaces"},
    {"port", upnp},
    {"http_port", upnp},
    {"https_port", upnp},
    {"bitrate_up", upnp},
    {"bitrate_down", upnp},
    {"presentation_url", upnp},
    {"friendly_name", upnp},
    {"manufacturer_name", upnp},
    {"manufacturer_url", upnp},
    {"model_name", upnp},
    {"model_description", upnp},
    {"model_url", upnp},
    {"model_number", upnp},
    {"serial", upnp},
    {"uuid", upnp},
    {"notify_interval", upnp},
    {"system_uptime", upnp},
    {"minissdpdsocket", upnp},
    {"force_igd_desc_v1", upnp},
    {"enable_upnp", "UPnP stays with miniupnpd: let it run with enable_pcp_pmp=no beside natpcpd, or end it"},
    {"secure_mode", "is always on: a host maps for itself, and for others only if third-party lists it"},
    {"packet_log", "natpcpd logs mappings, not packets; log packets in a chain of your own"},
    {"anchor", pf},
    {"queue", pf},
    {"tag", pf},
    {"quickrules", pf},
    {"clean_ruleset_threshold", unused},
    {"clean_ruleset_interval", unused},
    {"upnp_nat_table_name", own_table},
    {"upnp_nat_chain", own_table},
    {"upnp_nat_postrouting_chain", own_table},
    {"upnp_nftables_family_split", "natpcpd's table is of the family inet, for IPv4 and IPv6"},
    {"set_learn_dscp", "is of an Internet draft that became no standard"},
    {"lease_file", journal},
    {"lease_file6", journal},
    {"ext_ifname6",
     "natpcpd opens IPv6 ports on the same external interface; another one needs a second section external"},
};

const char *import_table_why(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcmp(rows[i].name, name))
			return rows[i].why;
	return NULL;
}
