/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room for records: when a kind has as many as its limit, the stalest of those that are met makes room for a new one.
 *
 * Up to PLACE_BUCKETS buckets of the table are looked through, PLACE_LEAST of them (PLACE_LEAST_HELPERS for those, which strangers
 * renew less often) and then until one has a record of the kind that may go. Of the default limits and table that is some 30 buckets, and one search in a hundred thousand finds nobody; where the limit is a
 * small part of the table more find nobody, and the new record is refused.
 *
 *   kind                          may go when
 *   MAPPING_OUT, _IN, PERMIT      nothing has left by it for a quarter of its time. Packets renew it after an eighth, so that one in
 *                                 use is not taken. A flow that goes on without its mapping keeps its port
 *   EXPECT, QUESTION, QUOTED      it has waited for a second
 *   HELPER_ORIGINAL, _REPLY       no packet of its direction has come for a second, and no number was shifted: what its connection
 *                                 announces later is not expected, nothing else. One of the same source goes first, so that who opens
 *                                 many takes his own. A connection whose numbers are shifted needs its memory: it goes when it is dead
 *   TALLY, PACE                   see insert.c
 *
 * A dead record of any kind may go; it is counted until somebody frees it.
 */
#ifndef KS_CORE_TABLE_PLACE_H
#define KS_CORE_TABLE_PLACE_H

#include "core/home.h"
#include "core/table/entry.h"
#include "core/types.h"

struct ks_env;

/* Makes room for the record of e->key, which is hashed, if its kind has as many as its limit. Returns the slot id that it has freed, or 0. */
__u32 ks_record_place_isolated(struct ks_env *env, const struct ks_entry *e);

#endif
