/* SPDX-License-Identifier: BSD-2-Clause */
/* See shadow.h. */
#include "proof/shadow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/value.h"
#include "proof/condition.h"
#include "proof/shadow_internal.h"
#include "text/names.h"

/* --- what is left of a rule --- */

/* Bounds a question about a rule to a part of its packets, and to some of the rules before it. */
struct bounds {
	__u64 from, to; /* zones */
	int proto; /* or -1 */
	const struct ks_covers *only; /* these rules only; NULL: all before it */
};

static const struct bounds everything = { .from = KS_ZONES_ANY, .to = KS_ZONES_ANY, .proto = -1 };

struct left {
	struct ks_region region[KS_LEFT_MAX + 1];
	unsigned count, wanted;
};

static int left_note(const struct ks_region *region, void *arg)
{
	struct left *left = arg;

	left->region[left->count++] = *region;
	return left->count == left->wanted;
}

static __u32 info_of(const struct ks_shadow *shadow, __u32 claim)
{
	return shadow->policy->rule_info[shadow->space.claims[claim].entry];
}

static bool has_cover(const struct ks_covers *covers, __u32 info)
{
	for (unsigned i = 0; i < covers->count; i++) {
		if (covers->info[i] == info)
			return true;
	}
	return false;
}

/* Leaves those of cover.near that are allowed. */
static void near_filter(struct ks_shadow *shadow, const struct ks_covers *only)
{
	struct ks_cover *cover = &shadow->cover;
	size_t count = 0;

	for (size_t i = 0; i < cover->near_count; i++) {
		const struct ks_claim *claim = &shadow->space.claims[cover->near[i]];

		if (claim->entry == KS_CLAIM_NOBODY || has_cover(only, shadow->policy->rule_info[claim->entry]))
			cover->near[count++] = cover->near[i];
	}
	cover->near_count = count;
}

static bool region_bound(struct ks_region *region, const struct bounds *bounds)
{
	region->from &= bounds->from;
	region->to &= bounds->to;
	for (int i = 0; bounds->proto >= 0 && i < KS_PROTO_WORDS; i++)
		region->proto[i] &= bounds->proto / 64 == i ? 1ULL << bounds->proto % 64 : 0;
	return !ks_region_is_empty(region);
}

/* Finds up to left->wanted regions that earlier rules leave of a rule. Returns 0, -E2BIG or -ENOMEM. */
static int rule_left(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct bounds *bounds,
		     struct left *left)
{
	struct ks_cover *cover = &shadow->cover;
	int err = 0;

	left->count = 0;
	for (size_t i = rule->first; err >= 0 && i < rule->end && left->count < left->wanted; i++) {
		struct ks_region region = shadow->space.claims[i].region;

		if (!region_bound(&region, bounds))
			continue;
		cover->near_count = ks_near_find(&shadow->near, &region, rule->first, &cover->steps, cover->near);
		if (bounds->only)
			near_filter(shadow, bounds->only);
		err = ks_cover_left(cover, &region, left_note, left);
	}
	return KS_MIN(err, 0);
}

/* --- who takes its packets --- */

/* The rules whose claims were used since ks_cover_forget(). */
static void covers_collect(const struct ks_shadow *shadow, const struct ks_shadowed *rule, struct ks_covers *covers)
{
	*covers = (struct ks_covers){ 0 };
	for (__u32 i = 0; i < rule->first; i++) {
		if (!shadow->cover.used[i] || shadow->space.claims[i].entry == KS_CLAIM_NOBODY ||
		    has_cover(covers, info_of(shadow, i)))
			continue;
		if (covers->count < KS_COVERS_MAX)
			covers->info[covers->count++] = info_of(shadow, i);
		else
			covers->more++;
	}
}

/* Returns 1 if these rules alone take all of the packets, 0 if not or not found out, or -ENOMEM. */
static int suffice(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct bounds *bounds,
		   const struct ks_covers *covers)
{
	struct bounds some = *bounds;
	struct left left = { .wanted = 1 };
	int err;

	some.only = covers;
	err = rule_left(shadow, rule, &some, &left);
	return err == -ENOMEM ? err : !err && !left.count;
}

