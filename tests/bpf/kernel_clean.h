/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps that a test leaves changed, emptied for the next one, and what a test waits for. Each returns 0 or -errno. */
#ifndef KS_TESTS_BPF_KERNEL_CLEAN_H
#define KS_TESTS_BPF_KERNEL_CLEAN_H

#include "kernel/kernel.h"

/* Kills all live flows, as an administrator would. */
int kernel_clean_flows(struct ks_kernel *kernel);

/* Forgets for which peers no port was free. */
int kernel_clean_shortages(const struct ks_kernel *kernel);

/* Forgets the rates of answers: the clock of the next test begins before the last one's ended. */
int kernel_clean_answers(const struct ks_kernel *kernel);

/* Forgets which connections were ended. */
int kernel_clean_ended(const struct ks_kernel *kernel);

/* Forgets who was challenged, and who has answered. */
int kernel_clean_challenges(const struct ks_kernel *kernel);

/* If a policy is in force, gives its run-time sets the entries of the text again, and forgets what its protections have counted. */
int kernel_clean_sets(struct ks_kernel *kernel, const struct ks_policy *policy);

/* Returns true if the table has no entry. */
bool kernel_is_empty(const struct ks_table_counts *counts);

/* Says what a frame has besides its bytes. */
void kernel_set_facts(struct ks_control *control, const struct ks_frame *frame);

/* Says that a process of the box has a port, until the control block forgets it. -ENOSPC after a few. */
int kernel_take_port(struct ks_kernel *kernel, __u8 proto, __u16 port);

/*
 * If limits have ended the flows of sources since the last call (core/overload.h), waits until that is done. *ending is the
 * caller's memory, 0 at first.
 */
int kernel_await_ends(struct ks_kernel *kernel, __u32 *ending);

#endif
