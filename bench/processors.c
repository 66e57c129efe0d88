// SPDX-License-Identifier: BSD-2-Clause
/*
 * The programs in the kernel on several processors at a time, by test runs: flows of which each processor has its own, as
 * a card with several queues spreads them; and one flow whose packets come on all of them (an elephant whose queue is
 * spread, or RPS that moves). Every packet must be counted as established, and by the flow itself. What picking flows costs is
 * measured with an empty program and taken off.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include <bpf/bpf.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "bench/bench.skel.h"
#include "kernel/kernel.h"

#define PROCESSORS_MAX 64

struct crowd {
	const struct bench_opts *opts;
	struct ks_policy *policy;
	struct ks_kernel *kernel;
	struct bench_programs programs;
	pthread_mutex_t start; /* held until all threads are there */
	int err; /* some are not */
	unsigned processors;
	int cpu[PROCESSORS_MAX];
};

struct worker {
	struct crowd *crowd;
	pthread_t thread;
	int cpu;
	int err;
	__u64 took; /* ns of CPU time for opts->count packets */
};

static void processors_find(struct crowd *crowd)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && crowd->processors < PROCESSORS_MAX; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			crowd->cpu[crowd->processors++] = cpu;
	}
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct crowd *crowd = worker->crowd;
	const struct bench_opts *opts = crowd->opts;
	cpu_set_t own;

	CPU_ZERO(&own);
	CPU_SET(worker->cpu, &own);
	worker->err = -pthread_setaffinity_np(pthread_self(), sizeof(own), &own);
	pthread_mutex_lock(&crowd->start);
	pthread_mutex_unlock(&crowd->start);
	worker->err = worker->err ?: crowd->err;
	if (!worker->err) {
		__u8 frame[BENCH_FRAME];

		bench_frame_make(bench_step_steady(opts->tcp), 0, false, frame);
		worker->err = bench_programs_repeat(&crowd->programs, frame, opts->count, &worker->took);
	}
	return NULL;
}

/* Lets all begin at a time, or none if one cannot be started. */
static int crowd_run(struct crowd *crowd, unsigned processors, struct worker *workers)
{
	unsigned started = 0;
	int err;

	pthread_mutex_lock(&crowd->start);
	for (crowd->err = 0; started < processors && !crowd->err; started += !crowd->err) {
		workers[started] = (struct worker){ .crowd = crowd, .cpu = crowd->cpu[started] };
		crowd->err = -pthread_create(&workers[started].thread, NULL, work, &workers[started]);
	}
	pthread_mutex_unlock(&crowd->start);
	err = crowd->err;
	while (started--) {
		pthread_join(workers[started].thread, NULL);
		err = err ?: workers[started].err;
	}
	return err;
}

/* Packets a second of all processors together, by their CPU times: others on the machine do not count. */
static int measure(struct crowd *crowd, int program, unsigned processors, __u32 flows, double *rate, double *ns)
{
	struct worker workers[PROCESSORS_MAX];
	struct bench_bpf *s = crowd->programs.skeleton;
	int err = bench_programs_aim(&crowd->programs, program);

	s->bss->bench_reply = false;
	s->data->bench_flows = flows;
	s->bss->bench_lanes = flows > 1 ? processors : 0;
	err = err ?: crowd_run(crowd, processors, workers);
	*rate = *ns = 0;
	for (unsigned i = 0; !err && i < processors; i++) {
		*rate += bench_rate(crowd->opts->count, workers[i].took);
		*ns += (double)workers[i].took / crowd->opts->count / processors;
	}
	return err;
}