/* Leaves out rules that are not needed: first all but one, then one after the other, the last first. */
static int covers_reduce(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct bounds *bounds,
			 struct ks_covers *covers)
{
	int enough = 0;

	for (unsigned i = 0; i < covers->count && covers->count > 1 && !covers->more; i++) {
		const struct ks_covers one = { .info = { covers->info[i] }, .count = 1 };

		enough = suffice(shadow, rule, bounds, &one);
		if (enough < 0)
			return enough;
		if (enough) {
			*covers = one;
			return 0;
		}
	}
	for (unsigned i = covers->count; i-- > 0 && covers->count > 2 && !covers->more;) {
		struct ks_covers fewer = *covers;

		fewer.count--;
		memmove(&fewer.info[i], &fewer.info[i + 1], (fewer.count - i) * sizeof(fewer.info[0]));
		enough = suffice(shadow, rule, bounds, &fewer);
		if (enough < 0)
			return enough;
		if (enough)
			*covers = fewer;
	}
	return 0;
}

/* --- a packet that shows it --- */

/* Returns true if some entry of the rule matches the packet that was judged, before anything is translated. */
static bool rule_matches(const struct ks_shadow *shadow, const struct ks_shadowed *rule,
			 const struct ks_witness *witness, struct ks_inspection *insp)
{
	struct ks_env *env = ks_engine_env(shadow->court->asked.engine);

	insp->to = witness->to;
	for (size_t i = rule->first; i < rule->end; i++) {
		const struct ks_rule *entry = &shadow->policy->rules[shadow->space.claims[i].entry];

		if (ks_rule_compare(env, entry, insp) == KS_MISS_NOTHING)
			return true;
	}
	return false;
}

/*
 * Lets the inspector judge the packet: taken->is_shown if the cover decides, and the rule would have matched. A packet that does
 * not come to the rules, such as an ICMP answer that nobody asked for, shows nothing, as one that does not meet the conditions:
 * not all of them have words.
 */
static int taken_show(struct ks_shadow *shadow, const struct ks_shadowed *rule, struct ks_taken *taken)
{
	const bool is_filter = shadow->space.list == KS_LIST_FILTER;
	struct ks_inspection insp;
	__u32 entry;
	int err = ks_court_judge(shadow->court, &shadow->space.variables, &taken->witness, &insp);

	if (err)
		return err;
	entry = is_filter ? insp.verdict.rule_index : ks_court_ask(shadow->court, shadow->space.list, &taken->witness);
	if (entry == KS_DECISION_DEFAULT || !ks_witness_is_met(&shadow->space.variables, &taken->witness, &insp))
		return 0;
	taken->is_shown = shadow->policy->rule_info[entry] == shadow->policy->rule_info[taken->cover.entry] &&
			  (!is_filter || rule_matches(shadow, rule, &taken->witness, &insp));
	taken->is_refuted = !taken->is_shown;
	return 0;
}

/* The packets of one claim of the rule about which a claim before it decides. */
static int claim_take(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_region *region,
		      __u32 at, struct ks_taken *taken)
{
	struct ks_cover *cover = &shadow->cover;
	struct left left = { .wanted = 1 };
	struct ks_region both;
	int err = ks_region_intersect(&cover->pool, region, &shadow->space.claims[at].region, &cover->steps, &both);

	if (err)
		return err;
	cover->near_count = ks_near_find(&shadow->near, &both, at, &cover->steps, cover->near);
	err = ks_cover_left(cover, &both, left_note, &left);
	if (err < 0 || !left.count)
		return KS_MIN(err, 0);
	ks_witness_choose(&shadow->space, &left.region[0], &taken->witness);
	return taken_show(shadow, rule, taken);
}

/* Looks for a packet that the claim `at` takes from the rule. */
static int taken_try(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct bounds *bounds, __u32 at,
		     struct ks_taken *taken)
{
	const struct ks_claim *claim = &shadow->space.claims[at];
	int err = 0;

