/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Variables: `$name = value`, where the value is a word, a string or a list in
 * braces; `$name` puts it in wherever a value may stand, also with something
 * behind it in the same word ($server:53). A variable in the value of another is
 * expanded when that is defined, so values never contain variables.
 */
#ifndef KS_POLICY_VARIABLE_H
#define KS_POLICY_VARIABLE_H

#include "policy/parse.h"

struct ks_variable {
	const char *name;
	struct ks_place place;
	struct ks_token *tokens;
	size_t token_count;
};

/* Reads the rest of `$name = value`; `name` is the token with the dollar. Returns 0, -EINVAL or -ENOMEM. */
int ks_variable_define(struct ks_parser *p, const struct ks_token *name);

/* Replaces p->token, a word with a dollar, by the variable's tokens: they are read next. Returns 0, -EINVAL or -ENOMEM. */
int ks_variable_use(struct ks_parser *p);

#endif
