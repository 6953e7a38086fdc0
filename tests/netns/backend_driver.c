/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives the nftables backend by lines on standard input, and answers each on standard output with one line or more,
 * of which the last is "ok" or "error ...":
 *   open CONF-FILE        reload CONF-FILE      close        clear
 *   add|renew|remove nat|pin PROTOCOL INSIDE INSIDE-PORT OUTSIDE OUTSIDE-PORT [MS [GROUP [PEER|- PEER-PORT [EXTERNAL]]]]
 *                         [filters=ADDRESS/PREFIX:PORT,...]    queues a change; INSIDE-PORT is FIRST-LAST for a set
 *   commit                one line with the verdicts as error names (0 = done)
 *   list                  a line for each mapping
 *   filtered              a line for each mapping that has filters
 *   ask                   a line for each of the queued changes' mappings that is there; they are queued no more
 *   ask N                 how many of the first N mappings of fill are there, and the microseconds for each
 *   count                 how many mappings there are
 *   flows                 the count of connections that came about by mappings, or the error
 *   watch                 readable|quiet and the event
 *   drain                 concerned|unconcerned
 *   features              what the kernel can do, as the backend has found out
 *   pretend DESTROY UPDATE   makes it believe in an older kernel (0) from now on
 *   fill N                adds N mappings, 64 in a transaction
 *   filter 0|1            whether the numbered mappings of fill and bench have a filter each from now on
 *   bench N               microseconds for one transaction with 1 and with 64 mappings, with N more mappings there
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/backend.h"
#include "backends/nft.h"
#include "codec/codec.h"
#include "conf/conf.h"
#include "tests/scenario/words.h"

#define CHANGES_MAX  8192
#define FILTERED_MAX 256
#define FILTERS_MAX  40

static struct change changes[CHANGES_MAX];
static bool filtering;
static struct mapping_filter queued[FILTERED_MAX][FILTERS_MAX]; /* of the last queued changes */
static size_t changes_n;
static struct backend *backend;
static struct conf *running;

static struct conf *read_conf(const char *path, char *why)
{
	static char text[65536];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text), f) : 0;

	if (f)
		fclose(f);
	return conf_parse(text, n, path, why);
}

static void flows(void)
{
	struct backend_flows f;
	int rc = backend->ops->flows(backend, &f);

	if (rc)
		printf("%s\nok\n", strerrorname_np(-rc));
	else
		printf("%llu %llu %llu\nok\n", (unsigned long long)f.v[0], (unsigned long long)f.v[1],
		       (unsigned long long)f.v[2]);
}

static void open_or_reload(const char *path, bool again)
{
	char why[CONF_LOCATION_MAX] = "";
	struct conf *conf = read_conf(path, why);
	int rc;

	if (!conf) {
		printf("error conf %s\n", why);
		return;
	}
	rc = again ? backend->ops->reload(backend, conf, why, sizeof(why))
		   : backend_nft_open(&backend, conf, why, sizeof(why));
	if (rc) {
		conf_free(conf);
		printf("error %s %s\n", strerrorname_np(-rc), why);
		return;
	}
	conf_free(running);
	running = conf;
	puts("ok");
}

static void queue(const char *op, const char *rest)
{
	char kind[8], inside[64], outside[64], peer[64], ports[16], *last;
	unsigned protocol, outside_port, peer_port = 0, external = 0;
	unsigned long long timeout_ms = 60000;
	struct change *c = &changes[changes_n];
	unsigned group = (unsigned)changes_n + 100000;
	const char *given = strstr(rest, " filters=");
	char fields[512];

	snprintf(fields, sizeof(fields), "%.*s", given ? (int)(given - rest) : (int)strlen(rest), rest);
	if (changes_n == CHANGES_MAX ||
	    sscanf(fields, "%7s %u %63s %15s %63s %u %llu %u %63s %u %u", kind, &protocol, inside, ports, outside,
		   &outside_port, &timeout_ms, &group, peer, &peer_port, &external) < 6) {
		puts("error usage");
		return;
	}
	*c = (struct change){.timeout_ms = timeout_ms, .group = group, .verdict = 1};
	if (given) {
		size_t n =
		    words_read_filters(given + strlen(" filters="), queued[changes_n % FILTERED_MAX], FILTERS_MAX);

		if (n == SIZE_MAX) {
			puts("error filters");
			return;
		}
		c->mapping.filters = queued[changes_n % FILTERED_MAX];
		c->mapping.filters_n = (uint16_t)n;
	}
	c->op = strcmp(op, "add") == 0 ? CHANGE_ADD : strcmp(op, "renew") == 0 ? CHANGE_RENEW : CHANGE_REMOVE;
	c->mapping.kind = strcmp(kind, "nat") == 0 ? MAPPING_NAT : MAPPING_PINHOLE;
	c->mapping.protocol = (uint8_t)protocol;
	c->mapping.internal_port = (uint16_t)strtoul(ports, &last, 10);
	c->mapping.more_ports = *last == '-' ? (uint16_t)(atoi(last + 1) - c->mapping.internal_port) : 0;
	c->mapping.external_port = (uint16_t)outside_port;
	c->mapping.remote_port = (uint16_t)peer_port;
	c->mapping.external = (uint8_t)external;
	if ((peer_port && !codec_address_parse(peer, strlen(peer), &c->mapping.remote_address)) ||
	    !codec_address_parse(inside, strlen(inside), &c->mapping.internal_address) ||
	    !codec_address_parse(outside, strlen(outside), &c->mapping.external_address)) {
		puts("error address");
		return;
	}
	changes_n++;
	puts("ok");
}

