/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One entry of the state table while a packet works on it: its key, where it lies, a copy of it as it was found, and the
 * copy that shall replace it. core/table/table.h has the functions. It does not outlive the packet.
 */
#ifndef KS_CORE_TABLE_ENTRY_H
#define KS_CORE_TABLE_ENTRY_H

#include "core/table/flow.h"
#include "core/table/record.h"
#include "core/types.h"

/* Where an entry lies in the table: indices, because BPF cannot keep pointers. */
struct ks_flow_ref {
	__u32 bucket;
	__u32 slot;
};

struct ks_entry {
	struct ks_flow_key key;
	__u64 hash; /* of the key */
	__u32 clock; /* the present on a flow's clock */
	__u8 found; /* 1: `before` is the live entry of the key */
	__u8 busy; /* 1: another CPU wrote it meanwhile; `before` may be a mixture */
	__u8 gone_counted; /* 1: an insert has recycled a flow that limits counted (tally.h): gone_rule, gone_high */
	__u8 gone_high;
	struct ks_flow_ref ref;
	struct ks_flow before; /* as found */
	struct ks_flow after; /* as committed; in a dry run, as it would have been */
	struct ks_flow_key gone; /* of the entry that an insert has recycled */
	__u32 gone_rule;
	__u32 why; /* enum ks_end: why ks_table_free() ends the flow (flow_event.h) */
};

#define KS_TALLY_OF_RULE KS_LIMIT_UNITS /* in the place of a unit: the tally of a rule's limits */

/* A question to a tally (tally.h). It holds no pointer, so that the function that answers can be verified apart from its callers. */
struct ks_tally_ask {
	__u64 now; /* ns */
	__u64 amount, burst; /* of the limit */
	__u64 time; /* ns that what is asked about takes at the limit's rate */
	__u32 rule; /* id */
	__u8 unit; /* enum ks_limit_unit, or KS_TALLY_OF_RULE */
	__u8 mode; /* enum ks_tally_mode */
	__u8 outcome; /* enum ks_tally_outcome */
	__u8 at; /* of a flow's own tally: which of its words; else 0 */
};

_Static_assert(sizeof(struct ks_tally_ask) == 40, "a question has no padding");

/* The same entries where they are records. */
static inline const struct ks_record *ks_record_before(const struct ks_entry *e)
{
	return ks_record_of(&e->before);
}

static inline struct ks_record *ks_record_after(struct ks_entry *e)
{
	return ks_record_edit(&e->after);
}

#endif
