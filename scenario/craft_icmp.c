/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMP messages of crafted packets (RFC 792, RFC 4443), neighbour discovery (RFC 4861) among them; see craft.h. */
#include <string.h>

#include "core/header/wire.h"
#include "scenario/crafter.h"

#define QUOTED_SIZE (IPV4_HEADER_LEN + ICMP_QUOTE_MIN)

#define TYPE_REDIRECT4 5
#define TYPE_ADVERTISEMENT 134
#define TYPE_REDIRECT6 137

/* Bytes behind the first 8 of a message of this type, where its standard fixes them. */
static size_t icmp_body(const struct ks_packet_spec *spec, unsigned type)
{
	if (spec->proto == KS_PROTO_ICMP) {
		if (type == 13 || type == 14)
			return 12; /* timestamps, RFC 792 */
		if (type == 17 || type == 18)
			return 4; /* address mask, RFC 950 */
		if (type == TYPE_REDIRECT4)
			return QUOTED_SIZE;
		return type == 0 || type == 8 ? KS_CRAFT_PAYLOAD : 0;
	}
	switch (type) {
	case 130:
	case 131:
	case 132: /* RFC 2710 */
	case 135:
	case 136: /* RFC 4861 */
		return 16;
	case TYPE_ADVERTISEMENT:
		return 8;
	case TYPE_REDIRECT6:
		return 32;
	case 128:
	case 129:
		return KS_CRAFT_PAYLOAD;
	default:
		return 0;
	}
}

/* The four bytes behind type, code and checksum; the words `id` and `seq` come first. RFC 792, RFC 4861 4.2. */
static void icmp_rest_put(const struct ks_send *send, unsigned type, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	const struct ks_mod *seq = ks_spec_mod(spec, KS_MOD_SEQ);
	bool given = seq || ks_spec_mod(spec, KS_MOD_ID);

	if (!given && spec->proto == KS_PROTO_ICMP && type == TYPE_REDIRECT4) {
		ks_bytes_add(out, spec->src.b + 12, 4); /* the better router: its sender */
	} else if (!given && spec->proto == KS_PROTO_ICMPV6 && type == TYPE_ADVERTISEMENT) {
		ks_bytes_add(out, (const __u8[]){ 64, 0, 1800 >> 8, 1800 & 0xff }, 4); /* hop limit, lifetime in s */
	} else {
		ks_bytes_add16(out, send->id);
		ks_bytes_add16(out, seq ? (__u16)seq->value : 0);
	}
}

/* The datagram that an IPv4 redirect is about, if the test quotes none: from its receiver to 198.51.100.1, port 53. */
static void redirect4_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	static const __u8 destination[4] = { 198, 51, 100, 1 };
	__u8 *ip = out->data + ICMP_HEADER_LEN, *udp = ip + IPV4_HEADER_LEN;

	ip[0] = 0x45;
	ip[3] = QUOTED_SIZE;
	ip[8] = 64; /* TTL */
	ip[9] = KS_PROTO_UDP;
	memcpy(ip + 12, spec->dst.b + 12, 4);
	memcpy(ip + 16, destination, sizeof(destination));
	ks_put16(udp, 40000);
	ks_put16(udp + 2, 53);
	ks_put16(udp + 4, QUOTED_SIZE - IPV4_HEADER_LEN);
	ks_put16(ip + 10, ks_craft_checksum(spec, ip, IPV4_HEADER_LEN, IPV4_HEADER_LEN));
}

/* An IPv6 redirect without bytes of its own: to 2001:db8::1 by way of fe80::fe. */
static void redirect6_put(struct ks_bytes *out)
{
	static const __u8 target[16] = { 0xfe, 0x80, [15] = 0xfe };
	static const __u8 destination[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

	memcpy(out->data + ICMP_HEADER_LEN, target, sizeof(target));
	memcpy(out->data + ICMP_HEADER_LEN + sizeof(target), destination, sizeof(destination));
}

static void redirect_put(const struct ks_packet_spec *spec, unsigned type, struct ks_bytes *out)
{
	if (spec->quote || ks_spec_mod(spec, KS_MOD_DATA) || ks_spec_mod(spec, KS_MOD_LEN))
		return;
	if (spec->proto == KS_PROTO_ICMP && type == TYPE_REDIRECT4)
		redirect4_put(spec, out);
	else if (spec->proto == KS_PROTO_ICMPV6 && type == TYPE_REDIRECT6)
		redirect6_put(out);
}

/* The target of a neighbour message: as given, else what is asked for or answered. */
static void target_put(const struct ks_packet_spec *spec, unsigned type, struct ks_bytes *out)
{
	const struct ks_mod *mod = ks_spec_mod(spec, KS_MOD_TARGET);
	const struct ks_addr *target = type == 136 ? &spec->src : &spec->dst;

	if (spec->proto != KS_PROTO_ICMPV6 || out->length < 24 || (type != 135 && type != 136 && !mod))
		return;
	memcpy(out->data + 8, mod ? mod->data : target->b, 16);
	/* The solicited-node multicast address (RFC 4291 2.7.1) asks for an address that ends like it. */
	if (!mod && target->b[0] == 0xff)
		memcpy(out->data + 8, (const __u8[]){ 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xfe }, 13);
}

void ks_craft_icmp(const struct ks_send *send, const struct ks_bytes *quote, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	unsigned type = (unsigned)ks_spec_number(spec, KS_MOD_TYPE, 0);

	ks_bytes_add8(out, (__u8)type);
	ks_bytes_add8(out, (__u8)ks_spec_number(spec, KS_MOD_CODE, 0));
	ks_bytes_add16(out, 0);
	icmp_rest_put(send, type, out);
	if (spec->quote)
		ks_bytes_add(out, quote->data, quote->length);
	else
		ks_craft_payload(spec, icmp_body(spec, type), out);
	redirect_put(spec, type, out);
	target_put(spec, type, out);
	ks_craft_put_checksum(spec, out, out->length, ICMP_CHECKSUM_OFF);
}
