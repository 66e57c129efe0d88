/* SPDX-License-Identifier: BSD-2-Clause */
/* See denied.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/aside.h"
#include "daemon/denied.h"
#include "daemon/report.h"
#include "daemon/world.h"
#include "explain/json.h"
#include "kernel/netlink.h"
#include "text/json.h"

#define WAYS 1024U /* routes that are remembered */

/* The interface by which an address is reached. */
struct way {
	struct ks_addr addr;
	__u8 family; /* 0: none yet */
	unsigned ifindex;
};

struct search_ctx {
	struct ks_daemon *daemon;
	const struct ks_denied_search *search;
	struct ks_world world;
	__u64 gone; /* zones that are not in the policy, or whose id another zone has now; a bit per id */
	__u64 unsettled; /* zones that an interface leaves */
	struct ks_denied *denied;
	size_t retargeted; /* of the keys */
	struct way ways[WAYS];
	int err;
};

/* --- zones --- */

static __u64 reused_zones(const struct ks_denied_search *search)
{
	__u64 reused = 0;

	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		const char *was = search->ids_before->zones[id], *is = search->ids->zones[id];

		if (was && is && strcmp(was, is))
			reused |= 1ULL << id;
	}
	return reused;
}

static bool has_zone(const struct ks_guarded *guarded)
{
	return guarded->role == KS_ROLE_GUARDED || guarded->role == KS_ROLE_PORT;
}

static __u64 unsettled_zones(const struct ks_denied_search *search)
{
	__u64 zones = 0;

	for (size_t i = 0; i < search->interfaces->count; i++) {
		const struct ks_guarded *guarded = &search->interfaces->list[i];

		if (has_zone(guarded) &&
		    ks_policy_interface_zone(search->policy, guarded->name, NULL) != guarded->guard.zone)
			zones |= 1ULL << (guarded->guard.zone & (KS_ZONE_MAX - 1));
	}
	return zones;
}

/* The interface that leads to an address, 0 if it is unknown or the box itself. */
static unsigned way_to(struct search_ctx *ctx, const struct ks_addr *addr, __u8 family)
{
	__u64 hash = (addr->d[0] ^ addr->d[1]) * 0x9e3779b97f4a7c15ULL;
	struct way *way = &ctx->ways[hash >> 32 & (WAYS - 1)];
	size_t first = family == KS_IPV4 ? 12 : 0;

	if (way->family == family && ks_addr_equal(&way->addr, addr))
		return way->ifindex;
	*way = (struct way){ .addr = *addr, .family = family };
	if (ks_netlink_route(&addr->b[first], sizeof(addr->b) - first, &way->ifindex))
		way->ifindex = 0;
	return way->ifindex;
}

/* The zone that the policy has for the interface that an address is behind, or `zone` where that cannot be told. */
static __u32 zone_behind(struct search_ctx *ctx, const struct ks_addr *addr, __u8 family, __u32 zone)
{
	const struct ks_interfaces *interfaces = ctx->search->interfaces;
	unsigned ifindex = way_to(ctx, addr, family);

	for (size_t i = 0; ifindex && i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (guarded->ifindex == ifindex && has_zone(guarded))
			return ks_policy_interface_zone(ctx->search->policy, guarded->name, NULL);
	}
	return zone;
}

/* Returns true if packets of that end of the flow come from another zone now: they are dropped. */
static bool is_end_moved(struct search_ctx *ctx, const struct ks_flow_key *key, const struct ks_flow *flow,
			 unsigned dir)
{
	__u32 zone = flow->zone[dir], side = ks_flow_orig_side(flow) ^ dir, now;

	if (zone < KS_ZONE_FIRST || zone >= KS_ZONE_MAX)
		return false;
	if (ctx->gone >> zone & 1)
		return true;
	if (!(ctx->unsettled >> zone & 1))
		return false;
	now = zone_behind(ctx, &key->addr[side], key->family, zone);
	return now != zone && !ctx->world.zones_are_one(now, zone, ctx->world.arg);
}

/* --- what is found --- */

