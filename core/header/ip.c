// SPDX-License-Identifier: BSD-2-Clause
/*
 * IPv4 options and the walk over IPv6 extension headers to the upper protocol; see ip.h.
 *
 * RFC 791, 8200, 4302 (AH as an extension header), 5095 (routing header 0), 6946 (atomic fragments).
 */
#include "core/header/ip.h"

#include "core/header/wire.h"
#include "core/home.h"
#include "core/protection.h"
#include "core/rules.h"
#include "core/verdict.h"

/* A walk over the options of an IPv4 header. */
struct ipv4_option_ctx {
	const __u8 *ip;
	struct ks_packet *pkt;
	__u32 end;
	__u32 options; /* of the policy */
	__u32 reason;
};

static inline enum ks_ip_option ipv4_option_kind(__u32 type)
{
	switch (type) {
	case IPV4_OPT_RR:
		return KS_IP_OPTION_RECORD_ROUTE;
	case IPV4_OPT_TS:
		return KS_IP_OPTION_TIMESTAMP;
	case IPV4_OPT_SEC:
	case IPV4_OPT_ESEC:
	case IPV4_OPT_CIPSO:
		return KS_IP_OPTION_SECURITY;
	case IPV4_OPT_LSRR:
	case IPV4_OPT_SSRR:
		return KS_IP_OPTION_SOURCE_ROUTE;
	case IPV4_OPT_SID:
		return KS_IP_OPTION_STREAM_ID;
	case IPV4_OPT_RA:
		return KS_IP_OPTION_ROUTER_ALERT;
	default:
		return KS_IP_OPTION_OTHER;
	}
}

/* One option; returns nonzero at the end of all. */
static long ipv4_option_step(__u32 n, void *arg)
{
	struct ipv4_option_ctx *w = arg;
	__u32 off = w->pkt->cursor, len = 1;
	const __u8 *opt;

	if (off >= w->end)
		return 1;
	opt = w->ip + (off & (KS_HEAD_SLACK - 1));
	if (opt[0] == IPV4_OPT_END)
		return 1;
	if (opt[0] != IPV4_OPT_NOP) {
		len = off + 2 <= w->end ? opt[1] : 0;
		if (len < 2 || off + len > w->end)
			w->reason = KS_REASON_IP_OPTIONS;
		else if ((opt[0] == IPV4_OPT_LSRR || opt[0] == IPV4_OPT_SSRR) && !(w->options & KS_OPT_SOURCE_ROUTES))
			w->reason = KS_REASON_SOURCE_ROUTE;
		if (w->reason)
			return 1;
		w->pkt->ip_options |= (__u8)(1U << ipv4_option_kind(opt[0]));
	}
	w->pkt->cursor = (__u16)(off + len);
	return 0;
}

__u32 ks_ipv4_options_check(const __u8 *ip, struct ks_packet *pkt, __u32 ihl, __u32 options)
{
	struct ipv4_option_ctx ctx = { .ip = ip, .pkt = pkt, .end = ihl, .options = options };

	pkt->cursor = IPV4_HEADER_LEN;
	ks_loop(IPV4_OPTIONS_MAX, ipv4_option_step, &ctx);
	if (!pkt->ip_options)
		pkt->ip_options = 1U << KS_IP_OPTION_OTHER; /* nothing but padding, which pads nothing */
	return ctx.reason;
}

/* Which extension headers were seen, to refuse repetitions. */
enum { SEEN_HOPOPTS = 1, SEEN_ROUTING = 2, SEEN_FRAGMENT = 4, SEEN_AH = 8, SEEN_DSTOPTS = 16, SEEN_DSTOPTS_LAST = 32 };

static inline bool is_extension(__u32 proto)
{
	return proto == KS_PROTO_HOPOPTS || proto == KS_PROTO_ROUTING || proto == KS_PROTO_FRAGMENT ||
	       proto == KS_PROTO_AH || proto == KS_PROTO_DSTOPTS;
}

/* The mark of a header, or 0 if it may not stand here (RFC 8200 4.1). */
static inline __u32 extension_mark(__u32 proto, __u32 seen, bool first)
{
	switch (proto) {
	case KS_PROTO_HOPOPTS:
		return first ? SEEN_HOPOPTS : 0;
	case KS_PROTO_ROUTING:
		return seen & SEEN_ROUTING ? 0 : SEEN_ROUTING;
	case KS_PROTO_FRAGMENT:
		return seen & SEEN_FRAGMENT ? 0 : SEEN_FRAGMENT;
	case KS_PROTO_AH:
		return seen & SEEN_AH ? 0 : SEEN_AH;
	default:
		if (!(seen & SEEN_DSTOPTS))
			return SEEN_DSTOPTS;
		return seen & SEEN_DSTOPTS_LAST ? 0 : SEEN_DSTOPTS_LAST;
	}
}

