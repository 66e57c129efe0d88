/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of the states of the running firewall: all of them as they come, or a view of them, once or again and again. */
#ifndef KS_CLI_STATES_LIST_H
#define KS_CLI_STATES_LIST_H

#include "cli/state_columns.h"
#include "cli/state_query.h"

enum ks_states_output { KS_STATES_TABLE, KS_STATES_JSON, KS_STATES_CSV, KS_STATES_CONNTRACK };

struct ks_states_list {
	struct ks_state_query query;
	enum ks_states_output output;
	struct ks_state_columns columns; /* none: those that fit the query */
	uint64_t top; /* rows, 0: all */
	bool count; /* only how many there are */
	bool watch;
	uint64_t every; /* seconds, of watch */
};

/* Prints the list. Returns an enum ks_exit. */
int ks_states_list(struct ks_states_list *list);

#endif
