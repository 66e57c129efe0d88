/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native home's side of core/home.h, at compile time: compiler builtins, right on every machine. Its side of core/env.h,
 * at run time, is engine/env.c.
 */
#ifndef KS_ENGINE_HOME_H
#define KS_ENGINE_HOME_H

#include "core/types.h"

#ifdef __has_feature /* clang */
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1 /* as gcc says it */
#endif
#endif

static inline __u16 ks_load16(const void *p)
{
	__u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline __u32 ks_load32(const void *p)
{
	__u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline __u64 ks_load64(const void *p)
{
	__u64 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

#define ks_store16(p, v) __builtin_memcpy((p), &(__u16){ (__u16)(v) }, sizeof(__u16))
#define ks_store32(p, v) __builtin_memcpy((p), &(__u32){ (__u32)(v) }, sizeof(__u32))

/* Nothing here wants to be told what a verifier must see. */
#define ks_isolated
#define ks_missing(p) ((void)(p), false)
#define env_isolated(env) (env)
#define ks_hide_bound(v) ((void)(v))
#define ks_hide_value(v, by) (v)

/* Inlined into the functions of other files, too, where core and engine are one text. */
#define ks_inlined inline __attribute__((always_inline))
#define ks_frequent ks_inlined
#define ks_seldom __attribute__((noinline, cold))

#define KS_LOOKS_AHEAD 1 /* in bursts */

#define ks_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define ks_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ks_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ks_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define ks_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define ks_cmpxchg(p, old, new) __sync_val_compare_and_swap((p), (old), (new))
#define ks_fetch_add(p, v) __sync_fetch_and_add((p), (v))
#define ks_fetch_or(p, v) __sync_fetch_and_or((p), (v))
#define ks_fetch_and(p, v) __sync_fetch_and_and((p), (v))

/*
 * Copies and hints need no more than a plain access on any machine: each stands between two barriers, and what it read is
 * used only if the version has not changed. Written so, gcc moves 16 bytes at a time and compares with memory, which it does
 * with no atomic access. The thread sanitizer is told of the same accesses word by word.
 */
#ifdef __SANITIZE_THREAD__
#define ks_load_hint(p) ks_load_relaxed(p)

static ks_inline void ks_words_load(void *to, const void *from, __u32 size)
{
	for (__u32 i = 0; i < size / sizeof(__u64); i++)
		((__u64 *)to)[i] = ks_load_relaxed((const __u64 *)from + i);
}

static ks_inline void ks_words_store(void *to, const void *from, __u32 size)
{
	for (__u32 i = 0; i < size / sizeof(__u64); i++)
		ks_store_relaxed((__u64 *)to + i, ((const __u64 *)from)[i]);
}
#else
#define ks_load_hint(p) (*(p))
#define ks_words_load(to, from, size) __builtin_memcpy((to), (from), (size))
#define ks_words_store(to, from, size) __builtin_memcpy((to), (from), (size))
#endif

static inline void ks_loop(__u32 n, long (*cb)(__u32 i, void *ctx), void *ctx)
{
	for (__u32 i = 0; i < n; i++) {
		if (cb(i, ctx))
			return;
	}
}

#endif
