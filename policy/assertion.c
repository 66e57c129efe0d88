/* SPDX-License-Identifier: BSD-2-Clause */
/* See assertion.h. */
#include "policy/assertion.h"

#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/rule.h"

bool ks_is_assertion(const struct ks_token *token)
{
	return token->kind == KS_TOKEN_WORD &&
	       (strcmp(token->text, "never") == 0 || strcmp(token->text, "always") == 0);
}

/* Keeps it, so that it is checked when all zones and sets are known. */
static int assertion_keep(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	struct ks_ast *ast = p->ast;
	struct ks_ast_rule *list = ks_arena_grow(p->scratch, ast->assertions, ast->assertion_count, sizeof(*list));

	if (!list)
		return ks_parser_no_memory(p);
	ast->assertions = list;
	list[ast->assertion_count++] = *rule;
	return 0;
}

int ks_parse_assertion(struct ks_parser *p)
{
	struct ks_ast_rule rule = {
		.place = ks_parser_last(p)->place,
		.statement = KS_STATEMENT_RULE,
		.action = KS_ALLOW,
		.is_assertion = true,
	};
	int err = ks_parse_zones(p, "from", &rule.has_from, &rule.from);

	if (!err)
		err = ks_parser_expect(p, KS_TOKEN_GREATER, "'>' and zones", NULL);
	if (!err)
		err = ks_parse_zones(p, "to", &rule.has_to, &rule.to);
	if (!err)
		err = ks_parse_clauses(p, &rule);
	if (!err && (rule.effects || rule.limit_count || rule.log))
		err = ks_parser_error_at(p, &rule.place,
					 "an assertion says which packets it is about: expected conditions only, and "
					 "nothing that becomes of packets, such as limit, log, add or timeout");
	return err ? err : assertion_keep(p, &rule);
}
