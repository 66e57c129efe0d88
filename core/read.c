// SPDX-License-Identifier: BSD-2-Clause
/*
 * The beginning of every inspection: the headers are parsed, whatever can be
 * decided without state is, and the rest goes to its first stage.
 */
#include "core/env.h"
#include "core/header/neighbour.h"
#include "core/header/wire.h"
#include "core/link.h"
#include "core/stage.h"
#include "core/table/table.h"

/* What a link needs to be one. */
static bool is_link_protocol(__u32 ethertype)
{
	return ethertype <= ETH_LENGTH_MAX || ethertype == ETH_TYPE_ARP || ethertype == ETH_TYPE_RARP ||
	       ethertype == ETH_TYPE_SLOW || ethertype == ETH_TYPE_EAPOL || ethertype == ETH_TYPE_LLDP;
}

/*
 * A frame that is not IP is nothing that rules speak of, but between two zones, or where a bridge hands it on, it may hide
 * what they deny: PPPoE, MPLS. What comes out of those on this box is judged there.
 */
static __u32 judge_not_ip(struct ks_inspection *insp, const struct ks_config *config)
{
	bool crosses = insp->home.from != KS_ZONE_SELF && insp->to != KS_ZONE_SELF && insp->to < KS_ZONE_MAX &&
		       (insp->home.from != insp->to || ks_is_second_look(insp));

	if (crosses && !(config->options & KS_OPT_OTHER_PROTOCOLS) && !is_link_protocol(insp->pkt.ethertype))
		return ks_deny(insp, KS_CLASS_UNTRACKED, KS_REASON_OTHER_PROTOCOL);
	return ks_pass(insp, KS_CLASS_UNTRACKED, KS_REASON_OK_NOT_IP);
}

/* Neighbours talk without rules, but a router that advertises itself and one that redirects are asked about. */
static __u32 judge_neighbour(struct ks_inspection *insp)
{
	if (insp->pkt.tuple.proto == KS_PROTO_ICMPV6 && ks_neighbour_is_ruled(insp->pkt.icmp_type)) {
		insp->stage = KS_STAGE_OPEN;
		return KS_REASON_OK_NEW;
	}
	return ks_pass(insp, KS_CLASS_UNTRACKED, KS_REASON_OK_NEIGHBOUR);
}

/*
 * What goes to the broadcast address of a network goes to a group: in the network itself the box is a member, from another
 * one it may not come, and what the box sends there leaves by the zone that was told.
 */
static inline void find_broadcast(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 zone;

	if (insp->to >= KS_ZONE_MAX || !ks_ipv4_may_be_broadcast(&insp->pkt.tuple))
		return;
	zone = env_broadcast(env, &insp->pkt.tuple, insp->home.from);
	if (zone == KS_ZONE_UNKNOWN)
		return;
	insp->pkt.flags |= KS_PKT_GROUP;
	if (insp->home.from != KS_ZONE_SELF)
		insp->to = insp->home.to = (__u8)zone;
}

/* All that needs no state. insp->stage says what is to be asked. */
__u32 ks_inspect_read(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	if (!config)
		return ks_deny(insp, KS_CLASS_NONE, KS_REASON_INTERNAL);
	reason = ks_packet_parse(head, &insp->pkt, config->options);
	if (insp->pkt.flags & KS_PKT_NOT_IP)
		return judge_not_ip(insp, config);
	find_broadcast(env, insp);
	if (ks_unlikely(insp->pkt.flags & KS_PKT_FRAGMENT)) {
		insp->sent = insp->pkt.tuple;
		insp->stage = KS_STAGE_FRAGMENT; /* whatever the reason: with this one its datagram dies */
		return reason;
	}
	if (reason)
		return ks_deny(insp, KS_CLASS_INVALID, reason);
	if (config->options & KS_OPT_CHECKSUM && !env_checksum_ok(env, &insp->pkt))
		return ks_deny(insp, KS_CLASS_INVALID, KS_REASON_L4_CHECKSUM);
	if (insp->pkt.flags & KS_PKT_NEIGHBOUR)
		return judge_neighbour(insp);
	if (insp->pkt.flags & KS_PKT_ICMP_ERROR) {
		insp->stage = KS_STAGE_ERROR;
	} else {
		insp->stage = KS_STAGE_FIND;
		insp->from_high = ks_packet_key(env, insp, &insp->pkt.tuple, &insp->flow.key);
		ks_table_hash(env, &insp->flow);
	}
	return KS_REASON_OK_NEW;
}
