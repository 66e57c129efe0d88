// SPDX-License-Identifier: BSD-2-Clause
/*
 * Short connections through the native home, as fast as it takes them: each
 * from the SYN to the last acknowledgement, every one with a flow of its own,
 * into a table for --flows of them. All stay in TIME_WAIT longer than it
 * lasts, so from the moment that the table is full each must take the place of
 * another. The rate until then and the rate from then on are told apart.
 */
#include <errno.h>
#include <stdio.h>

#include "bench/bench.h"
#include "bench/frames.h"
#include "engine/engine.h"

#define NSEC_PER_STEP 1000

static const struct {
	enum bench_step step;
	bool reply;
} steps[] = {
	{ BENCH_TCP_SYN, false }, { BENCH_TCP_SYN_ACK, true }, { BENCH_TCP_ACK, false },
	{ BENCH_TCP_FIN, false }, { BENCH_TCP_FIN_ACK, true }, { BENCH_TCP_LAST_ACK, false },
};

struct churn {
	struct ks_engine *engine;
	__u64 now;
	__u32 refused;
	struct ks_inspection insp;
};

static void connection(struct churn *c, __u32 index)
{
	__u8 data[BENCH_FRAME];

	for (size_t i = 0; i < KS_ARRAY_SIZE(steps); i++) {
		bool reply = steps[i].reply;
		struct ks_frame frame = { .data = data,
					  .captured = BENCH_FRAME,
					  .length = BENCH_FRAME,
					  .link = KS_LINK_ETHERNET,
					  .from = reply ? BENCH_WAN : BENCH_LAN,
					  .to = reply ? BENCH_LAN : BENCH_WAN };

		bench_frame_make(steps[i].step, index, reply, data);
		c->now += NSEC_PER_STEP;
		ks_engine_set_time(c->engine, c->now);
		c->refused += ks_engine_inspect(c->engine, &frame, false, &c->insp) != KS_ALLOW;
	}
}

/* Connections a second of this thread. */
static double connections(struct churn *c, __u32 first, __u32 count)
{
	__u64 start = bench_cpu_time();

	for (__u32 i = 0; i < count; i++)
		connection(c, first + i);
	return bench_rate(count, bench_cpu_time() - start);
}

static int measure(const struct bench_opts *opts, struct churn *c)
{
	double filling = connections(c, 0, opts->flows), full = connections(c, opts->flows, opts->count);

	if (c->refused)
		return bench_fail(-EPROTO, "%u packets of %u connections were refused", c->refused,
				  opts->flows + opts->count);
	printf("{\"filling\": %.0f, \"full\": %.0f, \"recycled\": %llu}\n", filling, full,
	       ks_engine_counts(c->engine)->recycled);
	return 0;
}

static int run_once(const struct bench_opts *opts, const struct ks_tables *tables)
{
	struct churn c = { 0 };
	int err = ks_engine_create(tables, &c.engine);

	if (!err)
		err = measure(opts, &c);
	ks_engine_destroy(c.engine);
	return err;
}

int bench_churn(const struct bench_opts *opts)
{
	struct ks_policy *policy;
	int err = bench_policy_make(opts->rules, opts->flows, 0, &policy);

	if (err)
		return bench_fail(err, "policy");
	/* Or the timeouts would shrink, and the table would never be full. */
	policy->config.adaptive_low = policy->config.adaptive_high = 0;
	for (__u32 i = 0; !err && i < opts->runs; i++) {
		struct ks_tables tables = ks_policy_tables(policy);

		err = run_once(opts, &tables);
	}
	ks_policy_destroy(policy);
	return err;
}
