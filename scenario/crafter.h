/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A crafter from the inside, for craft*.c (which make bytes) and conversation.c
 * (which remembers who has said what). The interface of both is craft.h.
 */
#ifndef KS_SCENARIO_CRAFTER_H
#define KS_SCENARIO_CRAFTER_H

#include <stddef.h>

#include "engine/big_endian.h"
#include "scenario/craft.h"
#include "scenario/craft_bytes.h"

/* A conversation as one end sees it: itself and the other, ports in host order. */
struct ks_view {
	struct ks_addr own, other;
	__u16 own_port, other_port;
	__u16 id; /* of ICMP queries */
};

/* One end of a conversation. TCP numbers are its own, and as they reach the other end: a helper may shift them. */
struct ks_speaker {
	struct ks_view view;
	__u8 zone; /* KS_ZONE_UNKNOWN until a packet that passed has shown it */
	__u32 isn;
	__u32 next; /* behind the data that it has sent and that passed */
	__u32 last; /* sequence number of its last packet */
	__u32 heard_isn, heard_next, heard_last; /* the same, as they arrived */
	bool short_of; /* the end of its last packet did not arrive: `heard_next` is not where `next` is */
	__u32 tag; /* SCTP: the verification tag that it wants to see */
};

/* A conversation as the crafter remembers it. Views and numbers move on when a packet is delivered. */
struct ks_craft_conversation {
	struct ks_craft_conversation *next;
	__u8 family, proto;
	struct ks_view written; /* of speaker[0], as the test has it */
	__u32 challenged; /* the number that the latest challenge acknowledged */
	int opener; /* index of the speaker whose packet passed first; -1: none yet */
	struct ks_speaker speaker[2]; /* the first one to speak is 0 */
};

/* A packet about to be crafted, and its sender's side of the conversation. */
struct ks_send {
	struct ks_packet_spec spec; /* its ends as its sender sees them */
	struct ks_craft_conversation *conversation; /* NULL: of no conversation that is remembered */
	int side; /* of the sender: index in speaker[] */
	bool quoted; /* the packet is quoted by an ICMP error ... */
	bool received; /* ... as the receiver has seen it */
	__u16 id; /* of an ICMP query */
};

struct ks_crafter {
	struct ks_bytes frame;
	struct ks_bytes last; /* the network packet crafted last */
	struct ks_bytes left; /* the same as it left; empty if it did not */
	__u8 last_from; /* its zone */
	struct ks_craft_conversation *conversations; /* the newest first */
	struct ks_send send; /* the packet crafted last */
	struct ks_send quote; /* the packet that it quotes, if that is of a conversation */
	__u32 seq, ack; /* of the packet crafted last, if it was TCP or DCCP */
	__u32 end; /* behind its data */
};

/*
 * Finds or begins the conversation of a packet that is to be sent, or quoted by a host in zone `from`.
 * Returns 0 or -ENOMEM.
 */
int ks_send_take(struct ks_crafter *crafter, const struct ks_packet_spec *spec, bool quoted, __u8 from,
		 struct ks_send *send);

/* Sequence and acknowledgement number of the packet, as its sender or, if `received`, its receiver has them. */
__u32 ks_send_seq(const struct ks_send *send);
__u32 ks_send_ack(const struct ks_send *send);

/* Appends the network packet. Returns 0, -EINVAL, -EMSGSIZE or -ENOMEM as ks_crafter_craft(). */
int ks_craft_packet(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out);

/* Appends the upper header and payload; `quote` is the packet that an ICMP error quotes. */
void ks_craft_upper(struct ks_crafter *crafter, const struct ks_send *send, const struct ks_bytes *quote,
		    struct ks_bytes *out);

/* The same for one protocol each. SCTP and DCCP are of a conversation. */
void ks_craft_icmp(const struct ks_send *send, const struct ks_bytes *quote, struct ks_bytes *out);
void ks_craft_sctp(const struct ks_send *send, struct ks_bytes *out);
void ks_craft_dccp(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out);

#define KS_CRAFT_PAYLOAD 32 /* bytes of payload that a packet has if its words do not say; TCP has none */

/* The parts of upper headers. The payload is as the words say, else of `otherwise` bytes. */
void ks_craft_ports(const struct ks_packet_spec *spec, struct ks_bytes *out);
void ks_craft_payload(const struct ks_packet_spec *spec, size_t otherwise, struct ks_bytes *out);

/* The checksum of the first `covered` bytes of an upper header and payload of `length`. */
__u16 ks_craft_checksum(const struct ks_packet_spec *spec, const __u8 *data, size_t length, size_t covered);

/* Puts that checksum at offset `at`, or the one that the words give. */
void ks_craft_put_checksum(const struct ks_packet_spec *spec, struct ks_bytes *out, size_t covered, size_t at);

#endif
