/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The native home's side of core/home.h, at compile time: loads, atomics, loops.
 * Its side of core/env.h, at run time, is engine/env.c.
 */
#ifndef KS_ENGINE_HOME_H
#define KS_ENGINE_HOME_H

#include "core/types.h"

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

#define ks_isolated /* see bpf/home.h: nothing here */

#define ks_hide_bound(v) ((void)(v))
#define ks_hide_value(v, by) (v) /* see bpf/home.h */
#define ks_barrier() __atomic_thread_fence(__ATOMIC_ACQUIRE)

#define ks_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define ks_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define ks_cmpxchg(p, old, new) __sync_val_compare_and_swap((p), (old), (new))
#define ks_fetch_add(p, v) __sync_fetch_and_add((p), (v))

/* Calls cb(i, ctx) for i in 0..n-1 until it returns nonzero. */
static inline void ks_loop(__u32 n, long (*cb)(__u32 i, void *ctx), void *ctx)
{
	for (__u32 i = 0; i < n; i++) {
		if (cb(i, ctx))
			return;
	}
}

#endif
