/* SPDX-License-Identifier: BSD-2-Clause */
/* See groups.h. */
#include "daemon/api/groups.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM_FIRST 256U /* groups; a power of two */
#define HASH_MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio: Knuth, TAOCP 6.4 */
#define SIZE_CLASSES 65 /* of numbers by their highest bit, and zero */

/* The secret: who sends packets must not choose which groups collide. It is that of the process, drawn once. */
static __u64 hash_secret(void)
{
	static __u64 secret;

	if (!secret && getentropy(&secret, sizeof(secret)))
		secret = (__u64)(uintptr_t)&secret;
	return secret | 1;
}

static __u32 hash(const struct ks_group_key *key)
{
	__u64 x = (key->addr.d[0] ^ hash_secret()) * HASH_MULTIPLIER;

	x = (x ^ x >> 32 ^ key->addr.d[1]) * HASH_MULTIPLIER;
	x = (x ^ x >> 32 ^ key->number) * HASH_MULTIPLIER;
	return (__u32)(x >> 32);
}

__u64 ks_sums_size(const struct ks_sums *sums, enum ks_group_sort sort)
{
	switch (sort) {
	case KS_GROUP_SORT_FLOWS:
		return sums->flows;
	case KS_GROUP_SORT_PACKETS:
		return sums->packets[0] + sums->packets[1];
	case KS_GROUP_SORT_RATE:
		return sums->rate[0] + sums->rate[1];
	default:
		return sums->bytes[0] + sums->bytes[1];
	}
}

void ks_sums_add(struct ks_sums *sums, const struct ks_sums *more)
{
	sums->flows += more->flows;
	for (unsigned dir = 0; dir < 2; dir++) {
		sums->packets[dir] += more->packets[dir];
		sums->bytes[dir] += more->bytes[dir];
		sums->rate[dir] += more->rate[dir];
	}
}

/* The place of a key in the table: its own, or the free one where it would be. */
static __u32 *find(const struct ks_groups *groups, const struct ks_group_key *key, __u32 hashed)
{
	__u32 mask = 2 * groups->room - 1, at = hashed & mask;

	while (groups->table[at] && memcmp(&groups->list[groups->table[at] - 1].key, key, sizeof(*key)))
		at = (at + 1) & mask;
	return &groups->table[at];
}

static void index_all(struct ks_groups *groups)
{
	for (__u32 i = 0; i < groups->count; i++)
		*find(groups, &groups->list[i].key, hash(&groups->list[i].key)) = i + 1;
}

static int resize(struct ks_groups *groups, __u32 room)
{
	struct ks_group *list = realloc(groups->list, room * sizeof(*list));
	__u32 *table = calloc(2 * (size_t)room, sizeof(*table));

	if (list)
		groups->list = list;
	if (!list || !table) {
		free(table);
		return -ENOMEM;
	}
	free(groups->table);
	groups->table = table;
	groups->room = room;
	index_all(groups);
	return 0;
}

int ks_groups_init(struct ks_groups *groups, enum ks_group_sort sort, __u32 max)
{
	*groups = (struct ks_groups){ .sort = sort, .max = max };
	return resize(groups, KS_MIN(ROOM_FIRST, max));
}

void ks_groups_fini(struct ks_groups *groups)
{
	free(groups->list);
	free(groups->table);
	*groups = (struct ks_groups){ 0 };
}

static unsigned size_class(const struct ks_groups *groups, const struct ks_group *group)
{
	__u64 size = ks_sums_size(&group->sums, groups->sort);

	return size ? 64 - (unsigned)__builtin_clzll(size) : 0;
}

/* The class of the sizes from which on half of the groups are, or fewer. Of that class itself `*spare` more must go. */
static unsigned half_class(const struct ks_groups *groups, __u32 *spare)
{
	__u32 classes[SIZE_CLASSES] = { 0 }, below = 0, half = groups->count / 2;
	unsigned class = 0;

	for (__u32 i = 0; i < groups->count; i++)
		classes[size_class(groups, &groups->list[i])]++;
	while (below + classes[class] < half)
		below += classes[class ++];
	*spare = half - below;
	return class;
}

/* The smaller half gives way. Within one power of two the order is not looked at: it takes one pass, and no sort. */
static void make_room(struct ks_groups *groups)
{
	__u32 spare, kept = 0, count = groups->count;
	unsigned least = half_class(groups, &spare);

	for (__u32 i = 0; i < count; i++) {
		const struct ks_group *group = &groups->list[i];
		unsigned class = size_class(groups, group);
		bool goes = class < least || (class == least && spare);

		if (goes) {
			spare -= class == least;
			groups->others += group->sums.flows;
		} else {
			groups->list[kept++] = *group;
		}
	}
	groups->count = kept;
	memset(groups->table, 0, 2 * (size_t)groups->room * sizeof(*groups->table));
	index_all(groups);
}

/* Returns false without memory. */
static bool has_room(struct ks_groups *groups)
{
	if (groups->count < groups->room)
		return true;
	if (groups->room < groups->max)
		return !resize(groups, 2 * groups->room);
	make_room(groups);
	return true;
}

static void sum_up(struct ks_groups *groups, const struct ks_group_wait *wait)
{
	__u32 *at = find(groups, &wait->group.key, wait->hash);

	if (!*at) {
		if (!has_room(groups)) {
			groups->others += wait->group.sums.flows;
			return;
		}
		at = find(groups, &wait->group.key, wait->hash);
		groups->list[groups->count++] = (struct ks_group){ .key = wait->group.key };
		*at = groups->count;
	}
	ks_sums_add(&groups->list[*at - 1].sums, &wait->group.sums);
}

static __u32 *place_of(const struct ks_groups *groups, const struct ks_group_wait *wait)
{
	return &groups->table[wait->hash & (2 * groups->room - 1)];
}

/* The first place that a key may have is nearly always its own; a wrong guess costs time only. */
void ks_groups_settle(struct ks_groups *groups)
{
	for (__u32 i = 0; i < groups->waiting; i++) {
		__u32 index = *place_of(groups, &groups->waits[i]);

		if (index)
			__builtin_prefetch(&groups->list[index - 1], 1);
	}
	for (__u32 i = 0; i < groups->waiting; i++)
		sum_up(groups, &groups->waits[i]);
	groups->waiting = 0;
}

void ks_groups_add(struct ks_groups *groups, const struct ks_group_key *key, const struct ks_sums *sums)
{
	struct ks_group_wait *wait = &groups->waits[groups->waiting++];

	*wait = (struct ks_group_wait){ { *key, *sums }, hash(key) };
	__builtin_prefetch(place_of(groups, wait));
	if (groups->waiting == KS_GROUPS_TOGETHER)
		ks_groups_settle(groups);
}
