/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters of the running firewall as one looks at them again and again: how much has come since a moment that the viewer chooses,
 * and how much comes in a second. The counters themselves are never touched.
 */
#ifndef KS_CLI_COUNTERS_VIEW_H
#define KS_CLI_COUNTERS_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The counters at one moment. */
struct ks_counters_look {
	json_t *answer; /* NULL: there was no such look */
	json_t *index; /* of its entries, by their names */
	uint64_t time; /* ns */
};

struct ks_counters_view {
	struct ks_counters_look now, before, base; /* no base: since the firewall began */
};

/* Takes the look of an answer of GET /v1/counters, which is given up. Returns false without memory. */
bool ks_counters_view_put(struct ks_counters_view *view, json_t *answer, uint64_t time);

/* Asks the daemon. Returns an enum ks_exit, having complained. */
int ks_counters_view_take(struct ks_counters_view *view);

/* From now on things are counted from this moment. */
void ks_counters_view_reset(struct ks_counters_view *view);
/* And again from the beginning. */
void ks_counters_view_unset(struct ks_counters_view *view);
void ks_counters_view_fini(struct ks_counters_view *view);

/* A member of an entry of `reasons` or `rules` of the last look: since the base, and a second (0 if there is no earlier look). */
uint64_t ks_counters_since(const struct ks_counters_view *view, const json_t *entry, const char *member);
double ks_counters_rate(const struct ks_counters_view *view, const json_t *entry, const char *member);

#endif
