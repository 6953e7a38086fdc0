/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tables of the core cost: nanoseconds for each operation with few and many entries, octets per lease, and the
 * longest single call. Prints one line for each operation; the last column is its cost at the largest size over that at
 * the smallest.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec/codec.h"
#include "server/core/lease.h"
#include "server/core/limit.h"
#include "server/core/ports.h"

enum { SIZES = 4, OPERATIONS = 7, LOOKUPS = 1 << 20 };

static const uint32_t sizes[SIZES] = {1000, 10000, 100000, 1000000};
static const char *const names[OPERATIONS] = {"new",   "find internal", "find external",   "find client",
					      "renew", "due and free",	"longest new (us)"};
static const uint8_t seed[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static double read_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

/* For single calls: what others do on the machine does not count. */
static double cpu_ns(void)
{
	return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 32) * n >> 32);
}

/* Lease i of those of 16 ports per client. */
static struct lease sample(uint32_t i)
{
	return (struct lease){.internal_address = codec_from_v4(0xc6120000 + i / 16),
			      .external_address = codec_from_v4(0xc6336400 + i / 60000),
			      .internal_port = (uint16_t)(1024 + i % 16),
			      .external_port = (uint16_t)(1024 + i % 60000),
			      .protocol = 17,
			      .expires_ms = 7200000 + random_below(3600000)};
}

static size_t octets_held(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

static void lease_table(uint32_t n, double cost[OPERATIONS], double *octets)
{
	struct lease l;
	double longest = 0;
	struct lease_table *t = lease_table_new(seed, 0);
	for (uint32_t i = 0; i < n; i++) {
		l = sample(i);
		double begin = cpu_ns();
		lease_new(t, &l);
		double took = cpu_ns() - begin;
		if (took > longest)
			longest = took;
	}
	cost[6] = longest / 1000;
	lease_table_free(t);

	size_t before = octets_held();
	t = lease_table_new(seed, 0);
	double begin = now_ns();
	for (uint32_t i = 0; i < n; i++) {
		l = sample(i);
		lease_new(t, &l);
	}
	cost[0] = (now_ns() - begin) / n;
	*octets = (double)(octets_held() - before) / n;

	uint32_t found = 0;
	begin = now_ns();
	for (int k = 0; k < LOOKUPS; k++) {
		uint32_t i = random_below(n);
		struct in6_addr a = codec_from_v4(0xc6120000 + i / 16);
		found += lease_find_internal(t, 17, &a, (uint16_t)(1024 + i % 16)) == i;
	}
	cost[1] = (now_ns() - begin) / LOOKUPS;
	begin = now_ns();
	for (int k = 0; k < LOOKUPS; k++) {
		uint32_t i = random_below(n);
		struct in6_addr a = codec_from_v4(0xc6336400 + i / 60000);
		found += lease_find_external(t, 17, &a, (uint16_t)(1024 + i % 60000)) == i;
	}
	cost[2] = (now_ns() - begin) / LOOKUPS;
	begin = now_ns();
	for (int k = 0; k < LOOKUPS; k++) {
		struct in6_addr a = codec_from_v4(0xc6120000 + random_below(n) / 16);
		found += lease_client(t, &a)->active > 0;
	}
	cost[3] = (now_ns() - begin) / LOOKUPS;
	if (found != 3 * LOOKUPS)
		abort();
	begin = now_ns();
	for (int k = 0; k < LOOKUPS; k++)
		lease_due(t, random_below(n), 7200000 + random_below(3600000));
	cost[4] = (now_ns() - begin) / LOOKUPS;

	begin = now_ns();
	for (uint64_t now_ms = 0; lease_count(t); now_ms += 1000) {
		uint32_t i;
		while ((i = lease_next_due(t, now_ms)) != LEASE_NONE)
			lease_free(t, i);
	}
	cost[5] = (now_ns() - begin) / n;
	lease_table_free(t);
}

/* All due within one second two hours ahead: what one turn takes at most. */
static void burst(uint32_t n)
{
	struct lease_table *t = lease_table_new(seed, 0);
	for (uint32_t i = 0; i < n; i++) {
		struct lease l = sample(i);
		l.expires_ms = 7200000 + random_below(1000);
		lease_new(t, &l);
	}
	double longest = 0, spent = 0;
	for (uint64_t now_ms = 7100000; lease_count(t); now_ms++) {
		double begin = cpu_ns();
		uint32_t i, freed = 0;
		while (freed < 4096 && (i = lease_next_due(t, now_ms)) != LEASE_NONE) {
			lease_free(t, i);
			freed++;
		}
		double took = cpu_ns() - begin;
		spent += took;
		if (took > longest)
			longest = took;
	}
	printf("burst of %7u expiries: %.0f ns each, longest turn (at most 4096 of them) %.0f us\n", n, spent / n,
	       longest / 1000);
	lease_table_free(t);
}

static void ports(void)
{
	static const struct conf_ranges any;
	static const uint32_t taken[] = {0, 32768, 65000, 65534};
	printf("%-18s", "ports_pick");
	for (size_t k = 0; k < sizeof(taken) / sizeof(*taken); k++) {
		struct ports *p = ports_new(&any);
		for (uint32_t i = 0; i < taken[k]; i++)
			ports_set(p, 6, ports_pick(p, 6, &any, &any, random_below(UINT32_MAX)), true);
		uint32_t sum = 0;
		double begin = now_ns();
		for (int i = 0; i < LOOKUPS; i++)
			sum += ports_pick(p, 6, &any, &any, random_below(UINT32_MAX));
		printf(" %9.1f", (now_ns() - begin) / LOOKUPS);
		if (sum == 0)
			abort();
		ports_free(p);
	}
	printf("  ns with 0, 32768, 65000, 65534 taken\n");
}

static void limits(void)
{
	struct limit *l = limit_new(seed, 100, 200);
	printf("%-18s", "limit_take");
	for (int k = 0; k < SIZES; k++) {
		uint32_t passed = 0;
		double begin = now_ns();
		for (uint32_t i = 0; i < LOOKUPS; i++) {
			struct limit_client c = {.address = codec_from_v4(0xc6120000 + random_below(sizes[k]))};
			passed += limit_take(l, &c, i / 100);
		}
		printf(" %9.1f", (now_ns() - begin) / LOOKUPS);
		if (passed == 0)
			abort();
	}
	printf("  ns with as many clients\n");
	limit_free(l);
}

int main(void)
{
	double cost[SIZES][OPERATIONS], octets[SIZES];
	for (int k = 0; k < SIZES; k++)
		lease_table(sizes[k], cost[k], &octets[k]);
	printf("%-18s", "ns, leases:");
	for (int k = 0; k < SIZES; k++)
		printf(" %9u", sizes[k]);
	printf("\n");
	for (int o = 0; o < OPERATIONS; o++) {
		printf("%-18s", names[o]);
		for (int k = 0; k < SIZES; k++)
			printf(" %9.1f", cost[k][o]);
		printf("  x %.2f\n", cost[SIZES - 1][o] / cost[0][o]);
	}
	printf("%-18s", "octets per lease");
	for (int k = 0; k < SIZES; k++)
		printf(" %9.1f", octets[k]);
	printf("\n");
	burst(100000);
	burst(1000000);
	ports();
	limits();
	return 0;
}
