/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows summed up by what they have in common: a host, a rule, a pair of zones. Memory is bounded: when KS_GROUPS_MAX are there
 * and one more wants room, the smaller half gives way, and its flows count among `others`. One that comes again after that
 * begins anew, so what is shown of it may be too small, by less than the smallest that stayed.
 *
 * With many groups each flow's is far away in memory, so some flows are summed up together: their places are fetched at the same time.
 */
#ifndef KS_DAEMON_API_GROUPS_H
#define KS_DAEMON_API_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/address.h"
#include "core/types.h"

#define KS_GROUPS_MAX 131072U /* a power of two */

struct ks_group_key {
	struct ks_addr addr;
	__u64 number;
};

/* Packets and bytes of flows: by the side that opened them, and by the other. */
struct ks_sums {
	__u64 flows;
	__u64 packets[2], bytes[2], rate[2];
};

enum ks_group_sort { KS_GROUP_SORT_FLOWS, KS_GROUP_SORT_PACKETS, KS_GROUP_SORT_BYTES, KS_GROUP_SORT_RATE };

struct ks_group {
	struct ks_group_key key;
	struct ks_sums sums;
};

/* Flows that are not summed up yet: memory has been asked for where they belong, and is there when enough of them wait. */
#define KS_GROUPS_TOGETHER 32U
struct ks_group_wait {
	struct ks_group group;
	__u32 hash;
};

struct ks_groups {
	enum ks_group_sort sort; /* by which the small ones are known */
	struct ks_group *list;
	__u32 *table; /* open addressing: index in the list + 1, 0 free; twice as large as the room of the list */
	__u32 count, room, max; /* max is KS_GROUPS_MAX, or less in tests */
	__u64 others; /* flows that are in no group */
	struct ks_group_wait waits[KS_GROUPS_TOGETHER];
	__u32 waiting;
};

/* Returns 0 or -ENOMEM. */
int ks_groups_init(struct ks_groups *groups, enum ks_group_sort sort, __u32 max);
void ks_groups_fini(struct ks_groups *groups);

/* Adds to the group of a key, at the latest by ks_groups_settle(). Without memory the flows count among `others`. */
void ks_groups_add(struct ks_groups *groups, const struct ks_group_key *key, const struct ks_sums *sums);

/* Sums up what waits. To be called before the groups are looked at. */
void ks_groups_settle(struct ks_groups *groups);

void ks_sums_add(struct ks_sums *sums, const struct ks_sums *more);

/* The number of a group by which it is sorted. */
__u64 ks_sums_size(const struct ks_sums *sums, enum ks_group_sort sort);

#endif
