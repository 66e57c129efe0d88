/* SPDX-License-Identifier: BSD-2-Clause */
/* Views of the states of the running firewall, sorted and cut by the daemon (docs/api.md). */
#ifndef KS_CLI_STATE_QUERY_H
#define KS_CLI_STATE_QUERY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/state_filters.h"

#define KS_STATE_ROWS_MAX 10000U /* of one page */

struct ks_state_query {
	struct ks_state_filters filters;
	const char *sort, *order, *group; /* NULL: as the daemon likes */
	bool rates;
	uint64_t offset; /* rows to leave out first */
};

/* The totals that a page tells first. */
struct ks_state_totals {
	uint64_t states, matches, groups, others;
	bool has_rates;
	uint64_t rate[2];
	char next[64]; /* the cursor of the next page, "" without one */
};

/* Called for each row, a state or a group, with its line as it came. Returns nonzero to end. */
typedef int ks_state_row_fn(const json_t *row, const char *line, size_t length, void *arg);

/*
 * Asks for a page of so many rows, behind a cursor ("" for the first page). *totals is set with KS_EXIT_OK. Returns an enum
 * ks_exit, having complained.
 */
int ks_state_query_page(const struct ks_state_query *query, uint64_t limit, const char *cursor,
			struct ks_state_totals *totals, ks_state_row_fn *fn, void *arg);

/* A rate needs two moments: if rates are wanted and there was none yet, lets there be one, and waits a second. Returns an enum ks_exit. */
int ks_state_query_prepare(const struct ks_state_query *query);

/* Which of the sorts and groups there are, for --help and messages. */
#define KS_STATE_SORTS "rate, bytes, packets, age, left, source, destination, port, proto, state, zone or rule"
#define KS_STATE_GROUPS "host, source, destination, rule, zone, port, protocol or state"

#endif
