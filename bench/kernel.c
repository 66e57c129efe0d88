// SPDX-License-Identifier: BSD-2-Clause
/*
 * The programs in the kernel, one packet after the other through
 * BPF_PROG_TEST_RUN, beside the bare hash lookup of bench.bpf.c. What picking
 * the flow and the test run itself cost is measured with an empty program in
 * the same run and taken off both.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "bench/bench.skel.h"
#include "kernel/kernel.h"
#include "text/names.h"

struct bench {
	const struct bench_opts *opts;
	struct ks_policy *policy;
	struct ks_kernel *kernel;
	struct bench_programs programs;
	int ours, peer, empty; /* descriptors of programs */
};

static void programs_choose(struct bench *b)
{
	struct bench_bpf *s = b->programs.skeleton;
	bool xdp = b->opts->xdp;

	b->ours = ks_kernel_program_fd(b->kernel, xdp ? KS_PROGRAM_XDP : KS_PROGRAM_TC_INGRESS);
	b->peer = bpf_program__fd(xdp ? s->progs.peer_xdp : s->progs.peer_tc);
	b->empty = bpf_program__fd(xdp ? s->progs.empty_xdp : s->progs.empty_tc);
}

/* Returns 0 if `count` packets since `before` had this reason; else says which other reasons some of them had. */
static int check_reasons(struct bench *b, const struct ks_count *before, __u32 wanted, __u32 count)
{
	struct ks_count after[KS_REASON_MAX];
	int err = ks_kernel_reasons(b->kernel, after);

	if (err || after[wanted].packets - before[wanted].packets == count)
		return err;
	for (__u32 i = 0; i < KS_REASON_MAX; i++) {
		if (after[i].packets != before[i].packets)
			fprintf(stderr, "%llu packets: %s\n", after[i].packets - before[i].packets, ks_reason_name(i));
	}
	return bench_fail(-EPROTO, "not all of %u packets met the fate that is measured", count);
}

/* One packet of every flow in turn, through a program. */
static int sweep_flows(struct bench *b, int program, enum bench_step step, bool reply)
{
	struct ks_control *control = ks_kernel_control(b->kernel);
	__u8 frame[BENCH_FRAME];
	int err = bench_programs_aim(&b->programs, program);

	if (err)
		return err;
	control->test_from = reply ? BENCH_WAN : BENCH_LAN;
	control->test_to = reply ? BENCH_LAN : BENCH_WAN;
	bench_frame_make(step, 0, reply, frame);
	b->programs.skeleton->bss->bench_next = 0;
	return bench_programs_run(&b->programs, frame, reply, 0, b->opts->flows, NULL);
}

static int open_step(enum bench_step step, bool reply, void *arg)
{
	struct bench *b = arg;
	int err = sweep_flows(b, b->ours, step, reply);

	return err ? err : sweep_flows(b, b->peer, step, reply);
}

/* ns a packet of one program. `first` is the flow to begin with when every packet has its own. */
static int measure(struct bench *b, int program, __u32 first, double *ns)
{
	const struct bench_opts *opts = b->opts;
	enum bench_step step = opts->fresh ? BENCH_UDP : bench_step_steady(opts->tcp);
	__u8 frame[BENCH_FRAME];
	__u64 took;
	int err = bench_programs_aim(&b->programs, program);

	if (err)
		return err;
	bench_frame_make(step, 0, false, frame);
	b->programs.skeleton->bss->bench_next = first;
	err = bench_programs_run(&b->programs, frame, false, opts->fresh ? 0 : opts->flows, opts->count, &took);
	if (!err)
		*ns = (double)took / opts->count;
	return err;
}

/* Measures the three programs; every packet must have met the fate that is measured. */
static int run_once(struct bench *b, __u32 first)
{
	__u32 reason = b->opts->fresh ? KS_REASON_OK_NEW : KS_REASON_OK_ESTABLISHED;
	struct ks_count before[KS_REASON_MAX];
	double ours, peer, empty;
	int err = measure(b, b->empty, first, &empty);

	if (!err)
		err = measure(b, b->peer, first, &peer);
	if (!err)
		err = ks_kernel_reasons(b->kernel, before);
	if (!err)
		err = measure(b, b->ours, first, &ours);
	if (err)
		return bench_fail(err, "test run");
	err = check_reasons(b, before, reason, b->opts->count);
	if (err)
		return err;
	printf("{\"ns\": %.1f, \"peer_ns\": %.1f, \"harness_ns\": %.1f}\n", ours - empty, peer - empty, empty);
	return 0;
}

static int setup(struct bench *b, __u64 capacity)
{
	const struct ks_kernel_opts test = { .test_mode = true };
	int err;

	if (capacity > KS_LIMIT_STATES_MAX) {
		bench_fail(-ERANGE, "that takes a table of %llu flows, the greatest is %u", capacity,
			   KS_LIMIT_STATES_MAX);
		return -ERANGE;
	}
	err = bench_policy_make(b->opts->rules, (__u32)capacity, 0, &b->policy);
	if (err) {
		bench_fail(err, "policy");
		return err;
	}
	err = ks_kernel_load(b->policy, &test, &b->kernel);
	if (err) {
		bench_fail(err, "%s", ks_kernel_complaint());
		return err;
	}
	err = bench_programs_init(&b->programs, b->opts->xdp ? BENCH_HOOK_XDP : BENCH_HOOK_TC, (__u32)capacity);
	if (err) {
		bench_fail(err, "cannot load the programs of the benchmark");
		return err;
	}
	programs_choose(b);
	return 0;
}

static void cleanup(struct bench *b)
{
	bench_programs_fini(&b->programs);
	ks_kernel_close(b->kernel);
	ks_policy_destroy(b->policy);
}

/* New flows take twice the room that they need, so that the last of them find a table half full. */
static __u64 capacity(const struct bench_opts *opts)
{
	return opts->fresh ? 2ULL * opts->runs * opts->count : bench_room(opts->flows);
}

int bench_kernel(const struct bench_opts *opts)
{
	struct bench b = { .opts = opts };
	struct ks_control *control;
	int err = setup(&b, capacity(opts));

	if (!err && !opts->fresh)
		err = bench_opening_each(opts->tcp, open_step, &b);
	if (!err) {
		control = ks_kernel_control(b.kernel);
		control->test_from = BENCH_LAN;
		control->test_to = BENCH_WAN;
	}
	for (__u32 i = 0; !err && i < opts->runs; i++)
		err = run_once(&b, i * opts->count);
	cleanup(&b);
	return err;
}

int bench_memory(const struct bench_opts *opts)
{
	struct bench b = { .opts = opts };
	int err = setup(&b, opts->flows);

	if (!err) {
		__u64 table = bench_map_memory(ks_kernel_map_fd(b.kernel, KS_MAP_TABLE)), all = 0;
		__u64 peer = bench_map_memory(bpf_map__fd(b.programs.skeleton->maps.bench_peer));

		for (unsigned i = 0; i < KS_MAP_MAX; i++)
			all += bench_map_memory(ks_kernel_map_fd(b.kernel, i));
		printf("{\"buckets\": %u, \"bucket_bytes\": %zu, \"table\": %.1f, \"rest\": %llu, \"peer\": %.1f}\n",
		       ks_kernel_shape(b.kernel)->buckets, sizeof(struct ks_bucket), (double)table / opts->flows,
		       all - table, (double)peer / opts->flows);
	}
	cleanup(&b);
	return err;
}
