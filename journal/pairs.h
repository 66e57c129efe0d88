/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a point of a curve that tells which zones its packets went from and to. A point has the 100 pairs that the daemon names first
 * and the sum of all others, so that 64 zones that all talk to each other do not make points of megabytes.
 */
#ifndef KS_JOURNAL_PAIRS_H
#define KS_JOURNAL_PAIRS_H

#include <jansson.h>

#define KS_PAIRS_MAX 100

/*
 * Counts of pairs of zones since the totals before: a list of those that have counted anything. The list is empty if the totals before
 * have none. -ERANGE: a pair counts from anew. -ENOMEM.
 */
int ks_pairs_since(const json_t *before, const json_t *totals, json_t **pairs);

/* Adds the pairs of a point to those of a sum. Returns 0 or -ENOMEM. */
int ks_pairs_add(json_t *sum, const json_t *point);

#endif
