// SPDX-License-Identifier: BSD-2-Clause
/* Crafted packets of SCTP (RFC 9260): chunks, verification tags, CRC32c; see craft.h. */
#include "core/header/wire.h"
#include "engine/crc32c.h"
#include "scenario/crafter.h"

#define FLAG_T 1
#define FLAGS_WHOLE 3 /* the first and last fragment of a message */

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

/* The word of a kind that belongs to the chunk at `at`: it stands behind that chunk and before the next. */
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
		ks_bytes_add32(out, tag); /* as TSN; then stream 0, number 0, any protocol */
		ks_bytes_zero(out, 8);
		ks_craft_payload(&send->spec, KS_CRAFT_PAYLOAD, out);
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
	case CHUNK_ERROR: /* any cause: a stale cookie */
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

/* An INIT has no tag (0), a chunk with the T bit its sender's own, every other that of its receiver. */
static __u32 tag_sent(const struct ks_send *send)
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
	__u32 crc = ks_crc32c_around(out->data, out->length, SCTP_CHECKSUM_OFF);

	if (mod)
		crc = mod->bad ? crc ^ 0x5555U : (__u32)mod->value;
	for (unsigned i = 0; i < 4; i++)
		out->data[SCTP_CHECKSUM_OFF + i] = (__u8)(crc >> 8 * i);
}

void ks_craft_sctp(const struct ks_send *send, struct ks_bytes *out)
{
	ks_craft_ports(&send->spec, out);
	ks_bytes_add32(out, tag_sent(send));
	ks_bytes_zero(out, 4);
	for (size_t i = 0; i < send->spec.mod_count; i++) {
		if (send->spec.mods[i].kind == KS_MOD_CHUNK)
			chunk_put(send, i, out);
	}
	crc_put(&send->spec, out);
}
