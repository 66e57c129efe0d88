// SPDX-License-Identifier: BSD-2-Clause
/*
 * The DCCP generic header (RFC 4340 5.1), the part that its type adds (5.2 to
 * 5.7) as far as it is an acknowledgement, and the checksum's coverage (9.2).
 */
#include "core/header/dccp.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define DCCP_SHORT_LEN 12U /* the generic header with numbers of 24 bits */
#define DCCP_LONG_LEN 16U
#define DCCP_OFFSET_OFF 4U
#define DCCP_OFFSET_UNIT 4U
#define DCCP_TYPE_OFF 8U
#define DCCP_TYPE_SHIFT 1
#define DCCP_X_BIT 0x01
#define DCCP_SEQ_HIGH_OFF 10U /* 48 bits: 16 here, 32 behind; of the short form 24 bits from one byte earlier */
#define DCCP_SEQ_LOW_OFF 12U
#define DCCP_SHORT_SEQ_OFF 8U
#define DCCP_ACK_HIGH_OFF 18U /* in the long form */
#define DCCP_ACK_LOW_OFF 20U
#define DCCP_SHORT_ACK_OFF 12U
#define DCCP_SHORT_MASK 0x00ffffffU

/* Bytes of the header of a type in the long form, at the least. */
static const __u8 header_min[16] = {
	[KS_DCCP_REQUEST] = 20, [KS_DCCP_RESPONSE] = 28, [KS_DCCP_DATA] = 16,  [KS_DCCP_ACK] = 24,
	[KS_DCCP_DATAACK] = 24, [KS_DCCP_CLOSEREQ] = 24, [KS_DCCP_CLOSE] = 24, [KS_DCCP_RESET] = 28,
	[KS_DCCP_SYNC] = 24,	[KS_DCCP_SYNCACK] = 24,
};

static inline bool may_be_short(__u32 type)
{
	return type == KS_DCCP_DATA || type == KS_DCCP_ACK || type == KS_DCCP_DATAACK;
}

static inline bool has_ack(__u32 type)
{
	return type != KS_DCCP_REQUEST && type != KS_DCCP_DATA;
}

/* The numbers of a packet whose header is all there. */
static inline void numbers_read(const __u8 *dccp, struct ks_packet *pkt, __u32 type, bool is_long)
{
	if (is_long) {
		pkt->dccp.seq_high = ks_be16(ks_load16(dccp + DCCP_SEQ_HIGH_OFF));
		pkt->dccp.seq = ks_be32(ks_load32(dccp + DCCP_SEQ_LOW_OFF));
	} else {
		pkt->dccp.seq = ks_be32(ks_load32(dccp + DCCP_SHORT_SEQ_OFF)) & DCCP_SHORT_MASK;
	}
	if (!has_ack(type))
		return;
	if (is_long) {
		pkt->dccp.ack_high = ks_be16(ks_load16(dccp + DCCP_ACK_HIGH_OFF));
		pkt->dccp.ack = ks_be32(ks_load32(dccp + DCCP_ACK_LOW_OFF));
	} else {
		pkt->dccp.ack = ks_be32(ks_load32(dccp + DCCP_SHORT_ACK_OFF)) & DCCP_SHORT_MASK;
	}
}

__u32 ks_dccp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *dccp = ks_head_at(head, pkt->l4_off);
	__u32 type, header, least, covered, reason;
	bool is_long;

	if (l4_len < DCCP_SHORT_LEN)
		return ks_packet_short(pkt, KS_REASON_DCCP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, DCCP_SHORT_LEN);
	if (reason)
		return reason;
	type = dccp[DCCP_TYPE_OFF] >> DCCP_TYPE_SHIFT & KS_DCCP_TYPE_MASK;
	is_long = dccp[DCCP_TYPE_OFF] & DCCP_X_BIT;
	if (type >= KS_DCCP_TYPES || (!is_long && !may_be_short(type)))
		return KS_REASON_DCCP_HEADER;
	header = dccp[DCCP_OFFSET_OFF] * DCCP_OFFSET_UNIT;
	least = header_min[type & KS_DCCP_TYPE_MASK];
	if (!is_long)
		least = type == KS_DCCP_DATA ? DCCP_SHORT_LEN : DCCP_LONG_LEN;
	if (header < least)
		return KS_REASON_DCCP_HEADER;
	if (header > l4_len)
		return ks_packet_short(pkt, KS_REASON_DCCP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, least);
	if (reason)
		return reason;
	ks_ports_read(dccp, &pkt->tuple);
	pkt->dccp_type = (__u8)(type | (is_long ? 0 : KS_DCCP_SHORT));
	pkt->payload_off = (__u16)(pkt->l4_off + header);
	pkt->payload_len = l4_len - header;
	numbers_read(dccp, pkt, type, is_long);
	/* 0 covers all; n covers the header and n - 1 words behind it, which must be there (9.2). */
	covered = dccp[DCCP_COVERAGE_OFF] & DCCP_COVERAGE_MASK;
	if (covered > 1)
		ks_fragment_expect(pkt, header + (covered - 2) * DCCP_COVERAGE_UNIT + 1);
	if (covered > 1 && (covered - 1) * DCCP_COVERAGE_UNIT > ((pkt->payload_len + 3) & ~3U) &&
	    !(pkt->flags & KS_PKT_FRAGMENT))
		return KS_REASON_DCCP_HEADER;
	return 0;
}
