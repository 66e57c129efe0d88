/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of the tables as the lines that the daemon told. */
#ifndef KS_JOURNAL_ROWS_H
#define KS_JOURNAL_ROWS_H

#include "journal/store.h"

/* The columns that the functions below expect, in this order. */
#define KS_ROW_COMMON                                                                                                \
	"id, proto, zone_from, zone_to, source, source_port, destination, destination_port, nat_source, "            \
	"nat_source_port, nat_destination, nat_destination_port, rule, rest, name, begun, established, ended, why, " \
	"state, packets_out, packets_in, bytes_out, bytes_in, last, duration, flags"
#define KS_ROW_ENTRY KS_ROW_COMMON ", time, event, flow, verdict, reason"

/* Names and rules by their numbers. */
struct ks_row_names {
	sqlite3_stmt *word, *rule;
};

int ks_row_names_init(sqlite3 *db, struct ks_row_names *names);
void ks_row_names_fini(struct ks_row_names *names);

/* An entry of the view `history`, as a line of GET /v1/log with its cursor. NULL without memory. */
json_t *ks_row_entry(struct ks_row_names *names, sqlite3_stmt *row);

/* Times that a flow's line needs, ms of the epoch. */
struct ks_row_times {
	int64_t moment; /* for its age */
	int64_t now;
	int64_t known; /* until then the journal knows which flows live */
};

/* A flow, as a line of GET /v1/states with its times and its cursor. */
json_t *ks_row_flow(struct ks_row_names *names, sqlite3_stmt *row, const struct ks_row_times *times);

#endif
