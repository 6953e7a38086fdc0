/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is behind a message in a buffer is nobody's to read: with ASan, who does is seen. */
#ifndef TESTS_FUZZ_POISON_H
#define TESTS_FUZZ_POISON_H

#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define POISON 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(POISON)
void __asan_poison_memory_region(void const volatile *at, size_t n);
void __asan_unpoison_memory_region(void const volatile *at, size_t n);
#else
#define __asan_poison_memory_region(at, n)   ((void)(at), (void)(n))
#define __asan_unpoison_memory_region(at, n) ((void)(at), (void)(n))
#endif

#endif
