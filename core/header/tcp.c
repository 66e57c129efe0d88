// SPDX-License-Identifier: BSD-2-Clause
/*
 * The TCP header: lengths, flags that some stack may send, and the options
 * that tracking needs: window scale and SACK permission on a SYN (RFC 7323,
 * RFC 2018), SACK blocks elsewhere.
 */
#include "core/header/tcp.h"

#include "core/verdict.h"
#include "core/header/wire.h"

#define TCP_FLAGS_JUDGED (KS_TCP_FIN | KS_TCP_SYN | KS_TCP_RST | KS_TCP_ACK | KS_TCP_URG)

/* Sets of flags that a stack sends; PSH and the ECN bits go with any. */
static inline bool flags_are_sane(__u8 flags)
{
	switch (flags & TCP_FLAGS_JUDGED) {
	case KS_TCP_SYN:
	case KS_TCP_SYN | KS_TCP_URG:
	case KS_TCP_SYN | KS_TCP_ACK:
	case KS_TCP_RST:
	case KS_TCP_RST | KS_TCP_ACK:
	case KS_TCP_FIN | KS_TCP_ACK:
	case KS_TCP_FIN | KS_TCP_ACK | KS_TCP_URG:
	case KS_TCP_ACK:
	case KS_TCP_ACK | KS_TCP_URG:
		return true;
	default:
		return false;
	}
}

/* The options of most segments: only a timestamp, which tracking does not need. One word tells. */
static inline bool is_timestamp_only(const __u8 *tcp, __u32 header)
{
	return header == TCP_HEADER_LEN + TCP_OPT_TIMESTAMP_ONLY_LEN &&
	       ks_be32(ks_load32(tcp + TCP_HEADER_LEN)) == TCP_OPT_TIMESTAMP_ONLY;
}

/* The highest right edge of a SACK option's blocks, if above the acknowledgement and within any window. */
static inline void sack_blocks(const __u8 *opt, __u32 len, struct ks_packet *pkt)
{
	for (__u32 n = 0; n < TCP_OPT_SACK_BLOCKS_MAX; n++) {
		__u32 off = 2 + n * TCP_OPT_SACK_BLOCK, right;

		if (off + TCP_OPT_SACK_BLOCK > len)
			return;
		right = ks_be32(ks_load32(opt + off + sizeof(right)));
		if (right - pkt->ack <= TCP_WINDOW_MAX && ks_seq_after(right, pkt->sack))
			pkt->sack = right;
	}
}

/* A walk over the options. */
struct tcp_option_ctx {
	const __u8 *head;
	struct ks_packet *pkt;
	__u32 off, end;
	bool malformed;
};

static inline void option_learn(const __u8 *opt, __u32 len, struct ks_packet *pkt)
{
	bool syn = pkt->tcp_flags & KS_TCP_SYN;

	if (syn && opt[0] == TCP_OPT_WSCALE && len == TCP_OPT_WSCALE_LEN) {
		pkt->wscale = KS_MIN(opt[2], KS_WSCALE_MAX);
		pkt->tcp_opts |= KS_TCP_WSCALE;
	} else if (syn && opt[0] == TCP_OPT_SACK_PERM && len == TCP_OPT_SACK_PERM_LEN) {
		pkt->tcp_opts |= KS_TCP_SACK_PERM;
	} else if (!syn && opt[0] == TCP_OPT_SACK) {
		sack_blocks(opt, len, pkt);
	}
}

/* One option; returns nonzero at the end of all. */
static long tcp_option_step(__u32 n, void *arg)
{
	struct tcp_option_ctx *w = arg;
	const __u8 *opt = ks_head_at(w->head, w->off);
	__u32 len = 1;

	if (w->off >= w->end || opt[0] == TCP_OPT_END)
		return 1;
	if (opt[0] != TCP_OPT_NOP) {
		len = w->off + 2 <= w->end ? opt[1] : 0;
		if (len < 2 || w->off + len > w->end) {
			w->malformed = true;
			return 1;
		}
		option_learn(opt, len, w->pkt);
	}
	w->off += len;
	return 0;
}

/*
 * The options from `off` to `end`. On a SYN all must be well formed, since
 * the connection is built on them; elsewhere a malformed rest is the
 * receiver's business.
 */
static __u32 parse_options(const __u8 *head, struct ks_packet *pkt, __u32 off, __u32 end)
{
	struct tcp_option_ctx ctx = { .head = head, .pkt = pkt, .off = off, .end = end };

	ks_loop(TCP_OPTIONS_MAX, tcp_option_step, &ctx);
	return ctx.malformed && pkt->tcp_flags & KS_TCP_SYN ? KS_REASON_TCP_OPTIONS : 0;
}

ks_frequent __u32 ks_tcp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *tcp = ks_head_at(head, pkt->l4_off);
	__u32 header, reason;

	if (l4_len < TCP_HEADER_LEN)
		return ks_packet_short(pkt, KS_REASON_TCP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, TCP_HEADER_LEN);
	if (reason)
		return reason;
	header = (tcp[TCP_DATA_OFFSET_OFF] >> TCP_DATA_OFFSET_SHIFT) * TCP_DATA_OFFSET_UNIT;
	if (header < TCP_HEADER_LEN)
		return KS_REASON_TCP_HEADER;
	if (header > l4_len)
		return ks_packet_short(pkt, KS_REASON_TCP_HEADER);
	ks_ports_read(tcp, &pkt->tuple);
	pkt->seq = ks_be32(ks_load32(tcp + TCP_SEQ_OFF));
	pkt->ack = ks_be32(ks_load32(tcp + TCP_ACK_OFF));
	pkt->window = ks_be16(ks_load16(tcp + TCP_WINDOW_OFF));
	pkt->tcp_flags = tcp[TCP_FLAGS_OFF];
	pkt->payload_off = (__u16)(pkt->l4_off + header);
	pkt->payload_len = l4_len - header;
	if (!flags_are_sane(pkt->tcp_flags))
		return KS_REASON_TCP_FLAGS;
	if (pkt->tuple.sport == 0 || pkt->tuple.dport == 0)
		return KS_REASON_TCP_PORT;
	pkt->sack = pkt->ack;
	if (header == TCP_HEADER_LEN)
		return 0;
	reason = ks_head_need(pkt, pkt->l4_off, header);
	if (reason)
		return reason;
	if (is_timestamp_only(tcp, header))
		return 0;
	return parse_options(head, pkt, pkt->l4_off + TCP_HEADER_LEN, pkt->payload_off);
}
