/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flow: one entry for both directions of a conversation, under one
 * normalised key. 40 bytes of key and 88 of state are two cache lines; the
 * sizes are asserted because every home's memory is laid out by them.
 *
 * A flow is never changed in place: a packet is judged on a copy, which is
 * committed (core/table/table.h) if the packet is valid. `version` is odd while a CPU
 * writes the entry, and changes with every commit.
 */
#ifndef KS_CORE_TABLE_FLOW_H
#define KS_CORE_TABLE_FLOW_H

#include "core/address.h"
#include "core/protocol.h"
#include "core/state.h"
#include "core/types.h"

/* A tuple with the lower (address, port) first, so that both directions meet. */
struct ks_flow_key {
	struct ks_addr addr[2];
	union {
		struct {
			__be16 port[2];
			__u8 proto;
			__u8 family : 4;
			__u8 kind : 4; /* enum ks_kind: what the entry under this key is */
			__u16 link; /* the zones of its link (core/link.h), 0 unless an address means something else on every link */
		};
		__u64 tail; /* all of these as one word, to compare and hash */
	};
};

_Static_assert(sizeof(struct ks_flow_key) == 40, "a key has no padding");

/* A key that names a source alone: an IPv4 address, or an IPv6 network of 64 bits, within which a host has any address. */
static inline struct ks_flow_key ks_source_key(const struct ks_tuple *tuple)
{
	struct ks_flow_key key = { .addr = { tuple->src }, .family = tuple->family & KS_FAMILY_MASK };

	if (tuple->family == KS_IPV6)
		key.addr[0].d[1] = 0;
	return key;
}

/* ks_flow.flags */
#define KS_FLOW_ORIG_IS_HIGH 0x01 /* the originator is the key's second address */
#define KS_FLOW_REPLIED 0x02 /* a valid packet of the other side was seen */
#define KS_FLOW_ASSURED \
	0x04 /* established, or proven by packets of both sides some time apart (ks_flow_is_unproven()) */
#define KS_FLOW_PICKUP 0x08 /* taken up mid-stream: windows were learnt, not negotiated */
#define KS_FLOW_LOG 0x10 /* its rule asked for a log */
#define KS_FLOW_MAPPED 0x40 /* its source is that of an endpoint-independent mapping */
#define KS_FLOW_MASQUERADED 0x80 /* its source is the address of the interface that it left by */
#define KS_FLOW_SYN_SEEN \
	0x20 /* TCP: the originator sent a SYN inside; ack[KS_ORIGINAL] is what an answer to it acknowledges */

/* ks_flow.tcp_flags[dir], beside KS_TCP_SACK_PERM and KS_TCP_WSCALE (header/packet.h) */
#define KS_TCP_FIN_SEEN 0x04 /* sent a FIN */
#define KS_TCP_SYN_UNACKED 0x08 /* simultaneous open: its SYN is not acknowledged yet */
#define KS_TCP_LIBERAL 0x10 /* window unknown: not checked (pickup) */
#define KS_TCP_FIN_ACKED 0x20 /* its FIN was acknowledged */
#define KS_TCP_CROSSED 0x40 /* of the responder: its SYN crossed the originator's (RFC 9293 3.5) */

/* ks_flow.scale[dir]: the shift, and above it doubts about `end` (core/track/tcp_closing.h) */
#define KS_TCP_SCALE_MASK 0x0f
#define KS_TCP_GAP 0x10 /* this side's latest octets came behind a gap: nothing proves yet that they are its own */
#define KS_TCP_FIN_CLAIMED 0x20 /* the last of them is a FIN */

#define KS_DNS_PENDING 8 /* queries under way on one flow whose identifiers are remembered */

#define KS_TCP_LOST 0x80 /* the name by which the other side knew this one is gone: whatever it sends is reset */

/* ks_flow.limits: its rule has limits (core/limit.h), or effects on its flows (core/effect.h) */
#define KS_FLOW_LIMIT_COUNTED \
	0x1 /* it is among the connections that its rule counts: whoever ends it gives that back */
#define KS_FLOW_LIMIT_PENDING 0x2 /* it will be counted when its originator has proved to be there */
#define KS_FLOW_LIMIT_PACED 0x4 /* its packets or octets are limited */
#define KS_FLOW_RULED 0x8 /* its rule has effects on it */
#define KS_FLOW_LIMIT_MASK 0xfU

#define KS_FLOW_CLASS_MASK 0xfU /* ks_flow.class */

