/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A parsed packet: the fields of its headers, after every check that needs no state. Filled once by ks_packet_parse()
 * from the head of the frame.
 */
#ifndef KS_CORE_HEADER_PACKET_H
#define KS_CORE_HEADER_PACKET_H

#include "core/address.h"
#include "core/protocol.h"
#include "core/types.h"

/*
 * The home gives the first bytes of the frame. Nothing is read past head_len;
 * but the buffer is KS_HEAD_SIZE long where the verifier checks it (V3), so that a
 * masked offset and a header always lie in it. Headers that do not fit in
 * KS_HEAD_MAX are refused: "headers too long".
 */
#define KS_HEAD_MAX 256U /* a power of two: offsets are masked by it */
#define KS_HEAD_SLACK 64U
#define KS_HEAD_SIZE (KS_HEAD_MAX + KS_HEAD_SLACK)

/* How the frame starts. */
enum ks_link {
	KS_LINK_ETHERNET = 0,
	KS_LINK_IP = 1, /* layer 3 at once; the version nibble tells which */
};

/* TCP flag bits as on the wire. */
#define KS_TCP_FIN 0x01
#define KS_TCP_SYN 0x02
#define KS_TCP_RST 0x04
#define KS_TCP_PSH 0x08
#define KS_TCP_ACK 0x10
#define KS_TCP_URG 0x20

/* TCP options that a side has offered: ks_packet.tcp_opts, and remembered in ks_flow.tcp_flags */
#define KS_TCP_SACK_PERM 0x01 /* selective acknowledgements */
#define KS_TCP_WSCALE 0x02 /* window scaling */

/* ks_packet.flags */
#define KS_PKT_NOT_IP 0x01 /* ARP and other layers: nothing else is filled */
#define KS_PKT_ICMP_ERROR 0x02 /* quotes another packet */
#define KS_PKT_NEIGHBOUR \
	0x04 /* neighbour discovery or about multicast listeners: not a flow (core/header/neighbour.h) */
#define KS_PKT_ICMP_QUERY 0x08 /* an ICMP request */
#define KS_PKT_ICMP_ANSWER 0x10 /* an ICMP reply to a request */
#define KS_PKT_SNAPPED 0x20 /* the capture cut it: payload beyond the head is unknown but counted */
#define KS_PKT_FRAGMENT 0x40 /* part of a datagram: see the frag_ fields */
#define KS_PKT_GROUP 0x80 /* sent to a group, by its network or its link address */

struct ks_packet {
	struct ks_tuple tuple;

	/* given by the home */
	__u32 wire_len; /* bytes of the frame, link header included (a GSO packet counts whole) */
	__u32 head_len; /* bytes of it in the head buffer, at most KS_HEAD_MAX */

	/* found by the parser; offsets from the start of the frame */
	__u16 l3_off, l4_off;
	__u16 payload_off;
	__u8 flags; /* KS_PKT_* */
	__u8 link; /* enum ks_link */
	__u32 l3_len; /* bytes of the datagram: header and payload */
	__u32 payload_len; /* bytes behind the upper header */

	union { /* host order */
		struct { /* TCP */
			__u32 seq, ack;
			__u32 sack; /* highest right edge of a SACK block, else ack */
		};
		struct {
			__u32 tag; /* verification tag */
			__u32 init_tag; /* the tag that INIT or INIT ACK offers */
			__u32 chunks; /* KS_SCTP_* */
		} sctp;
		struct {
			__u32 seq, ack; /* the lower 32 bits, or all 24 */
			__u16 seq_high, ack_high;
		} dccp;
	};
	__u16 window; /* as on the wire */
	__u8 tcp_flags;
	__u8 wscale; /* shift offered on a SYN, 0 without the option */
	union {
		__u8 tcp_opts; /* KS_TCP_SACK_PERM, KS_TCP_WSCALE as offered */
		__u8 dccp_type; /* enum ks_dccp_type, KS_DCCP_SHORT */
	};
	__u8 icmp_type, icmp_code;
	__u8 hop_limit; /* TTL or hop limit */
	__u16 cursor; /* of walks over options, in the packet because of the verifier (V6) */
	__u16 ethertype; /* of a frame that is not IP */
	/* with KS_PKT_FRAGMENT; only the first fragment, at offset 0, has an upper header, and then a whole one */
	__be32 frag_id; /* identification: 16 or 32 bits */
	__u16 frag_at; /* where the fragmentable part begins in the frame */
	__u16 frag_off; /* where it belongs in the datagram, bytes */
	__u16 frag_len;
	__u16 frag_least; /* of a first one: bytes that the datagram has at the least, as the upper header says; 0: it does not */
	__u8 frag_more; /* 1: it is not the last one */
	__u8 ip_options; /* bit per enum ks_ip_option that it has (core/protection.h) */
	__u8 traffic_class; /* or type of service */
	__u8 special; /* 1: by its first byte, an address may mean something else on every link, or a group */
};

#define KS_WSCALE_MAX 14 /* RFC 7323 2.3 */

/* Protocols whose headers begin with a source and a destination port. */
static inline bool ks_proto_has_ports(__u32 proto)
{
	return proto == KS_PROTO_TCP || proto == KS_PROTO_UDP || proto == KS_PROTO_SCTP || proto == KS_PROTO_DCCP ||
	       proto == KS_PROTO_UDPLITE;
}

static inline bool ks_proto_is_icmp(__u32 proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/*
 * Parses the frame whose first pkt->head_len bytes are at `head`;
 * pkt->wire_len, head_len, link and KS_PKT_SNAPPED are set by the caller.
 * `options`: those of the policy that matter here, KS_OPT_NO_IP_CHECKSUM and
 * KS_OPT_SOURCE_ROUTES. Returns KS_REASON_OK_NEW when it
 * may be inspected further, else the reason of the drop, or KS_REASON_OK_NOT_IP.
 */
__u32 ks_packet_parse(const __u8 *head, struct ks_packet *pkt, __u32 options);

#endif