/* The same of the firewall's program alone: the harness, measured on as many processors, is taken off each packet. */
static int measure_own(struct crowd *crowd, unsigned processors, __u32 flows, double *rate)
{
	const struct bench_opts *opts = crowd->opts;
	struct bench_bpf *s = crowd->programs.skeleton;
	enum ks_kernel_program own = opts->xdp ? KS_PROGRAM_XDP : KS_PROGRAM_TC_INGRESS;
	struct ks_count before[KS_REASON_MAX], after[KS_REASON_MAX];
	double harness, ns;
	int err = measure(crowd, bpf_program__fd(opts->xdp ? s->progs.empty_xdp : s->progs.empty_tc), processors, flows,
			  rate, &harness)
			  ?: ks_kernel_reasons(crowd->kernel, before)
			  ?: measure(crowd, ks_kernel_program_fd(crowd->kernel, own), processors, flows, rate, &ns)
			  ?: ks_kernel_reasons(crowd->kernel, after);

	if (!err && after[KS_REASON_OK_ESTABLISHED].packets - before[KS_REASON_OK_ESTABLISHED].packets !=
			    (__u64)processors * opts->count)
		return bench_fail(-EPROTO, "not all packets passed as established");
	if (!err)
		*rate = processors * 1e9 / (ns - harness);
	return err;
}

static int count_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	(void)key;
	*(__u64 *)arg += ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
	return 0;
}

/* Sums up the packets that the flows themselves have counted. */
static int flows_count(const struct crowd *crowd, __u64 *packets)
{
	*packets = 0;
	return ks_kernel_each_flow(crowd->kernel, count_flow, packets);
}

static int run_once(struct crowd *crowd)
{
	__u64 before, after, sent = (2ULL * crowd->processors + 1) * crowd->opts->count;
	double one, all, elephant;
	int err = flows_count(crowd, &before) ?: measure_own(crowd, 1, crowd->opts->flows, &one)
			  ?: measure_own(crowd, crowd->processors, crowd->opts->flows, &all)
			  ?: measure_own(crowd, crowd->processors, 1, &elephant)
			  ?: flows_count(crowd, &after);

	if (err)
		return bench_fail(err, "test run");
	printf("{\"processors\": %u, \"one\": %.0f, \"all\": %.0f, \"elephant\": %.0f, \"uncounted\": %lld}\n",
	       crowd->processors, one, all, elephant, (long long)(sent - (after - before)));
	return 0;
}

static int open_step(enum bench_step step, bool reply, void *arg)
{
	struct crowd *crowd = arg;
	struct ks_control *control = ks_kernel_control(crowd->kernel);
	__u8 frame[BENCH_FRAME];

	control->test_from = reply ? BENCH_WAN : BENCH_LAN;
	control->test_to = reply ? BENCH_LAN : BENCH_WAN;
	bench_frame_make(step, 0, reply, frame);
	crowd->programs.skeleton->bss->bench_next = 0;
	return bench_programs_run(&crowd->programs, frame, reply, 0, crowd->opts->flows, NULL);
}

static int setup(struct crowd *crowd)
{
	const struct bench_opts *opts = crowd->opts;
	const struct ks_kernel_opts test = { .test_mode = true };
	enum ks_kernel_program own = opts->xdp ? KS_PROGRAM_XDP : KS_PROGRAM_TC_INGRESS;
	int err = bench_policy_make(1, bench_room(opts->flows), 0, &crowd->policy)
			  ?: ks_kernel_load(crowd->policy, &test, &crowd->kernel)
			  ?: bench_programs_init(&crowd->programs, opts->xdp ? BENCH_HOOK_XDP : BENCH_HOOK_TC, 1)
			  ?: bench_programs_aim(&crowd->programs, ks_kernel_program_fd(crowd->kernel, own))
			  ?: bench_opening_each(opts->tcp, open_step, crowd);

	if (err)
		return bench_fail(err, "%s", ks_kernel_complaint());
	ks_kernel_control(crowd->kernel)->test_from = BENCH_LAN;
	ks_kernel_control(crowd->kernel)->test_to = BENCH_WAN;
	return 0;
}

int bench_processors(const struct bench_opts *opts)
{
	struct crowd crowd = { .opts = opts, .start = PTHREAD_MUTEX_INITIALIZER };
	int err;

	processors_find(&crowd);
	if (crowd.processors < 2 || opts->flows < crowd.processors)
		return bench_fail(-EINVAL, "it takes two processors, and a flow for each");
	err = setup(&crowd);
	for (__u32 i = 0; !err && i < opts->runs; i++)
		err = run_once(&crowd);
	bench_programs_fini(&crowd.programs);
	ks_kernel_close(crowd.kernel);
	ks_policy_destroy(crowd.policy);
	return err;
}
