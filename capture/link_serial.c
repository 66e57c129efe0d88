/* SPDX-License-Identifier: BSD-2-Clause */
/* Serial lines: SLIP, PPP, Cisco HDLC, Frame Relay. Layouts: the RFCs named here and the LINKTYPE_ pages of tcpdump.org. */
#include "capture/link_readers.h"

#define CONTROL_UI 0x03 /* of HDLC: an unnumbered frame */

#define SLIP_SIZE 16U /* direction and 15 bytes of the compressed header; the packet behind them is not compressed */
#define SLIP_BSDOS_SIZE 24U
#define IPV4_TOTAL_OFF 2U

#define PPP_ADDRESS 0xff
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057
#define PPP_MPLS 0x0281
#define PPP_MPLS_MULTICAST 0x0283

#define PPPOE_SIZE 6U
#define PPPOE_CODE_OFF 1U
#define PPPOE_LENGTH_OFF 4U

#define CISCO_UNICAST 0x0f
#define CISCO_MULTICAST 0x8f

#define FRAME_RELAY_LAST 0x01 /* set in the last byte of an address */
#define FRAME_RELAY_ADDRESS_MAX 4
#define FRAME_RELAY_PAD 0x00

#define NLPID_SNAP 0x80
#define NLPID_IPV6 0x8e
#define NLPID_IPV4 0xcc
#define NLPID_PPP 0xcf

static __u8 way_of_direction(__u8 sent)
{
	return sent == 0 ? KS_WAY_IN : sent == 1 ? KS_WAY_OUT : KS_WAY_UNKNOWN;
}

bool ks_link_slip(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, SLIP_SIZE);

	if (at)
		info->way = way_of_direction(at[0]);
	return at != NULL;
}

/*
 * BSD/OS: libpcap filters expect IP behind 24 bytes, tcpdump prints it behind
 * 16. It is taken behind 16 only if an IPv4 packet that ends with the frame
 * stands there.
 */
bool ks_link_slip_bsdos(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *rest;

	if (!ks_link_take(in, head, SLIP_BSDOS_SIZE))
		return false;
	rest = in->data + SLIP_SIZE;
	if (rest[0] >> 4 == 4 && ks_get16(rest + IPV4_TOTAL_OFF) == in->length - SLIP_SIZE)
		head->size = SLIP_SIZE;
	return true;
}

static __u16 type_of_ppp(__u16 protocol)
{
	switch (protocol) {
	case PPP_IPV4:
		return ETH_TYPE_IPV4;
	case PPP_IPV6:
		return ETH_TYPE_IPV6;
	case PPP_MPLS:
		return ETH_TYPE_MPLS;
	case PPP_MPLS_MULTICAST:
		return ETH_TYPE_MPLS_MULTICAST;
	default: /* control protocols, and compressed TCP headers, which cannot be read without the packets before */
		return ETH_TYPE_NONE;
	}
}

/* The last byte of a protocol number is odd and the others even, so the first one tells if a second follows. */
bool ks_link_read_ppp_protocol(const struct ks_capture_frame *in, struct ks_link_head *head)
{
	const __u8 *first = ks_link_take(in, head, 1), *second;

	if (!first)
		return false;
	if (*first & 1) {
		head->type = type_of_ppp(*first);
		return true;
	}
	second = ks_link_take(in, head, 1);
	if (!second)
		return false;
	head->type = type_of_ppp((__u16)(*first << 8 | *second));
	return true;
}

/* Address and control may be left out (RFC 1661 6.6); no protocol begins with 0xff. */
bool ks_link_ppp(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	if (in->captured > head->size && in->data[head->size] == PPP_ADDRESS && !ks_link_take(in, head, 2))
		return false;
	return ks_link_read_ppp_protocol(in, head);
}

/* A direction stands before the PPP frame (LINKTYPE_PPP_WITH_DIR) or in place of its address (LINKTYPE_PPP_PPPD). */
bool ks_link_ppp_directed(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *direction = ks_link_take(in, head, 1);

	if (!direction)
		return false;
	info->way = *direction ? KS_WAY_OUT : KS_WAY_IN;
	if (in->captured > head->size && in->data[head->size] == CONTROL_UI)
		ks_link_take(in, head, 1); /* the control field, whose address was overwritten: no protocol is 0x03 */
	return ks_link_ppp(in, head, info);
}

/* Cisco's framing or PPP in HDLC-like framing (RFC 1662), told apart by the address. */
bool ks_link_ppp_serial(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	__u8 address = in->captured ? in->data[0] : 0;

	if (address == CISCO_UNICAST || address == CISCO_MULTICAST)
		return ks_link_cisco_hdlc(in, head, info);
	return ks_link_take(in, head, 2) && ks_link_read_ppp_protocol(in, head);
}

/* RFC 2516. Code 0 is a session; all others are discovery. */
bool ks_link_pppoe(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, PPPOE_SIZE);
	__u32 length;

	if (!at)
		return false;
	head->type = ETH_TYPE_NONE;
	if (at[PPPOE_CODE_OFF])
		return true;
	length = ks_get16(at + PPPOE_LENGTH_OFF);
	if (!ks_link_read_ppp_protocol(in, head))
		return false;
	head->length = length - KS_MIN(length, head->size - PPPOE_SIZE);
	return true;
}

bool ks_link_cisco_hdlc(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, 4);

	if (at)
		head->type = ks_get16(at + 2);
	return at != NULL;
}

__u16 ks_link_type_of_nlpid(__u8 nlpid)
{
	return nlpid == NLPID_IPV4 ? ETH_TYPE_IPV4 : nlpid == NLPID_IPV6 ? ETH_TYPE_IPV6 : ETH_TYPE_NONE;
}

/* Returns false if the frame ends inside the address. *is_address is false if it has one byte or more than four. */
static bool frame_relay_address(const struct ks_capture_frame *in, struct ks_link_head *head, bool *is_address)
{
	const __u8 *at;

	*is_address = false;
	for (unsigned n = 1; n <= FRAME_RELAY_ADDRESS_MAX; n++) {
		at = ks_link_take(in, head, 1);
		if (!at)
			return false;
		if (*at & FRAME_RELAY_LAST) {
			*is_address = n > 1;
			return true;
		}
	}
	return true;
}

/* Multiprotocol encapsulation (RFC 2427): behind UI, and a pad byte, an NLPID. */
static bool frame_relay_nlpid(const struct ks_capture_frame *in, struct ks_link_head *head)
{
	const __u8 *nlpid = ks_link_take(in, head, 1);

	if (nlpid && *nlpid == FRAME_RELAY_PAD)
		nlpid = ks_link_take(in, head, 1);
	if (!nlpid)
		return false;
	if (*nlpid == NLPID_SNAP)
		return ks_link_read_snap(in, head);
	if (*nlpid == NLPID_PPP) /* RFC 1973 */
		return ks_link_read_ppp_protocol(in, head);
	head->type = ks_link_type_of_nlpid(*nlpid);
	return true;
}

/* Behind the address stands the control field UI, or in Cisco's encapsulation an ethertype. */
bool ks_link_frame_relay(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	bool is_address;
	const __u8 *control, *low;

	if (!frame_relay_address(in, head, &is_address))
		return false;
	head->type = ETH_TYPE_NONE;
	if (!is_address)
		return true;
	control = ks_link_take(in, head, 1);
	if (!control)
		return false;
	if (*control == CONTROL_UI)
		return frame_relay_nlpid(in, head);
	low = ks_link_take(in, head, 1);
	if (low)
		head->type = (__u16)(*control << 8 | *low);
	return low != NULL;
}
