/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what the programs leave: flows through the mapped table, counters by
 * summing those of all CPUs.
 *
 * Race. Programs write an entry while it is copied here. Its version is odd
 * while it is written and another one afterwards (core/table/table.h), so a copy
 * counts only if the version was even and is the same after it; else it is made
 * again. Nothing here is locked, and no program waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#include "core/answer.h"
#include "core/fold.h"
#include "core/home.h"
#include "core/table/share.h"
#include "engine/entries.h"
#include "kernel/internal.h"

#define KS_KILL_BATCH 32 /* keys that one run of ks_kill takes */
#define KS_KILL_HEADER 16 /* bytes of its data before the keys, ... */
#define KS_KILL_WHY 15 /* ... and where the reason is in them */

static bool copy_live_flow(const struct ks_slot *slot, __u64 now, struct ks_slot *copy)
{
	return ks_slot_copy(slot, copy) && ks_flow_is_shown(&copy->key, &copy->flow) &&
	       !ks_flow_is_expired(&copy->flow, now);
}

int ks_kernel_each_slot_from(const struct ks_kernel *kernel, __u32 *cursor, __u32 buckets, ks_kernel_slot_fn *fn,
			     void *arg)
{
	__u32 end = kernel->shape->buckets;
	__u64 now = ks_kernel_now(kernel);
	int result = 0;

	if (*cursor < end && buckets < end - *cursor)
		end = *cursor + buckets;
	while (*cursor < end && !result) {
		struct ks_flow_ref ref = { .bucket = (*cursor)++ };
		const struct ks_bucket *bucket = &kernel->table[ref.bucket];
		const struct ks_tags *tags = ks_tags_of(kernel->table, kernel->shape->buckets, ref.bucket);

		for (; ref.slot < KS_BUCKET_SLOTS && !result; ref.slot++) {
			struct ks_slot copy;

			if (ks_load_relaxed(&tags->tag[ref.slot]) &&
			    copy_live_flow(&bucket->slot[ref.slot], now, &copy))
				result = fn(ks_slot_id(&ref), &copy, arg);
		}
	}
	return result;
}

bool ks_kernel_slot(const struct ks_kernel *kernel, __u32 id, struct ks_slot *copy)
{
	struct ks_flow_ref ref = ks_slot_at(id);

	return id && ref.bucket < kernel->shape->buckets &&
	       copy_live_flow(&kernel->table[ref.bucket].slot[ref.slot], ks_kernel_now(kernel), copy);
}

/* A function that does not want to know where a flow lies. */
struct flow_ctx {
	ks_kernel_flow_fn *fn;
	void *arg;
};

static int slot_hand_on(__u32 id, const struct ks_slot *slot, void *arg)
{
	const struct flow_ctx *ctx = arg;

	return ctx->fn(&slot->key, &slot->flow, ctx->arg);
}

int ks_kernel_each_flow_from(const struct ks_kernel *kernel, __u32 *cursor, __u32 buckets, ks_kernel_flow_fn *fn,
			     void *arg)
{
	struct flow_ctx ctx = { .fn = fn, .arg = arg };

	return ks_kernel_each_slot_from(kernel, cursor, buckets, slot_hand_on, &ctx);
}

int ks_kernel_each_flow(const struct ks_kernel *kernel, ks_kernel_flow_fn *fn, void *arg)
{
	__u32 cursor = 0;

	return ks_kernel_each_flow_from(kernel, &cursor, kernel->shape->buckets, fn, arg);
}

long ks_kernel_kill(struct ks_kernel *kernel, const struct ks_flow_key *keys, size_t n, enum ks_end why)
{
	__u8 data[KS_KILL_HEADER + KS_KILL_BATCH * sizeof(*keys)] = { 0 };
	long killed = 0;

	data[KS_KILL_WHY] = (__u8)why;
	while (n) {
		size_t batch = KS_MIN(n, (size_t)KS_KILL_BATCH);
		long result;

		memcpy(data + KS_KILL_HEADER, keys, batch * sizeof(*keys));
		result = ks_kernel_run(kernel, KS_PROGRAM_KILL, data, KS_KILL_HEADER + batch * sizeof(*keys));
		if (result < 0)
			return result;
		killed += result;
		keys += batch;
		n -= batch;
	}
	return killed;
}

