/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps the kernel's dispatcher of XDP programs ready for test runs. */
#ifndef KS_TESTS_BPF_XDP_HOLD_H
#define KS_TESTS_BPF_XDP_HOLD_H

#include "tests/bpf/kernel_home.h"

/*
 * Attaches the XDP program of a hook to the loopback of our own network namespace, where nothing moves: while it is attached
 * anywhere, a test run need not make and unmake the kernel's dispatcher, which takes a grace period each. A loopback holds one
 * program, so the front gets another namespace; the first one lives on by a descriptor of it. Returns 0 or -errno.
 */
int xdp_hold(const struct ks_kernel *kernel, enum kernel_hook hook);
void xdp_let_go(enum kernel_hook hook);

#endif