struct ks_flow {
	__u32 version;
	__u8 state; /* enum ks_state */
	__u8 flags;
	__u8 zone[2]; /* that the packets of each direction come from */
	__u32 seen; /* time of the last valid packet, ms on the home's clock, modulo 2^32 */
	__u32 timeout; /* the flow is dead at seen + timeout, ms */
	__u32 created; /* s on the home's clock */
	__u16 rule; /* id of the rule that allowed it */
	union {
		struct {
			__u8 helper; /* enum ks_helper_id, see core/helper/helper.h */
			union {
				struct {
					__u8 class : 4; /* enum ks_udp_class */
					__u8 limits : 4; /* KS_FLOW_LIMIT_* */
				};
				__u8 class_limits;
			};
		};
		__u16 aside; /* both bytes, to be asked at once: see ks_flow_is_aside() */
	};
	/* Address translation: slot ids of its aliases (core/table/record.h) on the originator's and the responder's side, 0: none. */
	__u32 alias[2];
	__u64 volume[2]; /* see ks_flow_count() */
	__u32 packets_low[2];
	union {
		struct { /* TCP */
			__u32 end[2]; /* highest sequence number + 1 sent by this side */
			__u32 max_end[2]; /* highest it may send: the peer's ack + window */
			__u32 ack[2]; /* highest acknowledgement sent by this side */
			__u16 max_win[2]; /* largest window this side has offered, in units of 1 << scale */
			__u8 scale[2]; /* window scale in effect for this side, and doubts about its end */
			__u8 tcp_flags[2];
		};
		struct { /* see core/track/sctp.c */
			__u32 tag[2]; /* in the packets of a direction; 0: not agreed yet */
			__u32 offer[2]; /* the last one that a side asked for, until it is in use */
		} sctp;
		struct { /* see core/track/dccp.c */
			__u64 last[2]; /* highest sequence number sent by a side */
			__u64 first[2]; /* its first one */
		} dccp;
		struct { /* UDP that carries DNS: see core/track/udp_class.c */
			__u32 queries, answers; /* as many as count */
			__u16 id[KS_DNS_PENDING]; /* of queries that wait for their answer ... */
			__u8 pending; /* ... a bit for each that does */
			__u8 zero[7]; /* where `outer` begins */
		} dns;
		struct { /* UDP of IPv4, whatever it carries: see ks_flow_has_outer() */
			__u32 dns_own[6];
			__u16 dns_pending;
			__be16 port;
			__be32 addr; /* 0: not noted */
		} outer;
		__u32 own[8]; /* the union as words */
	};
};

_Static_assert(__builtin_offsetof(struct ks_flow, flags) == __builtin_offsetof(struct ks_flow, state) + 1,
	       "state and flags are compared as one word");
_Static_assert(__builtin_offsetof(struct ks_flow, state) == 4 && __builtin_offsetof(struct ks_flow, seen) == 8,
	       "state, flags and zones are what one word has beside the version");
_Static_assert(sizeof(struct ks_flow) == 88, "a flow and its key are two cache lines");
_Static_assert(__builtin_offsetof(struct ks_flow, outer.port) > __builtin_offsetof(struct ks_flow, dns.pending),
	       "a flow has both");
_Static_assert(__builtin_offsetof(struct ks_flow, outer.port) / sizeof(__u64) ==
		       __builtin_offsetof(struct ks_flow, outer.addr) / sizeof(__u64),
	       "they are written as one word, so that nobody reads the port of another address");
_Static_assert(KS_UDP_CLASSES <= 16, "a class is four bits");

/*
 * Returns true for a flow whose packets do not go the short way: one with a helper, or whose packets a limit may refuse. One
 * comparison, because every packet of a known flow pays for it.
 */
static inline bool ks_flow_is_aside(const struct ks_flow *flow)
{
	const struct ks_flow which = {
		.helper = 0xff,
		.limits = KS_FLOW_LIMIT_PENDING | KS_FLOW_LIMIT_PACED,
	};

	return flow->aside & which.aside;
}

/*
 * Counts of what a side has sent: 40 bits of packets and 56 of bytes (network layer and above). The upper 8 bits of the
 * packets lie above the bytes.
 */
#define KS_FLOW_BYTE_BITS 56
#define KS_FLOW_BYTE_MASK ((1ULL << KS_FLOW_BYTE_BITS) - 1)
#define KS_FLOW_PACKETS_LOW_BITS 32

static inline void ks_flow_count(struct ks_flow *flow, __u32 dir, __u32 bytes)
{
	flow->volume[dir & 1] += bytes;
	if (ks_unlikely(++flow->packets_low[dir & 1] == 0))
		flow->volume[dir & 1] += 1ULL << KS_FLOW_BYTE_BITS;
}

