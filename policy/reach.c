/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Warnings of rules whose own clauses exclude each other. Rules that decide nothing because earlier ones take their packets are
 * found by proof/shadow.h.
 */
#include "policy/icmp.h"
#include "policy/reach.h"

static bool can_hold(const struct ks_policy *policy, __u32 index, bool negated, unsigned family)
{
	const struct ks_set *set = &policy->sets[index];

	for (size_t i = 0; i < policy->address_set_count; i++) {
		if (policy->address_sets[i].set == index)
			return true; /* its addresses come later, from the interfaces */
	}
	return index == KS_SET_ANY || negated || set->dynamic || (family == KS_IPV4 ? set->count4 : set->count6);
}

static bool can_match(const struct ks_policy *policy, const struct ks_rule *entry, unsigned family)
{
	bool any = entry->flags & KS_RULE_ANY_PROTO;

	if (entry->family && entry->family != family)
		return false;
	if (!any && entry->proto == (family == KS_IPV4 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP))
		return false;
	return can_hold(policy, entry->src_set, entry->flags & KS_RULE_NOT_SRC, family) &&
	       can_hold(policy, entry->dst_set, entry->flags & KS_RULE_NOT_DST, family) &&
	       can_hold(policy, entry->sport_set, entry->flags & KS_RULE_NOT_SPORT, KS_IPV4) &&
	       can_hold(policy, entry->dport_set, entry->flags & KS_RULE_NOT_DPORT, KS_IPV4) &&
	       can_hold(policy, entry->icmp_set, false, KS_IPV4);
}

/* Returns true if a set that the rule wants to be in has no entry, and gets none. */
static bool has_empty_set(const struct ks_policy *policy, const struct ks_rule *entry)
{
	const __u32 wanted[] = { entry->flags & KS_RULE_NOT_SRC ? KS_SET_ANY : entry->src_set,
				 entry->flags & KS_RULE_NOT_DST ? KS_SET_ANY : entry->dst_set,
				 entry->flags & KS_RULE_NOT_SPORT ? KS_SET_ANY : entry->sport_set,
				 entry->flags & KS_RULE_NOT_DPORT ? KS_SET_ANY : entry->dport_set };

	for (size_t i = 0; i < KS_ARRAY_SIZE(wanted); i++) {
		if (!can_hold(policy, wanted[i], false, KS_IPV4) && !can_hold(policy, wanted[i], false, KS_IPV6))
			return true;
	}
	return false;
}

static bool any_can_match(const struct ks_policy *policy, __u32 first, __u32 end)
{
	for (__u32 i = first; i < end; i++) {
		if (can_match(policy, &policy->rules[i], KS_IPV4) || can_match(policy, &policy->rules[i], KS_IPV6))
			return true;
	}
	return false;
}

/* Names the part of the rule that is in this list: a 1:1 translation has entries in two. */
static const char *part_of(enum ks_list list, const struct ks_rule_info *info)
{
	if (info->statement != KS_STATEMENT_BINAT && info->statement != KS_STATEMENT_NPTV6)
		return "this rule";
	return list == KS_LIST_INBOUND ? "the inbound direction of this rule" : "the outbound direction of this rule";
}

static void check_list_reach(struct ks_parser *p, enum ks_list list)
{
	const struct ks_policy *policy = p->policy;
	const struct ks_config *config = &policy->config;
	__u32 begin = list == KS_LIST_FILTER ? 0 : config->list[list].first;
	__u32 limit = list == KS_LIST_FILTER ? config->rules : begin + config->list[list].count;

	for (__u32 first = begin, end = begin; first < limit; first = end) {
		const struct ks_rule_info *info = &policy->infos[policy->rule_info[first]];

		while (end < limit && policy->rule_info[end] == policy->rule_info[first])
			end++;
		/* of an empty set policy/check.c has spoken where it is named */
		if (!has_empty_set(policy, &policy->rules[first]) && !any_can_match(policy, first, end))
			ks_parser_warn_at(
				p, &info->place,
				"%s can never match: its family, addresses, ports and types exclude each other",
				part_of(list, info));
	}
}

void ks_reach_check(struct ks_parser *p)
{
	for (int list = 0; list < KS_LIST_OWN; list++)
		check_list_reach(p, (enum ks_list)list);
}
