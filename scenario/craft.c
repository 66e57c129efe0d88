/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crafting frames; see craft.h. A packet is built from the inside out: upper
 * header and payload (craft_upper.c), then the network header with options
 * or extension headers, then the bytes that the words spoil, then the link header.
 * RFC 791, 8200, 4302, IEEE 802.1Q.
 */
#include <errno.h>
#include <string.h>

#include "core/header/wire.h"
#include "policy/cgroup.h"
#include "scenario/crafter.h"

/* Sum of 16-bit words in ones' complement (RFC 1071), not yet folded. */
static __u32 sum_add(__u32 sum, const __u8 *data, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += (__u32)data[i] << 8 | data[i + 1];
	return length & 1 ? sum + ((__u32)data[length - 1] << 8) : sum;
}

static __u16 sum_fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* RFC 9293 3.1, RFC 768, RFC 8200 8.1; ICMP for IPv4 has no pseudo-header. */
__u16 ks_craft_checksum(const struct ks_packet_spec *spec, const __u8 *data, size_t length, size_t covered)
{
	size_t skip = spec->family == KS_IPV4 ? 12 : 0; /* an IPv4 address is the last four bytes of a ks_addr */
	__u32 sum = 0;

	if (spec->proto != KS_PROTO_ICMP) {
		sum = sum_add(sum, spec->src.b + skip, 16 - skip);
		sum = sum_add(sum, spec->dst.b + skip, 16 - skip);
		sum += spec->proto + (__u32)length;
	}
	return sum_fold(sum_add(sum, data, KS_MIN(covered, length)));
}

/* `part N-N`: a fragment cut out of a datagram that was made whole. */
struct datagram_part {
	bool given, more;
	__u16 offset;
};

static bool is_fragment(const struct ks_packet_spec *spec, const struct datagram_part *part)
{
	return ks_spec_mod(spec, KS_MOD_FRAGMENT) || ks_spec_mod(spec, KS_MOD_MORE) || part->given;
}

static __u16 fragment_offset(const struct ks_packet_spec *spec, const struct datagram_part *part)
{
	return (__u16)ks_spec_number(spec, KS_MOD_FRAGMENT, part->offset) & 0xfff8;
}

static __u8 ttl_of(const struct ks_packet_spec *spec)
{
	__s64 type = ks_spec_number(spec, KS_MOD_TYPE, 0), ttl = 64;

	/* 255 for neighbour discovery (RFC 4861), 1 for listener reports (RFC 2710). */
	if (spec->proto == KS_PROTO_ICMPV6 && type >= 133 && type <= 137)
		ttl = 255;
	else if (spec->proto == KS_PROTO_ICMPV6 && ((type >= 130 && type <= 132) || type == 143))
		ttl = 1;
	ttl = ks_spec_number(spec, KS_MOD_TTL, ttl);
	return (__u8)ks_spec_number(spec, KS_MOD_HOP_LIMIT, ttl);
}

/* The type of service or traffic class: a code point stands above two bits (RFC 2474). */
static __u8 traffic_class(const struct ks_packet_spec *spec)
{
	__s64 tos = ks_spec_number(spec, KS_MOD_TOS, 0), dscp = ks_spec_number(spec, KS_MOD_DSCP, -1);

	return (__u8)(dscp < 0 ? tos : dscp << 2 | (tos & 3));
}

/* Overwrites the bytes that `octet OFFSET VALUE` gives, in the network packet. */
static void bytes_spoil(const struct ks_packet_spec *spec, __u8 *data, size_t length)
{
	for (size_t i = 0; i < spec->mod_count; i++) {
		const struct ks_mod *mod = &spec->mods[i];

		if (mod->kind == KS_MOD_BYTE && (size_t)mod->value < length)
			data[mod->value] = (__u8)mod->value2;
	}
}

/* IPv4. */

