// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sweeper: a timer that frees dead entries, a part of the table at a time.
 * It lives in a pinned map, so it runs on whether or not the daemon lives.
 */
#include "bpf/env.bpf.h"

#include "core/members.h"
#include "core/overload.h"
#include "core/table/table.h"

#define NSEC_PER_SWEEP_STEP ((ks_test_mode ? 2 : 100) * KS_NSEC_PER_MSEC) /* tests wait for whole rounds */
#define ENDING_HASTE 10 /* steps of a round that ends flows for one that frees what is dead ... */
#define ENDING_BUCKETS 1024U /* ... and how much such a step looks at: a few hundred microseconds */
#define SWEEP_STEPS 64 /* steps a round: the whole table every 6.4 s */
#define SWEEP_BUCKETS_MAX (1U << 22)
#define CLOCK_MONOTONIC 1

struct sweeper {
	struct bpf_timer timer;
	__u32 cursor; /* next bucket */
	__u32 step; /* of the round over the run-time sets */
	__u32 ending; /* ks_overload_round.ending as last seen */
	__u32 ending_left; /* buckets of the round that ends flows */
	__u32 hasty; /* steps of such rounds */
	__u64 ending_sets; /* by which it does */
};

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct sweeper); } ks_sweeper MAP;
/* Its own, because it may interrupt all other programs. */
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_scratch); } ks_sweep_scratch MAP;
/* clang-format on */

/* The loop over the buckets of one step. */
struct sweep_ctx {
	struct ks_env *env;
	__u64 now;
	__u32 first;
	__u32 buckets;
};

static long sweep_bucket(__u32 n, void *arg)
{
	struct sweep_ctx *step = arg;
	__u32 index = step->first + n;

	if (index >= step->buckets)
		index -= step->buckets;
	ks_table_sweep(step->env, index, step->now);
	return 0;
}

/* The loop over the run-time sets of one step, and over the pages of a set. */
struct member_sweep_ctx {
	struct ks_env *env;
	__u64 now;
	__u32 step; /* of the round */
	__u32 set, first, end; /* pages */
	struct ks_overload_round ending;
};

static long sweep_page(__u32 n, void *arg)
{
	struct member_sweep_ctx *ctx = arg;

	if (ctx->first + n >= ctx->end)
		return 1;
	ks_member_sweep(ctx->env, ctx->set, ctx->first + n, ctx->now);
	return 0;
}

/* Frees the entries of a run-time set that have expired, in the part of its pages whose turn it is. */
static long sweep_set(__u32 n, void *arg)
{
	struct member_sweep_ctx *ctx = arg;
	const struct ks_member_page *page = member_head(ctx->env, n);
	__u64 buckets;

	if (!page || !page->head.count)
		return 0;
	ks_overload_note(&ctx->ending, n, page->head.ending);
	buckets = page->head.buckets;
	ctx->set = n;
	ctx->first = 1 + (__u32)(buckets * ctx->step / SWEEP_STEPS);
	ctx->end = 1 + (__u32)(buckets * (ctx->step + 1) / SWEEP_STEPS);
	bpf_loop((ctx->end - ctx->first) & (SWEEP_BUCKETS_MAX - 1), sweep_page, ctx, 0);
	return 0;
}

/* Returns the sets by which flows end now. */
static __u64 sweep_members(struct ks_env *env, const struct ks_control *control, struct sweeper *sweeper, __u32 buckets)
{
	struct member_sweep_ctx ctx = { .env = env, .now = env_clock(control), .step = sweeper->step };

	bpf_loop(KS_DYNAMIC_MAX, sweep_set, &ctx, 0);
	sweeper->step = (ctx.step + 1) % SWEEP_STEPS;
	/* A round that has begun goes to its end, or one source after the other would keep it in its first part. */
	if (!sweeper->ending_left && ctx.ending.ending != sweeper->ending) {
		sweeper->ending = ctx.ending.ending;
		sweeper->ending_left = buckets;
	}
	return ctx.ending.sets;
}

/* Frees what is dead in the next part of the table, and of the run-time sets. */
static void sweep_part(struct ks_env *env, const struct ks_control *control, struct sweeper *sweeper, __u32 buckets)
{
	struct ks_table_counts *counts = env_table_counts(env);
	struct sweep_ctx step = { .env = env, .now = env_clock(control), .buckets = buckets };
	__u32 part = buckets / SWEEP_STEPS + 1;

	step.first = sweeper->cursor < buckets ? sweeper->cursor : 0;
	bpf_loop(part & (SWEEP_BUCKETS_MAX - 1), sweep_bucket, &step, 0);
	sweeper->cursor = (step.first + part) % buckets;
	if (counts)
		ks_fetch_add(&counts->swept, part);
	sweeper->ending_sets = sweep_members(env, control, sweeper, buckets);
}

/* The loop over the buckets of one step of the round that ends flows. */
struct ending_ctx {
	struct ks_env *env;
	struct ks_entry *e; /* working memory */
	__u64 sets;
	__u32 end; /* the bucket behind the first one: it goes down */
	__u32 zero;
};

static long end_bucket(__u32 n, void *arg)
{
	struct ending_ctx *ctx = arg;

	ks_overload_end(ctx->env, ctx->e, ctx->end - 1 - n, ctx->sets);
	return 0;
}

/* Ends the flows of those whom limits have put into sets, in some buckets. */
static void ending_part(struct ks_env *env, const struct ks_control *control, struct sweeper *sweeper)
{
	struct ending_ctx ctx = { .env = env, .sets = sweeper->ending_sets, .end = sweeper->ending_left };
	__u32 part = ctx.end < ENDING_BUCKETS ? ctx.end : ENDING_BUCKETS;

	ctx.e = &env->scratch->insp.flow;
	ctx.e->clock = ks_flow_clock(env_clock(control));
	bpf_loop(part, end_bucket, &ctx, 0);
	sweeper->ending_left = ctx.end - part;
}

/* One step. Returns true if the next one is to be soon, because a round ends flows. */
static bool sweep_step(struct ks_env *env, struct sweeper *sweeper)
{
	const struct ks_table_shape *shape = env_table_shape(env);
	const struct ks_control *control = control_get();

	if (!shape || !control || !env->scratch || !shape->buckets)
		return false;
	env->generation = ks_load_acquire(&control->active) & 1;
	if (!sweeper->ending_left || ++sweeper->hasty % ENDING_HASTE == 0)
		sweep_part(env, control, sweeper, shape->buckets);
	if (sweeper->ending_left)
		ending_part(env, control, sweeper);
	return sweeper->ending_left;
}

static int sweep(void *map, __u32 *key, struct sweeper *sweeper)
{
	struct ks_env env = { .scratch = first_of(&ks_sweep_scratch) }; /* for functions that are checked apart (V9) */
	bool soon = sweep_step(&env, sweeper);

	bpf_timer_start(&sweeper->timer, NSEC_PER_SWEEP_STEP / (soon ? ENDING_HASTE : 1), 0);
	return 0;
}

void sweeper_start(void)
{
	struct sweeper *sweeper = first_of(&ks_sweeper);

	if (!sweeper)
		return;
	bpf_timer_init(&sweeper->timer, &ks_sweeper, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&sweeper->timer, sweep);
	bpf_timer_start(&sweeper->timer, NSEC_PER_SWEEP_STEP, 0);
}
