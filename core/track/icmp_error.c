// SPDX-License-Identifier: BSD-2-Clause
/* ICMP errors and the flows that they quote; see icmp_error.h. Attacks by forged errors after RFC 5927. */
#include "core/track/icmp_error.h"

#include "core/env.h"
#include "core/header/gre.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/track/sctp.h"
#include "core/table/datagram.h"
#include "core/table/ruled.h"
#include "core/table/table.h"
#include "core/track/tcp.h"
#include "core/header/ip.h"
#include "core/header/wire.h"

/* The network header of a quoted packet, as far as its upper header. */
static __u32 quote_network(const __u8 *head, struct ks_packet *pkt, struct ks_tuple *tuple, struct ks_upper *up)
{
	const __u8 *ip = ks_head_at(head, pkt->payload_off);
	__u32 end = pkt->payload_off + pkt->payload_len;
	__u32 need = pkt->tuple.family == KS_IPV4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
	__u32 ihl;

	if (pkt->payload_len < need)
		return KS_REASON_ICMP_QUOTE;
	if (ks_head_need(pkt, pkt->payload_off, need))
		return ks_head_need(pkt, pkt->payload_off, need);
	if (ip[0] >> IP_VERSION_SHIFT != pkt->tuple.family)
		return KS_REASON_ICMP_QUOTE;
	ks_addresses_read(head, pkt->payload_off, pkt->tuple.family, tuple);
	if (pkt->tuple.family == KS_IPV6) {
		up->proto = ip[IPV6_NEXT_OFF];
		up->off = pkt->payload_off + IPV6_HEADER_LEN;
		return ks_ipv6_walk(head, pkt, end, up) ? KS_REASON_ICMP_QUOTE : 0;
	}
	ihl = (ip[0] & IPV4_IHL_MASK) * IPV4_IHL_UNIT;
	if (ihl < IPV4_HEADER_LEN)
		return KS_REASON_ICMP_QUOTE;
	up->frag_off = ks_be16(ks_load16(ip + IPV4_FRAGMENT_OFF)) & IPV4_FRAGMENT_OFFSET;
	up->frag_id = ks_load16(ip + IPV4_ID_OFF);
	up->proto = ip[IPV4_PROTO_OFF];
	up->off = pkt->payload_off + ihl;
	return 0;
}

/* Bytes of the quoted upper header and its payload that can be read. */
static inline __u32 quoted_len(const struct ks_packet *pkt, __u32 off)
{
	return KS_MIN(pkt->payload_off + pkt->payload_len, pkt->head_len) - off;
}

/* The ports or the identifier of the quoted packet; 8 bytes of it are what every error carries. */
static __u32 quote_upper(const __u8 *head, struct ks_inspection *insp, const struct ks_upper *up, __u32 *seq)
{
	const struct ks_packet *pkt = &insp->pkt;
	struct ks_tuple *tuple = &insp->quote.tuple;
	const __u8 *l4 = ks_head_at(head, up->off);
	__u32 quoted;

	tuple->proto = up->proto;
	tuple->sport = 0;
	tuple->dport = 0;
	if (insp->quote.is_part)
		return 0;
	if (up->off + ICMP_QUOTE_MIN > pkt->payload_off + pkt->payload_len)
		return KS_REASON_ICMP_QUOTE;
	if (ks_head_need(pkt, up->off, ICMP_QUOTE_MIN))
		return ks_head_need(pkt, up->off, ICMP_QUOTE_MIN);
	switch (up->proto) {
	case KS_PROTO_TCP:
	case KS_PROTO_UDP:
	case KS_PROTO_SCTP:
	case KS_PROTO_DCCP:
	case KS_PROTO_UDPLITE:
		tuple->sport = ks_load16(l4);
		tuple->dport = ks_load16(l4 + 2);
		*seq = ks_be32(ks_load32(l4 + TCP_SEQ_OFF));
		return 0;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		quoted = ks_icmp_quoted(l4, tuple);
		if (!quoted)
			return KS_REASON_ICMP_QUOTE;
		insp->quote.is_query = quoted == KS_PKT_ICMP_QUERY;
		return 0;
	case KS_PROTO_GRE:
		return ks_gre_quoted(head, up->off, quoted_len(pkt, up->off), tuple) ? 0 : KS_REASON_ICMP_QUOTE;
	default:
		return 0;
	}
}

/* A redirect is for hosts of its own link (RFC 1122 3.2.2.2), so no gateway forwards it. */
static bool redirect_is_for_us(struct ks_env *env, struct ks_inspection *insp)
{
	if (!ks_icmp_is_redirect(&insp->pkt) || insp->home.from == KS_ZONE_SELF)
		return true;
	if (insp->to == KS_ZONE_UNKNOWN)
		insp->to = (__u8)env_zone_to(env, &insp->pkt.tuple, KS_ZONE_UNKNOWN);
	return insp->to == KS_ZONE_SELF;
}

/*
 * The flow of a quoted fragment behind the first one: only its datagram's record knows it, under the addresses and the
 * identification that are quoted. Those are the evidence that it was sent; in IPv4 that is 16 bits, too few to end a connection by.
 */
