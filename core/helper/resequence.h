/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Announcements written again, and the sequence numbers that move with them. A
 * side's own numbers are those that it sends; the flow (core/track/tcp.c) knows each side by its own
 * numbers. What the other side sees is moved by the direction's shift (struct ks_shift), and
 * what it acknowledges is moved back before it is judged.
 *
 * One announcement of a direction is written again at a time: the next one has to wait until
 * the other side has acknowledged it, so that a repetition can always be written in the same way.
 */
#ifndef KS_CORE_HELPER_RESEQUENCE_H
#define KS_CORE_HELPER_RESEQUENCE_H

#include "core/helper/helper.h"
#include "core/inspection.h"
#include "core/types.h"

/* What the sender's number is to the receiver. */
static inline __u32 ks_shift_forth(const struct ks_shift *shift, __u32 seq)
{
	return seq + (ks_seq_after(seq, shift->position) ? shift->after : shift->before);
}

/*
 * And back. A number inside what was written again (its old text of `len` bytes) is taken as its
 * start: the sender then repeats it whole.
 */
static inline __u32 ks_shift_back(const struct ks_shift *shift, __u32 len, __u32 seq)
{
	__u32 own = seq - shift->after;

	if (!ks_seq_after(seq - shift->before, shift->position))
		return seq - shift->before;
	return ks_seq_before(own, shift->position + len) ? shift->position : own;
}

/* Composes the text of an announcement: insp->helping.form, text_port and insp->sent's source become insp->helping.text. */
void ks_announcement_write(struct ks_inspection *insp);

/*
 * Writes insp->helping's cut and edit into the packet, and the moved numbers: seq by the speaker's shift,
 * acknowledgements as insp->pkt has them. Returns false if it cannot be done; the packet is then to be dropped.
 */
bool ks_adjust(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

#endif
