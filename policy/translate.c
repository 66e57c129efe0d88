/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of address translation that need the zones and sets: the zone of each
 * target, that both sides of a rule fit, which ports become which. The results
 * are kept in the tree for policy/compile.c and policy/print.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "core/network.h"
#include "policy/ast.h"
#include "policy/check.h"
#include "policy/sets.h"
#include "policy/translate.h"
#include "policy/value.h"
#include "text/plural.h"

static const __u64 self_bit = 1ULL << KS_ZONE_SELF;

static bool is_single(const struct ks_ast_target *target)
{
	return !memcmp(target->range.lo, target->range.hi, sizeof(target->range.lo));
}

/* --- where a destination is --- */

__u8 ks_translation_zone(const struct ks_policy *policy, const struct ks_ast_translation *translation,
			 const struct ks_ast_target *target)
{
	const struct ks_network *network;
	struct ks_addr addr;

	if (translation->zone.text)
		return translation->zone_id;
	ks_addr_from_value(target->range.lo, target->family, &addr);
	network = ks_network_find(&policy->config, &addr, target->family);
	return network ? network->zone : KS_ZONE_UNKNOWN;
}

static void check_target_zone(struct ks_parser *p, struct ks_ast_translation *translation)
{
	const struct ks_name *name = &translation->zone;
	int id;

	translation->zone_id = KS_ZONE_UNKNOWN;
	if (!name->text)
		return;
	if (strcmp(name->text, "self") == 0 || strcmp(name->text, "any") == 0) {
		ks_parser_error_at(p, &name->place,
				   "'%s' is not where an address can be: expected a zone with interfaces (redirect "
				   "goes to the box itself)",
				   name->text);
		return;
	}
	id = ks_zone_resolve_own(p, name);
	if (id >= 0)
		translation->zone_id = (__u8)id;
}

/* --- families and ports --- */

static void check_families(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	for (size_t i = 0; rule->family && i < rule->translation.target_count; i++) {
		const struct ks_ast_target *target = &rule->translation.targets[i];

		if (target->family == rule->family)
			continue;
		ks_parser_error_at(p, &target->place,
				   "this address is IPv%d, but the rule is for IPv%d: addresses are translated within "
				   "their family",
				   target->family, rule->family);
		return;
	}
}

static bool has_port_protos(const struct ks_ast_rule *rule)
{
	for (size_t i = 0; i < rule->proto_count; i++) {
		if (!ks_proto_has_ports(rule->protos[i]))
			return false;
	}
	return rule->proto_count > 0;
}

/* The n-th port of the rule's one range becomes the n-th from port_lo. */
static void check_offset(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_range *ports)
{
	struct ks_ast_translation *translation = &rule->translation;
	unsigned wanted = (unsigned)(ports->hi[1] - ports->lo[1]) + 1;
	unsigned given = translation->port_hi - translation->port_lo + 1U;

	if (given == 1 && translation->port_lo + wanted - 1 > KS_PORT_MAX)
		ks_parser_error_at(p, &translation->port_place,
				   "%u ports from %u on go beyond 65535: expected a lower port", wanted,
				   translation->port_lo);
	else if (given != 1 && given != wanted)
		ks_parser_error_at(p, &translation->port_place,
				   "the rule has %u port%s, but %u are given here: expected as many, or the first one",
				   wanted, ks_plural(wanted), given);
	if (given == 1 && rule->dport.items.count > 1)
		ks_parser_warn_at(p, &translation->port_place,
				  "ports %llu-%llu become %u-%llu one by one: expected that range here to say so",
				  ports->lo[1], ports->hi[1], translation->port_lo,
				  translation->port_lo + ports->hi[1] - ports->lo[1]);
	translation->flags |= KS_TARGET_PORT_OFFSET;
	translation->port_from = (__u16)ports->lo[1];
	translation->port_hi = (__u16)(translation->port_lo + wanted - 1);
}

