/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any octets are a record that keeps its promises, and is the same when written and read again, or are refused with a
 * reason. Checksums are put right first, else nothing would ever come behind them.
 */
#include "server/core/record.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

static void must(bool good)
{
	if (!good)
		abort();
}

static void must_be_good(const struct record *r)
{
	const struct extra_parts *x = &r->lease.extra;
	unsigned sum = 0;

	must(r->type >= RECORD_HEADER && r->type < RECORD_PART);
	if (r->type != RECORD_LEASE && r->type != RECORD_END)
		return;
	must(x->filters || !x->filters_n);
	must(x->description || !x->description_length);
	for (size_t i = 0; i < x->filters_n; i++)
		must(x->filters[i].prefix_length <= 128);
	for (size_t i = 0; i < x->description_length; i++)
		sum += x->description[i];
	must(sum <= 255U * UINT16_MAX);
}

/* Returns octets of the record at the start, 0 if there is none. */
static size_t one(const uint8_t *data, size_t length)
{
	static struct record_storage storage, other;
	static uint8_t out[RECORD_MAX], again[RECORD_MAX];
	struct record r, back;
	const char *why;
	size_t n = record_get(data, length, &storage, &r, &why), m;

	must(n <= length && n % RECORD_SIZE == 0 && !n == !!why);
	if (!n)
		return 0;
	must_be_good(&r);
	m = record_put(&r, out, sizeof(out));
	must(m > 0 && (m == n || r.type == RECORD_END));
	must(record_get(out, m, &other, &back, &why) == m);
	must(record_put(&back, again, sizeof(again)) == m);
	must(memcmp(out, again, m) == 0);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	uint8_t *copy = calloc(1, length ? length : 1);

	must(copy != NULL);
	if (length)
		memcpy(copy, data, length);
	one(copy, length);
	repair(copy, length);
	for (size_t at = 0, n; (n = one(copy + at, length - at)) > 0;)
		at += n;
	free(copy);
	return 0;
}
