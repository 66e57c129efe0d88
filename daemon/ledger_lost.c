/* SPDX-License-Identifier: BSD-2-Clause */
/* See ledger_lost.h. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ledger_lost.h"

struct use_ctx {
	const struct ks_policy *policy;
	struct ks_ids *ids;
	__u64 zones; /* in use, a bit per id */
	bool *rules; /* in use, by id */
	size_t rule_count;
	bool no_memory;
};

static int take_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct use_ctx *ctx = arg;

	for (unsigned side = 0; side < 2; side++)
		ctx->zones |= flow->zone[side] < KS_ZONE_MAX ? 1ULL << flow->zone[side] : 0;
	if (flow->rule > KS_RULE_DEFAULT && !ctx->rules[flow->rule]) {
		ctx->rules[flow->rule] = true;
		ctx->rule_count++;
	}
	return 0;
}

static bool has_name(const struct ks_ids *ids, const char *name)
{
	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		if (ids->zones[id] && !strcmp(ids->zones[id], name))
			return true;
	}
	return false;
}

static void name_zone(struct use_ctx *ctx, unsigned id, const char *name)
{
	ctx->ids->zones[id] = strdup(name);
	ctx->no_memory |= !ctx->ids->zones[id];
}

/* The first interface of an id names it; another zone may have only one of them. */
static void take_guard(unsigned ifindex, const struct ks_guard *guard, void *arg)
{
	struct use_ctx *ctx = arg;
	char interface[IF_NAMESIZE];
	const char *name;
	__u32 zone;

	if (guard->zone < KS_ZONE_FIRST || guard->zone >= KS_ZONE_MAX)
		return;
	ctx->zones |= 1ULL << guard->zone;
	if (ctx->ids->zones[guard->zone] || !if_indextoname(ifindex, interface))
		return;
	zone = ks_policy_interface_zone(ctx->policy, interface, NULL);
	name = ks_policy_zone_name(ctx->policy, zone);
	if (zone >= KS_ZONE_FIRST && !has_name(ctx->ids, name))
		name_zone(ctx, guard->zone, name);
}

/* Names that no zone of a policy can have. */
static void name_others(struct use_ctx *ctx)
{
	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		char name[16];

		snprintf(name, sizeof(name), "?%u", id);
		if (ctx->zones >> id & 1 && !ctx->ids->zones[id])
			name_zone(ctx, id, name);
	}
}

/* Texts that no rule has. */
static int keep_rules(struct use_ctx *ctx)
{
	struct ks_ids *ids = ctx->ids;

	ids->rules = calloc(ctx->rule_count + 1, sizeof(*ids->rules));
	for (unsigned id = 0; ids->rules && id < KS_RULE_ID_MAX; id++) {
		if (!ctx->rules[id])
			continue;
		ids->rules[ids->rule_count] = (struct ks_rule_id){ .id = id, .text = strdup("?") };
		if (!ids->rules[ids->rule_count++].text)
			return -ENOMEM;
	}
	return ids->rules ? 0 : -ENOMEM;
}

int ks_ledger_recover(const struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_ids *ids)
{
	ks_auto_ids struct ks_ids made = { 0 };
	ks_auto_free bool *rules = calloc(KS_RULE_ID_MAX, sizeof(*rules));
	struct use_ctx ctx = { .policy = policy, .ids = &made, .rules = rules };

	if (!rules)
		return -ENOMEM;
	ks_kernel_each_flow(kernel, take_flow, &ctx);
	ks_kernel_each_guard(kernel, take_guard, &ctx);
	name_others(&ctx);
	if (keep_rules(&ctx) || ctx.no_memory)
		return -ENOMEM;
	*ids = TAKE_STRUCT(made);
	return 0;
}
