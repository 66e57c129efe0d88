/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP: its header, its state machine and its windows; see tcp.c. */
#ifndef KS_CORE_TCP_H
#define KS_CORE_TCP_H

#include "inspect.h"
#include "packet.h"
#include "policy.h"
#include "types.h"

/* Fills in ports, flags, numbers and options of a TCP segment of `l4_len` octets. Returns 0 or a reason. */
__u32 ks_tcp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/* Whether the segment may open a flow: 0, or a reason. */
__u32 ks_tcp_may_open(const struct ks_config *config, const struct ks_packet *pkt);

/* Whether the segment starts the connection anew after this one is over. */
bool ks_tcp_reopens(const struct ks_packet *pkt, const struct ks_flow *flow);

/* Sets up the TCP part of in->flow.after from the opening segment. */
void ks_tcp_open(struct ks_inspection *in);

/*
 * Checks the segment against in->flow.before and writes what follows into
 * in->flow.after, which is a copy of it. Returns KS_REASON_OK_ESTABLISHED or the
 * reason of the drop; in->compare holds the numbers that decided. *moves
 * becomes false for a segment that passes but must not touch state or timer.
 */
__u32 ks_tcp_update(struct ks_inspection *in, bool *moves);

/* Whether `seq` can be of a segment that side `dir` of in->flow.before has sent recently. */
bool ks_tcp_was_sent(const struct ks_inspection *in, __u32 dir, __u32 seq);

#endif
