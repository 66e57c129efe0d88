// SPDX-License-Identifier: BSD-2-Clause
/*
 * Checks of translated packets; see verify.h. A checksum is judged by its
 * residue: the ones' complement sum of all bytes that it covers and of itself,
 * which is 0 if it is right. If the end of a packet is missing (a quotation,
 * a fragment) the residue is not 0, but a translation that keeps the checksum
 * right does not change it.
 */
#include "scenario/verify.h"

#include <stdint.h>
#include <string.h>

#include "core/header/wire.h"
#include "engine/big_endian.h"
#include "engine/crc32c.h"
#include "scenario/layout.h"

#define NOT_CHECKED SIZE_MAX /* no offset: the protocol has no checksum that is known here */

static __u64 sum_of(const __u8 *data, size_t length)
{
	__u64 sum = 0;

	for (size_t i = 0; i + 1 < length; i += 2)
		sum += ks_get16(data + i);
	return length & 1 ? sum + ((__u64)data[length - 1] << 8) : sum;
}

/* Ones' complement has two zeroes; here it has one. */
static __u32 residue(__u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff ? 0 : (__u32)sum;
}

/* Offset of the upper checksum in its header, or NOT_CHECKED. */
static size_t checksum_offset(__u8 proto)
{
	switch (proto) {
	case KS_PROTO_TCP:
		return TCP_CHECKSUM_OFF;
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
		return UDP_CHECKSUM_OFF;
	case KS_PROTO_DCCP:
		return DCCP_CHECKSUM_OFF;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		return ICMP_CHECKSUM_OFF;
	default:
		return NOT_CHECKED;
	}
}

/* Bytes that the upper checksum covers: with UDP-Lite and DCCP perhaps only the first ones. */
static size_t covered_of(const __u8 *l4, const struct ks_layout *layout)
{
	size_t whole = layout->have - layout->l4, part = whole;

	if (layout->proto == KS_PROTO_UDPLITE && ks_get16(l4 + 4))
		part = ks_get16(l4 + 4);
	if (layout->proto == KS_PROTO_DCCP && l4[5] & 15)
		part = l4[4] * 4U + ((l4[5] & 15U) - 1) * 4U;
	return KS_MIN(part, whole);
}

static __u32 upper_residue(const __u8 *data, const struct ks_layout *layout)
{
	const __u8 *l4 = data + layout->l4;
	__u64 sum = sum_of(l4, covered_of(l4, layout));

	if (layout->proto != KS_PROTO_ICMP)
		sum += sum_of(layout->src.b, 16) + sum_of(layout->dst.b, 16) + layout->proto +
		       (layout->end - layout->l4);
	return residue(sum);
}

static bool layout_crc_is_right(const __u8 *data, const struct ks_layout *layout)
{
	const __u8 *l4 = data + layout->l4;
	__u32 crc = ks_crc32c_around(l4, layout->end - layout->l4, SCTP_CHECKSUM_OFF);

	/* Sent with its least byte first (RFC 9260 appendix A). */
	return l4[8] == (__u8)crc && l4[9] == (__u8)(crc >> 8) && l4[10] == (__u8)(crc >> 16) &&
	       l4[11] == (__u8)(crc >> 24);
}

static bool is_whole(const struct ks_layout *layout)
{
	return layout->have == layout->end && !layout->fragment && !layout->more;
}

/* A packet as it arrived and as it leaves. */
struct pair {
	const __u8 *in, *out;
	struct ks_layout was, is;
};

static const char *sctp_fault(const struct pair *pair)
{
	const __u8 *in = pair->in + pair->was.l4, *out = pair->out + pair->is.l4;
	bool was_right;
	__u32 was, is;

	if (!is_whole(&pair->was) || pair->was.have < pair->was.l4 + 12)
		return NULL;
	was = ks_get32(in + SCTP_CHECKSUM_OFF);
	is = ks_get32(out + SCTP_CHECKSUM_OFF);
	was_right = layout_crc_is_right(pair->in, &pair->was);
	if (!was) /* to be finished by the kernel, or none */
		return is ? "it had no SCTP checksum and now has one" : NULL;
	if (was_right == layout_crc_is_right(pair->out, &pair->is))
		return NULL;
	return was_right ? "its SCTP checksum was right and is wrong" : "its SCTP checksum was wrong and is right";
}

static const char *upper_fault(const struct pair *pair)
{
	size_t at = checksum_offset(pair->was.proto);
	bool was_none, is_none;

	if (pair->was.fragment)
		return NULL;
	if (pair->was.proto == KS_PROTO_SCTP)
		return sctp_fault(pair);
	if (at == NOT_CHECKED || pair->was.have < pair->was.l4 + at + 2)
		return NULL;
	was_none = pair->was.proto == KS_PROTO_UDP && !ks_get16(pair->in + pair->was.l4 + at);
	is_none = pair->was.proto == KS_PROTO_UDP && !ks_get16(pair->out + pair->is.l4 + at);
	if (was_none != is_none)
		return was_none ? "it had no UDP checksum and now has one" : "it lost its UDP checksum";
	if (was_none || upper_residue(pair->in, &pair->was) == upper_residue(pair->out, &pair->is))
		return NULL;
	if (is_whole(&pair->was) && upper_residue(pair->in, &pair->was) == 0)
		return "its upper checksum was right and is wrong";
	return "its upper checksum is not adjusted to what changed";
}

