// SPDX-License-Identifier: BSD-2-Clause
/*
 * Upper headers of SCTP (RFC 9260), DCCP (RFC 4340), UDP-Lite (RFC 3828) and
 * of GRE with a key (RFC 2890) or a call of PPTP (RFC 2637); see craft.h. Without
 * ports, key or call the packet is what the words `data` and `len` say.
 */
#include "scenario/craft_internal.h"
#include "engine/crc32c.h"

#define DEFAULT_PAYLOAD 32
#define SCTP_CRC 8
#define CHUNK_HEADER 4
#define FLAG_T 1
#define FLAGS_WHOLE 3 /* the first and last fragment of a message */
#define DCCP_LONG 1 /* sequence numbers of 48 bits */
#define GRE_KEY_PRESENT 0x2000
#define GRE_PPTP 0x2001 /* with a key, version 1 */
#define ETHERTYPE_IP 0x0800
#define ETHERTYPE_PPP 0x880b

enum {
	CHUNK_DATA,
	CHUNK_INIT,
	CHUNK_INIT_ACK,
	CHUNK_SACK,
	CHUNK_HEARTBEAT,
	CHUNK_HEARTBEAT_ACK,
	CHUNK_SHUTDOWN = 7,
	CHUNK_ERROR = 9,
	CHUNK_COOKIE_ECHO
};

enum { DCCP_REQUEST, DCCP_RESPONSE, DCCP_DATA, DCCP_RESET = 7 };

static void ports_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	ks_bytes_add16(out, spec->sport);
	ks_bytes_add16(out, spec->dport);
}

/* SCTP. */

/* Whether a word stands behind this chunk and before the next. */
static const struct ks_mod *chunk_word(const struct ks_packet_spec *spec, size_t at, enum ks_mod_kind kind)
{
	for (size_t i = at + 1; i < spec->mod_count && spec->mods[i].kind != KS_MOD_CHUNK; i++) {
		if (spec->mods[i].kind == kind)
			return &spec->mods[i];
	}
	return NULL;
}

static void chunk_value_put(const struct ks_send *send, __u8 type, struct ks_bytes *out)
{
	__u32 tag = send->conversation->speaker[send->side].tag;

	switch (type) {
	case CHUNK_DATA:
		ks_bytes_add32(out, tag); /* TSN, then stream 0, number 0, any protocol */
		ks_bytes_zero(out, 8);
		ks_craft_payload(&send->spec, DEFAULT_PAYLOAD, out);
		break;
	case CHUNK_INIT:
	case CHUNK_INIT_ACK:
		ks_bytes_add32(out, tag);
		ks_bytes_add32(out, 65536);
		ks_bytes_add16(out, 10);
		ks_bytes_add16(out, 10);
		ks_bytes_add32(out, tag);
		if (type == CHUNK_INIT_ACK) /* a cookie */
			ks_bytes_add(out, (const __u8[]){ 0, 7, 0, 8, 1, 2, 3, 4 }, 8);
		break;
	case CHUNK_SACK:
		ks_bytes_add32(out, tag);
		ks_bytes_add32(out, 65536);
		ks_bytes_zero(out, 4);
		break;
	case CHUNK_HEARTBEAT:
	case CHUNK_HEARTBEAT_ACK:
		ks_bytes_add(out, (const __u8[]){ 0, 1, 0, 8, 1, 2, 3, 4 }, 8);
		break;
	case CHUNK_SHUTDOWN:
	case CHUNK_COOKIE_ECHO:
		ks_bytes_zero(out, 4);
		break;
	case CHUNK_ERROR: /* a stale cookie, or what else */
		ks_bytes_add(out, (const __u8[]){ 0, 3, 0, 4 }, 4);
		break;
	default:
		break;
	}
}

static void chunk_put(const struct ks_send *send, size_t at, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	const struct ks_mod *length = chunk_word(spec, at, KS_MOD_CHUNK_LENGTH);
	__u8 type = (__u8)spec->mods[at].value;
	__u8 flags = chunk_word(spec, at, KS_MOD_TBIT) ? FLAG_T : type == CHUNK_DATA ? FLAGS_WHOLE : 0;
	size_t start = out->length;

	ks_bytes_add8(out, type);
	ks_bytes_add8(out, flags);
	ks_bytes_zero(out, 2);
	chunk_value_put(send, type, out);
	ks_put16(out->data + start + 2, length ? (__u16)length->value : (__u16)(out->length - start));
	while (out->length % 4)
		ks_bytes_add8(out, 0);
}

/* An INIT has none; what bears the T bit has its sender's own, all else that of its receiver. */
static __u32 tag_of(const struct ks_send *send)
{
	const struct ks_mod *tag = ks_spec_mod(&send->spec, KS_MOD_VTAG);
	bool own = ks_spec_mod(&send->spec, KS_MOD_TBIT);

	if (tag)
		return (__u32)tag->value;
	for (size_t i = 0; i < send->spec.mod_count; i++) {
		if (send->spec.mods[i].kind == KS_MOD_CHUNK && send->spec.mods[i].value == CHUNK_INIT)
			return 0;
	}
	return send->conversation->speaker[own ? send->side : !send->side].tag;
}

