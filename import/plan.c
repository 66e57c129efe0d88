/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stateless list of what opens flows, made of chains that see every packet.
 *
 * Our rules are asked about the first packet of a flow, and its later packets pass by their state. The original asks about all of
 * them. So a flow is allowed here only if the original lets all of its packets pass: answers, later packets, and the first one, in
 * this order, each by all bases of their hook one behind the other. Where a text accepts ESTABLISHED, as most do, the first two
 * are one entry that takes everything, and nothing is left of them.
 *
 *	allowed(first) = answers accepted AND later packets accepted AND first accepted
 *
 * Each of these is a list of which the first entry that matches decides; "and" is the list of one, in which the next one stands in
 * the place of each entry that accepts.
 */
#include "import/plan.h"

#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "import/effects.h"
#include "import/steady.h"

#define STEPS_MAX (3U * KS_IMPORT_BASES)

enum step_kind { STEP_ANSWER, STEP_LATER, STEP_FIRST };

struct step {
	const struct ks_import_base *base;
	enum step_kind kind;
};

struct plan {
	struct ks_import *import;
	struct ks_flat *flat;
	struct step step[STEPS_MAX];
	unsigned steps;
	struct ks_plan_question question;
	const struct ks_piece *begin; /* as it was before the first step */
	bool alters; /* the steps were made, and are made again for what they change */
};

/* --- answers --- */

/* The type of ICMP that answers one; the same for what has no answer. */
static unsigned icmp_answer(__u8 family, unsigned type)
{
	static const __u8 pairs4[][2] = { { 0, 8 }, { 13, 14 }, { 15, 16 }, { 17, 18 } };

	for (size_t i = 0; family == KS_IPV4 && i < KS_ARRAY_SIZE(pairs4); i++) {
		if (type == pairs4[i][0] || type == pairs4[i][1])
			return type ^ pairs4[i][0] ^ pairs4[i][1];
	}
	if (family == KS_IPV6 && (type == 128 || type == 129))
		return type ^ 128 ^ 129;
	return type;
}

/* All codes of the types that answer those of the spans. */
static int icmp_swap(struct ks_import *import, __u8 family, struct ks_spans *spans)
{
	struct ks_range *list;
	__u8 is[256] = { 0 };
	__u32 count = 0;

	if (ks_spans_equal(spans, &ks_spans_ports))
		return 0;
	for (__u32 i = 0; i < spans->count; i++) {
		for (__u64 type = spans->list[i].lo[1] >> KS_ICMP_TYPE_SHIFT;
		     type <= spans->list[i].hi[1] >> KS_ICMP_TYPE_SHIFT; type++)
			is[icmp_answer(family, (unsigned)type)] = 1;
	}
	list = ks_pool_alloc(&import->pool, KS_ARRAY_SIZE(is) * sizeof(*list));
	for (__u32 type = 0; list && type < KS_ARRAY_SIZE(is); type++) {
		const __u64 low = (__u64)type << KS_ICMP_TYPE_SHIFT;

		if (is[type])
			list[count++] = (struct ks_range){ .lo = { 0, low }, .hi = { 0, low | 0xff } };
	}
	*spans = (struct ks_spans){ list, count };
	return list ? 0 : -ENOMEM;
}

static void spans_swap(struct ks_spans *a, struct ks_spans *b)
{
	const struct ks_spans had = *a;

	*a = *b;
	*b = had;
}

/* The answers to the packets of a region. */
static int region_turn(struct ks_import *import, struct ks_region *region)
{
	const __u64 from = region->from;

	region->from = region->to;
	region->to = from;
	spans_swap(&region->dim[KS_DIM_SRC], &region->dim[KS_DIM_DST]);
	spans_swap(&region->dim[KS_DIM_SPORT], &region->dim[KS_DIM_DPORT]);
	return icmp_swap(import, region->family, &region->dim[KS_DIM_ICMP]);
}

/* --- steps --- */

/* The packets of a flow that a step asks about, for the ones that open it. */
static int region_prepare(const struct plan *plan, const struct step *step, struct ks_region *region)
{
	ks_region_fix(region, KS_VAR_OPENS, step->kind == STEP_FIRST);
	ks_region_fix(region, KS_VAR_TRACKED, !plan->question.untracked);
	if (step->kind != STEP_ANSWER)
		return 0;
	ks_steady_turn(plan->import, region);
	return region_turn(plan->import, region);
}

