/* SPDX-License-Identifier: BSD-2-Clause */
/* Complaints, kept with the line they are about and printed with a caret; see diag.h. */
#include "policy/diag.h"
#include "text/plural.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_WORD \
	3U /* a word of so few letters with another first letter is another word: `wan` is no slip for `lan` */
#define EXCERPT_MAX 4096U /* of a line of text, kept */
#define EXCERPT_SHOWN 160U /* printed around the place */

void ks_source_destroy_all(struct ks_source *sources)
{
	struct ks_source *next;

	for (; sources; sources = next) {
		next = sources->next;
		free(sources->lines);
		free(sources->owned);
		free(sources);
	}
}

/* Finds where the lines of a source start; without memory there are no excerpts. */
static void index_lines(struct ks_source *source)
{
	size_t count = 1, line = 0;

	for (size_t i = 0; i < source->length; i++)
		count += source->text[i] == '\n';
	source->lines = malloc(count * sizeof(*source->lines));
	if (!source->lines)
		return;
	source->line_count = count;
	source->lines[line++] = 0;
	for (size_t i = 0; i < source->length; i++) {
		if (source->text[i] == '\n')
			source->lines[line++] = i + 1;
	}
}

static char *copy_line(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	for (size_t i = 0; i < length; i++)
		copy[i] = (unsigned char)text[i] >= 0x20 || text[i] == '\t' ? text[i] : ' ';
	copy[length] = '\0';
	return copy;
}

/* The line of a place, without control characters; NULL if its source is not known. */
static char *take_excerpt(struct ks_source *source, const struct ks_place *place)
{
	size_t start, end;

	while (source && source->name != place->file)
		source = source->next;
	if (!source)
		return NULL;
	if (!source->lines)
		index_lines(source);
	if (!place->line || place->line > source->line_count)
		return NULL;
	start = source->lines[place->line - 1];
	end = place->line < source->line_count ? source->lines[place->line] - 1 : source->length;
	if (end - start > EXCERPT_MAX)
		end = start + EXCERPT_MAX;
	return copy_line(source->text + start, end - start);
}

/* Returns true if there is room for one more complaint of this kind; counts it in any case. */
static bool has_room(struct ks_complaints *complaints, bool warning)
{
	if (warning)
		return complaints->warnings++ < KS_DIAG_WARNINGS_MAX;
	return complaints->diags->errors++ < KS_DIAG_ERRORS_MAX;
}

/* Replaces control characters, which must not reach a terminal. */
static void clean(char *message)
{
	for (; *message; message++) {
		if ((unsigned char)*message < 0x20 || *message == 0x7f)
			*message = '?';
	}
}

int ks_diags_add(struct ks_diags *diags, const struct ks_diag *diag)
{
	struct ks_diag *list = realloc(diags->list, (diags->count + 1) * sizeof(*list));
	struct ks_diag own = *diag;

	if (list)
		diags->list = list;
	own.place.file = strdup(diag->place.file ? diag->place.file : "");
	if (!list || !own.place.file) {
		free((char *)own.place.file);
		free(own.message);
		free(own.excerpt);
		return -ENOMEM;
	}
	clean(own.message);
	list[diags->count++] = own;
	return 0;
}

void ks_complain_v(struct ks_complaints *complaints, const struct ks_place *place, bool warning, const char *format,
		   va_list args)
{
	struct ks_diags *diags = complaints->diags;
	struct ks_diag diag = { .place = *place, .warning = warning };
	struct ks_diag *list;

	if (!has_room(complaints, warning))
		return;
	list = realloc(diags->list, (diags->count + 1) * sizeof(*list));
	if (!list) {
		complaints->no_memory = true;
		return;
	}
	diags->list = list;
	diag.place.file = strdup(place->file ? place->file : "");
	diag.excerpt = take_excerpt(complaints->sources, place);
	if (vasprintf(&diag.message, format, args) < 0)
		diag.message = NULL;
	if (!diag.place.file || !diag.message)
		complaints->no_memory = true;
	if (diag.message)
		clean(diag.message);
	list[diags->count++] = diag;
}

void ks_complain(struct ks_complaints *complaints, const struct ks_place *place, bool warning, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	ks_complain_v(complaints, place, warning, format, args);
	va_end(args);
}

/* The position of a complaint's file in the order of reading. */
static size_t file_rank(const struct ks_source *sources, const struct ks_diag *diag)
{
	size_t rank = 0;

	while (sources && strcmp(sources->name, diag->place.file ? diag->place.file : "") != 0)
		sources = sources->next;
	for (; sources; sources = sources->next)
		rank++;
	return rank;
}

