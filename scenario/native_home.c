/* SPDX-License-Identifier: BSD-2-Clause */
/* The native home behind the interface of scenarios: an engine, and its clock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/set_store.h"
#include "scenario/scenario.h"
#include "scenario/verify.h"

struct native_home {
	struct ks_engine *engine;
	struct ks_tables tables;
	const struct ks_policy *policy; /* in force */
	struct ks_set_store sets;
	__u64 packets; /* since the reset */
	ks_engine_tell_fn *tell;
	void *tell_arg;
};

static int native_set_policy(void *self, const struct ks_policy *policy)
{
	struct native_home *home = self;

	int err = ks_set_store_adopt(&home->sets, policy, ks_engine_time(home->engine));

	if (err)
		return err;
	home->policy = policy;
	home->tables = ks_policy_tables(policy);
	ks_engine_set_tables(home->engine, &home->tables);
	ks_engine_use_sets(home->engine, &home->sets, policy);
	return 0;
}

/* Makes an engine with the hash's secret of all homes. */
static int engine_create(const struct ks_tables *tables, struct ks_engine **engine)
{
	static const __u64 key[2] = KS_HOME_KEY;
	int err = ks_engine_create(tables, engine);

	if (!err)
		ks_engine_set_key(*engine, key);
	return err;
}

static int native_set_wall(void *self, __s64 seconds)
{
	struct native_home *home = self;

	ks_engine_set_wall(home->engine, seconds * (__s64)KS_NSEC_PER_SEC - (__s64)ks_engine_time(home->engine));
	return 0;
}

/* Makes a fresh engine. */
static int native_reset(void *self)
{
	struct native_home *home = self;
	struct ks_engine *engine;
	int err = engine_create(&home->tables, &engine);

	if (err)
		return err;
	ks_engine_destroy(home->engine);
	home->engine = engine;
	home->packets = 0;
	ks_engine_set_time(engine, KS_HOME_START);
	native_set_wall(home, ks_home_wall());
	ks_engine_tell_flows(engine, home->tell, home->tell_arg);
	ks_engine_use_sets(engine, &home->sets, home->policy);
	return ks_set_store_reset(&home->sets, home->policy, KS_HOME_START);
}

static int native_advance(void *self, __u64 ns)
{
	struct native_home *home = self;

	ks_engine_set_time(home->engine, ks_engine_time(home->engine) + ns);
	/* The kernel sweeps every second, an engine when it pays. A test must not depend on the difference. */
	ks_engine_sweep(home->engine);
	return 0;
}

/* Judges the fragments that the packet has released; they leave behind it. */
static void fragments_resume(struct native_home *home, struct ks_passage *passage)
{
	const struct ks_frame *frame;
	struct ks_inspection insp;
	const char *fault = NULL;

	while ((frame = ks_engine_resume(home->engine, &insp))) {
		struct ks_bytes_view was = { frame->data, frame->captured }, is;
		__u32 length;

		if (insp.verdict.action != KS_ALLOW && insp.verdict.action != KS_BYPASS)
			continue;
		passage->resumed++;
		is.data = ks_engine_output(home->engine, &length);
		is.length = length;
		fault = ks_translation_fault(&was, &is, frame->link, KS_VERIFY_SCRUBBED);
		if (fault)
			passage->resumed_fault = fault;
	}
}

