/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Link types of captures, turned into the two that the core knows: Ethernet
 * and bare IP. Frames of serial lines, ATM, 802.11, loopback and Linux cooked
 * captures lose their link header; bridged Ethernet in them is taken as such.
 * If the payload is neither IPv4 nor IPv6, carries VLAN tags, or contradicts its
 * header, it becomes an Ethernet frame of the type that the header states, so that
 * the core judges it, not this file.
 */
#ifndef KS_CAPTURE_LINK_H
#define KS_CAPTURE_LINK_H

#include "capture/capture.h"
#include "engine/engine.h"

#define KS_MAC_SIZE 6

struct ks_link_info {
	const __u8 *src_mac; /* KS_MAC_SIZE bytes in the frame; NULL where the link type has none */
	const __u8 *dst_mac;
	__u32 ifindex; /* SLL2: number of the interface; else 0 */
	__u8 way; /* enum ks_way, from the link header if that states it */
};

/* Memory for a frame that gets an Ethernet header. */
struct ks_link_scratch {
	__u8 *data;
	__u32 room;
};

#define KS_LINK_SUPPORTED 600

/* "Ethernet (1), raw IP (12), ...": the names and DLT_ numbers of all link types that can be judged. */
void ks_link_supported(char text[KS_LINK_SUPPORTED]);

/* "Ethernet", "Linux cooked v2", or libpcap's name of it. */
const char *ks_link_name(__u16 link_type);

/*
 * Turns a captured frame into one for the engine (data, captured, length,
 * link) and sets in *info what its link header says. Returns 0, -EOPNOTSUPP for an
 * unknown link type, -ENOMEM.
 */
int ks_link_frame(const struct ks_capture_frame *in, struct ks_link_scratch *scratch, struct ks_frame *out,
		  struct ks_link_info *info);

void ks_link_scratch_fini(struct ks_link_scratch *scratch);

#endif
