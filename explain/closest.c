/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules that come closest to letting a dropped packet pass. A person reads a few of them, not each of 60,000: those that
 * match in the most conditions, where one that fails counts against them. Each condition of a rule is asked alone, by a rule
 * that has this one only, so that core/rules.c and nobody else says what matches.
 */
#include <string.h>

#include "core/env.h"
#include "core/rules.h"
#include "explain/internal.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/names.h"

#define CLOSEST_MAX 5U
#define CONDITIONS_MAX 32 /* more than a rule has */

#define X_CONDITIONS(X)         \
	X(FROM, "from")         \
	X(TO, "to")             \
	X(FAMILY, "family")     \
	X(PROTO, "proto")       \
	X(SPORT, "source port") \
	X(DPORT, "port")        \
	X(ICMP, "icmp")         \
	X(SRC, "source")        \
	X(DST, "destination")

static const char *condition_name(unsigned miss)
{
	switch (miss) {
#define X(id, name)        \
	case KS_MISS_##id: \
		return name;
		X_CONDITIONS(X)
		KS_CONDITIONS(X)
#undef X
	default:
		return "";
	}
}

/* A rule, and how near it is. */
struct candidate {
	const struct ks_rule_info *info; /* NULL: none */
	unsigned failed; /* a bit for each KS_MISS_* */
	int matched;
	int score; /* conditions that match without those that fail; of equals the one in which fewer fail */
	bool behind; /* it stands behind the rule that decided */
};

/* Returns true if a rule says something of this, and leaves in `only` a rule that says nothing else. */
static bool condition_isolate(const struct ks_rule *rule, unsigned condition, struct ks_rule *only)
{
	*only = (struct ks_rule){ .from_zones = KS_ZONES_ANY, .to_zones = KS_ZONES_ANY, .flags = KS_RULE_ANY_PROTO };
	switch (condition) {
	case KS_MISS_FROM:
		only->from_zones = rule->from_zones;
		return rule->from_zones != KS_ZONES_ANY;
	case KS_MISS_TO:
		only->to_zones = rule->to_zones;
		return rule->to_zones != KS_ZONES_ANY;
	case KS_MISS_FAMILY:
		only->family = rule->family;
		return rule->family;
	case KS_MISS_PROTO:
		only->proto = rule->proto;
		only->flags = rule->flags & KS_RULE_ANY_PROTO;
		return !only->flags;
	case KS_MISS_SPORT:
		only->sport_set = rule->sport_set;
		only->flags |= rule->flags & KS_RULE_NOT_SPORT;
		return rule->sport_set != KS_SET_ANY;
	case KS_MISS_DPORT:
		only->dport_set = rule->dport_set;
		only->flags |= rule->flags & KS_RULE_NOT_DPORT;
		return rule->dport_set != KS_SET_ANY;
	case KS_MISS_ICMP:
		only->icmp_set = rule->icmp_set;
		return rule->icmp_set != KS_SET_ANY;
	case KS_MISS_SRC:
		only->src_set = rule->src_set;
		only->flags |= rule->flags & KS_RULE_NOT_SRC;
		return rule->src_set != KS_SET_ANY;
	default:
		only->dst_set = rule->dst_set;
		only->flags |= rule->flags & KS_RULE_NOT_DST;
		return rule->dst_set != KS_SET_ANY;
	}
}

static void condition_count(struct candidate *candidate, unsigned miss, bool fails)
{
	if (fails)
		candidate->failed |= 1U << miss;
	else
		candidate->matched++;
}

/* Those of core/match.h. */
static void further_judge(const struct ks_explain *explain, const struct ks_rule *rule, struct candidate *candidate)
{
	struct ks_env *env = ks_engine_env(explain->engine);
	const struct ks_conditions *conditions = env_conditions(env, rule->conditions);

	for (unsigned n = 0; rule->conditions && conditions && n < KS_CONDITION_MAX; n++) {
		if (conditions->asks >> n & 1)
			condition_count(candidate, KS_MISS_CONDITION + n,
					ks_rule_condition_fails(env, rule, explain->insp, n));
	}
}

