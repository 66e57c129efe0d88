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
	__u16 zero;
	struct ks_flow_ref ref;
	struct ks_flow before; /* as found */
	struct ks_flow after; /* as committed; in a dry run, as it would have been */
};

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
