/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The map of the box's addresses and networks, the map of stacked devices, and
 * the question to the programs what they make of them. See kernel.h. Only the
 * daemon's thread writes the first; the programs add to the second what they learn.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "kernel/internal.h"

static int delete_if_there(const struct ks_kernel *kernel, enum ks_kernel_map map, const void *key)
{
	return bpf_map_delete_elem(kernel->maps[map], key) && errno != ENOENT ? -errno : 0;
}

int ks_kernel_set_local(struct ks_kernel *kernel, const struct ks_local_key *key, const struct ks_local *local)
{
	int err = bpf_map_update_elem(kernel->maps[KS_MAP_LOCALS], key, local, BPF_ANY) ? -errno : 0;

	ks_kernel_forget_ways(kernel);
	return err;
}

int ks_kernel_forget_local(struct ks_kernel *kernel, const struct ks_local_key *key)
{
	int err = delete_if_there(kernel, KS_MAP_LOCALS, key);

	ks_kernel_forget_ways(kernel);
	return err;
}

void ks_kernel_each_local(const struct ks_kernel *kernel,
			  void (*fn)(const struct ks_local_key *key, const struct ks_local *local, void *arg),
			  void *arg)
{
	struct ks_local_key key, next;
	const struct ks_local_key *from = NULL;

	while (!bpf_map_get_next_key(kernel->maps[KS_MAP_LOCALS], from, &next)) {
		struct ks_local local;

		if (!bpf_map_lookup_elem(kernel->maps[KS_MAP_LOCALS], &next, &local))
			fn(&next, &local, arg);
		key = next;
		from = &key;
	}
}

bool ks_kernel_local(const struct ks_kernel *kernel, const struct ks_addr *addr, unsigned family,
		     struct ks_local *local)
{
	const struct ks_local_key key = { .bits = 8 * (sizeof(key.family) + sizeof(key.addr)),
					  .family = family,
					  .addr = *addr };

	return !bpf_map_lookup_elem(kernel->maps[KS_MAP_LOCALS], &key, local);
}

int ks_kernel_ask(const struct ks_kernel *kernel, struct ks_ask *ask)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = ask, .data_size_in = sizeof(*ask), .data_out = ask,
		    .data_size_out = sizeof(*ask), .repeat = 1);

	if (bpf_prog_test_run_opts(kernel->programs[KS_PROGRAM_ASK], &opts))
		return -errno;
	return opts.retval == 1 ? 0 : -EIO;
}

int ks_kernel_ask_rules(const struct ks_kernel *kernel, const struct ks_question *questions, __u32 count, __u32 *index,
			__u64 *ns)
{
	__u8 frame[KS_ASK_RULES_OFF + KS_ASK_RULES_MAX * KS_ASK_RULES_SIZE] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = frame, .repeat = 1);

	count = KS_MIN(count, KS_ASK_RULES_MAX);
	for (__u32 i = 0; i < count; i++)
		memcpy(frame + KS_ASK_RULES_OFF + i * KS_ASK_RULES_SIZE, &questions[i], KS_ASK_RULES_SIZE);
	opts.data_size_in = opts.data_size_out = KS_ASK_RULES_OFF + count * KS_ASK_RULES_SIZE;
	if (bpf_prog_test_run_opts(kernel->programs[KS_PROGRAM_ASK_RULES], &opts))
		return -errno;
	for (__u32 i = 0; i < count; i++)
		memcpy(&index[i], frame + KS_ASK_RULES_OFF + i * KS_ASK_RULES_SIZE, sizeof(*index));
	if (ns)
		*ns = opts.duration;
	return opts.retval == count ? 0 : -EIO;
}

int ks_kernel_set_stacked(struct ks_kernel *kernel, const struct ks_stacked_key *key, __u32 kind)
{
	return bpf_map_update_elem(kernel->maps[KS_MAP_STACKED], key, &kind, BPF_ANY) ? -errno : 0;
}

int ks_kernel_forget_stacked(struct ks_kernel *kernel, const struct ks_stacked_key *key)
{
	return delete_if_there(kernel, KS_MAP_STACKED, key);
}

void ks_kernel_each_stacked(const struct ks_kernel *kernel,
			    void (*fn)(const struct ks_stacked_key *key, __u32 kind, void *arg), void *arg)
{
	struct ks_stacked_key key, next;
	const struct ks_stacked_key *from = NULL;

	while (!bpf_map_get_next_key(kernel->maps[KS_MAP_STACKED], from, &next)) {
		__u32 kind;

		if (!bpf_map_lookup_elem(kernel->maps[KS_MAP_STACKED], &next, &kind))
			fn(&next, kind, arg);
		key = next;
		from = &key;
	}
}
