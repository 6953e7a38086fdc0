/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our one rule in each of the operator's chains that conf names: a firewall made by iptables has one for each family. */
#include "backends/nft.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>

#include "backends/nft_ruleset.h"

#define ACCEPTS_MAX 32 /* copies of our rule that are removed at once from one chain */
#define TRIES_MAX   5  /* of a look and a transaction, when somebody else changes the same chain */
#define ASK_TRIES   50 /* of a query, until it is not disturbed */

/* Our rules in one chain. */
struct accepts {
	const struct conf *conf;
	uint64_t handles[ACCEPTS_MAX];
	size_t n;
};

/* A transaction about several chains. */
struct sent {
	uint32_t first;			    /* the number of the message that begins it */
	uint32_t messages[CONF_CHAINS_MAX]; /* how many there are up to the end of each chain's */
	unsigned refused;		    /* chains that error is about: 1 << index in conf */
	int error;
};

static void find_accept(void *context, const struct nlmsghdr *message)
{
	struct accepts *a = context;
	uint64_t handle = nft_ruleset_is_accept(message, a->conf);

	if (handle && a->n < ACCEPTS_MAX)
		a->handles[a->n++] = handle;
}

/* In a chain that is not there are none. */
static int find_accepts(struct nft *n, const struct conf_chain *chain, struct accepts *a)
{
	int rc = -EINTR;

	for (int tries = 0; rc == -EINTR && tries < ASK_TRIES; tries++) {
		a->n = 0;
		nft_question(n, NFT_MSG_GETRULE, NLM_F_DUMP, nft_ruleset_family(chain->family), chain->table,
			     chain->chain);
		rc = nft_query(n, find_accept, a);
	}
	return rc == -ENOENT ? 0 : rc;
}

static uint32_t delete_accepts(struct nft *n, const struct conf_chain *chain, const struct accepts *a, uint32_t seq)
{
	for (size_t i = 0; i < a->n; i++)
		nft_ruleset_delete_accept(&n->batch, chain, a->handles[i], seq++);
	return seq;
}

static void note_refusal(void *context, uint32_t seq, int error)
{
	struct sent *s = context;
	unsigned i = 0;

	while (i < CONF_CHAINS_MAX - 1 && seq - s->first > s->messages[i])
		i++;
	if (s->error == 0)
		s->error = error;
	if (s->error == error)
		s->refused |= 1u << i;
}

/* One transaction that puts the rule into the chains that are in the set which. */
static int send_accepts(struct nft *n, const struct conf *conf, unsigned which, const struct accepts *found,
			struct sent *s)
{
	uint32_t seq = n->seq + 1;
	int rc = 0;

	*s = (struct sent){.first = n->seq};
	n->seq += CONF_CHAINS_MAX * (ACCEPTS_MAX + 1) + 2;
	nft_msg_begin(&n->batch, s->first);
	for (size_t i = 0; i < conf->backend.forward.n; i++) {
		const struct conf_chain *chain = &conf->backend.forward.v[i];

		if (rc == 0 && which >> i & 1) {
			seq = delete_accepts(n, chain, &found[i], seq);
			rc = nft_ruleset_put_accept(&n->batch, conf, chain, seq++);
		}
		s->messages[i] = seq - s->first - 1;
	}
	if (rc == 0)
		rc = nft_transact(n, s->first, note_refusal, s);
	return rc ? rc : s->error;
}

/* The rule into all chains of the set which, or into none: where it is not there exactly once, or anew. */
static int put(struct nft *n, const struct conf *conf, unsigned which, bool anew, bool *made, struct sent *s)
{
	struct accepts found[CONF_CHAINS_MAX];
	int rc = 0;

	*made = false;
	*s = (struct sent){0};
	for (int tries = 0; tries < TRIES_MAX; tries++) {
		unsigned wanted = 0, had = 0;

		for (size_t i = 0; i < conf->backend.forward.n; i++) {
			if (!(which >> i & 1))
				continue;
			found[i].conf = conf;
			rc = find_accepts(n, &conf->backend.forward.v[i], &found[i]);
			if (rc)
				return rc;
			had |= (unsigned)(found[i].n > 0) << i;
			wanted |= (unsigned)(anew || found[i].n != 1) << i;
		}
		if (!wanted)
			return 0;
		rc = send_accepts(n, conf, wanted, found, s);
		*made = rc == 0;
		/* somebody else may have removed what was found */
		if (rc != -ENOENT || !(s->refused & had))
			break;
	}
	return rc;
}

