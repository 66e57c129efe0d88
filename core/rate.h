/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rates in one word: the generic cell rate algorithm of ATM (ITU-T I.371). The word is the time until which what was let
 * through so far lasts. Each adds its share to it, and is refused if that reaches further ahead than a burst. A word of 0 has
 * let nothing through. All CPUs share it, and together they let through no more than the rate allows.
 */
#ifndef KS_CORE_RATE_H
#define KS_CORE_RATE_H

#include "core/home.h"
#include "core/types.h"

#define KS_RATE_TRIES 4 /* another CPU that was quicker so often has used the rate */

/* Returns true if one more may pass, where so far the word is `until`: see ks_rate_take(). */
static inline bool ks_rate_admits(__u64 until, __u64 now, __u64 share, __u64 burst)
{
	return (until > now ? until - now : 0) + share <= burst;
}

/* Returns true if one more may pass at `now`: one every `share` ns on average, and so many at once as make up `burst` ns. */
static inline bool ks_rate_take(__u64 *word, __u64 now, __u64 share, __u64 burst)
{
	for (int i = 0; i < KS_RATE_TRIES; i++) {
		__u64 until = ks_load_relaxed(word);

		if (!ks_rate_admits(until, now, share, burst))
			return false;
		if (ks_cmpxchg(word, until, (until > now ? until : now) + share) == until)
			return true;
	}
	return false;
}

#endif
