/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules: an action and clauses in any order, each at most once; see ast.h. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "text/names.h"
#include "policy/foreign.h"
#include "policy/ast.h"
#include "policy/condition.h"
#include "policy/effect.h"
#include "policy/helper.h"
#include "policy/icmp.h"
#include "policy/limit.h"
#include "policy/list.h"
#include "policy/nat.h"
#include "policy/own.h"
#include "policy/rule.h"
#include "policy/stray.h"
#include "policy/value.h"

static const char *const clauses[] = {
	"from",
	"to",
	"limit",
	"source",
	"destination",
	"port",
	"proto",
	"type",
	"family",
	"log",
	"tcp",
	"udp",
	"icmp",
	"icmpv6",
	"sctp",
	"gre",
	"esp",
	"ah",
#define X(id, name) name,
	KS_CONDITIONS(X)
#undef X
		"add",
	"timeout",
	"mss",
	"set",
	"asymmetric",
};

#define CLAUSES_TEXT                                                                                             \
	"from, to, a protocol (tcp, udp, icmp, icmpv6, proto N), port, source port, source, destination, type, " \
	"family, flags, fragment, ip-option, ttl, length, dscp, mark, mac, during, user, cgroup, limit, add, "   \
	"timeout, mss, "                                                                                         \
	"set, asymmetric "                                                                                       \
	"or log"

static const char *const statements[] = {
	[KS_STATEMENT_RULE] = "rule",	  [KS_STATEMENT_FORWARD] = "forward", [KS_STATEMENT_REDIRECT] = "redirect",
	[KS_STATEMENT_NAT] = "nat",	  [KS_STATEMENT_BINAT] = "binat",     [KS_STATEMENT_NPTV6] = "nptv6",
	[KS_STATEMENT_HELPER] = "helper",
};

const char *ks_statement_name(enum ks_statement statement)
{
	return statements[statement];
}

const char *ks_rule_verb(const struct ks_rule_info *info)
{
	return info->statement == KS_STATEMENT_RULE ? ks_action_name(info->action) : statements[info->statement];
}

/* Returns true if a clause has one value, and no list. */
static bool is_single(const char *clause)
{
	static const char *const single[] = { "family", "flags", "fragment", "log", "timeout", "mss", "asymmetric" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(single); i++) {
		if (strcmp(clause, single[i]) == 0)
			return true;
	}
	return strncmp(clause, "set ", strlen("set ")) == 0;
}

int ks_clause_twice(struct ks_parser *p, const char *clause)
{
	return ks_parser_error(p, ks_parser_last(p), 0, "'%s' stands twice in this rule: expected it once%s", clause,
			       is_single(clause) ? "" : ", with a list in braces for several values");
}

static int one_zone(struct ks_parser *p, void *arg)
{
	struct ks_token token = *ks_parser_last(p);

	if (strcmp(token.text, "not") == 0)
		return ks_parser_error(
			p, &token, 0,
			"'not' stands before a whole list of zones in a condition: expected it there, such "
			"as from not { lan, dmz }, or the zones that are meant");
	return ks_add_name(p, arg, &token);
}

int ks_parse_zones(struct ks_parser *p, const char *clause, bool *has, struct ks_names *zones)
{
	bool is_condition = strcmp(clause, "from") == 0 || strcmp(clause, "to") == 0;

	if (*has)
		return ks_clause_twice(p, clause);
	*has = true;
	zones->negated = is_condition && ks_parser_accept_word(p, "not");
	return ks_parse_list(p, "a zone, 'self' or 'any'", one_zone, zones);
}

static int parse_match(struct ks_parser *p, const char *clause, bool ports, struct ks_match *match)
{
	if (match->present)
		return ks_clause_twice(p, clause);
	match->present = true;
	match->place = ks_parser_last(p)->place;
	match->negated = ks_parser_accept_word(p, "not");
	if (!ports && ks_parser_is(p, KS_TOKEN_WORD)) {
		int err = ks_parse_own(p, match);

		if (err <= 0)
			return err;
	}
	return ks_parse_items(p, ports, &match->items);
}

static int parse_source(struct ks_parser *p, struct ks_ast_rule *rule)
{
	if (ks_parser_accept_word(p, "port"))
		return parse_match(p, "source port", true, &rule->sport);
	return parse_match(p, "source", false, &rule->source);
}

static int parse_destination(struct ks_parser *p, struct ks_ast_rule *rule)
{
	if (ks_parser_accept_word(p, "port"))
		return parse_match(p, "port", true, &rule->dport);
	return parse_match(p, "destination", false, &rule->destination);
}

static int keep_proto(struct ks_parser *p, struct ks_ast_rule *rule, __u8 proto)
{
	__u8 *list;

	if (rule->proto_count && memchr(rule->protos, proto, rule->proto_count))
		return 0;
	list = ks_arena_grow(p->scratch, rule->protos, rule->proto_count, 1);
	if (!list)
		return ks_parser_no_memory(p);
	rule->protos = list;
	list[rule->proto_count++] = proto;
	return 0;
}