static bool is_there(struct nft *n, const char *family, const char *table, const char *chain)
{
	nft_question(n, chain ? NFT_MSG_GETCHAIN : NFT_MSG_GETTABLE, NLM_F_ACK, nft_ruleset_family(family), table,
		     chain);
	return nft_query(n, NULL, NULL) == 0;
}

/* A chain that is not there, and what to do. */
static void explain_missing(struct nft *n, const struct conf *conf, const struct conf_chain *c, char *why, size_t size)
{
	static const char *const families[] = {"inet", "ip", "ip6"};
	bool table = is_there(n, c->family, c->table, NULL);
	char other[160] = "";

	/* the family is easily mistaken: iptables has "ip", nftables mostly "inet" */
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !*other; i++)
		if (!conf_chains_have(&conf->backend.forward, families[i], c->table, c->chain) &&
		    is_there(n, families[i], c->table, c->chain))
			snprintf(other, sizeof(other), " (there is \"%s %s %s\")", families[i], c->table, c->chain);
	if (table)
		snprintf(why, size,
			 "backend: forward-chain: no chain \"%s\" in table \"%s %s\"%s: create it with: nft 'add chain "
			 "%s %s "
			 "%s { type filter hook forward priority 0; }'",
			 c->chain, c->family, c->table, other, c->family, c->table, c->chain);
	else
		snprintf(why, size,
			 "backend: forward-chain: no table \"%s %s\"%s: create it with: nft 'add table %s %s; add "
			 "chain %s %s "
			 "%s { type filter hook forward priority 0; }'",
			 c->family, c->table, other, c->family, c->table, c->family, c->table, c->chain);
}

void nft_accept_names(const struct conf *conf, unsigned which, char *out, size_t size)
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t i = 0; i < conf->backend.forward.n && length < size; i++) {
		const struct conf_chain *c = &conf->backend.forward.v[i];

		if (which >> i & 1)
			length += (size_t)snprintf(out + length, size - length, "%s\"%s %s %s\"", length ? ", " : "",
						   c->family, c->table, c->chain);
	}
}

static void explain(struct nft *n, const struct conf *conf, unsigned refused, int rc, char *why, size_t size)
{
	size_t first = 0, length;
	char names[256];

	while (first + 1 < conf->backend.forward.n && !(refused >> first & 1))
		first++;
	if (rc == -EPERM) {
		snprintf(why, size,
			 "backend: no permission to change the packet filter: start as root or with CAP_NET_ADMIN");
		return;
	}
	if (rc != -ENOENT) {
		nft_accept_names(conf, refused, names, sizeof(names));
		snprintf(why, size, "backend: forward-chain: cannot put a rule into chain %s: %s", names,
			 strerror(-rc));
		return;
	}
	explain_missing(n, conf, &conf->backend.forward.v[first], why, size);
	refused &= ~(1u << first);
	length = strlen(why);
	if (!refused)
		return;
	nft_accept_names(conf, refused, names, sizeof(names));
	snprintf(why + length, size - length, "; nor is there %s", names);
}

static unsigned all(const struct conf *conf)
{
	return (1u << conf->backend.forward.n) - 1;
}

int nft_accept_put(struct nft *n, const struct conf *conf, char *why, size_t size)
{
	struct sent s;
	bool made;
	int rc = put(n, conf, all(conf), true, &made, &s);

	if (rc)
		explain(n, conf, s.refused, rc, why, size);
	return rc;
}

int nft_accept_keep(struct nft *n, const struct conf *conf, bool *made, unsigned *missing)
{
	int worst = 0;

	*made = false;
	*missing = 0;
	for (size_t i = 0; i < conf->backend.forward.n; i++) {
		struct sent s;
		bool here;
		int rc = put(n, conf, 1u << i, false, &here, &s);

		*made = *made || here;
		if (rc == -ENOENT)
			*missing |= 1u << i;
		else if (rc && !worst)
			worst = rc;
	}
	return worst;
}

void nft_accept_remove(struct nft *n, const struct conf *conf, const struct conf *but)
{
	for (size_t i = 0; i < conf->backend.forward.n; i++) {
		const struct conf_chain *c = &conf->backend.forward.v[i];
		struct accepts a = {.conf = conf};
		uint32_t first;

		if (but && conf_chains_have(&but->backend.forward, c->family, c->table, c->chain))
			continue;
		if (find_accepts(n, c, &a) || a.n == 0)
			continue;
		first = n->seq;
		n->seq += ACCEPTS_MAX + 2;
		nft_msg_begin(&n->batch, first);
		delete_accepts(n, c, &a, first + 1);
		nft_transact_all(n, first);
	}
}
