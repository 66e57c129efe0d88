/* SPDX-License-Identifier: BSD-2-Clause */
/* See output.h. */
#include "cli/output.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

static bool memory_is_short; /* and that was said */

bool ks_output_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((no && *no) || (term && strcmp(term, "dumb") == 0))
		return false;
	return isatty(fileno(out)) == 1;
}

const char *ks_colour(bool on, enum ks_colour colour)
{
	static const char *const escapes[] = {
		[KS_COLOUR_PLAIN] = "\033[0m",	 [KS_COLOUR_GREEN] = "\033[32m", [KS_COLOUR_RED] = "\033[31m",
		[KS_COLOUR_YELLOW] = "\033[33m", [KS_COLOUR_DIM] = "\033[2m",	 [KS_COLOUR_BOLD] = "\033[1m",
	};

	return on ? escapes[colour] : "";
}

enum ks_colour ks_action_colour(unsigned action)
{
	switch (action) {
	case KS_ALLOW:
		return KS_COLOUR_GREEN;
	case KS_BYPASS:
	case KS_HOLD:
		return KS_COLOUR_YELLOW;
	default:
		return KS_COLOUR_RED;
	}
}

int ks_json_print(json_t *value, FILE *out)
{
	int err;

	if (memory_is_short) { /* a part may be missing */
		json_decref(value);
		return -ENOMEM;
	}
	if (!value) {
		fprintf(stderr, "keepstate: cannot be said in JSON: a name or text is not UTF-8, or memory is short\n");
		return -EINVAL;
	}
	err = json_dumpf(value, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(value);
	return err || fputc('\n', out) == EOF ? -EIO : 0;
}

#define GRID_COLUMNS 24

/* The texts of the cells lie one behind the other, each with its end: a table may have a million rows. */
struct ks_grid {
	char format[GRID_COLUMNS + 1];
	size_t columns;
	char *text;
	size_t used, size; /* of the text */
	size_t *cells; /* where each begins */
	size_t count, room;
	size_t width[GRID_COLUMNS];
	bool no_memory; /* a cell is missing */
};

struct ks_grid *ks_grid_create(const char *format)
{
	struct ks_grid *grid = calloc(1, sizeof(*grid));

	assert(*format && strlen(format) <= GRID_COLUMNS);
	if (!grid)
		return NULL;
	strcpy(grid->format, format);
	grid->columns = strlen(format);
	return grid;
}

void ks_grid_destroy(struct ks_grid *grid)
{
	if (!grid)
		return;
	free(grid->text);
	free(grid->cells);
	free(grid);
}

/* Columns count characters, not bytes of UTF-8. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static int cells_reserve(struct ks_grid *grid)
{
	size_t room = grid->room ? grid->room * 2 : 64;
	size_t *cells;

	if (grid->count < grid->room)
		return 0;
	cells = realloc(grid->cells, room * sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	grid->cells = cells;
	grid->room = room;
	return 0;
}

static int text_reserve(struct ks_grid *grid, size_t size)
{
	size_t room = grid->size ? grid->size : 4096;
	char *text;

	while (room < grid->used + size)
		room *= 2;
	if (room == grid->size)
		return 0;
	text = realloc(grid->text, room);
	if (!text)
		return -ENOMEM;
	grid->text = text;
	grid->size = room;
	return 0;
}

void ks_grid_text(struct ks_grid *grid, const char *text)
{
	size_t size = strlen(text) + 1, *width;

	if (!grid || grid->no_memory)
		return;
	if (cells_reserve(grid) || text_reserve(grid, size)) {
		grid->no_memory = true;
		return;
	}
	width = &grid->width[grid->count % grid->columns];
	*width = KS_MAX(*width, text_width(text));
	memcpy(grid->text + grid->used, text, size);
	grid->cells[grid->count++] = grid->used;
	grid->used += size;
}

void ks_grid_cell(struct ks_grid *grid, const char *format, ...)
{
	ks_auto_free char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		ks_grid_text(grid, text);
	else if (grid)
		grid->no_memory = true;
}

void ks_grid_clear(struct ks_grid *grid)
{
	if (!grid)
		return;
	grid->used = grid->count = 0;
	memset(grid->width, 0, sizeof(grid->width));
}

static const char *cell_text(const struct ks_grid *grid, size_t row, size_t column)
{
	return grid->text + grid->cells[row * grid->columns + column];
}

/* Columns of a row up to the last one that is not empty: no row ends in blanks. */
static size_t row_columns(const struct ks_grid *grid, size_t row)
{
	size_t columns = KS_MIN(grid->columns, grid->count - row * grid->columns);

	while (columns && !*cell_text(grid, row, columns - 1))
		columns--;
	return columns;
}

static void pad(size_t count, FILE *out)
{
	while (count--)
		fputc_unlocked(' ', out);
}

static void row_print(const struct ks_grid *grid, size_t row, FILE *out)
{
	size_t columns = row_columns(grid, row);

	for (size_t column = 0; column < columns; column++) {
		const char *cell = cell_text(grid, row, column);
		size_t blanks = grid->width[column] - text_width(cell);
		bool last = column + 1 == columns, right = grid->format[column] == 'r';

		pad(right ? blanks : 0, out);
		fputs_unlocked(cell, out);
		pad((right || last ? 0 : blanks) + (last ? 0 : 2), out);
	}
	fputc_unlocked('\n', out);
}

void ks_grid_print(const struct ks_grid *grid, FILE *out)
{
	if (!grid || grid->no_memory) {
		ks_cli_no_memory();
		return;
	}
	for (size_t row = 0; row * grid->columns < grid->count; row++)
		row_print(grid, row, out);
}

const char *ks_bytes_text(uint64_t bytes, char buf[KS_NUMBER_TEXT])
{
	static const char units[] = " kMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(buf, KS_NUMBER_TEXT, "%u B", (unsigned)bytes);
		return buf;
	}
	for (; value >= 999.95; value /= 1000)
		unit++;
	snprintf(buf, KS_NUMBER_TEXT, "%.1f %cB", value, units[unit]);
	return buf;
}

