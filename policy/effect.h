/* SPDX-License-Identifier: BSD-2-Clause */
/* Effects of rules in the text: `add source to @set`, `timeout`, `mss`, `set`, `asymmetric` (core/effect.h); see effect.c. */
#ifndef KS_POLICY_EFFECT_H
#define KS_POLICY_EFFECT_H

#include "policy/ast.h"
#include "policy/compile.h"
#include "policy/parse.h"

/* The effects of a rule as they are written. */
struct ks_ast_effects {
	struct ks_name add[KS_EFFECT_ENDS]; /* the sets that addresses come into, text NULL without one */
	__u64 hold[KS_EFFECT_ENDS]; /* ms that they stay there; 0: not given */
	__u64 timeout; /* ms, 0: not given */
	__u16 mss; /* as of struct ks_effects, 0: not given */
	__u32 mark[2], mark_mask[2]; /* by enum ks_dir; mask 0: not given */
	__u8 dscp[2]; /* by enum ks_dir: a code point and 1, 0: not given */
	bool asymmetric;
};

/* Returns true for a word that begins an effect. */
bool ks_is_effect(const char *word);

/* Reads what stands behind `mss`: a number, or `mtu`. Returns 0, or -EINVAL after a complaint. */
int ks_parse_mss(struct ks_parser *p, __u16 *mss);

/* "1452" or "mtu"; returns buf. */
#define KS_MSS_TEXT 8
const char *ks_mss_text(unsigned mss, char buf[KS_MSS_TEXT]);

/* Reads an effect behind its first word, the token. Returns 0, -errno after a complaint, or 1 if the word begins none. */
int ks_parse_effect(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token);

void ks_effects_check(struct ks_parser *p, const struct ks_ast_rule *rule);

/* Makes the entry of the rule with this id, and *bits of what it has. Returns 0 or -ENOMEM. */
int ks_compile_effects(struct ks_compiler *c, const struct ks_ast_rule *rule, __u32 id, __u8 *bits);

/* Prints them, a blank before each. */
void ks_effects_print(const struct ks_ast_rule *rule, FILE *out);

#endif