static void check_target_port(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_ast_translation *translation = &rule->translation;
	bool range = translation->port_hi != translation->port_lo;
	bool offset = range || rule->statement == KS_STATEMENT_FORWARD;
	ks_auto_merged struct ks_merged merged = { 0 };
	int err = 0;

	if (!(translation->flags & KS_TARGET_PORTS))
		return;
	if (!has_port_protos(rule)) {
		ks_parser_error_at(p, &translation->port_place,
				   "a port needs a protocol: expected tcp, udp, proto sctp, proto udplite or proto "
				   "dccp in this rule");
		return;
	}
	if (rule->dport.present && !rule->dport.negated)
		err = ks_items_merge(p->ast, &rule->dport.items, true, &merged);
	if (err == -ENOMEM)
		ks_parser_no_memory(p);
	if (err) /* the compiler complains of too many ranges */
		return;
	if (merged.count4 == 1 && merged.ranges[0].lo[1] != merged.ranges[0].hi[1] && offset)
		check_offset(p, rule, &merged.ranges[0]);
	else if (range)
		ks_parser_error_at(p, &translation->port_place,
				   "a range of ports needs a range of as many in the conditions: expected one port");
}

/* Returns true if the zones of a list are not those that it names, so that the firewall itself is left out without a word. */
static bool means_others(const struct ks_names *names, __u64 zones)
{
	return names->negated || zones == KS_ZONES_ANY;
}

/* --- forward, redirect --- */

/*
 * Refuses the box itself as who sends: the kernel has routed its packets before they are seen (bpf/tc.bpf.c), and takes none
 * back that bears an address of its own.
 */
static void check_not_from_self(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	for (size_t i = 0; i < rule->from.count && !means_others(&rule->from, rule->from_zones); i++) {
		if (rule->from.list[i].bit == self_bit)
			ks_parser_error_at(p, &rule->from.list[i].place,
					   "what the firewall itself sends is routed before a rule sees it, and can go "
					   "nowhere else: expected other zones here, and its programs told to ask the "
					   "new address");
	}
}

static void check_forward(struct ks_parser *p, struct ks_ast_rule *rule)
{
	const struct ks_ast_translation *translation = &rule->translation;

	check_not_from_self(p, rule);
	if (!rule->has_to)
		rule->to_zones = rule->destination.present ? KS_ZONES_ANY : self_bit;
	if (!translation->present) {
		ks_parser_error_at(p, &rule->place,
				   "this rule says no new destination: expected 'to' and an address at its end");
		return;
	}
	if (!translation->target_count)
		ks_parser_error_at(p, &translation->place, "this list is empty: expected at least one address");
	for (size_t i = 0; i < translation->target_count; i++) {
		if (!is_single(&translation->targets[i]))
			ks_parser_error_at(p, &translation->targets[i].place,
					   "a packet is forwarded to one address: expected an address, or binat for a "
					   "whole prefix");
	}
}

static void check_redirect(struct ks_parser *p, struct ks_ast_rule *rule)
{
	check_not_from_self(p, rule);
	if (!rule->translation.present)
		ks_parser_error_at(p, &rule->place,
				   "this rule says no new destination: expected 'to port' and a port, or 'to self', at "
				   "its end");
	else if (rule->translation.kind != KS_TARGET_SELF)
		ks_parser_error_at(p, &rule->translation.place,
				   "redirect goes to the box itself: expected 'to port' and a port, or forward instead "
				   "of redirect");
}

/* --- nat --- */

/* Returns true if the condition lists IPv6 addresses and nothing else. Sets do not count: their contents may change. */
static bool is_ipv6_only(const struct ks_match *match)
{
	bool found = match->present && !match->negated && match->items.count;

	for (size_t i = 0; found && i < match->items.count; i++)
		found = match->items.list[i].negated ||
			(!match->items.list[i].set && match->items.list[i].family == KS_IPV6);
	return found;
}

/*
 * Masquerading is for IPv4, where addresses are few, unless the rule says otherwise. IPv6 has addresses for everybody, and an
 * uplink over which a prefix is delegated often has none of its own to masquerade by.
 */
static __u8 masquerade_family(const struct ks_ast_rule *rule)
{
	if (rule->family)
		return rule->family;
	if (is_ipv6_only(&rule->source) || is_ipv6_only(&rule->destination))
		return KS_IPV6;
	return rule->proto_count == 1 && rule->protos[0] == KS_PROTO_ICMPV6 ? KS_IPV6 : KS_IPV4;
}

