/* SPDX-License-Identifier: BSD-2-Clause */
/* See diff.h. Two rules that decide about one packet, one of each policy, make a class. */
#include "proof/diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "proof/joint.h"
#include "proof/unasked.h"
#include "text/names.h"

#define PAIR_STEPS 4000000ULL /* for one pair of rules */
#define FILTERS_TRIED 64U /* claims of the filter of each policy that may let a packet on to another list */
#define TRIED_MAX 32U /* packets of one pair of rules, */
#define TRIED_FIRST 16U /* so many of them before what does not come to rules is left out */
#define ZONES_TRIED 8U /* of one region, between other zones */

struct diff {
	struct ks_policy *policies[KS_DIFF_SIDES];
	struct ks_zone_pairs pairs;
	struct ks_court court[KS_DIFF_SIDES];
	struct ks_joint filter; /* packets come to the other lists through it */
	struct ks_joint *joint; /* the list in hand */
	ks_diff_fn *fn;
	void *arg;
	struct ks_diff_stats *stats;
};

static void diff_fini(struct diff *diff)
{
	ks_joint_fini(&diff->filter);
	for (int side = 0; side < KS_DIFF_SIDES; side++)
		ks_court_fini(&diff->court[side]);
}

KS_SCOPED_STRUCT(auto_diff, struct diff, diff_fini)

/* The regions of a class that are found, and what becomes of them. */
struct pair_ctx {
	struct diff *diff;
	struct ks_diff_class class;
	size_t claims[KS_DIFF_SIDES]; /* that decide, or KS_NO_CLAIM */
	bool may_differ; /* these do so on packets that no witness can be, by conditions that regions cannot say */
	bool is_unmet; /* no words say what the conditions of their rules ask for, such as a time */
	bool is_refuted; /* other rules decided about a packet, or none did */
	bool comes; /* packets of the claims in hand come to the rules */
	unsigned tries; /* how many may be tried at most, now, of ... */
	typeof(ks_joint_left) *find; /* ... these regions: all, or without what does not come */
	struct ks_deed vague[KS_DIFF_SIDES]; /* of the first such claims */
	bool is_shown;
	unsigned tried;
	int err;
};

/* --- showing it --- */

/* A pair of zones of a mask that is shown best. */
static unsigned zones_choose(const struct diff *diff, __u64 zones, unsigned other)
{
	unsigned best = KS_ZONE_NONE, rank_best = 0; /* only that zone may have no rank at all */

	for (unsigned at = 0; at < KS_ZONE_MAX; at++) {
		const __u8 *zone = diff->pairs.zone[at];
		unsigned rank = 1 + (zone[KS_DIFF_BEFORE] >= KS_ZONE_FIRST) + (zone[KS_DIFF_AFTER] >= KS_ZONE_FIRST) +
				4 * (at != other) - (at == KS_ZONE_NONE);

		if (zones >> at & 1 && rank > rank_best) {
			best = at;
			rank_best = rank;
		}
	}
	return best;
}

/* Makes the witness of a region for each policy, between two pairs of zones, which may have other names there. */
static void witnesses_choose(const struct diff *diff, const struct ks_region *region, unsigned from, unsigned to,
			     struct ks_witness witness[KS_DIFF_SIDES])
{
	struct ks_space space = diff->joint->space;
	struct ks_region one = *region;

	one.from = 1ULL << diff->pairs.zone[from][KS_DIFF_AFTER];
	one.to = 1ULL << diff->pairs.zone[to][KS_DIFF_AFTER];
	space.policy = diff->policies[KS_DIFF_AFTER];
	ks_witness_choose(&space, &one, &witness[KS_DIFF_AFTER]);
	for (int side = 0; side < KS_DIFF_SIDES; side++) {
		witness[side] = witness[KS_DIFF_AFTER];
		witness[side].from = diff->pairs.zone[from][side];
		witness[side].to = diff->pairs.zone[to][side];
		ks_witness_write(diff->policies[side], &witness[side]);
	}
}

static const char *label_of(const struct ks_policy *policy, const struct ks_inspection *insp)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, insp->verdict.rule);

	return info && info->label ? info->label : "";
}

static bool passes(__u8 action)
{
	return action == KS_ALLOW || action == KS_BYPASS;
}

