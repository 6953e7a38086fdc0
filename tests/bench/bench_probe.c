/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What codec_probe() costs: nanoseconds of processor time for each call, called as a program calls it that links with the
 * library. Datagrams come in runs of one kind, as on a socket, and then each of another kind than the last as chance
 * will have it, which is the worst for a processor that guesses. Prints one line for each mixture.
 */
#include <stdio.h>
#include <time.h>

#include "tests/unit/codec/neighbours.h"
#include "tests/unit/codec/vectors.h"

enum { DATAGRAMS = 1 << 14, ROUNDS = 200, OCTETS = 16, RUN = 32 };

static struct {
	uint8_t octets[OCTETS];
	size_t length;
} mix[DATAGRAMS];

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((random_state >> 32) * n >> 32);
}

static double cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void take(size_t i, const uint8_t *octets, size_t length, size_t shown)
{
	for (size_t o = 0; o < OCTETS; o++)
		mix[i].octets[o] = o < shown ? octets[o] : (uint8_t)random_below(256);
	mix[i].length = length;
}

static void fill_ours(size_t i)
{
	const struct vector *v = &vectors[random_below(sizeof(vectors) / sizeof(vectors[0]))];

	take(i, v->octets, v->length, v->length);
}

static void fill_others(size_t i)
{
	const struct neighbour *n = &neighbours[random_below(sizeof(neighbours) / sizeof(neighbours[0]))];

	take(i, n->octets, n->length, n->length < NEIGHBOUR_SHOWN ? n->length : NEIGHBOUR_SHOWN);
}

static void fill_random(size_t i)
{
	take(i, NULL, random_below(1500), 0);
}

static void fill_all(size_t i)
{
	static void (*const fill[])(size_t) = {fill_ours, fill_others, fill_random};

	fill[random_below(3)](i);
}

static void measure(const char *what, void (*fill)(size_t), size_t run)
{
	double best = 0;
	unsigned taken = 0;

	for (size_t i = 0; i < DATAGRAMS; i++) {
		if (i % run == 0)
			fill(i);
		else
			mix[i] = mix[i - 1];
	}
	for (int round = 0; round < ROUNDS; round++) {
		double begin = cpu_ns(), ns;

		taken = 0;
		for (size_t i = 0; i < DATAGRAMS; i++)
			taken += codec_probe(mix[i].octets, mix[i].length) != CODEC_KIND_OTHER;
		ns = (cpu_ns() - begin) / DATAGRAMS;
		if (round == 0 || ns < best)
			best = ns;
	}
	printf("codec_probe: %-38s %5.2f ns %6.2f %% taken for ours\n", what, best, 100.0 * taken / DATAGRAMS);
}

int main(void)
{
	measure("random octets", fill_random, 1);
	measure("other protocols, in runs", fill_others, RUN);
	measure("our messages, in runs", fill_ours, RUN);
	measure("a third of each, in runs", fill_all, RUN);
	measure("other protocols, as chance has it", fill_others, 1);
	measure("our messages, as chance has it", fill_ours, 1);
	measure("a third of each, as chance has it", fill_all, 1);
	return 0;
}
