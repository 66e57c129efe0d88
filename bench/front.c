// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flood at the front (bpf/front.bpf.c), one packet after the other by test runs: packets that no rule allows, and with --tcp
 * SYNs that are allowed and challenged; each is refused by the front, and by tc as without it. The cost of picking flows, and of
 * the test run itself, is measured with an empty program and taken off.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "bench/bench.skel.h"
#include "kernel/kernel.h"

#define POLICY "zone lan { lan0 }\nzone wan { wan0, challenge always }\noption log-drops off\n%s"
#define ALLOWED "allow from wan to lan tcp\n"
#define FLOWS 65536U /* their frames have one checksum (flows.h) */

static int policy_load(bool allowed, struct ks_policy **policy)
{
	char text[256];
	struct ks_diags diags;
	int length = snprintf(text, sizeof(text), POLICY, allowed ? ALLOWED : ""), err;

	err = ks_policy_load_text(text, (size_t)length, "front", NULL, policy, &diags);
	ks_diags_fini(&diags);
	return err;
}

/* ns a packet of one program at a hook. */
static int measure(const struct bench_opts *opts, enum bench_hook hook, int fd, double *ns)
{
	struct bench_programs programs = { 0 };
	__u8 frame[BENCH_FRAME];
	__u64 took = 0;
	int err = bench_programs_init(&programs, hook, 1);

	bench_frame_make(opts->tcp ? BENCH_TCP_SYN : BENCH_UDP, 0, false, frame);
	if (!err && fd < 0)
		fd = bpf_program__fd(hook == BENCH_HOOK_TC ? programs.skeleton->progs.empty_tc
							   : programs.skeleton->progs.empty_front);
	if (!err)
		err = bench_programs_aim(&programs, fd)
			      ?: bench_programs_run(&programs, frame, false, FLOWS, opts->count, &took);
	bench_programs_fini(&programs);
	*ns = (double)took / opts->count;
	return err;
}

/* The same of one of ours, without the harness; all packets must be refused for the reason that is measured. */
static int measure_own(struct ks_kernel *kernel, const struct bench_opts *opts, enum bench_hook hook, double *ns)
{
	enum ks_kernel_program program = hook == BENCH_HOOK_TC ? KS_PROGRAM_TC_INGRESS : KS_PROGRAM_FRONT;
	enum ks_reason reason = opts->tcp ? KS_REASON_CHALLENGED : KS_REASON_NO_RULE;
	struct ks_count before[KS_REASON_MAX], after[KS_REASON_MAX];
	double harness = 0;
	int err = measure(opts, hook, -1, &harness) ?: ks_kernel_reasons(kernel, before);

	if (!err)
		err = measure(opts, hook, ks_kernel_program_fd(kernel, program), ns)
			      ?: ks_kernel_reasons(kernel, after);
	if (!err && after[reason].packets - before[reason].packets != opts->count)
		return bench_fail(-EPROTO, "not all packets were refused as expected");
	*ns -= harness;
	return err;
}

int bench_front(const struct bench_opts *opts)
{
	const struct ks_kernel_opts test = { .test_mode = true };
	struct ks_policy *policy = NULL;
	struct ks_kernel *kernel = NULL;
	double front = 0, tc = 0;
	int err = policy_load(opts->tcp, &policy) ?: ks_kernel_load(policy, &test, &kernel);

	if (err)
		bench_fail(err, "%s", ks_kernel_complaint());
	for (__u32 i = 0; !err && i < opts->runs; i++) {
		ks_kernel_control(kernel)->test_from = BENCH_WAN;
		ks_kernel_control(kernel)->test_to = BENCH_LAN;
		ks_kernel_control(kernel)->test_now = 1000 * KS_NSEC_PER_SEC;
		err = measure_own(kernel, opts, BENCH_HOOK_FRONT, &front)
			      ?: measure_own(kernel, opts, BENCH_HOOK_TC, &tc);
		if (!err)
			printf("{\"front_ns\": %.1f, \"tc_ns\": %.1f}\n", front, tc);
	}
	ks_kernel_close(kernel);
	ks_policy_destroy(policy);
	return err;
}