/* Adds up `words` 64-bit counters of one entry over all CPUs. */
static int sum_entry(const struct ks_kernel *kernel, enum ks_kernel_map map, __u32 key, __u64 *sum, size_t words)
{
	ks_auto_free __u64 *values = calloc(kernel->cpus, words * sizeof(*values));

	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(kernel->maps[map], &key, values))
		return -errno;
	memset(sum, 0, words * sizeof(*sum));
	for (size_t i = 0; i < kernel->cpus * words; i++)
		sum[i % words] += values[i];
	return 0;
}

/*
 * Adds up the first `entries` of a map, each of `words` 64-bit counters, over all CPUs, by one system call. The rest of the
 * `room` is 0.
 */
static int sum_map(const struct ks_kernel *kernel, enum ks_kernel_map map, __u32 entries, __u32 room, __u64 *sums,
		   size_t words)
{
	ks_auto_free __u64 *values = calloc((size_t)kernel->cpus * entries * words, sizeof(*values));
	ks_auto_free __u32 *keys = calloc(entries, sizeof(*keys));
	__u32 count = entries, next = 0;

	if (!values || !keys)
		return -ENOMEM;
	if (bpf_map_lookup_batch(kernel->maps[map], NULL, &next, keys, values, &count, NULL) &&
	    errno != ENOENT) /* the end of the map */
		return -errno;
	if (count != entries)
		return -EIO;
	memset(sums, 0, room * words * sizeof(*sums));
	for (size_t i = 0; i < kernel->cpus * entries * words; i++)
		sums[i / (kernel->cpus * words) * words + i % words] += values[i];
	return 0;
}

int ks_kernel_zones(const struct ks_kernel *kernel, struct ks_zone_count counts[KS_ZONE_PAIRS])
{
	return sum_map(kernel, KS_MAP_ZONE_COUNTS, kernel->zones * KS_ZONE_TARGETS, KS_ZONE_PAIRS, (__u64 *)counts,
		       sizeof(*counts) / sizeof(__u64));
}

int ks_kernel_established(const struct ks_kernel *kernel, struct ks_count counts[KS_FLOW_PAIRS])
{
	return sum_map(kernel, KS_MAP_FLOW_COUNTS, kernel->zones * KS_ZONE_MAX, KS_FLOW_PAIRS, (__u64 *)counts,
		       sizeof(*counts) / sizeof(__u64));
}

static bool has_counted(const struct ks_zone_count *zones, const struct ks_count *flows, __u32 from)
{
	for (__u32 to = 0; to < KS_ZONE_TARGETS; to++) {
		const struct ks_zone_count *count = &zones[from * KS_ZONE_TARGETS + to];

		for (unsigned fate = 0; fate < KS_FATES; fate++) {
			if (count->by[fate].packets)
				return true;
		}
		if (to < KS_ZONE_MAX && flows[ks_flow_pair(from, to)].packets)
			return true;
	}
	return false;
}

int ks_kernel_find_zones(struct ks_kernel *kernel)
{
	ks_auto_free struct ks_zone_count *zones = calloc(KS_ZONE_PAIRS, sizeof(*zones));
	ks_auto_free struct ks_count *flows = calloc(KS_FLOW_PAIRS, sizeof(*flows));
	int err;

	kernel->zones = KS_ZONE_MAX;
	err = zones && flows ? ks_kernel_zones(kernel, zones) : -ENOMEM;
	if (!err)
		err = ks_kernel_established(kernel, flows);
	while (!err && kernel->zones > KS_ZONE_FIRST && !has_counted(zones, flows, kernel->zones - 1))
		kernel->zones--;
	return err;
}

/* Adds the packets of flows, which are counted by their zones alone (core/env.h). */
static int established_add(const struct ks_kernel *kernel, struct ks_count *sum)
{
	ks_auto_free struct ks_count *counts = calloc(KS_FLOW_PAIRS, sizeof(*counts));
	int err = counts ? ks_kernel_established(kernel, counts) : -ENOMEM;

	for (__u32 pair = 0; !err && pair < KS_FLOW_PAIRS; pair++) {
		sum->packets += counts[pair].packets;
		sum->bytes += counts[pair].bytes;
	}
	return err;
}

int ks_kernel_reasons(const struct ks_kernel *kernel, struct ks_count counts[KS_REASON_MAX])
{
	int err = 0;

	for (__u32 i = 0; !err && i < KS_REASON_MAX; i++)
		err = sum_entry(kernel, KS_MAP_REASONS, i, (__u64 *)&counts[i], sizeof(*counts) / sizeof(__u64));
	return err ?: established_add(kernel, &counts[KS_REASON_OK_ESTABLISHED]);
}

