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
 * Left to the inspection are: what a flow knows, also what that refuses; fragments and ICMP errors; neighbours' messages; what
 * may open a flow, is expected, or is to be taken up after a start; what is left to where it leaves; rejects, as long as they
 * are answered (answer.h); wrong upper checksums, because a checksum may be unfinished yet.
 */
#ifndef KS_CORE_FRONT_H
#define KS_CORE_FRONT_H

#include "core/types.h"

struct ks_env;
struct ks_inspection;

/*
 * To be called behind ks_inspect_begin() and, if the stage is FIND, ks_nat_find(). `answers`: the front can send an answer. Returns
 * true if the packet is refused for certain: insp->verdict is complete; KS_REJECT: it is to be answered. `head`: as for ks_inspect().
 */
bool ks_front_refuses(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, bool answers);

#endif
