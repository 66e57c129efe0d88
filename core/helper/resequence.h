/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rewritten announcements, and the sequence numbers that move with them.
 *
 * Overview: the flow (core/track/tcp.c) knows each side by the numbers that it
 * sends, its own. The other side sees them moved by the direction's shift (struct
 * ks_shift), and what it acknowledges is moved back before it is judged.
 *
 * Only one announcement of a direction is rewritten at a time. The next one waits
 * until the other side has acknowledged it, so that a repetition can always be
 * rewritten in the same way.
 *
 * Source: RFC 9293 3.4 (sequence numbers), RFC 2018 (SACK), RFC 1624 (checksums).
 */
#ifndef KS_CORE_HELPER_RESEQUENCE_H
#define KS_CORE_HELPER_RESEQUENCE_H

#include "core/helper/helper.h"
#include "core/inspection.h"
#include "core/types.h"

/* The sender's number as the receiver sees it. */
static inline __u32 ks_shift_forth(const struct ks_shift *shift, __u32 seq)
{
	return seq + (ks_seq_after(seq, shift->position) ? shift->after : shift->before);
}

/*
 * And back. A number inside the rewritten announcement, whose old text had `len` bytes, becomes its start: the sender then
 * repeats it whole.
 */
static inline __u32 ks_shift_back(const struct ks_shift *shift, __u32 len, __u32 seq)
{
	__u32 own = seq - shift->after;

	if (!ks_seq_after(seq - shift->before, shift->position))
		return seq - shift->before;
	return ks_seq_before(own, shift->position + len) ? shift->position : own;
}

/*
 * Writes insp->helping's cut and edit into the packet, and the moved numbers: seq by the speaker's shift,
 * acknowledgements as insp->pkt has them. Returns false if it cannot be done; the packet must be dropped then.
 */
bool ks_adjust(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

#endif
