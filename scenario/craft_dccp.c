// SPDX-License-Identifier: BSD-2-Clause
/* Crafted packets of DCCP (RFC 4340); see craft.h. Sequence numbers are 48 bits long, of which 32 are used. */
#include "core/header/wire.h"
#include "scenario/crafter.h"

#define DCCP_LONG 1 /* sequence numbers of 48 bits */

enum { DCCP_REQUEST, DCCP_RESPONSE, DCCP_DATA, DCCP_RESET = 7 };

/* Numbers count packets; a packet acknowledges the last one that its sender has heard. */
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

void ks_craft_dccp(struct ks_crafter *crafter, const struct ks_send *send, struct ks_bytes *out)
{
	const struct ks_packet_spec *spec = &send->spec;
	unsigned type = (unsigned)ks_spec_number(spec, KS_MOD_TYPE, DCCP_DATA);
	__s64 coverage = ks_spec_number(spec, KS_MOD_COVERAGE, 0) & 15;
	__u32 seq = ks_send_seq(send);
	size_t header;

	ks_craft_ports(spec, out);
	ks_bytes_add8(out, 0);
	ks_bytes_add8(out, (__u8)coverage);
	ks_bytes_zero(out, 2);
	ks_bytes_add8(out, (__u8)(type << 1 | DCCP_LONG));
	ks_bytes_zero(out, 3);
	ks_bytes_add32(out, seq);
	dccp_rest_put(send, type, out);
	header = out->length;
	out->data[4] = (__u8)ks_spec_number(spec, KS_MOD_DATA_OFFSET, (__s64)(header / 4));
	ks_craft_payload(spec, type == DCCP_DATA ? KS_CRAFT_PAYLOAD : 0, out);
	ks_craft_put_checksum(spec, out, dccp_covered(header, out->length, coverage), DCCP_CHECKSUM_OFF);
	if (send->quoted)
		return;
	crafter->seq = seq;
	crafter->end = seq + 1;
}
