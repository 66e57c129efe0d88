/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New destinations, new sources, and packets that are not tracked.
 *
 * A `forward` of ours allows and translates at once, and knows the packet as it came. So it is the translation of the original,
 * narrowed to what the hooks behind it let pass of the translated packets: those are asked about the new destination, and their
 * answer is put in terms of the old one. A translation that ours cannot say is a rule that denies: untranslated, such a packet
 * would go somewhere else, and nobody has said that it may.
 */
#include <errno.h>
#include <string.h>

#include "import/place.h"
#include "import/plan.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define LOOPBACK_NET 127U
#define LOOPBACK_SHIFT 24

/* --- what is not tracked --- */

static bool has_kind(const struct ks_import *import, enum ks_verdict_kind kind)
{
	for (const struct ks_import_chain *chain = import->chains; chain; chain = chain->next) {
		for (const struct ks_import_rule *rule = chain->first; rule; rule = rule->next) {
			if (rule->kind == kind)
				return true;
		}
	}
	return false;
}

static int untracked_hook(struct ks_import *import, const struct ks_region *region, enum ks_hook hook,
			  struct ks_flat *flat)
{
	struct ks_piece piece = { .region = *region }, all;

	ks_piece_begin(&piece);
	ks_region_free(&piece.region, KS_VAR_OPENS);
	ks_region_free(&piece.region, KS_VAR_TRACKED);
	all = piece;
	ks_plan_restrict(import, hook, &all.region);
	piece.region.from &= all.region.from;
	piece.region.to &= all.region.to;
	if (!piece.region.from || !piece.region.to)
		return 0;
	return ks_plan_hook(import, &(struct ks_plan_question){ .hook = hook, .untracked = true }, &piece, flat);
}

static int untracked_take(struct ks_import *import, const struct ks_import_base *base, const struct ks_flat *rules,
			  size_t at, struct ks_flat *flat)
{
	struct ks_shreds shreds = { 0 };
	int err = ks_plan_shred(import, rules, at, &shreds);

	for (int i = 0; !err && i < shreds.count; i++) {
		if (base->hook == KS_HOOK_OUTPUT) {
			err = untracked_hook(import, &shreds.list[i], KS_HOOK_OUTPUT, flat);
			continue;
		}
		err = untracked_hook(import, &shreds.list[i], KS_HOOK_INPUT, flat);
		err = err ? err : untracked_hook(import, &shreds.list[i], KS_HOOK_FORWARD, flat);
	}
	return err;
}

/* The rules of a hook before the routes, for the packets that open a flow there: of the box itself at its output, of others elsewhere. */
static int early_flatten(struct ks_import *import, const struct ks_import_base *base, const struct ks_piece *all,
			 enum ks_flat_mode mode, struct ks_flat *rules)
{
	struct ks_piece piece = *all;

	ks_piece_forget(import, &piece);
	piece.region.from &= base->hook == KS_HOOK_OUTPUT ? SELF : ~SELF;
	ks_region_fix(&piece.region, KS_VAR_OPENS, true);
	ks_region_fix(&piece.region, KS_VAR_TRACKED, true);
	return ks_flatten(import, base, &piece, mode, rules);
}

static int untracked_base(struct ks_import *import, const struct ks_import_base *base, const struct ks_piece *all,
			  struct ks_flat *flat)
{
	struct ks_flat rules = { 0 };
	int err = early_flatten(import, base, all, KS_FLAT_UNTRACKING, &rules);

	for (size_t i = 0; !err && i < rules.count; i++) {
		if (rules.list[i].verdict == KS_IMPORT_UNTRACK)
			err = untracked_take(import, base, &rules, i, flat);
	}
	return err;
}

int ks_plan_untracked(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat)
{
	int err = 0;

	if (!has_kind(import, KS_IMPORT_UNTRACK))
		return 0;
	for (unsigned i = 0; !err && i < import->bases; i++) {
		const struct ks_import_base *base = &import->base[i];

		if (!base->translates && (base->hook == KS_HOOK_PRE || base->hook == KS_HOOK_OUTPUT))
			err = untracked_base(import, base, all, flat);
	}
	return err;
}

/* --- new destinations --- */

/* A translation under way: the packets as they come, and the rule. */
struct forward {
	struct ks_import *import;
	const struct ks_flat_entry *entry;
	const struct ks_flat *places; /* they tell where addresses are */
	const struct ks_piece *before; /* as it is when the bases before have let it pass */
	struct ks_region region;
	struct ks_flat *flat;
	__u64 changing; /* variables that may be others for the new destination, */
	unsigned anew; /* and the one that stands for all of them then */
};

