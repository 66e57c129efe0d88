/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of witnesses: hosts that could send and receive the packet. A host of the zone's own network where it has one, else an
 * address for examples, else the first in the region that is no other zone's, not the box's, and given to hosts at all.
 */
#ifndef KS_PROOF_HOST_H
#define KS_PROOF_HOST_H

#include "proof/witness.h"

#define KS_ROUTER_TTL 255U /* of messages of routers: others are none (RFC 4861 6.1.2, 8.1) */

/* Chooses both addresses of a witness, whose zones, protocol and type are chosen. */
void ks_hosts_choose(const struct ks_space *space, const struct ks_region *region, struct ks_witness *witness);

#endif
