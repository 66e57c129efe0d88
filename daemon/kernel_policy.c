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

#include "kernel_priv.h"

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

/* Makes an inner map of the values and puts it into the slot of the outer one. */
static int install(int outer, __u32 slot, const char *name, const void *values, __u32 value_size, __u32 count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), value_size, KS_MAX(count, 1U), &opts);
	int err;

	if (fd < 0)
		return -errno;
	err = fill_map(fd, values, value_size, count);
	if (!err && bpf_map_update_elem(outer, &slot, &fd, BPF_ANY))
		err = -errno;
	close(fd);
	return err;
}

static int install_all(const struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot)
{
	const struct ks_config *config = &policy->config;
	int err = install(kernel->maps[KS_MAP_RULES], slot, "ks_rules", policy->rules, sizeof(struct ks_rule),
			  config->rules);

	if (!err)
		err = install(kernel->maps[KS_MAP_SETS], slot, "ks_sets", policy->sets, sizeof(struct ks_set),
			      config->sets);
	if (!err)
		err = install(kernel->maps[KS_MAP_RANGES], slot, "ks_ranges", policy->ranges, sizeof(struct ks_range),
			      config->ranges);
	return err;
}

/* Frees the tables of a slot. Deleting from an array of maps waits until no program uses it. */
static void empty_slot(const struct ks_kernel *kernel, __u32 slot)
{
	bpf_map_delete_elem(kernel->maps[KS_MAP_RULES], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_SETS], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_RANGES], &slot);
}

/*
 * Returns after every program that runs now has ended: putting the map that
 * is there once more changes nothing, but waits a grace period.
 */
static int wait_for_programs(const struct ks_kernel *kernel, __u32 slot)
{
	__u32 id;
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
				   "stop and start Keepstate to make a larger one",
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
	if (!wait_for_programs(kernel, slot))
		empty_slot(kernel, old);
	return 0;
}

int ks_kernel_set_port(struct ks_kernel *kernel, unsigned ifindex, const struct ks_port *port)
{
	return bpf_map_update_elem(kernel->maps[KS_MAP_PORTS], &ifindex, port, BPF_ANY) ? -errno : 0;
}

int ks_kernel_forget_port(struct ks_kernel *kernel, unsigned ifindex)
{
	return bpf_map_delete_elem(kernel->maps[KS_MAP_PORTS], &ifindex) && errno != ENOENT ? -errno : 0;
}

bool ks_kernel_port(const struct ks_kernel *kernel, unsigned ifindex, struct ks_port *port)
{
	return !bpf_map_lookup_elem(kernel->maps[KS_MAP_PORTS], &ifindex, port);
}

void ks_kernel_each_port(const struct ks_kernel *kernel,
			 void (*fn)(unsigned ifindex, const struct ks_port *port, void *arg), void *arg)
{
	__u32 key = 0, next;
	const __u32 *from = NULL;

	while (!bpf_map_get_next_key(kernel->maps[KS_MAP_PORTS], from, &next)) {
		struct ks_port port;

		if (ks_kernel_port(kernel, next, &port))
			fn(next, &port, arg);
		key = next;
		from = &key;
	}
}