#define OWN_TROUBLE                                                                                                \
	"its new destination may be an address of the firewall, whose own rules deny it: no rule that lets it be " \
	"forwarded names it"
#define ANEW "conditions about the new destination"

/* Run-time sets of destinations, and what nobody here knows: rules behind the translation ask them of the new one. */
static int changing_find(struct forward *forward)
{
	struct ks_import *import = forward->import;

	forward->changing = 0;
	for (unsigned i = KS_VAR_FIRST; i < import->conditions; i++) {
		if (import->condition[i].word == KS_WORD_DESTINATION ||
		    (import->condition[i].word == KS_WORD_NONE && strcmp(import->condition[i].text, ANEW) != 0))
			forward->changing |= 1ULL << i;
	}
	if (forward->changing) {
		const int anew = ks_import_condition(import, KS_WORD_NONE, ANEW);

		if (anew < 0)
			return anew;
		forward->anew = (unsigned)anew;
		import->condition[anew].line = 0; /* of no line alone */
	}
	return 0;
}

static bool is_single(const struct ks_spans *spans)
{
	return spans->count == 1 && !memcmp(spans->list[0].lo, spans->list[0].hi, sizeof(spans->list[0].lo));
}

static bool range_is_single(const struct ks_range *range)
{
	return !memcmp(range->lo, range->hi, sizeof(range->lo));
}

/* Why ours cannot translate so; NULL if it can. */
static const char *forward_trouble(const struct forward *forward)
{
	const struct ks_import_target *target = &forward->entry->rule->target;
	const struct ks_spans *ports = &forward->region.dim[KS_DIM_DPORT];

	if (forward->entry->rule->trouble)
		return forward->entry->rule->trouble;
	if (forward->region.from & SELF)
		return "what the firewall itself sends gets no new destination";
	if (target->address && target->family != forward->region.family)
		return "its new destination is of the other family";
	if (target->address && !range_is_single(&target->range))
		return "one of several destinations is chosen in another way here";
	if (target->address && target->family == KS_IPV4 && target->range.lo[1] >> LOOPBACK_SHIFT == LOOPBACK_NET)
		return "nothing from outside is sent to the loopback network";
	if (target->port && target->port_last > target->port && !target->each)
		return "one of several ports is chosen in another way here";
	if (target->port && !target->each && ports->count == 1 && !is_single(ports))
		return "a range of ports becomes as many here, one by one";
	if (target->each && !is_single(ports))
		return "its ports become others one by one, and rules behind it may part them";
	return NULL;
}

/* The packets behind the translation. */
static int region_translate(const struct forward *forward, struct ks_region *region)
{
	const struct ks_import_target *target = &forward->entry->rule->target;
	struct ks_range *ranges = ks_pool_alloc(&forward->import->pool, 2 * sizeof(*ranges));

	if (!ranges)
		return -ENOMEM;
	ranges[0] = target->range;
	ranges[1] = (struct ks_range){ .lo = { 0, target->port }, .hi = { 0, target->port } };
	*region = forward->region;
	ks_region_free(region, KS_VAR_OPENS);
	ks_region_free(region, KS_VAR_TRACKED);
	ks_region_fix(region, KS_VAR_FORWARDED, true);
	region->in |= forward->changing;
	region->out |= forward->changing;
	if (target->port)
		region->dim[KS_DIM_DPORT] = (struct ks_spans){ &ranges[1], 1 };
	if (forward->entry->verdict == KS_IMPORT_REDIRECT) {
		region->to = SELF;
		ks_region_fix(region, KS_VAR_OWN, true);
		region->dim[KS_DIM_DST] = *ks_spans_all(KS_DIM_DST, region->family);
		return 0;
	}
	ks_region_fix(region, KS_VAR_OWN, false);
	region->to = ks_import_zones(forward->import);
	if (target->address)
		region->dim[KS_DIM_DST] = (struct ks_spans){ &ranges[0], 1 };
	return 0;
}

/* An answer of the hooks, in terms of the packets as they come. */
static void region_untranslate(const struct forward *forward, struct ks_region *region)
{
	const struct ks_region *came = &forward->region;
	const __u64 changing = forward->changing;

	if ((region->in & region->out & changing) != changing)
		ks_region_fix(region, forward->anew, true);
	region->in = (region->in & ~changing) | (came->in & changing);
	region->out = (region->out & ~changing) | (came->out & changing);
	region->to = came->to;
	region->dim[KS_DIM_DST] = came->dim[KS_DIM_DST];
	if (forward->entry->rule->target.port)
		region->dim[KS_DIM_DPORT] = came->dim[KS_DIM_DPORT];
	ks_region_free(region, KS_VAR_FORWARDED);
	ks_region_free(region, KS_VAR_OWN);
	region->in &= came->in | ~(1ULL << KS_VAR_OWN);
	region->out &= came->out | ~(1ULL << KS_VAR_OWN);
}

