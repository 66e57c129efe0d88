/* SPDX-License-Identifier: BSD-2-Clause */
/* Effects of rules; see effect.h. */
#include "policy/sets.h"
#include "policy/effect.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/condition.h"
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
		return ks_parser_error(p, &token, 0, "'%.60s' is no set: expected %s%.60s", token.text,
				       ks_ast_find_set(p->ast, token.text) ? "@" : "one such as @",
				       ks_ast_find_set(p->ast, token.text) ? token.text : "knock");
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
	if (strspn(token.text, "0123456789") == token.length)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' has no unit: expected %.10ss, %.10sm or %.10sh, without a blank",
				       token.text, token.text, token.text, token.text);
	if (ks_value_duration(token.text, &ms) || ms < KS_TIMEOUT_MIN_MS || ms > KS_TIMEOUT_MAX_MS)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no timeout: expected a duration such as 10m or 1h30m, %s to %s",
				       token.text, ks_duration_text(KS_TIMEOUT_MIN_MS, low),
				       ks_duration_text(KS_TIMEOUT_MAX_MS, high));
	effects->timeout = ms;
	return 0;
}

int ks_parse_mss(struct ks_parser *p, __u16 *mss)
{
	struct ks_token token;
	__u64 number = KS_MSS_OF_MTU;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "an MSS such as 1452, or 'mtu'", &token))
		return -EINVAL;
	if (strcmp(token.text, "mtu") != 0 && ks_value_number(token.text, KS_MSS_MIN, KS_MSS_MAX, &number))
		return ks_parser_error(
			p, &token, 0,
			"'%.60s' is no MSS: expected octets of a segment, %u to %u, or 'mtu' for what fits the links",
			token.text, KS_MSS_MIN, KS_MSS_MAX);
	*mss = (__u16)number;
	return 0;
}

static int parse_mss(struct ks_parser *p, struct ks_ast_effects *effects)
{
	return effects->mss ? ks_clause_twice(p, "mss") : ks_parse_mss(p, &effects->mss);
}

static int bad_mark(struct ks_parser *p, const struct ks_token *token)
{
	return ks_parser_error(
		p, token, 0,
		"'%.60s' is no mark: expected a number such as 16 or 0x10, or bits and their mask such as "
		"0x10/0xf0",
		token->text);
}

/* Reads the mark behind `set mark`, with a mask or without. */
static int parse_mark(struct ks_parser *p, struct ks_ast_effects *effects, unsigned dir)
{
	__u64 mark, mask = UINT32_MAX;
	struct ks_token token;
	const char *slash;
	char text[32];

	if (effects->mark_mask[dir])
		return ks_clause_twice(p, dir == KS_REPLY ? "set reply mark" : "set mark");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a mark such as 0x10", &token))
		return -EINVAL;
	slash = strchr(token.text, '/');
	snprintf(text, sizeof(text), "%.*s", slash ? (int)(slash - token.text) : (int)token.length, token.text);
	if (ks_value_number(text, 0, UINT32_MAX, &mark) || (slash && ks_value_number(slash + 1, 1, UINT32_MAX, &mask)))
		return bad_mark(p, &token);
	if (mark & ~mask)
		return ks_parser_error(p, &token, 0, "'%.60s' has bits outside of its mask: expected them inside",
				       token.text);
	effects->mark[dir] = (__u32)mark;
	effects->mark_mask[dir] = (__u32)mask;
	return 0;
}

static int parse_dscp(struct ks_parser *p, struct ks_ast_effects *effects, unsigned dir)
{
	struct ks_token token;
	int value;

	if (effects->dscp[dir])
		return ks_clause_twice(p, dir == KS_REPLY ? "set reply dscp" : "set dscp");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a code point such as af41", &token))
		return -EINVAL;
	value = ks_dscp_from_text(token.text);
	if (value < 0)
		return ks_dscp_unknown(p, &token);
	effects->dscp[dir] = (__u8)(value + 1);
	return 0;
}

/* Reads what is set behind `set`, in packets of the originator or, with `reply`, of the other side. */
static int parse_set(struct ks_parser *p, struct ks_ast_effects *effects)
{
	unsigned dir = ks_parser_accept_word(p, "reply") ? KS_REPLY : KS_ORIGINAL;

	if (ks_parser_accept_word(p, "mark"))
		return parse_mark(p, effects, dir);
	if (ks_parser_accept_word(p, "dscp"))
		return parse_dscp(p, effects, dir);
	return ks_parser_error(p, ks_parser_next(p), 0,
			       "expected 'mark' or 'dscp' behind 'set', as in set mark 0x10 or set reply dscp af41");
}

static int parse_asymmetric(struct ks_parser *p, struct ks_ast_effects *effects)
{
	if (effects->asymmetric)
		return ks_clause_twice(p, "asymmetric");
	effects->asymmetric = true;
	return 0;
}

