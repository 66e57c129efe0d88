/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When upper checksums are verified. A host ignores a packet whose checksum is wrong, so such a packet must open no flow and
 * move none. With `option state-checksum` (the default) whatever opens a flow or moves its state is verified, where nobody has
 * done so yet: the card, the stack that has sent it. Data of established flows move nothing but numbers, and cost nothing.
 *
 * With `option checksum` every packet is verified, before anything else is asked.
 */
#ifndef KS_CORE_CHECKSUM_H
#define KS_CORE_CHECKSUM_H

#include "core/env.h"
#include "core/header/upper_checksum.h"
#include "core/stage.h"
#include "core/track/track.h"

/* Returns true if the packet, as its flow has judged it, moves that, or says something about it. */
static inline bool ks_moves_flow(const struct ks_inspection *insp)
{
	/* state and flags as one word */
	if (ks_load16(&insp->flow.before.state) != ks_load16(&insp->flow.after.state))
		return true;
	return ks_track_is_telling(&insp->pkt);
}

/*
 * Returns true if the checksum of a packet that is to open or move a flow must be verified, and is wrong. The box's own
 * packets have been summed by its stack; of a fragment the rest is not there; a tunnel over IPv6 may have none. A packet that is judged again is not summed again.
 */
static ks_inline bool ks_sum_is_wrong(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				      const __u8 *head)
{
	if (!(config->options & KS_OPT_STATE_CHECKSUM) || insp->summed || insp->home.from == KS_ZONE_SELF ||
	    insp->pkt.flags & KS_PKT_FRAGMENT || ks_checksum_is_omitted(head, &insp->pkt))
		return false;
	insp->summed = env_checksum_ok(env, head, &insp->pkt);
	return !insp->summed;
}

/* Parses done, the packet goes to its first stage. Returns the reason of those that need none (read.c). */
__u32 ks_first_stage(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* The same behind the stage PROTECT: chooses the first stage that looks for state. */
__u32 ks_state_begin(struct ks_env *env, struct ks_inspection *insp);

#endif
