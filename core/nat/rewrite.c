// SPDX-License-Identifier: BSD-2-Clause
/*
 * Translations written into the packet; see rewrite.h. Checksums are never
 * computed again but changed by the difference (RFC 1624; core/header/crc32c.h
 * for SCTP), so that a wrong one stays wrong for its receiver to see. The
 * quotation of an ICMP error is translated back (RFC 5508 4.2), and its
 * checksums as far as they are quoted.
 */
#include "core/nat/rewrite.h"

#include "core/header/checksum.h"
#include "core/header/crc32c.h"
#include "core/header/gre.h"
#include "core/env.h"
#include "core/header/wire.h"

#define NO_CHECKSUM 0U

/* A header whose addresses and ports become those of `new`. */
struct change {
	const struct ks_tuple *old, *new;
	__u32 l3_off, l4_off;
	__u32 addr_diff; /* of both addresses */
	__u32 port_diff; /* of both ports */
	__be32 port_flip; /* the bits that change in them, as they lie in the packet */
	__u32 halves; /* KS_TRANSLATE_* to be made */
	__s32 grown; /* bytes by which a helper has made the packet longer */
	bool moves; /* KS_TRANSLATE_PORT: the originator's port, which is inner_port between the halves, ... */
	bool outward; /* ... in a packet, or an error, that it sends; else in one that it gets */
	__u8 end; /* KS_TRANSLATE_SRC or DST: where that port is */
	__be16 inner_port;
};

/* An end's port as it is written. */
static __be16 port_of(const struct change *c, __u32 end, __be16 old, __be16 new)
{
	__u32 other = KS_TRANSLATE_BOTH & ~end;

	if (!c->moves || end != c->end)
		return c->halves & end ? new : old;
	/* It moves with the other end's half, which is the first one of what the originator sends. */
	if (c->halves & (c->outward ? end : other))
		return new;
	return c->halves & (c->outward ? other : end) ? c->inner_port : old;
}

static __u32 addr_diff(const struct ks_addr *old, const struct ks_addr *new)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < 4; i++)
		sum += ks_checksum_diff32(old->w[i], new->w[i]);
	return ks_checksum_fold(sum);
}

/* IPv4: TTL, header checksum and both addresses lie together and are written at once. */
static bool ipv4_write(struct ks_env *env, struct change *c, const __u8 *head)
{
	const __u8 *ip = ks_head_at(head, c->l3_off);
	const struct ks_tuple *old = c->old, *new = c->new;
	__be16 length = ks_load16(ip + IPV4_TOTAL_LENGTH_OFF);
	__u8 text[12] __attribute__((aligned(4)));
	__be32 src, dst;

	/* Else the compiler chooses between the two pointers, which the verifier cannot follow (V4). */
	ks_hide_bound(old);
	ks_hide_bound(new);
	src = c->halves & KS_TRANSLATE_SRC ? new->src.w[3] : old->src.w[3];
	dst = c->halves & KS_TRANSLATE_DST ? new->dst.w[3] : old->dst.w[3];
	c->addr_diff =
		ks_checksum_fold(ks_checksum_diff32(old->src.w[3], src) + ks_checksum_diff32(old->dst.w[3], dst));
	ks_store16(text, ks_load16(ip + IPV4_TTL_OFF));
	ks_store16(text + 2,
		   ks_checksum_apply(ks_load16(ip + IPV4_CHECKSUM_OFF),
				     c->addr_diff + ks_checksum_diff16(length, ks_be16(ks_be16(length) + c->grown))));
	ks_store32(text + 4, src);
	ks_store32(text + 8, dst);
	return env_packet_write(env, c->l3_off + IPV4_TTL_OFF, text, sizeof(text));
}

