/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assertions of tests in the text, `never wan > lan tcp port 22`: zones, and the conditions of rules. They are read and
 * checked as rules are; who runs the test gets their words (policy/scenario/scenario.h).
 */
#ifndef KS_POLICY_ASSERTION_H
#define KS_POLICY_ASSERTION_H

#include "policy/parse.h"

/* Returns true for a word that begins one. */
bool ks_is_assertion(const struct ks_token *token);

/* Reads one behind its first word, up to the end of its line. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_parse_assertion(struct ks_parser *p);

#endif
