/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A takeover into a new table.
 *
 * Overview. The policy wants a larger table, or this build lays entries out in
 * another way. The old programs go on with the old table until their hooks are
 * switched. Entries are copied in three passes (engine/table_copy.h).
 *
 * Life cycle.
 *   1. ks_growth_begin(), when the new programs are loaded: the first pass.
 *   2. ks_growth_catch_up(), just before the first hook is switched: the second.
 *   3. ks_growth_end(), when all hooks are switched: the last.
 *
 * Writers. The old programs write the old table, the new ones the new
 * table; a pass reads the old one and writes the new one.
 *
 * Race. Between the second pass and the switch of a hook, some milliseconds,
 * the new table does not know the latest packets of a flow. A flow that moves far
 * in that time may lose packets to the window check until the last pass; TCP
 * repeats them. Where a flow moved in both tables, the new one's entry stays.
 *
 * Death. The process may die at any moment, so the old table is pinned until the
 * end, as maps/ks_table-old with its shape and counts. ks_counts-old is pinned
 * last and removed before the first hook is switched: as long as it is there, the
 * new table is a copy that nobody used, and the next process restores the old one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "core/table/layout.h"
#include "engine/table_copy.h"
#include "kernel/internal.h"
#include "text/plural.h"

struct ks_growth {
	struct ks_table_copy copy;
	int old_fd;
	int table_fd; /* of the new table, owned by the kernel */
	int counts_fd;
	bool caught_up;
};

/* In the order in which the old ones are pinned. */
static const enum ks_kernel_map table_maps[] = { KS_MAP_TABLE, KS_MAP_SHAPE, KS_MAP_COUNTS };
#define KS_PIN_OLD "-old" /* ends the names of their pins */
#define KS_PIN_NAME 32

static const char *old_name(enum ks_kernel_map map, char name[KS_PIN_NAME])
{
	snprintf(name, KS_PIN_NAME, "%s" KS_PIN_OLD, ks_kernel_map_name(map));
	return name;
}

static int get_old(const char *pin_dir, enum ks_kernel_map map)
{
	char name[KS_PIN_NAME];

	return ks_pin_get(pin_dir, KS_PIN_MAPS, old_name(map, name));
}

static void copy_pass(struct ks_growth *growth)
{
	ks_table_copy_pass(&growth->copy, ks_flow_clock(ks_kernel_clock()));
}

/* Copies the sums of past events. The numbers of entries that are in the table begin at 0. */
static int carry_counts(int from, struct ks_table_counts *to)
{
	struct ks_table_counts old = { 0 };
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), zero = 0;

	if (bpf_obj_get_info_by_fd(from, &info, &length))
		return -errno;
	if (info.value_size != sizeof(old)) /* of another layout: these sums begin at 0 too */
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

static void growth_destroy(struct ks_growth *growth)
{
	ks_kernel_unmap_one(growth->copy.from, growth->old_fd);
	ks_kernel_unmap_one(growth->copy.to, growth->table_fd);
	ks_kernel_unmap_one(growth->copy.counts, growth->counts_fd);
	ks_table_copy_fini(&growth->copy);
	if (growth->old_fd >= 0)
		close(growth->old_fd);
	free(growth);
}

KS_SCOPED(auto_growth, struct ks_growth *, growth_destroy)

static int growth_map(struct ks_growth *growth, int old_counts)
{
	int err = ks_kernel_map_one(growth->old_fd, PROT_READ, &growth->copy.from);

	if (!err)
		err = ks_kernel_map_one(growth->table_fd, PROT_READ | PROT_WRITE, &growth->copy.to);
	if (!err)
		err = ks_kernel_map_one(growth->counts_fd, PROT_READ | PROT_WRITE, &growth->copy.counts);
	if (!err && old_counts >= 0)
		err = carry_counts(old_counts, growth->copy.counts);
	return err ?: ks_table_copy_init(&growth->copy);
}