static bool ipv6_write(struct ks_env *env, struct change *c)
{
	c->addr_diff = 0;
	if (c->halves & KS_TRANSLATE_SRC) {
		c->addr_diff += addr_diff(&c->old->src, &c->new->src);
		if (!env_packet_write(env, c->l3_off + IPV6_SRC_OFF, c->new->src.b, sizeof(c->new->src)))
			return false;
	}
	if (c->halves & KS_TRANSLATE_DST) {
		c->addr_diff += addr_diff(&c->old->dst, &c->new->dst);
		if (!env_packet_write(env, c->l3_off + IPV6_DST_OFF, c->new->dst.b, sizeof(c->new->dst)))
			return false;
	}
	c->addr_diff = ks_checksum_fold(c->addr_diff);
	return true;
}

static bool addresses_write(struct ks_env *env, struct change *c, const __u8 *head)
{
	return c->old->family == KS_IPV4 ? ipv4_write(env, c, head) : ipv6_write(env, c);
}

static inline bool is_icmp(__u32 proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* Writes the ports. Of an ICMP query the identifier, which stands for the port of the asker (core/track/icmp_error.h). */
static bool ports_write(struct ks_env *env, struct change *c, bool is_question)
{
	const struct ks_tuple *old = c->old, *new = c->new;
	__be16 sport, dport, ports[2], was[2] = { old->sport, old->dport };

	ks_hide_bound(old);
	ks_hide_bound(new);
	sport = port_of(c, KS_TRANSLATE_SRC, old->sport, new->sport);
	dport = port_of(c, KS_TRANSLATE_DST, old->dport, new->dport);
	ports[0] = sport;
	ports[1] = dport;
	if (is_icmp(old->proto)) {
		c->port_diff =
			is_question ? ks_checksum_diff16(old->sport, sport) : ks_checksum_diff16(old->dport, dport);
		ports[0] = is_question ? sport : dport;
		return env_packet_write(env, c->l4_off + ICMP_ID_OFF, ports, sizeof(ports[0]));
	}
	c->port_diff = ks_checksum_diff16(old->sport, sport) + ks_checksum_diff16(old->dport, dport);
	c->port_flip = ks_load32((const __u8 *)was) ^ ks_load32((const __u8 *)ports);
	return env_packet_write(env, c->l4_off, ports, sizeof(ports));
}

/* The offset of the upper checksum, or NO_CHECKSUM if none covers what changes. */
static __u32 checksum_off(__u32 proto)
{
	switch (proto) {
	case KS_PROTO_TCP:
		return TCP_CHECKSUM_OFF;
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
		return UDP_CHECKSUM_OFF;
	case KS_PROTO_DCCP:
		return DCCP_CHECKSUM_OFF;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return ICMP_CHECKSUM_OFF;
	default:
		return NO_CHECKSUM;
	}
}

/* The call id of PPTP's GRE, which stands for the destination's port and which no checksum covers. */
static bool call_write(struct ks_env *env, const struct change *c)
{
	const struct ks_tuple *old = c->old, *new = c->new;
	__be16 call;

	ks_hide_bound(new);
	if (!(c->halves & KS_TRANSLATE_DST) || !ks_gre_is_call(old) || old->dport == new->dport)
		return true;
	call = new->dport;
	return env_packet_write(env, c->l4_off + GRE_CALL_OFF, &call, sizeof(call));
}

/*
 * Changes the checksum of SCTP, which covers the ports and all behind them, `length` bytes, but no address. 0 stays 0: the
 * kernel or the card puts it in later, or the ends have agreed on none (RFC 9653). Adds to *diff what that adds to the sum of
 * an error that quotes it.
 */
static bool crc_write(struct ks_env *env, const struct change *c, __u32 length, __u32 *diff)
{
	__u32 off = c->l4_off + SCTP_CHECKSUM_OFF;
	__be32 old, new;

	if (!c->port_flip)
		return true;
	if (!env_packet_read(env, off, &old, sizeof(old)))
		return false;
	if (!old)
		return true;
	new = old ^ ks_crc32c_flip(c->port_flip, length);
	*diff += ks_checksum_diff32(old, new);
	return env_packet_write(env, off, &new, sizeof(new));
}

/* The same of a packet in hand. The whole length of a fragmented one is not known; such datagrams do not come here (fragment/). */
static bool packet_crc_write(struct ks_env *env, struct ks_inspection *insp, const struct change *c)
{
	__u32 diff = 0;

	if (c->port_flip && insp->pkt.flags & KS_PKT_FRAGMENT)
		return false;
	return crc_write(env, c, insp->pkt.l3_off + insp->pkt.l3_len - c->l4_off, &diff);
}

/*
 * The same of a quoted packet, as far as its checksum is quoted. Its own header tells its length; that of a first fragment
 * (made behind the box: others are not translated) does not, and its checksum stays.
 */
static bool quoted_crc_write(struct ks_env *env, const struct change *c, const __u8 *head, __u32 end, __u32 *diff)
{
	const __u8 *ip = ks_head_at(head, c->l3_off);
	__u32 length = ks_be16(ks_load16(ip + IPV4_TOTAL_LENGTH_OFF));

	if (c->old->family == KS_IPV6)
		length = ks_be16(ks_load16(ip + IPV6_PAYLOAD_LENGTH_OFF)) + IPV6_HEADER_LEN;
	else if (ks_be16(ks_load16(ip + IPV4_FRAGMENT_OFF)) & IPV4_FRAGMENT_MORE)
		return true;
	if (c->l4_off + SCTP_CHECKSUM_OFF + sizeof(__be32) > end)
		return true;
	return crc_write(env, c, length - (c->l4_off - c->l3_off), diff);
}

/* The rest of upper_write(): a number that was a constant before a call is not tested after it (V14). */
static ks_inline bool upper_sum_write(struct ks_env *env, struct ks_inspection *insp, const struct change *c)
{
	__u32 proto = c->old->proto, off = checksum_off(proto);
	bool udp = proto == KS_PROTO_UDP;

	if (proto == KS_PROTO_GRE)
		return call_write(env, c);
	if (proto == KS_PROTO_SCTP)
		return packet_crc_write(env, insp, c);
	if (off == NO_CHECKSUM)
		return true;
	if (proto != KS_PROTO_ICMP && c->addr_diff && !env_checksum_add(env, c->l4_off + off, c->addr_diff, true, udp))
		return false;
	return !c->port_diff || env_checksum_add(env, c->l4_off + off, c->port_diff, false, udp);
}

static bool upper_write(struct ks_env *env, struct ks_inspection *insp, struct change *c)
{
	__u32 proto = c->old->proto;

	c->port_diff = (__u32)ks_hide_value(0, insp->home.now);
	c->port_flip = (__u32)ks_hide_value(0, insp->home.now);
	if ((ks_proto_has_ports(proto) || is_icmp(proto)) && !ports_write(env, c, insp->pkt.flags & KS_PKT_ICMP_QUERY))
		return false;
	return upper_sum_write(env, insp, c);
}

/* Writes the quoted checksum if it is within the quotation. Adds to *diff what that adds to the sum. */
static ks_inline bool quoted_sum_write(struct ks_env *env, struct ks_inspection *insp, const struct change *c,
				       const __u8 *head, __u32 *diff)
{
	__u32 proto = c->old->proto, off = checksum_off(proto);
	__u32 end = insp->pkt.payload_off + insp->pkt.payload_len;
	__u16 old, new;

	if (proto == KS_PROTO_SCTP)
		return quoted_crc_write(env, c, head, end, diff);
	if (off == NO_CHECKSUM || c->l4_off + off + sizeof(old) > end ||
	    !env_packet_read(env, c->l4_off + off, &old, sizeof(old)))
		return true;
	if (proto == KS_PROTO_UDP && !old)
		return true;
	new = ks_checksum_apply(old, c->port_diff + (proto == KS_PROTO_ICMP ? 0 : c->addr_diff));
	if (proto == KS_PROTO_UDP && !new)
		new = KS_CHECKSUM_MASK;
	*diff += ks_checksum_diff16(old, new);
	return env_packet_write(env, c->l4_off + off, &new, sizeof(new));
}

/* Writes the quoted ports and their checksum. Adds to *diff what that adds to the sum. */
static bool quoted_upper_write(struct ks_env *env, struct ks_inspection *insp, struct change *c, const __u8 *head,
			       __u32 *diff)
{
	__u32 proto = c->old->proto;

	if (insp->quote.is_part || (!ks_proto_has_ports(proto) && !is_icmp(proto)))
		return true;
	/* ICMP: the identifier is the source port of a question and the destination port of an answer. */
	if (!ports_write(env, c, insp->quote.is_query))
		return false;
	*diff += c->port_diff;
	return quoted_sum_write(env, insp, c, head, diff);
}

/* The quoted packet went the other way: its source is the destination of the error. */
static bool quotation_write(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, __u32 halves, __u32 *diff)
{
	struct change c = {
		.old = &insp->quote.tuple,
		.new = &insp->quote.sent,
		.l3_off = insp->pkt.payload_off,
		.l4_off = insp->quote.off,
		.halves = (halves & KS_TRANSLATE_DST ? KS_TRANSLATE_SRC : 0) |
			  (halves & KS_TRANSLATE_SRC ? KS_TRANSLATE_DST : 0),
		.moves = insp->translate &KS_TRANSLATE_PORT,
		.outward = insp->dir == KS_ORIGINAL,
		.end = insp->dir == KS_ORIGINAL ? KS_TRANSLATE_DST : KS_TRANSLATE_SRC,
		.inner_port = insp->inner_port,
	};

	if (!addresses_write(env, &c, head))
		return false;
	/* The checksum of an IPv4 header takes up what its addresses change. */
	*diff = insp->quote.tuple.family == KS_IPV4 ? 0 : c.addr_diff;
	return quoted_upper_write(env, insp, &c, head, diff);
}

static bool error_write(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, __u32 halves)
{
	struct change c = { .old = &insp->pkt.tuple,
			    .new = &insp->sent,
			    .l3_off = insp->pkt.l3_off,
			    .l4_off = insp->pkt.l4_off,
			    .halves = halves };
	__u32 diff = 0;

	if (!addresses_write(env, &c, head) || !quotation_write(env, insp, head, halves, &diff))
		return false;
	if (insp->pkt.tuple.proto == KS_PROTO_ICMPV6 && c.addr_diff &&
	    !env_checksum_add(env, c.l4_off + ICMP_CHECKSUM_OFF, c.addr_diff, true, false))
		return false;
	return env_checksum_add(env, c.l4_off + ICMP_CHECKSUM_OFF, ks_checksum_fold(diff), false, false);
}

__u32 ks_rewrite(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	struct change c = { .old = &insp->pkt.tuple,
			    .new = &insp->sent,
			    .l3_off = insp->pkt.l3_off,
			    .l4_off = insp->pkt.l4_off,
			    .halves = insp->translate & insp->home.halves,
			    .grown = insp->grown,
			    .moves = insp->translate &KS_TRANSLATE_PORT,
			    .outward = insp->dir == KS_ORIGINAL,
			    .end = insp->dir == KS_ORIGINAL ? KS_TRANSLATE_SRC : KS_TRANSLATE_DST,
			    .inner_port = insp->inner_port };
	bool ok;

	if (!c.halves)
		return 0;
	if (insp->pkt.flags & KS_PKT_ICMP_ERROR)
		ok = error_write(env, insp, head, c.halves);
	else
		ok = addresses_write(env, &c, head) &&
		     ((insp->pkt.flags & KS_PKT_FRAGMENT && insp->pkt.frag_off) || upper_write(env, insp, &c));
	return ok ? 0 : KS_REASON_TRANSLATE;
}
