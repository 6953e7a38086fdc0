/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netinet/in.h>
#include <unistd.h>

#include "backends/backend.h"

/* New kernels (6.18 does) track DCCP no longer by its ports: a flow is any packet of it between two addresses. */
bool backend_nft_maps(uint8_t protocol)
{
	return protocol != IPPROTO_DCCP || access("/proc/sys/net/netfilter/nf_conntrack_dccp_timeout_open", F_OK) == 0;
}