static int forward_refuse(const struct forward *forward, const char *trouble)
{
	struct ks_flat_entry entry = *forward->entry;

	entry.verdict = KS_IMPORT_DROP;
	entry.piece.region = forward->region;
	entry.trouble = trouble;
	return ks_flat_add(forward->import, forward->flat, &entry);
}

static bool some_accept(const struct ks_flat *flat)
{
	for (size_t i = 0; i < flat->count; i++) {
		if (flat->list[i].verdict == KS_IMPORT_ACCEPT)
			return true;
	}
	return false;
}

/* Asks the hooks about some zones, one after the other, until one accepts. */
static int zones_ask(const struct forward *forward, const struct ks_region *region, __u64 asked,
		     struct ks_flat *answers, __u64 *zones)
{
	const bool redirects = forward->entry->verdict == KS_IMPORT_REDIRECT;
	const struct ks_plan_question question = { .hook = redirects ? KS_HOOK_INPUT : KS_HOOK_FORWARD,
						   .translated = true };
	int err = 0;

	for (__u64 left = asked; !err && left; left &= left - 1) {
		struct ks_piece piece = *forward->before;

		piece.region = *region;
		*zones = piece.region.to = left & -left;
		*answers = (struct ks_flat){ 0 };
		err = ks_plan_hook(forward->import, &question, &piece, answers);
		if (!err && some_accept(answers))
			return 0;
	}
	return err;
}

/* The zone of a new destination is that which other rules have for it. If none has, it is rarely one that the packets come from. */
static int forward_ask(const struct forward *forward, const struct ks_region *region, struct ks_flat *answers,
		       __u64 *zones)
{
	const struct ks_import_target *target = &forward->entry->rule->target;
	const __u64 others = region->to & ~region->from;
	const __u64 place =
		target->address ? ks_place_of_range(forward->import, forward->places, &target->range, region->family)
				: 0;
	int err;

	if (region->to & place)
		return zones_ask(forward, region, place, answers, zones);
	err = zones_ask(forward, region, others, answers, zones);
	if (err || (others && some_accept(answers)) || !(region->to & region->from))
		return err;
	return zones_ask(forward, region, region->to & region->from, answers, zones);
}

static int answer_take(const struct forward *forward, __u64 zones, struct ks_flat_entry *answer)
{
	const bool redirects = forward->entry->verdict == KS_IMPORT_REDIRECT;
	const struct ks_region *region = &answer->piece.region;

	if (redirects && answer->verdict == KS_IMPORT_ACCEPT &&
	    !ks_spans_equal(&region->dim[KS_DIM_DST], ks_spans_all(KS_DIM_DST, region->family)))
		return 0; /* which of its own addresses the packet would have is not known */
	region_untranslate(forward, &answer->piece.region);
	answer->piece.logged |= forward->entry->piece.logged;
	ks_piece_bound_as(&answer->piece, &forward->entry->piece);
	if (answer->verdict == KS_IMPORT_ACCEPT) {
		answer->verdict = forward->entry->verdict;
		answer->translation = forward->entry->rule;
		answer->target_zones = zones;
	}
	return ks_flat_add(forward->import, forward->flat, answer);
}

static bool spans_have(const struct ks_spans *spans, const struct ks_range *range)
{
	for (__u32 i = 0; i < spans->count; i++) {
		if (!memcmp(&spans->list[i], range, sizeof(*range)))
			return true;
	}
	return false;
}

/* Returns true if a rule about packets to others says where they go, by destinations or zones, or that they are translated ones. */
static bool says_destination(const struct forward *forward, const struct ks_region *region)
{
	const __u64 zones = ks_import_zones(forward->import);

	return (region->to & zones) != zones || !(region->out >> KS_VAR_FORWARDED & 1) ||
	       !ks_spans_equal(&region->dim[KS_DIM_DST], ks_spans_all(KS_DIM_DST, region->family));
}

/*
 * Returns true if the text knows that the new destination is not the firewall: the rule that lets its packets be forwarded says
 * where they go, or another one has the very address in it.
 */
