/* SPDX-License-Identifier: BSD-2-Clause */
/* See sample.h. */
#include "daemon/sample.h"

#include "daemon/report.h"

static void say_refusal(const char *line)
{
	ks_report_error("%s", line);
}

void ks_sample_take(struct ks_daemon *daemon)
{
	struct ks_count counts[KS_REASON_MAX];
	struct ks_sample new = { .time = ks_kernel_now(daemon->kernel),
				 .created = ks_kernel_counts(daemon->kernel)->created };

	if (ks_kernel_reasons(daemon->kernel, counts))
		return;
	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		struct ks_count *sum = ks_reason_is_pass(i) ? &new.passed : &new.dropped;

		sum->packets += counts[i].packets;
		sum->bytes += counts[i].bytes;
	}
	if (!daemon->samples[1].time)
		ks_refusals_init(&daemon->refusals, counts);
	ks_refusals_tell(&daemon->refusals, counts, ks_kernel_config(daemon->kernel), new.time, say_refusal);
	daemon->samples[0] = daemon->samples[1];
	daemon->samples[1] = new;
}
