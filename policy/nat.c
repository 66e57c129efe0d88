/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address translation in the text: the words of forward, redirect and nat
 * rules behind their conditions, and the statements binat and nptv6. A
 * translation is the last part of its rule, so that `port` before it is a
 * condition and `port` behind it is where the packet goes.
 */
#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/effect.h"
#include "policy/list.h"
#include "policy/nat.h"
#include "policy/rule.h"
#include "policy/service.h"
#include "policy/stray.h"
#include "policy/value.h"
#include "text/names.h"

#define OPTIONS_TEXT "port, endpoint-independent, filtering or random-port"
#define TARGET_TEXT "an address, a prefix such as 203.0.113.16/28 or a range such as 203.0.113.8-203.0.113.15"

/* Zones and protocols begin with a letter and have no dots or colons; addresses have. */
static bool is_address(const char *word)
{
	return strpbrk(word, ".:") || (word[0] >= '0' && word[0] <= '9');
}

/* --- targets --- */

static int read_prefix(const char *text, struct ks_ast_target *target)
{
	struct ks_prefix prefix;
	int err = ks_value_prefix(text, &prefix);

	if (err)
		return err;
	target->prefix = prefix.length;
	return ks_value_range(text, &target->range, &target->family);
}

static int bad_target(struct ks_parser *p, const struct ks_token *token, int err)
{
	const char *ports = token->text + (token->text[0] == ':');
	char address[KS_ADDR_TEXT];
	__u32 low, high;
	__u16 port;

	if (err == -ERANGE)
		return ks_parser_error(p, token, 0,
				       "'%.90s' is no range: expected the lower address first, both of one family",
				       token->text);
	if (ks_stray_endpoint(token->text, address, &port))
		return ks_parser_error(p, token, 0, "'%.90s' is no address: expected '%s port %u'", token->text,
				       address, port);
	if (!ks_value_number_range(ports, KS_PORT_MAX, &low, &high))
		return ks_parser_error(p, token, 0, "'%.60s' is no address: expected 'to port %s' or " TARGET_TEXT,
				       token->text, ports);
	return ks_parser_error(p, token, 0, "'%.90s' is no address: expected " TARGET_TEXT, token->text);
}

static int read_target(struct ks_parser *p, const struct ks_token *token, struct ks_ast_target *target)
{
	int err;

	*target = (struct ks_ast_target){ .place = token->place, .is_range = strchr(token->text, '-') != NULL };
	err = target->is_range ? ks_value_range(token->text, &target->range, &target->family)
			       : read_prefix(token->text, target);
	if (err)
		return bad_target(p, token, err);
	ks_warn_host_bits(p, token);
	return 0;
}

