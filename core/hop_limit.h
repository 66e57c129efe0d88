/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets whose hop limit ends at this router. They pass, because it is the kernel that drops them and tells their sender
 * (RFC 1812 5.3.1, RFC 8200 3): traceroute lives on that. But no receiver sees them, so they must move no flow: a reset that
 * only we see would end our state of a connection that goes on, and give back what a limit counts.
 *
 * Such data still count in the window of their side, like data with a wrong checksum: that is looked at for rare packets only.
 */
#ifndef KS_CORE_HOP_LIMIT_H
#define KS_CORE_HOP_LIMIT_H

#include "core/inspection.h"
#include "core/protect.h"
#include "core/rules.h"

/* Returns true for a packet of insp->flow.before whose hop limit ends here, though it is for somebody else. */
static inline bool ks_ends_here(const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;

	if (ks_likely(pkt->hop_limit > 1) || pkt->flags & KS_PKT_GROUP || !ks_is_arrival(insp))
		return false;
	if (insp->home.from == KS_ZONE_SELF || insp->flow.before.zone[!(insp->dir & 1)] == KS_ZONE_SELF)
		return false;
	return !(config->scrub & KS_SCRUB_TTL) || config->min_ttl <= 1;
}

#endif