/* Back to those that open the flow. Of their later packets other conditions than the steady ones are not known. */
static int region_restore(const struct plan *plan, const struct step *step, const struct ks_region *asked, __u64 steady,
			  struct ks_region *region)
{
	ks_region_free(region, KS_VAR_OPENS);
	ks_region_free(region, KS_VAR_TRACKED);
	if (step->kind == STEP_FIRST)
		return 0;
	if (step->kind == STEP_ANSWER) {
		steady = ks_steady_turned(plan->import, steady);
		ks_steady_turn(plan->import, region);
	}
	region->in = (asked->in & ~steady) | (region->in & steady);
	region->out = (asked->out & ~steady) | (region->out & steady);
	return step->kind == STEP_ANSWER ? region_turn(plan->import, region) : 0;
}

/* Returns true if it depends on conditions which packets of it are in the entry. */
static bool is_conditional(const struct ks_region *region, const struct ks_region *asked, __u64 steady)
{
	return ((region->in ^ asked->in) | (region->out ^ asked->out)) & ~steady;
}

static bool lets_pass(enum ks_verdict_kind verdict)
{
	return verdict == KS_IMPORT_ACCEPT;
}

static int steps_run(struct plan *plan, unsigned at, const struct ks_flat_entry *so_far);

/* The packets that pass, as a step has changed them. */
static int altered_take(struct plan *plan, unsigned at, const struct ks_flat_entry *so_far,
			const struct ks_flat_entry *entry)
{
	struct ks_flat_entry altered = *so_far;

	altered.piece = entry->piece;
	return steps_run(plan, at + 1, &altered);
}

/* An entry of a step, about the packets that were asked about. */
static int entry_take(struct plan *plan, unsigned at, const struct ks_flat_entry *so_far, const struct ks_piece *asked,
		      struct ks_flat_entry *entry)
{
	const struct step *step = &plan->step[at];
	const __u64 steady = ks_steady_conditions(plan->import, entry, step->kind == STEP_ANSWER, step->base->hook);
	const bool unsure = step->kind != STEP_FIRST && is_conditional(&entry->piece.region, &asked->region, steady);
	int err;

	if (unsure && lets_pass(entry->verdict)) {
		if (entry->rule)
			((struct ks_import_rule *)entry->rule)->unsure = true;
		return 0;
	}
	if (step->kind != STEP_FIRST)
		ks_steady_note(plan->import, (entry->piece.region.out ^ asked->region.out) & steady);
	err = region_restore(plan, step, &so_far->piece.region, steady, &entry->piece.region);
	if (err)
		return err;
	if (unsure && !entry->trouble)
		entry->trouble = "it drops later packets of a flow, or answers, by what is not known of them here";
	entry->target_zones = so_far->target_zones;
	if (plan->alters)
		return lets_pass(entry->verdict) ? altered_take(plan, at, so_far, entry) : 0;
	if (!lets_pass(entry->verdict))
		return ks_flat_add(plan->import, plan->flat, entry);
	if (step->kind != STEP_FIRST || (!entry->rule && (so_far->rule || !entry->text))) {
		/* The rule that lets later packets pass is no reason, and a rule is a better one than a policy. */
		entry->rule = so_far->rule;
		entry->line = so_far->line;
		entry->text = so_far->text;
	}
	return steps_run(plan, at + 1, entry);
}

/* The packets that pass go by the rules once more, with those that change it: so only what passes is parted by them. */
static int alter_run(const struct plan *plan, const struct ks_flat_entry *passes)
{
	struct ks_flat parts = { 0 };
	struct plan again = { .import = plan->import, .flat = &parts, .question = plan->question, .alters = true };
	struct ks_flat_entry begin = *passes;
	int err;

	for (unsigned i = 0; i < plan->steps; i++) {
		if (plan->step[i].base->chain->alters)
			again.step[again.steps++] = plan->step[i];
	}
	memcpy(begin.piece.fields, plan->begin->fields, sizeof(begin.piece.fields));
	memcpy(begin.piece.changed, plan->begin->changed, sizeof(begin.piece.changed));
	begin.piece.routed = plan->begin->routed;
	begin.piece.alters = true;
	err = again.steps ? steps_run(&again, 0, &begin) : 0;
	begin.piece.alters = false;
	for (unsigned side = 0; side < KS_SIDES; side++)
		begin.piece.fields[side][KS_FIELD_TAG] = passes->piece.fields[side][KS_FIELD_TAG];
	return err ? err : ks_effects_add(plan->import, &begin, &parts, plan->flat);
}

