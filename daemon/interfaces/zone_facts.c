/* SPDX-License-Identifier: BSD-2-Clause */
/* See zone_facts.h. Finding is a pure function; storing is one store a field. */
#include "daemon/interfaces/zone_facts.h"

struct zone_facts_ctx {
	const struct ks_interfaces *interfaces;
	struct ks_zone_facts *facts;
};

static bool is_judged(const struct ks_guarded *guarded)
{
	return guarded->role == KS_ROLE_GUARDED || guarded->role == KS_ROLE_PORT;
}

/* A default route by a carrier may leave by each of its ports. */
static void take_default(unsigned ifindex, void *arg)
{
	struct zone_facts_ctx *ctx = arg;
	struct ks_zone_facts *facts = ctx->facts;

	for (size_t i = 0; i < ctx->interfaces->count; i++) {
		const struct ks_guarded *guarded = &ctx->interfaces->list[i];
		__u32 *best = &facts->zone_ifindex[guarded->guard.zone];

		if (!is_judged(guarded) || guarded->bearer != ifindex)
			continue;
		facts->outside |= 1ULL << guarded->guard.zone;
		facts->has_uplinks |= guarded->up && *best && *best != ifindex;
		if (guarded->up && (!*best || ifindex < *best))
			*best = ifindex;
	}
}

/*
 * Finds which zones exist, and an interface for each without a default route: the one with the lowest ifindex that is up. For
 * a port it is the carrier, by which the stack sends.
 */
static void find_interfaces(const struct ks_interfaces *interfaces, struct ks_zone_facts *facts)
{
	__u64 settled = 0;

	for (unsigned i = 0; i < KS_ZONE_MAX; i++)
		settled |= facts->zone_ifindex[i] ? 1ULL << i : 0;
	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];
		__u32 *best = &facts->zone_ifindex[guarded->guard.zone];
		__u64 bit = 1ULL << guarded->guard.zone;

		if (!is_judged(guarded))
			continue;
		facts->zones |= bit;
		if (guarded->up && !(settled & bit) && (!*best || guarded->bearer < *best))
			*best = guarded->bearer;
	}
}

void ks_zone_facts_find(const struct ks_interfaces *interfaces, struct ks_zone_facts *facts)
{
	struct zone_facts_ctx ctx = { .interfaces = interfaces, .facts = facts };
	char why[KS_ROUTES_WHY_TEXT];

	*facts = (struct ks_zone_facts){ 0 };
	ks_routes_each_default(&interfaces->routes, take_default, &ctx);
	find_interfaces(interfaces, facts);
	facts->routes_differ = *ks_routes_why(&interfaces->routes, why, sizeof(why));
}

static void store_flag(struct ks_control *control, __u32 flag, bool is_set)
{
	if (is_set)
		__atomic_fetch_or(&control->flags, flag, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&control->flags, ~flag, __ATOMIC_RELAXED);
}

void ks_zone_facts_store(const struct ks_zone_facts *facts, struct ks_control *control)
{
	__atomic_store_n(&control->zones, facts->zones, __ATOMIC_RELAXED);
	__atomic_store_n(&control->outside, facts->outside, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < KS_ZONE_MAX; i++)
		__atomic_store_n(&control->zone_ifindex[i], facts->zone_ifindex[i], __ATOMIC_RELAXED);
	store_flag(control, KS_CONTROL_ROUTES_DIFFER, facts->routes_differ);
	store_flag(control, KS_CONTROL_UPLINKS, facts->has_uplinks);
}
