/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP: its state machine and its windows; see tcp.c. */
#ifndef KS_CORE_TRACK_TCP_H
#define KS_CORE_TRACK_TCP_H

#include "core/inspection.h"
#include "core/header/tcp.h"
#include "core/rules.h"
#include "core/types.h"

/*
 * Acknowledgements, resets and repeated data may be this much older than the newest data: reordering over a window,
 * and at least what a stack without scaling may have in flight.
 */
#define KS_TCP_REACH_MIN 66000U

/* The largest window that side `dir` has offered, in bytes. */
static inline __u32 ks_tcp_max_win(const struct ks_flow *flow, __u32 dir)
{
	return (__u32)flow->max_win[dir & 1] << (flow->scale[dir & 1] & KS_TCP_SCALE_MASK);
}

/* Returns 0 if the segment may open a flow, else a reason. */
__u32 ks_tcp_may_open(const struct ks_config *config, const struct ks_packet *pkt);

/* Returns true if an asymmetric connection may begin with the segment, which is no SYN: an answer to one, or from its middle. */
bool ks_tcp_may_begin_late(const struct ks_packet *pkt);

/* Returns true if the segment starts the connection again after this one is over. */
bool ks_tcp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow);

/* Sets up the TCP part of insp->flow.after from the opening segment. */
void ks_tcp_open(struct ks_inspection *insp);

/*
 * Checks the segment against insp->flow.before and writes what follows into
 * insp->flow.after, which is a copy of it. Returns KS_REASON_OK_ESTABLISHED or the
 * reason of the drop; insp->verdict.compare holds the numbers that decided. *moves
 * becomes false for a segment that passes but must not touch state or timer.
 */
__u32 ks_tcp_update(const struct ks_config *config, struct ks_inspection *insp, bool *moves);

/* The same for a policy with `option asymmetric`, which passes what cannot be checked (tcp_asymmetric.c). */
__u32 ks_tcp_asymmetric_update(struct ks_inspection *insp, bool *moves);

/* Returns true if side `dir` of insp->flow.before can have a segment with `seq` under way. */
bool ks_tcp_was_sent(const struct ks_inspection *insp, __u32 dir, __u32 seq, bool is_asymmetric);

#endif
