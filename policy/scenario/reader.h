/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader over the tokens of one line of a test. It complains once at most:
 * after an error, its functions return -EINVAL and say nothing more.
 */
#ifndef KS_POLICY_SCENARIO_READER_H
#define KS_POLICY_SCENARIO_READER_H

#include "policy/arena.h"
#include "policy/diag.h"
#include "policy/lex.h"
#include "policy/scenario/scenario.h"

/* A conversation of a test that has a name: what `c` stands for. */
struct ks_named_conversation {
	struct ks_named_conversation *next;
	const char *name;
	struct ks_packet_spec spec; /* a packet from its left end */
};

/* The tokens of a line. */
struct ks_line {
	struct ks_token *tokens;
	size_t count;
};

struct ks_reader {
	const struct ks_ast *ast; /* NULL for a packet alone */
	const struct ks_policy *policy;
	struct ks_arena *arena;
	struct ks_complaints *complaints;
	struct ks_named_conversation *conversations;
	struct ks_line line;
	size_t at;
	bool zones_needed; /* a packet must say where it goes */
	int error; /* 0, -EINVAL after the complaint, -ENOMEM */
};

/* The next token; at the end of the line one of kind KS_TOKEN_END. */
const struct ks_token *ks_reader_peek(const struct ks_reader *reader);
const struct ks_token *ks_reader_next(struct ks_reader *reader);
bool ks_reader_is_word(const struct ks_reader *reader, const char *word);
bool ks_reader_accept_word(struct ks_reader *reader, const char *word);
bool ks_reader_accept(struct ks_reader *reader, enum ks_token_kind kind);

/* Complains about the next token: "expected WHAT, found TOKEN". Returns -EINVAL. */
int ks_reader_expected(struct ks_reader *reader, const char *what);

/* Complains in other words, about the next token or the one before. Return -EINVAL. */
int ks_reader_complain(struct ks_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ks_reader_complain_last(struct ks_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes that memory ran out. Returns -ENOMEM. */
int ks_reader_no_memory(struct ks_reader *reader);

/* Consumes a number in bounds; complains otherwise, with `what` as for ks_reader_expected(). */
int ks_reader_number(struct ks_reader *reader, __u64 lo, __u64 hi, const char *what, __u64 *number);

/* Consumes bytes: "text", in which \r, \n, \t and \x7f stand for such bytes, or hex "0a0b". */
int ks_reader_bytes(struct ks_reader *reader, __u8 **data, size_t *length);

/* Complains unless the line ends here. */
int ks_reader_end(struct ks_reader *reader);

/* The conversation of a name, or NULL. */
struct ks_named_conversation *ks_reader_conversation(const struct ks_reader *reader, const char *name);

#endif