static int steps_end(struct plan *plan, struct ks_flat_entry *entry)
{
	entry->verdict = plan->question.untracked ? KS_IMPORT_UNTRACK : KS_IMPORT_ACCEPT;
	if (!plan->alters && !plan->question.untracked)
		return alter_run(plan, entry);
	entry->piece.alters = false;
	return ks_flat_add(plan->import, plan->flat, entry);
}

static int steps_run(struct plan *plan, unsigned at, const struct ks_flat_entry *so_far)
{
	static const enum ks_side sides[] = {
		[STEP_ANSWER] = KS_SIDE_ANSWER, [STEP_LATER] = KS_SIDE_LATER, [STEP_FIRST] = KS_SIDE_FIRST
	};
	struct ks_flat flat = { 0 };
	struct ks_piece asked = so_far->piece;
	struct ks_flat_entry entry = *so_far;
	int err;

	if (at == plan->steps)
		return steps_end(plan, &entry);
	asked.side = sides[plan->step[at].kind];
	err = region_prepare(plan, &plan->step[at], &asked.region);
	err = err ? err
		  : ks_flatten(plan->import, plan->step[at].base, &asked,
			       plan->step[at].kind == STEP_FIRST ? KS_FLAT_OPENING : KS_FLAT_LATER, &flat);
	if (!err)
		ks_flat_prune(plan->import, &flat);
	for (size_t i = 0; !err && i < flat.count; i++)
		err = entry_take(plan, at, so_far, &asked, &flat.list[i]);
	return err;
}

static void steps_add(struct plan *plan, enum ks_hook hook, enum step_kind kind)
{
	for (unsigned i = 0; i < plan->import->bases; i++) {
		const struct ks_import_base *base = &plan->import->base[i];

		if (base->hook == hook && !base->translates && plan->steps < STEPS_MAX)
			plan->step[plan->steps++] = (struct step){ base, kind };
	}
}

static void hooks_add(struct plan *plan, enum ks_hook hook, enum step_kind kind)
{
	if (hook != KS_HOOK_OUTPUT && !(plan->question.translated && kind != STEP_ANSWER))
		steps_add(plan, KS_HOOK_PRE, kind);
	if (hook == KS_HOOK_PRE)
		return;
	steps_add(plan, hook, kind);
	if (hook != KS_HOOK_INPUT)
		steps_add(plan, KS_HOOK_POST, kind);
}

/* The hook by which answers come. */
static enum ks_hook hook_back(enum ks_hook hook)
{
	if (hook == KS_HOOK_FORWARD)
		return hook;
	return hook == KS_HOOK_INPUT ? KS_HOOK_OUTPUT : KS_HOOK_INPUT;
}

int ks_plan_hook(struct ks_import *import, const struct ks_plan_question *question, const struct ks_piece *piece,
		 struct ks_flat *flat)
{
	struct plan plan = { .import = import, .flat = flat, .question = *question };
	const struct ks_flat_entry begin = { .piece = *piece, .verdict = KS_IMPORT_ACCEPT };

	plan.begin = piece;
	if (!question->untracked && question->hook != KS_HOOK_PRE)
		hooks_add(&plan, hook_back(question->hook), STEP_ANSWER);
	if (!question->untracked)
		hooks_add(&plan, question->hook, STEP_LATER);
	hooks_add(&plan, question->hook, STEP_FIRST);
	return steps_run(&plan, 0, &begin);
}

/* --- the whole --- */

static void bases_sort(struct ks_import *import)
{
	for (unsigned i = 1; i < import->bases; i++) {
		const struct ks_import_base base = import->base[i];
		unsigned at = i;

		for (; at > 0 && import->base[at - 1].priority > base.priority; at--)
			import->base[at] = import->base[at - 1];
		import->base[at] = base;
	}
}

void ks_plan_restrict(const struct ks_import *import, enum ks_hook hook, struct ks_region *region)
{
	const __u64 self = 1ULL << KS_ZONE_SELF, others = ks_import_zones(import);

	region->from = hook == KS_HOOK_OUTPUT ? self : others;
	region->to = hook == KS_HOOK_INPUT ? self : others;
	if (hook != KS_HOOK_INPUT)
		ks_region_fix(region, KS_VAR_OWN, false);
	ks_region_fix(region, KS_VAR_FORWARDED, false);
}

