/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines and words of texts that shells read; see words.c. */
#ifndef KS_IMPORT_WORDS_H
#define KS_IMPORT_WORDS_H

#include "import/ruleset.h"

#define KS_LINE_WORDS 512U

/* A line as words: quotes are gone, and so is a comment behind '#'. */
struct ks_words_line {
	char *word[KS_LINE_WORDS];
	unsigned count, at;
};

/* The lines of a text, one after the other. */
struct ks_lines {
	const char *next, *end;
	unsigned number;
};

void ks_lines_begin(struct ks_lines *lines, const char *text, size_t length);

/*
 * The next line, with those that a backslash joins to it; import->line and import->text become it. Returns 1, 0 at the end of the
 * text, -ENOMEM or -EINVAL.
 */
int ks_lines_next(struct ks_lines *lines, struct ks_import *import, struct ks_words_line *words);

/* A part of a line as words. Returns 0, -ENOMEM or -EINVAL. */
int ks_words_split(struct ks_import *import, const char *text, size_t length, struct ks_words_line *words);

/* The word that comes, or NULL; and the same, gone past. */
const char *ks_words_peek(const struct ks_words_line *words);
const char *ks_words_take(struct ks_words_line *words);

/* "80", or "80:90", ":90", "80-90" with `dash` between. Returns 0 or -EINVAL. */
int ks_word_ports(const char *word, char dash, __u32 max, __u32 *low, __u32 *high);

/* "0x10" or "0x10/0xff", with numbers up to `all`, which is the mask without one. Returns 0 or -EINVAL. */
int ks_word_masked(const char *word, __u32 all, __u32 *number, __u32 *mask);

/* The code point of a name or number such as "EF"; -1 for none. */
int ks_word_dscp(const char *word);

/* "a,b,c" from one comma to the next: copies a part to buf, and sets *rest to what follows, NULL at the end. */
void ks_word_part(const char **rest, char separator, char *buf, size_t size);

#endif