/*
 * Returns true if the packet leaves from ports that tell the policies apart. Where both have given it another one, each was chosen
 * among those that are free: then only the two lines tell.
 */
static bool sports_differ(const struct pair_ctx *ctx, __be16 came, __be16 a, __be16 b)
{
	const struct ks_deed before = ks_joint_deed(ctx->diff->joint, ctx->claims[KS_DIFF_BEFORE], KS_DIFF_BEFORE);
	const struct ks_deed after = ks_joint_deed(ctx->diff->joint, ctx->claims[KS_DIFF_AFTER], KS_DIFF_AFTER);

	if (a == b)
		return false;
	return a == came || b == came ||
	       (ctx->class.list != KS_LIST_FILTER && ks_deeds_differ(&before, &after) & KS_DIFFERS_TRANSLATION);
}

/* Returns KS_DIFFERS_* of what the inspector has done by the two policies with a packet from this port. */
static unsigned outcomes_differ(const struct pair_ctx *ctx, __be16 sport, const struct ks_inspection *a,
				const struct ks_inspection *b)
{
	const struct diff *diff = ctx->diff;
	const struct ks_deed rules[] = {
		{ diff->policies[KS_DIFF_BEFORE], KS_LIST_FILTER, a->verdict.rule_index },
		{ diff->policies[KS_DIFF_AFTER], KS_LIST_FILTER, b->verdict.rule_index },
	};
	unsigned differs = ks_deeds_differ(&rules[0], &rules[1]) & KS_DIFFERS_SETS;

	if (a->verdict.action != b->verdict.action)
		differs |= KS_DIFFERS_VERDICT;
	else if (passes(a->verdict.action) &&
		 (!ks_addr_equal(&a->sent.src, &b->sent.src) || !ks_addr_equal(&a->sent.dst, &b->sent.dst) ||
		  a->sent.dport != b->sent.dport || sports_differ(ctx, sport, a->sent.sport, b->sent.sport)))
		differs |= KS_DIFFERS_TRANSLATION;
	if (a->verdict.log != b->verdict.log ||
	    (a->verdict.log &&
	     strcmp(label_of(diff->policies[KS_DIFF_BEFORE], a), label_of(diff->policies[KS_DIFF_AFTER], b)) != 0))
		differs |= KS_DIFFERS_LOG;
	if (passes(a->verdict.action) && passes(b->verdict.action))
		differs |= ks_deeds_differ(&rules[0], &rules[1]) &
			   (KS_DIFFERS_LIMITS | KS_DIFFERS_TIMEOUT | KS_DIFFERS_PACKETS);
	if (a->opening.helper != b->opening.helper)
		differs |= KS_DIFFERS_HELPER;
	return differs;
}

/* Returns true if the rule that should decide has decided. */
static bool is_as_claimed(const struct pair_ctx *ctx, const struct ks_inspection *insp, int side)
{
	const struct ks_policy *policy = ctx->diff->policies[side];
	const struct ks_deed deed = ks_joint_deed(ctx->diff->joint, ctx->claims[side], side);

	if (ctx->class.list != KS_LIST_FILTER)
		return true;
	if (deed.entry == KS_DECISION_DEFAULT || insp->verdict.rule_index == KS_DECISION_DEFAULT)
		return deed.entry == insp->verdict.rule_index;
	return policy->rule_info[deed.entry] == policy->rule_info[insp->verdict.rule_index];
}

