// SPDX-License-Identifier: BSD-2-Clause
/*
 * The whole path of a packet, from its octets to its verdict:
 *
 *   parse the headers                  (core/header/packet.c)
 *   not IP, or a neighbour's message:  pass untracked
 *   a fragment:                        ask its datagram (core/fragment/fragment.c)
 *   an ICMP error:                     ask the flow it is about (known.c, core/track/icmp_error.c)
 *   find its flow, or an alias of it   (known.c, core/table/table.c, core/nat/alias.c)
 *     known:   check zone and protocol, commit what follows (known.c, core/track/track.c, core/track/tcp.c)
 *              its helper reads along    (core/helper/helper.c)
 *     unknown: may it open one? is it expected? does a rule allow it, and where to?
 *              which source does it get? insert (open.c, core/helper/expect.c, rules.c, core/nat/source.c)
 *   write the translation              (write.c, core/nat/rewrite.c)
 *   account for the verdict, tell whoever listens
 *
 * The steps are stages (inspect.h): the home runs one after the other until
 * the verdict stands.
 *
 * State is decided on a copy and committed only if the packet is valid and
 * nobody changed the flow meanwhile; if somebody did, the packet is judged
 * again. No lock is held across any of this.
 */
#include "core/inspect.h"

#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/helper/helper.h"
#include "core/link.h"
#include "core/header/neighbour.h"
#include "core/stage.h"
#include "core/header/wire.h"

/* The flows are only cleared where nobody filled them: a packet of a known flow overwrites both. */
static inline void flows_clear(struct ks_inspection *insp)
{
	if (ks_likely(insp->flow.found && insp->verdict.state != KS_STATE_NONE))
		return;
	if (!insp->flow.found)
		insp->flow.before = (struct ks_flow){};
	if (insp->verdict.state == KS_STATE_NONE)
		insp->flow.after = (struct ks_flow){};
}

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

/* Counters and events; a drop is told when its rule or the option asks. */
static void account(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_config *config = env_config(env);
	bool decided_by_rule = insp->verdict.rule_index != KS_DECISION_DEFAULT;

	env_count_reason(env, insp->verdict.reason, insp->pkt.wire_len);
	if (decided_by_rule)
		env_count_match(env, insp->verdict.rule);
	if (insp->opening.source_rule && ks_reason_is_pass(insp->verdict.reason))
		env_count_match(env, insp->opening.source_rule);
	if (insp->verdict.log ||
	    (!ks_reason_is_pass(insp->verdict.reason) && config && config->options & KS_OPT_LOG_DROPS))
		env_event(env, insp);
}

void ks_inspect_step(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	switch (insp->stage) {
	case KS_STAGE_FIND:
		ks_stage_find(env, insp);
		break;
	case KS_STAGE_OPEN:
		ks_stage_open(env, insp);
		break;
	case KS_STAGE_ERROR:
		ks_stage_error(env, insp, head);
		break;
	case KS_STAGE_FRAGMENT:
		ks_stage_fragment(env, insp);
		break;
	case KS_STAGE_HELPER:
		ks_stage_helper(env, insp);
		break;
	case KS_STAGE_SCAN:
		ks_stage_scan(env, insp);
		break;
	case KS_STAGE_ANNOUNCE:
		ks_stage_announce(env, insp);
		break;
	case KS_STAGE_ADJUST:
		ks_stage_adjust(env, insp, head);
		break;
	case KS_STAGE_REROUTE:
		ks_stage_reroute(env, insp);
		break;
	case KS_STAGE_GROUP:
		ks_stage_group(env, insp);
		break;
	case KS_STAGE_WRITE:
		ks_stage_write(env, insp, head);
		break;
	default:
		insp->stage = KS_STAGE_DONE;
		break;
	}
	ks_fragment_resume_first(insp);
}

__u32 ks_inspect_end(struct ks_env *env, struct ks_inspection *insp)
{
	flows_clear(insp);
	if (!insp->home.dry)
		account(env, insp);
	return insp->verdict.action;
}

void ks_inspect_begin(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspection_init(insp);
	insp->verdict.reason = ks_inspect_read(env, insp, head);
}

__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	while (insp->stage != KS_STAGE_DONE)
		ks_inspect_step(env, insp, head);
	return ks_inspect_end(env, insp);
}

__u32 ks_inspect(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	ks_inspect_begin(env, insp, head);
	return ks_inspect_finish(env, insp, head);
}
