/* SPDX-License-Identifier: BSD-2-Clause */
/* Links whose frames begin with an LLC header: ATM (RFC 2684, RFC 2225) and IEEE 802.11. */
#include <string.h>

#include "capture/link_readers.h"

#define LLC_SIZE 3U
#define LLC_UI 0x03
#define LLC_SAP_IP 0x06
#define LLC_SAP_SNAP 0xaa
#define LLC_SAP_ISO 0xfe
#define LLC_NLPID_PPP 0xcf

#define SNAP_SIZE 5U
#define SNAP_OUI_SIZE 3U
#define OUI_BRIDGED 0x0080c2
#define BRIDGED_ETHERNET_FCS 0x0001
#define BRIDGED_ETHERNET 0x0007
#define BRIDGED_PAD 2U

#define SUNATM_SIZE 4U
#define SUNATM_SENT 0x80
#define SUNATM_KIND 0x0f
#define SUNATM_LANE 1
#define SUNATM_LLC 2
#define LANE_CONTROL 0xff00

#define WIFI_SIZE 24U
#define WIFI_TYPE 0x0c /* bits of the first byte */
#define WIFI_DATA 0x08
#define WIFI_NULL 0x40
#define WIFI_QOS 0x80
#define WIFI_TO_DS 0x01 /* bits of the second byte */
#define WIFI_FROM_DS 0x02
#define WIFI_MORE_FRAGMENTS 0x04
#define WIFI_PROTECTED 0x40
#define WIFI_ORDER 0x80
#define WIFI_SEQUENCE_OFF 22U
#define WIFI_FRAGMENT 0x0f
#define WIFI_QOS_SIZE 2U
#define WIFI_HT_SIZE 4U
#define WIFI_AGGREGATE 0x80
#define WIFI_ADDRESS(n) (4U + ((n) - 1U) * KS_MAC_SIZE) /* the first three */

#define RADIOTAP_SIZE 4U
#define RADIOTAP_LENGTH_OFF 2U

bool ks_link_read_snap(const struct ks_capture_frame *in, struct ks_link_head *head)
{
	const __u8 *at = ks_link_take(in, head, SNAP_SIZE);
	__u32 oui;
	__u16 protocol;

	if (!at)
		return false;
	oui = (__u32)at[0] << 16 | ks_get16(at + 1);
	protocol = ks_get16(at + SNAP_OUI_SIZE);
	head->type = oui ? ETH_TYPE_NONE : protocol;
	if (oui != OUI_BRIDGED || (protocol != BRIDGED_ETHERNET && protocol != BRIDGED_ETHERNET_FCS))
		return true;
	head->is_ethernet = true;
	return ks_link_take(in, head, BRIDGED_PAD) != NULL;
}

/* ISO 9577 behind LLC; PPP over AAL5 is one of its protocols (RFC 2364 5). */
static bool read_nlpid(const struct ks_capture_frame *in, struct ks_link_head *head)
{
	const __u8 *nlpid = ks_link_take(in, head, 1);

	if (!nlpid)
		return false;
	if (*nlpid == LLC_NLPID_PPP)
		return ks_link_read_ppp_protocol(in, head);
	head->type = ks_link_type_of_nlpid(*nlpid);
	return true;
}

static bool read_llc(const struct ks_capture_frame *in, struct ks_link_head *head)
{
	const __u8 *at = ks_link_take(in, head, LLC_SIZE);

	if (!at)
		return false;
	head->type = ETH_TYPE_NONE;
	if (at[0] != at[1] || at[2] != LLC_UI)
		return true;
	switch (at[0]) {
	case LLC_SAP_SNAP:
		return ks_link_read_snap(in, head);
	case LLC_SAP_ISO:
		return read_nlpid(in, head);
	case LLC_SAP_IP:
		head->type = ETH_TYPE_IPV4;
		return true;
	default:
		return true;
	}
}

bool ks_link_atm_rfc1483(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	return read_llc(in, head);
}

/* Some systems capture the LLC header of classical IP, others leave it out. */
bool ks_link_atm_clip(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	if (in->captured && in->data[0] == LLC_SAP_SNAP)
		return read_llc(in, head);
	return true;
}

