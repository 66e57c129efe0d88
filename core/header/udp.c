// SPDX-License-Identifier: BSD-2-Clause
/* UDP and UDP-Lite headers; see udp.h. */
#include "core/header/udp.h"

#include "core/header/wire.h"
#include "core/home.h"
#include "core/verdict.h"

ks_inlined __u32 ks_udp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *udp = ks_head_at(head, pkt->l4_off);
	__u32 len, reason;

	if (l4_len < UDP_HEADER_LEN)
		return ks_packet_short(pkt, KS_REASON_UDP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, UDP_HEADER_LEN);
	if (reason)
		return reason;
	len = ks_be16(ks_load16(udp + UDP_LENGTH_OFF));
	if (len == 0 && l4_len > IP_LENGTH_MAX)
		len = l4_len;
	ks_fragment_expect(pkt, len);
	if (len > l4_len && pkt->flags & KS_PKT_FRAGMENT)
		len = l4_len;
	if (len < UDP_HEADER_LEN || len > l4_len)
		return KS_REASON_UDP_HEADER;
	ks_ports_read(udp, &pkt->tuple);
	if (pkt->tuple.dport == 0)
		return KS_REASON_UDP_PORT;
	pkt->payload_off = pkt->l4_off + UDP_HEADER_LEN;
	pkt->payload_len = len - UDP_HEADER_LEN;
	return 0;
}

/* UDP-Lite has the checksum coverage where UDP has its length: 0 is all, else at least the header (RFC 3828 3.1). */
__u32 ks_udplite_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *udp = ks_head_at(head, pkt->l4_off);
	__u32 covered, reason;

	if (l4_len < UDP_HEADER_LEN)
		return ks_packet_short(pkt, KS_REASON_UDP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, UDP_HEADER_LEN);
	if (reason)
		return reason;
	covered = ks_be16(ks_load16(udp + UDPLITE_COVERAGE_OFF));
	if (covered != 0 && covered < UDP_HEADER_LEN)
		return KS_REASON_UDPLITE_COVERAGE;
	ks_fragment_expect(pkt, covered);
	if (covered > l4_len && !(pkt->flags & KS_PKT_FRAGMENT))
		return KS_REASON_UDPLITE_COVERAGE;
	if (ks_load16(udp + UDP_CHECKSUM_OFF) == 0)
		return KS_REASON_UDPLITE_CHECKSUM;
	ks_ports_read(udp, &pkt->tuple);
	if (pkt->tuple.dport == 0)
		return KS_REASON_UDP_PORT;
	pkt->payload_off = pkt->l4_off + UDP_HEADER_LEN;
	pkt->payload_len = l4_len - UDP_HEADER_LEN;
	return 0;
}
