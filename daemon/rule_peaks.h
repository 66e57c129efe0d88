/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The largest number that was shown of each rule's packets and bytes. They are the sum of what the kernel has of flows that
 * ended and a census of those that live, which are not read in one moment: a flow that ends in between would be missing, and
 * whoever reads a counter that goes down takes it for one that began anew (Prometheus). So what is shown never goes down.
 */
#ifndef KS_DAEMON_RULE_PEAKS_H
#define KS_DAEMON_RULE_PEAKS_H

#include "core/env.h"

struct ks_rule_peaks;

/* NULL without memory. Free it by free(). */
struct ks_rule_peaks *ks_rule_peaks_create(void);

/* Raises `count` to what was shown of the rule before, and remembers it. */
void ks_rule_peaks_raise(struct ks_rule_peaks *peaks, __u32 rule, struct ks_rule_count *count);

/* A new rule has this id: it begins at 0. Nothing to do for NULL. */
void ks_rule_peaks_forget(struct ks_rule_peaks *peaks, __u32 rule);

#endif
