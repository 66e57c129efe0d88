/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Warnings of rules that decide nothing: because their own clauses exclude each
 * other, or because an earlier rule takes all of their packets. The latter is
 * found if for each entry of the rule one earlier entry covers it: clause by
 * clause, with an equal set or none. Entries are compared with the first
 * COMPARED_MAX of their list only, which bounds the cost; rules with equal
 * conditions are found anywhere. Each list of the rule table (core/rules.h) is
 * looked at by itself, because a rule takes no packets from another list.
 *
 * A warning is never wrong, but not every rule that decides nothing gets one.
 */
#include <errno.h>
#include <string.h>

#include "policy/icmp.h"
#include "policy/reach.h"

#define COMPARED_MAX 2048U /* entries that later ones are compared with */

struct ks_reach {
	const struct ks_policy *policy;
	struct ks_index *rules; /* indexes of infos, by their conditions */
	enum ks_list list;
	__u32 begin; /* of the list */
};

/* --- clauses that exclude each other --- */

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

/* --- earlier rules --- */

static bool set_covers(__u32 a, __u32 b, __u8 flags_a, __u8 flags_b, __u8 negation)
{
	return a == KS_SET_ANY || (a == b && !((flags_a ^ flags_b) & negation));
}

/* Returns true if a matches every packet that b matches. */
static bool covers(const struct ks_rule *a, const struct ks_rule *b)
{
	if ((b->from_zones & ~a->from_zones) || (b->to_zones & ~a->to_zones) || (a->family && a->family != b->family))
		return false;
	if (!(a->flags & KS_RULE_ANY_PROTO) && ((b->flags & KS_RULE_ANY_PROTO) || a->proto != b->proto))
		return false;
	return set_covers(a->src_set, b->src_set, a->flags, b->flags, KS_RULE_NOT_SRC) &&
	       set_covers(a->dst_set, b->dst_set, a->flags, b->flags, KS_RULE_NOT_DST) &&
	       set_covers(a->sport_set, b->sport_set, a->flags, b->flags, KS_RULE_NOT_SPORT) &&
	       set_covers(a->dport_set, b->dport_set, a->flags, b->flags, KS_RULE_NOT_DPORT) &&
	       set_covers(a->icmp_set, b->icmp_set, 0, 0, 0);
}

/* The first entry of the list before `end` that covers this one, or -1. */
static long find_cover(const struct ks_reach *reach, const struct ks_rule *entry, __u32 end)
{
	const struct ks_policy *policy = reach->policy;

	end = KS_MIN(end, reach->begin + COMPARED_MAX);
	for (__u32 i = reach->begin; i < end; i++) {
		if (covers(&policy->rules[i], entry))
			return i;
	}
	return -1;
}

/* One of the rules that together take all packets of the entries first to end - 1; NULL if some are left. */
static const struct ks_rule_info *find_cover_all(const struct ks_reach *reach, __u32 first, __u32 end)
{
	const struct ks_policy *policy = reach->policy;
	long cover = -1;

	for (__u32 i = first; i < end; i++) {
		cover = find_cover(reach, &policy->rules[i], first);
		if (cover < 0)
			return NULL;
	}
	return cover < 0 ? NULL : &policy->infos[policy->rule_info[cover]];
}

/* The text of a rule behind its first word. */
static const char *conditions_of(const struct ks_policy *policy, size_t at)
{
	const char *blank = strchr(policy->infos[at].text, ' ');

	return blank ? blank : "";
}

static bool same_conditions(const void *owner, __u32 value, const void *key)
{
	return strcmp(conditions_of(owner, value), key) == 0;
}

/* Names the part of the rule that is in this list: a 1:1 translation has entries in two. */
static const char *part_of(const struct ks_reach *reach, const struct ks_rule_info *info)
{
	if (info->statement != KS_STATEMENT_BINAT && info->statement != KS_STATEMENT_NPTV6)
		return "this rule";
	return reach->list == KS_LIST_INBOUND ? "the inbound direction of this rule"
					      : "the outbound direction of this rule";
}

static int check_reach(struct ks_parser *p, struct ks_reach *reach, size_t at, __u32 first, __u32 end)
{
	const struct ks_policy *policy = reach->policy;
	const struct ks_rule_info *info = &policy->infos[at], *cover;
	const char *conditions = conditions_of(policy, at), *part = part_of(reach, info);
	__u64 hash = ks_hash_text(conditions);
	long same = ks_index_find(reach->rules, hash, same_conditions, policy, conditions);

	if (has_empty_set(policy, &policy->rules[first])) {
		/* policy/check.c has said so where the set is named */
	} else if (!any_can_match(policy, first, end)) {
		ks_parser_warn_at(p, &info->place,
				  "%s can never match: its family, addresses, ports and types exclude each other",
				  part);
	} else if (same >= 0) {
		cover = &policy->infos[same];
		ks_parser_warn_at(p, &info->place, "%s is never reached: the rule at %s:%u has the same conditions",
				  part, cover->place.file, cover->place.line);
	} else if ((cover = find_cover_all(reach, first, end)) != NULL) {
		ks_parser_warn_at(p, &info->place, "%s is never reached: the rule at %s:%u takes all of its packets",
				  part, cover->place.file, cover->place.line);
	}
	return same < 0 && ks_index_add(reach->rules, hash, (__u32)at) ? ks_parser_no_memory(p) : 0;
}

static int check_list_reach(struct ks_parser *p, enum ks_list list)
{
	const struct ks_config *config = &p->policy->config;
	__u32 begin = list == KS_LIST_FILTER ? 0 : config->list[list].first;
	__u32 limit = list == KS_LIST_FILTER ? config->rules : begin + config->list[list].count;
	ks_auto_index struct ks_index rules = { 0 };
	struct ks_reach reach = { .policy = p->policy, .rules = &rules, .list = list, .begin = begin };
	int err = 0;

	for (__u32 first = begin, end = begin; !err && first < limit; first = end) {
		__u32 at = p->policy->rule_info[first];

		while (end < limit && p->policy->rule_info[end] == at)
			end++;
		err = check_reach(p, &reach, at, first, end);
	}
	return err;
}

int ks_reach_check(struct ks_parser *p)
{
	int err = 0;

	for (int list = 0; !err && list < KS_LIST_OWN; list++)
		err = check_list_reach(p, list);
	return err;
}
