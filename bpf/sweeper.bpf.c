// SPDX-License-Identifier: BSD-2-Clause
/*
 * The sweeper: a timer that frees dead entries, a part of the table at a time.
 * It lives in a pinned map, so it runs on whether or not the daemon lives.
 */
#include "bpf/env.bpf.h"

#include "core/members.h"
#include "core/table/table.h"

#define NSEC_PER_SWEEP_STEP ((ks_test_mode ? 2 : 100) * KS_NSEC_PER_MSEC) /* tests wait for whole rounds */
#define SWEEP_STEPS 64 /* steps a round: the whole table every 6.4 s */
#define SWEEP_BUCKETS_MAX (1U << 22)
#define CLOCK_MONOTONIC 1

struct sweeper {
	struct bpf_timer timer;
	__u32 cursor; /* next bucket */
	__u32 step; /* of the round over the run-time sets */
};

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct sweeper); } ks_sweeper MAP;
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
	buckets = page->head.buckets;
	ctx->set = n;
	ctx->first = 1 + (__u32)(buckets * ctx->step / SWEEP_STEPS);
	ctx->end = 1 + (__u32)(buckets * (ctx->step + 1) / SWEEP_STEPS);
	bpf_loop((ctx->end - ctx->first) & (SWEEP_BUCKETS_MAX - 1), sweep_page, ctx, 0);
	return 0;
}

static void sweep_members(struct ks_env *env, const struct ks_control *control, struct sweeper *sweeper)
{
	struct member_sweep_ctx ctx = { .env = env, .now = env_clock(control), .step = sweeper->step };

	env->generation = ks_load_acquire(&control->active) & 1;
	bpf_loop(KS_DYNAMIC_MAX, sweep_set, &ctx, 0);
	sweeper->step = (ctx.step + 1) % SWEEP_STEPS;
}

/* Frees what is dead in the next part of the table. */
static int sweep(void *map, __u32 *key, struct sweeper *sweeper)
{
	struct ks_env env = { .scratch = kill_scratch_get() }; /* for functions that are checked apart (V9) */
	const struct ks_table_shape *shape = env_table_shape(&env);
	const struct ks_control *control = control_get();
	struct ks_table_counts *counts = env_table_counts(&env);
	struct sweep_ctx step = { .env = &env };
	__u32 part;

	if (shape && control && counts && env.scratch && shape->buckets) {
		part = shape->buckets / SWEEP_STEPS + 1;
		step.now = env_clock(control);
		step.first = sweeper->cursor < shape->buckets ? sweeper->cursor : 0;
		step.buckets = shape->buckets;
		bpf_loop(part & (SWEEP_BUCKETS_MAX - 1), sweep_bucket, &step, 0);
		sweeper->cursor = (step.first + part) % shape->buckets;
		ks_fetch_add(&counts->swept, part);
		sweep_members(&env, control, sweeper);
	}
	bpf_timer_start(&sweeper->timer, NSEC_PER_SWEEP_STEP, 0);
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