static void commit(void)
{
	int rc = backend->ops->commit(backend, changes, changes_n);

	for (size_t i = 0; i < changes_n; i++)
		printf("%s%s", i ? " " : "", changes[i].verdict ? strerrorname_np(-changes[i].verdict) : "0");
	putchar('\n');
	changes_n = 0;
	if (rc)
		printf("error %s\n", strerrorname_np(-rc));
	else
		puts("ok");
}

static void show(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	char inside[CODEC_ADDRESS_TEXT], outside[CODEC_ADDRESS_TEXT], peer[CODEC_ADDRESS_TEXT];
	char filters[4096];

	(void)context;
	printf("%s %u %s %u", m->kind == MAPPING_NAT ? "nat" : "pin", m->protocol,
	       codec_address_text(&m->internal_address, inside), m->internal_port);
	if (m->more_ports)
		printf("-%u", m->internal_port + m->more_ports);
	printf(" %s %u %llu", codec_address_text(&m->external_address, outside), m->external_port,
	       (unsigned long long)remaining_ms);
	if (m->remote_port)
		printf(" 0 %s %u", codec_address_text(&m->remote_address, peer), m->remote_port);
	if (m->external)
		printf(" external %u", m->external);
	words_filters(m->filters, m->filters_n, filters, sizeof(filters));
	printf("%s", filters);
	putchar('\n');
}

static void list(bool filtered)
{
	int rc = filtered ? backend->ops->list_filtered(backend, show, NULL) : backend->ops->list(backend, show, NULL);

	if (rc)
		printf("error %s\n", strerrorname_np(-rc));
	else
		puts("ok");
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The i-th of many mappings: inside 198.18.0.0/15, outside 203.0.113.x. */
static struct mapping numbered(uint32_t i)
{
	struct mapping m = {.protocol = 17, .kind = MAPPING_NAT};

	m.internal_address = codec_from_v4(0xc6120000u + i % 50000);
	m.internal_port = (uint16_t)(1000 + i / 50000);
	m.external_address = codec_from_v4(0xcb007100u + i / 60000);
	m.external_port = (uint16_t)(1024 + i % 60000);
	if (filtering) {
		struct mapping_filter *f = &queued[i % FILTERED_MAX][0];

		*f = (struct mapping_filter){.address = codec_from_v4(0xc6120000u + (i % 512) * 256),
					     .prefix_length = 120};
		m.filters = f;
		m.filters_n = 1;
	}
	return m;
}

static void tally(void *context, const struct mapping *m, uint64_t remaining_ms)
{
	(void)m;
	*(size_t *)context += remaining_ms != 0;
}

static void ask_numbered(uint32_t n)
{
	static struct mapping v[CHANGES_MAX];
	size_t there = 0;
	uint64_t begin = now_ns();
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < n;) {
		size_t k = 0;

		while (k < CHANGES_MAX && i < n)
			v[k++] = numbered(i++);
		rc = backend->ops->ask(backend, v, k, tally, &there);
	}
	if (rc)
		printf("error %s\n", strerrorname_np(-rc));
	else
		printf("%zu %.2f\nok\n", there, (double)(now_ns() - begin) / 1000 / n);
}

static void ask(const char *rest)
{
	static struct mapping v[CHANGES_MAX];
	int rc;

	if (*rest) {
		ask_numbered((uint32_t)atoi(rest));
		return;
	}
	for (size_t i = 0; i < changes_n; i++)
		v[i] = changes[i].mapping;
	rc = backend->ops->ask(backend, v, changes_n, show, NULL);
	changes_n = 0;
	if (rc)
		printf("error %s\n", strerrorname_np(-rc));
	else
		puts("ok");
}

static void count(void)
{
	size_t n;
	int rc = backend->ops->count(backend, &n);

	if (rc)
		printf("%s\nok\n", strerrorname_np(-rc));
	else
		printf("%zu\nok\n", n);
}

static void watch(void)
{
	static const char *const names[] = {"intact", "repaired", "emptied"};
	struct pollfd p = {.fd = backend->ops->watch_fd(backend), .events = POLLIN};
	bool readable = poll(&p, 1, 0) > 0;
	char why[256];
	int rc = backend->ops->watch(backend, why, sizeof(why));

	printf("%s %s%s%s\n", readable ? "readable" : "quiet", rc < 0 ? strerrorname_np(-rc) : names[rc],
	       rc == -ENOENT ? " " : "", rc == -ENOENT ? why : "");
	puts("ok");
}

static void drain(void)
{
	puts(backend->ops->drain(backend) ? "concerned" : "unconcerned");
	puts("ok");
}

