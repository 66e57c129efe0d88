/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Upper headers and payload of crafted packets: TCP (RFC 9293, 7323, 2018), UDP (RFC 768), UDP-Lite (RFC 3828) and GRE
 * with a key (RFC 2890) or a call of PPTP (RFC 2637); see craft.h. ICMP, SCTP and DCCP have files of their own. A packet
 * whose protocol or words name no header is what the words `data` and `len` say.
 */
#include "core/header/wire.h"
#include "scenario/crafter.h"

#define TCP_OPTIONS_END 60U /* the longest header: 15 words of 4 bytes */
#define GRE_KEY_PRESENT 0x2000
#define GRE_PPTP 0x2001 /* with a key, version 1 */
#define CALL_TYPE_PPP 0x880b
#define AH_NO_NEXT 0x3b010000U /* nothing follows, the header is 12 bytes long */
#define IPSEC_SPI 0x1000U
#define IPSEC_SEQ 1U

/* Ports, payload, checksum. */

void ks_craft_ports(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	ks_bytes_add16(out, spec->sport);
	ks_bytes_add16(out, spec->dport);
}

void ks_craft_payload(const struct ks_packet_spec *spec, size_t otherwise, struct ks_bytes *out)
{
	const struct ks_mod *data = ks_spec_mod(spec, KS_MOD_DATA);

	if (data)
		ks_bytes_add(out, data->data, data->length);
	else
		ks_bytes_zero(out, (size_t)ks_spec_number(spec, KS_MOD_LEN, (__s64)otherwise));
}

void ks_craft_put_checksum(const struct ks_packet_spec *spec, struct ks_bytes *out, size_t covered, size_t at)
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

	ks_craft_ports(spec, out);
	ks_bytes_add32(out, seq);
	ks_bytes_add32(out, ack);
	ks_bytes_add16(out, spec->tcp_flags);
	ks_bytes_add16(out, (__u16)ks_spec_number(spec, KS_MOD_WIN, 65535));
	ks_bytes_zero(out, 4);
	tcp_options_add(spec, send->conversation->speaker[!send->side].heard_isn, out);
	header = out->length;
	out->data[12] = (__u8)(ks_spec_number(spec, KS_MOD_DATA_OFFSET, (__s64)(header / 4)) << 4);
	if (header > TCP_OPTIONS_END)
		out->overflow = true;
	ks_craft_payload(spec, 0, out);
	ks_craft_put_checksum(spec, out, out->length, TCP_CHECKSUM_OFF);
	if (send->quoted)
		return;
	crafter->seq = seq;
	crafter->ack = ack;
	crafter->end = seq + (__u32)(out->length - header) + !!(spec->tcp_flags & KS_TCP_SYN) +
		       !!(spec->tcp_flags & KS_TCP_FIN);
}

/* UDP, UDP-Lite, GRE. */

static void udp_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	ks_craft_ports(spec, out);
	ks_bytes_zero(out, 4);
	ks_craft_payload(spec, KS_CRAFT_PAYLOAD, out);
	ks_put16(out->data + 4, (__u16)ks_spec_number(spec, KS_MOD_UDP_LENGTH, (__s64)out->length));
	ks_craft_put_checksum(spec, out, out->length, UDP_CHECKSUM_OFF);
}

static void udplite_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	__u16 coverage = (__u16)ks_spec_number(spec, KS_MOD_COVERAGE, 0);

	ks_craft_ports(spec, out);
	ks_bytes_add16(out, coverage);
	ks_bytes_zero(out, 2);
	ks_craft_payload(spec, KS_CRAFT_PAYLOAD, out);
	ks_craft_put_checksum(spec, out, coverage ? coverage : out->length, UDP_CHECKSUM_OFF);
}

/* Returns false without a key or a call. */
static bool gre_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	const struct ks_mod *key = ks_spec_mod(spec, KS_MOD_GRE_KEY), *call = ks_spec_mod(spec, KS_MOD_CALL);
	size_t start = out->length;

	if (!key && !call)
		return false;
	ks_bytes_add16(out, call ? GRE_PPTP : GRE_KEY_PRESENT);
	ks_bytes_add16(out, call ? CALL_TYPE_PPP : ETH_TYPE_IPV4);
	ks_bytes_add32(out, call ? (__u32)call->value : (__u32)key->value);
	ks_craft_payload(spec, KS_CRAFT_PAYLOAD, out);
	if (call)
		ks_put16(out->data + start + 4, (__u16)(out->length - start - 8));
	return true;
}

/* The least that ESP (RFC 4303 2) and AH (RFC 4302 2) have on the wire. Returns false for others, and if the test says what is in it. */
static bool ipsec_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	bool is_ah = spec->proto == KS_PROTO_AH;

	if (!is_ah && spec->proto != KS_PROTO_ESP)
		return false;
	if (ks_spec_mod(spec, KS_MOD_DATA) || ks_spec_mod(spec, KS_MOD_LEN))
		return false;
	if (is_ah)
		ks_bytes_add32(out, AH_NO_NEXT);
	ks_bytes_add32(out, IPSEC_SPI);
	ks_bytes_add32(out, IPSEC_SEQ);
	return true;
}

void ks_craft_upper(struct ks_crafter *crafter, const struct ks_send *send, const struct ks_bytes *quote,
		    struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	__u8 proto = spec->proto;

	if (proto == KS_PROTO_TCP)
		tcp_put(crafter, send, out);
	else if (proto == KS_PROTO_UDP)
		udp_put(spec, out);
	else if (ks_proto_is_icmp(proto))
		ks_craft_icmp(send, quote, out);
	else if (proto == KS_PROTO_SCTP && spec->has_ports)
		ks_craft_sctp(send, out);
	else if (proto == KS_PROTO_DCCP && spec->has_ports)
		ks_craft_dccp(crafter, send, out);
	else if (proto == KS_PROTO_UDPLITE && spec->has_ports)
		udplite_put(spec, out);
	else if (!(proto == KS_PROTO_GRE ? gre_put(spec, out) : ipsec_put(spec, out)))
		ks_craft_payload(spec, KS_CRAFT_PAYLOAD, out);
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
