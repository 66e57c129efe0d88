/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GRE (RFC 2784, 2890) and its version 1, which PPTP uses (RFC 2637). A flow is known by its addresses and by two ports,
 * which stand for what the header says of the tunnel:
 *
 * - version 0: the key, if there is one. It is the same in both directions, so folded to 16 bits it is the port of both
 * ends, and both directions meet in one flow, whatever address translation does to the order of their addresses. Keys of
 * up to 16 bits keep a flow each; longer ones that fold to the same number share one.
 * - version 1: the call id, which the receiver chose. It is the destination's port, and the source's is 0, so each
 * direction is a flow of its own. As 0 on both sides means a tunnel without a key, call 0 becomes port 65535.
 */
#ifndef KS_CORE_HEADER_GRE_H
#define KS_CORE_HEADER_GRE_H

#include "core/header/packet.h"
#include "core/types.h"

#define GRE_CALL_OFF 6U /* of the call id in a header of version 1 */

/*
 * Fills in the ports that stand for key or call, and the payload, of a GRE packet of `l4_len` bytes. Returns 0 or a
 * reason.
 */
__u32 ks_gre_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/*
 * The same of a quoted packet at `off`, of which `len` bytes are there: the
 * addresses are in `tuple`. False if the key is not quoted.
 */
bool ks_gre_quoted(const __u8 *head, __u32 off, __u32 len, struct ks_tuple *tuple);

static inline __be16 ks_gre_call_port(__be16 call)
{
	return call ? call : (__be16)~0U;
}

/* Returns true for a tuple of version 1, whose flows have only one direction. */
static inline bool ks_gre_is_call(const struct ks_tuple *tuple)
{
	return tuple->sport != tuple->dport;
}

#endif