static int key_keep(struct search_ctx *ctx, const struct ks_reviewed *reviewed)
{
	struct ks_flow_keys *keys = &ctx->denied->keys;
	int err = ks_flow_keys_add(keys, reviewed->key);

	if (!err && reviewed->review == KS_REVIEW_RETARGETED) { /* they lie first */
		keys->list[keys->count - 1] = keys->list[ctx->retargeted];
		keys->list[ctx->retargeted++] = *reviewed->key;
	}
	return err;
}

static const char *why_text(const struct ks_reviewed *reviewed, bool moved)
{
	static const char *const texts[KS_REVIEW_MAX] = {
		[KS_REVIEW_REDIRECTED] = "it would go to another destination",
		[KS_REVIEW_RETARGETED] = "it would be forwarded to another destination",
		[KS_REVIEW_RENAMED] = "its source would be translated otherwise",
	};

	if (moved)
		return "one of its ends is in another zone";
	if (reviewed->review != KS_REVIEW_DENIED)
		return texts[reviewed->review];
	return reviewed->decision.index == KS_DECISION_DEFAULT ? "no rule allows it" : "this rule denies it";
}

/* A listed state has the zones by their names before, because the policy may not have them. */
static void list_add(struct search_ctx *ctx, const struct ks_reviewed *reviewed, bool moved)
{
	const struct ks_denied_search *search = ctx->search;
	bool is_ruled =
		!moved && reviewed->review != KS_REVIEW_RENAMED && reviewed->decision.index != KS_DECISION_DEFAULT;
	json_t *state = ks_json_flow(search->before, reviewed->key, reviewed->flow, ks_kernel_now(ctx->daemon->kernel));

	ks_json_append(&ctx->denied->list,
		       json_pack("{s:o, s:s, s:o}", "state", state, "why", why_text(reviewed, moved), "by",
				 is_ruled ? ks_json_rule(search->policy, reviewed->decision.id) : json_null()));
}

static int take_reviewed(const struct ks_reviewed *reviewed, void *arg)
{
	struct search_ctx *ctx = arg;
	bool moved = is_end_moved(ctx, reviewed->key, reviewed->flow, KS_ORIGINAL) ||
		     is_end_moved(ctx, reviewed->key, reviewed->flow, KS_REPLY);

	if (!moved && reviewed->review == KS_REVIEW_ALLOWED)
		return 0;
	if (moved)
		ctx->denied->moved++;
	else
		ctx->denied->counts[reviewed->review]++;
	if (ctx->denied->list && json_array_size(ctx->denied->list) < KS_DENIED_LISTED)
		list_add(ctx, reviewed, moved);
	return key_keep(ctx, reviewed);
}

/* --- the search --- */

/* A policy's tables; the ranges are copied, because the daemon's thread follows the box's own addresses in them. */
static int tables_copy(const struct ks_policy *policy, struct ks_tables *tables, struct ks_range **ranges)
{
	size_t size = policy->config.ranges * sizeof(**ranges);

	*ranges = malloc(size + 1);
	if (!*ranges)
		return -ENOMEM;
	if (size)
		memcpy(*ranges, policy->ranges, size);
	*tables = ks_policy_tables(policy);
	tables->ranges = *ranges;
	return 0;
}

/* Lets it look run-time sets up as they are now, under both policies. */
static void asked_use_sets(const struct ks_asked *asked, struct ks_kernel *kernel, const struct ks_policy *policy)
{
	ks_engine_set_time(asked->engine, ks_kernel_now(kernel));
	ks_engine_set_wall(asked->engine, ks_kernel_wall(kernel));
	ks_engine_use_sets(asked->engine, ks_kernel_sets(kernel), policy);
}

static int review(struct search_ctx *ctx)
{
	ks_auto_free struct ks_range *ranges = NULL, *ranges_before = NULL;
	ks_auto_asked struct ks_asked policy = { 0 }, before = { 0 };
	struct ks_kernel *kernel = ctx->daemon->kernel;
	const struct ks_review_table table = { .buckets = ks_kernel_table(kernel),
					       .count = ks_kernel_shape(kernel)->buckets,
					       .now = ks_kernel_now(kernel) };
	struct ks_tables tables;
	int err = tables_copy(ctx->search->policy, &tables, &ranges);

	if (!err)
		err = ks_asked_init(&policy, &tables, &ctx->world);
	if (!err)
		err = tables_copy(ctx->search->before, &tables, &ranges_before);
	if (!err)
		err = ks_asked_init(&before, &tables, &ctx->world);
	if (err)
		return err;
	asked_use_sets(&policy, kernel, ctx->search->policy);
	asked_use_sets(&before, kernel, ctx->search->before);
	return ks_review_flows(&table, &policy, &before, take_reviewed, ctx);
}