static void put_numbered(size_t n, uint32_t from, enum change_op op)
{
	for (size_t i = 0; i < n; i++)
		changes[i] = (struct change){.mapping = numbered(from + (uint32_t)i),
					     .timeout_ms = 3600000,
					     .group = (uint32_t)i,
					     .op = (uint8_t)op};
}

static bool commit_all(size_t n)
{
	if (backend->ops->commit(backend, changes, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if (changes[i].verdict)
			return false;
	return true;
}

static bool fill(uint32_t from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += 64) {
		size_t part = n - i < 64 ? n - i : 64;

		put_numbered(part, from + i, CHANGE_ADD);
		if (!commit_all(part))
			return false;
	}
	return true;
}

/* Median and best of many transactions of n additions (or renewals), each of them undone outside the clock. */
static bool measure(const char *name, size_t n, enum change_op op)
{
	enum { ROUNDS_MAX = 2001, ROUNDS_FILTERED = 101 };
	static uint64_t took[ROUNDS_MAX];
	const size_t rounds = filtering ? ROUNDS_FILTERED : ROUNDS_MAX;
	const uint32_t from = 3000000;

	for (size_t r = 0; r < rounds; r++) {
		uint64_t begin;

		if (op != CHANGE_ADD) {
			put_numbered(n, from, CHANGE_ADD);
			if (!commit_all(n))
				return false;
		}
		put_numbered(n, from, op);
		begin = now_ns();
		if (!commit_all(n))
			return false;
		took[r] = now_ns() - begin;
		if (op != CHANGE_REMOVE) {
			put_numbered(n, from, CHANGE_REMOVE);
			if (!commit_all(n))
				return false;
		}
	}
	for (size_t i = 1; i < rounds; i++)
		for (size_t j = i; j > 0 && took[j - 1] > took[j]; j--) {
			uint64_t t = took[j];

			took[j] = took[j - 1];
			took[j - 1] = t;
		}
	printf("%s %zu: median %.1f us, best %.1f us\n", name, n, (double)took[rounds / 2] / 1000,
	       (double)took[0] / 1000);
	return true;
}

static void bench(uint32_t n)
{
	bool ok = fill(0, n) && measure("add", 1, CHANGE_ADD) && measure("add", 64, CHANGE_ADD) &&
		  measure("renew", 1, CHANGE_RENEW) && measure("renew", 64, CHANGE_RENEW) &&
		  measure("remove", 1, CHANGE_REMOVE) && measure("remove", 64, CHANGE_REMOVE);

	puts(ok ? "ok" : "error");
}

static void filter(const char *rest)
{
	filtering = atoi(rest) != 0;
	puts("ok");
}

static void pretend(const char *rest)
{
	int destroy = 0, update = 0;

	sscanf(rest, "%d %d", &destroy, &update);
	((struct nft *)backend)->kernel = (struct nft_msg_kernel){.destroy = destroy, .update = update};
	puts("ok");
}

static void end(bool clear)
{
	backend->ops->close(backend, clear);
	backend = NULL;
	conf_free(running);
	running = NULL;
	puts("ok");
}

static void obey(char *line)
{
	char *rest = line + strcspn(line, " \n");

	if (*rest)
		*rest++ = '\0';
	rest[strcspn(rest, "\n")] = '\0';
	if (strcmp(line, "open") == 0 || (strcmp(line, "reload") == 0 && backend))
		open_or_reload(rest, line[0] == 'r');
	else if (!backend)
		puts("error not open");
	else if (strcmp(line, "add") == 0 || strcmp(line, "renew") == 0 || strcmp(line, "remove") == 0)
		queue(line, rest);
	else if (strcmp(line, "commit") == 0)
		commit();
	else if (strcmp(line, "list") == 0)
		list(false);
	else if (strcmp(line, "filtered") == 0)
		list(true);
	else if (strcmp(line, "ask") == 0)
		ask(rest);
	else if (strcmp(line, "count") == 0)
		count();
	else if (strcmp(line, "flows") == 0)
		flows();
	else if (strcmp(line, "watch") == 0)
		watch();
	else if (strcmp(line, "drain") == 0)
		drain();
	else if (strcmp(line, "features") == 0)
		printf("flags %u destroy %d update %d subscribed %d\nok\n", ((struct nft *)backend)->table_flags,
		       ((struct nft *)backend)->kernel.destroy, ((struct nft *)backend)->kernel.update,
		       ((struct nft *)backend)->subscribed);
	else if (strcmp(line, "pretend") == 0)
		pretend(rest);
	else if (strcmp(line, "fill") == 0)
		puts(fill(0, (uint32_t)atoi(rest)) ? "ok" : "error");
	else if (strcmp(line, "filter") == 0)
		filter(rest);
	else if (strcmp(line, "bench") == 0)
		bench((uint32_t)atoi(rest));
	else if (strcmp(line, "close") == 0 || strcmp(line, "clear") == 0)
		end(line[1] == 'l' && line[2] == 'e');
	else
		puts("error unknown");
}

int main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		obey(line);
		fflush(stdout);
	}
	if (backend)
		end(false);
	return 0;
}
