/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conditions of a inquiry as SQL. Values of one name are alternatives; one that begins with '!' (or "not ") is excluded. The text has nothing of
 * what somebody sent: values are bound.
 */
#ifndef KS_JOURNAL_WHERE_H
#define KS_JOURNAL_WHERE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/columns.h"

#define KS_WHERE_TEXT 16384
#define KS_WHERE_VALUES 192
#define KS_WHERE_COMPLAINT 256

#define KS_WHERE_PACKETS 1U /* of the log */
#define KS_WHERE_FLOWS 2U /* of flows */

struct ks_where_value {
	enum { KS_WHERE_NUMBER, KS_WHERE_STRING, KS_WHERE_ADDRESS } kind;
	int64_t number;
	const char *text; /* of the request, which outlives the inquiry */
	unsigned char address[KS_END_ADDRESS_MAX];
	int size;
};

struct ks_where {
	char text[KS_WHERE_TEXT]; /* "AND (...)" for each condition */
	size_t used;
	struct ks_where_value value[KS_WHERE_VALUES];
	size_t count;
	char complaint[KS_WHERE_COMPLAINT]; /* says which value is wrong, and how a right one looks */
};

/* One wish: a name and its value. */
struct ks_wish {
	const char *name, *value;
};

/* Returns true if there is such a condition at all. */
bool ks_where_knows(const char *name);

/* Takes the mark of an exclusion off a value. Returns true if there was one. */
bool ks_where_is_excluded(const char **value);

/* Makes conditions of all wishes that are some, for packets or flows. Returns 0, or -EINVAL with a complaint. */
int ks_where_make(struct ks_where *where, unsigned kind, const struct ks_wish *wishes, size_t count);

/* Adds a condition with a number: `sql` has one '?'. */
int ks_where_number(struct ks_where *where, const char *sql, int64_t number);

/* An endpoint, "203.0.113.1:40123" or "[2001:db8::1]:443": flows of which it is, or was seen from outside as, an end. */
int ks_where_who(struct ks_where *where, const char *text);

/* Binds the values from the place `at` on. Returns the place behind them. */
int ks_where_bind(const struct ks_where *where, sqlite3_stmt *stmt, int at);

#endif