int ks_kernel_challenges(const struct ks_kernel *kernel, struct ks_challenges *challenges)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(kernel->maps[KS_MAP_CHALLENGES], &zero, challenges) ? -errno : 0;
}

__u32 ks_kernel_half_open(const struct ks_kernel *kernel, __u32 zone)
{
	__u32 cell = KS_SHARE_ZONE + (zone & (KS_ZONE_MAX - 1));
	struct ks_budget budget;

	if (bpf_map_lookup_elem(kernel->maps[KS_MAP_BUDGETS], &cell, &budget))
		return 0;
	return (__s32)budget.entries < 0 ? 0 : budget.entries;
}

int ks_kernel_copy_remembered(const struct ks_kernel *kernel, struct ks_engine *engine)
{
	const int *maps = kernel->maps;
	struct ks_remembered what = { 0 };
	int err = ks_kernel_map_one(maps[KS_MAP_CHALLENGE_SETS], PROT_READ, &what.challenged)
			  ?: ks_kernel_map_one(maps[KS_MAP_ENDED_SETS], PROT_READ, &what.ended)
			  ?: ks_kernel_map_one(maps[KS_MAP_FLOOD_SETS], PROT_READ, &what.floods)
			  ?: ks_kernel_map_one(maps[KS_MAP_SCAN_SETS], PROT_READ, &what.scans);

	if (!err) {
		ks_engine_set_key(engine, kernel->shape->key);
		ks_engine_remember(engine, &what);
	}
	ks_kernel_unmap_one(what.scans, maps[KS_MAP_SCAN_SETS]);
	ks_kernel_unmap_one(what.floods, maps[KS_MAP_FLOOD_SETS]);
	ks_kernel_unmap_one(what.ended, maps[KS_MAP_ENDED_SETS]);
	ks_kernel_unmap_one(what.challenged, maps[KS_MAP_CHALLENGE_SETS]);
	return err;
}

int ks_kernel_rule_count(const struct ks_kernel *kernel, __u32 rule, struct ks_rule_count *count)
{
	return sum_entry(kernel, KS_MAP_RULE_COUNTS, rule, (__u64 *)count, sizeof(*count) / sizeof(__u64));
}

int ks_kernel_rule_reset(struct ks_kernel *kernel, __u32 rule)
{
	ks_auto_free struct ks_rule_count *zeros = calloc(kernel->cpus, sizeof(*zeros));

	if (!zeros)
		return -ENOMEM;
	return bpf_map_update_elem(kernel->maps[KS_MAP_RULE_COUNTS], &rule, zeros, BPF_ANY) ? -errno : 0;
}

/* An entry of a map of counters becomes 0 on every CPU. A packet that is counted just then is forgotten. */
static int clear_entry(struct ks_kernel *kernel, enum ks_kernel_map map, __u32 key, size_t size)
{
	ks_auto_free void *zeros = calloc(kernel->cpus, size);

	if (!zeros)
		return -ENOMEM;
	return bpf_map_update_elem(kernel->maps[map], &key, zeros, BPF_ANY) ? -errno : 0;
}

/* Moves the packets of flows between two zones to `sum`. */
static int take_established(struct ks_kernel *kernel, __u32 pair, struct ks_count *sum)
{
	struct ks_count count = { 0 };
	int err = sum_entry(kernel, KS_MAP_FLOW_COUNTS, pair, (__u64 *)&count, sizeof(count) / sizeof(__u64));

	if (err || !count.packets)
		return err;
	sum->packets += count.packets;
	sum->bytes += count.bytes;
	return clear_entry(kernel, KS_MAP_FLOW_COUNTS, pair, sizeof(count));
}

/* Packets that were counted by their zones alone (core/env.h) stay counted by their reason. */
static int add_established(struct ks_kernel *kernel, const struct ks_count *sum)
{
	ks_auto_free struct ks_count *counts = calloc(kernel->cpus, sizeof(*counts));
	__u32 reason = KS_REASON_OK_ESTABLISHED;

	if (!counts)
		return -ENOMEM;
	if (bpf_map_lookup_elem(kernel->maps[KS_MAP_REASONS], &reason, counts))
		return -errno;
	counts[0].packets += sum->packets;
	counts[0].bytes += sum->bytes;
	return bpf_map_update_elem(kernel->maps[KS_MAP_REASONS], &reason, counts, BPF_ANY) ? -errno : 0;
}

