/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view of the table: the flows that fit a filter, counted, sorted and cut, or summed up by groups; docs/api.md tells it. A view
 * is shown every flow once (ks_view_add()), and keeps of all of them only as many ranks as it will show, or its groups.
 */
#ifndef KS_DAEMON_API_VIEW_H
#define KS_DAEMON_API_VIEW_H

#include "core/table/table.h"
#include "daemon/api/groups.h"
#include "daemon/api/ranking.h"

#define KS_VIEW_ROWS 100U /* without a wish */
#define KS_VIEW_ROWS_MAX 10000U
#define KS_VIEW_DEPTH_MAX 100000U /* rows that are left out, and those that are shown */

enum ks_view_sort {
	KS_SORT_BYTES,
	KS_SORT_RATE,
	KS_SORT_PACKETS,
	KS_SORT_AGE,
	KS_SORT_LEFT,
	KS_SORT_SOURCE,
	KS_SORT_DESTINATION,
	KS_SORT_PORT,
	KS_SORT_PROTO,
	KS_SORT_STATE,
	KS_SORT_ZONE,
	KS_SORT_RULE,
	KS_SORT_FLOWS, /* of groups only */
	KS_SORTS,
};

enum ks_view_group {
	KS_GROUP_NONE,
	KS_GROUP_HOST,
	KS_GROUP_SOURCE,
	KS_GROUP_DESTINATION,
	KS_GROUP_RULE,
	KS_GROUP_ZONE,
	KS_GROUP_PORT,
	KS_GROUP_PROTOCOL,
	KS_GROUP_STATE,
	KS_GROUPS,
};

/* The wish for a view, in words by a client. */
struct ks_view_wish {
	bool wanted; /* false: a plain listing */
	enum ks_view_sort sort;
	enum ks_view_group group;
	bool ordered, ascending; /* an order is given, and which; after ks_view_wish_check() which it is in any case */
	bool rates;
	bool has_limit, has_offset, has_cursor;
	__u32 limit, offset;
	struct ks_rank cursor; /* the last row of the page before */
};

/* The names of the parameters, NULL-terminated. */
extern const char *const ks_view_parameters[];

/* Takes a parameter. Returns 0; or -EINVAL, and `complaint` says what would be right. */
int ks_view_wish_set(struct ks_view_wish *wish, const char *name, const char *value, char *complaint, size_t size);

/* Completes the wish. Returns the same, if the parameters contradict each other. */
int ks_view_wish_check(struct ks_view_wish *wish, char *complaint, size_t size);

struct ks_view {
	struct ks_view_wish wish;
	__u64 states; /* all that were shown */
	struct ks_sums matches; /* those that fit */
	struct ks_ranking ranking; /* of slot ids, or of groups by their index + 1 */
	struct ks_groups groups;
};

/* Returns 0 or -ENOMEM. */
int ks_view_init(struct ks_view *view, const struct ks_view_wish *wish);
void ks_view_fini(struct ks_view *view);

/* Takes a flow that fits, with its rates (zeros without any). `now` is on its clock. */
void ks_view_add(struct ks_view *view, __u32 id, const struct ks_slot *slot, const __u64 rate[2], __u64 now);

/* The rank of a flow as it is now. */
void ks_view_rank(const struct ks_view *view, __u32 id, const struct ks_slot *slot, const __u64 rate[2], __u64 now,
		  struct ks_rank *rank);

/* Puts the rows in order, when every flow has been shown. */
void ks_view_finish(struct ks_view *view);

/* The rows: ranks of slots, or of groups. */
const struct ks_rank *ks_view_rows(const struct ks_view *view, size_t *count);

/* The cursor of the page behind this one. Returns false if there is none. */
#define KS_VIEW_CURSOR_TEXT 48
bool ks_view_cursor(const struct ks_view *view, char text[KS_VIEW_CURSOR_TEXT]);

#endif
