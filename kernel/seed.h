/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts entries into the kernel's table from user space: flows that were there before the firewall, and flows that a file
 * has kept.
 *
 * Overview. The table is mapped into memory, and the inserts of the core itself (core/table/insert.c) run on it, in an
 * engine: the same buckets, limits, counts and claims as the programs use. So it may be done while they run.
 *
 * Life cycle. ks_seed_begin(), any number of flows and records, ks_seed_end(). A flow that is seeded has no packets; its
 * rule id must be one of the policy in force.
 *
 * Races. A key that is in the table already stays as it is: -EEXIST. What a packet has opened is never overwritten.
 */
#ifndef KS_KERNEL_SEED_H
#define KS_KERNEL_SEED_H

#include "engine/transplant.h"
#include "kernel/kernel.h"

struct ks_seed;

/* `policy` is the one in force, whose limits count; it must outlive the seed. Returns 0 or -errno. */
int ks_seed_begin(struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_seed **seed);
void ks_seed_end(struct ks_seed *seed);

KS_SCOPED(ks_auto_seed, struct ks_seed *, ks_seed_end)
#define ks_auto_seed ks_scoped(ks_auto_seed)

/*
 * Puts a flow with its aliases into the table. Of the flow everything but `alias` and `version` is taken as it is: `seen` is
 * on ks_seed_clock(). Aliases are made with ks_transplant_name(), or taken from another table. Returns 0; -EEXIST: a flow
 * or an alias has such a key already; -ENOSPC: no room, by the policy's limits. On failure nothing of it is there.
 */
int ks_seed_flow(struct ks_seed *seed, const struct ks_transplant *transplant);

/* Puts any other entry into the table, as it is: one that names no slots, such as a mapping or a permit. The same returns. */
int ks_seed_record(struct ks_seed *seed, const struct ks_flow_key *key, const struct ks_flow *record);

/* The present on the clock of the table's entries (ks_flow.seen). */
__u32 ks_seed_clock(const struct ks_seed *seed);

/*
 * Gives a seat to each entry that waits in a budget and has none (engine/seats.h): behind a takeover, and where the limits of
 * `policy`, which is in force now, are others than before. Returns 0 or -errno.
 */
int ks_kernel_seat_all(struct ks_kernel *kernel, const struct ks_policy *policy);

/* The engine on the kernel's table: to ask the policy's rules, and to find entries. It has no world yet. */
struct ks_engine *ks_seed_engine(const struct ks_seed *seed);

#endif