static void crc_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	const struct ks_mod *mod = ks_spec_mod(spec, KS_MOD_CHECKSUM);
	__u32 crc = ks_crc32c_around(out->data, out->length, SCTP_CRC);

	if (mod)
		crc = mod->bad ? crc ^ 0x5555U : (__u32)mod->value;
	for (int i = 0; i < 4; i++)
		out->data[SCTP_CRC + i] = (__u8)(crc >> 8 * i);
}

static void sctp_put(const struct ks_send *send, struct ks_bytes *out)
{
	ports_put(&send->spec, out);
	ks_bytes_add32(out, tag_of(send));
	ks_bytes_zero(out, 4);
	for (size_t i = 0; i < send->spec.mod_count; i++) {
		if (send->spec.mods[i].kind == KS_MOD_CHUNK)
			chunk_put(send, i, out);
	}
	crc_put(&send->spec, out);
}

/* DCCP. */

/* Numbers count packets. What is acknowledged is the last one heard. */
static __u32 dccp_ack(const struct ks_send *send)
{
	const struct ks_mod *mod = ks_spec_mod(&send->spec, KS_MOD_ACK);
	const struct ks_speaker *peer = &send->conversation->speaker[!send->side];

	if (!mod)
		return peer->heard_last;
	return (mod->base == KS_SEQ_ABSOLUTE ? 0
		: mod->base == KS_SEQ_ISN    ? peer->heard_isn
					     : peer->heard_next) +
	       (__u32)mod->value;
}

static void dccp_rest_put(const struct ks_send *send, unsigned type, struct ks_bytes *out)
{
	if (type != DCCP_REQUEST && type != DCCP_DATA) {
		ks_bytes_zero(out, 4);
		ks_bytes_add32(out, dccp_ack(send));
	}
	if (type == DCCP_REQUEST || type == DCCP_RESPONSE)
		ks_bytes_add32(out, 42); /* the service */
	if (type == DCCP_RESET) {
		ks_bytes_add8(out, (__u8)ks_spec_number(&send->spec, KS_MOD_CODE, 1));
		ks_bytes_zero(out, 3);
	}
}

static size_t dccp_covered(size_t header, size_t length, __s64 coverage)
{
	return coverage ? KS_MIN(header + (size_t)(coverage - 1) * 4, length) : length;
}

static void dccp_put(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	unsigned type = (unsigned)ks_spec_number(spec, KS_MOD_TYPE, DCCP_DATA);
	__s64 coverage = ks_spec_number(spec, KS_MOD_COVERAGE, 0) & 15;
	__u32 seq = ks_send_seq(send);
	size_t header;

	ports_put(spec, out);
	ks_bytes_add8(out, 0);
	ks_bytes_add8(out, (__u8)coverage);
	ks_bytes_zero(out, 2);
	ks_bytes_add8(out, (__u8)(type << 1 | DCCP_LONG));
	ks_bytes_zero(out, 3);
	ks_bytes_add32(out, seq);
	dccp_rest_put(send, type, out);
	header = out->length;
	out->data[4] = (__u8)ks_spec_number(spec, KS_MOD_DATA_OFFSET, (__s64)(header / 4));
	ks_craft_payload(spec, type == DCCP_DATA ? DEFAULT_PAYLOAD : 0, out);
	ks_craft_sum(spec, out, dccp_covered(header, out->length, coverage), 6);
	if (send->quoted)
		return;
	crafter->seq = seq;
	crafter->end = seq + 1;
}

/* UDP-Lite, GRE. */

static void udplite_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	__u16 coverage = (__u16)ks_spec_number(spec, KS_MOD_COVERAGE, 0);

	ports_put(spec, out);
	ks_bytes_add16(out, coverage);
	ks_bytes_zero(out, 2);
	ks_craft_payload(spec, DEFAULT_PAYLOAD, out);
	ks_craft_sum(spec, out, coverage ? coverage : out->length, 6);
}

static bool gre_put(const struct ks_packet_spec *spec, struct ks_bytes *out)
{
	const struct ks_mod *key = ks_spec_mod(spec, KS_MOD_GRE_KEY), *call = ks_spec_mod(spec, KS_MOD_CALL);
	size_t start = out->length;

	if (!key && !call)
		return false;
	ks_bytes_add16(out, call ? GRE_PPTP : GRE_KEY_PRESENT);
	ks_bytes_add16(out, call ? ETHERTYPE_PPP : ETHERTYPE_IP);
	ks_bytes_add32(out, call ? (__u32)call->value : (__u32)key->value);
	ks_craft_payload(spec, DEFAULT_PAYLOAD, out);
	if (call)
		ks_put16(out->data + start + 4, (__u16)(out->length - start - 8));
	return true;
}

bool ks_craft_more(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;

	if (spec->proto == KS_PROTO_GRE)
		return gre_put(spec, out);
	if (!spec->has_ports)
		return false;
	switch (spec->proto) {
	case KS_PROTO_SCTP:
		sctp_put(send, out);
		return true;
	case KS_PROTO_DCCP:
		dccp_put(crafter, send, out);
		return true;
	case KS_PROTO_UDPLITE:
		udplite_put(spec, out);
		return true;
	default:
		return false;
	}
}
