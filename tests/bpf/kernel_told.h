/* SPDX-License-Identifier: BSD-2-Clause */
/* Events of flows that the kernel's programs tell: read from their ring when a test asks. */
#ifndef KS_TESTS_BPF_KERNEL_TOLD_H
#define KS_TESTS_BPF_KERNEL_TOLD_H

#include "kernel/kernel.h"

struct ring_buffer;

/* All zeros at first. */
struct kernel_told {
	struct ring_buffer *ring;
	ks_engine_tell_fn *tell; /* hears of flows, if not NULL */
	void *arg;
};

/* Tells what has happened to who has heard so far, and from now on to `tell`. Returns 0 or -errno. */
int kernel_told_hear(struct kernel_told *told, struct ks_kernel *kernel, ks_engine_tell_fn *tell, void *arg);

/* Forgets what has happened and was not told yet. Returns 0 or -errno. */
int kernel_told_forget(struct kernel_told *told);

void kernel_told_fini(struct kernel_told *told);

#endif