static bool is_before(const struct ks_source *sources, const struct ks_diag *a, const struct ks_diag *b)
{
	size_t rank_a = file_rank(sources, a), rank_b = file_rank(sources, b);

	if (rank_a != rank_b)
		return rank_a < rank_b;
	return a->place.line != b->place.line ? a->place.line < b->place.line : a->place.column < b->place.column;
}

void ks_complaints_sort(struct ks_complaints *complaints)
{
	struct ks_diag *list = complaints->diags->list;

	for (size_t i = 1; i < complaints->diags->count; i++) {
		struct ks_diag diag = list[i];
		size_t at = i;

		for (; at > 0 && is_before(complaints->sources, &diag, &list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = diag;
	}
}

void ks_diags_fini(struct ks_diags *diags)
{
	for (size_t i = 0; i < diags->count; i++) {
		free((char *)diags->list[i].place.file);
		free(diags->list[i].message);
		free(diags->list[i].excerpt);
	}
	free(diags->list);
	*diags = (struct ks_diags){ 0 };
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Prints the line around the column, and a caret below it; tabs are kept so that both line up. */
static void print_excerpt(const struct ks_diag *diag, FILE *out, bool colour)
{
	size_t length = strlen(diag->excerpt);
	size_t caret = diag->place.column ? diag->place.column - 1 : 0;
	size_t start = caret > EXCERPT_SHOWN / 2 && length > EXCERPT_SHOWN ? caret - EXCERPT_SHOWN / 2 : 0;

	if (caret > length)
		return;
	while (start < caret && is_continuation(diag->excerpt[start]))
		start++;
	fprintf(out, "    %.*s\n    ", (int)EXCERPT_SHOWN, diag->excerpt + start);
	for (size_t i = start; i < caret; i++) {
		if (!is_continuation(diag->excerpt[i]))
			fputc(diag->excerpt[i] == '\t' ? '\t' : ' ', out);
	}
	fputs(colour ? "\033[1;32m^\033[0m\n" : "^\n", out);
}

const char *ks_diag_severity(const struct ks_diag *diag)
{
	if (diag->note)
		return "note";
	return diag->warning ? "warning" : "error";
}

static void print_diag(const struct ks_diag *diag, FILE *out, bool colour)
{
	const char *kind = ks_diag_severity(diag);
	const char *paint = diag->note ? "\033[1;36m" : diag->warning ? "\033[1;35m" : "\033[1;31m";

	fprintf(out, "%s:", diag->place.file ? diag->place.file : "?");
	if (diag->place.line) /* else it is about the file as a whole */
		fprintf(out, "%u:%u:", diag->place.line, diag->place.column);
	fprintf(out, " %s%s:%s %s\n", colour ? paint : "", kind, colour ? "\033[0m" : "",
		diag->message ? diag->message : "out of memory");
	if (diag->excerpt)
		print_excerpt(diag, out, colour);
}

void ks_diags_print(const struct ks_diags *diags, FILE *out, bool colour)
{
	for (size_t i = 0; i < diags->count; i++)
		print_diag(&diags->list[i], out, colour);
	if (diags->errors > KS_DIAG_ERRORS_MAX)
		fprintf(out, "%zu more error%s not shown\n", diags->errors - KS_DIAG_ERRORS_MAX,
			diags->errors - KS_DIAG_ERRORS_MAX == 1 ? " is" : "s are");
}

/* Capitals are no edit. */
static bool same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; both shorter than 32. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned rows[3][33];
	size_t la = strlen(a), lb = strlen(b);

	for (size_t j = 0; j <= lb; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned *now = rows[i % 3], *before = rows[(i + 2) % 3], *earlier = rows[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = KS_MIN(before[j], now[j - 1]) + 1;
			now[j] = KS_MIN(now[j], before[j - 1] + !same_letter(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
				now[j] = KS_MIN(now[j], earlier[j - 2] + 1);
		}
	}
	return rows[la % 3][lb];
}

const char *ks_nearest(const char *word, const char *const *names, size_t count)
{
	size_t length = strlen(word);
	unsigned best = length < 5   ? 1
			: length < 8 ? 2
				     : 3; /* at most this many edits, and fewer than the word has letters */
	const char *nearest = NULL;

	if (!length || length > 32)
		return NULL;
	best = KS_MIN(best, (unsigned)length - 1) + 1;
	for (size_t i = 0; i < count; i++) {
		unsigned distance;

		if (strlen(names[i]) > 32 || (length <= SHORT_WORD && !same_letter(word[0], names[i][0])))
			continue;
		distance = edit_distance(word, names[i]);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}
