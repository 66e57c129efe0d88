// SPDX-License-Identifier: BSD-2-Clause
/* ESP and AH headers; see ipsec.h. */
#include "core/header/ipsec.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define ESP_HEADER_LEN 8U /* SPI and sequence number */
#define AH_HEADER_LEN 12U
#define AH_LENGTH_OFF 1U /* in words of 4 bytes, minus 2 */
#define AH_LENGTH_UNIT 4U
#define AH_SPI_OFF 4U

__u32 ks_ipsec_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *at = ks_head_at(head, pkt->l4_off);
	bool is_ah = pkt->tuple.proto == KS_PROTO_AH;
	__u32 header = is_ah ? AH_HEADER_LEN : ESP_HEADER_LEN, reason;

	if (l4_len < header)
		return ks_packet_short(pkt, KS_REASON_IPSEC_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, header);
	if (reason)
		return reason;
	if (is_ah) {
		header = (at[AH_LENGTH_OFF] + 2U) * AH_LENGTH_UNIT;
		if (header < AH_HEADER_LEN)
			return KS_REASON_IPSEC_HEADER;
		if (header > l4_len)
			return ks_packet_short(pkt, KS_REASON_IPSEC_HEADER);
	}
	/* 0 is for use inside a host and never on the wire (RFC 4303 2.1, RFC 4302 2.4). */
	if (ks_load32(at + (is_ah ? AH_SPI_OFF : 0)) == 0)
		return KS_REASON_IPSEC_HEADER;
	pkt->payload_off = (__u16)(pkt->l4_off + header);
	pkt->payload_len = l4_len - header;
	return 0;
}
