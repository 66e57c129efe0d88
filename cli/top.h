/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The looks of keepstate top: views of the states (by the daemon) and of drops (by its counters and its log), as tables of text. The
 * screen, which needs ncurses, is a program of its own (top_screen.c); `keepstate top` runs it, or prints one look (--once).
 */
#ifndef KS_CLI_TOP_H
#define KS_CLI_TOP_H

#include "cli/counters_view.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/state_query.h"
#include "cli/top_sources.h"

#define KS_TOP_PROGRAM "keepstate-top"

enum ks_top_view {
	KS_TOP_FLOWS,
	KS_TOP_HOSTS,
	KS_TOP_RULES,
	KS_TOP_ZONES,
	KS_TOP_PORTS,
	KS_TOP_DROPS,
	KS_TOP_DROPPED_SOURCES,
	KS_TOP_DROPPED_RULES,
	KS_TOP_VIEWS,
};

struct ks_top {
	enum ks_top_view view;
	struct ks_state_query query; /* its filters, of flows; sort and group are those of the view */
	const char *sort; /* NULL: as the view likes it */
	bool reverse;
	uint64_t every; /* seconds */
	uint64_t rows; /* of --once */
	bool once;
	struct ks_counters_view counters;
	struct ks_top_sources sources;
};

/* A look: lines of text. */
struct ks_top_look {
	struct ks_grid *grid; /* titles and rows; NULL: there is nothing to show */
	char head[160]; /* about all of it */
	uint64_t rows, all; /* in the grid, and in all as far as that is known */
};

/* The name of a view, as --view takes it. */
const char *ks_top_view_name(enum ks_top_view view);

/* Returns true if the view is one of states. */
bool ks_top_view_is_flows(enum ks_top_view view);

/* The sorts of a view, the first one first; NULL behind the last. */
const char *const *ks_top_sorts(enum ks_top_view view);

/* Parses the options. Returns true, or false with *code set: the command is over. */
bool ks_top_parse(struct ks_top *top, int argc, char **argv, int *code);
void ks_top_fini(struct ks_top *top);

/* Takes a look of so many rows, the first of which is row `offset`, for a screen of `columns`. Returns an enum ks_exit. */
int ks_top_look(struct ks_top *top, uint64_t offset, uint64_t rows, unsigned columns, struct ks_top_look *look);
void ks_top_look_fini(struct ks_top_look *look);

/* Counts drops from now on. */
void ks_top_reset(struct ks_top *top);

/* The time of the steady clock, ns. */
uint64_t ks_top_now(void);

#endif
