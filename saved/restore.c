/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts saved entries into a table.
 *
 * Order. Flows first, then what names them: expectations and helpers' memories need their control connection, which must have
 * been taken.
 *
 * Windows. The windows of a TCP connection are as they were if it cannot have moved since: it is translated, and no packet
 * could pass when it was saved. Of any other the ends may have spoken on while nobody looked, so its windows are not checked, as
 * of one that `option pickup` takes up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/env.h"
#include "core/helper/scanner.h"
#include "core/table/hash.h"
#include "engine/engine.h"
#include "saved/fields.h"
#include "saved/judge.h"
#include "saved/names.h"

#define NO_ZONE 0xffU

struct restore_ctx {
	const struct ks_saved *saved;
	struct ks_engine *engine;
	const struct ks_policy *policy;
	struct ks_saved_judge *judge;
	__u32 clock, seconds; /* the present, on a flow's clocks */
	__u8 zones[KS_ZONE_MAX]; /* the policy's number of each of the file's zones, or NO_ZONE */
	__u16 *rules; /* the policy's number of each of the file's rules, or KS_RULE_DEFAULT */
	bool flows; /* it is the turn of flows */
	struct ks_saved_outcome *outcome;
};

/* --- numbers --- */

static void map_zones(struct restore_ctx *ctx)
{
	for (unsigned i = 0; i < KS_ZONE_MAX; i++) {
		const char *name = ks_saved_zone(ctx->saved, i);
		int id = !name ? -1 : i <= KS_ZONE_SELF ? (int)i : ks_policy_zone_id(ctx->policy, name);

		ctx->zones[i] = id < 0 ? NO_ZONE : (__u8)id;
	}
}

/* The text of a rule, and its number. */
struct numbered {
	const char *text;
	__u32 number;
};

static int compare_numbered(const void *a, const void *b)
{
	const struct numbered *left = a, *right = b;
	int order = strcmp(left->text, right->text);

	return order ? order : (left->number > right->number) - (left->number < right->number);
}

static size_t list_saved_rules(const struct ks_saved *saved, struct numbered *list)
{
	size_t count = 0;

	for (__u32 i = 0; i < KS_RULE_ID_MAX; i++) {
		if (ks_saved_rule(saved, i))
			list[count++] = (struct numbered){ ks_saved_rule(saved, i), i };
	}
	qsort(list, count, sizeof(*list), compare_numbered);
	return count;
}

static size_t list_own_rules(const struct ks_policy *policy, struct numbered *list)
{
	for (size_t i = 0; i < policy->info_count; i++)
		list[i] = (struct numbered){ policy->infos[i].text, policy->infos[i].id };
	qsort(list, policy->info_count, sizeof(*list), compare_numbered);
	return policy->info_count;
}

/* A rule is the same if its text is; of several equal ones the first is the first. */
static int map_rules(struct restore_ctx *ctx)
{
	ks_auto_free struct numbered *before = calloc(KS_RULE_ID_MAX, sizeof(*before));
	ks_auto_free struct numbered *after = calloc(ctx->policy->info_count + 1, sizeof(*after));
	size_t i = 0, j = 0, saved_count, own_count;

	ctx->rules = calloc(KS_RULE_ID_MAX, sizeof(*ctx->rules));
	if (!before || !after || !ctx->rules)
		return -ENOMEM;
	saved_count = list_saved_rules(ctx->saved, before);
	own_count = list_own_rules(ctx->policy, after);
	while (i < saved_count && j < own_count) {
		int order = strcmp(before[i].text, after[j].text);

		if (order == 0)
			ctx->rules[before[i].number] = (__u16)after[j].number;
		i += order <= 0;
		j += order >= 0;
	}
	return 0;
}

/* Makes the zones of an entry those of the policy. Returns false if one of them is not there. */
static bool take_zones(const struct restore_ctx *ctx, __u8 zone[2])
{
	for (unsigned i = 0; i < 2; i++) {
		if (ctx->zones[zone[i]] == NO_ZONE)
			return false;
		zone[i] = ctx->zones[zone[i]];
	}
	return true;
}

