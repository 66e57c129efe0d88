/* SPDX-License-Identifier: BSD-2-Clause */
/* Columns of tables of states and of groups of them: each prints some fields of a row for people. */
#ifndef KS_CLI_STATE_COLUMNS_H
#define KS_CLI_STATE_COLUMNS_H

#include "cli/output.h"
#include "cli/state_row.h"

#define KS_STATE_COLUMNS_MAX 20
#define KS_STATE_FIELDS_MAX 64
#define KS_STATE_CELL 512

struct ks_state_column {
	const char *name; /* as users choose it */
	const char *title;
	char align; /* of ks_grid_create() */
	void (*print)(const struct ks_state_row *row, char buf[KS_STATE_CELL]);
	unsigned char fields[5]; /* that it is made of */
	size_t field_count;
};

struct ks_state_columns {
	const struct ks_state_column *column[KS_STATE_COLUMNS_MAX];
	size_t count;
};

/* Chooses columns by their names, "source,bytes". Returns 0, or -EINVAL and the name that is none in `wrong`. */
int ks_state_columns_choose(const char *names, struct ks_state_columns *columns, char wrong[64]);

/* All names, for messages: "proto, state, ..." */
void ks_state_columns_names(char *buf, size_t size);

/* The fields that these columns are made of, each once. Returns how many. */
size_t ks_state_columns_fields(const struct ks_state_columns *columns, unsigned char fields[KS_STATE_FIELDS_MAX]);

/* A grid with a column for each, and its titles if wanted. */
struct ks_grid *ks_state_columns_grid(const struct ks_state_columns *columns, bool titles);

/* Adds the cells of a row. */
void ks_state_columns_add(const struct ks_state_columns *columns, struct ks_grid *grid, const struct ks_state_row *row);

#endif
