/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens of the policy language. The lexer knows braces, commas, `=`, `>`,
 * `=>`, strings and words; everything else (addresses, endpoints such as
 * [2001:db8::1]:53, prefixes, ranges, durations, @sets, $variables, +5, 0x1f)
 * is a word, whose meaning the parser finds (policy/value.h).
 *
 * A word is a maximal run of characters other than blanks, { } , " = > and #.
 * `#` starts a comment to the end of the line. A string stands in double
 * quotes on one line; \" and \\ are its only escapes. A backslash before a
 * newline joins the lines. One lexer reads one source and is used by one
 * parser; nothing is locked.
 */
#ifndef KS_POLICY_LEX_H
#define KS_POLICY_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"

enum ks_token_kind {
	KS_TOKEN_END = 0, /* of the source; returned again and again */
	KS_TOKEN_NEWLINE, /* never twice in a row, never first, never after a comma */
	KS_TOKEN_WORD,
	KS_TOKEN_STRING, /* text is without quotes, escapes undone */
	KS_TOKEN_LBRACE,
	KS_TOKEN_RBRACE,
	KS_TOKEN_COMMA,
	KS_TOKEN_EQUALS, /* = */
	KS_TOKEN_GREATER, /* > */
	KS_TOKEN_ARROW, /* => */
	KS_TOKEN_BAD, /* already complained about */
};

struct ks_token {
	enum ks_token_kind kind;
	const char *text; /* NUL-terminated, owned by the policy's arena, lives as long as the policy */
	size_t length;
	struct ks_place place; /* of its first character */
	const char
		*variable; /* the variable whose value it is, else NULL; `place` is then where the variable is used */
};

/* A text being read; kept until the load ends, so that complaints can show its lines. */
struct ks_source {
	struct ks_source *next;
	const char *name; /* for messages, in the arena */
	const char *dir; /* where relative includes start, in the arena */
	const char *text;
	size_t length;
	char *owned; /* text to be freed with the source, or NULL */
	size_t *lines; /* offset of each line, made by the first complaint */
	size_t line_count;
	unsigned long long device, inode; /* of the file, to notice loops; 0 for text from memory */
};

struct ks_complaints; /* policy/diag.h */

struct ks_lexer {
	const struct ks_source *source;
	struct ks_complaints *complaints;
	struct ks_arena *arena;
	size_t at;
	size_t line_start;
	unsigned line;
	enum ks_token_kind last;
};

void ks_lexer_init(struct ks_lexer *lexer, const struct ks_source *source, struct ks_complaints *complaints,
		   struct ks_arena *arena);

/* Reads the next token. Characters that belong nowhere are complained about and give KS_TOKEN_BAD. */
void ks_lexer_next(struct ks_lexer *lexer, struct ks_token *token);

/* Describes a token for messages: "'word'", "the end of the line", "'{'". May write into buf; returns the text. */
const char *ks_token_describe(const struct ks_token *token, char *buf, size_t size);

#endif