/* Lets the inspector judge a packet of a region, between two pairs of zones, by both policies. */
static int packet_show(struct pair_ctx *ctx, const struct ks_region *region, unsigned from, unsigned to)
{
	struct diff *diff = ctx->diff;
	struct ks_witness witness[KS_DIFF_SIDES];
	struct ks_inspection insp[KS_DIFF_SIDES];
	bool is_claimed = true, is_met = true;

	witnesses_choose(diff, region, from, to, witness);
	ctx->tried++;
	for (int side = 0; side < KS_DIFF_SIDES; side++) {
		int err =
			ks_court_judge(&diff->court[side], &diff->joint->space.variables, &witness[side], &insp[side]);

		if (err)
			return err;
		is_claimed &= is_as_claimed(ctx, &insp[side], side);
		is_met &= ks_witness_is_met(&diff->joint->space.variables, &witness[side], &insp[side]);
		ctx->class.outcome[side] = (struct ks_diff_outcome){
			.deed = ks_joint_deed(diff->joint, ctx->claims[side], side),
			.action = insp[side].verdict.action,
			.reason = insp[side].verdict.reason,
			.sent = insp[side].sent,
		};
	}
	ctx->class.differs =
		outcomes_differ(ctx, witness[KS_DIFF_AFTER].tuple.sport, &insp[KS_DIFF_BEFORE], &insp[KS_DIFF_AFTER]);
	ctx->is_shown = is_claimed && is_met && ctx->class.differs;
	if (is_met || !ks_witness_is_of_router(&witness[KS_DIFF_AFTER])) { /* else no router sends such a packet */
		ctx->is_unmet |= !is_met;
		ctx->is_refuted |= !is_claimed;
	}
	ctx->class.witness = witness[KS_DIFF_AFTER];
	return 0;
}

/* Routers speak to the box first of all. */
static __u64 to_box(const struct ks_region *region, __u64 zones)
{
	const __u64 self = zones & 1ULL << KS_ZONE_SELF;

	return self && ks_region_is_of_routers(region) ? self : zones;
}

/* Pairs of zones of a region: from each zone to the best one for it, then from each to the next best. */
struct zones_walk {
	__u64 senders, round; /* that have receivers left, and those of them whose turn is to come */
	__u64 receivers[KS_ZONE_MAX]; /* of each sender */
};

static void zones_begin(const struct ks_region *region, struct zones_walk *walk)
{
	walk->senders = walk->round = region->to ? region->from : 0;
	for (unsigned zone = 0; zone < KS_ZONE_MAX; zone++)
		walk->receivers[zone] = region->to;
}

static bool zones_next(const struct diff *diff, const struct ks_region *region, struct zones_walk *walk, unsigned *from,
		       unsigned *to)
{
	if (!walk->round)
		walk->round = walk->senders;
	if (!walk->round)
		return false;
	*from = zones_choose(diff, walk->round, KS_ZONE_MAX);
	*to = zones_choose(diff, to_box(region, walk->receivers[*from]), *from);
	walk->round &= ~(1ULL << *from);
	walk->receivers[*from] &= ~(1ULL << *to);
	walk->senders &= ~((__u64)!walk->receivers[*from] << *from);
	return true;
}

/* Shows a packet of a region, between some pairs of its zones until one does what is claimed. */
static int region_show(struct pair_ctx *ctx, const struct ks_region *region)
{
	struct zones_walk walk;
	unsigned from, to;
	int err = 0;

	zones_begin(region, &walk);
	for (unsigned n = 0; !err && !ctx->is_shown && n < ZONES_TRIED; n++) {
		if (!zones_next(ctx->diff, region, &walk, &from, &to))
			break;
		if (from != KS_ZONE_SELF || to != KS_ZONE_SELF)
			err = packet_show(ctx, region, from, to);
	}
	return err;
}

static int region_try(const struct ks_region *region, void *arg)
{
	struct pair_ctx *ctx = arg;

	ctx->comes = true;
	ctx->err = region_show(ctx, region);
	return ctx->err || ctx->is_shown || ctx->tried >= ctx->tries;
}

static bool claim_allows(const struct ks_joint *joint, size_t at)
{
	const struct ks_claim *claim = &joint->space.claims[at];

	return ks_claim_is_rule(claim) && joint->policies[claim->side]->rules[claim->entry].action == KS_ALLOW;
}

/* The claims of the filter that let packets of a region on to the other lists, of each policy. */
static void filters_find(struct ks_joint *filter, const struct ks_region *region,
			 size_t found[KS_DIFF_SIDES][FILTERS_TRIED], unsigned count[KS_DIFF_SIDES])
{
	for (size_t i = 0; i < filter->space.count; i++) {
		int side = filter->space.claims[i].side;

		if (count[side] < FILTERS_TRIED && claim_allows(filter, i) &&
		    ks_regions_overlap(region, &filter->space.claims[i].region, &filter->cover.steps))
			found[side][count[side]++] = i;
	}
}

