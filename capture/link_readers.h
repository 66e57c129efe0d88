/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The readers of link headers. A reader takes the header from the front of the
 * frame, a few bytes at a time, and fills struct ks_link_head.
 * It returns false if the frame ends inside the header. Bytes are reached
 * only through ks_link_take(), which checks the bound.
 */
#ifndef KS_CAPTURE_LINK_READERS_H
#define KS_CAPTURE_LINK_READERS_H

#include "capture/link.h"
#include "core/header/wire.h"
#include "engine/big_endian.h"

#define ETH_TYPE_MPLS 0x8847
#define ETH_TYPE_MPLS_MULTICAST 0x8848

/* No ethertype, for protocols that are not IP: the core does not know it. */
#define ETH_TYPE_NONE 0xffff

#define LINK_LENGTH_UNKNOWN 0xffffffffU

/* A link header. Before it is read all members are 0 but `length`, which is LINK_LENGTH_UNKNOWN. */
struct ks_link_head {
	__u32 size; /* bytes of the header that were taken so far */
	__u32 length; /* bytes behind it, if the header states them; else LINK_LENGTH_UNKNOWN */
	__u16 type; /* an ethertype; 0 for bare IP of either version */
	bool is_ethernet; /* an Ethernet frame follows, and `type` says nothing */
};

typedef bool ks_link_reader(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info);

/* Takes the next `size` bytes. Returns NULL if the capture has fewer. */
static inline const __u8 *ks_link_take(const struct ks_capture_frame *in, struct ks_link_head *head, __u32 size)
{
	const __u8 *at = in->data + head->size;

	if (in->captured - head->size < size)
		return NULL;
	head->size += size;
	return at;
}

/* The readers that the table of link types in link.c names. Those of link_serial.c: */
ks_link_reader ks_link_slip, ks_link_slip_bsdos, ks_link_ppp, ks_link_ppp_directed, ks_link_ppp_serial, ks_link_pppoe,
	ks_link_cisco_hdlc, ks_link_frame_relay;

/* Those of link_llc.c: */
ks_link_reader ks_link_atm_rfc1483, ks_link_atm_clip, ks_link_sunatm, ks_link_wifi, ks_link_radiotap;

/* Maps an NLPID (ISO 9577) to an ethertype; ETH_TYPE_NONE if it is not IP. */
__u16 ks_link_type_of_nlpid(__u8 nlpid);

/* Reads OUI and protocol of a SNAP header (IEEE 802, RFC 2684 5.1 and 5.2 for bridged Ethernet). */
bool ks_link_read_snap(const struct ks_capture_frame *in, struct ks_link_head *head);

/* Reads the protocol field of PPP, one byte or two (RFC 1661 6.5). */
bool ks_link_read_ppp_protocol(const struct ks_capture_frame *in, struct ks_link_head *head);

#endif
