/* SPDX-License-Identifier: BSD-2-Clause */
/* Upper headers and payload of crafted packets; see craft.h. RFC 9293, 7323, 2018, 768, 792, 4443, 4861. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/craft_internal.h"

#define TCP_HEADER 20
#define DEFAULT_PAYLOAD 32 /* of anything but TCP */
#define ICMP_HEADER 8
#define IPV4_HEADER 20
#define QUOTED_SIZE 28 /* an IPv4 header and the first 8 bytes behind it */

#define TYPE_REDIRECT4 5
#define TYPE_ADVERTISEMENT 134
#define TYPE_REDIRECT6 137

/* Bytes. */

int ks_bytes_init(struct ks_bytes *bytes)
{
	*bytes = (struct ks_bytes){ .data = malloc(KS_BYTES_MAX) };
	return bytes->data ? 0 : -ENOMEM;
}

void ks_bytes_fini(struct ks_bytes *bytes)
{
	free(bytes->data);
	bytes->data = NULL;
}

void ks_bytes_zero(struct ks_bytes *bytes, size_t length)
{
	if (length > KS_BYTES_MAX - bytes->length) {
		bytes->overflow = true;
		length = KS_BYTES_MAX - bytes->length;
	}
	memset(bytes->data + bytes->length, 0, length);
	bytes->length += length;
}

void ks_bytes_add(struct ks_bytes *bytes, const void *data, size_t length)
{
	size_t at = bytes->length;

	ks_bytes_zero(bytes, length);
	if (bytes->length > at)
		memcpy(bytes->data + at, data, bytes->length - at);
}

void ks_bytes_add8(struct ks_bytes *bytes, __u8 value)
{
	ks_bytes_add(bytes, &value, 1);
}

void ks_bytes_add16(struct ks_bytes *bytes, __u16 value)
{
	ks_bytes_add8(bytes, (__u8)(value >> 8));
	ks_bytes_add8(bytes, (__u8)value);
}

void ks_bytes_add32(struct ks_bytes *bytes, __u32 value)
{
	ks_bytes_add16(bytes, (__u16)(value >> 16));
	ks_bytes_add16(bytes, (__u16)value);
}

void ks_bytes_cut(struct ks_bytes *bytes, size_t length)
{
	bytes->length = KS_MIN(bytes->length, length);
}

void ks_put16(__u8 *at, __u16 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

void ks_put32(__u8 *at, __u32 value)
{
	ks_put16(at, (__u16)(value >> 16));
	ks_put16(at + 2, (__u16)value);
}

/* Payload. */

void ks_craft_payload(const struct ks_packet_spec *spec, size_t otherwise, struct ks_bytes *out)
{
	const struct ks_mod *data = ks_spec_mod(spec, KS_MOD_DATA);

	if (data)
		ks_bytes_add(out, data->data, data->length);
	else
		ks_bytes_zero(out, (size_t)ks_spec_number(spec, KS_MOD_LEN, (__s64)otherwise));
}

void ks_craft_sum(const struct ks_packet_spec *spec, struct ks_bytes *out, size_t covered, size_t at)
{
	const struct ks_mod *mod = ks_spec_mod(spec, KS_MOD_CHECKSUM);
	__u16 sum = ks_craft_checksum(spec, out->data, out->length, covered);

	if ((spec->proto == KS_PROTO_UDP || spec->proto == KS_PROTO_UDPLITE) && sum == 0)
		sum = 0xffff; /* RFC 768: 0 says that there is none */
	if (mod)
		sum = mod->bad ? (__u16)(sum ^ 0x5555) : (__u16)mod->value;
	ks_put16(out->data + at, sum);
}

/* TCP. */

static void tcp_option_add(const struct ks_mod *mod, __u32 isn, struct ks_bytes *out)
{
	switch (mod->kind) {
	case KS_MOD_WSCALE:
		ks_bytes_add(out, (const __u8[]){ 3, 3, (__u8)mod->value }, 3);
		break;
	case KS_MOD_MSS:
		ks_bytes_add(out, (const __u8[]){ 2, 4 }, 2);
		ks_bytes_add16(out, (__u16)mod->value);
		break;
	case KS_MOD_SACKOK:
		ks_bytes_add(out, (const __u8[]){ 4, 2 }, 2);
		break;
	case KS_MOD_TIMESTAMPS:
		ks_bytes_add(out, (const __u8[]){ 8, 10 }, 2);
		ks_bytes_add32(out, (__u32)mod->value);
		ks_bytes_add32(out, (__u32)mod->value2);
		break;
	case KS_MOD_TCP_OPTION:
		ks_bytes_add(out, mod->data, mod->length);
		break;
	case KS_MOD_SACK:
		ks_bytes_add32(out, isn + (__u32)mod->value);
		ks_bytes_add32(out, isn + (__u32)mod->value2);
		break;
	default:
		break;
	}
}

static void tcp_options_add(const struct ks_packet_spec *spec, __u32 isn, struct ks_bytes *out)
{
	size_t blocks = 0;

	for (size_t i = 0; i < spec->mod_count; i++)
		blocks += spec->mods[i].kind == KS_MOD_SACK;
	if (blocks) /* RFC 2018 3: all blocks in one option, behind two NOPs */
		ks_bytes_add(out, (const __u8[]){ 1, 1, 5, (__u8)(2 + 8 * blocks) }, 4);
	for (size_t i = 0; blocks && i < spec->mod_count; i++) {
		if (spec->mods[i].kind == KS_MOD_SACK)
			tcp_option_add(&spec->mods[i], isn, out);
	}
	for (size_t i = 0; i < spec->mod_count; i++) {
		if (spec->mods[i].kind != KS_MOD_SACK)
			tcp_option_add(&spec->mods[i], isn, out);
	}
	while (out->length % 4)
		ks_bytes_add8(out, out->length % 4 == 3 ? 0 : 1);
}

static void tcp_put(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	__u32 seq = ks_send_seq(send), ack = ks_send_ack(send);
	size_t header;

	ks_bytes_add16(out, spec->sport);
	ks_bytes_add16(out, spec->dport);
	ks_bytes_add32(out, seq);
	ks_bytes_add32(out, ack);
	ks_bytes_add16(out, spec->tcp_flags);
	ks_bytes_add16(out, (__u16)ks_spec_number(spec, KS_MOD_WIN, 65535));
	ks_bytes_zero(out, 4);
	tcp_options_add(spec, send->conversation->speaker[!send->side].heard_isn, out);
	header = out->length;
	out->data[12] = (__u8)(ks_spec_number(spec, KS_MOD_DATA_OFFSET, (__s64)(header / 4)) << 4);
	if (header > 60)
		out->overflow = true;
	ks_craft_payload(spec, 0, out);
	ks_craft_sum(spec, out, out->length, 16);
	if (send->quoted)
		return;
	crafter->seq = seq;
	crafter->ack = ack;
	crafter->end = seq + (__u32)(out->length - header) + !!(spec->tcp_flags & KS_TCP_SYN) +
		       !!(spec->tcp_flags & KS_TCP_FIN);
}

/* UDP and ICMP. */

static void udp_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	ks_bytes_add16(out, spec->sport);
	ks_bytes_add16(out, spec->dport);
	ks_bytes_zero(out, 4);
	ks_craft_payload(spec, DEFAULT_PAYLOAD, out);
	ks_put16(out->data + 4, (__u16)ks_spec_number(spec, KS_MOD_UDP_LENGTH, (__s64)out->length));
	ks_craft_sum(spec, out, out->length, 6);
}

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
		return type == 0 || type == 8 ? DEFAULT_PAYLOAD : 0;
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
		return DEFAULT_PAYLOAD;
	default:
		return 0;
	}
}