static int options_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	size_t start = out->length;

	for (size_t i = 0; i < spec->mod_count; i++) {
		if (spec->mods[i].kind == KS_MOD_IP_OPTION)
			ks_bytes_add(out, spec->mods[i].data, spec->mods[i].length);
	}
	while ((out->length - start) % 4)
		ks_bytes_add8(out, 0);
	return out->length - start > 40 ? -EMSGSIZE : 0;
}

/* The checksum covers the header of the length that it states, which the words may have spoilt. */
static void ipv4_checksum_put(const struct ks_packet_spec *spec, __u8 *packet, size_t length, size_t header)
{
	const struct ks_mod *mod = ks_spec_mod(spec, KS_MOD_IP_CHECKSUM);
	size_t stated = (packet[0] & 0x0f) * 4U;
	__u16 sum;

	if (stated >= IPV4_HEADER_LEN && stated <= length)
		header = stated;
	sum = sum_fold(sum_add(0, packet, header));
	if (mod)
		sum = mod->bad ? (__u16)(sum ^ 0x5555) : (__u16)mod->value;
	ks_put16(packet + IPV4_CHECKSUM_OFF, sum);
}

static int ipv4_put(const struct ks_packet_spec *spec, const struct ks_bytes *l4, const struct datagram_part *part,
		    struct ks_bytes *out)
{
	size_t start = out->length, header;
	__u16 fragment = fragment_offset(spec, part) / 8;
	__u8 *ip;

	ks_bytes_zero(out, IPV4_HEADER_LEN);
	if (options_put(spec, out))
		return -EMSGSIZE;
	header = out->length - start;
	ks_bytes_add(out, l4->data, l4->length);
	if (out->overflow)
		return -EMSGSIZE;
	ip = out->data + start;
	if (ks_spec_mod(spec, KS_MOD_DF))
		fragment |= 0x4000;
	if (ks_spec_mod(spec, KS_MOD_MORE) || part->more)
		fragment |= IPV4_FRAGMENT_MORE;
	ip[0] = (__u8)(ks_spec_number(spec, KS_MOD_VERSION, 4) << 4 |
		       ks_spec_number(spec, KS_MOD_IHL, (__s64)(header / 4)));
	ip[1] = traffic_class(spec);
	ks_put16(ip + 2, (__u16)ks_spec_number(spec, KS_MOD_TOTAL_LENGTH, (__s64)(out->length - start)));
	ks_put16(ip + 4, (__u16)ks_spec_number(spec, KS_MOD_IP_ID, 1));
	ks_put16(ip + 6, fragment);
	ip[8] = ttl_of(spec);
	ip[9] = (__u8)ks_spec_number(spec, KS_MOD_NEXT_HEADER, spec->proto);
	memcpy(ip + 12, spec->src.b + 12, 4);
	memcpy(ip + 16, spec->dst.b + 12, 4);
	bytes_spoil(spec, ip, out->length - start);
	ipv4_checksum_put(spec, ip, out->length - start, header);
	return 0;
}

/* IPv6. */

/* Appends one extension header. Its first byte, the type of the next header, is set when that is appended. */
static void extension_put(const struct ks_packet_spec *spec, const struct ks_mod *mod, struct ks_bytes *out)
{
	size_t start = out->length;
	unsigned units = mod->value2 >= 0 ? (unsigned)mod->value2 : 0; /* of 8 bytes behind the first 8 */

	switch (mod->value) {
	case KS_PROTO_ROUTING: /* one address, one segment left */
		ks_bytes_add(out, (const __u8[]){ 0, 2, (__u8)mod->value2, 1, 0, 0, 0, 0 }, 8);
		ks_bytes_add(out, spec->dst.b, 16);
		return;
	case KS_PROTO_FRAGMENT: /* an atomic fragment (RFC 6946) */
		ks_bytes_add(out, (const __u8[]){ 0, 0, 0, 0, 0, 0, 0, 1 }, 8);
		return;
	case KS_PROTO_AH: /* length in words of 32 bits less two; 12 bytes of check value */
		ks_bytes_zero(out, 24);
		out->data[start + 1] = mod->value2 >= 0 ? (__u8)mod->value2 : 4;
		return;
	case KS_PROTO_HOPOPTS:
	case KS_PROTO_DSTOPTS: /* filled by PadN options */
		ks_bytes_zero(out, 8 + 8 * (size_t)units);
		out->data[start + 1] = (__u8)units;
		if (mod->value2 == KS_EXT_ALERT) {
			memcpy(out->data + start + 2, (const __u8[]){ 5, 2, 0, 0, 1, 0 }, 6);
			return;
		}
		for (size_t at = start + 2; at < out->length;) {
			size_t left = out->length - at, n = left > 2 + 254 ? 254 : left - 2;

			out->data[at] = 1;
			out->data[at + 1] = (__u8)n;
			at += 2 + n;
		}
		return;
	default:
		ks_bytes_zero(out, 8 + 8 * (size_t)units);
		out->data[start + 1] = (__u8)units;
	}
}