/* A list that is asked of allowed flows only: looks for packets of the region that both filters allow. */
static int region_filter(struct pair_ctx *ctx, const struct ks_region *region)
{
	struct ks_joint *filter = &ctx->diff->filter;
	size_t found[KS_DIFF_SIDES][FILTERS_TRIED] = { 0 };
	unsigned count[KS_DIFF_SIDES] = { 0 };
	int err = 0;

	filters_find(filter, region, found, count);
	ks_pool_reset(&filter->cover.pool);
	filter->cover.steps = 0;
	for (unsigned i = 0; !err && i < count[KS_DIFF_BEFORE]; i++) {
		for (unsigned j = 0; !err && j < count[KS_DIFF_AFTER]; j++)
			err = ctx->find(filter, region, found[KS_DIFF_BEFORE][i], found[KS_DIFF_AFTER][j], region_try,
					ctx);
	}
	return err == -E2BIG ? 0 : err;
}

/* --- pairs of rules --- */

/* Returns true if packets come to the list in hand as they come to the firewall. To the others they come through the filter. */
static bool is_first_list(const struct pair_ctx *ctx)
{
	return ctx->class.list == KS_LIST_FILTER || ctx->class.list == KS_LIST_INBOUND;
}

/*
 * Keeps the first claims that perhaps differ: no packet was found for which they do. The other lists are asked of packets that both
 * filters allow, or there is no such.
 */
static void vague_note(struct pair_ctx *ctx)
{
	if (!(ctx->may_differ || ctx->is_unmet || (ctx->is_refuted && is_first_list(ctx))) || !ctx->tried ||
	    ctx->class.vague)
		return;
	ctx->class.vague = true;
	for (int side = 0; side < KS_DIFF_SIDES; side++)
		ctx->vague[side] = ks_joint_deed(ctx->diff->joint, ctx->claims[side], side);
}

/* A region about which the claims in hand decide: shows a packet of it. */
static int region_look(const struct ks_region *region, void *arg)
{
	struct pair_ctx *ctx = arg;

	ctx->comes = true;
	if (!ctx->is_shown && ctx->tried < ctx->tries)
		ctx->err = is_first_list(ctx) ? region_show(ctx, region) : region_filter(ctx, region);
	return ctx->err || ctx->is_shown || ctx->tried >= ctx->tries;
}

static int region_note(const struct ks_region *region, void *arg)
{
	struct pair_ctx *ctx = arg;

	ctx->class.region[ctx->class.regions++] = *region;
	return ctx->class.regions == KS_DIFF_REGIONS_MAX;
}

/*
 * Looks for packets about which the claims in hand decide: first among all, of which the usual ones are found soon; then without
 * those that do not come to the rules. Returns 1 if there are any, 0, or -errno.
 */
static int claims_show(struct pair_ctx *ctx)
{
	const size_t before = ctx->claims[KS_DIFF_BEFORE], after = ctx->claims[KS_DIFF_AFTER];
	const bool is_refuted = ctx->is_refuted, is_unmet = ctx->is_unmet;
	struct ks_joint *joint = ctx->diff->joint;
	int err;

	ctx->tries = TRIED_FIRST;
	ctx->find = ks_joint_left;
	err = ks_joint_left(joint, NULL, before, after, region_look, ctx);
	if (err >= 0 && ctx->err >= 0) {
		ctx->is_refuted = is_refuted;
		ctx->is_unmet = is_unmet;
		ctx->comes = false;
		ctx->tries = TRIED_MAX;
		ctx->find = ks_joint_come;
		err = ks_joint_come(joint, NULL, before, after, region_look, ctx);
	}
	if (err < 0 || ctx->err < 0)
		return ctx->err < 0 ? ctx->err : err;
	return ctx->comes;
}

/* Looks for packets, and notes what they are. */
static int claims_search(struct pair_ctx *ctx)
{
	int err = claims_show(ctx);

	if (err <= 0)
		return err;
	vague_note(ctx);
	if (ctx->class.regions == KS_DIFF_REGIONS_MAX)
		return 0;
	err = ks_joint_left(ctx->diff->joint, NULL, ctx->claims[KS_DIFF_BEFORE], ctx->claims[KS_DIFF_AFTER],
			    region_note, ctx);
	return KS_MIN(err, 0);
}