static void review_aside(void *arg)
{
	struct search_ctx *ctx = arg;

	ctx->err = review(ctx);
}

int ks_denied_find(struct ks_daemon *daemon, const struct ks_denied_search *search, struct ks_denied *denied)
{
	ks_auto_free struct search_ctx *ctx = calloc(1, sizeof(*ctx));
	ks_auto_denied struct ks_denied found = { .list = search->lists ? json_array() : NULL };

	if (!ctx || (search->lists && !found.list))
		return -ENOMEM;
	ctx->daemon = daemon;
	ctx->search = search;
	ctx->denied = &found;
	ks_world_init(&ctx->world, daemon);
	ctx->gone = ks_ids_gone_zones(search->ids, search->policy) | reused_zones(search);
	ctx->unsettled = unsettled_zones(search);
	ks_aside_run(daemon, review_aside, ctx);
	if (!ctx->err && search->lists && !found.list)
		ctx->err = -ENOMEM;
	if (!ctx->err)
		*denied = TAKE_STRUCT(found);
	return ctx->err;
}

void ks_denied_fini(struct ks_denied *denied)
{
	ks_flow_keys_fini(&denied->keys);
	json_decref(denied->list);
	*denied = (struct ks_denied){ 0 };
}

size_t ks_denied_count(const struct ks_denied *denied)
{
	size_t count = denied->moved;

	for (unsigned i = 0; i < KS_REVIEW_MAX; i++)
		count += i == KS_REVIEW_RETARGETED ? 0 : denied->counts[i];
	return count;
}

long ks_denied_end(struct ks_daemon *daemon, const struct ks_denied *denied, bool all)
{
	size_t count = all ? denied->keys.count : denied->counts[KS_REVIEW_RETARGETED];

	return count ? ks_kernel_kill(daemon->kernel, denied->keys.list, count, KS_END_DENIED) : 0;
}

static void change_add(json_t **change, const char *name, size_t count)
{
	ks_json_set(change, name, json_integer((json_int_t)count));
}

void ks_denied_settle(struct ks_daemon *daemon, const struct ks_replaced *replaced, bool end_all, json_t **change)
{
	const struct ks_denied_search search = { .policy = daemon->policy,
						 .before = replaced->policy,
						 .ids_before = &replaced->ids,
						 .ids = &daemon->ledger.ids,
						 .interfaces = &replaced->interfaces };
	ks_auto_denied struct ks_denied denied = { 0 };
	long ended;
	int err;

	if (!replaced->policy)
		return;
	err = ks_denied_find(daemon, &search, &denied);
	ended = err ?: ks_denied_end(daemon, &denied, end_all);
	if (ended < 0) {
		ks_report_error("the states that the policy does not allow are not known, and go on: %s",
				strerror((int)-ended));
		return;
	}
	change_add(change, "states_denied", ks_denied_count(&denied));
	change_add(change, "states_retargeted", denied.counts[KS_REVIEW_RETARGETED]);
	change_add(change, "states_ended", (size_t)ended);
}

int ks_denied_foresee(struct ks_daemon *daemon, const struct ks_policy *policy, const struct ks_ids *ids,
		      json_t **change)
{
	const struct ks_denied_search search = { .policy = policy,
						 .before = daemon->policy,
						 .ids_before = &daemon->ledger.ids,
						 .ids = ids,
						 .interfaces = &daemon->interfaces,
						 .lists = true };
	ks_auto_denied struct ks_denied denied = { 0 };
	int err = ks_denied_find(daemon, &search, &denied);

	if (err)
		return err;
	*change = json_object();
	change_add(change, "states_denied", ks_denied_count(&denied));
	change_add(change, "states_retargeted", denied.counts[KS_REVIEW_RETARGETED]);
	ks_json_set(change, "denied", TAKE(denied.list));
	return *change ? 0 : -ENOMEM;
}
