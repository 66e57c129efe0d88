/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front: what refuses packets before the inspection sees them, where a home has such a place (bpf/front.bpf.c).
 *
 * Overview. A flood costs least where it is dropped first. The front asks what the inspection asks, by the same functions, up to
 * where it would change something. What is refused until then is refused for certain: malformed headers, forged sources, what
 * the rules deny or their limits refuse, what no flow knows and what cannot open one. Its verdict is that of the inspection, and
 * is counted and reported in the same way (ks_inspect_end()). All else is left to the inspection, for which the front has
 * changed nothing.
 *
 * A SYN that would be challenged is, where the front can send an answer, and an answer to a challenge is heard (challenge.h).
 *
 * Protection (protect.h) is asked in a second step, which the home may run as a program of its own. A threshold counts each packet
 * once. The front only looks at it, and refuses packets beyond it, which add nothing to it anyway. Packets that go on are counted by
 * the inspection. A SYN that the front challenges comes to nobody else, so the front counts it.
 *
 * Left to the inspection are: what a flow knows, also what that refuses; fragments and ICMP errors; neighbours' messages; what
 * may open a flow, is expected, or is to be taken up after a start; what is left to where it leaves; rejects, as long as they
 * are answered (answer.h); wrong upper checksums, because a checksum may be unfinished yet.
 */
#ifndef KS_CORE_FRONT_H
#define KS_CORE_FRONT_H

#include "core/inspection.h"

struct ks_config;
struct ks_env;

/*
 * To be called behind ks_inspect_begin() and, if the stage is FIND, ks_nat_find(). `answers`: the front can send an answer. Returns
 * true if the packet is refused for certain: insp->verdict is complete; KS_REJECT: it is to be answered. `head`: as for ks_inspect().
 */
bool ks_front_refuses(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, bool answers);

/* Returns true if ks_front_protects() is to be asked about a packet that ks_front_refuses() has not refused. */
static inline bool ks_front_may_protect(const struct ks_inspection *insp)
{
	return insp->stage == KS_STAGE_PROTECT || insp->stage == KS_STAGE_OPEN;
}

/* The same as ks_front_refuses() of what protection refuses, and of SYNs to be challenged from where there is some. */
bool ks_front_protects(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, bool answers);

/* Returns true if a packet that may open a flow is a SYN to be challenged. One with a wrong checksum is not. */
bool ks_front_challenges(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
			 const __u8 *head);

#endif
