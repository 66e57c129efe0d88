/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: readers of control connections in which further connections are
 * announced. A helper does nothing until a rule assigns it.
 *
 * Overview: every packet of a flow with a helper takes these stages.
 *
 *   HELPER     helper.c      judges it like any packet, and finds the bytes that come next in the stream
 *   SCAN       scan.c        reads them one by one (scanner.h) until an announcement is complete
 *   ANNOUNCE   scan.c        makes its expectation (expect.h), and rewrites it where addresses are translated
 *                            (announcement.h); then SCAN goes on
 *   TRANSCRIBE transcribe.c  SIP where addresses are translated: writes the messages again, into memory of the home
 *   ADJUST     helper.c      stores what was learnt and writes the packet (resequence.h)
 *
 * A stream is read in the order of its sequence numbers, each byte once. A segment
 * that comes too early is dropped, for TCP to repeat it behind what is missing. If
 * that has gone another way, reading goes on at the next line: an announcement
 * counts only if its beginning was read.
 *
 * Where addresses are translated, an announcement is rewritten within one segment.
 * A segment that ends inside one is cut before it, as is one with a second
 * announcement: TCP repeats what was cut off. If nothing is left it is dropped.
 *
 * Life cycle: a helper remembers what it knows of a connection in two records of
 * the state table (struct ks_memory), one for each direction, under the flow's key.
 * They are made with the answer to the SYN, or with the first expectation of a SIP
 * flow over UDP, and live as long as their flow where sequence numbers have moved,
 * else at most `timeout helper.memory`.
 *
 * Writers: the CPU that has a packet of the direction commits its memory at
 * the end, and renews the memory of the other direction.
 *
 * Races: two packets of a direction on two CPUs. The first commit of the
 * memory wins; the other packet is judged again with what the first one has left.
 * An expectation that it made meanwhile is found again and renewed.
 *
 * Source: the protocols' RFCs are named in their scanners; RFC 3027 (what breaks).
 */
#ifndef KS_CORE_HELPER_HELPER_H
#define KS_CORE_HELPER_HELPER_H

#include "core/helper/id.h"
#include "core/helper/scanner.h"
#include "core/inspection.h"
#include "core/types.h"

struct ks_env;

#define KS_HELPER_READ_MAX 8192U /* bytes of a packet that are read */
#define KS_ANNOUNCEMENTS_MAX 8U /* announcements in it */

/* The memory of direction `dir` as it is to be committed. */
static inline struct ks_record *ks_memory_of(struct ks_inspection *insp, __u32 dir)
{
	return ks_record_after(&insp->helping.memory[dir & 1]);
}

/* The length of the text that was rewritten last, as it was before. */
static inline __u32 ks_memory_length(const struct ks_record *m)
{
	return m->memory.form == KS_FORM_SDP ? m->memory.len | (__u32)m->len_high << 8 : m->memory.len;
}

static inline bool ks_is_stream(const struct ks_inspection *insp)
{
	return insp->pkt.tuple.proto == KS_PROTO_TCP;
}

/* Nothing counts before the next line. A protocol without lines cannot be followed any more. */
static inline void ks_helper_lose(struct ks_inspection *insp, struct ks_record *m)
{
	m->memory.scanner.phase = KS_SCANNER_SKIP;
	m->memory.scanner.column = KS_SCANNER_LINE_MAX;
	if (insp->flow.after.helper == KS_HELPER_PPTP || insp->flow.after.helper == KS_HELPER_SIP ||
	    insp->flow.after.helper == KS_HELPER_RTSP)
		m->flags |= KS_MEMORY_OVER;
}

#endif
