/* SPDX-License-Identifier: MIT */
#include "codec/natpcpc.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "codec/natpcpc_parse.h"

/* What tells this host from others: for good, or where there is no such file (containers) until the next boot. */
static const char *const identities[] = {"/etc/machine-id", "/proc/sys/kernel/random/boot_id"};

static bool identity(const char *path, uint8_t out[CLIENT_SECRET])
{
	FILE *f = fopen(path, "re");
	char digits[2 * CLIENT_SECRET + 1] = "";
	size_t n = 0;
	int c;

	if (!f)
		return false;
	while (n < 2 * CLIENT_SECRET && (c = fgetc(f)) != EOF && c != '\n')
		if (c != '-')
			digits[n++] = (char)c;
	fclose(f);
	return parse_hex(digits, out, CLIENT_SECRET, &n) && n == CLIENT_SECRET;
}

void nonce_random(struct codec_nonce *nonce)
{
	while (getrandom(nonce->octets, sizeof(nonce->octets), 0) != sizeof(nonce->octets))
		;
}

/* The identity is the hash's secret key: it is unknown off this host and does not show in the nonce. Without one
 * nothing links two runs, and the nonce is random. */
void nonce_choose(const struct options *o, const struct session *s, uint8_t protocol, uint16_t internal_port,
		  struct codec_nonce *nonce)
{
	uint8_t secret[CLIENT_SECRET];
	uid_t uid = getuid();
	bool known = false;

	if (o->has_nonce) {
		*nonce = o->nonce;
		return;
	}
	for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]) && !known && !o->random_nonce; i++)
		known = identity(identities[i], secret);
	if (!known) {
		nonce_random(nonce);
		return;
	}
	/* each user and each host that is mapped for has keys of its own */
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] ^= o->third_party.s6_addr[i];
	for (size_t i = 0; i < sizeof(uid); i++)
		secret[i] ^= (uint8_t)(uid >> (8 * i));
	client_nonce(secret, &s->server.address, protocol, internal_port, nonce);
}