static bool take_link(const struct restore_ctx *ctx, struct ks_flow_key *key)
{
	struct ks_saved_link link = ks_saved_link_of(key);

	if (!take_zones(ctx, link.zone))
		return false;
	key->link = ks_saved_link_join(&link);
	return true;
}

/* Turns the age of an entry into its time. Returns false if that is over. */
static bool take_times(const struct restore_ctx *ctx, struct ks_flow *entry)
{
	__u64 age = entry->seen + ctx->outcome->elapsed;

	if (age > entry->timeout)
		return false;
	entry->seen = ctx->clock - (__u32)age;
	return true;
}

/* --- flows --- */

static bool flow_take_zones(const struct restore_ctx *ctx, struct ks_transplant *of)
{
	if (!take_zones(ctx, of->flow.zone) || !take_link(ctx, &of->key))
		return false;
	for (unsigned side = 0; side < 2; side++) {
		if (of->has_alias[side] &&
		    (!take_zones(ctx, of->alias[side].zone) || !take_link(ctx, &of->alias_key[side])))
			return false;
	}
	return true;
}

static void flow_take_rules(const struct restore_ctx *ctx, struct ks_transplant *of)
{
	of->flow.rule = ctx->rules[of->flow.rule];
	for (unsigned side = 0; side < 2; side++) {
		struct ks_alias *alias = &ks_record_edit(&of->alias[side])->alias;

		if (of->has_alias[side])
			alias->rule = ctx->rules[alias->rule];
	}
}

/* The ends may have spoken on since. A handshake that is not complete has nothing to be checked by: it is left as it is. */
static void forgive_windows(const struct restore_ctx *ctx, struct ks_transplant *of)
{
	bool translated = of->has_alias[KS_ORIGINAL] || of->has_alias[KS_REPLY];

	if (of->key.proto != KS_PROTO_TCP || ks_state_is_half_open(of->flow.state) ||
	    (translated && ks_saved_moment(ctx->saved)->quiet))
		return;
	of->flow.flags |= KS_FLOW_PICKUP;
	of->flow.tcp_flags[KS_ORIGINAL] |= KS_TCP_LIBERAL;
	of->flow.tcp_flags[KS_REPLY] |= KS_TCP_LIBERAL;
}

static enum ks_saved_fate restore_flow(const struct restore_ctx *ctx, struct ks_transplant *of)
{
	__u16 rule;

	if (!flow_take_zones(ctx, of))
		return KS_SAVED_ZONE;
	if (!take_times(ctx, &of->flow))
		return KS_SAVED_EXPIRED;
	flow_take_rules(ctx, of);
	if (!ks_saved_judge_allows(ctx->judge, of, &rule))
		return KS_SAVED_DENIED;
	of->flow.rule = rule;
	of->flow.created = ctx->seconds - of->flow.created - (__u32)(ctx->outcome->elapsed / KS_MSEC_PER_SEC);
	forgive_windows(ctx, of);
	return ks_engine_transplant(ctx->engine, of) ? KS_SAVED_ROOM : KS_SAVED_TAKEN;
}

/* --- records --- */

/* Finds the flow that a record belongs to. */
static bool find_flow(const struct restore_ctx *ctx, const struct ks_flow_key *key, struct ks_entry *e)
{
	*e = (struct ks_entry){ .key = *key, .clock = ctx->clock };
	e->key.kind = KS_KIND_FLOW;
	ks_table_hash(ks_engine_env(ctx->engine), e);
	ks_table_find(ks_engine_env(ctx->engine), e);
	return e->found && ks_flow_is_shown(&e->key, &e->before);
}

static bool take_control(const struct restore_ctx *ctx, struct ks_saved_entry *entry)
{
	struct ks_expectation *expectation = &ks_record_edit(&entry->of.flow)->expectation;
	const struct ks_table_shape *shape = env_table_shape(ks_engine_env(ctx->engine));
	struct ks_entry control;

	if (!take_link(ctx, &entry->control) || !find_flow(ctx, &entry->control, &control))
		return false;
	expectation->control = ks_slot_id(&control.ref);
	expectation->control_created = control.before.created;
	expectation->control_hash = ks_flow_key_hash(&control.key, shape->key);
	expectation->rule = control.before.rule;
	return true;
}

