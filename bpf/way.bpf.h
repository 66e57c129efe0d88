/* SPDX-License-Identifier: BSD-2-Clause */
/* Remembered ways past the kernel's forwarding, for the short way and for express; see way.bpf.c. */
#ifndef KS_BPF_WAY_BPF_H
#define KS_BPF_WAY_BPF_H

#include "bpf/env.bpf.h"

#include "core/header/wire.h"

#define ETH_ADDRESSES_LEN 12U
#define ETH_FRAME_MIN 60U /* without its checksum */
#define WAY_STORED        \
	(ETH_HEADER_LEN + \
	 IPV4_SRC_OFF) /* bytes of a frame among which are those that change on its way; less of IPv6 */
#define IPV4_TTL_UNIT 0x0100 /* in the word of TTL and protocol */

/* Everything that a route lookup depends on, if no rules ask for ports and no route has several next hops: then there is no short way. */
struct way_key {
	struct ks_addr src, dst;
	__u32 ifindex; /* that it came by */
	__u32 generation; /* ks_control.routes */
	__u32 mark;
	__u16 class; /* type of service, or traffic class */
	__u16 family;
};

struct way {
	struct way_key key;
	__u64 until; /* ns */
	__u32 ifindex; /* that it leaves by; 0: the long way */
	__u16 mtu;
	__u8 zone;
	__u8 zero;
	__u8 ethernet[ETH_ADDRESSES_LEN]; /* of the neighbour, and of the interface */
	__u8 express; /* KS_EXPRESS_* of the interface that it leaves by */
	__u8 owed; /* 1: express has asked anew, and a packet is still to go the long way */
	__u8 zero2[2];
};

_Static_assert(sizeof(struct way_key) == 48, "a key has no padding");
_Static_assert(sizeof(struct way) == 80, "nor has a way");

/* Returns true as long as the daemon says that nobody else must see forwarded packets. */
static ks_inline bool way_is_safe(const struct ks_control *control, __u64 now)
{
	return now < ks_load_relaxed(&control->short_until);
}

/* Returns true if nothing but a TTL and link addresses would change on the packet's way, besides its translation. */
bool way_is_plain(const struct ks_inspection *insp);

/*
 * The way that the packet in hand leaves by, with the address and the zone that its flow says; NULL: the long way. `mark` is its
 * own. insp->sent must be known.
 */
const struct way *way_find(struct ks_env *env, const struct ks_control *control, __u32 mark);

/* TTL and checksum change by the same amount, so that a card's sum of the whole packet stays right (RFC 1141). */
static ks_inline void way_ttl_spend(__u8 *header)
{
	__u32 sum = ks_be16(ks_load16(header + IPV4_CHECKSUM_OFF)) + IPV4_TTL_UNIT;

	header[IPV4_TTL_OFF]--;
	ks_store16(header + IPV4_CHECKSUM_OFF, ks_be16((__u16)(sum + (sum >= 0xffff))));
}

/* The end of its way here: addresses of the next link, and a TTL that is one less. WAY_STORED bytes are at `frame`. */
static ks_inline void way_take(__u8 *frame, const __u8 *ethernet, bool is_ipv4)
{
	__u8 *header = frame + ETH_HEADER_LEN;

	for (__u32 i = 0; i < ETH_ADDRESSES_LEN; i += sizeof(__u32))
		ks_store32(frame + i, ks_load32(ethernet + i));
	if (is_ipv4)
		way_ttl_spend(header);
	else
		header[IPV6_HOP_LIMIT_OFF]--;
}

/* The zone that a passed packet will leave by, as far as the inspection knows it. */
static inline __u32 zone_expected(const struct ks_inspection *insp)
{
	if (insp->flow.found && !insp->opening.replaces)
		return insp->flow.before.zone[!(insp->dir & 1)];
	return insp->to;
}

#endif