static bool is_elsewhere(const struct forward *forward, const struct ks_import_rule *rule)
{
	const struct ks_range *range = &forward->entry->rule->target.range;

	for (size_t i = 0; i < forward->places->count; i++) {
		const struct ks_flat_entry *place = &forward->places->list[i];
		const struct ks_region *region = &place->piece.region;

		if (place->verdict != KS_IMPORT_ACCEPT)
			continue;
		if (spans_have(&region->dim[KS_DIM_SRC], range) || spans_have(&region->dim[KS_DIM_DST], range) ||
		    (rule && place->rule == rule && says_destination(forward, region)))
			return true;
	}
	return false;
}

/* Returns true if the firewall's own rules are to be asked, too. */
static bool may_be_own(const struct forward *forward, const struct ks_flat_entry *answer)
{
	return answer->verdict == KS_IMPORT_ACCEPT && forward->entry->verdict == KS_IMPORT_FORWARD &&
	       forward->entry->rule->target.address && !is_elsewhere(forward, answer->rule);
}

/* The packets pass as far as the firewall's own rules let them pass, too. */
static int own_ask(const struct forward *forward, __u64 zones, const struct ks_flat_entry *answer)
{
	const struct ks_plan_question question = { .hook = KS_HOOK_INPUT, .translated = true };
	struct ks_flat own = { 0 };
	struct ks_piece piece = answer->piece;
	int err;

	piece.region.to = SELF;
	ks_region_fix(&piece.region, KS_VAR_FORWARDED, true);
	ks_region_fix(&piece.region, KS_VAR_OWN, true);
	err = ks_plan_hook(forward->import, &question, &piece, &own);
	for (size_t i = 0; !err && i < own.count; i++) {
		struct ks_flat_entry entry = own.list[i];

		if (entry.verdict == KS_IMPORT_ACCEPT) {
			entry.rule = answer->rule;
			entry.line = answer->line;
			entry.text = answer->text;
		} else {
			entry.rule = forward->entry->rule;
			entry.line = forward->entry->line;
			entry.text = forward->entry->text;
			entry.trouble = OWN_TROUBLE;
		}
		err = answer_take(forward, zones, &entry);
	}
	return err;
}

/* The bases before the translation may drop the packet, too. */
static int forward_before(const struct forward *forward, struct ks_flat *answers)
{
	struct ks_piece piece = { .region = forward->region };

	ks_piece_begin(&piece);
	ks_region_free(&piece.region, KS_VAR_OPENS);
	ks_region_free(&piece.region, KS_VAR_TRACKED);
	return ks_plan_hook(forward->import, &(struct ks_plan_question){ .hook = KS_HOOK_PRE }, &piece, answers);
}

static int forward_behind(const struct forward *forward)
{
	struct ks_region region = { 0 };
	struct ks_flat answers = { 0 };
	__u64 zones = 0;
	int err = region_translate(forward, &region);

	err = err ? err : forward_ask(forward, &region, &answers, &zones);
	for (size_t i = 0; !err && i < answers.count; i++) {
		if (may_be_own(forward, &answers.list[i]))
			err = own_ask(forward, zones, &answers.list[i]);
		else
			err = answer_take(forward, zones, &answers.list[i]);
	}
	return err;
}

static int forward_take(struct forward *forward)
{
	const char *trouble = forward_trouble(forward);
	const struct ks_region came = forward->region;
	struct ks_flat before = { 0 };
	int err;

	if (trouble)
		return forward_refuse(forward, trouble);
	err = forward_before(forward, &before);
	for (size_t i = 0; !err && i < before.count; i++) {
		forward->before = &before.list[i].piece;
		forward->region = before.list[i].piece.region;
		if (before.list[i].verdict == KS_IMPORT_ACCEPT)
			err = forward_behind(forward);
		else
			err = ks_flat_add(forward->import, forward->flat, &before.list[i]);
	}
	forward->region = came;
	return err;
}

/* A range of ports that has become itself, which is what happens to each port in it. */
static bool ports_stay(const struct forward *forward)
{
	const struct ks_import_target *target = &forward->entry->rule->target;
	const struct ks_spans *ports = &forward->region.dim[KS_DIM_DPORT];
	const __u64 low = ports->count ? ports->list[0].lo[1] : 0;
	const __u64 high = ports->count ? ports->list[ports->count - 1].hi[1] : 0;

	if (!target->port || !target->address || target->random || !low)
		return false;
	if (target->each)
		return ports->count == 1 && low == target->port;
	return target->port_last > target->port && low >= target->port && high <= target->port_last;
}

/* The same translation without a port. */
static int port_drop(struct forward *forward, struct ks_flat_entry *entry)
{
	struct ks_import_rule *rule = ks_pool_alloc(&forward->import->pool, sizeof(*rule));

	if (!rule)
		return -ENOMEM;
	*rule = *entry->rule;
	rule->target.port = rule->target.port_last = 0;
	rule->target.each = false;
	entry->rule = rule;
	forward->entry = entry;
	return 0;
}

