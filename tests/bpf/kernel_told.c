/* SPDX-License-Identifier: BSD-2-Clause */
/* See kernel_told.h. */
#include "tests/bpf/kernel_told.h"

#include <bpf/libbpf.h>
#include <errno.h>

static int event_tell(void *arg, void *data, size_t size)
{
	const struct kernel_told *told = arg;

	if (told->tell)
		told->tell(data, told->arg);
	return 0;
}

int kernel_told_hear(struct kernel_told *told, struct ks_kernel *kernel, ks_engine_tell_fn *tell, void *arg)
{
	int err;

	if (!told->ring)
		told->ring = ring_buffer__new(ks_kernel_map_fd(kernel, KS_MAP_FLOW_EVENTS), event_tell, told, NULL);
	if (!told->ring)
		return -errno;
	ks_kernel_control(kernel)->asked = 1U << KS_EVENT_BEGIN | 1U << KS_EVENT_ESTABLISHED | 1U << KS_EVENT_END;
	err = ring_buffer__consume(told->ring);
	told->tell = tell;
	told->arg = arg;
	return err < 0 ? err : 0;
}

int kernel_told_forget(struct kernel_told *told)
{
	ks_engine_tell_fn *tell = told->tell;
	int err;

	if (!told->ring)
		return 0;
	told->tell = NULL;
	err = ring_buffer__consume(told->ring);
	told->tell = tell;
	return err < 0 ? err : 0;
}

void kernel_told_fini(struct kernel_told *told)
{
	ring_buffer__free(told->ring);
	*told = (struct kernel_told){ 0 };
}
