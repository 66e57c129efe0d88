/* SPDX-License-Identifier: BSD-2-Clause */
/* Words that stand where they mean nothing: what their writer meant; see stray.c. */
#ifndef KS_POLICY_STRAY_H
#define KS_POLICY_STRAY_H

#include "policy/ast.h"
#include "policy/parse.h"
#include "text/names.h"

/*
 * Complain about a word that is no clause of a rule (`expected` lists those), no address, or no port. The complaint waits
 * until zones and sets are known, because their names stand in wrong places most often. Each returns -EINVAL or -ENOMEM.
 */
int ks_stray_clause(struct ks_parser *p, const struct ks_token *token, const char *expected);
int ks_stray_address(struct ks_parser *p, const struct ks_token *token);
int ks_stray_port(struct ks_parser *p, const struct ks_token *token);

/* Complains about values with a comma and no braces, which is the next token. Returns -EINVAL. */
int ks_stray_comma(struct ks_parser *p);

/* Complains about a name in the place of a zone, behind `clause`. Where only zones with interfaces stand, `own` is true. */
int ks_stray_zone(struct ks_parser *p, const struct ks_name *name, const char *clause, bool own);

/* Splits "10.0.0.5:8443"; returns true if the word is an address with a port behind it. */
bool ks_stray_endpoint(const char *word, char address[KS_ADDR_TEXT], __u16 *port);

/* "80-90" of "80:90", in the policy's arena; NULL if the word is no such range, or without memory. */
const char *ks_stray_range(struct ks_parser *p, const char *word);

#endif
