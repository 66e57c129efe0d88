/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Settling: for some time after a start, connections that began before it are
 * taken up in their middle.
 *
 * Overview. A firewall that starts has seen no opening of what is under way. Its
 * table gets what the kernel knows (daemon/settle/). For the rest, and for `option
 * settle`, a packet from the middle of a connection is treated as one that opens it,
 * if its sender is a side that the rules let open: they are asked as about a SYN, in
 * the direction of the packet. A packet of the other side alone is no evidence,
 * whatever its ports are: it is dropped, as at any time, until the side speaks that
 * may open. TCP, SCTP and DCCP repeat what is lost until then. Flows of other
 * protocols need nothing of this: each of their packets may open one.
 *
 * Life cycle. A flow is KS_STATE_TAKEN_UP until the other side has spoken: it is
 * half open, counted, timed and recycled as such, so that invented segments fill no
 * table. Its numbers are learnt, and not checked (KS_TCP_LIBERAL).
 *
 * Translation. The packet is translated as the policy says today; which port the
 * connection had is not known. It is taken up only if it keeps its own, and, where
 * rules forward to inner servers, only from the larger port to the smaller: a server
 * behind such a rule must not be taken for a client, because its peer would see it
 * come from elsewhere and reset it.
 *
 * Writers. `since` by user space, before the first packet. `taken` by every CPU, by
 * addition.
 */
#ifndef KS_CORE_SETTLE_H
#define KS_CORE_SETTLE_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

struct ks_env;

struct ks_settling {
	__u64 since; /* ns on the home's clock; 0: it has not settled, or need not */
	__u32 taken; /* connections that were taken up in their middle */
	__u32 zero;
};

/* Returns true if a packet that cannot open a flow at other times is to be treated as one that does. */
bool ks_settle_admits(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp);

/* Returns true if the translation of insp->sent can be that which the connection has had. */
bool ks_settle_translates(const struct ks_config *config, const struct ks_inspection *insp);

/* Counts a connection that was taken up. */
void ks_settle_count(struct ks_env *env);

#endif