static bool take_memory(const struct restore_ctx *ctx, struct ks_saved_entry *entry)
{
	struct ks_entry flow;

	ks_scanner_reset(&ks_record_edit(&entry->of.flow)->memory.scanner);
	return find_flow(ctx, &entry->of.key, &flow);
}

/* A rule that the policy does not have any more takes its mappings and questions along. */
static bool take_rule(const struct restore_ctx *ctx, __u16 *rule)
{
	*rule = ctx->rules[*rule];
	return *rule != KS_RULE_DEFAULT;
}

/* Completes a record. Returns false if the policy does not want it. */
static bool take_record(const struct restore_ctx *ctx, struct ks_saved_entry *entry)
{
	struct ks_record *record = ks_record_edit(&entry->of.flow);

	switch (entry->of.key.kind) {
	case KS_KIND_EXPECT:
		return take_control(ctx, entry);
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		return take_memory(ctx, entry);
	case KS_KIND_QUESTION:
		return take_rule(ctx, &record->question.rule);
	default:
		return take_rule(ctx, &record->mapping.rule);
	}
}

static enum ks_saved_fate restore_record(const struct restore_ctx *ctx, struct ks_saved_entry *entry)
{
	bool memory = entry->of.key.kind == KS_KIND_HELPER_ORIGINAL || entry->of.key.kind == KS_KIND_HELPER_REPLY;

	if (!take_link(ctx, &entry->of.key) || (!memory && !take_zones(ctx, entry->of.flow.zone)))
		return KS_SAVED_ZONE;
	if (!take_times(ctx, &entry->of.flow))
		return KS_SAVED_EXPIRED;
	if (!take_record(ctx, entry))
		return KS_SAVED_DENIED;
	return ks_engine_add_flow(ctx->engine, &entry->of.key, &entry->of.flow) ? KS_SAVED_ROOM : KS_SAVED_TAKEN;
}

static int restore_entry(const struct ks_saved_entry *saved, void *arg)
{
	struct restore_ctx *ctx = arg;
	struct ks_saved_entry entry = *saved;
	bool is_flow = entry.of.key.kind == KS_KIND_FLOW;

	if (is_flow != ctx->flows)
		return 0;
	if (is_flow)
		ctx->outcome->flows[restore_flow(ctx, &entry.of)]++;
	else
		ctx->outcome->records[restore_record(ctx, &entry)]++;
	return 0;
}

/* Everything that needs memory, so that nothing is left half done. */
static int prepare(struct restore_ctx *ctx)
{
	int err = ks_saved_judge_create(ctx->saved, ctx->engine, ctx->policy, &ctx->judge);

	map_zones(ctx);
	return err ?: map_rules(ctx);
}

int ks_saved_restore(const struct ks_saved *saved, const struct ks_saved_moment *now, struct ks_engine *engine,
		     const struct ks_policy *policy, struct ks_saved_outcome *outcome)
{
	struct restore_ctx ctx = { .saved = saved, .engine = engine, .policy = policy, .outcome = outcome };
	int err = prepare(&ctx);

	*outcome = (struct ks_saved_outcome){ .elapsed = ks_saved_elapsed(ks_saved_moment(saved), now) };
	ctx.clock = ks_flow_clock(ks_engine_time(engine));
	ctx.seconds = (__u32)(ks_engine_time(engine) / KS_NSEC_PER_SEC);
	outcome->flows[KS_SAVED_UNKNOWN] = ks_saved_unknown(saved);
	ctx.flows = true;
	if (!err)
		ks_saved_each(saved, restore_entry, &ctx);
	ctx.flows = false;
	if (!err)
		ks_saved_each(saved, restore_entry, &ctx);
	ks_saved_judge_destroy(ctx.judge);
	free(ctx.rules);
	return err;
}
