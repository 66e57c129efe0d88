/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many answers the firewall itself sends: those to rejected packets. Whoever forges sources would have it answer
 * strangers, so all answers together have a rate (`limit answers`), and those to one source (an IPv6 network of 64 bits) have
 * one (`limit answers-per-source`). Beyond it the packet is dropped as silently as by `deny`, for the same reason, and counted.
 * Challenges (challenge.h) have no rate: a flood would use it up, and keep out whom they are to let in.
 */
#ifndef KS_CORE_ANSWER_H
#define KS_CORE_ANSWER_H

#include "core/types.h"

#define KS_ANSWER_SOURCES 1024U /* rates of sources, a power of two; those that share one share the rate */

struct ks_answers {
	__u64 all; /* see rate.h, as all below */
	__u64 withheld; /* answers that were not sent */
	__u64 source[KS_ANSWER_SOURCES];
};

struct ks_env;
struct ks_inspection;

/* Returns true if the packet may be answered now, and counts it for or against the rates. */
bool ks_answer_admits(struct ks_env *env, const struct ks_inspection *insp);

/* Returns true if it may not, as it seems now, and counts nothing. */
bool ks_answer_is_spent(struct ks_env *env, const struct ks_inspection *insp);

#endif