static const struct {
	const char *word;
	int (*parse)(struct ks_parser *p, struct ks_ast_effects *effects);
	const char *whose; /* that only flows have it; NULL: any rule may have it */
} words[] = {
	{ "add", parse_add, NULL },
	{ "timeout", parse_timeout, "only flows have a timeout" },
	{ "mss", parse_mss, "only flows have an MSS" },
	{ "set", parse_set, "only packets of flows are changed" },
	{ "asymmetric", parse_asymmetric, "only flows are asymmetric" },
};

static unsigned word_of(const char *word)
{
	unsigned n = 0;

	while (n < KS_ARRAY_SIZE(words) && strcmp(words[n].word, word) != 0)
		n++;
	return n;
}

bool ks_is_effect(const char *word)
{
	return word_of(word) < KS_ARRAY_SIZE(words);
}

static bool makes_flows(const struct ks_ast_rule *rule)
{
	return rule->statement == KS_STATEMENT_FORWARD || rule->statement == KS_STATEMENT_REDIRECT ||
	       (rule->statement == KS_STATEMENT_RULE && rule->action == KS_ALLOW);
}

int ks_parse_effect(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token)
{
	unsigned n = word_of(token->text);

	if (n == KS_ARRAY_SIZE(words))
		return 1;
	if (rule->statement > KS_STATEMENT_REDIRECT)
		return ks_parser_error(
			p, token, 0,
			"'%s' cannot stand in a %s rule: expected it in the rule that decides about the packet",
			token->text, ks_statement_name(rule->statement));
	if (words[n].whose && !makes_flows(rule))
		return ks_parser_error(p, token, 0, "%s: expected it in 'allow', 'forward' or 'redirect'",
				       words[n].whose);
	if (!effects_of(p, rule))
		return ks_parser_no_memory(p);
	return words[n].parse(p, rule->effects);
}

/* --- checking and compiling --- */

void ks_effects_check(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	for (int end = 0; rule->effects && end < KS_EFFECT_ENDS; end++) {
		if (rule->effects->add[end].text)
			ks_check_filled(p, &rule->effects->add[end]);
	}
}

static __u8 bits_of(const struct ks_ast_effects *said)
{
	return (__u8)((said->add[KS_EFFECT_SOURCE].text || said->add[KS_EFFECT_DESTINATION].text ? KS_EFFECT_ADD : 0) |
		      (said->timeout ? KS_EFFECT_TIMEOUT : 0) | (said->mss ? KS_EFFECT_MSS : 0) |
		      (said->dscp[KS_ORIGINAL] || said->dscp[KS_REPLY] ? KS_EFFECT_DSCP : 0) |
		      (said->mark_mask[KS_ORIGINAL] || said->mark_mask[KS_REPLY] ? KS_EFFECT_MARK : 0) |
		      (said->asymmetric ? KS_EFFECT_ASYMMETRIC : 0));
}

/* Notes in the config what the core must look for. */
static void note_config(struct ks_config *config, const struct ks_ast_rule *rule, __u8 bits)
{
	if (rule->staged)
		return;
	if (bits & KS_EFFECTS_ALTER)
		config->alters |= KS_ALTER_RULES;
	if (bits & KS_EFFECT_ASYMMETRIC)
		config->options |= KS_OPT_ASYMMETRIC_RULES;
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
	}
	*bits = bits_of(said);
	note_config(&c->policy->config, rule, *bits);
	entry->timeout = (__u32)said->timeout;
	entry->flags = *bits & KS_EFFECTS_OF_FLOWS;
	entry->mss = said->mss;
	memcpy(entry->mark, said->mark, sizeof(entry->mark));
	memcpy(entry->mark_mask, said->mark_mask, sizeof(entry->mark_mask));
	memcpy(entry->dscp, said->dscp, sizeof(entry->dscp));
	return 0;
}

/* --- printing --- */

const char *ks_mss_text(unsigned mss, char buf[KS_MSS_TEXT])
{
	if (mss == KS_MSS_OF_MTU)
		return strcpy(buf, "mtu");
	snprintf(buf, KS_MSS_TEXT, "%u", mss & 0xffff);
	return buf;
}

/* Prints what is set in the packets of a direction. */
static void print_set(const struct ks_ast_effects *effects, unsigned dir, FILE *out)
{
	const char *reply = dir == KS_REPLY ? "reply " : "";
	char dscp[KS_DSCP_TEXT];

	if (effects->mark_mask[dir])
		fprintf(out, " set %smark 0x%x", reply, effects->mark[dir]);
	if (effects->mark_mask[dir] && effects->mark_mask[dir] != UINT32_MAX)
		fprintf(out, "/0x%x", effects->mark_mask[dir]);
	if (effects->dscp[dir])
		fprintf(out, " set %sdscp %s", reply, ks_dscp_text(effects->dscp[dir] - 1U, dscp));
}

void ks_effects_print(const struct ks_ast_rule *rule, FILE *out)
{
	const struct ks_ast_effects *effects = rule->effects;
	char text[KS_DURATION_TEXT], mss[KS_MSS_TEXT];

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
	if (effects->mss)
		fprintf(out, " mss %s", ks_mss_text(effects->mss, mss));
	print_set(effects, KS_ORIGINAL, out);
	print_set(effects, KS_REPLY, out);
	if (effects->asymmetric)
		fputs(" asymmetric", out);
}
