/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory of run-time sets in the kernel (core/members.h, engine/set_store.h).
 *
 * Overview. Each set is a mapped array of pages. The map of maps ks_members has them by generation slot and number, so
 * that a policy finds its sets by the numbers that it gave them; a set that two policies have is one map in two places.
 *
 * Life cycle. A set lives as long as a policy has it. Its map is pinned as maps/set-NAME, so a daemon that takes over finds
 * it by its name, whatever the number was.
 *
 * Writers. The daemon's thread and the programs, by the rules of core/members.h. Only the daemon makes and removes sets.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel/internal.h"
#include "kernel/memory.h"

#define PAGE_TYPE "ks_member_page" /* the name of the inner map's values, and of the map */
#define LARGE_PAGES 16384U /* a set of so many is held against the memory that there is */

/* --- memory --- */

static int make_map(__u32 pages, int *fd)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	ks_auto_btf struct btf *types = NULL;
	int made, err = ks_kernel_describe(PAGE_TYPE, sizeof(struct ks_member_page), &opts, &types);

	if (err)
		return err;
	made = bpf_map_create(BPF_MAP_TYPE_ARRAY, PAGE_TYPE, sizeof(__u32), sizeof(struct ks_member_page), pages,
			      &opts);
	if (made < 0)
		return -errno;
	*fd = made;
	return 0;
}

static int set_memory_make(__u32 pages, struct ks_member_memory *memory, int *fd)
{
	ks_auto_fd int made = -1;
	int err = pages > LARGE_PAGES ? ks_memory_check_set((__u64)pages * sizeof(struct ks_member_page)) : 0;

	if (!err)
		err = make_map(pages, &made);
	if (!err)
		err = ks_kernel_map_one(made, PROT_READ | PROT_WRITE, &memory->page);
	if (err)
		return err;
	memory->pages = pages;
	*fd = TAKE_FD(made);
	return 0;
}

static void set_memory_unmake(struct ks_member_memory *memory, int fd)
{
	ks_kernel_unmap_one(memory->page, fd);
	close(fd);
}

const struct ks_set_memory_ops ks_set_memory_kernel = { set_memory_make, set_memory_unmake };

/* --- the policy's sets --- */

static __u32 place_of(__u32 slot, __u32 number)
{
	return slot * KS_DYNAMIC_MAX + number;
}

/* Every change of a map of maps waits until no program uses what was there, so only what changes is touched. */
static bool is_installed(const struct ks_kernel *kernel, __u32 place)
{
	__u32 id;

	return !bpf_map_lookup_elem(kernel->maps[KS_MAP_MEMBERS], &place, &id);
}

int ks_kernel_install_sets(const struct ks_kernel *kernel, const struct ks_set_store *store, __u32 slot)
{
	int err = 0;

	for (__u32 i = 0; !err && i < store->count; i++) {
		__u32 place = place_of(slot, i);

		if (bpf_map_update_elem(kernel->maps[KS_MAP_MEMBERS], &place, &store->set[i].fd, BPF_ANY))
			err = -errno;
	}
	return err;
}

void ks_kernel_empty_sets(const struct ks_kernel *kernel, __u32 slot)
{
	for (__u32 i = 0; i < KS_DYNAMIC_MAX; i++) {
		__u32 place = place_of(slot, i);

		if (is_installed(kernel, place))
			bpf_map_delete_elem(kernel->maps[KS_MAP_MEMBERS], &place);
	}
}

/* --- pins --- */

#define PIN_PREFIX "set-"
#define PIN_NAME (sizeof(PIN_PREFIX) + KS_NAME_MAX)

int ks_kernel_pin_sets(const struct ks_kernel *kernel)
{
	int err = 0;

	for (__u32 i = 0; !err && i < kernel->sets.count; i++) {
		char name[PIN_NAME];

		snprintf(name, sizeof(name), PIN_PREFIX "%s", kernel->sets.set[i].name);
		err = ks_pin_put(kernel->sets.set[i].fd, kernel->pin_dir, KS_PIN_MAPS, name);
	}
	return err;
}

static void unpin_one(const char *name, void *arg)
{
	struct ks_kernel *kernel = arg;
	size_t prefix = sizeof(PIN_PREFIX) - 1;

	if (!strncmp(name, PIN_PREFIX, prefix) && !ks_set_store_find(&kernel->sets, name + prefix))
		ks_pin_remove(kernel->pin_dir, KS_PIN_MAPS, name);
}

void ks_kernel_unpin_gone_sets(struct ks_kernel *kernel)
{
	ks_pin_each(kernel->pin_dir, KS_PIN_MAPS, unpin_one, kernel);
}

/* Opens a set that is pinned. One that another build made in another form is left out: it is made again, empty. */
static void open_one(const char *name, void *arg)
{
	struct ks_kernel *kernel = arg;
	struct ks_stored_set *set = &kernel->sets.set[kernel->sets.count];
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info);
	ks_auto_fd int fd = -1;

	if (strncmp(name, PIN_PREFIX, sizeof(PIN_PREFIX) - 1) || kernel->sets.count >= KS_DYNAMIC_MAX)
		return;
	fd = ks_pin_get(kernel->pin_dir, KS_PIN_MAPS, name);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &length) || info.value_size != sizeof(struct ks_member_page))
		return;
	*set = (struct ks_stored_set){ .memory.pages = info.max_entries };
	snprintf(set->name, sizeof(set->name), "%s", name + sizeof(PIN_PREFIX) - 1);
	if (ks_kernel_map_one(fd, PROT_READ | PROT_WRITE, &set->memory.page))
		return;
	if (ks_members_are_valid(&set->memory)) {
		ks_members_mend(&set->memory); /* the daemon before may have been killed in the middle of a change */
		set->fd = TAKE_FD(fd);
		kernel->sets.count++;
	} else {
		ks_kernel_unmap_one(set->memory.page, fd);
	}
}

void ks_kernel_open_sets(struct ks_kernel *kernel)
{
	ks_pin_each(kernel->pin_dir, KS_PIN_MAPS, open_one, kernel);
}

struct ks_set_store *ks_kernel_sets(struct ks_kernel *kernel)
{
	return &kernel->sets;
}

/* --- replacing a set as a whole --- */

int ks_kernel_replace_set(struct ks_kernel *kernel, struct ks_stored_set *set, struct ks_member_memory *memory, int fd)
{
	__u32 number = (__u32)(set - kernel->sets.set);
	__u32 place = place_of(kernel->control->active & 1, number);
	struct ks_stored_set former = *set;

	if (bpf_map_update_elem(kernel->maps[KS_MAP_MEMBERS], &place, &fd, BPF_ANY))
		return -errno;
	set->memory = *memory;
	set->fd = fd;
	kernel->sets.ops->unmake(&former.memory, former.fd);
	return kernel->pin_dir ? ks_kernel_pin_sets(kernel) : 0;
}