/* `fragment N`, `more` and `part N-N`: the fragment header stands last. */
static void fragment_put(const struct ks_packet_spec *spec, const struct datagram_part *part, struct ks_bytes *out)
{
	__u16 offset = fragment_offset(spec, part);
	size_t at = out->length;

	if (ks_spec_mod(spec, KS_MOD_MORE) || part->more)
		offset |= 1;
	ks_bytes_zero(out, 8);
	ks_put16(out->data + at + 2, offset);
	ks_put32(out->data + at + 4, (__u32)ks_spec_number(spec, KS_MOD_IP_ID, 1));
}

static int ipv6_put(const struct ks_packet_spec *spec, const struct ks_bytes *l4, const struct datagram_part *part,
		    struct ks_bytes *out)
{
	size_t start = out->length, next = start + 6; /* where the type of the following header stands */
	__u8 tos = traffic_class(spec);
	__u8 *ip;

	ks_bytes_zero(out, IPV6_HEADER_LEN);
	for (size_t i = 0; i < spec->mod_count && !out->overflow; i++) {
		if (spec->mods[i].kind != KS_MOD_EXT)
			continue;
		out->data[next] = (__u8)spec->mods[i].value;
		next = out->length;
		extension_put(spec, &spec->mods[i], out);
	}
	if (is_fragment(spec, part)) {
		out->data[next] = KS_PROTO_FRAGMENT;
		next = out->length;
		fragment_put(spec, part, out);
	}
	ks_bytes_add(out, l4->data, l4->length);
	if (out->overflow)
		return -EMSGSIZE;
	out->data[next] = (__u8)ks_spec_number(spec, KS_MOD_NEXT_HEADER, spec->proto);
	ip = out->data + start;
	ip[0] = (__u8)(ks_spec_number(spec, KS_MOD_VERSION, 6) << 4 | tos >> 4);
	ip[1] = (__u8)(tos << 4);
	ks_put16(ip + 4,
		 (__u16)ks_spec_number(spec, KS_MOD_PAYLOAD_LENGTH, (__s64)(out->length - start - IPV6_HEADER_LEN)));
	ip[7] = ttl_of(spec);
	memcpy(ip + 8, spec->src.b, 16);
	memcpy(ip + 24, spec->dst.b, 16);
	bytes_spoil(spec, ip, out->length - start);
	return 0;
}

/* `quoting last`: the packet before, as the host in zone `from`, which quotes it, has seen it. */
static int last_put(const struct ks_crafter *crafter, const struct ks_packet_spec *quote, __u8 from,
		    struct ks_bytes *out)
{
	bool received = quote->seen == KS_SEEN_AUTO ? from != crafter->last_from : quote->seen == KS_SEEN_RECEIVED;
	const struct ks_bytes *bytes = received && crafter->left.length ? &crafter->left : &crafter->last;
	size_t start = out->length;

