/* SPDX-License-Identifier: BSD-2-Clause */
/* Upper checksums of packets so short that they lie in the head: summed there, by words, where every packet is. */
#ifndef KS_BPF_CHECKSUM_BPF_H
#define KS_BPF_CHECKSUM_BPF_H

#include "core/header/checksum.h"
#include "core/header/packet.h"
#include "core/header/wire.h"
#include "core/home.h"

#define SUM_WORD 8U
#define SUM_WORD_REST (SUM_WORD - 1)
#define SUM_SHORT_MAX (KS_HEAD_SLACK - 1) /* so many bytes, and the rest of a word, lie behind any offset (V3) */
#define SUM_WORDS_MAX (SUM_SHORT_MAX / SUM_WORD)
#define SUM_TAIL_MASK (KS_HEAD_SLACK - SUM_WORD) /* of the offset of the last word */

/* Returns true if all that a checksum covers lies in the head, and is short. */
static ks_inline bool sum_is_short(const struct ks_packet *pkt, __u32 covered)
{
	return covered <= SUM_SHORT_MAX && pkt->l4_off + covered <= pkt->head_len;
}

/* The sum, by words of 32 bits, of such bytes from the upper header on. */
static ks_inline __u64 sum_short(const __u8 *head, const struct ks_packet *pkt, __u32 covered)
{
	const __u8 *l4 = ks_head_at(head, pkt->l4_off);
	__u32 tail = covered & SUM_TAIL_MASK; /* before the loop, in which the verifier learns how long it is (V15) */
	__u64 rest = (1ULL << (covered & SUM_WORD_REST) * 8) - 1, sum;

	ks_hide_bound(tail);
	tail &= SUM_TAIL_MASK;
	sum = ks_checksum_halves(ks_load64(l4 + tail) & rest);
	for (__u32 i = 0; i < SUM_WORDS_MAX; i++) {
		if ((i + 1) * SUM_WORD > covered)
			break;
		sum += ks_checksum_halves(ks_load64(l4 + i * SUM_WORD));
	}
	return sum;
}

/* The same of the pseudo header of UDP. */
static ks_inline __u64 sum_pseudo_udp(const struct ks_tuple *tuple, __u32 covered)
{
	return ks_checksum_halves(tuple->src.d[0]) + ks_checksum_halves(tuple->src.d[1]) +
	       ks_checksum_halves(tuple->dst.d[0]) + ks_checksum_halves(tuple->dst.d[1]) + ks_be16(KS_PROTO_UDP) +
	       ks_be16((__u16)covered);
}

#endif
