/* SPDX-License-Identifier: BSD-2-Clause */
/* Effects of rules in the text: `add source to @set`, `timeout` (core/effect.h); see effect.c. */
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
};

/* Reads an effect behind its first word, the token. Returns 0, -errno after a complaint, or 1 if the word begins none. */
int ks_parse_effect(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token);

void ks_effects_check(struct ks_parser *p, const struct ks_ast_rule *rule);

/* Makes the entry of the rule with this id, and *bits of what it has. Returns 0 or -ENOMEM. */
int ks_compile_effects(struct ks_compiler *c, const struct ks_ast_rule *rule, __u32 id, __u8 *bits);

/* Prints them, a blank before each. */
void ks_effects_print(const struct ks_ast_rule *rule, FILE *out);

#endif
