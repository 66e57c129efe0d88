// SPDX-License-Identifier: BSD-2-Clause
/* See layout.h. */
#include "scenario/layout.h"

#include <string.h>

#include "core/header/wire.h"
#include "engine/big_endian.h"

static bool ipv4_read(const __u8 *data, size_t length, struct ks_layout *layout)
{
	const __u8 *ip = data + layout->l3;
	size_t header;

	if (length - layout->l3 < IPV4_HEADER_LEN || ip[0] >> 4 != 4)
		return false;
	header = (ip[0] & 15U) * 4;
	layout->family = KS_IPV4;
	layout->proto = ip[9];
	layout->l4 = layout->l3 + header;
	layout->end = layout->l3 + ks_get16(ip + 2);
	layout->fragment = (ks_get16(ip + 6) & IPV4_FRAGMENT_OFFSET) * FRAGMENT_UNIT;
	layout->more = ks_get16(ip + 6) & IPV4_FRAGMENT_MORE;
	memcpy(layout->src.b + 12, ip + 12, 4);
	memcpy(layout->dst.b + 12, ip + 16, 4);
	return header >= IPV4_HEADER_LEN && layout->end >= layout->l4;
}

/* Skips the extension header at layout->l4. Returns false if it is the upper header. */
static bool extension_skip(const __u8 *data, size_t length, struct ks_layout *layout)
{
	const __u8 *ext = data + layout->l4;
	size_t units;

	if (length < layout->l4 + 8 || layout->fragment)
		return false;
	units = ext[1];
	switch (layout->proto) {
	case KS_PROTO_FRAGMENT:
		layout->fragment = ks_get16(ext + 2) & IPV6_FRAGMENT_OFFSET;
		layout->more = ext[3] & 1;
		layout->l4 += 8;
		break;
	case KS_PROTO_AH:
		layout->l4 += 4 * (units + 2);
		break;
	case KS_PROTO_HOPOPTS:
	case KS_PROTO_ROUTING:
	case KS_PROTO_DSTOPTS:
	case KS_PROTO_MOBILITY:
	case KS_PROTO_HIP:
	case KS_PROTO_SHIM6:
		layout->l4 += 8 * (units + 1);
		break;
	default:
		return false;
	}
	layout->proto = ext[0];
	return true;
}

static bool ipv6_read(const __u8 *data, size_t length, struct ks_layout *layout)
{
	const __u8 *ip = data + layout->l3;

	if (length - layout->l3 < IPV6_HEADER_LEN || ip[0] >> 4 != 6)
		return false;
	layout->family = KS_IPV6;
	layout->proto = ip[6];
	layout->l4 = layout->l3 + IPV6_HEADER_LEN;
	layout->end = layout->l4 + ks_get16(ip + 4);
	memcpy(layout->src.b, ip + 8, 16);
	memcpy(layout->dst.b, ip + 24, 16);
	while (extension_skip(data, length, layout))
		;
	return true;
}

static bool is_query(const struct ks_layout *layout, __u8 type)
{
	if (layout->proto == KS_PROTO_ICMPV6)
		return type == 128 || type == 129;
	return type == 0 || type == 8 || (type >= 13 && type <= 18);
}

static void ends_read(const __u8 *data, struct ks_layout *layout)
{
	const __u8 *l4 = data + layout->l4;

	if (layout->fragment || layout->have < layout->l4 + 8)
		return;
	switch (layout->proto) {
	case KS_PROTO_TCP:
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
	case KS_PROTO_DCCP:
	case KS_PROTO_SCTP:
		layout->has_ports = true;
		layout->sport = ks_get16(l4);
		layout->dport = ks_get16(l4 + 2);
		break;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		layout->has_id = is_query(layout, l4[0]);
		layout->id = ks_get16(l4 + 4);
		break;
	default:
		break;
	}
}

bool ks_layout_read_at(const __u8 *data, size_t length, size_t offset, struct ks_layout *layout)
{
	*layout = (struct ks_layout){ .l3 = offset };
	if (offset >= length)
		return false;
	if (!(data[offset] >> 4 == 6 ? ipv6_read(data, length, layout) : ipv4_read(data, length, layout)))
		return false;
	layout->have = KS_MIN(layout->end, length);
	if (layout->l4 > layout->have)
		return false;
	ends_read(data, layout);
	return true;
}

bool ks_layout_read(const __u8 *data, size_t length, enum ks_link link, struct ks_layout *layout)
{
	size_t offset = 0;
	__u16 type;

	if (link == KS_LINK_ETHERNET) {
		offset = ETH_TYPE_OFF;
		for (;; offset += VLAN_TAG_LEN) {
			if (offset + 2 > length)
				return false;
			type = ks_get16(data + offset);
			if (type != ETH_TYPE_VLAN && type != ETH_TYPE_QINQ && type != ETH_TYPE_QINQ_OLD)
				break;
		}
		offset += 2;
		if (type != ETH_TYPE_IPV4 && type != ETH_TYPE_IPV6)
			return false;
	}
	return ks_layout_read_at(data, length, offset, layout) && layout->end <= length;
}

bool ks_layout_is_error(const __u8 *data, const struct ks_layout *layout)
{
	__u8 type;

	if (layout->fragment || layout->have < layout->l4 + ICMP_HEADER_LEN)
		return false;
	type = data[layout->l4];
	if (layout->proto == KS_PROTO_ICMPV6)
		return type >= 1 && type <= 4;
	return layout->proto == KS_PROTO_ICMP && (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

bool ks_layout_read_quote(const __u8 *data, const struct ks_layout *layout, struct ks_layout *quote)
{
	return ks_layout_read_at(data, layout->have, layout->l4 + ICMP_HEADER_LEN, quote);
}

size_t ks_layout_payload(const __u8 *data, const struct ks_layout *layout)
{
	size_t header = 0;

	if (layout->fragment)
		return layout->l4;
	switch (layout->proto) {
	case KS_PROTO_TCP:
		header = layout->l4 + 13 <= layout->have ? (data[layout->l4 + 12] >> 4) * 4U : 0;
		break;
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		header = 8;
		break;
	case KS_PROTO_SCTP:
		header = 12;
		break;
	case KS_PROTO_GRE:
		header = 4;
		break;
	default:
		break;
	}
	return KS_MIN(layout->l4 + header, layout->have);
}
