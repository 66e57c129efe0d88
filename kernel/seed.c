/* SPDX-License-Identifier: BSD-2-Clause */
/* See seed.h. */
#include "kernel/seed.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "engine/seats.h"
#include "kernel/internal.h"

struct ks_seed {
	struct ks_kernel *kernel;
	struct ks_bucket *table; /* the kernel's, mapped to be written */
	struct ks_table_counts *counts;
	struct ks_budget *budgets;
	struct ks_engine *engine;
};

void ks_seed_end(struct ks_seed *seed)
{
	if (!seed)
		return;
	ks_engine_destroy(seed->engine);
	ks_kernel_unmap_one(seed->table, seed->kernel->maps[KS_MAP_TABLE]);
	ks_kernel_unmap_one(seed->counts, seed->kernel->maps[KS_MAP_COUNTS]);
	ks_kernel_unmap_one(seed->budgets, seed->kernel->maps[KS_MAP_BUDGETS]);
	free(seed);
}

static int make_engine(struct ks_seed *seed, const struct ks_policy *policy)
{
	const struct ks_table_memory memory = { .buckets = seed->table,
						.shape = *seed->kernel->shape,
						.counts = seed->counts,
						.budgets = seed->budgets,
						.now = ks_kernel_now(seed->kernel) };
	const struct ks_tables tables = ks_policy_tables(policy);

	int err = ks_engine_create_on(&memory, &tables, &seed->engine);

	if (err)
		return err;
	ks_engine_use_sets(seed->engine, &seed->kernel->sets, policy);
	ks_engine_tell_flows(seed->engine, seed->kernel->tell,
			     seed->kernel->tell_arg); /* a flow that makes room ends here, too */
	return 0;
}

int ks_seed_begin(struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_seed **seed)
{
	ks_auto_seed struct ks_seed *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	made->kernel = kernel;
	err = ks_kernel_map_one(kernel->maps[KS_MAP_TABLE], PROT_READ | PROT_WRITE, &made->table);
	if (!err)
		err = ks_kernel_map_one(kernel->maps[KS_MAP_COUNTS], PROT_READ | PROT_WRITE, &made->counts);
	if (!err)
		err = ks_kernel_map_one(kernel->maps[KS_MAP_BUDGETS], PROT_READ | PROT_WRITE, &made->budgets);
	if (!err)
		err = make_engine(made, policy);
	if (err)
		return err;
	*seed = TAKE(made);
	return 0;
}

int ks_seed_flow(struct ks_seed *seed, const struct ks_transplant *transplant)
{
	return ks_engine_transplant(seed->engine, transplant);
}

int ks_seed_record(struct ks_seed *seed, const struct ks_flow_key *key, const struct ks_flow *record)
{
	return ks_engine_add_flow(seed->engine, key, record);
}

__u32 ks_seed_clock(const struct ks_seed *seed)
{
	return ks_flow_clock(ks_engine_time(seed->engine));
}

int ks_kernel_seat_all(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	ks_auto_seed struct ks_seed *seed = NULL;

	return ks_seed_begin(kernel, policy, &seed) ?: ks_engine_seat_all(seed->engine);
}

struct ks_engine *ks_seed_engine(const struct ks_seed *seed)
{
	return seed->engine;
}
