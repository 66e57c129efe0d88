/* SPDX-License-Identifier: BSD-2-Clause */
/* The members of an event or a state that have columns of their own, in entries and flows alike. */
#ifndef KS_JOURNAL_COLUMNS_H
#define KS_JOURNAL_COLUMNS_H

#include "journal/store.h"

#define KS_END_ADDRESS_MAX 16

/* An address with its port; size 0: none, port -1: none. */
struct ks_column_end {
	unsigned char address[KS_END_ADDRESS_MAX];
	int size;
	int64_t port;
};

enum ks_end_name { KS_END_SOURCE, KS_END_DESTINATION, KS_END_NAT_SOURCE, KS_END_NAT_DESTINATION, KS_ENDS };

struct ks_columns {
	int64_t proto, from, to, rule; /* numbers of words and of a rule, 0: none */
	struct ks_column_end end[KS_ENDS];
};

#define KS_COLUMNS_FIRST 6 /* where proto ... rule, and then `rest`, stand in the statements entry_add and flow_add */
#define KS_COLUMNS_REST 18

/* Reads them from a line of the daemon. New names get numbers, so it needs a batch. */
int ks_columns_read(struct ks_store *store, const json_t *line, struct ks_columns *columns);

void ks_columns_bind(sqlite3_stmt *stmt, const struct ks_columns *columns);

/* Binds a number, or NULL for 0. */
void ks_bind_id(sqlite3_stmt *stmt, int at, int64_t id);

/* Binds the members of a line that are in none of the lists of names, as JSON; NULL if there are none. The lists end with NULL. */
int ks_bind_rest(sqlite3_stmt *stmt, int at, const json_t *line, const char *const *but);

/* "192.0.2.1" to 4 or 16 bytes; returns their number, 0 if it is no address. */
int ks_address_read(const char *text, unsigned char address[KS_END_ADDRESS_MAX]);

#endif
