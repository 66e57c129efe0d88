/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See idle.h. Each clause is looked at by itself, or with the protocols and zones of its rule. Clauses that exclude each other are
 * found by policy/reach.h and by proof/shadow.h.
 */
#include "policy/idle.h"

#include "core/header/packet.h"
#include "policy/calendar.h"
#include "policy/condition.h"
#include "policy/effect.h"

#define IPV4_LEAST 20U /* octets of a header */
#define IPV6_LEAST 40U
#define TCP_LEAST 20U
#define UDP_LEAST 8U
#define MAC_FIRST_SHIFT 40
#define MAC_GROUP 1U /* bit of the first byte of an address */

static bool asks(const struct ks_ast_rule *rule, unsigned n)
{
	return rule->conditions && rule->conditions->asks >> n & 1;
}

static bool has_proto(const struct ks_ast_rule *rule, __u8 proto)
{
	for (size_t i = 0; i < rule->proto_count; i++) {
		if (rule->protos[i] == proto)
			return true;
	}
	return !rule->has_protos && !rule->has_types;
}

/* --- flags --- */

static void check_flags(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	if (!asks(rule, KS_CONDITION_FLAGS) || !(rule->conditions->tcp_flags & KS_TCP_SYN))
		return;
	if (rule->conditions->tcp_flags & (KS_TCP_FIN | KS_TCP_RST))
		ks_parser_warn_at(
			p, &rule->conditions->place[KS_CONDITION_FLAGS],
			"a packet with SYN and FIN or RST is dropped before the rules are asked, and no other "
			"one matches this rule");
}

/* --- lengths --- */

/* The octets that each packet of the rule has. */
static unsigned least_length(const struct ks_ast_rule *rule)
{
	const unsigned ip = rule->family == KS_IPV6 ? IPV6_LEAST : IPV4_LEAST;

	if (rule->proto_count != 1)
		return ip;
	return ip + (rule->protos[0] == KS_PROTO_TCP ? TCP_LEAST : rule->protos[0] == KS_PROTO_UDP ? UDP_LEAST : 0);
}

static void check_length(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	const struct ks_items *items;

	if (!asks(rule, KS_CONDITION_LENGTH) || rule->conditions->nots >> KS_CONDITION_LENGTH & 1)
		return;
	items = &rule->conditions->numbers[KS_CONDITION_LENGTH];
	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].range.hi[1] < least_length(rule))
			ks_parser_warn_at(p, &items->list[i].place,
					  "no packet of this rule is so short: its headers have %u octets",
					  least_length(rule));
	}
}

/* --- addresses of the link --- */

static void check_mac(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	const struct ks_items *items;

	if (!asks(rule, KS_CONDITION_MAC))
		return;
	if (rule->from_zones == 1ULL << KS_ZONE_SELF)
		ks_parser_warn_at(p, &rule->conditions->place[KS_CONDITION_MAC],
				  "a packet of the firewall itself has come by no link: nothing matches this rule");
	if (rule->action != KS_ALLOW)
		return; /* forged ones may be denied */
	items = &rule->conditions->numbers[KS_CONDITION_MAC];
	for (size_t i = 0; i < items->count; i++) {
		if (items->list[i].range.lo[1] >> MAC_FIRST_SHIFT & MAC_GROUP)
			ks_parser_warn_at(p, &items->list[i].place,
					  "this is the address of a group, and none sends: expected that of a card");
	}
}

/* --- times --- */

/* Returns true if the times leave out no minute: each one that ends does so within another one, or with its own next day. */
static bool is_always(const struct ks_ast_during *during)
{
	const struct ks_calendar calendar = { .spans = during->spans, .count = during->count };

	for (size_t i = 0; i < during->count; i++) {
		for (unsigned day = 0; day < KS_WEEK_DAYS; day++) {
			const struct ks_calendar_span *span = &during->spans[i];

			if (span->days >> day & 1 &&
			    !ks_calendar_has_minute(&calendar, ks_calendar_span_end(span, day)))
				return false;
		}
	}
	return during->count;
}

static void check_during(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	if (!asks(rule, KS_CONDITION_DURING) || !is_always(&rule->conditions->during))
		return;
	ks_parser_warn_at(p, &rule->conditions->place[KS_CONDITION_DURING],
			  rule->conditions->nots >> KS_CONDITION_DURING & 1
				  ? "these are all times of the week, so that this rule never matches"
				  : "these are all times of the week: 'during' says nothing here");
}

/* --- effects --- */

static void check_effects(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	if (rule->effects && rule->effects->mss && !has_proto(rule, KS_PROTO_TCP))
		ks_parser_warn_at(p, &rule->place,
				  "only TCP has an MSS, and this rule is for other protocols: 'mss' does nothing here");
}

void ks_idle_check(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	check_flags(p, rule);
	check_length(p, rule);
	check_mac(p, rule);
	check_during(p, rule);
	check_effects(p, rule);
}
