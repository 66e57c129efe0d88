/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of address translation that need the zones and sets; see translate.c. */
#ifndef KS_POLICY_TRANSLATE_H
#define KS_POLICY_TRANSLATE_H

#include "policy/ast.h"
#include "policy/parse.h"

void ks_translation_check(struct ks_parser *p, struct ks_ast_rule *rule);

/* The zone of a target: as the text says, or by the zones' networks; KS_ZONE_UNKNOWN when neither tells. */
__u8 ks_translation_zone(const struct ks_policy *policy, const struct ks_ast_translation *translation,
			 const struct ks_ast_target *target);

#endif
