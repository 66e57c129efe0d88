/* SPDX-License-Identifier: BSD-2-Clause */
/* Link types; see link.h. Layouts: pcap-linktype(7) and the LINKTYPE_ pages of tcpdump.org. */
#include "capture/link.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/link_readers.h"

#define SLL_SIZE 16U
#define SLL2_SIZE 20U
#define LOOPBACK_SIZE 4U

/* Bare IP in files that OpenBSD wrote; <pcap/dlt.h> has no name for it elsewhere. */
#define LINK_RAW_OPENBSD 14

static bool read_raw(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	head->type = in->link_type == DLT_IPV4 ? ETH_TYPE_IPV4 : in->link_type == DLT_IPV6 ? ETH_TYPE_IPV6 : 0;
	return true;
}

/* The number of the address family of IPv6 differs between the systems that write captures. */
static __u16 type_of_family(__u32 family)
{
	switch (family) {
	case 2:
		return ETH_TYPE_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return ETH_TYPE_IPV6;
	default:
		return ETH_TYPE_NONE;
	}
}

/* BSD loopback: the family in the byte order of the machine that captured, or big-endian (LOOP). Families are small. */
static bool read_loopback(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, LOOPBACK_SIZE);
	__u32 family;

	if (!at)
		return false;
	family = ks_load32(at);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	head->type = type_of_family(family);
	return true;
}

static __u8 way_of(unsigned packet_type)
{
	return packet_type == 4 ? KS_WAY_OUT : packet_type < 3 ? KS_WAY_IN : KS_WAY_UNKNOWN;
}

static bool read_sll(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, SLL_SIZE);

	if (!at)
		return false;
	head->type = ks_get16(at + 14);
	info->way = way_of(ks_get16(at));
	if (ks_get16(at + 4) == KS_MAC_SIZE)
		info->src_mac = at + 6;
	return true;
}

static bool read_sll2(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, SLL2_SIZE);

	if (!at)
		return false;
	head->type = ks_get16(at);
	info->ifindex = ks_be32(ks_load32(at + 4));
	info->way = way_of(at[10]);
	if (at[11] == KS_MAC_SIZE)
		info->src_mac = at + 12;
	return true;
}

static bool read_ethernet(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	head->is_ethernet = true;
	return true;
}

/* In the order of the error message: the most usual ones first. */
static const struct link_type {
	__u16 type;
	const char *name;
	ks_link_reader *read;
} links[] = {
	{ DLT_EN10MB, "Ethernet", read_ethernet },
	{ DLT_RAW, "raw IP", read_raw },
	{ LINK_RAW_OPENBSD, "raw IP", read_raw },
	{ DLT_IPV4, "raw IPv4", read_raw },
	{ DLT_IPV6, "raw IPv6", read_raw },
	{ DLT_NULL, "BSD loopback", read_loopback },
	{ DLT_LOOP, "OpenBSD loopback", read_loopback },
	{ DLT_LINUX_SLL, "Linux cooked", read_sll },
	{ DLT_LINUX_SLL2, "Linux cooked v2", read_sll2 },
	{ DLT_PPP, "PPP", ks_link_ppp },
	{ DLT_PPP_SERIAL, "PPP over serial", ks_link_ppp_serial },
	{ DLT_PPP_ETHER, "PPPoE", ks_link_pppoe },
	{ DLT_PPP_PPPD, "PPP with direction", ks_link_ppp_directed },
	{ DLT_PPP_WITH_DIR, "PPP with direction", ks_link_ppp_directed },
	{ DLT_SLIP, "SLIP", ks_link_slip },
	{ DLT_SLIP_BSDOS, "BSD/OS SLIP", ks_link_slip_bsdos },
	{ DLT_C_HDLC, "Cisco HDLC", ks_link_cisco_hdlc },
	{ DLT_FRELAY, "Frame Relay", ks_link_frame_relay },
	{ DLT_ATM_RFC1483, "ATM RFC 1483", ks_link_atm_rfc1483 },
	{ DLT_ATM_CLIP, "ATM classical IP", ks_link_atm_clip },
	{ DLT_SUNATM, "SunATM", ks_link_sunatm },
	{ DLT_IEEE802_11, "802.11", ks_link_wifi },
	{ DLT_IEEE802_11_RADIO, "802.11 with radiotap", ks_link_radiotap },
};

