/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stages of helpers share (helper.c, scan.c); see helper.h. */
#ifndef KS_CORE_HELPER_MEMORY_H
#define KS_CORE_HELPER_MEMORY_H

#include "core/helper/helper.h"
#include "core/inspection.h"
#include "core/types.h"

#define KS_HELPER_READ_MAX 8192U /* bytes of a packet that are read */
#define KS_ANNOUNCEMENTS_MAX 8U /* announcements in it */

/* The memory of direction `dir`, as it will be. */
static inline struct ks_record *ks_memory_of(struct ks_inspection *insp, __u32 dir)
{
	return ks_record_after(&insp->helping.memory[dir & 1]);
}

static inline bool ks_is_stream(const struct ks_inspection *insp)
{
	return insp->pkt.tuple.proto == KS_PROTO_TCP;
}

/* The sequence number of the byte at an offset of the frame. */
static inline __u32 ks_seq_at(const struct ks_inspection *insp, __u32 off)
{
	return insp->pkt.seq + (off - insp->pkt.payload_off);
}

/* Nothing counts before the next line; a protocol without lines cannot be followed any more. */
static inline void ks_helper_lose(struct ks_inspection *insp, struct ks_record *m)
{
	m->memory.scanner.phase = KS_SCANNER_SKIP;
	m->memory.scanner.column = KS_SCANNER_LINE_MAX;
	if (insp->flow.after.helper == KS_HELPER_PPTP)
		m->flags |= KS_MEMORY_OVER;
}

/* The packet ends at the mark; the scanner waits for what is cut off. */
void ks_helper_cut(struct ks_inspection *insp, struct ks_record *m);

#endif
