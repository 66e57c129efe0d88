// SPDX-License-Identifier: BSD-2-Clause
/* Protection of zones; see protect.h. */
#include "core/protect.h"

#include "core/checksum.h"
#include "core/env.h"
#include "core/flood.h"
#include "core/header/wire.h"
#include "core/inspection.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/stage.h"
#include "core/table/table.h"

/* A probe of traceroute: these UDP ports, and a hop limit that began at 1 and has grown to 30 at most. Hosts begin at 64. */
#define TRACE_PORT_LOW 33434
#define TRACE_PORT_HIGH 33534
#define TRACE_HOPS_MAX 30

/* The stack puts a header of its own before what it has made longer than any packet on a wire. */
static inline bool is_joined(const struct ks_packet *pkt)
{
	return pkt->l3_len > IP_LENGTH_MAX;
}

/* Judges what stands in the headers. Returns 0 or a reason. */
static ks_inline __u32 headers_judge(const struct ks_protection *protection, const struct ks_packet *pkt)
{
	if (pkt->ip_options & protection->ip_options && !is_joined(pkt))
		return KS_REASON_IP_OPTION;
	if (pkt->tuple.proto >= KS_PROTO_UNASSIGNED && ks_protect_has(protection, KS_PROTECT_UNASSIGNED))
		return KS_REASON_UNASSIGNED_PROTOCOL;
	if (pkt->flags & KS_PKT_GROUP && pkt->flags & KS_PKT_ICMP_QUERY && ks_protect_has(protection, KS_PROTECT_SMURF))
		return KS_REASON_SMURF;
	if (ks_is_fraggle(pkt) && ks_protect_has(protection, KS_PROTECT_FRAGGLE))
		return KS_REASON_FRAGGLE;
	return 0;
}

__u32 ks_protect_fragment(const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_protection *protection = ks_protection_of(config, insp);
	const struct ks_packet *pkt = &insp->pkt;

	if (!protection->items || !ks_is_arrival(insp))
		return 0;
	if (!pkt->frag_off && pkt->tuple.proto == KS_PROTO_TCP && pkt->tcp_flags & KS_TCP_SYN &&
	    ks_protect_has(protection, KS_PROTECT_SYN_FRAGMENT))
		return KS_REASON_SYN_FRAGMENT;
	return headers_judge(protection, pkt);
}

/*
 * Returns true if the packet would end here, though it goes further: then the kernel would tell its sender about this router,
 * and the inside about itself. Where it goes is where its flow does, or its destination is. What the rules forward elsewhere
 * is seen when it opens a flow.
 */
static ks_inline bool ends_on_its_way(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 to = insp->to, side;

	if (insp->pkt.hop_limit > 1 || insp->pkt.flags & (KS_PKT_GROUP | KS_PKT_ICMP_ERROR))
		return false;
	insp->from_high = ks_packet_key(env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(env, &insp->flow);
	ks_nat_find(env, insp);
	if (insp->flow.found) {
		side = insp->from_high == ks_flow_orig_side(&insp->flow.before);
		to = insp->flow.before.zone[side];
	} else if (to == KS_ZONE_UNKNOWN) {
		to = env_zone_to(env, &insp->pkt.tuple, KS_ZONE_UNKNOWN);
	}
	ks_outcome_init(insp);
	return to != KS_ZONE_SELF;
}

/* Judges an ICMP query, in a flow too: who asks in one piece first may not go on in fragments. Returns 0 or a reason. */
static ks_inline __u32 query_judge(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (insp->pkt.flags & KS_PKT_FRAGMENT &&
	    ks_protect_has(ks_protection_of(config, insp), KS_PROTECT_ICMP_FRAGMENT))
		return KS_REASON_ICMP_FRAGMENT;
	if (ks_flood_is_over(env, config, insp, KS_PROTECT_ICMP_FLOOD, &insp->pkt.tuple.dst))
		return KS_REASON_ICMP_FLOOD;
	return 0;
}

__u32 ks_protect_oddity(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_protection *protection = ks_protection_of(config, insp);
	__u32 reason = headers_judge(protection, &insp->pkt);

	if (!reason && ks_protect_has(protection, KS_PROTECT_TRACE_ROUTE) && ends_on_its_way(env, insp))
		reason = KS_REASON_TRACE_ROUTE;
	if (!reason && insp->pkt.flags & KS_PKT_ICMP_QUERY)
		reason = query_judge(env, config, insp);
	return reason;
}

void ks_stage_protect(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	__u32 reason;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	reason = ks_protect_oddity(env, config, insp);
	insp->verdict.reason = (__u8)(reason ? ks_deny(insp, KS_CLASS_NONE, reason) : ks_state_begin(env, insp));
}

/* Returns true for a probe that asks each router, or the host, for its name: what no rule has announced. */
static inline bool is_probe(const struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;
	__u32 port = ks_be16(pkt->tuple.dport);

	if (pkt->hop_limit <= 1 && ks_is_arrival(insp) && insp->to != KS_ZONE_SELF && !(pkt->flags & KS_PKT_GROUP))
		return true;
	return pkt->tuple.proto == KS_PROTO_UDP && port >= TRACE_PORT_LOW && port <= TRACE_PORT_HIGH &&
	       pkt->hop_limit <= TRACE_HOPS_MAX && !insp->opening.expected;
}

/* Holds a packet that begins something against the threshold of its destination. Returns 0 or a reason. */
static ks_inline __u32 flood_judge(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	bool syn = insp->pkt.tuple.proto == KS_PROTO_TCP &&
		   (insp->pkt.tcp_flags & (KS_TCP_SYN | KS_TCP_ACK)) == KS_TCP_SYN;

	if (!syn && insp->pkt.tuple.proto != KS_PROTO_UDP)
		return 0;
	if (!ks_flood_is_over(env, config, insp, syn ? KS_PROTECT_SYN_FLOOD : KS_PROTECT_UDP_FLOOD,
			      &ks_tuple_sent(insp)->dst))
		return 0;
	if (!syn)
		return KS_REASON_UDP_FLOOD;
	if (ks_protection_of(config, insp)->flags & KS_PROTECT_SYN_DROP)
		return KS_REASON_SYN_FLOOD;
	insp->opening.flooded = 1;
	return 0;
}

__u32 ks_protect_opening(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_protection *protection = ks_protection_of(config, insp);

	if (!(config->options & KS_OPT_PROTECT) || !protection->items)
		return 0;
	if (ks_protect_has(protection, KS_PROTECT_TRACE_ROUTE) && is_probe(insp))
		return KS_REASON_TRACE_ROUTE;
	if (ks_protect_has(protection, KS_PROTECT_ICMP_FRAGMENT) && insp->pkt.flags & KS_PKT_FRAGMENT &&
	    ks_proto_is_icmp(insp->pkt.tuple.proto))
		return KS_REASON_ICMP_FRAGMENT;
	return flood_judge(env, config, insp);
}
