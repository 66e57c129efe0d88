/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Output of all commands: colour only if it is wanted, JSON one object a line,
 * tables with aligned columns, numbers for people.
 */
#ifndef KS_CLI_OUTPUT_H
#define KS_CLI_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "policy/policy.h"
#include "text/scoped.h"

enum ks_colour { KS_COLOUR_PLAIN, KS_COLOUR_GREEN, KS_COLOUR_RED, KS_COLOUR_YELLOW, KS_COLOUR_DIM, KS_COLOUR_BOLD };

/* Returns true if a stream gets colour: it is a terminal, NO_COLOR (no-color.org) is not set, and TERM is not "dumb". */
bool ks_output_colour(FILE *out);

/* The escape that switches a colour on, or off for KS_COLOUR_PLAIN; "" when `on` is false. */
const char *ks_colour(bool on, enum ks_colour colour);

/* The colour of an enum ks_action. */
enum ks_colour ks_action_colour(unsigned action);

/* Prints a JSON value on one line and gives up the reference. Returns 0, -EIO if the stream failed, -EINVAL for NULL, -ENOMEM. */
int ks_json_print(json_t *value, FILE *out);

/*
 * A table: rows are collected, then printed with columns as wide as needed.
 * The format is one letter a column: 'l' left, 'r' right. Without memory the
 * table is not printed and ks_cli_finish() says so; NULL is such a table.
 */
struct ks_grid;
struct ks_grid *ks_grid_create(const char *format);
void ks_grid_destroy(struct ks_grid *grid);

KS_SCOPED(ks_auto_grid, struct ks_grid *, ks_grid_destroy)
#define ks_auto_grid ks_scoped(ks_auto_grid)

void ks_grid_cell(struct ks_grid *grid, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ks_grid_text(struct ks_grid *grid, const char *text); /* a cell as it is */
void ks_grid_clear(struct ks_grid *grid); /* takes all cells away, to begin again */
void ks_grid_print(const struct ks_grid *grid, FILE *out);

#define KS_NUMBER_TEXT 32

/* "1.2 kB", "3.4 GB" (powers of ten); returns buf. */
const char *ks_bytes_text(uint64_t bytes, char buf[KS_NUMBER_TEXT]);
/* "1,234,567"; returns buf. */
const char *ks_number_text(uint64_t number, char buf[KS_NUMBER_TEXT]);
/* "5m10s", "2h", "1.250s"; returns buf. */
const char *ks_span_text(uint64_t ms, char buf[KS_NUMBER_TEXT]);

/* Loads a policy for a command and prints all complaints. Returns an enum ks_exit; *policy is set with KS_EXIT_OK. */
int ks_cli_load(const char *path, struct ks_policy **policy);

/* The exit code for a result of ks_policy_load(). */
int ks_cli_load_code(int err);

/* Says once that memory is short, so that the command ends with KS_EXIT_SYSTEM; returns that. */
int ks_cli_no_memory(void);

/* malloc(3) that says so if it fails: for jansson, which leaves out parts of a value then. */
void *ks_cli_alloc(size_t size);

/* Ends the output of a command. Returns `code`, or KS_EXIT_SYSTEM with a message if not all of it could be printed. */
int ks_cli_finish(int code);

#endif
