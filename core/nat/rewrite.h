/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a translation into the bytes of a packet: addresses, ports, the
 * quotation of an ICMP error, and every checksum that covers them.
 */
#ifndef KS_CORE_NAT_REWRITE_H
#define KS_CORE_NAT_REWRITE_H

#include "core/inspection.h"
#include "core/types.h"

/*
 * Writes the halves of insp->sent (and insp->quote.sent) that insp->translate and insp->home.halves both name. Returns 0
 * or KS_REASON_TRANSLATE; the packet may then be half written and must be dropped.
 */
__u32 ks_rewrite(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

#endif
