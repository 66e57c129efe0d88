/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser: text to syntax tree. It resolves variables and includes (both
 * are gone from the tree) and nothing else: zones and sets are still names,
 * which policy/check.c looks up when all of the text is known.
 *
 * Statements are lines. A newline inside the braces of a list, or after a
 * comma, does not count. An error is reported where it stands, the rest of
 * that statement is skipped, and parsing goes on.
 *
 * For policy/scenario/scenario.c: ks_test_parse(p) is called with the word `test` consumed
 * (ks_parser_last(p) is it), so the next token is the name. Inside its body
 * newlines are tokens; it leaves the closing brace consumed. Memory comes from
 * p->arena. What needs zones (they may stand further down) is checked in a
 * function given to ks_parser_defer(), called when p->policy->zones is filled.
 * When it returns nonzero, the parser skips to the end of the block.
 */
#ifndef KS_POLICY_PARSE_H
#define KS_POLICY_PARSE_H

#include "text/scoped.h"
#include "policy/arena.h"
#include "policy/diag.h"
#include "policy/index.h"
#include "policy/lex.h"

#define KS_INCLUDE_DEPTH_MAX 16
#define KS_NESTING_MAX 16 /* braces within braces, sets within sets */
#define KS_FILE_SIZE_MAX (64U << 20)
#define KS_READ_MAX (256U << 20) /* bytes of all files together */
#define KS_FILES_MAX 1024U
#define KS_VALUES_MAX (1U << 20) /* entries of all sets and lists together */
#define KS_EXPANSION_MAX (1U << 20) /* tokens put in by variables */
#define KS_SETS_MAX 65536U
#define KS_RANGES_MAX (4U << 20) /* of all sets, after merging */
#define KS_NAME_MAX 31 /* characters of a name */
#define KS_LABEL_MAX 127

struct ks_ast; /* policy/ast.h */
struct ks_variable;
struct ks_parser;

/* Called after the zones are known. Complains through the parser; returns 0 or -errno. */
typedef int ks_parser_deferred_fn(struct ks_parser *p, void *arg);

struct ks_deferred {
	struct ks_deferred *next;
	ks_parser_deferred_fn *fn;
	void *arg;
};

struct ks_parser {
	struct ks_policy *policy; /* being made */
	struct ks_arena *arena; /* of the policy */
	struct ks_arena *scratch; /* of the tree and whatever else only the load needs */
	struct ks_complaints complaints;
	struct ks_lexer *lexer; /* of the innermost include */
	struct ks_ast *ast;

	struct ks_token token; /* the next one, when has_token */
	struct ks_token last; /* the latest that was consumed */
	bool has_token;
	bool line_start; /* the next token is the first of its line */
	unsigned lists; /* braces of lists that are open: newlines do not count */
	bool strings; /* the entries of the list in hand are strings */
	unsigned blocks; /* braces that are open, of lists and blocks */

	bool at_statement; /* a brace that was never closed was given up at the statement that is next: nothing is to be skipped */

	struct ks_variable *variables;
	size_t variable_count;
	struct ks_index variable_index;
	const struct ks_token *replay; /* the rest of the value that is being put in */
	size_t replay_count;
	struct ks_place replay_place;
	const char *replay_name;
	size_t expanded;

	unsigned include_depth;
	const struct ks_source *including[KS_INCLUDE_DEPTH_MAX];
	size_t values; /* entries so far */
	unsigned set_depth; /* sets within sets, while they are resolved */
	size_t files; /* read so far */
	size_t read; /* bytes of all files */
	bool no_files; /* text from memory without a directory: nothing is read */

	struct ks_deferred *deferred; /* in the order of the text */
	struct ks_deferred **deferred_end;
	struct ks_token *record; /* tokens of the test being read, for the normal form */
	size_t record_count;
	bool recording;
};

/* The next token, not consumed. Variables are replaced by their value. */
const struct ks_token *ks_parser_peek(struct ks_parser *p);

/* Consumes the next token; the pointer is good until the next call. */
const struct ks_token *ks_parser_next(struct ks_parser *p);

/* The token consumed last. */
const struct ks_token *ks_parser_last(const struct ks_parser *p);

/* Returns true if the next token is of this kind, or this word. */
bool ks_parser_is(struct ks_parser *p, enum ks_token_kind kind);
bool ks_parser_is_word(struct ks_parser *p, const char *word);

/* The same, and consumes it if so. */
bool ks_parser_accept(struct ks_parser *p, enum ks_token_kind kind);
bool ks_parser_accept_word(struct ks_parser *p, const char *word);

/*
 * Consumes a token of this kind into *token (may be NULL). Otherwise complains
 * "expected <what>, found <token>", with a `what` such as "a zone name",
 * consumes nothing and returns -EINVAL.
 */
int ks_parser_expect(struct ks_parser *p, enum ks_token_kind kind, const char *what, struct ks_token *token);

/* Expects the end of the statement: a newline (consumed), the end, or a closing brace (left). */
int ks_parser_expect_end(struct ks_parser *p);

/* Skips newlines. */
void ks_parser_skip_newlines(struct ks_parser *p);

/*
 * Skips the rest of the statement after an error: past the newline, but not
 * past the brace that closes the block in which it is called.
 */
void ks_parser_recover(struct ks_parser *p);

/* Skips to behind the brace that leaves `outer` braces open, after an error inside. */
void ks_parser_skip_block(struct ks_parser *p, unsigned outer);

/* Complains about a token, `offset` characters inside it, or about a place. Returns -EINVAL. */
int ks_parser_error(struct ks_parser *p, const struct ks_token *token, size_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int ks_parser_error_at(struct ks_parser *p, const struct ks_place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void ks_parser_warn_at(struct ks_parser *p, const struct ks_place *place, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* " (did you mean 'x'?)" for the nearest of the names, or "". In the policy's arena. */
const char *ks_did_you_mean(struct ks_parser *p, const char *before, const char *word, const char *const *names,
			    size_t count);

/* Remembers fn to be called when zones and rules are checked, in the order of the calls. Returns 0 or -ENOMEM. */
int ks_parser_defer(struct ks_parser *p, ks_parser_deferred_fn *fn, void *arg);

/* Notes that memory ran out. Returns -ENOMEM. */
int ks_parser_no_memory(struct ks_parser *p);

/* Reads one source, and what it includes, into p->ast. Returns 0 (errors are in the complaints) or -ENOMEM. */
int ks_parser_read(struct ks_parser *p, const struct ks_source *source);

#endif
