/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Policy generations in the kernel.
 *
 * Overview. There are two slots. The inactive one is filled (the config by
 * mmap; rules, sets, ranges, trees and others as fresh inner maps), then one store to
 * ks_control.active switches to it.
 *
 * Writers. Only the daemon's thread writes, and never the active slot.
 *
 * Race. A program that read `active` before the store goes on with the old
 * slot. That is harmless: the slot is emptied only after a grace period, which
 * every update of an array of maps waits for, so each packet is judged by one
 * whole policy.
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
	ks_auto_free __u32 *keys = malloc(KS_BATCH * sizeof(*keys));
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
	return err;
}

/* One of the policy's tables, and the outer map that holds its two generations. */
struct policy_table {
	enum ks_kernel_map outer;
	const char *type; /* of an entry; the inner map has its name */
	const void *values;
	__u32 value_size;
	__u32 count;
};

int ks_kernel_describe(const char *type, __u32 value_size, struct bpf_map_create_opts *opts, struct btf **types)
{
	ks_auto_btf struct btf *new = btf__new_empty();
	int key, value, err;

	if (!new)
		return -ENOMEM;
	key = btf__add_int(new, "unsigned int", sizeof(__u32), 0);
	value = btf__add_struct(new, type, value_size);
	if (key < 0 || value < 0)
		return key < 0 ? key : value;
	err = btf__load_into_kernel(new);
	if (err)
		return err;
	opts->btf_fd = (__u32)btf__fd(new);
	opts->btf_key_type_id = (__u32)key;
	opts->btf_value_type_id = (__u32)value;
	*types = TAKE(new); /* it owns the descriptor */
	return 0;
}

static void keep_rules(struct ks_kernel *kernel, __u32 slot, int fd)
{
	if (kernel->rules[slot] >= 0)
		close(kernel->rules[slot]);
	kernel->rules[slot] = fd;
}

/* Makes an inner map of the values and puts it into the slot of the outer one. That of the rules is kept for ks_kernel_wait(). */
static int install_table(struct ks_kernel *kernel, __u32 slot, const struct policy_table *table)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP);
	ks_auto_btf struct btf *types = NULL;
	ks_auto_fd int fd = -1;
	int err = ks_kernel_describe(table->type, table->value_size, &opts, &types);

	if (err)
		return err;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, table->type, sizeof(__u32), table->value_size, KS_MAX(table->count, 1U),
			    &opts);
	if (fd < 0)
		return -errno;
	err = fill_map(fd, table->values, table->value_size, table->count);
	if (!err && bpf_map_update_elem(kernel->maps[table->outer], &slot, &fd, BPF_ANY))
		err = -errno;
	if (!err && table->outer == KS_MAP_RULES)
		keep_rules(kernel, slot, TAKE_FD(fd));
	return err;
}

static int install_tables(struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot)
{
	const struct ks_config *config = &policy->config;
	const struct policy_table tables[] = {
		{ KS_MAP_RULES, "ks_rule", policy->rules, sizeof(struct ks_rule), config->entries },
		{ KS_MAP_SETS, "ks_set", policy->sets, sizeof(struct ks_set), config->sets },
		{ KS_MAP_RANGES, "ks_range", policy->ranges, sizeof(struct ks_range), config->ranges },
		{ KS_MAP_TARGETS, "ks_target", policy->targets, sizeof(struct ks_target), config->targets },
		{ KS_MAP_TREES, "ks_tree_page", policy->tree, sizeof(struct ks_tree_page),
		  ks_tree_pages(config->tree_nodes) },
		{ KS_MAP_LIMITS, "ks_limit", policy->limits, sizeof(struct ks_limit), config->limits },
		{ KS_MAP_CONDITIONS, "ks_conditions", policy->conditions, sizeof(struct ks_conditions),
		  config->conditions },
		{ KS_MAP_EFFECTS, "ks_effects", policy->effects, sizeof(struct ks_effects), config->effects },
	};
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(tables); i++)
		err = install_table(kernel, slot, &tables[i]);
	return err;
}

