/* SPDX-License-Identifier: BSD-2-Clause */
/* See ranking.h. A binary heap: Knuth, TAOCP 5.2.3. */
#include "daemon/api/ranking.h"

#include <errno.h>
#include <stdlib.h>

bool ks_rank_is_before(const struct ks_rank *a, const struct ks_rank *b)
{
	if (a->high != b->high)
		return a->high > b->high;
	return a->low != b->low ? a->low > b->low : a->id < b->id;
}

int ks_ranking_init(struct ks_ranking *ranking, size_t room)
{
	*ranking = (struct ks_ranking){ .room = room };
	ranking->list = calloc(room ? room : 1, sizeof(*ranking->list));
	return ranking->list ? 0 : -ENOMEM;
}

void ks_ranking_fini(struct ks_ranking *ranking)
{
	free(ranking->list);
	*ranking = (struct ks_ranking){ 0 };
}

/* Puts `rank` where the hole at `at` goes when it sinks below all that are after it. */
static void sink(struct ks_rank *list, size_t count, size_t at, struct ks_rank rank)
{
	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && ks_rank_is_before(&list[child], &list[child + 1]))
			child++;
		if (!ks_rank_is_before(&rank, &list[child]))
			break;
		list[at] = list[child];
	}
	list[at] = rank;
}

static void rise(struct ks_rank *list, size_t at, struct ks_rank rank)
{
	while (at && ks_rank_is_before(&list[(at - 1) / 2], &rank)) {
		list[at] = list[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	list[at] = rank;
}

void ks_ranking_offer(struct ks_ranking *ranking, const struct ks_rank *rank)
{
	ranking->offered++;
	if (ranking->count < ranking->room)
		rise(ranking->list, ranking->count++, *rank);
	else if (ranking->room && ks_rank_is_before(rank, &ranking->list[0]))
		sink(ranking->list, ranking->count, 0, *rank);
}

/* The last one goes to the end of what is left of the heap, until nothing is. */
void ks_ranking_sort(struct ks_ranking *ranking)
{
	for (size_t count = ranking->count; count > 1; count--) {
		struct ks_rank last = ranking->list[0];

		sink(ranking->list, count - 1, 0, ranking->list[count - 1]);
		ranking->list[count - 1] = last;
	}
}