int ks_growth_begin(struct ks_kernel *kernel, const struct ks_takeover *takeover, int old_table, int old_counts)
{
	ks_scoped(auto_growth) struct ks_growth *growth = calloc(1, sizeof(*growth));
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
		ks_kernel_complain("cannot copy the states into a new table: %s", strerror(-err));
		return err;
	}
	copy_pass(growth);
	kernel->growth = TAKE(growth);
	return 0;
}

static void unpin_old_map(const char *pin_dir, enum ks_kernel_map map)
{
	char name[KS_PIN_NAME];

	ks_pin_remove(pin_dir, KS_PIN_MAPS, old_name(map, name));
}

void ks_growth_catch_up(struct ks_kernel *kernel)
{
	if (!kernel->growth || kernel->growth->caught_up)
		return;
	copy_pass(kernel->growth);
	kernel->growth->caught_up = true;
	unpin_old_map(kernel->pin_dir, KS_MAP_COUNTS);
}

int ks_growth_end(struct ks_kernel *kernel)
{
	unsigned long lost;

	if (!kernel->growth)
		return 0;
	copy_pass(kernel->growth);
	lost = kernel->growth->copy.lost;
	ks_growth_abandon(kernel);
	if (lost)
		ks_kernel_complain("%lu of the old table's states and records found no place in the new one", lost);
	return lost ? -ENOSPC : 0;
}

void ks_growth_abandon(struct ks_kernel *kernel)
{
	if (kernel->growth)
		growth_destroy(kernel->growth);
	kernel->growth = NULL;
}

/* --- takeovers that were cut short --- */

int ks_growth_pin_old(const char *pin_dir, const int old[KS_MAP_MAX])
{
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(table_maps); i++) {
		char name[KS_PIN_NAME];

		err = ks_pin_put(old[table_maps[i]], pin_dir, KS_PIN_MAPS, old_name(table_maps[i], name));
	}
	return err;
}

void ks_growth_unpin_old(const char *pin_dir)
{
	for (size_t i = KS_ARRAY_SIZE(table_maps); i-- > 0;)
		unpin_old_map(pin_dir, table_maps[i]);
}

/* Pins the old maps under their own names again. */
static int restore_old(struct ks_kernel *kernel)
{
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(table_maps); i++) {
		int old = get_old(kernel->pin_dir, table_maps[i]);

		if (old < 0)
			return old;
		close(kernel->maps[table_maps[i]]);
		kernel->maps[table_maps[i]] = old;
		err = ks_pin_put(old, kernel->pin_dir, KS_PIN_MAPS, ks_kernel_map_name(table_maps[i]));
	}
	if (!err)
		ks_growth_unpin_old(kernel->pin_dir);
	return err;
}

int ks_growth_recover(struct ks_kernel *kernel, bool *back)
{
	ks_auto_fd int table = get_old(kernel->pin_dir, KS_MAP_TABLE);
	ks_auto_fd int counts = get_old(kernel->pin_dir, KS_MAP_COUNTS);
	bool replaced = table >= 0 && ks_kernel_map_id(table) != ks_kernel_map_id(kernel->maps[KS_MAP_TABLE]);

	*back = table >= 0 && counts >= 0;
	if (*back)
		return restore_old(kernel);
	if (!replaced) /* nothing was begun, or everything is over */
		ks_growth_unpin_old(kernel->pin_dir);
	return replaced;
}

int ks_growth_resume(struct ks_kernel *kernel)
{
	ks_auto_fd int table = get_old(kernel->pin_dir, KS_MAP_TABLE);
	ks_auto_fd int shape = get_old(kernel->pin_dir, KS_MAP_SHAPE);
	struct ks_takeover takeover;
	int err = table < 0 ? table : shape < 0 ? shape : ks_takeover_plan(shape, NULL, &takeover);

	return err ?: ks_growth_begin(kernel, &takeover, table, -1);
}
