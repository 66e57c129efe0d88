/* SPDX-License-Identifier: BSD-2-Clause */
/* See kernel_clean.h. */
#include "tests/bpf/kernel_clean.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/answer.h"
#include "core/challenge.h"
#include "core/nat/port.h"

int kernel_clean_shortages(const struct ks_kernel *kernel)
{
	int fd = ks_kernel_map_fd(kernel, KS_MAP_SHORTAGES), err = 0;
	static const struct ks_shortage none;

	for (__u32 i = 0; !err && i < KS_SHORTAGES; i++)
		err = bpf_map_update_elem(fd, &i, &none, BPF_ANY) ? -errno : 0;
	return err;
}

int kernel_clean_answers(const struct ks_kernel *kernel)
{
	static const struct ks_answers none;
	__u32 zero = 0;

	return bpf_map_update_elem(ks_kernel_map_fd(kernel, KS_MAP_ANSWERS), &zero, &none, BPF_ANY) ? -errno : 0;
}

int kernel_clean_challenges(const struct ks_kernel *kernel)
{
	const size_t size = KS_CHALLENGE_SETS * sizeof(struct ks_challenge_set);
	int fd = ks_kernel_map_fd(kernel, KS_MAP_CHALLENGE_SETS);
	int challenges = ks_kernel_map_fd(kernel, KS_MAP_CHALLENGES);
	static const struct ks_challenges none;
	__u32 zero = 0;
	void *sets = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (sets == MAP_FAILED || bpf_map_update_elem(challenges, &zero, &none, BPF_ANY))
		return -errno;
	memset(sets, 0, size);
	munmap(sets, size);
	return 0;
}

int kernel_clean_sets(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	return ks_set_store_reset(ks_kernel_sets(kernel), policy, ks_kernel_control(kernel)->test_now);
}

bool kernel_is_empty(const struct ks_table_counts *counts)
{
	__u32 records = 0;

	for (unsigned i = 0; i < KS_KIND_MAX; i++)
		records += counts->records[i];
	return !counts->flows && !records;
}
