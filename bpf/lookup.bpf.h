/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The answers of route lookups, kept while so much is dropped at a CPU that its front is awake: then the same sources and
 * destinations come again and again, and looking both up costs half of what a refused packet does.
 *
 * An answer is kept for a second at most, and only while the daemon vouches that it follows the routes
 * (ks_control.routes_until): it has all forgotten at any news of routes, addresses and interfaces (ks_control.routes). Without it
 * an answer is kept for an eighth of a second, so that a dead daemon does no harm. None is where more than the address decides.
 *
 * All CPUs share one table, so that its size does not grow with their number. An address has one place in it, and takes that of
 * whoever was there. The word with the answer is the place's lock, too: who writes makes its version odd, and whoever finds it so
 * goes on without; a reader believes what it has read if the word is the same behind it as before.
 */
#ifndef KS_BPF_LOOKUP_BPF_H
#define KS_BPF_LOOKUP_BPF_H

#include "bpf/env.bpf.h"

#define LOOKUP_BITS 16 /* of the number of places that sources have, and destinations */
#define LOOKUP_MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio: Knuth, TAOCP 6.4 */
#define LOOKUP_NEVER 0U /* the age of what is not kept */

/* The questions, less than 4. */
enum lookup_question { LOOKUP_TO = 1, LOOKUP_HOME, LOOKUP_HOME_BY_ROUTE };

/* A place: half a cache line. */
struct lookup {
	struct ks_addr addr;
	__u32 ifindex; /* that the packet comes in by */
	__u32 out_ifindex; /* that the routes lead to */
	__u32 age; /* as lookup_age() was when it was asked */
	__u32 word; /* question, family and zone that the packet comes from (lookup_what()); the answer, and a version */
};

#define LOOKUP_BUSY 1U /* the version is odd */
#define LOOKUP_VERSION_STEP 2U
#define LOOKUP_VERSION_MASK 0x1fffU
#define LOOKUP_ANSWER_SHIFT 13
#define LOOKUP_ANSWER_MASK 0xffU
#define LOOKUP_ZONE_SHIFT 21
#define LOOKUP_ZONE_MASK 0xffU
#define LOOKUP_QUESTION_SHIFT 29
#define LOOKUP_QUESTION_MASK 3U
#define LOOKUP_IS_IPV6 (1U << 31)
#define LOOKUP_WHAT_MASK (~0U << LOOKUP_ZONE_SHIFT)

/* The question about an address of the packet in hand. */
static ks_inline __u32 lookup_what(const struct ks_env *env, __u8 family, enum lookup_question question)
{
	return (family == KS_IPV6 ? LOOKUP_IS_IPV6 : 0) | question << LOOKUP_QUESTION_SHIFT |
	       (env->scratch->insp.home.from & LOOKUP_ZONE_MASK) << LOOKUP_ZONE_SHIFT;
}

/*
 * Reads the places of both ends of a packet, before anything is asked about them: so a CPU waits for their memory, and for that of
 * the packet's flow, at a time, and not for one after the other.
 */
void lookup_fetch(const struct ks_env *env, const struct ks_tuple *tuple);

/*
 * The age of an answer that is found from now on; LOOKUP_NEVER: none is to be kept. It is read before the answer is looked for, so
 * that this is forgotten if the routes change meanwhile.
 */
__u32 lookup_age(const struct ks_env *env, __u8 family);

/* Returns true if the answer is known: then *answer is set and, for LOOKUP_TO, the interface in the relay. */
bool lookup_find(struct ks_env *env, const struct ks_addr *addr, __u32 what, __u32 age, __u32 *answer);

/* Keeps an answer and, for LOOKUP_TO, the interface in the relay. */
void lookup_keep(const struct ks_env *env, const struct ks_addr *addr, __u32 what, __u32 age, __u32 answer);

#endif
