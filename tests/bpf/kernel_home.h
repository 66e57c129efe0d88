/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs in the kernel behind the interface of scenarios: frames go in
 * through BPF_PROG_TEST_RUN, the whole inspection comes back from the
 * ks_scratch map, the clock is ks_control.test_now and moves only by advance(). The process
 * is pinned to one CPU, because that map has one entry a CPU.
 *
 * A test run cannot take frames of layer 3, frames shorter than their
 * headers (tc) or above a page, and frames of which only the beginning is
 * known. The programs do not verify upper checksums.
 */
#ifndef KS_TESTS_BPF_KERNEL_HOME_H
#define KS_TESTS_BPF_KERNEL_HOME_H

#include "kernel/kernel.h"
#include "scenario/scenario.h"

enum kernel_hook { HOOK_TC, HOOK_XDP, HOOK_FRONT /* the front, and tc for what that passes */ };

/*
 * Loads the programs and makes them a home, for policies of up to the default
 * limit of states. Moves the process into a network namespace of its own.
 * Where this cannot be done at all (no root, no BPF), says why on standard
 * output in the words of TAP and returns KERNEL_SKIP; returns 1, with the
 * reason, for any other failure; else 0. Takes some seconds: the verifier.
 */
int kernel_home_open(enum kernel_hook hook, struct ks_home *home);
#define KERNEL_SKIP 77

/* The same programs and table by the other hook: `home` must be closed after it. Returns 0 or -errno. */
int kernel_home_share(const struct ks_home *home, enum kernel_hook hook, struct ks_home *other);

void kernel_home_close(struct ks_home *home);

/* Call it before a policy that was set is destroyed: the kernel has a copy, but the home recognises it by its address. */
void kernel_home_forget_policy(struct ks_home *home);

/* The packets that the front of a home has dropped, and those that express has sent on. */
struct kernel_front {
	unsigned refused, sent;
};

const struct kernel_front *kernel_home_front(const struct ks_home *home);

/* The programs of a home: several may share them. */
const struct ks_kernel *kernel_home_kernel(const struct ks_home *home);

/* The programs' clock, ns. */
__u64 kernel_home_now(const struct ks_home *home);

#endif