static int forwards_take(struct ks_import *import, const struct ks_flat *places, const struct ks_flat *rules, size_t at,
			 struct ks_flat *flat)
{
	struct forward forward = { .import = import, .flat = flat, .places = places };
	struct ks_flat_entry entry;
	struct ks_shreds shreds = { 0 };
	int err = ks_plan_shred(import, rules, at, &shreds);

	for (int i = 0; !err && i < shreds.count; i++) {
		entry = rules->list[at];
		forward.entry = &entry;
		forward.region = shreds.list[i];
		err = changing_find(&forward);
		if (!err && ports_stay(&forward))
			err = port_drop(&forward, &entry);
		if (err)
			return err;
		if (forward.region.from & SELF && !(forward.region.to & ~SELF))
			continue; /* its talk with itself is not guarded */
		if (entry.verdict == KS_IMPORT_FORWARD)
			err = ks_plan_unchanged(import, &forward.region, &forward.entry->rule->target, flat);
		err = err ? err : forward_take(&forward);
	}
	return err;
}

static int forwards_base(struct ks_import *import, const struct ks_flat *places, const struct ks_import_base *base,
			 const struct ks_piece *all, struct ks_flat *flat)
{
	struct ks_flat rules = { 0 };
	int err = early_flatten(import, base, all, KS_FLAT_OPENING, &rules);

	for (size_t i = 0; !err && i < rules.count; i++) {
		const enum ks_verdict_kind verdict = rules.list[i].verdict;

		if (verdict == KS_IMPORT_FORWARD || verdict == KS_IMPORT_REDIRECT)
			err = forwards_take(import, places, &rules, i, flat);
		else if (verdict == KS_IMPORT_DROP || verdict == KS_IMPORT_REJECT)
			err = ks_flat_add(import, flat, &rules.list[i]);
	}
	return err;
}

int ks_plan_forwards(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat)
{
	const size_t first = flat->count;
	struct ks_flat places = { 0 };
	int err = 0;

	if (has_kind(import, KS_IMPORT_FORWARD))
		err = ks_places_find(import, all, &places);
	for (unsigned i = 0; !err && i < import->bases; i++) {
		const struct ks_import_base *base = &import->base[i];

		if (base->translates && (base->hook == KS_HOOK_PRE || base->hook == KS_HOOK_OUTPUT))
			err = forwards_base(import, &places, base, all, flat);
	}
	for (size_t i = first; !err && i < flat->count; i++) {
		ks_region_free(&flat->list[i].piece.region, KS_VAR_OPENS);
		ks_region_free(&flat->list[i].piece.region, KS_VAR_TRACKED);
	}
	return err;
}

/* --- new sources --- */

/* Rules that give new sources deny nothing here, so a text where some do is refused. */
static int sources_check(struct ks_import *import, const struct ks_flat *flat)
{
	for (size_t i = 0; i < flat->count; i++) {
		const enum ks_verdict_kind verdict = flat->list[i].verdict;

		if (verdict != KS_IMPORT_ACCEPT && verdict != KS_IMPORT_SOURCE && verdict != KS_IMPORT_MASQUERADE)
			return ks_import_fail(import,
					      "%s %u: a chain that gives new sources does something else with "
					      "packets, which no rule of ours can",
					      import->numbered, flat->list[i].line);
	}
	return 0;
}

int ks_plan_sources(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat)
{
	struct ks_piece piece = *all;
	int err = 0;

	ks_piece_forget(import, &piece);
	piece.region.to &= ~SELF;
	ks_region_fix(&piece.region, KS_VAR_OPENS, true);
	ks_region_fix(&piece.region, KS_VAR_TRACKED, true);
	ks_region_fix(&piece.region, KS_VAR_OWN, false);
	for (unsigned i = 0; !err && i < import->bases; i++) {
		if (import->base[i].translates && import->base[i].hook == KS_HOOK_POST)
			err = ks_flatten(import, &import->base[i], &piece, KS_FLAT_OPENING, flat);
	}
	for (size_t i = 0; !err && i < flat->count; i++) {
		ks_region_free(&flat->list[i].piece.region, KS_VAR_OPENS);
		ks_region_free(&flat->list[i].piece.region, KS_VAR_TRACKED);
		ks_region_free(&flat->list[i].piece.region, KS_VAR_OWN);
	}
	return err ? err : sources_check(import, flat);
}
