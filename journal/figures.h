/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Curves of what passes and what is dropped: a point a second for fifteen minutes, a minute for 36 hours, an hour for eight weeks. Each
 * has the sums of its span. The seconds are in memory; they are written once a minute, so that an idle machine's disk rests.
 */
#ifndef KS_JOURNAL_FIGURES_H
#define KS_JOURNAL_FIGURES_H

#include <pthread.h>

#include "journal/store.h"

enum ks_span { KS_SPAN_SECOND = 1, KS_SPAN_MINUTE = 60, KS_SPAN_HOUR = 3600 };

struct ks_figures {
	pthread_mutex_t mutex; /* readers look at the seconds */
	json_t *seconds; /* points of the last fifteen minutes, the oldest first */
	json_t *totals; /* the counters of the last second */
	int64_t time; /* when they were read, ms; 0: never */
	int64_t written; /* the minute that was written last, seconds of the epoch */
	int64_t committed; /* the same, without the batch that is open */
};

int ks_figures_init(struct ks_figures *figures);
void ks_figures_fini(struct ks_figures *figures);

/* Takes the points of the last seconds from the file, after a restart. */
int ks_figures_load(struct ks_figures *figures, struct ks_store *store);

/* The daemon's totals of now. */
int ks_figures_take(struct ks_figures *figures, json_t *totals, int64_t now);

/* The daemon is away: the next totals have no second before them. */
void ks_figures_pause(struct ks_figures *figures);

/* Returns true if a minute is over that has not been written. */
bool ks_figures_are_due(const struct ks_figures *figures, int64_t now);

/* Writes it, what is complete with it, and forgets what is old. In a batch. */
int ks_figures_write(struct ks_figures *figures, struct ks_store *store, int64_t now);

/* The batch is in the file, or has failed: then what it had is written again. */
void ks_figures_settle(struct ks_figures *figures, bool committed);

/* The points from since to before until (seconds of the epoch) that are in memory, as lines; NULL without memory. */
char *ks_figures_text(struct ks_figures *figures, int64_t since, int64_t until);

/* Adds a point to a sum. Returns 0 or -ENOMEM. */
int ks_figure_add(json_t *sum, const json_t *point);

#endif
