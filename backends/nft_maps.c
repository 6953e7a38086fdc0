/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <unistd.h>

#include "backends/backend.h"

/* Linux 6.16 took DCCP out of connection tracking: since then a flow of DCCP is any packet between two addresses. */
bool backend_nft_maps(uint8_t protocol)
{
	return protocol != IPPROTO_DCCP || access("/proc/sys/net/netfilter/nf_conntrack_dccp_timeout_open", F_OK) == 0;
}