static int hook_plan(struct ks_import *import, enum ks_hook hook, const struct ks_piece *all, struct ks_flat *flat)
{
	struct ks_piece piece = *all;
	struct ks_flat own = { 0 };
	int err;

	ks_plan_restrict(import, hook, &piece.region);
	err = ks_plan_hook(import, &(struct ks_plan_question){ .hook = hook }, &piece, &own);
	if (!err)
		ks_flat_prune(import, &own);
	for (size_t i = 0; !err && i < own.count; i++) {
		ks_region_free(&own.list[i].piece.region, KS_VAR_FORWARDED);
		if (hook != KS_HOOK_INPUT)
			ks_region_free(&own.list[i].piece.region, KS_VAR_OWN);
		err = ks_flat_add(import, flat, &own.list[i]);
	}
	return err;
}

static int family_plan(struct ks_import *import, __u8 family, struct ks_plan *plan)
{
	const unsigned at = family == KS_IPV6;
	struct ks_piece all = { 0 };
	int err;

	ks_region_fill(&all.region, family, ks_import_zones(import) | 1ULL << KS_ZONE_SELF);
	ks_piece_begin(&all);
	err = ks_plan_untracked(import, &all, &plan->filter[at]);
	err = err ? err : ks_plan_forwards(import, &all, &plan->filter[at]);
	for (int hook = KS_HOOK_INPUT; !err && hook <= KS_HOOK_OUTPUT; hook++)
		err = hook_plan(import, (enum ks_hook)hook, &all, &plan->filter[at]);
	err = err ? err : ks_plan_helpers(import, &all, &plan->helpers[at]);
	err = err ? err : ks_plan_sources(import, &all, &plan->sources[at]);
	if (err)
		return err;
	ks_flat_prune(import, &plan->filter[at]);
	ks_flat_trim(import, &plan->filter[at]);
	ks_plan_close(import, &plan->filter[at]);
	ks_flat_prune(import, &plan->sources[at]);
	return 0;
}

static bool chain_alters(const struct ks_import_chain *chain)
{
	for (const struct ks_import_rule *rule = chain->first; rule; rule = rule->next) {
		if (rule->changes || (rule->chain && rule->chain->alters))
			return true;
	}
	return false;
}

/* Finds the chains that change packets, until a round finds no further one. */
static void alters_find(struct ks_import *import)
{
	bool found = !import->plain;

	while (found) {
		found = false;
		for (struct ks_import_chain *chain = import->chains; chain; chain = chain->next) {
			if (chain->alters || !chain_alters(chain))
				continue;
			chain->alters = found = true;
		}
	}
}

static void passes_find(const struct ks_flat *flat)
{
	for (size_t i = 0; i < flat->count; i++) {
		const struct ks_flat_entry *entry = &flat->list[i];

		if (entry->rule && !(entry->verdict == KS_IMPORT_DROP || entry->verdict == KS_IMPORT_REJECT))
			((struct ks_import_rule *)entry->rule)->passes = true;
	}
}

/* Notes rules of which nothing is left, because no flow has its later packets and its answers pass for sure by them. */
static int unsure_note(struct ks_import *import)
{
	int err = 0;

	for (struct ks_import_chain *chain = import->chains; chain; chain = chain->next) {
		bool unsure = false, passes = false;

		for (const struct ks_import_rule *rule = chain->first; !err && rule; rule = rule->next) {
			unsure |= rule->unsure;
			passes |= rule->passes;
			if (rule->next && rule->next->line == rule->line)
				continue;
			import->line = rule->line;
			import->text = rule->text;
			if (unsure && !passes)
				err = ks_import_note(import, "left out: it lets later packets of a flow, or answers, "
							     "pass by what is not known of them here");
			unsure = passes = false;
		}
	}
	return err;
}

int ks_plan_make(struct ks_import *import, struct ks_plan *plan)
{
	static const __u8 families[2] = { KS_IPV4, KS_IPV6 };
	int err = 0;

	*plan = (struct ks_plan){ 0 };
	bases_sort(import);
	alters_find(import);
	err = ks_steady_begin(import);
	for (unsigned i = 0; !err && i < 2; i++) {
		if (import->families[i])
			err = family_plan(import, families[i], plan);
		passes_find(&plan->filter[i]);
	}
	return err ? err : unsure_note(import);
}
