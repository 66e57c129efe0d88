// SPDX-License-Identifier: BSD-2-Clause
/*
 * IPv6 neighbour discovery: the checks that RFC 4861 demands before a node may look at a message (6.1.1, 6.1.2, 7.1.1,
 * 7.1.2, 8.1). Options beyond the inspected head, as long router advertisements have, are left to the receiver.
 */
#include "core/header/neighbour.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define ND_HOP_LIMIT 255
#define ND_ROUTER_SOLICITATION 133
#define ND_NEIGHBOUR_SOLICITATION 135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_TARGET_OFF 8U
#define ND_DESTINATION_OFF 24U /* of a redirect */
#define ND_FLAGS_OFF 4U
#define ND_SOLICITED 0x40
#define ND_RS_LEN 8U
#define ND_RA_LEN 16U
#define ND_NEIGHBOUR_LEN 24U
#define ND_REDIRECT_LEN 40U
#define ND_OPTION_UNIT 8U
#define ND_OPTION_SOURCE 1 /* the sender's link-layer address */
#define ND_OPTIONS_MAX (KS_HEAD_MAX / ND_OPTION_UNIT)

/* Bytes before the options. */
static inline __u32 fixed_len(__u32 type)
{
	switch (type) {
	case ND_ROUTER_SOLICITATION:
		return ND_RS_LEN;
	case KS_ND_ROUTER_ADVERTISEMENT:
		return ND_RA_LEN;
	case KS_ND_REDIRECT:
		return ND_REDIRECT_LEN;
	default:
		return ND_NEIGHBOUR_LEN;
	}
}

/* A walk over the options; the offset is in pkt->cursor. */
struct nd_option_ctx {
	const __u8 *head;
	struct ks_packet *pkt;
	__u32 end;
	bool has_source;
	bool malformed;
};

/* One option; returns nonzero at the end of all. */
static long nd_option_step(__u32 n, void *arg)
{
	struct nd_option_ctx *w = arg;
	__u32 off = w->pkt->cursor, len;
	const __u8 *opt = ks_head_at(w->head, off);

	if (off >= w->end || off + 2 > w->pkt->head_len)
		return 1;
	len = opt[1] * ND_OPTION_UNIT;
	if (len == 0 || off + len > w->end) {
		w->malformed = true;
		return 1;
	}
	if (opt[0] == ND_OPTION_SOURCE)
		w->has_source = true;
	w->pkt->cursor = (__u16)(off + len);
	return 0;
}

/* ff02::1:ff00:0/104 (RFC 4291 2.7.1) */
static inline bool is_solicited_node(const __u8 *addr)
{
	return ks_load64(addr) == ks_be64(0xff02000000000000ULL) && ks_load32(addr + 8) == ks_be32(1) &&
	       addr[12] == 0xff;
}

/*
 * Checks a message from the unspecified address: a host that has none yet may ask only for routers and for the owner of
 * an address.
 */
static bool unspecified_ok(const struct ks_packet *pkt, const struct nd_option_ctx *ctx)
{
	if (ctx->has_source)
		return false;
	if (pkt->icmp_type == ND_NEIGHBOUR_SOLICITATION)
		return is_solicited_node(pkt->tuple.dst.b);
	return pkt->icmp_type == ND_ROUTER_SOLICITATION;
}

static bool fields_ok(const __u8 *nd, const struct ks_packet *pkt)
{
	const __u8 *src = pkt->tuple.src.b, *target = nd + ND_TARGET_OFF, *about = nd + ND_DESTINATION_OFF;

	switch (pkt->icmp_type) {
	case KS_ND_ROUTER_ADVERTISEMENT:
		return ks_ipv6_is_link_local(src);
	case ND_NEIGHBOUR_SOLICITATION:
		return !ks_ipv6_is_multicast(target);
	case ND_NEIGHBOUR_ADVERTISEMENT:
		return !ks_ipv6_is_multicast(target) &&
		       !(ks_ipv6_is_multicast(pkt->tuple.dst.b) && nd[ND_FLAGS_OFF] & ND_SOLICITED);
	case KS_ND_REDIRECT: /* to a router, or to the destination itself on the link */
		return ks_ipv6_is_link_local(src) && !ks_ipv6_is_multicast(about) &&
		       (ks_ipv6_is_link_local(target) ||
			(ks_load64(target) == ks_load64(about) && ks_load64(target + 8) == ks_load64(about + 8)));
	default:
		return true;
	}
}

bool ks_neighbour_is_sane(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	struct nd_option_ctx ctx = { .head = head, .pkt = pkt, .end = pkt->l4_off + l4_len };
	const __u8 *nd = ks_head_at(head, pkt->l4_off);
	__u32 fixed = fixed_len(pkt->icmp_type);

	if (pkt->hop_limit != ND_HOP_LIMIT || l4_len < fixed || ks_head_need(pkt, pkt->l4_off, fixed))
		return false;
	pkt->cursor = (__u16)(pkt->l4_off + fixed);
	ks_loop(ND_OPTIONS_MAX, nd_option_step, &ctx);
	if (ctx.malformed || !fields_ok(nd, pkt))
		return false;
	return !ks_ipv6_is_unspecified(&pkt->tuple.src) || unspecified_ok(pkt, &ctx);
}