static int native_inspect(void *self, const struct ks_frame *frame, struct ks_passage *passage)
{
	struct native_home *home = self;
	const __u64 reported = ks_engine_reported(home->engine);
	__u8 head[KS_HEAD_SIZE] = { 0 };

	memset(passage, 0, offsetof(struct ks_passage, output));
	ks_engine_set_random(home->engine, ks_home_random(home->packets++));
	ks_engine_inspect(home->engine, frame, false, &passage->insp);
	passage->unreported = ks_engine_reported(home->engine) == reported;
	if (passage->insp.verdict.action == KS_ALLOW || passage->insp.verdict.action == KS_BYPASS) {
		const __u8 *output = ks_engine_output(home->engine, &passage->output_len);

		memcpy(passage->output, output, KS_MIN(passage->output_len, KS_PASSAGE_OUTPUT_MAX));
	}
	fragments_resume(home, passage);
	if (passage->insp.verdict.action != KS_REJECT)
		return ks_engine_error(home->engine);
	memcpy(head, frame->data, KS_MIN(frame->captured, KS_HEAD_MAX));
	passage->answer_len = ks_answer_build(ks_engine_env(home->engine), &passage->insp, head, passage->answer);
	return 0;
}

static int native_each_flow(void *self, ks_home_flow_fn *fn, void *arg)
{
	struct native_home *home = self;

	return ks_engine_each_flow(home->engine, fn, arg);
}

static int native_each_entry(void *self, ks_home_flow_fn *fn, void *arg)
{
	struct native_home *home = self;

	return ks_engine_each_entry(home->engine, fn, arg);
}

static int native_listen(void *self, __u8 proto, __u16 port)
{
	struct native_home *home = self;

	return ks_engine_listen(home->engine, proto, port);
}

static int native_settle(void *self)
{
	struct native_home *home = self;

	ks_engine_settle(home->engine, ks_engine_time(home->engine));
	return 0;
}

static int native_counts(void *self, struct ks_table_counts *counts)
{
	struct native_home *home = self;

	*counts = *ks_engine_counts(home->engine);
	return 0;
}

static struct ks_set_store *native_sets(void *self, __u64 *now)
{
	struct native_home *home = self;

	*now = ks_engine_time(home->engine);
	return &home->sets;
}

static void native_table(void *self, struct ks_review_table *table)
{
	struct native_home *home = self;

	ks_review_engine_table(home->engine, table);
}

static int native_kill(void *self, const struct ks_flow_key *keys, size_t count)
{
	struct native_home *home = self;

	for (size_t i = 0; i < count; i++) {
		struct ks_entry entry = { .key = keys[i], .clock = ks_flow_clock(ks_engine_time(home->engine)) };

		ks_table_kill(ks_engine_env(home->engine), &entry, KS_END_KILLED);
	}
	return 0;
}

static int native_tell_flows(void *self, ks_engine_tell_fn *tell, void *arg)
{
	struct native_home *home = self;

	home->tell = tell;
	home->tell_arg = arg;
	ks_engine_tell_flows(home->engine, tell, arg);
	return 0;
}

static const struct ks_home_ops native_ops = {
	.name = "native",
	.set_policy = native_set_policy,
	.reset = native_reset,
	.advance = native_advance,
	.inspect = native_inspect,
	.each_flow = native_each_flow,
	.each_entry = native_each_entry,
	.listen = native_listen,
	.settle = native_settle,
	.set_wall = native_set_wall,
	.counts = native_counts,
	.sets = native_sets,
	.table = native_table,
	.kill = native_kill,
	.tell_flows = native_tell_flows,
};

int ks_native_home_create(const struct ks_policy *policy, struct ks_home *home)
{
	ks_auto_free struct native_home *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	made->tables = ks_policy_tables(policy);
	ks_set_store_init(&made->sets, &ks_set_memory_native);
	err = engine_create(&made->tables, &made->engine);
	if (err)
		return err;
	ks_engine_set_time(made->engine, KS_HOME_START);
	native_set_wall(made, ks_home_wall());
	err = native_set_policy(made, policy);
	if (err) {
		ks_engine_destroy(made->engine);
		return err;
	}
	*home = (struct ks_home){ .ops = &native_ops, .self = TAKE(made) };
	return 0;
}

void ks_native_home_destroy(struct ks_home *home)
{
	struct native_home *made = home->self;

	if (!made)
		return;
	ks_engine_destroy(made->engine);
	ks_set_store_fini(&made->sets);
	free(made);
	home->self = NULL;
}
