/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A takeover into a new table, because the policy wants a larger one or because
 * this build lays entries out otherwise. The old programs go on with the old
 * table until their hooks are switched. Entries are copied when the new
 * programs are loaded, again just before the first hook is switched, and once
 * more when all are (host/table_copy.h).
 *
 * Between the second pass and a hook's switch, some milliseconds, the new table
 * does not know the latest packets of a flow: one that moves far in that time
 * may lose packets to the window check, which TCP repeats, until the last pass.
 * What both tables have moved on meanwhile keeps what the new one says.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "core/layout.h"
#include "host/table_copy.h"
#include "kernel_priv.h"

struct ks_growth {
	struct ks_table_copy copy;
	int old_fd;
	int table_fd; /* the kernel's */
	int counts_fd;
	bool caught_up;
};

static __u32 clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return ks_flow_clock((__u64)now.tv_sec * KS_NSEC_PER_SEC + (__u64)now.tv_nsec);
}

/* Sums of the past go on; what is counted in the table begins at 0. */
static int carry_counts(int from, struct ks_table_counts *to)
{
	struct ks_table_counts old = { 0 };
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), zero = 0;

	if (bpf_obj_get_info_by_fd(from, &info, &length))
		return -errno;
	if (info.value_size != sizeof(old)) /* of another layout: they begin anew as well */
		return 0;
	if (bpf_map_lookup_elem(from, &zero, &old))
		return -errno;
	to->created = old.created;
	to->expired = old.expired;
	to->recycled = old.recycled;
	to->killed = old.killed;
	to->uncounted = old.uncounted;
	return 0;
}

static void growth_free(struct ks_growth *growth)
{
	ks_kernel_unmap_one(growth->copy.from, growth->old_fd);
	ks_kernel_unmap_one(growth->copy.to, growth->table_fd);
	ks_kernel_unmap_one(growth->copy.counts, growth->counts_fd);
	ks_table_copy_fini(&growth->copy);
	if (growth->old_fd >= 0)
		close(growth->old_fd);
	free(growth);
}

static int growth_map(struct ks_growth *growth, int old_counts)
{
	int err = ks_kernel_map_one(growth->old_fd, PROT_READ, &growth->copy.from);

	if (!err)
		err = ks_kernel_map_one(growth->table_fd, PROT_READ | PROT_WRITE, &growth->copy.to);
	if (!err)
		err = ks_kernel_map_one(growth->counts_fd, PROT_READ | PROT_WRITE, &growth->copy.counts);
	if (!err)
		err = carry_counts(old_counts, growth->copy.counts);
	return err ?: ks_table_copy_init(&growth->copy);
}

int ks_growth_begin(struct ks_kernel *kernel, const struct ks_takeover *takeover, int old_table, int old_counts)
{
	struct ks_growth *growth = calloc(1, sizeof(*growth));
	__u32 zero = 0;
	int err;

	if (!growth)
		return -ENOMEM;
	growth->old_fd = fcntl(old_table, F_DUPFD_CLOEXEC, 3);
	growth->table_fd = kernel->maps[KS_MAP_TABLE];
	growth->counts_fd = kernel->maps[KS_MAP_COUNTS];
	growth->copy.from_buckets = takeover->old.buckets;
	growth->copy.convert = takeover->convert;
	err = bpf_map_lookup_elem(kernel->maps[KS_MAP_SHAPE], &zero, &growth->copy.to_shape) ? -errno : 0;
	if (!err)
		err = growth_map(growth, old_counts);
	if (err) {
		growth_free(growth);
		ks_kernel_complain("cannot copy the states into a new table: %s", strerror(-err));
		return err;
	}
	ks_table_copy_pass(&growth->copy, clock_now());
	kernel->growth = growth;
	return 0;
}

void ks_growth_catch_up(struct ks_kernel *kernel)
{
	if (!kernel->growth || kernel->growth->caught_up)
		return;
	ks_table_copy_pass(&kernel->growth->copy, clock_now());
	kernel->growth->caught_up = true;
}

int ks_growth_end(struct ks_kernel *kernel)
{
	unsigned long lost;

	if (!kernel->growth)
		return 0;
	ks_table_copy_pass(&kernel->growth->copy, clock_now());
	lost = kernel->growth->copy.lost;
	ks_growth_abandon(kernel);
	if (lost)
		ks_kernel_complain("%lu states and records of the old table found no place in the new one", lost);
	return lost ? -ENOSPC : 0;
}

void ks_growth_abandon(struct ks_kernel *kernel)
{
	if (kernel->growth)
		growth_free(kernel->growth);
	kernel->growth = NULL;
}