static __u32 ipv4_residue(const __u8 *data, const struct ks_layout *layout)
{
	return residue(sum_of(data + layout->l3, layout->l4 - layout->l3));
}

static const char *network_fault(const struct pair *pair)
{
	if (pair->was.family != pair->is.family || pair->was.proto != pair->is.proto ||
	    pair->was.fragment != pair->is.fragment || pair->was.more != pair->is.more ||
	    pair->was.l4 - pair->was.l3 != pair->is.l4 - pair->is.l3)
		return "its network header became another one";
	if (pair->was.family == KS_IPV4 && ipv4_residue(pair->in, &pair->was) != ipv4_residue(pair->out, &pair->is))
		return "its IPv4 header checksum is not adjusted to what changed";
	return NULL;
}

/* Clears all bytes that a translation may change, so that the others can be compared. */
static void header_mask(__u8 *data, const struct ks_layout *layout, unsigned may)
{
	__u8 *ip = data + layout->l3, *l4 = data + layout->l4;
	size_t sum = checksum_offset(layout->proto), room = layout->have - layout->l4;

	if (layout->family == KS_IPV4)
		memset(ip + 10, 0, 10);
	else
		memset(ip + 8, 0, 32);
	if (may & KS_VERIFY_SCRUBBED && layout->family == KS_IPV4) {
		memset(ip + 4, 0, 2);
		ip[1] &= 3;
		ip[6] &= (__u8)~0x40;
		ip[8] = 0;
	} else if (may & KS_VERIFY_SCRUBBED) {
		ip[0] &= 0xf0;
		ip[1] &= 0x3f;
		ip[7] = 0;
	}
	if (layout->fragment)
		return;
	if (layout->has_ports)
		memset(l4, 0, 4);
	if (layout->has_id)
		memset(l4 + 4, 0, 2);
	if (sum != NOT_CHECKED && room >= sum + 2)
		memset(l4 + sum, 0, 2);
	if (layout->proto == KS_PROTO_SCTP && room >= 12)
		memset(l4 + SCTP_CHECKSUM_OFF, 0, 4);
	if (may & KS_VERIFY_SCRUBBED && layout->proto == KS_PROTO_TCP && room >= 20 && l4[13] & KS_TCP_SYN)
		memset(l4 + 20, 0, KS_MIN(room, (l4[12] >> 4) * 4U) - 20);
}

#define COMPARE_MAX 4096

/* Compares all bytes but those that may change. */
static const char *rest_fault(const struct pair *pair, unsigned may)
{
	static _Thread_local __u8 copy[2][COMPARE_MAX];
	const struct ks_layout *layouts[2] = { &pair->was, &pair->is };
	size_t length = pair->was.have;

	if (length != pair->is.have)
		return "its length changed";
	if (length > COMPARE_MAX)
		return NULL;
	memcpy(copy[0], pair->in, length);
	memcpy(copy[1], pair->out, length);
	for (int i = 0; i < 2; i++) {
		struct ks_layout quote;

		if (ks_layout_is_error(copy[i], layouts[i]) && ks_layout_read_quote(copy[i], layouts[i], &quote))
			header_mask(copy[i], &quote, 0);
		header_mask(copy[i], layouts[i], may);
	}
	return memcmp(copy[0], copy[1], length) ? "octets changed that are neither address, port nor checksum" : NULL;
}

static const char *quote_fault(const struct pair *outer)
{
	struct pair quote = { .in = outer->in, .out = outer->out };
	const char *fault;

	if (!ks_layout_is_error(outer->in, &outer->was) || !ks_layout_read_quote(outer->in, &outer->was, &quote.was))
		return NULL;
	if (!ks_layout_read_quote(outer->out, &outer->is, &quote.is))
		return "what it quotes is a packet no more";
	fault = network_fault(&quote);
	if (!fault)
		fault = upper_fault(&quote);
	return fault ? "a checksum of what it quotes is not adjusted to what changed" : NULL;
}

const char *ks_translation_fault(const struct ks_bytes_view *in, const struct ks_bytes_view *out, enum ks_link link,
				 unsigned may)
{
	struct pair pair = { .in = in->data, .out = out->data };
	const char *fault;

	if (!ks_layout_read(in->data, in->length, link, &pair.was))
		return in->length == out->length && !memcmp(in->data, out->data, in->length)
			       ? NULL
			       : "it is no IP packet and was changed";
	if (!ks_layout_read(out->data, out->length, link, &pair.is))
		return "its headers do not fit its length any more";
	fault = network_fault(&pair);
	if (!fault)
		fault = upper_fault(&pair);
	if (!fault)
		fault = quote_fault(&pair);
	if (!fault && !(may & KS_VERIFY_REWRITTEN))
		fault = rest_fault(&pair, may);
	return fault;
}