static void check_options(struct ks_parser *p, struct ks_ast_translation *translation)
{
	if (translation->kind == KS_TARGET_EXEMPT && translation->flags)
		ks_parser_error_at(p, &translation->place,
				   "'exempt' translates nothing: expected no options behind it");
	if (translation->has_filtering && !(translation->flags & KS_TARGET_EIM))
		ks_parser_error_at(p, &translation->place,
				   "'filtering' needs a mapping that outlives a flow: expected 'endpoint-independent' "
				   "before it");
	if ((translation->flags & KS_TARGET_EIM) && !translation->has_filtering)
		translation->flags |= KS_TARGET_EIF;
}

static void check_nat(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_ast_translation *translation = &rule->translation;

	for (size_t i = 0; i < rule->to.count && !means_others(&rule->to, rule->to_zones); i++) {
		if (rule->to.list[i].bit == self_bit)
			ks_parser_error_at(p, &rule->to.list[i].place,
					   "what goes to the box itself is not translated: expected the zones that "
					   "packets leave by");
	}
	if (!translation->present) {
		ks_parser_error_at(p, &rule->place,
				   "this rule says no new source: expected 'masquerade', 'exempt', or 'to' and an "
				   "address at its end");
		return;
	}
	if (translation->kind == KS_TARGET_RANGE && !translation->target_count)
		ks_parser_error_at(p, &translation->place, "this list is empty: expected at least one address");
	if (translation->kind == KS_TARGET_MASQUERADE)
		rule->family = masquerade_family(rule);
	check_options(p, translation);
}

/* --- binat, nptv6 --- */

/* Returns 0 or -EINVAL. */
static int check_side(struct ks_parser *p, const struct ks_ast_rule *rule, const struct ks_ast_target *side)
{
	bool npt = rule->statement == KS_STATEMENT_NPTV6;

	if (side->is_range)
		return ks_parser_error_at(p, &side->place,
					  "a range cannot be translated one to one: expected an address or a prefix");
	if (npt && side->family != KS_IPV6)
		return ks_parser_error_at(p, &side->place, "nptv6 translates IPv6 prefixes: expected binat for IPv4");
	if (npt && side->prefix > 64)
		return ks_parser_error_at(
			p, &side->place,
			"nptv6 needs the lower 64 bits of the address: expected a prefix of at most 64 bits");
	if (!side->prefix)
		return ks_parser_error_at(p, &side->place,
					  "a prefix of no bits holds every address: expected a longer one");
	return 0;
}

static void check_on(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	const __u64 own = ~(self_bit | 1ULL << KS_ZONE_NONE);

	if (rule->to.count && (rule->to_zones == KS_ZONES_ANY || (rule->to_zones & ~own)))
		ks_parser_error_at(p, &rule->to.list[0].place,
				   "the outside is a zone with interfaces: expected its name behind 'on'");
}

static void check_binat(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	const struct ks_ast_target *inside = &rule->translation.targets[0], *outside = inside + 1;

	check_on(p, rule);
	if (check_side(p, rule, inside) | check_side(p, rule, outside))
		return;
	if (inside->family != outside->family)
		ks_parser_error_at(p, &outside->place, "the inside is IPv%d and the outside IPv%d: expected one family",
				   inside->family, outside->family);
	else if (inside->prefix != outside->prefix)
		ks_parser_error_at(p, &outside->place,
				   "the inside has a prefix of %u bits and the outside of %u: expected the same length",
				   inside->prefix, outside->prefix);
	else if (!memcmp(&inside->range, &outside->range, sizeof(inside->range)))
		ks_parser_error_at(p, &outside->place,
				   "the inside and the outside are the same: expected two different ones");
}

void ks_translation_check(struct ks_parser *p, struct ks_ast_rule *rule)
{
	check_target_zone(p, &rule->translation);
	switch (rule->statement) {
	case KS_STATEMENT_FORWARD:
		check_forward(p, rule);
		break;
	case KS_STATEMENT_REDIRECT:
		check_redirect(p, rule);
		break;
	case KS_STATEMENT_NAT:
		check_nat(p, rule);
		check_families(p, rule);
		return;
	case KS_STATEMENT_BINAT:
	case KS_STATEMENT_NPTV6:
		check_binat(p, rule);
		return;
	default:
		return;
	}
	check_families(p, rule);
	if (rule->translation.present)
		check_target_port(p, rule);
}
