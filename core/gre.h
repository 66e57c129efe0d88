/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GRE (RFC 2784, 2890) and its version 1, which PPTP uses (RFC 2637). A flow is
 * known by the addresses and what the header says of the tunnel:
 *
 * - version 0: the key, if there is one, the same in both directions. The end
 *   with the lower address has its upper half as its port, the other one the
 *   lower half, so that both directions meet in one flow.
 * - version 1: the call id, which is the receiver's: it is the destination's
 *   port, and the source's is 0. So each direction is a flow of its own.
 */
#ifndef KS_CORE_GRE_H
#define KS_CORE_GRE_H

#include "packet.h"
#include "types.h"

/* Fills in what stands for ports, and the payload, of a GRE packet of `l4_len` octets. Returns 0 or a reason. */
__u32 ks_gre_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len);

/*
 * The same of a quoted packet at `off`, of which `len` octets are there: the
 * addresses are in `tuple`. False if the key is not quoted.
 */
bool ks_gre_quoted(const __u8 *head, __u32 off, __u32 len, struct ks_tuple *tuple);

/*
 * The key or the call id in a GRE packet's tuple; false if there is neither. A
 * call id of PPTP and a key of 16 bits may look the same.
 */
bool ks_gre_key(const struct ks_tuple *tuple, __u32 *key);

/* Whether a flow has only one direction. */
bool ks_gre_is_one_way(const struct ks_packet *pkt);

#endif