const char *ks_number_text(uint64_t number, char buf[KS_NUMBER_TEXT])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number), n = 0;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			buf[n++] = ',';
		buf[n++] = digits[i];
	}
	buf[n] = 0;
	return buf;
}

const char *ks_span_text(uint64_t ms, char buf[KS_NUMBER_TEXT])
{
	static const struct {
		uint64_t seconds;
		char name;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t seconds = ms / 1000;
	int n = 0;

	if (ms % 1000 && seconds < 60) {
		snprintf(buf, KS_NUMBER_TEXT, "%u.%03us", (unsigned)seconds, (unsigned)(ms % 1000));
		return buf;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t count = seconds / units[i].seconds;

		seconds %= units[i].seconds;
		if (count)
			n += snprintf(buf + n, (size_t)(KS_NUMBER_TEXT - n), "%llu%c", (unsigned long long)count,
				      units[i].name);
	}
	if (!n)
		strcpy(buf, "0s");
	return buf;
}

int ks_cli_load_code(int err)
{
	if (!err)
		return KS_EXIT_OK;
	return err == -EINVAL || err == -ENOENT || err == -EISDIR ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
}

int ks_cli_load(const char *path, struct ks_policy **policy)
{
	ks_auto_diags struct ks_diags diags = { 0 };
	int err = ks_policy_load(path, policy, &diags);

	ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	if (err && err != -EINVAL)
		fprintf(stderr, "keepstate: %s: %s\n", path, strerror(-err));
	return ks_cli_load_code(err);
}

int ks_cli_no_memory(void)
{
	if (!memory_is_short)
		fprintf(stderr, "keepstate: %s\n", strerror(ENOMEM));
	memory_is_short = true;
	return KS_EXIT_SYSTEM;
}

void *ks_cli_alloc(size_t size)
{
	void *memory = malloc(size);

	if (!memory)
		ks_cli_no_memory();
	return memory;
}

int ks_cli_finish(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "keepstate: cannot write the output: %s\n", strerror(errno));
		return KS_EXIT_SYSTEM;
	}
	return memory_is_short ? KS_EXIT_SYSTEM : code;
}
