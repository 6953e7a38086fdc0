/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allocator of a test program: counts, and fails the n-th allocation from now. Included once per program. Under the
 * sanitizers of addresses and memory, which have allocators of their own, FAILMALLOC is 0 and nothing is replaced.
 */
#ifndef TESTS_UNIT_CORE_FAILMALLOC_H
#define TESTS_UNIT_CORE_FAILMALLOC_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define FAILMALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define FAILMALLOC 0
#endif
#endif
#ifndef FAILMALLOC
#define FAILMALLOC 1
#endif

#if FAILMALLOC
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

static long failmalloc_in;     /* this allocation from now fails, 0 = none */
static size_t failmalloc_held; /* octets allocated, with the allocator's own overhead */
static size_t failmalloc_calls;

static void *failmalloc_note(void *p)
{
	failmalloc_calls++;
	if (p)
		failmalloc_held += malloc_usable_size(p) + sizeof(size_t);
	return p;
}

static void failmalloc_forget(void *p)
{
	if (p)
		failmalloc_held -= malloc_usable_size(p) + sizeof(size_t);
}

static bool failmalloc_now(void)
{
	return failmalloc_in && --failmalloc_in == 0;
}

void *malloc(size_t size)
{
	return failmalloc_now() ? NULL : failmalloc_note(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return failmalloc_now() ? NULL : failmalloc_note(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	if (failmalloc_now())
		return NULL;
	failmalloc_forget(p);
	return failmalloc_note(__libc_realloc(p, size));
}

void free(void *p)
{
	failmalloc_forget(p);
	__libc_free(p);
}
#endif

#endif
