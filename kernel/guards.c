/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guarded interfaces as the programs know them (struct ks_guard). Every
 * packet asks for its interface, so there are two maps: a hash map with all of
 * them, and an array for those whose slot in it no other interface has. The
 * programs ask the array first. Only the daemon's thread writes them.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kernel/internal.h"

static int near_guard_store(const struct ks_kernel *kernel, __u32 slot, const struct ks_near_guard *near)
{
	return bpf_map_update_elem(kernel->maps[KS_MAP_NEAR_GUARDS], &slot, near, BPF_ANY) ? -errno : 0;
}

/*
 * Puts the guard into its slot of the near map, or with NULL takes it out, unless another interface has the slot. Programs
 * read an entry of an array while it is written, so its ifindex is 0 meanwhile, which sends them to the other map.
 */
static int near_guard_set(struct ks_kernel *kernel, unsigned ifindex, const struct ks_guard *guard)
{
	__u32 slot = ifindex % KS_NEAR_GUARDS;
	struct ks_near_guard near;
	int err;

	if (bpf_map_lookup_elem(kernel->maps[KS_MAP_NEAR_GUARDS], &slot, &near))
		return -errno;
	if (near.ifindex != ifindex && (near.ifindex || !guard))
		return 0;
	near.ifindex = 0;
	err = near_guard_store(kernel, slot, &near);
	if (err || !guard)
		return err;
	near.guard = *guard;
	err = near_guard_store(kernel, slot, &near);
	near.ifindex = ifindex;
	return err ?: near_guard_store(kernel, slot, &near);
}

void ks_kernel_forget_ways(struct ks_kernel *kernel)
{
	__atomic_fetch_add(&kernel->control->routes, 1, __ATOMIC_RELEASE);
}

int ks_kernel_set_guard(struct ks_kernel *kernel, unsigned ifindex, const struct ks_guard *guard)
{
	int err = bpf_map_update_elem(kernel->maps[KS_MAP_GUARDS], &ifindex, guard, BPF_ANY) ? -errno : 0;

	if (!err)
		err = near_guard_set(kernel, ifindex, guard);
	ks_kernel_forget_ways(kernel);
	if (err)
		ks_kernel_complain("the programs cannot be told of interface %u: %s", ifindex, strerror(-err));
	return err;
}

int ks_kernel_forget_guard(struct ks_kernel *kernel, unsigned ifindex)
{
	int err = near_guard_set(kernel, ifindex, NULL);

	ks_kernel_forget_ways(kernel);
	if (err)
		return err;
	for (unsigned at = 0; kernel->pin_dir && at < KS_AT_MAX; at++)
		ks_tcx_detach(kernel->pin_dir, ifindex, at); /* an interface that is gone leaves pins */
	return bpf_map_delete_elem(kernel->maps[KS_MAP_GUARDS], &ifindex) && errno != ENOENT ? -errno : 0;
}

bool ks_kernel_guard(const struct ks_kernel *kernel, unsigned ifindex, struct ks_guard *guard)
{
	return !bpf_map_lookup_elem(kernel->maps[KS_MAP_GUARDS], &ifindex, guard);
}

void ks_kernel_each_guard(const struct ks_kernel *kernel,
			  void (*fn)(unsigned ifindex, const struct ks_guard *guard, void *arg), void *arg)
{
	__u32 key = 0, next;
	const __u32 *from = NULL;

	while (!bpf_map_get_next_key(kernel->maps[KS_MAP_GUARDS], from, &next)) {
		struct ks_guard guard;

		if (ks_kernel_guard(kernel, next, &guard))
			fn(next, &guard, arg);
		key = next;
		from = &key;
	}
}
