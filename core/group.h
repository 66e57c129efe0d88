/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to a group: DHCP, mDNS, SSDP, NetBIOS names, `ping ff02::1`.
 *
 * Overview: any member may answer, from its own address and often from another
 * port, so no flow knows the answer. Instead a record of the state table (kind
 * QUESTION) remembers who asked: address and port, or ICMP identifier, the zone of
 * the asker and the zone that was asked. From that zone, answers to that endpoint
 * pass; they open nothing. If the group is one of the link only, so are those who
 * answer. An asker without an address (0.0.0.0, ::) is answered at whatever address
 * it is about to get.
 *
 * Life cycle: the stage GROUP inserts the record, or renews it, after a question
 * has passed; it lives `timeout group.answer` after the latest question.
 *
 * Races: two questions of one asker on two CPUs write the same record; either
 * will do.
 *
 * Source: RFC 2131 4.1, RFC 6762 6.7, UPnP Device Architecture 2.0 1.3.3, RFC 4443 4.2.
 */
#ifndef KS_CORE_GROUP_H
#define KS_CORE_GROUP_H

#include "core/inspection.h"
#include "core/rules.h"
#include "core/types.h"

#define KS_GROUP_ASKED_SHIFT 8 /* in a question's link: the zone that was asked, above the asker's */
#define KS_GROUP_ASKER_MASK 0xffU

static inline __u16 ks_group_link(__u32 asked_zone, __u32 asker_zone)
{
	return (__u16)(asked_zone << KS_GROUP_ASKED_SHIFT | asker_zone);
}

/* Makes the key of a question in the protocol of a packet. */
static inline void ks_group_key(const struct ks_packet *pkt, const struct ks_addr *asker, __be16 port, __u16 link,
				struct ks_flow_key *key)
{
	*key = (struct ks_flow_key){
		.addr = { *asker },
		.port = { port },
		.proto = pkt->tuple.proto,
		.family = pkt->tuple.family & KS_FAMILY_MASK,
		.kind = KS_KIND_QUESTION,
		.link = link,
	};
}

/* Returns true if a packet that no flow knows answers a question. Sets insp->verdict.rule (the question's) and insp->to. */
bool ks_group_answers(struct ks_env *env, struct ks_inspection *insp);

#endif
