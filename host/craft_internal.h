/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files host/craft*.c share: octets that grow in a bounded buffer, and a crafter's memory. */
#ifndef KS_HOST_CRAFT_INTERNAL_H
#define KS_HOST_CRAFT_INTERNAL_H

#include <stddef.h>

#include "host/craft.h"

#define KS_OCTETS_MAX 70000U /* a datagram and its link header */

struct ks_octets {
	__u8 *data;
	size_t length;
	bool overflow; /* something did not fit and was left out */
};

int ks_octets_init(struct ks_octets *octets);
void ks_octets_fini(struct ks_octets *octets);
void ks_octets_add(struct ks_octets *octets, const void *data, size_t length);
void ks_octets_zero(struct ks_octets *octets, size_t length);
void ks_octets_add8(struct ks_octets *octets, __u8 value);
void ks_octets_add16(struct ks_octets *octets, __u16 value); /* big-endian, as all here */
void ks_octets_add32(struct ks_octets *octets, __u32 value);
void ks_octets_cut(struct ks_octets *octets, size_t length); /* to at most this */

void ks_put16(__u8 *at, __u16 value);
void ks_put32(__u8 *at, __u32 value);

/* One side of a TCP conversation. */
struct ks_speaker {
	__u32 isn;
	__u32 next; /* behind what it has sent and what passed */
	__u32 last; /* sequence number of its last packet */
};

struct ks_dialogue {
	struct ks_dialogue *next;
	__u8 family;
	struct ks_addr addr[2];
	__u16 port[2];
	struct ks_speaker speaker[2]; /* of addr[0] and addr[1]; the first one to speak is 0 */
};

struct ks_crafter {
	struct ks_octets frame;
	struct ks_octets last; /* the network packet crafted last */
	struct ks_dialogue *dialogues;
	struct ks_speaker *sender; /* of the packet crafted last, if it was TCP */
	__u32 end; /* of its data */
	bool syn;
};

int ks_craft_packet(struct ks_crafter *crafter, const struct ks_packet_spec *spec, bool quoted, struct ks_octets *out);
__u16 ks_craft_checksum(const struct ks_packet_spec *spec, const __u8 *data, size_t length);

/* Upper header and payload; what an ICMP error quotes is given. */
void ks_craft_l4(struct ks_crafter *crafter, const struct ks_packet_spec *spec, const struct ks_octets *quote,
		 bool quoted, struct ks_octets *out);

#endif
