/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flows. Each is one row from its begin to its end. The daemon tells both, but not of flows that began before the journal
 * listened, nor of those that ended while it did not: so the journal asks for the list of states whenever it is connected anew.
 * Rows that are not in the list have ended, nobody knows when: at the latest when the journal heard of the daemon last. A firewall that
 * is taken away ends all of them.
 */
#ifndef KS_JOURNAL_FLOWS_H
#define KS_JOURNAL_FLOWS_H

#include "journal/store.h"

#define KS_WHY_UNSEEN "unseen" /* the end of a flow that was gone when the journal looked again */
#define KS_WHY_STOPPED "stopped" /* that of one that lived when the firewall was taken away */

/* An event of a flow: `event` is KS_ENTRY_BEGIN, _ESTABLISHED or _END. *flow: its row. */
int ks_flow_event(struct ks_store *store, const json_t *line, int event, int64_t time, int64_t *flow);

/* When a line of the list of states was asked for and when it was read: its ages are of some moment between. */
struct ks_flows_asked {
	int64_t asked, read;
};

/* The list of states: begin, a line each, end. Rows up to *last that are not in it ended at `heard`. */
int ks_flows_begin(struct ks_store *store, int64_t *last);
int ks_flows_state(struct ks_store *store, const json_t *line, const struct ks_flows_asked *when);
int ks_flows_end(struct ks_store *store, int64_t heard, int64_t last);

/*
 * The firewall is taken away, and every flow with it. One that the next list of states has nevertheless, because the states were saved and
 * taken back, goes on: its row is open again.
 */
int ks_flows_stop(struct ks_store *store, int64_t time);

/* The firewall was gone when the journal looked again. It had been heard of last at `heard`. */
int ks_flows_lose(struct ks_store *store, int64_t heard);

#endif