int ks_kernel_zone_reset(struct ks_kernel *kernel, __u32 zone)
{
	struct ks_count sum = { 0 };
	int err =
		clear_entry(kernel, KS_MAP_ZONE_COUNTS, ks_zone_pair(zone, KS_ZONE_MAX), sizeof(struct ks_zone_count));

	for (__u32 other = 0; !err && other < KS_ZONE_MAX; other++) {
		err = clear_entry(kernel, KS_MAP_ZONE_COUNTS, ks_zone_pair(zone, other), sizeof(struct ks_zone_count));
		err = err
			      ?: clear_entry(kernel, KS_MAP_ZONE_COUNTS, ks_zone_pair(other, zone),
					     sizeof(struct ks_zone_count));
		err = err ?: take_established(kernel, ks_flow_pair(zone, other), &sum);
		err = err ?: take_established(kernel, ks_flow_pair(other, zone), &sum);
	}
	return sum.packets ? add_established(kernel, &sum) ?: err : err;
}

__u64 ks_kernel_events_lost(const struct ks_kernel *kernel, unsigned kind)
{
	__u64 lost = 0;

	sum_entry(kernel, KS_MAP_EVENTS_LOST, kind, &lost, 1);
	return lost;
}

bool ks_kernel_times_programs(void)
{
	ks_auto_file FILE *file = fopen("/proc/sys/kernel/bpf_stats_enabled", "r");

	return file && fgetc(file) == '1';
}

int ks_kernel_program_times(const struct ks_kernel *kernel, enum ks_kernel_program program,
			    struct ks_program_times *times)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);

	if (kernel->programs[program] < 0)
		return -ENOENT;
	if (bpf_obj_get_info_by_fd(kernel->programs[program], &info, &length))
		return -errno;
	*times = (struct ks_program_times){ .runs = info.run_cnt, .ns = info.run_time_ns };
	return 0;
}

__u64 ks_kernel_front_drops(const struct ks_kernel *kernel)
{
	__u64 words[sizeof(struct ks_front) / sizeof(__u64)] = { 0 };

	_Static_assert(offsetof(struct ks_front, dropped) == 0, "the first word is asked for");
	sum_entry(kernel, KS_MAP_FRONTS, 0, words, KS_ARRAY_SIZE(words));
	return words[0];
}

int ks_kernel_shortened(const struct ks_kernel *kernel, struct ks_shortened *shortened)
{
	const size_t size = (sizeof(struct ks_scratch) + sizeof(__u64) - 1) / sizeof(__u64) * sizeof(__u64);
	ks_auto_free char *values = calloc(kernel->cpus, size);
	__u32 zero = 0;
	struct ks_shortened sum = { 0 };

	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(kernel->maps[KS_MAP_SCRATCH], &zero, values))
		return -errno;
	for (size_t i = 0; i < kernel->cpus; i++) {
		const struct ks_scratch *scratch = (const struct ks_scratch *)(values + i * size);

		sum.by_ingress += scratch->shortened;
		sum.by_express += scratch->expressed;
	}
	*shortened = sum;
	return 0;
}

__u64 ks_kernel_front_drops_at(const struct ks_kernel *kernel, unsigned ifindex)
{
	__u64 dropped = 0;

	sum_entry(kernel, KS_MAP_FRONT_DROPS, ifindex & (KS_FRONT_CELLS - 1), &dropped, 1);
	return dropped;
}

__u64 ks_kernel_answers_withheld(const struct ks_kernel *kernel)
{
	struct ks_answers answers = { 0 };
	__u32 zero = 0;

	bpf_map_lookup_elem(kernel->maps[KS_MAP_ANSWERS], &zero, &answers);
	return answers.withheld;
}

int ks_kernel_folds_take(const struct ks_kernel *kernel,
			 void (*fn)(__u64 folded, bool one_source, const struct ks_event *last, void *arg), void *arg)
{
	struct ks_fold *cells;
	int err = ks_kernel_map_one(kernel->maps[KS_MAP_FOLDS], PROT_READ | PROT_WRITE, &cells);

	if (err)
		return err;
	for (__u32 i = 0; i < KS_FOLD_CELLS; i++) {
		struct ks_event last = cells[i].last;
		__u64 folded = ks_load_relaxed(&cells[i].folded);

		if (!folded)
			continue;
		folded = __atomic_exchange_n(&cells[i].folded, 0, __ATOMIC_RELAXED);
		fn(folded, i < KS_FOLD_SOURCES, &last, arg);
	}
	ks_kernel_unmap_one(cells, kernel->maps[KS_MAP_FOLDS]);
	return 0;
}