/* Bytes of the extension header at `ext`; 0 if its length is impossible. */
static inline __u32 extension_length(__u32 proto, const __u8 *ext)
{
	if (proto == KS_PROTO_FRAGMENT)
		return IPV6_FRAGMENT_LEN;
	if (proto == KS_PROTO_AH) /* RFC 4302 2.2: at least 12 bytes, in IPv6 a multiple of 8 */
		return ext[1] < 1 ? 0 : (ext[1] + 2U) * IPV6_AH_UNIT;
	return (ext[1] + 1U) * IPV6_EXT_UNIT;
}

/* A walk over extension headers; the offset is in pkt->cursor. */
struct extension_ctx {
	const __u8 *head;
	struct ks_packet *pkt;
	struct ks_upper *up;
	__u32 end;
	__u32 seen; /* marks */
	__u32 reason;
	__u8 proto; /* of the next header */
};

/* An atomic fragment is a whole datagram (RFC 6946). */
static inline void fragment_note(struct extension_ctx *w, const __u8 *ext, __u32 off)
{
	__u32 field = ks_be16(ks_load16(ext + 2));

	if (!(field & IPV6_FRAGMENT_MASK))
		return;
	w->up->frag_at = (__u16)(off + IPV6_FRAGMENT_LEN);
	w->up->frag_off = field & IPV6_FRAGMENT_OFFSET;
	w->up->frag_more = field & IPV6_FRAGMENT_MORE;
	w->up->frag_id = ks_load32(ext + IPV6_FRAGMENT_ID_OFF);
}

/* The packet ends within its extension headers. */
static inline __u32 extension_short(const struct extension_ctx *w)
{
	return w->up->frag_at ? KS_REASON_FRAGMENT_TINY : KS_REASON_EXTENSION_HEADER;
}

/* Judges the extension header at the cursor and steps over it; returns a reason or 0. */
static inline __u32 extension_judge(struct extension_ctx *w, bool first)
{
	__u32 off = w->pkt->cursor, mark = extension_mark(w->proto, w->seen, first), len, reason;
	const __u8 *ext;

	if (!mark)
		return KS_REASON_EXTENSION_HEADER;
	if (off + IPV6_EXT_UNIT > w->end)
		return extension_short(w);
	reason = ks_head_need(w->pkt, off, IPV6_EXT_UNIT);
	if (reason)
		return reason;
	ext = ks_head_at(w->head, off);
	if (w->proto == KS_PROTO_ROUTING && ext[2] == 0)
		return KS_REASON_ROUTING_HEADER;
	if (w->proto == KS_PROTO_FRAGMENT)
		fragment_note(w, ext, off);
	if (w->proto == KS_PROTO_HOPOPTS)
		w->pkt->ip_options |= 1U << KS_IP_OPTION_HOP_BY_HOP;
	len = extension_length(w->proto, ext);
	if (len == 0)
		return KS_REASON_EXTENSION_HEADER;
	if (off + len > w->end)
		return extension_short(w);
	w->seen |= mark;
	w->proto = ext[0];
	w->pkt->cursor = (__u16)(off + len);
	return 0;
}

/* Returns nonzero when the upper header is reached or the packet refused. */
static long extension_step(__u32 n, void *arg)
{
	struct extension_ctx *w = arg;
	__u32 reason;

	if (!is_extension(w->proto) || w->up->frag_off)
		return 1;
	reason = n == IPV6_EXT_MAX ? KS_REASON_EXTENSION_HEADER : extension_judge(w, n == 0);
	/* Else every reason would be a path of its own (V15). */
	w->reason = (__u32)ks_hide_value(reason, w->pkt->wire_len);
	return w->reason != 0;
}

__u32 ks_ipv6_walk(const __u8 *head, struct ks_packet *pkt, __u32 end, struct ks_upper *up)
{
	struct extension_ctx ctx = {
		.head = head,
		.pkt = pkt,
		.up = up,
		.end = end,
		.seen = (__u32)ks_hide_value(0, pkt->wire_len), /* (V7) */
		.proto = up->proto,
	};

	if (!is_extension(up->proto))
		return 0;
	pkt->cursor = (__u16)up->off;
	ks_loop(IPV6_EXT_MAX + 1, extension_step, &ctx);
	up->proto = ctx.proto;
	up->off = pkt->cursor;
	return ctx.reason;
}
