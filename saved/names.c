/* SPDX-License-Identifier: BSD-2-Clause */
/* See names.h. */
#include "saved/names.h"

#include <stddef.h>

#include "core/header/packet.h"
#include "core/helper/id.h"
#include "core/rules.h"
#include "core/table/record.h"
#include "policy/helper.h"
#include "saved/saved.h"
#include "text/names.h"

/* The first four bits are those of the protocol. */
const struct ks_saved_bit ks_saved_flow_bits[] = {
	{ KS_FLOW_ORIG_IS_HIGH, 0x01 }, { KS_FLOW_REPLIED, 0x02 },  { KS_FLOW_ASSURED, 0x04 },
	{ KS_FLOW_PICKUP, 0x08 },	{ KS_FLOW_LOG, 0x10 },	    { KS_FLOW_MAPPED, 0x20 },
	{ KS_FLOW_MASQUERADED, 0x40 },	{ KS_FLOW_SYN_SEEN, 0x80 }, { 0, 0 },
};

const struct ks_saved_bit ks_saved_tcp_bits[] = {
	{ KS_TCP_SACK_PERM, 0x01 }, { KS_TCP_WSCALE, 0x02 },	{ KS_TCP_FIN_SEEN, 0x04 }, { KS_TCP_SYN_UNACKED, 0x08 },
	{ KS_TCP_LIBERAL, 0x10 },   { KS_TCP_FIN_ACKED, 0x20 }, { KS_TCP_CROSSED, 0x40 },  { 0, 0 },
};

const struct ks_saved_bit ks_saved_mapping_bits[] = {
	{ KS_TARGET_EIM, 0x01 },
	{ KS_TARGET_EIF, 0x02 },
	{ KS_TARGET_ADF, 0x04 },
	{ 0, 0 },
};

const struct ks_saved_bit ks_saved_memory_bits[] = {
	{ KS_MEMORY_BEGUN, 0x01 },
	{ KS_MEMORY_OVER, 0x02 },
	{ 0, 0 },
};

__u8 ks_saved_bits_out(const struct ks_saved_bit *bits, __u8 ours)
{
	__u8 saved = 0;

	for (; bits->ours; bits++)
		saved |= ours & bits->ours ? bits->saved : 0;
	return saved;
}

__u8 ks_saved_bits_in(const struct ks_saved_bit *bits, __u8 saved)
{
	__u8 ours = 0;

	for (; bits->ours; bits++)
		ours |= saved & bits->saved ? bits->ours : 0;
	return ours;
}

static const char *class_name(unsigned class)
{
	static const char *const names[KS_UDP_CLASSES] = {
		[KS_UDP_PLAIN] = "plain",	  [KS_UDP_DNS] = "dns",	  [KS_UDP_QUIC] = "quic",
		[KS_UDP_WIREGUARD] = "wireguard", [KS_UDP_STUN] = "stun", [KS_UDP_SIP] = "sip",
	};

	return class < KS_UDP_CLASSES ? names[class] : NULL;
}

unsigned ks_saved_name_count(enum ks_saved_list list)
{
	switch (list) {
	case KS_SAVED_STATES:
		return KS_STATE_MAX;
	case KS_SAVED_HELPERS:
		return KS_HELPER_MAX;
	case KS_SAVED_CLASSES:
		return KS_UDP_CLASSES;
	default:
		return 0;
	}
}

const char *ks_saved_name(enum ks_saved_list list, unsigned number)
{
	if (number >= ks_saved_name_count(list))
		return NULL;
	switch (list) {
	case KS_SAVED_STATES:
		return ks_state_name(number);
	case KS_SAVED_HELPERS:
		return ks_helper_name(number);
	default:
		return class_name(number);
	}
}

static const __u8 kinds[KS_SAVED_KINDS] = {
	[KS_SAVED_FLOW] = KS_KIND_FLOW,
	[KS_SAVED_MAPPING_OUT] = KS_KIND_MAPPING_OUT,
	[KS_SAVED_MAPPING_IN] = KS_KIND_MAPPING_IN,
	[KS_SAVED_PERMIT] = KS_KIND_PERMIT,
	[KS_SAVED_EXPECT] = KS_KIND_EXPECT,
	[KS_SAVED_HELPER_ORIGINAL] = KS_KIND_HELPER_ORIGINAL,
	[KS_SAVED_HELPER_REPLY] = KS_KIND_HELPER_REPLY,
	[KS_SAVED_QUESTION] = KS_KIND_QUESTION,
};

enum ks_saved_kind ks_saved_kind_of(unsigned kind)
{
	for (unsigned i = KS_SAVED_FLOW; i < KS_SAVED_KINDS; i++) {
		if (kinds[i] == kind)
			return (enum ks_saved_kind)i;
	}
	return KS_SAVED_END;
}

int ks_saved_kind_in(unsigned saved)
{
	return saved > KS_SAVED_END && saved < KS_SAVED_KINDS ? kinds[saved] : -1;
}

static const struct {
	const char *name, *text;
} fates[KS_SAVED_FATE_MAX] = {
#define X(id, name, text) [KS_SAVED_##id] = { name, text },
	KS_SAVED_FATES(X)
#undef X
};

const char *ks_saved_fate_name(enum ks_saved_fate fate)
{
	return fates[fate].name;
}

const char *ks_saved_fate_text(enum ks_saved_fate fate)
{
	return fates[fate].text;
}

#define CRC_POLYNOMIAL 0x82f63b78U /* Castagnoli, reflected */
#define CRC_LANES \
	8U /* bytes at a time: see Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators" (2005) */

static __u32 crc_table[CRC_LANES][256];

static void crc_prepare(void)
{
	for (__u32 i = 0; i < 256; i++) {
		__u32 crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
		crc_table[0][i] = crc;
	}
	for (__u32 i = 0; i < 256; i++) {
		for (__u32 lane = 1; lane < CRC_LANES; lane++)
			crc_table[lane][i] = crc_table[lane - 1][i] >> 8 ^ crc_table[0][crc_table[lane - 1][i] & 0xff];
	}
}

/* Eight bytes at once: the table of each lane has what its byte does to the sum from there on. */
static __u32 crc_lanes(__u32 crc, const __u8 *at)
{
	__u32 sum = 0;

	for (__u32 i = 0; i < CRC_LANES; i++)
		sum ^= crc_table[CRC_LANES - 1 - i][(__u8)(at[i] ^ (i < 4 ? crc >> 8 * i : 0))];
	return sum;
}

__u32 ks_saved_crc(__u32 crc, const void *bytes, size_t size)
{
	const __u8 *at = bytes;

	if (!crc_table[0][1])
		crc_prepare();
	crc = ~crc;
	for (; size >= CRC_LANES; size -= CRC_LANES, at += CRC_LANES)
		crc = crc_lanes(crc, at);
	for (; size; size--, at++)
		crc = crc >> 8 ^ crc_table[0][(__u8)(crc ^ *at)];
	return ~crc;
}