static __u32 error_find_datagram(struct ks_env *env, struct ks_inspection *insp, __be32 id)
{
	const struct ks_tuple *tuple = &insp->quote.tuple;
	const struct ks_record *d = ks_record_before(&insp->side);
	__u32 flags, sender;

	if (tuple->family == KS_IPV4 && (tuple->proto == KS_PROTO_TCP || tuple->proto == KS_PROTO_SCTP))
		return KS_REASON_ICMP_QUOTE;
	ks_datagram_key_make(&insp->side.key, tuple, id, KS_KIND_QUOTED, 0);
	ks_table_hash(env, &insp->side);
	ks_table_find(env, &insp->side);
	if (insp->side.busy)
		return KS_REASON_CONTENDED;
	if (!insp->side.found)
		return KS_REASON_ICMP_NO_FLOW;
	flags = d->flags;
	if (!ks_datagram_flow_read(env, d->datagram.flow, d->datagram.tag, &insp->flow))
		return insp->flow.busy ? KS_REASON_CONTENDED : KS_REASON_ICMP_NO_FLOW;
	sender = flags & KS_DATAGRAM_REPLY ? KS_REPLY : KS_ORIGINAL;
	insp->dir = !sender;
	insp->from_high = !(flags & KS_DATAGRAM_HIGH);
	/* A router behind the box quotes it as it left; the box itself, and egress, see it with its source as it came. */
	insp->by_alias = 0;
	if (insp->home.from != KS_ZONE_SELF && !insp->second_half && insp->flow.before.alias[!sender])
		insp->by_alias = (__u8)(1 + insp->dir);
	return 0;
}

/* The flow that the error quotes: insp->flow, with insp->dir and insp->from_high of the error. */
static __u32 error_find(struct ks_env *env, struct ks_inspection *insp)
{
	insp->from_high = (__u8)ks_packet_key(env, insp, &insp->quote.tuple, &insp->flow.key);
	ks_table_hash(env, &insp->flow);
	ks_nat_find(env, insp);
	if (insp->flow.busy)
		return KS_REASON_CONTENDED;
	if (!insp->flow.found)
		return KS_REASON_ICMP_NO_FLOW;
	insp->from_high = !insp->from_high;
	insp->dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	return 0;
}

/*
 * Returns true if the quoted number is one that its sender has used: the evidence that the error is no guess. The box itself
 * quotes what it was given, also what moved no flow, because it ended here (core/hop_limit.h).
 */
static bool number_was_sent(struct ks_env *env, const struct ks_inspection *insp, __u32 sender, __u32 number)
{
	const struct ks_config *config = env_config(env);

	if (insp->home.from == KS_ZONE_SELF)
		return true;
	if (insp->quote.tuple.proto == KS_PROTO_TCP)
		return config &&
		       ks_tcp_was_sent(insp, sender, number, ks_flow_is_asymmetric(env, config, &insp->flow.before));
	return insp->quote.tuple.proto != KS_PROTO_SCTP || ks_sctp_was_sent(insp, sender, number);
}

__u32 ks_icmp_error_judge(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct ks_upper up = {};
	__u32 seq = 0, sender, reason;

	/* Set before any refusal: a bypass rule is asked for it then. */
	insp->sent = insp->pkt.tuple;
	if (!redirect_is_for_us(env, insp))
		return KS_REASON_ICMP_TYPE;
	reason = quote_network(head, &insp->pkt, &insp->quote.tuple, &up);
	insp->quote.is_part = up.frag_off != 0;
	if (!reason)
		reason = quote_upper(head, insp, &up, &seq);
	if (reason)
		return reason;
	insp->quote.sent = insp->quote.tuple;
	insp->quote.off = up.off;
	/* Returns true if the error goes to the host that sent the quoted packet. */
	if (!ks_addr_equal(&insp->pkt.tuple.dst, &insp->quote.tuple.src))
		return KS_REASON_ICMP_QUOTE;
	reason = insp->quote.is_part ? error_find_datagram(env, insp, up.frag_id) : error_find(env, insp);
	if (reason)
		return reason;
	sender = !insp->dir;
	if (ks_flow_packets(&insp->flow.before, sender) == 0 && insp->home.from != KS_ZONE_SELF)
		return KS_REASON_ICMP_NO_FLOW;
	/* Returns true if it comes from the side of the flow's other end, or from this box. */
	if (!ks_zone_equal(insp->home.from, insp->flow.before.zone[!sender]) && insp->home.from != KS_ZONE_SELF)
		return KS_REASON_ZONE;
	if (insp->to != KS_ZONE_UNKNOWN && !insp->by_alias &&
	    !ks_zone_equal(insp->to, insp->flow.before.zone[sender & 1]))
		return KS_REASON_ZONE;
	/*
	 * The box itself quotes packets as it routed them, translated halfway, and its error leaves translated halfway
	 * too.
	 */
	if (insp->home.from != KS_ZONE_SELF && !insp->second_half && !ks_nat_is_addressed(insp))
		return KS_REASON_UNTRANSLATED;
	if (insp->quote.is_part)
		return ks_nat_translate_error(env, insp) ?: KS_REASON_OK_RELATED;
	if (!number_was_sent(env, insp, sender, seq))
		return KS_REASON_ICMP_QUOTE;
	reason = ks_nat_translate_error(env, insp);
	return reason ? reason : KS_REASON_OK_RELATED;
}
