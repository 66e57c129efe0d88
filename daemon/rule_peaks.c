/* SPDX-License-Identifier: BSD-2-Clause */
/* See rule_peaks.h. */
#include "daemon/rule_peaks.h"

#include <stdlib.h>

struct ks_rule_peaks {
	struct ks_count rule[KS_RULE_ID_MAX];
};

struct ks_rule_peaks *ks_rule_peaks_create(void)
{
	return calloc(1, sizeof(struct ks_rule_peaks));
}

void ks_rule_peaks_raise(struct ks_rule_peaks *peaks, __u32 rule, struct ks_rule_count *count)
{
	struct ks_count *peak = &peaks->rule[rule & (KS_RULE_ID_MAX - 1)];

	peak->packets = KS_MAX(peak->packets, count->packets);
	peak->bytes = KS_MAX(peak->bytes, count->bytes);
	count->packets = peak->packets;
	count->bytes = peak->bytes;
}

void ks_rule_peaks_forget(struct ks_rule_peaks *peaks, __u32 rule)
{
	if (peaks)
		peaks->rule[rule & (KS_RULE_ID_MAX - 1)] = (struct ks_count){ 0 };
}