/* LAN emulation: two bytes, then an Ethernet frame, or a control message if the two bytes say so. */
static bool read_lane(const struct ks_capture_frame *in, struct ks_link_head *head)
{
	const __u8 *at = ks_link_take(in, head, 2);

	if (!at)
		return false;
	head->type = ETH_TYPE_NONE;
	head->is_ethernet = ks_get16(at) != LANE_CONTROL;
	return true;
}

bool ks_link_sunatm(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, SUNATM_SIZE);

	if (!at)
		return false;
	info->way = at[0] & SUNATM_SENT ? KS_WAY_OUT : KS_WAY_IN;
	switch (at[0] & SUNATM_KIND) {
	case SUNATM_LANE:
		return read_lane(in, head);
	case SUNATM_LLC:
		return read_llc(in, head);
	default: /* signalling and management */
		head->type = ETH_TYPE_NONE;
		return true;
	}
}

/* Sets the addresses of the station that first sent the frame and of the one that it is for (IEEE 802.11-2020 table 9-30). */
static void wifi_addresses(const __u8 *at, const __u8 *fourth, struct ks_link_info *info)
{
	bool to_ds = at[1] & WIFI_TO_DS, from_ds = at[1] & WIFI_FROM_DS;

	info->dst_mac = at + (to_ds ? WIFI_ADDRESS(3) : WIFI_ADDRESS(1));
	info->src_mac = !from_ds ? at + WIFI_ADDRESS(2) : to_ds ? fourth : at + WIFI_ADDRESS(3);
}

/* Returns true for a whole data frame that is not encrypted. */
static bool wifi_is_readable(const __u8 *at)
{
	return (at[0] & WIFI_TYPE) == WIFI_DATA && !(at[0] & WIFI_NULL) &&
	       !(at[1] & (WIFI_PROTECTED | WIFI_MORE_FRAGMENTS)) && !(at[WIFI_SEQUENCE_OFF] & WIFI_FRAGMENT);
}

static bool wifi_qos(const struct ks_capture_frame *in, struct ks_link_head *head, bool has_ht, bool *aggregate)
{
	const __u8 *qos = ks_link_take(in, head, WIFI_QOS_SIZE);

	if (!qos || (has_ht && !ks_link_take(in, head, WIFI_HT_SIZE)))
		return false;
	*aggregate = qos[0] & WIFI_AGGREGATE;
	return true;
}

/* Control frames are shorter than the header of a data frame, so the type is looked at before the header is taken. */
bool ks_link_wifi(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at, *fourth = NULL;
	bool aggregate = false;

	head->type = ETH_TYPE_NONE;
	if (in->captured > head->size && (in->data[head->size] & WIFI_TYPE) != WIFI_DATA)
		return true;
	at = ks_link_take(in, head, WIFI_SIZE);
	if (!at)
		return false;
	if (!wifi_is_readable(at))
		return true;
	if (at[1] & WIFI_TO_DS && at[1] & WIFI_FROM_DS) {
		fourth = ks_link_take(in, head, KS_MAC_SIZE);
		if (!fourth)
			return false;
	}
	if (at[0] & WIFI_QOS && !wifi_qos(in, head, at[1] & WIFI_ORDER, &aggregate))
		return false;
	wifi_addresses(at, fourth, info);
	return aggregate || read_llc(in, head);
}

/* A header about the radio, which states its own length, then the 802.11 frame. */
bool ks_link_radiotap(const struct ks_capture_frame *in, struct ks_link_head *head, struct ks_link_info *info)
{
	const __u8 *at = ks_link_take(in, head, RADIOTAP_SIZE);
	__u32 length;

	if (!at)
		return false;
	length = at[RADIOTAP_LENGTH_OFF] | (__u32)at[RADIOTAP_LENGTH_OFF + 1] << 8;
	if (length < RADIOTAP_SIZE) {
		head->type = ETH_TYPE_NONE;
		return true;
	}
	return ks_link_take(in, head, length - RADIOTAP_SIZE) && ks_link_wifi(in, head, info);
}
