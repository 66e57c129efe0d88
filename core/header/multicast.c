// SPDX-License-Identifier: BSD-2-Clause
/*
 * MLD (RFC 2710, 3810, 3590) and IGMP (RFC 2236, 3376; version 1 by RFC 1112); see multicast.h. All messages are sent with a
 * TTL of 1 and a router alert (RFC 2113, 2711), except those of IGMP's first version, which is older than the router alert.
 */
#include "core/header/multicast.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define LINK_HOP_LIMIT 1

#define MLD_QUERY 130
#define MLD_REPORT_V2 143
#define MLD_GROUP_OFF 8U
#define MLD_V1_LEN 24U
#define MLD_QUERY_V2_LEN 28U
#define MLD_SOURCES_OFF 26U /* how many sources a query has */
#define MLD_RECORDS_OFF 6U /* how many records a report has */
#define MLD_REPORT_V2_LEN 8U
#define MLD_RECORD_LEN 20U
#define IPV6_ADDRESS_LEN 16U

#define IGMP_QUERY 0x11
#define IGMP_REPORT_V1 0x12
#define IGMP_REPORT_V2 0x16
#define IGMP_LEAVE 0x17
#define IGMP_REPORT_V3 0x22
#define IGMP_LEN 8U
#define IGMP_DELAY_OFF 1U /* of a query; 0 in version 1 */
#define IGMP_GROUP_OFF 4U
#define IGMP_QUERY_V3_LEN 12U
#define IGMP_SOURCES_OFF 10U
#define IGMP_RECORDS_OFF 6U
#define IGMP_RECORD_LEN 8U
#define IPV4_ADDRESS_LEN 4U
#define IPV4_GROUP_MASK 0xf0000000U
#define IPV4_GROUP 0xe0000000U
#define IPV4_ALL_SYSTEMS 0xe0000001U

#define IPV4_OPT_ROUTER_ALERT 148
#define IPV4_OPT_ROUTER_ALERT_LEN 4
#define IPV6_OPT_PAD1 0
#define IPV6_OPT_ROUTER_ALERT 5
#define IPV6_OPT_ROUTER_ALERT_LEN 2
#define IPV6_OPT_HEADER_LEN 2U
#define IPV6_OPTIONS_MAX (KS_HEAD_MAX / IPV6_OPT_HEADER_LEN)

/* A search for the router alert; the offset is in pkt->cursor. */
struct alert_ctx {
	const __u8 *head;
	struct ks_packet *pkt;
	__u32 end;
	__u32 found; /* 0 or 1, because it decides what the callback returns (V8) */
};

/* One option of an IPv4 header whose options were found to be well formed; returns nonzero at the end of all. */
static long alert_ipv4_step(__u32 n, void *arg)
{
	struct alert_ctx *w = arg;
	__u32 off = w->pkt->cursor;
	const __u8 *opt = ks_head_at(w->head, off);

	if (off + IPV4_OPT_ROUTER_ALERT_LEN > w->end || opt[0] == IPV4_OPT_END)
		return 1;
	if (opt[0] == IPV4_OPT_ROUTER_ALERT && opt[1] == IPV4_OPT_ROUTER_ALERT_LEN && ks_load16(opt + 2) == 0)
		w->found = 1;
	w->pkt->cursor = (__u16)(off + (opt[0] == IPV4_OPT_NOP ? 1U : opt[1]));
	return w->found != 0;
}

static bool ipv4_has_alert(const __u8 *head, struct ks_packet *pkt)
{
	struct alert_ctx ctx = { .head = head, .pkt = pkt, .end = pkt->l4_off };

	pkt->cursor = pkt->l3_off + IPV4_HEADER_LEN;
	ks_loop(IPV4_OPTIONS_MAX, alert_ipv4_step, &ctx);
	return ctx.found;
}

/* One option of a hop-by-hop header; returns nonzero at the end of all. */
static long alert_ipv6_step(__u32 n, void *arg)
{
	struct alert_ctx *w = arg;
	__u32 off = w->pkt->cursor;
	const __u8 *opt = ks_head_at(w->head, off);

	if (off + IPV6_OPT_HEADER_LEN > w->end)
		return 1;
	if (opt[0] == IPV6_OPT_PAD1) {
		w->pkt->cursor = (__u16)(off + 1);
		return 0;
	}
	/* Its value says for whom: 0 is MLD (RFC 2711 2.1). */
	if (opt[0] == IPV6_OPT_ROUTER_ALERT && opt[1] == IPV6_OPT_ROUTER_ALERT_LEN && off + 4 <= w->end &&
	    ks_load16(opt + IPV6_OPT_HEADER_LEN) == 0)
		w->found = 1;
	w->pkt->cursor = (__u16)(off + IPV6_OPT_HEADER_LEN + opt[1]);
	return w->found != 0;
}

static bool ipv6_has_alert(const __u8 *head, struct ks_packet *pkt)
{
	__u32 off = pkt->l3_off + IPV6_HEADER_LEN;
	struct alert_ctx ctx = { .head = head, .pkt = pkt };
	const __u8 *ext = ks_head_at(head, off);

	if (ks_head_at(head, pkt->l3_off)[IPV6_NEXT_OFF] != KS_PROTO_HOPOPTS)
		return false;
	/* The walk to the upper header has been over it, so it lies before that; options are read within the head only. */
	ctx.end = KS_MIN(off + (ext[1] + 1U) * IPV6_EXT_UNIT, pkt->head_len);
	pkt->cursor = (__u16)(off + IPV6_OPT_HEADER_LEN);
	ks_loop(IPV6_OPTIONS_MAX, alert_ipv6_step, &ctx);
	return ctx.found;
}