static inline __u64 ks_flow_bytes(const struct ks_flow *flow, __u32 dir)
{
	return flow->volume[dir & 1] & KS_FLOW_BYTE_MASK;
}

static inline __u64 ks_flow_packets(const struct ks_flow *flow, __u32 dir)
{
	return flow->volume[dir & 1] >> KS_FLOW_BYTE_BITS << KS_FLOW_PACKETS_LOW_BITS | flow->packets_low[dir & 1];
}

/* Returns true for an entry of the table that is a flow, and so shown to users. */
static inline bool ks_flow_is_shown(const struct ks_flow_key *key, const struct ks_flow *flow)
{
	return key->kind == KS_KIND_FLOW && flow->state != KS_STATE_NONE && flow->state != KS_STATE_ALIAS;
}

/*
 * UDP of IPv4 has room for the outer address and port that the flow's alias[KS_REPLY] has, so that this is not read: each slot that
 * a packet reads is a wait for memory. A flow that came from a table of before layout 5 has none noted.
 */
static inline bool ks_flow_has_outer(const struct ks_flow_key *key)
{
	return key->proto == KS_PROTO_UDP && key->family == KS_IPV4;
}

static inline void ks_flow_note_outer(struct ks_flow *flow, const struct ks_addr *addr, __be16 port)
{
	flow->outer.addr = addr->w[3];
	flow->outer.port = port;
}

/* Makes `now`, in ns, the time on a flow's clock: ms modulo 2^32. Once a packet: a division costs as much as a hash. */
static inline __u32 ks_flow_clock(__u64 now)
{
	return (__u32)(now / KS_NSEC_PER_MSEC);
}

/* Right for ages below 2^31 ms (24 days): timeouts are at most 20 days, and every home sweeps within far less than 4. */
static inline bool ks_flow_is_dead(const struct ks_flow *flow, __u32 clock)
{
	__u32 age = clock - flow->seen;

	return (__s32)age > 0 && age > flow->timeout;
}

/* The same with `now` in ns. */
static inline bool ks_flow_is_expired(const struct ks_flow *flow, __u64 now)
{
	return ks_flow_is_dead(flow, ks_flow_clock(now));
}

static inline bool ks_state_is_half_open(__u32 state)
{
	return state == KS_STATE_TCP_SYN_SENT || state == KS_STATE_TCP_SYN_RECV || state == KS_STATE_SCTP_COOKIE_WAIT ||
	       state == KS_STATE_SCTP_COOKIE_ECHOED || state == KS_STATE_SCTP_HEARTBEAT ||
	       state == KS_STATE_DCCP_REQUEST || state == KS_STATE_DCCP_RESPOND || state == KS_STATE_TAKEN_UP;
}

static inline bool ks_state_is_closed(__u32 state)
{
	return state == KS_STATE_TCP_TIME_WAIT || state == KS_STATE_TCP_CLOSE || state == KS_STATE_SCTP_CLOSED ||
	       state == KS_STATE_DCCP_TIMEWAIT;
}

/* States of protocols without a handshake. */
static inline bool ks_state_is_plain(__u32 state)
{
	return state == KS_STATE_UDP_SINGLE || state == KS_STATE_UDP_STREAM || state == KS_STATE_ICMP_REQUEST ||
	       state == KS_STATE_ICMP_REPLIED || state == KS_STATE_OTHER_SINGLE || state == KS_STATE_OTHER_STREAM;
}

/* States in which a flow begins, before its handshake is complete or anybody has answered. */
static inline bool ks_state_is_beginning(__u32 state)
{
	return ks_state_is_half_open(state) || state == KS_STATE_UDP_SINGLE || state == KS_STATE_ICMP_REQUEST ||
	       state == KS_STATE_OTHER_SINGLE;
}

/*
 * Returns true for a flow of UDP, ICMP or another protocol without a handshake that may be an invented one: an answer may
 * have gone to a source that has asked nothing. It is proven by a packet of the originator behind two answers, two seconds
 * or more after the first one.
 */
static inline bool ks_flow_is_unproven(const struct ks_flow *flow)
{
	return ks_state_is_plain(flow->state) && !(flow->flags & KS_FLOW_ASSURED);
}

/* Returns 0 if the originator is the key's first address, 1 if it is the second. */
static inline __u32 ks_flow_orig_side(const struct ks_flow *flow)
{
	return !!(flow->flags & KS_FLOW_ORIG_IS_HIGH);
}

/* Turns a packet's tuple into the normalised key; returns 1 if the sender is the key's second address, else 0. */
__u32 ks_flow_key_make(const struct ks_tuple *tuple, struct ks_flow_key *key);

#endif
