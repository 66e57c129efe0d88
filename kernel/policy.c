/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policy generations in the kernel. The inactive slot is filled (config by
 * mmap, rules, sets and ranges as fresh inner maps), then ks_control.active is
 * switched by one store. A program that began before the store goes on with
 * the old slot, so that slot is emptied only after a grace period, which every
 * update of an array of maps waits for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "kernel/internal.h"

/* Entries a batch: bounds the kernel's temporary memory, not the size of a policy. */
#define KS_BATCH 65536U

static int fill_map(int fd, const void *values, __u32 value_size, __u32 count)
{
	__u32 *keys = malloc(KS_BATCH * sizeof(*keys));
	int err = 0;

	if (!keys)
		return -ENOMEM;
	for (__u32 done = 0; !err && done < count;) {
		__u32 n = KS_MIN(count - done, KS_BATCH);

		for (__u32 i = 0; i < n; i++)
			keys[i] = done + i;
		if (bpf_map_update_batch(fd, keys, (const __u8 *)values + (size_t)done * value_size, &n, NULL))
			err = -errno;
		done += n;
	}
	free(keys);
	return err;
}

/* The types that the programs were loaded with, from a map that they describe. Returns a descriptor or -errno. */
static int types_open(const struct ks_kernel *kernel, struct btf **types)
{
	struct bpf_map_info info = { 0 };
	__u32 size = sizeof(info);
	int fd;

	if (bpf_obj_get_info_by_fd(kernel->maps[KS_MAP_CONFIGS], &info, &size))
		return -errno;
	fd = bpf_btf_get_fd_by_id(info.btf_id);
	if (fd < 0)
		return -errno;
	*types = btf__load_from_kernel_by_id(info.btf_id);
	if (*types)
		return fd;
	close(fd);
	return -ENOENT;
}

/* One of the policy's tables, and the outer map that holds its two generations. */
struct table {
	enum ks_kernel_map outer;
	const char *type; /* of an entry; the inner map has its name */
	const void *values;
	__u32 value_size;
	__u32 count;
};

/*
 * Makes an inner map of the values and puts it into the slot of the outer one.
 * It must be described by types as the outer one's model is: kernels before
 * 6.2 do not take it for equal otherwise.
 */
static int install(const struct ks_kernel *kernel, __u32 slot, const struct table *table)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	struct btf *types = NULL;
	int btf_fd = types_open(kernel, &types), fd, err;

	if (btf_fd < 0)
		return btf_fd;
	opts.btf_fd = btf_fd;
	opts.btf_key_type_id = btf__find_by_name_kind(types, "unsigned int", BTF_KIND_INT);
	opts.btf_value_type_id = btf__find_by_name_kind(types, table->type, BTF_KIND_STRUCT);
	btf__free(types);
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, table->type, sizeof(__u32), table->value_size, KS_MAX(table->count, 1U),
			    &opts);
	err = fd < 0 ? -errno : 0;
	close(btf_fd);
	if (err)
		return err;
	err = fill_map(fd, table->values, table->value_size, table->count);
	if (!err && bpf_map_update_elem(kernel->maps[table->outer], &slot, &fd, BPF_ANY))
		err = -errno;
	close(fd);
	return err;
}

static int install_all(const struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot)
{
	const struct ks_config *config = &policy->config;
	const struct table tables[] = {
		{ KS_MAP_RULES, "ks_rule", policy->rules, sizeof(struct ks_rule), config->entries },
		{ KS_MAP_SETS, "ks_set", policy->sets, sizeof(struct ks_set), config->sets },
		{ KS_MAP_RANGES, "ks_range", policy->ranges, sizeof(struct ks_range), config->ranges },
		{ KS_MAP_TARGETS, "ks_target", policy->targets, sizeof(struct ks_target), config->targets },
	};
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(tables); i++)
		err = install(kernel, slot, &tables[i]);
	return err;
}

/* Frees the tables of a slot. Deleting from an array of maps waits until no program uses it. */
static void empty_slot(const struct ks_kernel *kernel, __u32 slot)
{
	bpf_map_delete_elem(kernel->maps[KS_MAP_RULES], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_SETS], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_RANGES], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_TARGETS], &slot);
}

/* Putting the map that is there once more changes nothing, but waits a grace period. */
int ks_kernel_wait(const struct ks_kernel *kernel)
{
	__u32 slot = kernel->control->active & 1, id;
	int fd, err;

	if (bpf_map_lookup_elem(kernel->maps[KS_MAP_RULES], &slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	err = bpf_map_update_elem(kernel->maps[KS_MAP_RULES], &slot, &fd, BPF_ANY) ? -errno : 0;
	close(fd);
	return err;
}

__u32 ks_kernel_capacity(const struct ks_kernel *kernel)
{
	__u32 lowest = 0, highest = KS_LIMIT_STATES_MAX;

	while (lowest < highest) { /* the inverse of ks_table_buckets(), which never falls */
		__u32 middle = lowest + (highest - lowest + 1) / 2;

		if (ks_table_buckets(middle) <= kernel->shape->buckets)
			lowest = middle;
		else
			highest = middle - 1;
	}
	return lowest;
}

int ks_kernel_set_policy(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	__u32 old = kernel->control->active & 1, slot = !old;
	int err;

	if (ks_table_buckets(policy->config.limit_states) > kernel->shape->buckets) {
		ks_kernel_complain("`limit states %u` is more than the running table was made for (%u): "
				   "end the daemon and run it again, which makes a larger one and keeps the states",
				   policy->config.limit_states, ks_kernel_capacity(kernel));
		return -EFBIG;
	}
	err = install_all(kernel, policy, slot);
	if (err) {
		ks_kernel_complain("cannot load the policy's tables: %s", strerror(-err));
		empty_slot(kernel, slot);
		return err;
	}
	kernel->configs[slot] = policy->config;
	kernel->configs[slot].generation = kernel->configs[old].generation + 1;
	__atomic_store_n(&kernel->control->active, slot, __ATOMIC_RELEASE);
	if (!ks_kernel_wait(kernel))
		empty_slot(kernel, old);
	return 0;
}

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

int ks_kernel_set_guard(struct ks_kernel *kernel, unsigned ifindex, const struct ks_guard *guard)
{
	int err = bpf_map_update_elem(kernel->maps[KS_MAP_GUARDS], &ifindex, guard, BPF_ANY) ? -errno : 0;

	if (!err)
		err = near_guard_set(kernel, ifindex, guard);
	if (err)
		ks_kernel_complain("the programs cannot be told of interface %u: %s", ifindex, strerror(-err));
	return err;
}

int ks_kernel_forget_guard(struct ks_kernel *kernel, unsigned ifindex)
{
	int err = near_guard_set(kernel, ifindex, NULL);

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
