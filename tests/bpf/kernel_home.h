/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs in the kernel behind the interface of scenarios: frames go in
 * through BPF_PROG_TEST_RUN, the whole inspection comes back from the
 * ks_scratch map, the clock is turned by ks_control.clock_offset. The process
 * is pinned to one processor, because that map has one entry a processor.
 *
 * What a test run cannot do: frames of layer 3, frames shorter than their
 * headers (tc) or above a page, and frames of which only the beginning is
 * known. Nor do the programs verify upper checksums.
 */
#ifndef KS_TESTS_KERNEL_HOME_H
#define KS_TESTS_KERNEL_HOME_H

#include "daemon/kernel.h"
#include "host/scenario.h"

enum kernel_hook { HOOK_TC, HOOK_XDP };

/* Loads the programs with a table of their own for this policy. Returns 0 or -errno. */
int kernel_home_create(const struct ks_policy *policy, enum kernel_hook hook, struct ks_home *home);
void kernel_home_destroy(struct ks_home *home);

/* The programs' clock, ns. */
__u64 kernel_home_now(const struct ks_home *home);

/*
 * Whether the tests can run here at all: root, a kernel that loads the
 * programs. Moves the process into a network namespace of its own. Otherwise says why on standard output, in the words of TAP, and
 * returns false: the caller ends with KERNEL_SKIP.
 */
bool kernel_home_usable(void);
#define KERNEL_SKIP 77

#endif