/* Frees the tables of a slot. Deleting from an array of maps waits until no program uses it. */
static void empty_slot(struct ks_kernel *kernel, __u32 slot)
{
	keep_rules(kernel, slot, -1);
	bpf_map_delete_elem(kernel->maps[KS_MAP_RULES], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_SETS], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_RANGES], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_TARGETS], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_TREES], &slot);
	ks_kernel_empty_sets(kernel, slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_LIMITS], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_CONDITIONS], &slot);
	bpf_map_delete_elem(kernel->maps[KS_MAP_EFFECTS], &slot);
}

/* Replacing an inner map by itself changes nothing, but waits a grace period. */
int ks_kernel_wait(const struct ks_kernel *kernel)
{
	__u32 slot = kernel->control->active & 1;
	int fd = kernel->rules[slot];

	if (fd < 0)
		return -ENOENT;
	return bpf_map_update_elem(kernel->maps[KS_MAP_RULES], &slot, &fd, BPF_ANY) ? -errno : 0;
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

static __u32 wanted_buckets(const struct ks_policy *policy)
{
	return ks_table_buckets(ks_table_entries(&policy->config));
}

bool ks_kernel_is_too_small(const struct ks_kernel *kernel, const struct ks_policy *wanted)
{
	return wanted_buckets(wanted) > kernel->shape->buckets;
}

__u64 ks_kernel_table_bytes(const struct ks_policy *policy)
{
	return (__u64)ks_table_length(wanted_buckets(policy)) * sizeof(struct ks_bucket);
}

__u64 ks_kernel_packet_clock(const struct ks_kernel *kernel)
{
	return kernel->control->test_now ? kernel->control->test_now : ks_kernel_now(kernel);
}

static int prepare_sets(const struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_set_store *next)
{
	int err = ks_set_store_prepare(&kernel->sets, policy, ks_kernel_packet_clock(kernel), next);

	if (err && !*ks_kernel_complaint())
		ks_kernel_complain("cannot make the policy's run-time sets: %s", strerror(-err));
	return err;
}

/* The policy is in force, whatever happens here: without its pin a set only does not outlive the daemon. */
static void commit_sets(struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_set_store *next)
{
	ks_set_store_commit(&kernel->sets, next, policy, ks_kernel_packet_clock(kernel));
	if (!kernel->pin_dir)
		return;
	ks_kernel_pin_sets(kernel);
	ks_kernel_unpin_gone_sets(kernel);
}

/* Packets will come from the policy's zones: they are counted. */
static void add_zones(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	for (size_t i = 0; i < policy->zone_count; i++)
		kernel->zones = KS_MAX(kernel->zones, policy->zones[i].id + 1U);
}

int ks_kernel_set_policy(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	__u32 old = kernel->control->active & 1, slot = !old;
	ks_auto_set_store struct ks_set_store sets = { 0 };
	int err;

	if (ks_table_buckets(policy->config.limit_states) > kernel->shape->buckets) {
		ks_kernel_complain("`limit states %u` is more than the table was made for (%u)",
				   policy->config.limit_states, ks_kernel_capacity(kernel));
		return -EFBIG;
	}
	err = ks_kernel_need_stages(kernel, ks_stages_of(policy)) ?: prepare_sets(kernel, policy, &sets);
	if (err)
		return err;
	err = install_tables(kernel, policy, slot) ?: ks_kernel_install_sets(kernel, &sets, slot);
	if (err) {
		ks_kernel_complain("cannot load the policy's tables: %s", strerror(-err));
		empty_slot(kernel, slot);
		return err;
	}
	add_zones(kernel, policy);
	kernel->configs[slot] = policy->config;
	kernel->configs[slot].generation = kernel->configs[old].generation + 1;
	ks_kernel_tell_slot(kernel, policy, slot);
	ks_kernel_tell_slot_cgroups(kernel, policy, slot);
	__atomic_store_n(&kernel->control->active, slot, __ATOMIC_RELEASE);
	if (!ks_kernel_wait(kernel))
		empty_slot(kernel, old);
	commit_sets(kernel, policy, &sets);
	return 0;
}