static bool mld_query_ok(const __u8 *mld, const struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *group = mld + MLD_GROUP_OFF;
	bool general = ks_load64(group) == 0 && ks_load64(group + 8) == 0;

	if (!ks_ipv6_is_link_local(pkt->tuple.src.b) || !(general || ks_ipv6_is_multicast(group)))
		return false;
	if (l4_len == MLD_V1_LEN)
		return true;
	return l4_len >= MLD_QUERY_V2_LEN && !ks_head_need(pkt, pkt->l4_off, MLD_QUERY_V2_LEN) &&
	       MLD_QUERY_V2_LEN + ks_be16(ks_load16(mld + MLD_SOURCES_OFF)) * IPV6_ADDRESS_LEN <= l4_len;
}

bool ks_mld_is_sane(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *mld = ks_head_at(head, pkt->l4_off), *src = pkt->tuple.src.b;

	if (pkt->hop_limit != LINK_HOP_LIMIT || !ipv6_has_alert(head, pkt))
		return false;
	if (pkt->icmp_type == MLD_REPORT_V2)
		return (ks_ipv6_is_link_local(src) || ks_ipv6_is_unspecified(&pkt->tuple.src)) &&
		       MLD_REPORT_V2_LEN + ks_be16(ks_load16(mld + MLD_RECORDS_OFF)) * MLD_RECORD_LEN <= l4_len;
	if (l4_len < MLD_V1_LEN || ks_head_need(pkt, pkt->l4_off, MLD_V1_LEN))
		return false;
	if (pkt->icmp_type == MLD_QUERY)
		return mld_query_ok(mld, pkt, l4_len);
	return (ks_ipv6_is_link_local(src) || ks_ipv6_is_unspecified(&pkt->tuple.src)) &&
	       ks_ipv6_is_multicast(mld + MLD_GROUP_OFF);
}

static inline bool is_group(__u32 addr)
{
	return (addr & IPV4_GROUP_MASK) == IPV4_GROUP;
}

/* A general query is for all; one about a group goes to it. Version 3 may ask a single host (RFC 3376 4.1.12). */
static bool igmp_query_ok(const __u8 *igmp, const struct ks_packet *pkt, __u32 l4_len)
{
	__u32 group = ks_be32(ks_load32(igmp + IGMP_GROUP_OFF)), dst = ks_be32(pkt->tuple.dst.w[3]);

	if (group != 0 && !is_group(group))
		return false;
	if (l4_len < IGMP_QUERY_V3_LEN)
		return l4_len == IGMP_LEN && dst == (group ? group : IPV4_ALL_SYSTEMS);
	if (ks_head_need(pkt, pkt->l4_off, IGMP_QUERY_V3_LEN))
		return false;
	return (dst == (group ? group : IPV4_ALL_SYSTEMS) || !is_group(dst)) &&
	       IGMP_QUERY_V3_LEN + ks_be16(ks_load16(igmp + IGMP_SOURCES_OFF)) * IPV4_ADDRESS_LEN <= l4_len;
}

static bool igmp_fields_ok(const __u8 *igmp, const struct ks_packet *pkt, __u32 l4_len)
{
	__be32 group = ks_load32(igmp + IGMP_GROUP_OFF);

	switch (igmp[0]) {
	case IGMP_QUERY:
		return igmp_query_ok(igmp, pkt, l4_len);
	case IGMP_REPORT_V1:
	case IGMP_REPORT_V2: /* to the group itself, so that others need not report it too */
		return is_group(ks_be32(group)) && group == pkt->tuple.dst.w[3];
	case IGMP_LEAVE:
		return is_group(ks_be32(group)) && is_group(ks_be32(pkt->tuple.dst.w[3]));
	case IGMP_REPORT_V3:
		return is_group(ks_be32(pkt->tuple.dst.w[3])) &&
		       IGMP_LEN + ks_be16(ks_load16(igmp + IGMP_RECORDS_OFF)) * IGMP_RECORD_LEN <= l4_len;
	default:
		return false;
	}
}

/* Version 1 is older than the router alert. */
static inline bool needs_alert(const __u8 *igmp, __u32 l4_len)
{
	return igmp[0] != IGMP_REPORT_V1 && !(igmp[0] == IGMP_QUERY && l4_len == IGMP_LEN && igmp[IGMP_DELAY_OFF] == 0);
}

__u32 ks_igmp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *igmp = ks_head_at(head, pkt->l4_off);
	__u32 reason;

	pkt->flags |= KS_PKT_NEIGHBOUR;
	if (pkt->tuple.family != KS_IPV4 || l4_len < IGMP_LEN)
		return KS_REASON_IGMP;
	reason = ks_head_need(pkt, pkt->l4_off, IGMP_LEN);
	if (reason)
		return reason;
	pkt->payload_off = pkt->l4_off + IGMP_LEN;
	pkt->payload_len = l4_len - IGMP_LEN;
	if (pkt->hop_limit != LINK_HOP_LIMIT || !igmp_fields_ok(igmp, pkt, l4_len))
		return KS_REASON_IGMP;
	return !needs_alert(igmp, l4_len) || ipv4_has_alert(head, pkt) ? 0 : KS_REASON_IGMP;
}