	for (size_t i = rule->first; !err && i < rule->end && !taken->is_shown; i++) {
		struct ks_region region = shadow->space.claims[i].region;

		if (!region_bound(&region, bounds) ||
		    !ks_regions_overlap(&region, &claim->region, &shadow->cover.steps))
			continue;
		taken->rule = (struct ks_deed){ shadow->policy, shadow->space.list, shadow->space.claims[i].entry };
		taken->cover = (struct ks_deed){ shadow->policy, shadow->space.list, claim->entry };
		taken->differs = ks_deeds_differ(&taken->cover, &taken->rule);
		err = claim_take(shadow, rule, &region, at, taken);
	}
	return err == -E2BIG ? 0 : err;
}

/* Looks for a packet that one of the covers takes: where they differ from the rule, one of those. */
static int taken_find(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct bounds *bounds,
		      const struct ks_covers *covers, struct ks_taken *taken)
{
	const struct ks_deed deed = { shadow->policy, shadow->space.list, shadow->space.claims[rule->first].entry };
	struct ks_taken found = { 0 };
	int err = 0;

	*taken = found;
	for (int alike = 0; alike < 2 && !taken->is_shown; alike++) {
		for (__u32 i = 0; !err && i < rule->first && !taken->is_shown; i++) {
			const struct ks_claim *claim = &shadow->space.claims[i];
			const struct ks_deed other = { shadow->policy, shadow->space.list, claim->entry };

			if (claim->vague || claim->entry == KS_CLAIM_NOBODY || !has_cover(covers, info_of(shadow, i)) ||
			    (ks_deeds_differ(&other, &deed) == 0) != alike)
				continue;
			found = (struct ks_taken){ 0 };
			err = taken_try(shadow, rule, bounds, i, &found);
			if (found.is_shown || !taken->cover.policy)
				*taken = found;
		}
	}
	shadow->stats->witnesses += taken->is_shown;
	shadow->stats->doubts += taken->is_refuted;
	return err;
}

/* --- rules --- */

/* Returns true if a range is an address that the text says is the firewall's own. */
static bool is_own(const struct ks_policy *policy, const struct ks_range *range, __u8 family)
{
	for (unsigned zone = 0; zone < KS_ZONE_MAX; zone++) {
		const struct ks_addr *own = &policy->config.address[zone][family == KS_IPV6];
		__u64 value[2];

		ks_addr_to_value(own, family, value);
		if (policy->config.addressed >> zone & 1 && (own->d[0] | own->d[1]) &&
		    !ks_addr_is_on_link(own, family) && !ks_witness_is_lent(policy, own, family) &&
		    !memcmp(range->lo, value, sizeof(value)) && !memcmp(range->hi, value, sizeof(value)))
			return true;
	}
	return false;
}

/* Returns true if others have sent these packets in the firewall's own name: such ones are dropped before the rules. */
static bool is_forged(const struct ks_shadow *shadow, const struct ks_region *region)
{
	const struct ks_spans *sources = &region->dim[KS_DIM_SRC];

	for (__u32 i = 0; i < sources->count; i++) {
		if (!is_own(shadow->policy, &sources->list[i], region->family))
			return false;
	}
	return sources->count && !(region->from & 1ULL << KS_ZONE_SELF);
}

/* Returns 1 if all that is left of a rule is so; its first region is. */
static int left_is_forged(struct ks_shadow *shadow, const struct ks_shadowed *rule)
{
	struct left left = { .wanted = KS_LEFT_MAX + 1 };
	int err;

	ks_cover_forget(&shadow->cover);
	err = rule_left(shadow, rule, &everything, &left);
	if (err || left.count > KS_LEFT_MAX)
		return err;
	for (unsigned i = 0; i < left.count; i++) {
		if (!is_forged(shadow, &left.region[i]))
			return 0;
	}
	return 1;
}

/* A rule of which nothing is left, or only what others forge. */
static int never(struct ks_shadow *shadow, const struct ks_shadowed *rule, bool forged)
{
	struct ks_taken taken = { 0 };
	struct ks_covers covers;
	int err = 0;

	shadow->stats->never++;
	covers_collect(shadow, rule, &covers);
	if (covers.count) {
		err = forged ? 0 : covers_reduce(shadow, rule, &everything, &covers);
		if (!err)
			err = taken_find(shadow, rule, &everything, &covers, &taken);
	}
	return err ? err : ks_shadow_tell_never(shadow, rule, &covers, &taken);
}