int ks_add_proto(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token)
{
	const char *known[KS_PROTO_NAMES_MAX];
	size_t count = ks_proto_names(known);
	int proto = ks_proto_from_name(token->text);

	if (proto < 0)
		return ks_parser_error(p, token, 0,
				       "unknown protocol '%.60s'%s: expected a name such as tcp, or a number "
				       "0 to 255",
				       token->text, ks_did_you_mean(p, "", token->text, known, count));
	return keep_proto(p, rule, (__u8)proto);
}

static int one_proto(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);

	return ks_add_proto(p, arg, &token);
}

static int begin_protos(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_place *place)
{
	if (rule->has_protos)
		return ks_parser_error_at(p, place,
					  "this rule has two protocols: expected one, or a list such as "
					  "{ tcp, udp }");
	rule->has_protos = true;
	rule->protos_place = *place;
	return 0;
}

/* Reads the protocol behind `proto`, or a list that stands where a clause begins. */
static int parse_protos(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_place *place)
{
	int err = begin_protos(p, rule, place);

	return err ? err : ks_parse_list(p, "a protocol", one_proto, rule);
}

static int parse_code(struct ks_parser *p, struct ks_icmp_item *item)
{
	struct ks_token token;
	__u64 number;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "an ICMP code 0 to 255", &token);

	if (err)
		return err;
	if (ks_value_number(token.text, 0, UINT8_MAX, &number))
		return ks_parser_error(p, &token, 0, "'%.60s' is no ICMP code: expected a number 0 to 255", token.text);
	item->code = (__s32)number;
	return 0;
}

static int parse_type(struct ks_parser *p, const struct ks_token *token, struct ks_icmp_item *item)
{
	const char *const *names;
	size_t count;
	__u64 number;
	__s32 type, code;

	*item = (struct ks_icmp_item){ .type = -1, .code = -1, .place = token->place };
	if (ks_value_number(token->text, 0, UINT8_MAX, &number) == 0) {
		item->type = (__s32)number;
		return 0;
	}
	item->name = token->text;
	if (ks_icmp_lookup(KS_PROTO_ICMP, token->text, &type, &code) == 0 ||
	    ks_icmp_lookup(KS_PROTO_ICMPV6, token->text, &type, &code) == 0)
		return 0;
	names = ks_icmp_names(&count);
	if (ks_foreign_type(token->text))
		return ks_parser_error(p, token, 0, "unknown ICMP type '%.60s': expected '%s'", token->text,
				       ks_foreign_type(token->text));
	return ks_parser_error(p, token, 0,
			       "unknown ICMP type '%.60s'%s: expected a name such as echo-request, or a number "
			       "0 to 255",
			       token->text, ks_did_you_mean(p, "", token->text, names, count));
}

