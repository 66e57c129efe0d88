/* SPDX-License-Identifier: BSD-2-Clause */
/* Effects of rules; see effect.h. */
#include "policy/effect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/limit.h"
#include "policy/list.h"
#include "policy/rule.h"
#include "policy/value.h"

static const char *const ends[KS_EFFECT_ENDS] = {
	[KS_EFFECT_SOURCE] = "source", [KS_EFFECT_DESTINATION] = "destination"
};

/* --- reading --- */

/* The effects of the rule, made with its first one; NULL without memory. */
static struct ks_ast_effects *effects_of(struct ks_parser *p, struct ks_ast_rule *rule)
{
	if (!rule->effects) {
		rule->effects = ks_arena_alloc(p->scratch, sizeof(*rule->effects));
		if (rule->effects)
			memset(rule->effects, 0, sizeof(*rule->effects));
	}
	return rule->effects;
}

/* Reads `source` or `destination`, and `to`. */
static int parse_end(struct ks_parser *p, enum ks_effect_end *end)
{
	struct ks_token token;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "'source' or 'destination'", &token))
		return -EINVAL;
	*end = strcmp(token.text, ends[KS_EFFECT_SOURCE]) == 0 ? KS_EFFECT_SOURCE : KS_EFFECT_DESTINATION;
	if (strcmp(token.text, ends[*end]) != 0)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' cannot be added to a set: expected 'source' or 'destination'",
				       token.text);
	if (ks_parser_accept_word(p, "to"))
		return 0;
	return ks_parser_error(p, ks_parser_next(p), 0, "expected 'to' and a set, as in add %s to @knock", ends[*end]);
}

static int parse_add(struct ks_parser *p, struct ks_ast_effects *effects)
{
	enum ks_effect_end end;
	struct ks_token token;

	if (parse_end(p, &end))
		return -EINVAL;
	if (effects->add[end].text)
		return ks_parser_error(p, ks_parser_last(p), 0, "'add %s' stands twice in this rule: expected it once",
				       ends[end]);
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a set such as @knock", &token))
		return -EINVAL;
	if (token.text[0] != '@')
		return ks_parser_error(p, &token, 0, "'%.60s' is no set: expected one such as @knock", token.text);
	if (ks_check_name(p, &token, token.text + 1, "set"))
		return -EINVAL;
	effects->add[end] = (struct ks_name){ .text = token.text + 1, .place = token.place };
	return ks_parser_accept_word(p, "for") ? ks_parse_hold(p, &effects->hold[end]) : 0;
}

static int parse_timeout(struct ks_parser *p, struct ks_ast_effects *effects)
{
	char low[KS_DURATION_TEXT], high[KS_DURATION_TEXT];
	struct ks_token token;
	__u64 ms;

	if (effects->timeout)
		return ks_clause_twice(p, "timeout");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a duration such as 1h", &token))
		return -EINVAL;
	if (ks_value_duration(token.text, &ms) || ms < KS_TIMEOUT_MIN_MS || ms > KS_TIMEOUT_MAX_MS)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no timeout: expected a duration such as 10m or 1h30m, %s to %s",
				       token.text, ks_duration_text(KS_TIMEOUT_MIN_MS, low),
				       ks_duration_text(KS_TIMEOUT_MAX_MS, high));
	effects->timeout = ms;
	return 0;
}

static bool makes_flows(const struct ks_ast_rule *rule)
{
	return rule->statement == KS_STATEMENT_FORWARD || rule->statement == KS_STATEMENT_REDIRECT ||
	       (rule->statement == KS_STATEMENT_RULE && rule->action == KS_ALLOW);
}

int ks_parse_effect(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token)
{
	bool is_add = strcmp(token->text, "add") == 0;

	if (!is_add && strcmp(token->text, "timeout") != 0)
		return 1;
	if (rule->statement > KS_STATEMENT_REDIRECT)
		return ks_parser_error(
			p, token, 0,
			"'%s' cannot stand in a %s rule: expected it in the rule that decides about the packet",
			token->text, ks_statement_name(rule->statement));
	if (!is_add && !makes_flows(rule))
		return ks_parser_error(p, token, 0,
				       "only flows have a timeout: expected it in 'allow', 'forward' or 'redirect'");
	if (!effects_of(p, rule))
		return ks_parser_no_memory(p);
	return is_add ? parse_add(p, rule->effects) : parse_timeout(p, rule->effects);
}

/* --- checking and compiling --- */

void ks_effects_check(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	for (int end = 0; rule->effects && end < KS_EFFECT_ENDS; end++) {
		if (rule->effects->add[end].text)
			ks_check_filled(p, &rule->effects->add[end]);
	}
}

/* Rules are compiled in the order of their ids: those before this one have none. */
static int reserve(struct ks_compiler *c, __u32 id)
{
	struct ks_config *config = &c->policy->config;

	if (ks_compile_reserve(&c->policy->effects, &c->effect_room, config->effects, id + 1 - config->effects,
			       sizeof(struct ks_effects)))
		return -ENOMEM;
	memset(c->policy->effects + config->effects, 0, (id + 1 - config->effects) * sizeof(struct ks_effects));
	config->effects = id + 1;
	return 0;
}

int ks_compile_effects(struct ks_compiler *c, const struct ks_ast_rule *rule, __u32 id, __u8 *bits)
{
	const struct ks_ast_effects *said = rule->effects;
	struct ks_effects *entry;

	*bits = 0;
	if (!said)
		return 0;
	if (id >= c->policy->config.effects && reserve(c, id))
		return ks_parser_no_memory(c->p);
	entry = &c->policy->effects[id];
	for (int end = 0; end < KS_EFFECT_ENDS; end++) {
		if (!said->add[end].text)
			continue;
		entry->add[end].set = ks_filled_number(c->p->ast, &said->add[end]);
		entry->add[end].hold = said->hold[end];
		*bits |= KS_EFFECT_ADD;
	}
	entry->timeout = (__u32)said->timeout;
	*bits |= said->timeout ? KS_EFFECT_TIMEOUT : 0;
	return 0;
}

/* --- printing --- */

void ks_effects_print(const struct ks_ast_rule *rule, FILE *out)
{
	const struct ks_ast_effects *effects = rule->effects;
	char text[KS_DURATION_TEXT];

	if (!effects)
		return;
	for (int end = 0; end < KS_EFFECT_ENDS; end++) {
		if (!effects->add[end].text)
			continue;
		fprintf(out, " add %s to @%s", ends[end], effects->add[end].text);
		if (effects->hold[end])
			fprintf(out, " for %s", ks_duration_text(effects->hold[end], text));
	}
	if (effects->timeout)
		fprintf(out, " timeout %s", ks_duration_text(effects->timeout, text));
}
