/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Folding of events. Overview. A flood must not drown the log, nor hide who else was dropped. So the events of one source
 * with one reason of one rule have a rate (`limit log-per-source`), and those of all sources with that reason and rule have
 * one (`limit log`). An event beyond a rate is not sent: it is counted in a cell, and the last one that was is kept as an
 * example. Whoever reads the log takes the counts out every second and tells them: "and 342,500 more".
 *
 * Cells lie in one array: first those of sources, then those of reasons and rules, each found by a keyed hash. A cell that is
 * used by another source leaves the event to the cell of its reason; one that is used by another reason counts it as lost.
 *
 * Writers. Any CPU counts, by atomic additions; the reader takes a count out by an exchange. The example is written without
 * a lock: torn, it is made of two events of the same cell.
 */
#ifndef KS_CORE_FOLD_H
#define KS_CORE_FOLD_H

#include "core/event.h"
#include "core/rate.h"

#define KS_FOLD_SOURCES 1024U /* cells, a power of two */
#define KS_FOLD_KINDS 256U /* cells of reasons and rules behind them, a power of two */
#define KS_FOLD_CELLS (KS_FOLD_SOURCES + KS_FOLD_KINDS)
#define KS_FOLD_IDLE_NS KS_NSEC_PER_SEC /* a cell is another's if nothing came for as long */

struct ks_fold {
	__u64 whose; /* hash; 0: nobody's yet */
	__u64 rate; /* see rate.h */
	__u64 seen; /* ns: when the last event came */
	__u64 folded; /* events that were not sent */
	struct ks_event last; /* of these */
};

_Static_assert(sizeof(struct ks_fold) == 32 + sizeof(struct ks_event), "a cell has no padding");

enum ks_fold_answer {
	KS_FOLD_SEND,
	KS_FOLD_COUNTED, /* the event is not to be sent */
	KS_FOLD_BUSY, /* the cell is another's */
};

static inline void ks_fold_count(struct ks_fold *cell, const struct ks_event *event)
{
	ks_fetch_add(&cell->folded, 1);
	cell->last = *event;
}

/* Returns true if the cell is whose, from now on if nobody else used it lately. What it has counted is told first. */
static inline bool ks_fold_claim(struct ks_fold *cell, __u64 whose, __u64 now)
{
	__u64 owner = ks_load_relaxed(&cell->whose);

	if (owner == whose)
		return true;
	if (owner && (ks_load_relaxed(&cell->folded) || now - ks_load_relaxed(&cell->seen) < KS_FOLD_IDLE_NS))
		return false;
	return ks_cmpxchg(&cell->whose, owner, whose) == owner;
}

/* `limit`: events a second, as many at once. `whose` is not 0. */
static inline enum ks_fold_answer ks_fold_take(struct ks_fold *cell, __u64 whose, __u32 limit,
					       const struct ks_event *event)
{
	__u64 now = event->time;

	if (!ks_fold_claim(cell, whose, now))
		return KS_FOLD_BUSY;
	ks_store_relaxed(&cell->seen, now);
	if (ks_rate_take(&cell->rate, now, KS_NSEC_PER_SEC / (limit ? limit : 1), KS_NSEC_PER_SEC))
		return KS_FOLD_SEND;
	ks_fold_count(cell, event);
	return KS_FOLD_COUNTED;
}

#endif
