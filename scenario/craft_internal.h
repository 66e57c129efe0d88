/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files host/craft*.c share: bytes that grow in a bounded buffer, and a crafter's memory. */
#ifndef KS_SCENARIO_CRAFT_INTERNAL_H
#define KS_SCENARIO_CRAFT_INTERNAL_H

#include <stddef.h>

#include "scenario/craft.h"

#define KS_BYTES_MAX 70000U /* a datagram and its link header */

struct ks_bytes {
	__u8 *data;
	size_t length;
	bool overflow; /* something did not fit and was left out */
};

int ks_bytes_init(struct ks_bytes *bytes);
void ks_bytes_fini(struct ks_bytes *bytes);
void ks_bytes_add(struct ks_bytes *bytes, const void *data, size_t length);
void ks_bytes_zero(struct ks_bytes *bytes, size_t length);
void ks_bytes_add8(struct ks_bytes *bytes, __u8 value);
void ks_bytes_add16(struct ks_bytes *bytes, __u16 value); /* big-endian, as all here */
void ks_bytes_add32(struct ks_bytes *bytes, __u32 value);
void ks_bytes_cut(struct ks_bytes *bytes, size_t length); /* to at most this */

void ks_put16(__u8 *at, __u16 value);
void ks_put32(__u8 *at, __u32 value);

/* A conversation as one end sees it: itself and the other, ports in host order. */
struct ks_view {
	struct ks_addr own, other;
	__u16 own_port, other_port;
	__u16 id; /* of ICMP queries */
};

/* One end of a conversation. TCP numbers are its own, and as they reach the other end: a helper may shift them. */
struct ks_speaker {
	struct ks_view view;
	__u8 zone; /* KS_ZONE_UNKNOWN until a packet that passed told */
	__u32 isn;
	__u32 next; /* behind what it has sent and what passed */
	__u32 last; /* sequence number of its last packet */
	__u32 heard_isn, heard_next, heard_last; /* the same, as they arrived */
	bool short_of; /* the end of its last packet did not arrive: `heard_next` is not where `next` is */
	__u32 tag; /* SCTP: the verification tag that it wants to see */
};

struct ks_conversation {
	struct ks_conversation *next;
	__u8 family, proto;
	struct ks_view written; /* of speaker[0], as the test has it */
	int opener; /* which of them spoke first and passed; -1: none yet */
	struct ks_speaker speaker[2]; /* the first one to speak is 0 */
};

/* A packet about to be crafted, and whose it is. */
struct ks_send {
	struct ks_packet_spec spec; /* its ends as its sender sees them */
	struct ks_conversation *conversation; /* NULL: of no conversation that is remembered */
	int side; /* of the sender */
	bool quoted; /* what follows is quoted by an ICMP error ... */
	bool received; /* ... as the receiver has seen it */
	__u16 id; /* of an ICMP query */
};

struct ks_crafter {
	struct ks_bytes frame;
	struct ks_bytes last; /* the network packet crafted last */
	struct ks_bytes left; /* the same as it left; empty if it did not */
	__u8 last_from; /* its zone */
	struct ks_conversation *conversations;
	struct ks_send send; /* of the packet crafted last */
	struct ks_send quote; /* of what it quotes, if it quotes a conversation */
	__u32 seq, ack; /* of the packet crafted last, if it was TCP */
	__u32 end; /* of its data */
};

/* Whose turn it is to send such a packet; `from` is the zone of who quotes it. -ENOMEM. */
int ks_send_take(struct ks_crafter *crafter, const struct ks_packet_spec *spec, bool quoted, __u8 from,
		 struct ks_send *send);

/* How the sender numbers its data in this packet, and how those numbers look to who quotes it. */
__u32 ks_send_seq(const struct ks_send *send);
__u32 ks_send_ack(const struct ks_send *send);

int ks_craft_packet(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out);
/* Of the first `covered` bytes of an upper header and payload of `length`. */
__u16 ks_craft_checksum(const struct ks_packet_spec *spec, const __u8 *data, size_t length, size_t covered);

/* Upper headers with ports, of which less is known to most (scenario/craft_more.c); GRE with a key or a call. */
bool ks_craft_more(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out);

/* The payload that the words say, or `otherwise` bytes; the checksum at `at`, right or as they say. */
void ks_craft_payload(const struct ks_packet_spec *spec, size_t otherwise, struct ks_bytes *out);
void ks_craft_sum(const struct ks_packet_spec *spec, struct ks_bytes *out, size_t covered, size_t at);

/* Upper header and payload; what an ICMP error quotes is given. */
void ks_craft_l4(struct ks_crafter *crafter, const struct ks_send *send, const struct ks_bytes *quote,
		 struct ks_bytes *out);

#endif