/* Tells of a part of a rule if nothing is left of it, and it is lost to a rule that does something else. */
static int part_check(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct bounds *bounds,
		      const struct ks_lost *lost)
{
	struct left left = { .wanted = 1 };
	struct ks_taken taken;
	struct ks_covers covers;
	int err;

	ks_cover_forget(&shadow->cover);
	err = rule_left(shadow, rule, bounds, &left);
	if (err || left.count)
		return err;
	covers_collect(shadow, rule, &covers);
	if (!covers.count)
		return 0;
	err = covers_reduce(shadow, rule, bounds, &covers);
	if (!err)
		err = taken_find(shadow, rule, bounds, &covers, &taken);
	if (err || !(taken.differs & (KS_DIFFERS_VERDICT | KS_DIFFERS_TRANSLATION)))
		return err;
	shadow->stats->parts++;
	return ks_shadow_tell_lost(shadow, rule, lost, &covers, &taken);
}

/* Returns true if a rule names zones, several of them: any zone, and all but some, are no names. */
static bool are_named(const struct ks_shadow *shadow, __u64 zones)
{
	return !(zones & ~ks_policy_zone_bits(shadow->policy)) && zones & (zones - 1);
}

static int zones_check(struct ks_shadow *shadow, const struct ks_shadowed *rule, __u64 zones, bool from)
{
	int err = 0;

	if (!are_named(shadow, zones))
		return 0;
	for (; !err && zones; zones &= zones - 1) {
		struct ks_lost lost = { .word = from ? "from zone" : "to zone" };
		struct bounds bounds = everything;

		*(from ? &bounds.from : &bounds.to) = zones & -zones;
		snprintf(lost.name, sizeof(lost.name), "%s",
			 ks_policy_zone_name(shadow->policy, (unsigned)__builtin_ctzll(zones)));
		err = part_check(shadow, rule, &bounds, &lost);
	}
	return err;
}

/* A rule of several protocols has an entry for each. */
static int protos_check(struct ks_shadow *shadow, const struct ks_shadowed *rule)
{
	const struct ks_rule *rules = shadow->policy->rules;
	const struct ks_claim *claims = shadow->space.claims;
	int before = -1, err = 0;

	if (rules[claims[rule->first].entry].proto == rules[claims[rule->end - 1].entry].proto)
		return 0;
	for (size_t i = rule->first; !err && i < rule->end; i++) {
		struct ks_lost lost = { .word = "of protocol" };
		struct bounds bounds = everything;

		bounds.proto = rules[claims[i].entry].proto;
		if (bounds.proto == before)
			continue;
		before = bounds.proto;
		snprintf(lost.name, sizeof(lost.name), "%s", ks_proto_name((unsigned)before, (char[8]){ 0 }, 8));
		err = part_check(shadow, rule, &bounds, &lost);
	}
	return err;
}

/* Notes what is left of a rule, if not all. */
static int note(struct ks_shadow *shadow, const struct ks_shadowed *rule)
{
	struct left left = { .wanted = KS_LEFT_MAX + 1 };
	struct ks_taken taken;
	struct ks_covers covers;
	int err;

	ks_cover_forget(&shadow->cover);
	err = rule_left(shadow, rule, &everything, &left);
	if (err)
		return err;
	covers_collect(shadow, rule, &covers);
	if (!covers.count)
		return 0;
	err = taken_find(shadow, rule, &everything, &covers, &taken);
	if (err || (shadow->space.variables.conditions && !taken.is_shown))
		return err; /* perhaps no packet meets the conditions of both */
	shadow->stats->notes++;
	return ks_shadow_tell_part(shadow, rule, &covers, &taken, left.region, left.count);
}

