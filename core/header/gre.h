/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GRE (RFC 2784, 2890) and its version 1, which PPTP uses (RFC 2637). A flow is
 * known by the addresses and what the header says of the tunnel:
 *
 * - version 0: the key, if there is one, the same in both directions. Folded to
 *   16 bits it is the port of both ends, so that both directions meet in one
 *   flow, whatever address translation does to the order of their addresses.
 *   Keys that fold to the same are one flow: none of 16 bits do.
 * - version 1: the call id, which is the receiver's: it is the destination's
 *   port, and the source's is 0. So each direction is a flow of its own. No
 *   port on either side is a tunnel without a key: call 0 is the last port.
 */
#ifndef KS_CORE_HEADER_GRE_H
#define KS_CORE_HEADER_GRE_H

#include "core/header/packet.h"
#include "core/types.h"

/* Fills in what stands for ports, and the payload, of a GRE packet of `l4_len` bytes. Returns 0 or a reason. */
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

/* Whether a tuple is of version 1: a flow of it has only one direction. */
static inline bool ks_gre_is_call(const struct ks_tuple *tuple)
{
	return tuple->sport != tuple->dport;
}

#endif
