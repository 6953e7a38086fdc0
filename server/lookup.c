/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/proxy.h"
#include "server/io/log.h"

struct lookup {
	struct proxy *proxy;
	struct log_limit quiet;
};

int lookup_open(struct lookup **l, struct proxy *proxy)
{
	struct lookup *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->proxy = proxy;
	*l = n;
	return 0;
}

void lookup_close(struct lookup *l)
{
	free(l);
}

void lookup_flow(struct lookup *l, const struct engine *e, struct engine_datagram *d, uint64_t now_ms)
{
	struct conntrack_flow f = {0};
	struct engine_flow_key k;
	int error;

	if (!l || !engine_asks_flow(e, d, &k))
		return;
	f.internal_address = k.internal_address;
	f.remote_address = k.remote_address;
	f.internal_port = k.internal_port;
	f.remote_port = k.remote_port;
	f.protocol = k.protocol;
	error = proxy_find(l->proxy, &f);
	if (error && error != -ENOENT && log_limit_pass(&l->quiet, now_ms, NULL))
		log_print(CONF_LOG_WARNING, "flow-unknown", "ctnetlink: %s", strerror(-error));
	if (error)
		return;
	d->flow = (struct engine_flow){.known = true,
				       .external_port = f.external_port,
				       .external_address = f.external_address,
				       .left_s = f.left_s};
}