static const struct link_type *link_find(__u16 type)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(links); i++) {
		if (links[i].type == type)
			return &links[i];
	}
	return NULL;
}

const char *ks_link_name(__u16 link_type)
{
	const struct link_type *link = link_find(link_type);
	const char *name = link ? link->name : pcap_datalink_val_to_description(link_type);

	return name ? name : "unknown";
}

void ks_link_supported(char text[KS_LINK_SUPPORTED])
{
	size_t used = 0;

	for (size_t i = 0; i < KS_ARRAY_SIZE(links) && used < KS_LINK_SUPPORTED; i++)
		used += (size_t)snprintf(text + used, KS_LINK_SUPPORTED - used, "%s%s (%u)", i ? ", " : "",
					 links[i].name, links[i].type);
}

void ks_link_scratch_fini(struct ks_link_scratch *scratch)
{
	free(scratch->data);
	scratch->data = NULL;
	scratch->room = 0;
}

static int scratch_reserve(struct ks_link_scratch *scratch, __u32 size)
{
	__u8 *data;

	if (size <= scratch->room)
		return 0;
	data = realloc(scratch->data, size);
	if (!data)
		return -ENOMEM;
	scratch->data = data;
	scratch->room = size;
	return 0;
}

/* Puts an Ethernet header of the head's type before the payload, in the scratch memory. */
static int rebuild(const struct ks_link_head *head, struct ks_link_scratch *scratch, struct ks_frame *out)
{
	int err = scratch_reserve(scratch, ETH_HEADER_LEN + out->captured);

	if (err)
		return err;
	memset(scratch->data, 0, ETH_HEADER_LEN - 2);
	scratch->data[ETH_HEADER_LEN - 2] = (__u8)(head->type >> 8);
	scratch->data[ETH_HEADER_LEN - 1] = (__u8)head->type;
	memcpy(scratch->data + ETH_HEADER_LEN, out->data, out->captured);
	out->data = scratch->data;
	out->captured += ETH_HEADER_LEN;
	out->length += ETH_HEADER_LEN;
	out->link = KS_LINK_ETHERNET;
	return 0;
}

/* Returns true if the payload is of the IP version that the link header says, or the header leaves the version open. */
static bool is_plain_ip(const struct ks_link_head *head, const struct ks_frame *out)
{
	unsigned version;

	if (head->type == 0)
		return true;
	if (!out->captured)
		return false;
	version = out->data[0] >> 4;
	return (head->type == ETH_TYPE_IPV4 && version == 4) || (head->type == ETH_TYPE_IPV6 && version == 6);
}

static void ethernet_frame(struct ks_frame *out, struct ks_link_info *info)
{
	out->link = KS_LINK_ETHERNET;
	if (out->captured < ETH_HEADER_LEN)
		return;
	info->dst_mac = out->data;
	info->src_mac = out->data + KS_MAC_SIZE;
}

/* The frame ends inside its link header. It becomes an Ethernet frame that ends inside its own, which the core calls cut. */
static void cut_frame(const struct ks_capture_frame *in, struct ks_frame *out)
{
	out->data = in->data;
	out->captured = KS_MIN(in->captured, ETH_HEADER_LEN - 1);
	out->length = out->captured;
	out->link = KS_LINK_ETHERNET;
}

int ks_link_frame(const struct ks_capture_frame *in, struct ks_link_scratch *scratch, struct ks_frame *out,
		  struct ks_link_info *info)
{
	const struct link_type *link = link_find(in->link_type);
	struct ks_link_head head = { .length = LINK_LENGTH_UNKNOWN };

	if (!link)
		return -EOPNOTSUPP;
	*info = (struct ks_link_info){ .way = in->way };
	if (!link->read(in, &head, info)) {
		cut_frame(in, out);
		return 0;
	}
	out->data = in->data + head.size;
	out->captured = KS_MIN(in->captured - head.size, head.length);
	out->length = KS_MIN(in->length - head.size, head.length);
	out->link = KS_LINK_IP;
	if (head.is_ethernet)
		ethernet_frame(out, info);
	else if (!is_plain_ip(&head, out))
		return rebuild(&head, scratch, out);
	return 0;
}