	if (!bytes->length)
		return -EINVAL;
	ks_bytes_add(out, bytes->data, bytes->length);
	bytes_spoil(quote, out->data + start, out->length - start);
	return 0;
}

static int quote_put(struct ks_crafter *crafter, const struct ks_packet_spec *quote, __u8 from, struct ks_bytes *out)
{
	size_t start = out->length;
	struct ks_send send;
	int err;

	if (quote->kind == KS_SPEC_LAST) {
		err = last_put(crafter, quote, from, out);
	} else {
		err = ks_send_take(crafter, quote, true, from, &send);
		if (!err)
			err = ks_craft_packet(crafter, &send, out);
		if (!err && quote->conversation)
			crafter->quote = send;
	}
	/* RFC 1812 4.3.2.3: 576 bytes in all; RFC 4443 2.4: 1280. */
	ks_bytes_cut(out, start + (quote->family == KS_IPV4 ? 548 : 1232));
	if (ks_spec_mod(quote, KS_MOD_TRUNCATE))
		ks_bytes_cut(out, start + (size_t)ks_spec_number(quote, KS_MOD_TRUNCATE, 0));
	return err;
}

/* Leaves of the datagram what `part N-N` says. Others follow it if the end was cut off. */
static void part_cut(const struct ks_packet_spec *spec, struct ks_bytes *l4, struct datagram_part *part)
{
	const struct ks_mod *mod = ks_spec_mod(spec, KS_MOD_PART);
	size_t from, to;

	*part = (struct datagram_part){ 0 };
	if (!mod)
		return;
	to = KS_MIN((size_t)mod->value2, l4->length);
	from = KS_MIN((size_t)mod->value, to);
	*part = (struct datagram_part){ .given = true, .offset = (__u16)from, .more = to < l4->length };
	memmove(l4->data, l4->data + from, to - from);
	ks_bytes_cut(l4, to - from);
}

int ks_craft_packet(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	ks_auto_bytes struct ks_bytes l4 = { 0 };
	ks_auto_bytes struct ks_bytes quote = { 0 };
	struct datagram_part part;
	int err = ks_bytes_init(&l4);

	if (!err)
		err = ks_bytes_init(&quote);
	if (!err && spec->quote)
		err = quote_put(crafter, spec->quote, spec->from, &quote);
	if (err)
		return err;
	if (ks_spec_number(spec, KS_MOD_FRAGMENT, 0)) /* a later fragment: the middle of a payload */
		ks_bytes_zero(&l4, (size_t)ks_spec_number(spec, KS_MOD_LEN, KS_CRAFT_PAYLOAD));
	else
		ks_craft_upper(crafter, send, &quote, &l4);
	part_cut(spec, &l4, &part);
	return spec->family == KS_IPV4 ? ipv4_put(spec, &l4, &part, out) : ipv6_put(spec, &l4, &part, out);
}

/* The link. */

/* Sets the link address of a group or of everybody: RFC 1112 6.4, RFC 919 7, RFC 2464 7. */
static void group_mac(const struct ks_packet_spec *spec, __u8 mac[6])
{
	const __u8 *addr = spec->dst.b;

	if (spec->family == KS_IPV6 && addr[0] == 0xff) {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, addr + 12, 4);
	} else if (spec->family == KS_IPV4 && addr[12] >> 4 == 14) {
		memcpy(mac, (const __u8[]){ 0x01, 0x00, 0x5e, addr[13] & 0x7f, addr[14], addr[15] }, 6);
	} else if (spec->family == KS_IPV4 && spec->dst.w[3] == 0xffffffffU) {
		memset(mac, 0xff, 6);
	}
}