static int rule_look(struct ks_shadow *shadow, const struct ks_shadowed *rule)
{
	const struct ks_rule *entry = &shadow->policy->rules[shadow->space.claims[rule->first].entry];
	struct left left = { .wanted = 1 };
	unsigned parts = shadow->stats->parts;
	int err, forged = 0;

	ks_cover_forget(&shadow->cover);
	err = rule_left(shadow, rule, &everything, &left);
	if (!err && left.count && is_forged(shadow, &left.region[0]))
		forged = left_is_forged(shadow, rule);
	if (err || forged < 0)
		return err ? err : forged;
	if (!left.count || forged)
		return never(shadow, rule, forged);
	err = zones_check(shadow, rule, entry->from_zones, true);
	if (!err)
		err = zones_check(shadow, rule, entry->to_zones, false);
	if (!err)
		err = protos_check(shadow, rule);
	if (err || !shadow->wish->notes || shadow->stats->parts != parts)
		return err;
	return note(shadow, rule);
}

/* Looks at a rule, for so many steps. */
static int rule_check(struct ks_shadow *shadow, const struct ks_shadowed *rule, struct ks_shadowed *given_up)
{
	const __u64 all = shadow->wish->steps ? shadow->wish->steps : KS_SHADOW_STEPS;
	const __u64 one = shadow->wish->steps_rule ? shadow->wish->steps_rule : KS_SHADOW_STEPS_RULE;
	int err;

	ks_pool_reset(&shadow->cover.pool);
	shadow->cover.steps = 0;
	shadow->cover.steps_max = KS_MIN(one, all - KS_MIN(all, shadow->stats->steps));
	err = rule_look(shadow, rule);
	shadow->stats->steps += shadow->cover.steps;
	if (err != -E2BIG)
		return err;
	if (!shadow->stats->given_up++)
		*given_up = *rule;
	return 0;
}

/* --- lists --- */

static int rules_check(struct ks_shadow *shadow)
{
	struct ks_shadowed rule = { 0 }, given_up = { 0 };
	int err = 0;

	shadow->stats->given_up = 0;
	for (size_t at = 0; !err && at < shadow->space.count; at = rule.end) {
		rule.first = rule.end = at;
		if (shadow->space.claims[at].entry == KS_CLAIM_NOBODY) {
			rule.end++;
			continue;
		}
		rule.info = info_of(shadow, (__u32)at);
		while (rule.end < shadow->space.count && info_of(shadow, (__u32)rule.end) == rule.info)
			rule.end++;
		err = rule_check(shadow, &rule, &given_up);
	}
	return err || !shadow->stats->given_up ? err : ks_shadow_tell_given_up(shadow, &given_up);
}

static void shadow_fini(struct ks_shadow *shadow)
{
	ks_cover_fini(&shadow->cover);
	ks_near_fini(&shadow->near);
	ks_space_fini(&shadow->space);
}

KS_SCOPED_STRUCT(auto_shadow, struct ks_shadow, shadow_fini)

static int list_check(struct ks_shadow *outline, enum ks_list list)
{
	ks_scoped(auto_shadow) struct ks_shadow shadow = *outline;
	int err;

	if (!ks_list_of(shadow.policy, list).count)
		return 0;
	err = ks_space_init(&shadow.space, shadow.policy, list);
	if (!err)
		err = ks_near_init(&shadow.near, &shadow.space);
	if (!err)
		err = ks_cover_init(&shadow.cover, &shadow.space);
	if (!err)
		err = rules_check(&shadow);
	outline->warned = shadow.warned;
	outline->noted = shadow.noted;
	return err;
}

int ks_shadow_check(struct ks_policy *policy, const struct ks_shadow_wish *wish, struct ks_diags *diags,
		    struct ks_shadow_stats *stats)
{
	struct ks_shadow_stats own = { 0 };
	ks_auto_court struct ks_court court = { 0 };
	struct ks_shadow outline = {
		.policy = policy, .wish = wish, .diags = diags, .stats = stats ? stats : &own, .court = &court
	};
	int err;

	*outline.stats = own;
	ks_witness_invent_addresses(policy);
	err = ks_court_init(&court, policy);
	for (int list = 0; !err && list < KS_LIST_STAGED; list++)
		err = list_check(&outline, (enum ks_list)list);
	return err ? err : ks_shadow_tell_rest(&outline);
}
