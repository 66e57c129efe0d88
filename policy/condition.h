/* SPDX-License-Identifier: BSD-2-Clause */
/* Further conditions of rules in the text: TCP flags, TTL, length and others (core/match.h); see condition.c. */
#ifndef KS_POLICY_CONDITION_H
#define KS_POLICY_CONDITION_H

#include "policy/dscp.h"
#include "policy/ast.h"
#include "policy/cgroup.h"
#include "policy/compile.h"
#include "policy/during.h"
#include "policy/parse.h"

/* The conditions of a rule as they are written. */
struct ks_ast_conditions {
	__u16 asks, nots; /* a bit for each that there is, and for each that is negated */
	struct ks_place place[KS_CONDITION_MAX]; /* of the word that begins it */
	struct ks_items numbers[KS_CONDITION_MAX]; /* of those that ask for numbers */
	__u8 tcp_flags, tcp_mask;
	__u8 ip_options;
	__u64 dscp; /* a bit for each code point */
	struct ks_ast_during during;
	struct ks_ast_cgroups cgroups;
	__u32 mark_mask;
	bool has_mask; /* a mark was read, and with it the mask of all */
};

/* Reads a condition behind its first word, the token. Returns 0, -errno after a complaint, or 1 if the word begins none. */
int ks_parse_condition(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token);

void ks_conditions_check(struct ks_parser *p, const struct ks_ast_rule *rule);

/* Finds or makes the entry of the table for the rule's conditions: *index, 0 without any. Returns 0, -EINVAL or -ENOMEM. */
int ks_compile_conditions(struct ks_compiler *c, const struct ks_ast_rule *rule, __u16 *index);

/* Returns true if the rule has a condition that nobody can answer when the packet which opened the flow is gone. */
bool ks_conditions_may_miss(const struct ks_compiler *c, const struct ks_ast_rule *rule);

/* Prints them, a blank before each. Returns 0 or -ENOMEM. */
int ks_conditions_print(struct ks_ast *ast, const struct ks_ast_rule *rule, FILE *out);

/* Prints what stands behind `ip-option`. */
void ks_print_option_condition(__u8 options, FILE *out);

/* Read the numbers behind these words (number.c). Return 0 or -errno. */
int ks_read_ttl(struct ks_parser *p, struct ks_ast_conditions *conditions);
int ks_read_length(struct ks_parser *p, struct ks_ast_conditions *conditions);
int ks_read_mark(struct ks_parser *p, struct ks_ast_conditions *conditions);
int ks_read_mac(struct ks_parser *p, struct ks_ast_conditions *conditions);
int ks_read_user(struct ks_parser *p, struct ks_ast_conditions *conditions);

/* Reads the code points behind `dscp`, and prints them (dscp.c). */
int ks_read_dscp(struct ks_parser *p, struct ks_ast_conditions *conditions);
void ks_print_dscp(__u64 dscp, FILE *out);

/* Complains about a word that is none. Returns -EINVAL. */
int ks_dscp_unknown(struct ks_parser *p, const struct ks_token *token);

/* "SA" of the flags of TCP. Returns buf. */
#define KS_FLAGS_TEXT 9
const char *ks_tcp_flags_letters(unsigned flags, char buf[KS_FLAGS_TEXT]);

/* "02:00:5e:10:00:01" of a number whose highest byte is the first. Returns buf. */
#define KS_MAC_TEXT 18
const char *ks_mac_text(__u64 mac, char buf[KS_MAC_TEXT]);

#endif
