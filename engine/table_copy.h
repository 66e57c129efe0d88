/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies the live entries of a state table into another one: a larger one, or
 * one of another layout. The old table may be in use all the time. Every pass
 * copies what is new or has changed since the last, and drops what has ended; when the new table comes into use
 * (other CPUs write it by the protocol of core/table/table.h) one more pass
 * brings what changed until then.
 *
 * Entries name each other by the ids of their slots. These differ
 * between the tables, so a pass first copies the entries and then corrects the ids
 * in them.
 */
#ifndef KS_ENGINE_TABLE_COPY_H
#define KS_ENGINE_TABLE_COPY_H

#include "core/table/table.h"

/* Turns an entry of the old layout into one of ours. Returns false if it cannot; the entry is then not copied. */
typedef bool ks_convert_fn(struct ks_slot *slot);

struct ks_copied {
	__u32 id; /* of the slot in the new table, 0: nowhere */
	__u32 from_version; /* of the old entry when it was copied */
	__u32 to_version; /* of the new one then; if it has another one now, a packet has written to it since */
};

struct ks_table_copy {
	const struct ks_bucket *from;
	__u32 from_buckets;
	struct ks_bucket *to;
	struct ks_table_shape to_shape;
	struct ks_table_counts *counts; /* of the new table */
	ks_convert_fn *convert; /* NULL: entries are the same in both */
	struct ks_copied *copied; /* by old slot id - 1 */
	unsigned long entries; /* copied in the last pass */
	unsigned long lost; /* in the last pass: no room in their buckets, or not to be converted */
};

/* Allocates `copied`; all else is the caller's to fill in before. Returns 0 or -ENOMEM. */
int ks_table_copy_init(struct ks_table_copy *copy);
void ks_table_copy_fini(struct ks_table_copy *copy);

/* `clock` is the present on a flow's clock: dead entries are not copied. */
void ks_table_copy_pass(struct ks_table_copy *copy, __u32 clock);

#endif