static int one_type(struct ks_parser *p, void *arg)
{
	struct ks_ast_rule *rule = arg;
	struct ks_token token = *ks_parser_last(p);
	struct ks_icmp_item item, *list;
	int err = parse_type(p, &token, &item);

	if (!err && ks_parser_accept_word(p, "code"))
		err = parse_code(p, &item);
	if (err)
		return err;
	list = ks_arena_grow(p->scratch, rule->types, rule->type_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	rule->types = list;
	list[rule->type_count++] = item;
	return 0;
}

static int parse_types(struct ks_parser *p, struct ks_ast_rule *rule)
{
	if (rule->has_types)
		return ks_clause_twice(p, "type");
	rule->has_types = true;
	rule->types_place = ks_parser_last(p)->place;
	return ks_parse_list(p, "an ICMP type", one_type, rule);
}

static int parse_family(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_token token;

	if (rule->has_family)
		return ks_clause_twice(p, "family");
	rule->has_family = true;
	if (ks_parser_expect(p, KS_TOKEN_WORD, "'ipv4' or 'ipv6'", &token))
		return -EINVAL;
	if (strcmp(token.text, "ipv4") == 0)
		rule->family = KS_IPV4;
	else if (strcmp(token.text, "ipv6") == 0)
		rule->family = KS_IPV6;
	else
		return ks_parser_error(p, &token, 0, "unknown family '%.60s': expected 'ipv4' or 'ipv6'", token.text);
	return 0;
}

static int parse_log(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_token label;

	if (rule->log)
		return ks_clause_twice(p, "log");
	rule->log = true;
	if (!ks_parser_is(p, KS_TOKEN_STRING))
		return 0;
	label = *ks_parser_next(p);
	if (!label.length || label.length > KS_LABEL_MAX)
		return ks_parser_error(p, &label, 0, "a label has 1 to %d characters", KS_LABEL_MAX);
	rule->label = label.text;
	return 0;
}

/* Reads a word that only some statements have. Returns 1 for any other word. */
static int parse_own_word(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token)
{
	if (rule->statement == KS_STATEMENT_RULE)
		return 1;
	if (rule->statement != KS_STATEMENT_HELPER)
		return ks_parse_translation(p, rule, token);
	if (strcmp(token->text, "log") == 0)
		return ks_parser_error(
			p, token, 0,
			"'log' cannot stand in a helper rule: expected it in the rule that allows the packet");
	return 1;
}

static int unknown_clause(struct ks_parser *p, const struct ks_token *token)
{
	const char *meant = ks_did_you_mean(p, "", token->text, clauses, KS_ARRAY_SIZE(clauses));
	const char *expected = ks_arena_printf(p->arena, "%s: expected " CLAUSES_TEXT, meant);

	return expected ? ks_stray_clause(p, token, expected) : ks_parser_no_memory(p);
}

static int parse_clause(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_token token = *ks_parser_next(p);
	int proto, err;

	if (strcmp(token.text, "limit") == 0)
		return ks_parse_limit(p, rule);
	err = parse_own_word(p, rule, &token);
	if (err <= 0)
		return err;
	if (strcmp(token.text, "from") == 0)
		return ks_parse_zones(p, "from", &rule->has_from, &rule->from);
	if (strcmp(token.text, "to") == 0)
		return ks_parse_zones(p, "to", &rule->has_to, &rule->to);
	if (strcmp(token.text, "source") == 0)
		return parse_source(p, rule);
	if (strcmp(token.text, "destination") == 0)
		return parse_destination(p, rule);
	if (strcmp(token.text, "port") == 0)
		return parse_match(p, "port", true, &rule->dport);
	if (strcmp(token.text, "proto") == 0)
		return parse_protos(p, rule, &token.place);
	if (strcmp(token.text, "type") == 0)
		return parse_types(p, rule);
	if (strcmp(token.text, "family") == 0)
		return parse_family(p, rule);
	if (strcmp(token.text, "log") == 0)
		return parse_log(p, rule);
	err = ks_parse_condition(p, rule, &token);
	if (err > 0)
		err = ks_parse_effect(p, rule, &token);
	if (err <= 0)
		return err;
	proto = token.text[0] >= '0' && token.text[0] <= '9' ? -1 : ks_proto_from_name(token.text);
	if (proto < 0)
		return unknown_clause(p, &token);
	return begin_protos(p, rule, &token.place) ? -EINVAL : keep_proto(p, rule, (__u8)proto);
}

int ks_parse_clauses(struct ks_parser *p, struct ks_ast_rule *rule)
{
	int err = 0;

	while (!err) {
		const struct ks_token *token = ks_parser_peek(p);
		struct ks_place place = token->place;
		char buf[96];

		if (token->kind == KS_TOKEN_NEWLINE || token->kind == KS_TOKEN_END ||
		    (token->kind == KS_TOKEN_RBRACE && rule->is_assertion))
			return 0;
		if (token->kind == KS_TOKEN_LBRACE && !rule->translation.present)
			err = parse_protos(p, rule, &place);
		else if (token->kind == KS_TOKEN_WORD)
			err = parse_clause(p, rule);
		else if (token->kind == KS_TOKEN_COMMA)
			err = ks_stray_comma(p);
		else
			err = ks_parser_error(p, token, 0, "expected " CLAUSES_TEXT ", found %s",
					      ks_token_describe(token, buf, sizeof(buf)));
	}
	return err;
}

int ks_ast_add_rule(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	struct ks_ast_rule *list;

	if (p->ast->rule_count >= KS_RULE_ID_MAX - 1)
		return ks_parser_error_at(p, &rule->place, "the policy has more than %d rules", KS_RULE_ID_MAX - 1);
	list = ks_arena_grow(p->scratch, p->ast->rules, p->ast->rule_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	p->ast->rules = list;
	list[p->ast->rule_count++] = *rule;
	return 0;
}

int ks_parse_staged(struct ks_parser *p)
{
	struct ks_ast_rule rule = {
		.place = ks_parser_last(p)->place,
		.statement = KS_STATEMENT_RULE,
		.staged = true,
	};
	struct ks_token word;
	int err;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "'allow', 'deny' or 'reject'", &word))
		return -EINVAL;
	while (rule.action <= KS_REJECT && strcmp(word.text, ks_action_name(rule.action)) != 0)
		rule.action++;
	if (rule.action > KS_REJECT)
		return ks_parser_error(p, &word, 0,
				       "'%.60s' cannot be staged: expected 'allow', 'deny' or 'reject' behind 'staged'",
				       word.text);
	err = ks_parse_clauses(p, &rule);
	return err ? err : ks_ast_add_rule(p, &rule);
}

int ks_parse_rule(struct ks_parser *p, enum ks_statement statement, unsigned action)
{
	struct ks_ast_rule rule = {
		.place = ks_parser_last(p)->place,
		.statement = (__u8)statement,
		.action = (__u8)action,
	};
	int err = statement == KS_STATEMENT_HELPER ? ks_parse_helpers(p, &rule) : 0;

	if (!err)
		err = ks_parse_clauses(p, &rule);
	return err ? err : ks_ast_add_rule(p, &rule);
}
