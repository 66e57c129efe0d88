// SPDX-License-Identifier: BSD-2-Clause
/* GRE headers and the ports that stand for their keys; see gre.h. */
#include "core/header/gre.h"

#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define GRE_HEADER_LEN 4U
#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING 0x4000 /* RFC 1701, gone since RFC 2784 */
#define GRE_KEY 0x2000
#define GRE_SEQ 0x1000
#define GRE_STRICT 0x0800 /* RFC 1701 */
#define GRE_RECURSION 0x0700
#define GRE_ACK 0x0080 /* version 1 */
#define GRE_VERSION 0x0007
#define GRE_PPTP_ZERO (GRE_CHECKSUM | GRE_ROUTING | GRE_STRICT | GRE_RECURSION | 0x0078)
#define GRE_TYPE_OFF 2U
#define GRE_TYPE_PPP 0x880b
#define GRE_CHECKSUM_LEN 4U
#define GRE_KEY_LEN 4U
#define GRE_SEQ_LEN 4U
#define GRE_ACK_LEN 4U

/* Where the key of version 0 is, behind the checksum if there is one. */
static inline __u32 key_off(__u32 flags)
{
	return GRE_HEADER_LEN + (flags & GRE_CHECKSUM ? GRE_CHECKSUM_LEN : 0);
}

static inline __u32 header_len(__u32 flags)
{
	if ((flags & GRE_VERSION) == 1)
		return GRE_HEADER_LEN + GRE_KEY_LEN + (flags & GRE_SEQ ? GRE_SEQ_LEN : 0) +
		       (flags & GRE_ACK ? GRE_ACK_LEN : 0);
	return key_off(flags) + (flags & GRE_KEY ? GRE_KEY_LEN : 0) + (flags & GRE_SEQ ? GRE_SEQ_LEN : 0);
}

/* Bits that must be there or must not (RFC 2784 2.2, 2.3; RFC 2637 4.1). */
static inline bool flags_ok(__u32 flags, __u32 type)
{
	if ((flags & GRE_VERSION) == 1)
		return flags & GRE_KEY && !(flags & GRE_PPTP_ZERO) && type == GRE_TYPE_PPP;
	return (flags & GRE_VERSION) == 0 && !(flags & (GRE_ROUTING | GRE_STRICT | GRE_RECURSION));
}

/* Never 0, which stands for a tunnel without a key. */
static inline __be16 key_port(const __u8 *key)
{
	__be16 folded = ks_load16(key) ^ ks_load16(key + sizeof(folded));

	return folded ? folded : (__be16)~0U;
}

/* `gre` has a whole header with these flags. */
static inline void ports_read(const __u8 *gre, __u32 flags, struct ks_tuple *tuple)
{
	tuple->sport = 0;
	tuple->dport = 0;
	if ((flags & GRE_VERSION) == 1) {
		tuple->dport = ks_gre_call_port(ks_load16(gre + GRE_CALL_OFF));
	} else if (flags & GRE_KEY) {
		tuple->sport = key_port(gre + key_off(flags));
		tuple->dport = tuple->sport;
	}
}

__u32 ks_gre_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *gre = ks_head_at(head, pkt->l4_off);
	__u32 flags, header, reason;

	if (l4_len < GRE_HEADER_LEN)
		return ks_packet_short(pkt, KS_REASON_GRE_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, GRE_HEADER_LEN);
	if (reason)
		return reason;
	flags = ks_be16(ks_load16(gre));
	if (!flags_ok(flags, ks_be16(ks_load16(gre + GRE_TYPE_OFF))))
		return KS_REASON_GRE_HEADER;
	header = header_len(flags);
	if (l4_len < header)
		return ks_packet_short(pkt, KS_REASON_GRE_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, header);
	if (reason)
		return reason;
	ports_read(gre, flags, &pkt->tuple);
	pkt->payload_off = (__u16)(pkt->l4_off + header);
	pkt->payload_len = l4_len - header;
	return 0;
}

bool ks_gre_quoted(const __u8 *head, __u32 off, __u32 len, struct ks_tuple *tuple)
{
	const __u8 *gre = ks_head_at(head, off);
	__u32 flags = ks_be16(ks_load16(gre));

	if ((flags & GRE_VERSION) == 0 && flags & GRE_KEY && len < key_off(flags) + GRE_KEY_LEN)
		return false;
	ports_read(gre, flags, tuple);
	return true;
}
