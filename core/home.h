/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The compile-time half of the seam between the core and its home; core/env.h
 * is the run-time half. A home gives the build the path of its header as
 * KS_HOME: engine/home.h natively, bpf/home.h in the kernel. For another machine
 * nothing else need be written. Every home defines the following, and nothing more.
 *
 * Packets:
 *   ks_load16(p), ks_load32(p), ks_load64(p), ks_store16(p, v), ks_store32(p, v)
 *       A word of the packet, in its own byte order, at any alignment.
 *
 * Memory that another CPU may write. All of it is aligned to its size; nothing else may read or write it. (A slot that is
 * claimed has one writer: he may read it plainly.)
 *   ks_load_relaxed(p), ks_store_relaxed(p, v)
 *       One access, neither torn nor repeated, in no order with others.
 *   ks_load_acquire(p)
 *       The same; later accesses come after it.
 *   ks_store_release(p, v)
 *       The same; earlier accesses come before it.
 *   ks_fence_acquire()
 *       Loads before it come before loads and stores behind it.
 *   ks_load_hint(p)
 *       A load that may be torn or repeated: it only says where to look, and what rests on it is asked again under a version
 *       or a claim. It lets compilers compare with memory, and look at eight tags at once.
 *   ks_words_load(to, from, size), ks_words_store(to, from, size)
 *       Copy `size` bytes out of or into such memory, both aligned to 8. Words may arrive in any order and torn. A reader
 *       does it between ks_load_acquire() of a version and ks_fence_acquire(), and reads the version again; a writer between
 *       ks_cmpxchg() and ks_store_release().
 *   ks_cmpxchg(p, old, new)
 *       Stores `new` if *p is `old`; returns what it was. Nothing moves across it, in either direction.
 *   ks_fetch_add(p, v), ks_fetch_or(p, v), ks_fetch_and(p, v)
 *       Changes *p, and loses no change of others; returns what it was. Nothing moves across it if that is used.
 *
 * Searches:
 *   KS_LOOKS_AHEAD
 *       1 if the home says where the flow of a packet probably lies, in insp->flow.ref, before it is looked for; 0 if it does not.
 *
 * The verifier (bpf/VERIFIER.md has the rules; nothing, natively):
 *   ks_isolated                a function that is verified once, apart from its callers (V9): it checks its pointers, and
 *                              follows none that lies behind these
 *   ks_inlined                 a function that every packet calls, or every refused one: it has no frame of its own
 *   ks_frequent                the same of one that nearly every packet calls, where a program has room for it: not in the kernel
 *   ks_seldom                  what nearly no packet needs of such a function, apart from it: not in the kernel
 *   ks_missing(p)              true if such a pointer is NULL, which it never is: only the verifier asks
 *   env_isolated(env)          the environment for such a function: it reaches tables and counters, not the packet
 *   ks_hide_bound(v)           the compiler may not reason about the bounds of v from here on (V4)
 *   ks_hide_value(v, by)       v, as a number that nothing is known about (V7)
 *   ks_loop(n, cb, ctx)        calls cb(i, ctx) for i from 0 to n - 1 until it returns nonzero (V5, V8)
 */
#ifndef KS_CORE_HOME_H
#define KS_CORE_HOME_H

#include KS_HOME

#endif