static int add_target(struct ks_parser *p, struct ks_ast_translation *translation, const struct ks_token *token)
{
	struct ks_ast_target target, *list;
	int err = read_target(p, token, &target);

	if (err)
		return err;
	list = ks_arena_grow(p->scratch, translation->targets, translation->target_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	translation->targets = list;
	list[translation->target_count++] = target;
	return 0;
}

static int begin_translation(struct ks_ast_rule *rule, const struct ks_place *place, unsigned kind)
{
	rule->translation.present = true;
	rule->translation.place = *place;
	rule->translation.kind = (__u8)kind;
	return 0;
}

/* --- `to` --- */

/* A list behind `to`, of zones, protocols or targets; the form of its first entry tells which. */
struct to_list {
	struct ks_ast_rule *rule;
	struct ks_names zones;
	struct ks_ast_translation found;
	struct ks_token first; /* the first entry; no text before it was read */
	bool protos; /* other words are protocols, not zones */
};

static int one_to(struct ks_parser *p, void *arg)
{
	struct to_list *list = arg;
	struct ks_token token = *ks_parser_last(p);
	bool address = is_address(token.text);

	if (!list->first.text)
		list->first = token;
	else if (is_address(list->first.text) != address)
		return ks_parser_error(p, &token, 0, "'%.60s' and '%.60s' cannot stand in one list: expected %s",
				       list->first.text, token.text,
				       is_address(list->first.text) ? "addresses" : "zones");
	if (address)
		return add_target(p, &list->found, &token);
	return list->protos ? ks_add_proto(p, list->rule, &token) : ks_add_name(p, &list->zones, &token);
}

/* Makes the list behind `to` the rule's targets or its zones. */
static int take_list(struct ks_parser *p, struct to_list *list, const struct ks_place *place)
{
	struct ks_ast_rule *rule = list->rule;

	if (list->found.target_count) {
		rule->translation.targets = list->found.targets;
		rule->translation.target_count = list->found.target_count;
		return begin_translation(rule, place, KS_TARGET_RANGE);
	}
	if (list->protos)
		return 0;
	if (rule->has_to)
		return ks_parser_error_at(p, place,
					  "'to' stands twice with zones in this rule: expected an address to translate "
					  "to, or one list of zones");
	rule->has_to = true;
	rule->to = list->zones;
	return 0;
}

static int parse_list(struct ks_parser *p, struct to_list *list, const char *what, const struct ks_place *place)
{
	int err = ks_parse_list(p, what, one_to, list);

	return err ? err : take_list(p, list, place);
}

/* Returns true if the rule ends here or an option of a translation follows: then `self` before it is the target. */
static bool target_ends(struct ks_parser *p)
{
	const struct ks_token *token = ks_parser_peek(p);

	return token->kind == KS_TOKEN_NEWLINE || token->kind == KS_TOKEN_END || token->kind == KS_TOKEN_RBRACE ||
	       (token->kind == KS_TOKEN_WORD && (strcmp(token->text, "port") == 0 || strcmp(token->text, "log") == 0 ||
						 strcmp(token->text, "limit") == 0 || ks_is_effect(token->text)));
}

/* Goes on behind `to ZONE`: with an address the zone is the target's, alone it is a condition. */
static int after_zone(struct ks_parser *p, struct to_list *list, const struct ks_token *zone,
		      const struct ks_place *place)
{
	struct ks_ast_rule *rule = list->rule;
	struct ks_names found = { 0 };
	const struct ks_token *next;
	struct ks_place after;
	int err;

	if (rule->statement == KS_STATEMENT_REDIRECT && strcmp(zone->text, "self") == 0 && target_ends(p))
		return begin_translation(rule, place, KS_TARGET_SELF);
	next = ks_parser_peek(p);
	after = next->place;
	if ((next->kind == KS_TOKEN_WORD && is_address(next->text)) || next->kind == KS_TOKEN_LBRACE) {
		list->protos = true;
		list->first = (struct ks_token){ 0 };
		err = parse_list(p, list, "an address or a protocol", place);
		if (err || rule->translation.present) {
			rule->translation.zone = (struct ks_name){ .text = zone->text, .place = zone->place };
			return err;
		}
		if (rule->has_protos)
			return ks_parser_error_at(p, &after, "this rule has two lists of protocols: expected one");
		rule->has_protos = true;
		rule->protos_place = after;
	}
	err = ks_add_name(p, &found, zone);
	list->zones = found;
	list->protos = false;
	return err ? err : take_list(p, list, place);
}

/* Reads what stands behind `to` of forward and redirect. */
static int parse_destination_target(struct ks_parser *p, struct to_list *list, const struct ks_place *place)
{
	bool redirect = list->rule->statement == KS_STATEMENT_REDIRECT;
	const struct ks_token *next = ks_parser_peek(p);
	struct ks_token zone;

	if (redirect && target_ends(p))
		return begin_translation(list->rule, place, KS_TARGET_SELF);
	if (next->kind != KS_TOKEN_WORD || is_address(next->text))
		return parse_list(p, list, redirect ? "'self' or 'port'" : "an address, or a zone and an address",
				  place);
	zone = *ks_parser_next(p);
	return after_zone(p, list, &zone, place);
}

static int parse_to(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_place place = ks_parser_last(p)->place;
	struct to_list list = { .rule = rule };

	if (ks_parser_is_word(p, "not"))
		return ks_parse_zones(p, "to", &rule->has_to, &rule->to);
	if (rule->statement == KS_STATEMENT_NAT)
		return parse_list(p, &list, "zones, or an address to translate to", &place);
	return parse_destination_target(p, &list, &place);
}

/* --- options --- */

static int bad_ports(struct ks_parser *p, const struct ks_token *token)
{
	const char *range = ks_stray_range(p, token->text);

	if (range)
		return ks_parser_error(p, token, 0, "'%.60s' is no port: expected the range '%s'", token->text, range);
	return ks_parser_error(p, token, 0,
			       "'%.60s' is no port: expected a number 1 to 65535, or a range such as 20000-29999",
			       token->text);
}

static int parse_ports(struct ks_parser *p, struct ks_ast_translation *translation)
{
	struct ks_token token;
	unsigned service;
	__u32 low, high;

	if (translation->flags & KS_TARGET_PORTS)
		return ks_clause_twice(p, "port");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a port, a service or a range such as 20000-29999", &token))
		return -EINVAL;
	service = ks_service_find(token.text);
	if (service) {
		low = ks_service(service)->low;
		high = ks_service(service)->high;
	} else if (ks_value_number_range(token.text, KS_PORT_MAX, &low, &high) || !low) {
		return bad_ports(p, &token);
	}
	translation->flags |= KS_TARGET_PORTS;
	translation->port_place = token.place;
	translation->port_lo = (__u16)low;
	translation->port_hi = (__u16)high;
	return 0;
}

static int parse_filtering(struct ks_parser *p, struct ks_ast_translation *translation)
{
	static const char *const kinds[] = { "address-dependent", "endpoint-independent" };
	struct ks_token token;

	if (translation->has_filtering)
		return ks_clause_twice(p, "filtering");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "'endpoint-independent' or 'address-dependent'", &token))
		return -EINVAL;
	if (strcmp(token.text, kinds[0]) != 0 && strcmp(token.text, kinds[1]) != 0)
		return ks_parser_error(p, &token, 0,
				       "unknown filtering '%.60s'%s: expected 'endpoint-independent' or "
				       "'address-dependent'",
				       token.text, ks_did_you_mean(p, "", token.text, kinds, KS_ARRAY_SIZE(kinds)));
	translation->has_filtering = true;
	translation->flags |= strcmp(token.text, kinds[0]) == 0 ? KS_TARGET_ADF : KS_TARGET_EIF;
	return 0;
}