/* The claims of a group, or for none (NULL) that no rule decides. */
static size_t claim_count(const struct ks_group *group)
{
	return group ? group->end - group->first : 1;
}

static size_t claim_at(const struct ks_group *group, size_t i)
{
	return group ? group->first + i : KS_NO_CLAIM;
}

/* Returns true if the rule of a claim stands in the other policy too, before the claim that decides there. */
static bool stands_before(const struct pair_ctx *ctx, const struct ks_group *group, int side)
{
	const size_t other = ctx->claims[!side];

	if (!group || group->changed)
		return false;
	return other == KS_NO_CLAIM || ctx->diff->joint->groups[!side].list[group->partner].first < other;
}

static bool claim_is_vague(const struct pair_ctx *ctx, int side)
{
	const size_t claim = ctx->claims[side];

	return claim != KS_NO_CLAIM && ks_joint_is_vague(ctx->diff->joint, claim);
}

/* Returns true if the claims in hand perhaps decide about a packet that no witness can be. */
static bool may_differ(const struct pair_ctx *ctx, const struct ks_group *const groups[KS_DIFF_SIDES])
{
	bool is_vague = false;

	for (int side = 0; side < KS_DIFF_SIDES; side++) {
		if (claim_is_vague(ctx, side) && stands_before(ctx, groups[side], side))
			return false; /* its packets are the same there */
		is_vague |= claim_is_vague(ctx, side);
	}
	return is_vague;
}

static int pair_search(struct pair_ctx *ctx, const struct ks_group *before, const struct ks_group *after)
{
	const struct ks_group *const groups[] = { before, after };
	struct ks_joint *joint = ctx->diff->joint;
	int err = 0;

	for (size_t i = 0; err >= 0 && i < claim_count(before); i++) {
		for (size_t j = 0; err >= 0 && j < claim_count(after); j++) {
			const struct ks_deed x = ks_joint_deed(joint, claim_at(before, i), KS_DIFF_BEFORE);
			const struct ks_deed y = ks_joint_deed(joint, claim_at(after, j), KS_DIFF_AFTER);

			if (!ks_deeds_differ(&x, &y))
				continue;
			ctx->claims[KS_DIFF_BEFORE] = claim_at(before, i);
			ctx->claims[KS_DIFF_AFTER] = claim_at(after, j);
			ctx->may_differ = may_differ(ctx, groups);
			err = claims_search(ctx);
		}
	}
	return err;
}

/* Tells what the lines would do, where no packet could be judged. */
static void vague_tell(struct pair_ctx *ctx)
{
	ctx->class.witness.text[0] = '\0';
	ctx->class.differs = ks_deeds_differ(&ctx->vague[KS_DIFF_BEFORE], &ctx->vague[KS_DIFF_AFTER]);
	for (int side = 0; side < KS_DIFF_SIDES; side++) {
		ctx->class.outcome[side] = (struct ks_diff_outcome){
			.deed = ctx->vague[side],
			.action = (__u8)ks_deed_action(&ctx->vague[side]),
		};
	}
}

/* Looks for packets about which these two rules decide; NULL: no rule. */
static int pair_check(struct diff *diff, const struct ks_group *before, const struct ks_group *after)
{
	struct ks_cover *cover = &diff->joint->cover;
	ks_auto_free struct pair_ctx *ctx = calloc(1, sizeof(*ctx));
	int err;

	if (!ctx)
		return -ENOMEM;
	ctx->diff = diff;
	ctx->class.space = &diff->joint->space;
	ctx->class.list = diff->joint->space.list;
	ks_pool_reset(&cover->pool);
	cover->steps = 0;
	cover->steps_max = KS_MIN(PAIR_STEPS, KS_DIFF_STEPS - KS_MIN(KS_DIFF_STEPS, diff->stats->steps));
	err = pair_search(ctx, before, after);
	diff->stats->steps += cover->steps;
	if (err && err != -E2BIG)
		return err;
	diff->stats->given_up |= err == -E2BIG;
	ctx->class.vague &= !ctx->is_shown;
	diff->stats->unshown += ctx->class.regions && !ctx->is_shown && !ctx->class.vague;
	if (!ctx->is_shown && !ctx->class.vague)
		return 0;
	diff->stats->classes++;
	if (ctx->class.vague)
		vague_tell(ctx);
	else
		ks_diff_test_write(&ctx->class);
	return diff->fn(&ctx->class, diff->arg);
}

