/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first of many by some order, in bounded memory: a heap whose top is the last of those that it keeps. A newcomer that is
 * before the top takes its place.
 */
#ifndef KS_DAEMON_API_RANKING_H
#define KS_DAEMON_API_RANKING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/types.h"

/* The one with the larger numbers is first, of equal ones that with the smaller `id`: they come in its order, and none of them moves another. */
struct ks_rank {
	__u64 high, low;
	__u32 id;
};

struct ks_ranking {
	struct ks_rank *list;
	size_t count, room;
	__u64 offered; /* how many there were in all */
};

/* Returns true if a is before b. */
bool ks_rank_is_before(const struct ks_rank *a, const struct ks_rank *b);

/* Returns 0 or -ENOMEM. */
int ks_ranking_init(struct ks_ranking *ranking, size_t room);
void ks_ranking_fini(struct ks_ranking *ranking);

void ks_ranking_offer(struct ks_ranking *ranking, const struct ks_rank *rank);

/* Puts the list in order, the first one first. Nothing is offered afterwards. */
void ks_ranking_sort(struct ks_ranking *ranking);

#endif