static void link_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	const struct ks_mod *source = ks_spec_mod(spec, KS_MOD_MAC);
	__u8 macs[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };
	__u16 type = spec->family == KS_IPV4 ? ETH_TYPE_IPV4 : spec->family == KS_IPV6 ? ETH_TYPE_IPV6 : ETH_TYPE_ARP;

	group_mac(spec, macs);
	if (source)
		memcpy(macs + sizeof(macs) / 2, source->data, source->length);
	ks_bytes_add(out, macs, sizeof(macs));
	for (size_t i = 0; i < spec->mod_count; i++) {
		const struct ks_mod *mod = &spec->mods[i];

		if (mod->kind != KS_MOD_VLAN && mod->kind != KS_MOD_QINQ)
			continue;
		ks_bytes_add16(out, mod->kind == KS_MOD_VLAN ? ETH_TYPE_VLAN : ETH_TYPE_QINQ);
		ks_bytes_add16(out, (__u16)mod->value);
	}
	ks_bytes_add16(out, (__u16)ks_spec_number(spec, KS_MOD_ETHERTYPE, type));
}

static void arp_put(struct ks_bytes *out)
{
	ks_bytes_add(out, (const __u8[]){ 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 5 }, 18);
	ks_bytes_zero(out, 6);
	ks_bytes_add(out, (const __u8[]){ 10, 0, 0, 1 }, 4);
}

static int frame_put(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	size_t start;
	int err = 0;

	if (spec->kind == KS_SPEC_FRAME) {
		ks_bytes_add(out, spec->data, spec->length);
		return 0;
	}
	if (!ks_spec_mod(spec, KS_MOD_LAYER3))
		link_put(spec, out);
	start = out->length;
	if (spec->kind == KS_SPEC_ARP)
		arp_put(out);
	else
		err = ks_craft_packet(crafter, send, out);
	if (!err && spec->family) {
		crafter->last_from = spec->from;
		ks_bytes_cut(&crafter->left, 0);
		ks_bytes_cut(&crafter->last, 0);
		ks_bytes_add(&crafter->last, out->data + start, out->length - start);
	}
	return err;
}

void ks_frame_find_cgroup(const struct ks_policy *policy, const struct ks_packet_spec *spec, struct ks_frame *frame)
{
	const struct ks_mod *mod = ks_spec_mod(spec, KS_MOD_CGROUP);

	frame->has_cgroup = mod != NULL;
	frame->cgroup = mod ? ks_cgroup_number(policy, (const char *)mod->data) : 0;
}

int ks_crafter_craft(struct ks_crafter *crafter, const struct ks_packet_spec *spec, struct ks_frame *frame)
{
	struct ks_bytes *out = &crafter->frame;
	int err;

	ks_bytes_cut(out, 0);
	out->overflow = false;
	crafter->quote.conversation = NULL;
	err = ks_send_take(crafter, spec, false, spec->from, &crafter->send);
	if (!err)
		err = frame_put(crafter, &crafter->send, out);
	if (err) {
		crafter->send.conversation = NULL;
		return err;
	}
	ks_bytes_zero(out, (size_t)ks_spec_number(spec, KS_MOD_PAD, 0));
	if (ks_spec_mod(spec, KS_MOD_TRUNCATE))
		ks_bytes_cut(out, (size_t)ks_spec_number(spec, KS_MOD_TRUNCATE, 0));
	if (out->overflow)
		return -EMSGSIZE;
	frame->data = out->data;
	frame->length = (__u32)out->length;
	frame->captured = (__u32)KS_MIN((__s64)out->length, ks_spec_number(spec, KS_MOD_SNAP, (__s64)out->length));
	frame->link = ks_spec_mod(spec, KS_MOD_LAYER3) ? KS_LINK_IP : KS_LINK_ETHERNET;
	frame->from = crafter->send.spec.from;
	frame->to = crafter->send.spec.to;
	frame->mark = (__u32)ks_spec_number(spec, KS_MOD_MARK, 0);
	frame->uid = (__u32)ks_spec_number(spec, KS_MOD_USER, 0);
	frame->has_uid = ks_spec_mod(spec, KS_MOD_USER) != NULL;
	frame->cgroup = 0;
	frame->has_cgroup = ks_spec_mod(spec, KS_MOD_CGROUP) != NULL;
	return 0;
}
