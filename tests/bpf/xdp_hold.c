/* SPDX-License-Identifier: BSD-2-Clause */
/* See xdp_hold.h. */
#include "tests/bpf/xdp_hold.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>

#define LOOPBACK 1

static int namespace_leave(void)
{
	if (open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) < 0)
		return -errno;
	return unshare(CLONE_NEWNET) ? -errno : 0;
}

int xdp_hold(const struct ks_kernel *kernel, enum kernel_hook hook)
{
	enum ks_kernel_program program = hook == HOOK_XDP ? KS_PROGRAM_XDP : KS_PROGRAM_FRONT;
	int err = hook == HOOK_FRONT ? namespace_leave() : 0;

	if (err || hook == HOOK_TC)
		return err;
	return bpf_xdp_attach(LOOPBACK, ks_kernel_program_fd(kernel, program), XDP_FLAGS_SKB_MODE, NULL);
}

void xdp_let_go(enum kernel_hook hook)
{
	if (hook != HOOK_TC)
		bpf_xdp_detach(LOOPBACK, XDP_FLAGS_SKB_MODE, NULL);
}
