/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protection of a zone (`protect ZONE`): packets that come from it are refused besides those that are refused everywhere. This
 * is the list that routers have under such names. Each item is a bit, off unless the policy asks for it, and has a reason of
 * its own.
 *
 * Headers are judged when the packet was read (of a fragment before the stage FRAGMENT, all else in the stage PROTECT, to which
 * a first fragment comes as well), whatever the rules say and whether a flow knows it. What opens a flow is judged when the rules have allowed it.
 *
 * A packet that is no oddity pays for one look at its headers, and only where the policy protects a zone.
 */
#ifndef KS_CORE_PROTECT_H
#define KS_CORE_PROTECT_H

#include "core/inspection.h"
#include "core/protection.h"

struct ks_env;

#define KS_PORT_ECHO 7 /* RFC 862 */
#define KS_PORT_CHARGEN 19 /* RFC 864 */

static inline const struct ks_protection *ks_protection_of(const struct ks_config *config,
							   const struct ks_inspection *insp)
{
	return &config->protection[insp->home.from & (KS_ZONE_MAX - 1)];
}

/* Returns true where a packet comes in. Where a forwarded one leaves, its hop limit is another, and it was judged before. */
static inline bool ks_is_arrival(const struct ks_inspection *insp)
{
	return insp->home.halves & KS_TRANSLATE_DST;
}

/* Returns true for a question to a group by which the asker has many hosts answer whom it names as its source. */
static inline bool ks_is_fraggle(const struct ks_packet *pkt)
{
	return pkt->flags & KS_PKT_GROUP && pkt->tuple.proto == KS_PROTO_UDP &&
	       (pkt->tuple.dport == ks_be16(KS_PORT_ECHO) || pkt->tuple.dport == ks_be16(KS_PORT_CHARGEN));
}

/* Returns true if a packet that was read is odd enough to be asked about, and comes from a protected zone. */
static inline bool ks_protect_is_asked(const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;

	if (ks_likely(!pkt->ip_options && pkt->hop_limit > 1 && pkt->tuple.proto < KS_PROTO_UNASSIGNED &&
		      !(pkt->flags & KS_PKT_ICMP_QUERY) && !ks_is_fraggle(pkt)))
		return false;
	return ks_protection_of(config, insp)->items && ks_is_arrival(insp) && !(pkt->flags & KS_PKT_NEIGHBOUR);
}

/* Judges a fragment that was read. Returns 0 or a reason. */
__u32 ks_protect_fragment(const struct ks_config *config, const struct ks_inspection *insp);

/* Judges an odd packet (ks_protect_is_asked()). Returns 0 or a reason. */
__u32 ks_protect_oddity(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/* Judges a packet that the rules let open a flow. Returns 0 or a reason. */
__u32 ks_protect_opening(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
