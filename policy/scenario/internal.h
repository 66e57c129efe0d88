/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files policy/test*.c share: a reader over the tokens of one line.
 * A reader complains at most once and then only says -EINVAL, so that a line
 * never gets two complaints.
 */
#ifndef KS_POLICY_SCENARIO_INTERNAL_H
#define KS_POLICY_SCENARIO_INTERNAL_H

#include "policy/arena.h"
#include "policy/diag.h"
#include "policy/lex.h"
#include "policy/scenario/scenario.h"

/* A named conversation of a test: what `c` stands for. */
struct ks_named_conversation {
	struct ks_named_conversation *next;
	const char *name;
	struct ks_packet_spec spec; /* from its left end */
};

/* The tokens of a line. */
struct ks_line {
	struct ks_token *tokens;
	size_t count;
};

struct ks_reader {
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
/* Complains in other words, at the next token or the one before. Returns -EINVAL. */
int ks_reader_complain(struct ks_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ks_reader_complain_last(struct ks_reader *reader, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ks_reader_no_memory(struct ks_reader *reader);

/* A number in bounds, consumed; complains otherwise. */
int ks_reader_number(struct ks_reader *reader, __u64 lo, __u64 hi, const char *what, __u64 *number);
/* Bytes: "text", in which \r, \n, \t and \x7f stand for such bytes, or hex "0a0b". */
int ks_reader_bytes(struct ks_reader *reader, __u8 **data, size_t *length);
int ks_reader_end(struct ks_reader *reader);

struct ks_named_conversation *ks_reader_conversation(const struct ks_reader *reader, const char *name);

/* Parses a packet up to `=>` or the end of the line (policy/scenario/packet.c). */
int ks_packet_spec_parse(struct ks_reader *reader, struct ks_packet_spec *spec);
/* Parses the words behind the ends and the protocol. */
int ks_packet_spec_parse_words(struct ks_reader *reader, struct ks_packet_spec *spec);
/* Turns a packet round: the other end sends. */
void ks_packet_spec_reverse(struct ks_packet_spec *spec);
/* Adds a word. Returns it, or NULL without memory. */
struct ks_mod *ks_packet_spec_add(struct ks_reader *reader, struct ks_packet_spec *spec, enum ks_mod_kind kind);

/* Parses what stands behind `=>`; without it, expects allow (policy/scenario/expect.c). */
int ks_expect_parse(struct ks_reader *reader, struct ks_expect *expect);
void ks_expect_init(struct ks_expect *expect);

/* Tables of words (policy/scenario/words.c). */
struct ks_mod_info {
	const char *word;
	__u8 arg; /* enum ks_mod_arg */
	__u64 lo, hi;
	unsigned where; /* KS_FOR_* */
	const char *text;
};

extern const struct ks_mod_info ks_mod_infos[KS_MOD_MAX];
int ks_mod_from_word(const char *word); /* -1 if it is none */
int ks_tcp_flag_from_word(const char *word); /* the bit, 0 for `none`, -1 */
/* Type of an ICMP (family 4) or ICMPv6 message by name; -1. */
int ks_icmp_type_from_word(const char *word, unsigned family);
int ks_icmp_code_from_word(const char *word, unsigned family);
/* Bytes of an IPv4 option by name; 0 if it is none. */
size_t ks_ip_option_from_word(const char *word, const __u8 **data);
/* Type of an SCTP chunk, or of a DCCP packet, by name; -1. */
int ks_chunk_from_word(const char *word);
int ks_dccp_type_from_word(const char *word);
/* The kind of entries that `expect records` counts; -1. */
int ks_kind_from_word(const char *word);
/* Number of an IPv6 extension header by name; -1. */
int ks_extension_from_word(const char *word);
/* The nearest word that could stand behind the protocol, for complaints; NULL. */
const char *ks_packet_word_nearest(const char *word);

/* Parses what a word takes (policy/scenario/args.c). */
int ks_mod_argument_parse(struct ks_reader *reader, const struct ks_mod_info *info, struct ks_mod *mod);
/* A TCP number: 101, -5, next, next+5. Returns 0 or -EINVAL. */
int ks_seq_value(const char *text, struct ks_mod *mod);

#endif
