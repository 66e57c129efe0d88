/* SPDX-License-Identifier: BSD-2-Clause */
/* See kernel_clean.h. */
#include "tests/bpf/kernel_clean.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/answer.h"
#include "core/challenge.h"
#include "core/flood.h"
#include "core/home.h"
#include "core/nat/port.h"
#include "core/port_scan.h"
#include "core/table/ended.h"

#define SWEEP_ROUNDING 64U /* buckets that a round of the sweeper visits twice at most */
#define POLL_MS 5
#define WAIT_MS 20000

#define KILL_KEYS 1024

struct kill_ctx {
	struct ks_flow_key keys[KILL_KEYS];
	size_t count;
};

static int key_collect(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct kill_ctx *list = arg;

	list->keys[list->count++] = *key;
	return list->count == KILL_KEYS;
}

int kernel_clean_flows(struct ks_kernel *kernel)
{
	struct kill_ctx *list = malloc(sizeof(*list));
	long killed = 0;

	if (!list)
		return -ENOMEM;
	do {
		list->count = 0;
		ks_kernel_each_flow(kernel, key_collect, list);
		if (list->count)
			killed = ks_kernel_kill(kernel, list->keys, list->count, KS_END_KILLED);
	} while (killed > 0 && list->count);
	free(list);
	return killed < 0 ? (int)killed : 0;
}

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

/* Writes zeros over a map that can be mapped. */
static int map_clean(const struct ks_kernel *kernel, enum ks_kernel_map map, size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ks_kernel_map_fd(kernel, map), 0);

	if (memory == MAP_FAILED)
		return -errno;
	memset(memory, 0, size);
	munmap(memory, size);
	return 0;
}

int kernel_clean_ended(const struct ks_kernel *kernel)
{
	return map_clean(kernel, KS_MAP_ENDED_SETS, KS_ENDED_SETS * sizeof(struct ks_ended_set));
}

/* Forgets the thresholds of destinations, and who was refused, if the policy protects a zone. */
static int protection_clean(const struct ks_kernel *kernel, const struct ks_policy *policy)
{
	if (!(policy->config.options & KS_OPT_PROTECT))
		return 0;
	return map_clean(kernel, KS_MAP_FLOOD_SETS, KS_FLOOD_SETS * sizeof(struct ks_flood_set))
		       ?: map_clean(kernel, KS_MAP_SCAN_SETS, KS_SCAN_SETS * sizeof(struct ks_scan_set));
}

int kernel_clean_sets(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	if (!policy)
		return 0;
	return protection_clean(kernel, policy)
		       ?: ks_set_store_reset(ks_kernel_sets(kernel), policy, ks_kernel_control(kernel)->test_now);
}

bool kernel_is_empty(const struct ks_table_counts *counts)
{
	__u32 records = 0;

	for (unsigned i = 0; i < KS_KIND_MAX; i++)
		records += counts->records[i];
	return !counts->flows && !records;
}

static __u32 count_ending(struct ks_kernel *kernel)
{
	const struct ks_set_store *sets = ks_kernel_sets(kernel);
	__u32 ending = 0;

	for (__u32 i = 0; i < sets->count; i++)
		ending += sets->set[i].memory.page->head.ending;
	return ending;
}

int kernel_await_ends(struct ks_kernel *kernel, __u32 *ending)
{
	const struct ks_table_counts *counts = ks_kernel_counts(kernel);
	__u64 end = counts->swept + 2ULL * (ks_kernel_shape(kernel)->buckets + SWEEP_ROUNDING);
	__u32 before = *ending;
	unsigned waited = 0;

	*ending = count_ending(kernel);
	if (*ending == before)
		return 0;
	for (; ks_load_relaxed(&counts->swept) < end && waited < WAIT_MS; waited += POLL_MS)
		usleep(POLL_MS * 1000);
	return waited < WAIT_MS ? 0 : -ETIMEDOUT;
}

int kernel_take_port(struct ks_kernel *kernel, __u8 proto, __u16 port)
{
	struct ks_control *control = ks_kernel_control(kernel);

	for (size_t i = 0; i < KS_ARRAY_SIZE(control->test_listen); i++) {
		if (control->test_listen[i].proto)
			continue;
		control->test_listen[i].port = ks_be16(port);
		control->test_listen[i].proto = proto;
		return 0;
	}
	return -ENOSPC;
}

void kernel_set_facts(struct ks_control *control, const struct ks_frame *frame)
{
	control->test_mark = frame->mark;
	control->test_uid = frame->uid;
	control->test_has_uid = frame->has_uid;
	control->test_cgroup = frame->cgroup;
	control->test_has_cgroup = frame->has_cgroup;
}