static int parse_flag(struct ks_parser *p, struct ks_ast_translation *translation, unsigned flag)
{
	if (translation->flags & flag)
		return ks_clause_twice(p, ks_parser_last(p)->text);
	translation->flags |= (__u8)flag;
	return 0;
}

/* Reads an option behind a translation. */
static int parse_option(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *word)
{
	static const char *const options[] = { "port", "endpoint-independent", "filtering", "random-port",
					       "log" /* last: not of nat */ };
	struct ks_ast_translation *translation = &rule->translation;
	bool nat = rule->statement == KS_STATEMENT_NAT;

	if (strcmp(word->text, "port") == 0)
		return parse_ports(p, translation);
	if (nat && strcmp(word->text, "endpoint-independent") == 0)
		return parse_flag(p, translation, KS_TARGET_EIM);
	if (nat && strcmp(word->text, "filtering") == 0)
		return parse_filtering(p, translation);
	if (nat && strcmp(word->text, "random-port") == 0)
		return parse_flag(p, translation, KS_TARGET_RANDOM);
	if (!nat && (strcmp(word->text, "log") == 0 || ks_is_effect(word->text)))
		return 1; /* of every rule that allows */
	if (nat && (strcmp(word->text, "random") == 0 || strcmp(word->text, "fully-random") == 0))
		return ks_parser_error(
			p, word, 0, "'%.60s' cannot stand behind the translation: expected 'random-port'", word->text);
	return ks_parser_error(p, word, 0,
			       "'%.60s' cannot stand behind the translation%s: expected %s, and every condition of the "
			       "rule before it",
			       word->text, ks_did_you_mean(p, "", word->text, options, KS_ARRAY_SIZE(options) - nat),
			       nat ? OPTIONS_TEXT : "port or log");
}

int ks_parse_translation(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *word)
{
	bool nat = rule->statement == KS_STATEMENT_NAT;

	if (rule->translation.present)
		return parse_option(p, rule, word);
	if (strcmp(word->text, "to") == 0)
		return parse_to(p, rule);
	if (nat && strcmp(word->text, "masquerade") == 0)
		return begin_translation(rule, &word->place, KS_TARGET_MASQUERADE);
	if (nat && strcmp(word->text, "exempt") == 0)
		return begin_translation(rule, &word->place, KS_TARGET_EXEMPT);
	if (nat && strcmp(word->text, "log") == 0)
		return ks_parser_error(
			p, word, 0, "'log' cannot stand in a nat rule: expected it in the rule that allows the packet");
	return 1;
}

/* --- binat, nptv6 --- */

static int parse_side(struct ks_parser *p, struct ks_ast_rule *rule, const char *what)
{
	struct ks_token token;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, what, &token);

	return err ? err : add_target(p, &rule->translation, &token);
}

static int expect_word(struct ks_parser *p, const char *word, const char *what)
{
	const struct ks_token *token = ks_parser_peek(p);
	char buf[96];

	if (ks_parser_accept_word(p, word))
		return 0;
	return ks_parser_error(p, token, 0, "expected %s, found %s", what, ks_token_describe(token, buf, sizeof(buf)));
}

/* `binat [ZONE] INSIDE to OUTSIDE on ZONES`: both directions of a 1:1 translation. */
int ks_parse_binat(struct ks_parser *p, enum ks_statement statement)
{
	struct ks_ast_rule rule = { .place = ks_parser_last(p)->place, .statement = (__u8)statement };
	const struct ks_token *token = ks_parser_peek(p);
	int err;

	begin_translation(&rule, &token->place, statement == KS_STATEMENT_BINAT ? KS_TARGET_PREFIX : KS_TARGET_NPT);
	if (token->kind == KS_TOKEN_WORD && !is_address(token->text)) {
		rule.translation.zone = (struct ks_name){ .text = token->text, .place = token->place };
		ks_parser_next(p);
	}
	err = parse_side(p, &rule, "the inside: an address or a prefix such as 10.1.0.0/24");
	if (!err)
		err = expect_word(p, "to", "'to' and the outside");
	if (!err)
		err = parse_side(p, &rule, "the outside: an address or a prefix of the same length");
	if (!err)
		err = expect_word(p, "on", "'on' and the zone of the outside");
	if (!err)
		err = ks_parse_zones(p, "on", &rule.has_to, &rule.to);
	return err ? err : ks_ast_add_rule(p, &rule);
}