static void candidate_judge(const struct ks_explain *explain, const struct ks_rule *rule, struct candidate *candidate)
{
	struct ks_env *env = ks_engine_env(explain->engine);
	struct ks_rule only;
	int failures;

	for (unsigned condition = KS_MISS_FROM; condition <= KS_MISS_DST; condition++) {
		if (condition_isolate(rule, condition, &only))
			condition_count(candidate, condition,
					ks_rule_compare(env, &only, explain->insp) != KS_MISS_NOTHING);
	}
	further_judge(explain, rule, candidate);
	failures = __builtin_popcount(candidate->failed);
	candidate->score = (candidate->matched - failures) * CONDITIONS_MAX - failures;
}

/* Puts a candidate into the list, which is sorted: of equals the first one of the text stands first. */
static void candidate_insert(struct candidate list[CLOSEST_MAX], const struct candidate *candidate)
{
	unsigned at = CLOSEST_MAX;

	while (at && (!list[at - 1].info || list[at - 1].score < candidate->score))
		at--;
	if (at == CLOSEST_MAX)
		return;
	memmove(&list[at + 1], &list[at], (CLOSEST_MAX - at - 1) * sizeof(*list));
	list[at] = *candidate;
}

/* A rule of the text may be several entries of the table, one after the other: the one that is nearest stands for it. */
static struct candidate rule_judge(const struct ks_explain *explain, __u32 *index)
{
	const struct ks_policy *policy = explain->policy;
	__u32 info = policy->rule_info[*index];
	struct candidate best = { 0 };

	for (; *index < policy->config.rules && policy->rule_info[*index] == info; (*index)++) {
		const struct ks_rule *rule = &policy->rules[*index];
		struct candidate candidate = { .info = &policy->infos[info] };

		if (rule->action != KS_ALLOW && rule->action != KS_BYPASS)
			continue;
		candidate_judge(explain, rule, &candidate);
		if (!best.info || candidate.score > best.score)
			best = candidate;
	}
	return best;
}

/* Returns true if a packet of this protocol has what the condition is about: others have no port, or no type of ICMP. */
static bool says_something(const struct ks_explain *explain, unsigned miss)
{
	unsigned proto = explain->insp->opening.as_filtered.proto;

	if (miss == KS_MISS_SPORT || miss == KS_MISS_DPORT)
		return ks_proto_has_ports(proto);
	return miss != KS_MISS_ICMP || proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

static json_t *failed_json(const struct ks_explain *explain, unsigned failed)
{
	json_t *list = json_array();
	char why[KS_MISS_TEXT];

	for (unsigned miss = KS_MISS_FROM; miss < KS_MISS_MAX; miss++) {
		if (!(failed >> miss & 1) || !says_something(explain, miss))
			continue;
		ks_explain_miss(explain, miss, why);
		ks_json_append(&list, json_pack("{s:s, s:s}", "condition", condition_name(miss), "why", why));
	}
	return list;
}

static json_t *candidate_json(const struct ks_explain *explain, const struct candidate *candidate)
{
	const struct ks_rule_info *info = candidate->info;

	return json_pack("{s:o, s:i, s:o, s:o*, s:i, s:b, s:o}", "file", ks_json_text(info->place.file), "line",
			 (int)info->place.line, "text", ks_json_text(info->text), "label", ks_json_text(info->label),
			 "matched", candidate->matched, "behind", candidate->behind, "failed",
			 failed_json(explain, candidate->failed));
}

/* Returns true if more of it matches than fails, or as much: others are told only where there is nothing nearer. */
static bool is_near(const struct candidate *candidate)
{
	return candidate->matched >= __builtin_popcount(candidate->failed);
}

json_t *ks_explain_closest(const struct ks_explain *explain, __u32 decided)
{
	struct candidate list[CLOSEST_MAX] = { 0 };
	json_t *closest = json_array();

	for (__u32 index = 0; index < explain->policy->config.rules;) {
		bool behind = index > decided;
		struct candidate candidate = rule_judge(explain, &index);

		candidate.behind = behind;
		if (candidate.info && candidate.matched)
			candidate_insert(list, &candidate);
	}
	for (unsigned i = 0; i < CLOSEST_MAX && list[i].info && (!i || is_near(&list[i])); i++)
		ks_json_append(&closest, candidate_json(explain, &list[i]));
	return closest;
}