/* Behind type, code and checksum; what the words `id` and `seq` give goes before. RFC 792, RFC 4861 4.2. */
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

/* What an IPv4 redirect is about, unless a quotation says so: a datagram of its receiver to 198.51.100.1, port 53. */
static void redirect4_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	static const __u8 destination[4] = { 198, 51, 100, 1 };
	__u8 *ip = out->data + ICMP_HEADER, *udp = ip + IPV4_HEADER;

	ip[0] = 0x45;
	ip[3] = QUOTED_SIZE;
	ip[8] = 64; /* TTL */
	ip[9] = KS_PROTO_UDP;
	memcpy(ip + 12, spec->dst.b + 12, 4);
	memcpy(ip + 16, destination, sizeof(destination));
	ks_put16(udp, 40000);
	ks_put16(udp + 2, 53);
	ks_put16(udp + 4, QUOTED_SIZE - IPV4_HEADER);
	ks_put16(ip + 10, ks_craft_checksum(spec, ip, IPV4_HEADER, IPV4_HEADER));
}

/* An IPv6 redirect without bytes of its own: to 2001:db8::1 by way of fe80::fe. */
static void redirect6_put(struct ks_bytes *out)
{
	static const __u8 target[16] = { 0xfe, 0x80, [15] = 0xfe };
	static const __u8 destination[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

	memcpy(out->data + ICMP_HEADER, target, sizeof(target));
	memcpy(out->data + ICMP_HEADER + sizeof(target), destination, sizeof(destination));
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

static void icmp_put(const struct ks_send *send, const struct ks_bytes *quote, struct ks_bytes *out)
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
	ks_craft_sum(spec, out, out->length, 2);
}

void ks_craft_l4(struct ks_crafter *crafter, const struct ks_send *send, const struct ks_bytes *quote,
		 struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;

	switch (spec->proto) {
	case KS_PROTO_TCP:
		tcp_put(crafter, send, out);
		break;
	case KS_PROTO_UDP:
		udp_put(spec, out);
		break;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		icmp_put(send, quote, out);
		break;
	default:
		if (!ks_craft_more(crafter, send, out))
			ks_craft_payload(spec, DEFAULT_PAYLOAD, out);
	}
}

/* Many flows of one packet. */

static void addr_add(struct ks_addr *addr, __u64 n)
{
	for (int i = 15; i >= 0 && n; i--) {
		n += addr->b[i];
		addr->b[i] = (__u8)n;
		n >>= 8;
	}
}

void ks_craft_vary(const struct ks_packet_spec *spec, __u64 n, struct ks_packet_spec *varied)
{
	bool ports = spec->proto == KS_PROTO_TCP || spec->proto == KS_PROTO_UDP;
	__u64 room = 65536 - (__u64)spec->sport;

	*varied = *spec;
	varied->conversation = false;
	if (ports && n < room) {
		varied->sport = (__u16)(spec->sport + n);
		return;
	}
	if (ports)
		varied->sport = (__u16)(1024 + (n - room) % 64512);
	addr_add(&varied->src, ports ? 1 + (n - room) / 64512 : n);
}
