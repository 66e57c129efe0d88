/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of a packet, as tc gives it: its first bytes, copied to where the inspection reads them, and its lengths. */
#ifndef KS_BPF_HEAD_BPF_H
#define KS_BPF_HEAD_BPF_H

#include "bpf/env.bpf.h"

#include "core/header/wire.h"

/* How many packets of the wire it is, 0: itself. A virtual machine only says how long they are. */
static ks_inline __u16 segments_of(const struct __sk_buff *skb)
{
	__u32 size = skb->gso_size;

	if (skb->gso_segs || !size)
		return (__u16)skb->gso_segs;
	return (__u16)KS_MIN(skb->len / size + 1, 0xffffU);
}

/*
 * The words of a frame that is hardly longer than its headers, as most are: those of Ethernet, IPv4 and TCP without options. The second
 * lies two bytes before the end of the first, so that no address or port is in two: a CPU that reads what it has just written in two
 * pieces waits.
 */
#define NEAR_BEGIN (ETH_HEADER_LEN - sizeof(__u64))
#define NEAR_WORDS 6U
#define NEAR_END (NEAR_BEGIN + NEAR_WORDS * sizeof(__u64))
#define NEAR_MAX (NEAR_END + 2 * sizeof(__u64))
#define NEAR_MASK 127U

static ks_inline void word_copy(__u8 *head, const __u8 *data, __u32 off)
{
	*(__u64 *)(head + off) = ks_load64(data + off);
}

/* Copies such a frame from where it lies, which costs much less than to have it copied. Returns false if it is none, or lies in pieces. */
static ks_inline bool head_copy(const struct __sk_buff *skb, __u8 *head, __u32 len)
{
	const __u8 *data = (const __u8 *)(long)skb->data, *end = (const __u8 *)(long)skb->data_end, *last;
	__u32 tail = len - sizeof(__u64);

	if (len < NEAR_END || len > NEAR_MAX || data + NEAR_END > end)
		return false;
	word_copy(head, data, 0);
	for (__u32 i = 0; i < NEAR_WORDS; i++)
		word_copy(head, data, NEAR_BEGIN + i * sizeof(__u64));
	if (tail > NEAR_END) {
		if (data + NEAR_END + sizeof(__u64) > end)
			return false;
		word_copy(head, data, NEAR_END);
	}
	ks_hide_bound(tail); /* (V4) */
	tail &= NEAR_MASK;
	last = data + tail;
	ks_hide_bound(last);
	if (last + sizeof(__u64) > end)
		return false;
	*(__u64 *)(head + tail) = ks_load64(last);
	return true;
}

static ks_inline bool head_load(struct __sk_buff *skb, struct ks_scratch *scratch)
{
	__u32 len = skb->len;

	scratch->insp.pkt.wire_len = len;
	scratch->relay.length = len;
	scratch->insp.home.segments = segments_of(skb);
	if (len > KS_HEAD_MAX)
		len = KS_HEAD_MAX;
	scratch->insp.pkt.head_len = len;
	if (ks_likely(head_copy(skb, scratch->head, len)))
		return true;
	if (len == 0)
		return false;
	return bpf_skb_load_bytes(skb, 0, scratch->head, length_bound(len)) == 0;
}

#endif
