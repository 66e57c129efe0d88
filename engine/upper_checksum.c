// SPDX-License-Identifier: BSD-2-Clause
/* See upper_checksum.h. */
#include "engine/upper_checksum.h"

#include <string.h>

#include "core/header/checksum.h"
#include "core/header/upper_checksum.h"
#include "core/header/wire.h"
#include "engine/big_endian.h"
#include "engine/crc32c.h"

/* Adds bytes as 16-bit words in wire order, two at a time: the sum of 32-bit words folds to the same. */
static __u64 sum_bytes(const __u8 *data, size_t len)
{
	__u64 sum = 0;
	__u32 pair;
	__u16 word;

	for (; len >= sizeof(pair); data += sizeof(pair), len -= sizeof(pair)) {
		memcpy(&pair, data, sizeof(pair));
		sum += pair;
	}
	for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		sum += word;
	}
	if (len)
		sum += ks_be16((__u16)(*data << 8));
	return sum;
}

static bool sctp_crc_is_right(const __u8 *l4, __u32 len)
{
	__u32 crc = ks_crc32c_around(l4, len, SCTP_CHECKSUM_OFF);

	for (unsigned i = 0; i < sizeof(crc); i++) {
		if (l4[SCTP_CHECKSUM_OFF + i] != (__u8)(crc >> 8 * i))
			return false;
	}
	return true;
}

bool ks_checksum_is_right(const struct ks_frame *frame, const struct ks_packet *pkt)
{
	__u32 covered = ks_checksum_covered(frame->data, pkt);
	const __u8 *l4 = frame->data + pkt->l4_off;
	__u64 sum;

	if (!covered || pkt->l4_off + covered > frame->captured)
		return true;
	if (pkt->tuple.proto == KS_PROTO_SCTP)
		return sctp_crc_is_right(l4, covered);
	sum = sum_bytes(l4, covered) + ks_checksum_pseudo(pkt, covered);
	while (sum > KS_CHECKSUM_MASK)
		sum = (sum & KS_CHECKSUM_MASK) + (sum >> KS_CHECKSUM_BITS);
	return sum == KS_CHECKSUM_MASK;
}