/* Marks the rules of the other policy that have packets of a claim in common. */
static void overlaps_mark(struct ks_joint *joint, size_t claim, int other, bool *marked)
{
	const struct ks_groups *groups = &joint->groups[other];
	const struct ks_region *region = &joint->space.claims[claim].region;

	for (size_t i = 0; i < groups->count; i++) {
		for (size_t j = groups->list[i].first; j < groups->list[i].end && !marked[i]; j++)
			marked[i] = ks_regions_overlap(region, &joint->space.claims[j].region, &joint->cover.steps);
	}
}

/* Returns true if there are no more steps, or enough classes. */
static bool is_over(struct diff *diff)
{
	if (diff->stats->steps < KS_DIFF_STEPS && diff->stats->classes < KS_DIFF_CLASSES_MAX)
		return false;
	diff->stats->given_up = true;
	return true;
}

/* The groups in the order in which they are looked at: the rules; NULL for none; and last what passes without one. */
static const struct ks_group *other_at(const struct ks_groups *groups, size_t i)
{
	const bool has_passing = groups->count && groups->list[groups->count - 1].info == KS_NO_INFO;
	const size_t rules = groups->count - has_passing;

	if (i == rules)
		return NULL;
	return &groups->list[i < rules ? i : rules];
}

/* Holds a rule that changed against those of the other policy, and against none. */
static int group_check(struct diff *diff, const struct ks_group *group, int side)
{
	const struct ks_groups *others = &diff->joint->groups[!side];
	ks_auto_free bool *marked = calloc(others->count + 1, sizeof(*marked));
	int err = 0;

	if (!marked)
		return -ENOMEM;
	diff->joint->cover.steps = 0;
	for (size_t i = group->first; i < group->end; i++)
		overlaps_mark(diff->joint, i, !side, marked);
	diff->stats->steps += diff->joint->cover.steps;
	for (size_t i = 0; !err && i <= others->count && !is_over(diff); i++) {
		const struct ks_group *other = other_at(others, i);

		if (other && (!marked[other - others->list] || (side == KS_DIFF_AFTER && other->changed)))
			continue; /* pairs of changed rules were looked at from the other side */
		err = side == KS_DIFF_BEFORE ? pair_check(diff, group, other) : pair_check(diff, other, group);
	}
	return err;
}

/* --- policies --- */

static int list_check(struct diff *diff, enum ks_list list)
{
	ks_auto_joint struct ks_joint own = { 0 };
	int err = 0;

	if (list != KS_LIST_FILTER) {
		err = ks_joint_init(&own, diff->policies, &diff->pairs, list, &diff->filter.space.variables);
		if (err)
			return err;
	}
	diff->joint = list == KS_LIST_FILTER ? &diff->filter : &own;
	for (int side = 0; !err && side < KS_DIFF_SIDES; side++) {
		const struct ks_groups *groups = &diff->joint->groups[side];

		for (size_t i = 0; !err && i < groups->count; i++) {
			if (groups->list[i].changed && !is_over(diff))
				err = group_check(diff, &groups->list[i], side);
		}
	}
	return err;
}

int ks_diff_policies(struct ks_policy *before, struct ks_policy *after, ks_diff_fn *fn, void *arg,
		     struct ks_diff_stats *stats)
{
	struct ks_diff_stats none = { 0 };
	ks_scoped(auto_diff) struct diff diff = {
		.policies = { before, after }, .fn = fn, .arg = arg, .stats = stats ? stats : &none
	};
	int err = ks_zone_pairs_find(diff.policies, &diff.pairs);

	*diff.stats = none;
	for (int side = 0; !err && side < KS_DIFF_SIDES; side++) {
		ks_witness_invent_addresses(diff.policies[side]);
		err = ks_court_init(&diff.court[side], diff.policies[side]);
	}
	if (!err)
		err = ks_joint_init(&diff.filter, diff.policies, &diff.pairs, KS_LIST_FILTER, NULL);
	for (int list = 0; !err && list < KS_LIST_STAGED; list++)
		err = list_check(&diff, (enum ks_list)list);
	return err;
}
