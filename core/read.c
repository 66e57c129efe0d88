// SPDX-License-Identifier: BSD-2-Clause
/*
 * The beginning of every inspection: parses the headers, decides what needs no
 * state, and sends the rest to its first stage.
 */
#include "core/checksum.h"
#include "core/env.h"
#include "core/header/neighbour.h"
#include "core/header/wire.h"
#include "core/link.h"
#include "core/protect.h"
#include "core/stage.h"
#include "core/table/table.h"

/* Returns true for the protocols by which a link works, such as ARP, LACP and LLDP. */
static bool is_link_protocol(__u32 ethertype)
{
	return ethertype <= ETH_LENGTH_MAX || ethertype == ETH_TYPE_ARP || ethertype == ETH_TYPE_RARP ||
	       ethertype == ETH_TYPE_SLOW || ethertype == ETH_TYPE_EAPOL || ethertype == ETH_TYPE_LLDP;
}

/*
 * Rules do not speak of frames that are not IP. Between two zones, or where a bridge hands it on, such a frame may carry what
 * they deny (PPPoE, MPLS). What this box itself takes out of those is judged there.
 */
static __u32 judge_not_ip(struct ks_inspection *insp, const struct ks_config *config)
{
	bool crosses = insp->home.from != KS_ZONE_SELF && insp->to != KS_ZONE_SELF && insp->to < KS_ZONE_MAX &&
		       (insp->home.from != insp->to || ks_is_second_look(insp));

	if (crosses && !(config->options & KS_OPT_OTHER_PROTOCOLS) && !is_link_protocol(insp->pkt.ethertype))
		return ks_deny(insp, KS_CLASS_UNTRACKED, KS_REASON_OTHER_PROTOCOL);
	return ks_pass(insp, KS_CLASS_UNTRACKED, KS_REASON_OK_NOT_IP);
}

/* Neighbours need no rules, but the policy is asked about a router that advertises itself or redirects. */
static __u32 neighbour_read(struct ks_inspection *insp)
{
	if (insp->pkt.tuple.proto == KS_PROTO_ICMPV6 && ks_neighbour_is_ruled(insp->pkt.icmp_type)) {
		insp->stage = KS_STAGE_OPEN;
		return KS_REASON_OK_NEW;
	}
	return ks_pass(insp, KS_CLASS_UNTRACKED, KS_REASON_OK_NEIGHBOUR);
}

/*
 * A packet to the broadcast address of a network goes to a group. Within the network the box is a member of it; from another
 * network the packet may not come; what the box sends there leaves by the zone that the home has said.
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

ks_inlined __u32 ks_state_begin(struct ks_env *env, struct ks_inspection *insp)
{
	if (insp->pkt.flags & KS_PKT_NEIGHBOUR)
		return neighbour_read(insp);
	if (insp->pkt.flags & KS_PKT_ICMP_ERROR) {
		insp->stage = KS_STAGE_ERROR;
	} else {
		insp->stage = KS_STAGE_FIND;
		insp->from_high = ks_packet_key_own(env, insp, &insp->flow.key);
		ks_table_hash_inlined(env, &insp->flow);
	}
	return KS_REASON_OK_NEW;
}

__u32 ks_first_stage(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (!(config->options & KS_OPT_PROTECT) || !ks_protect_is_asked(config, insp))
		return ks_state_begin(env, insp);
	insp->stage = KS_STAGE_PROTECT;
	return KS_REASON_OK_NEW;
}

ks_inlined __u32 ks_inspect_read(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	if (!config)
		return ks_deny(insp, KS_CLASS_NONE, KS_REASON_INTERNAL);
	reason = ks_packet_parse(head, &insp->pkt, config->options);
	reason = (__u32)ks_hide_value(reason, insp->pkt.wire_len); /* else each of them would be a path (V15) */
	if (insp->pkt.flags & KS_PKT_NOT_IP)
		return judge_not_ip(insp, config);
	find_broadcast(env, insp);
	if (ks_unlikely(insp->pkt.flags & KS_PKT_FRAGMENT)) {
		insp->sent = insp->pkt.tuple;
		insp->stage = KS_STAGE_FRAGMENT; /* if it is refused, its datagram dies with it */
		return reason || !(config->options & KS_OPT_PROTECT) ? reason : ks_protect_fragment(config, insp);
	}
	if (reason)
		return ks_deny(insp, KS_CLASS_INVALID, reason);
	if (ks_likely(!(config->options & (KS_OPT_CHECKSUM | KS_OPT_PROTECT))))
		return ks_state_begin(env, insp);
	if (!(config->options & KS_OPT_CHECKSUM))
		return ks_first_stage(env, config, insp);
	insp->stage = KS_STAGE_CHECKSUM;
	return KS_REASON_OK_NEW;
}
