/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel home's half of what core/home.h asks for. Everything that happens at run time is in core/env.h and env.bpf.c.
 */
#ifndef KS_BPF_HOME_H
#define KS_BPF_HOME_H

#include "core/types.h"

struct ks_scratch;

/* The environment: lives on the stack of a program for one packet. Here, because functions checked apart must know it. */
struct ks_env {
	void *ctx; /* of the program */
	/* enum hook, as a whole word and a constant of each program (V10) */
	__u64 hook;
	struct ks_scratch *scratch; /* this CPU's, with the packet */
	__u32 generation; /* slot of the policy in use, read once */
	__u32 zero;
};

/* Map memory may be read unaligned where the JIT's machine can; the verifier refuses the program where it can't. */
#define ks_load16(p) (*(const __u16 *)(p))
#define ks_load32(p) (*(const __u32 *)(p))
#define ks_load64(p) (*(const __u64 *)(p))
#define ks_store16(p, v) (*(__u16 *)(p) = (v))
#define ks_store32(p, v) (*(__u32 *)(p) = (v))

/*
 * A function that the verifier checks once, apart from its callers: it must check its pointers, which hold no others
 * that it follows.
 */
#define ks_isolated __attribute__((visibility("default"), noinline))
#define ks_missing(p) (!(p))

/*
 * Inlined into its callers, though it is another file's. A return costs 7 ns where CPUs must not foresee it (Safe RET of
 * AMD's), which is as much as fifty instructions.
 */
#define ks_inlined __attribute__((always_inline))

#define ks_frequent
#define ks_seldom ks_inline

#define KS_LOOKS_AHEAD 0

struct ks_env *env_isolated(struct ks_env *env);

/* Keeps the compiler from reasoning past a bound that the verifier must see. */
#define ks_hide_bound(v) asm volatile("" : "+r"(v))
/*
 * `v`, but as a number that the verifier knows nothing of; `by` is any 64-bit word that it does not know. Kernels before
 * 6.7 look at the body of a loop for its first round only, and cut off what only later rounds reach: what a loop counts up, or
 * finds better and better, must not begin with a constant.
 */
#define ks_hide_value(v, by)                                                               \
	({                                                                                 \
		__u64 ks_hidden = (v);                                                     \
		asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(ks_hidden) : "r"((__u64)(by))); \
		ks_hidden;                                                                 \
	})

/*
 * Memory that other CPUs write. BPF has no acquire and release before v4 of its instruction set. x86 keeps loads in order, and
 * stores in order, so it is enough to keep the compiler from moving them; another machine needs other definitions here, and is
 * not claimed yet. Atomic operations that return a value are full barriers (Linux memory model).
 */
#define ks_load_relaxed(p) (*(const volatile __typeof__(*(p)) *)(p))
#define ks_store_relaxed(p, v) (*(volatile __typeof__(*(p)) *)(p) = (v))
#define ks_fence_acquire() asm volatile("" ::: "memory")
#define ks_load_acquire(p)                                       \
	({                                                       \
		__typeof__(*(p)) ks_loaded = ks_load_relaxed(p); \
		ks_fence_acquire();                              \
		ks_loaded;                                       \
	})
#define ks_store_release(p, v)                   \
	do {                                     \
		__typeof__(*(p)) ks_value = (v); \
		asm volatile("" ::: "memory");   \
		ks_store_relaxed((p), ks_value); \
	} while (0)
#define ks_cmpxchg(p, old, new) __sync_val_compare_and_swap((p), (old), (new))
#define ks_fetch_add(p, v) __sync_fetch_and_add((p), (v))
#define ks_fetch_or(p, v) __sync_fetch_and_or((p), (v))
#define ks_fetch_and(p, v) __sync_fetch_and_and((p), (v))
#define ks_load_hint(p) (*(p))
#define ks_words_load(to, from, size) __builtin_memcpy((to), (from), (size))
#define ks_words_store(to, from, size) __builtin_memcpy((to), (from), (size))

static long (*ks_home_loop)(__u32 n, void *cb, void *ctx, __u64 flags) = (void *)181; /* BPF_FUNC_loop */
#define ks_loop(n, cb, ctx) ks_home_loop((n), (cb), (ctx), 0)

#endif
