/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout number of the table (core/table/layout.h) names what entries mean. A
 * change of states, kinds, flags or structures changes the sum below, and this
 * test says what to do then. It reads names where there are lists of them, and
 * numbers elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/seal.h"
#include "core/header/packet.h"
#include "core/table/flow.h"
#include "core/helper/id.h"
#include "core/helper/scanner.h"
#include "core/rules.h"
#include "core/table/hash.h"
#include "core/table/layout.h"
#include "core/table/record.h"
#include "core/table/table.h"

static __u32 sum = 0x811c9dc5; /* FNV-1a */

static void add(const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ ((const __u8 *)data)[i]) * 0x01000193;
}

static void add_states(void)
{
	static const char *const names[] = {
#define X(id, name) #id,
		KS_STATES(X)
#undef X
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++)
		add(names[i], strlen(names[i]) + 1);
}

static void add_kinds(void)
{
	static const __u32 kinds[] = {
		KS_KIND_FLOW,	  KS_KIND_MAPPING_OUT, KS_KIND_MAPPING_IN,	KS_KIND_PERMIT,
		KS_KIND_EXPECT,	  KS_KIND_FRAGMENT,    KS_KIND_HELPER_ORIGINAL, KS_KIND_HELPER_REPLY,
		KS_KIND_QUESTION, KS_KIND_QUOTED,      KS_KIND_TALLY,		KS_KIND_PACE,
		KS_KIND_MAX,
	};

	add(kinds, sizeof(kinds));
}

static void add_flags(void)
{
	static const __u32 flags[] = {
		KS_FLOW_ORIG_IS_HIGH,  KS_FLOW_REPLIED,	    KS_FLOW_ASSURED,  KS_FLOW_PICKUP,	  KS_FLOW_LOG,
		KS_FLOW_MAPPED,	       KS_FLOW_MASQUERADED, KS_FLOW_SYN_SEEN, KS_TCP_SACK_PERM,	  KS_TCP_WSCALE,
		KS_TCP_FIN_SEEN,       KS_TCP_SYN_UNACKED,  KS_TCP_LIBERAL,   KS_TCP_FIN_ACKED,	  KS_TCP_CROSSED,
		KS_TCP_LOST,	       KS_SEAL_ZONE_MASK,   KS_SEAL_HALF,     KS_SEAL_UNDECIDED,  KS_SEAL_RESUMED,
		KS_SEAL_SECRET_SHIFT,  KS_TCP_SCALE_MASK,   KS_TCP_GAP,	      KS_TCP_FIN_CLAIMED, KS_FLOW_LIMIT_COUNTED,
		KS_FLOW_LIMIT_PENDING, KS_FLOW_LIMIT_PACED, KS_FLOW_RULED,
	};

	add(flags, sizeof(flags));
}

static void add_structures(void)
{
	static const __u32 places[] = {
		sizeof(struct ks_flow_key),
		offsetof(struct ks_flow_key, port),
		offsetof(struct ks_flow_key, link),
		sizeof(struct ks_flow),
		offsetof(struct ks_flow, state),
		offsetof(struct ks_flow, flags),
		offsetof(struct ks_flow, zone),
		offsetof(struct ks_flow, seen),
		offsetof(struct ks_flow, timeout),
		offsetof(struct ks_flow, created),
		offsetof(struct ks_flow, rule),
		offsetof(struct ks_flow, helper),
		offsetof(struct ks_flow, class_limits),
		offsetof(struct ks_flow, alias),
		offsetof(struct ks_flow, volume),
		offsetof(struct ks_flow, packets_low),
		offsetof(struct ks_flow, end),
		offsetof(struct ks_flow, max_end),
		offsetof(struct ks_flow, ack),
		offsetof(struct ks_flow, max_win),
		offsetof(struct ks_flow, scale),
		offsetof(struct ks_flow, tcp_flags),
		offsetof(struct ks_flow, sctp.offer),
		offsetof(struct ks_flow, dccp.first),
		offsetof(struct ks_flow, own),
		offsetof(struct ks_flow, outer.port),
		offsetof(struct ks_flow, outer.addr),
		sizeof(struct ks_bucket),
		offsetof(struct ks_bucket, joined),
		offsetof(struct ks_bucket, seat),
		offsetof(struct ks_bucket, slot),
		sizeof(struct ks_tags),
		KS_TAGS_IN_PAGE,
		sizeof(struct ks_table_counts),
	};

	add(places, sizeof(places));
}

#define AT(field) offsetof(struct ks_record, field)

static void add_records(void)
{
	static const __u32 offsets[] = {
		AT(alias.side),
		AT(alias.flow),
		AT(mapping.addr),
		AT(mapping.port),
		AT(mapping.rule),
		AT(mapping.peer_port),
		AT(mapping.peer),
		AT(expectation.to),
		AT(expectation.port),
		AT(expectation.rule),
		AT(expectation.control),
		AT(expectation.control_created),
		AT(expectation.control_hash),
		AT(expectation.name),
		AT(question.rule),
		AT(question.is_near),
		AT(datagram.flow),
		AT(datagram.tag),
		AT(datagram.seq),
		AT(datagram.rule),
		AT(datagram.total),
		AT(datagram.unit),
		AT(datagram.last),
		AT(datagram.action),
		AT(datagram.part),
		AT(memory.next),
		AT(memory.shift),
		AT(memory.form),
		AT(memory.len),
		AT(memory.port),
		AT(memory.expected),
		AT(memory.scanner.addr),
		AT(memory.scanner.word),
		AT(memory.scanner.value),
		AT(memory.scanner.port),
		AT(memory.scanner.code),
		AT(memory.scanner.phase),
		AT(memory.scanner.column),
		AT(memory.scanner.field),
		AT(memory.scanner.digits),
		AT(memory.scanner.form),
		AT(memory.scanner.gap),
		AT(memory.scanner.colon),
		AT(memory.scanner.delimiter),
		AT(tally.count),
		AT(tally.rule),
		AT(tally.shapes),
		AT(tally.exceeded),
		AT(tally.due),
		AT(tally.shape),
		KS_LIMITS_PER_RULE,
		KS_DATAGRAM_PARTS,
		KS_HELPER_EXPECTED,
	};
	static const __u32 flags[] = {
		KS_DATAGRAM_JUDGED, KS_DATAGRAM_DEAD,  KS_DATAGRAM_COMPLETE, KS_DATAGRAM_TCP,  KS_DATAGRAM_HIGH,
		KS_DATAGRAM_REPLY,  KS_DATAGRAM_ALIAS, KS_DATAGRAM_HELD,     KS_MEMORY_BEGUN,  KS_MEMORY_OVER,
		KS_TARGET_EIF,	    KS_TARGET_ADF,     KS_HELPER_FTP,	     KS_HELPER_TFTP,   KS_HELPER_SIP,
		KS_HELPER_IRC,	    KS_HELPER_PPTP,    KS_FORM_NUMBERS,	     KS_FORM_EXTENDED, KS_FORM_PORT,
		KS_FORM_DCC,	    KS_FORM_SDP,       KS_FORM_CALL,
	};

	add(offsets, sizeof(offsets));
	add(flags, sizeof(flags));
}

/* A table is of no use to a build that looks for its keys elsewhere. */
static void add_placing(void)
{
	static const struct ks_flow_key key = { .addr = { { .w = { 0, 0, 0, 1 } }, { .w = { 0, 0, 0, 2 } } },
						.port = { 3, 4 },
						.proto = 6,
						.family = KS_IPV4 };
	static const __u64 secret[2] = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };
	const struct ks_table_shape shape = { .buckets = 1000 };
	__u64 hash = ks_flow_key_hash(&key, secret);
	const __u32 places[] = { (__u32)hash, (__u32)(hash >> 32), ks_table_bucket(&shape, hash, 0),
				 ks_table_bucket(&shape, hash, 1), ks_table_tag(hash) };

	add(places, sizeof(places));
}

static void test_layout_is_noted(void **state)
{
	add_states();
	add_kinds();
	add_flags();
	add_structures();
	add_records();
	add_placing();
	if (sum == KS_TABLE_LAYOUT_SUM)
		return;
	fail_msg(
		"The layout of the table changed. In core/table/layout.h raise KS_TABLE_LAYOUT (%u) unless no build "
		"has "
		"carried that number yet, and set KS_TABLE_LAYOUT_SUM to 0x%08xU. States and kinds are appended, never "
		"inserted; if old entries can be read, say so in kernel/layout.c.",
		KS_TABLE_LAYOUT, sum);
}

/* The states of layout 1 keep their numbers for ever: tables of running firewalls have them. */
static void test_states_are_appended(void **state)
{
	assert_int_equal(KS_STATE_NONE, 0);
	assert_int_equal(KS_STATE_TCP_SYN_RECV, 2);
	assert_int_equal(KS_STATE_TCP_ESTABLISHED, 3);
	assert_int_equal(KS_STATE_TCP_CLOSE, 8);
	assert_int_equal(KS_STATE_UDP_STREAM, 10);
	assert_int_equal(KS_STATE_SCTP_HEARTBEAT, 21);
	assert_int_equal(KS_STATE_DCCP_TIMEWAIT, 28);
	assert_int_equal(KS_STATE_ALIAS, 29);
	assert_int_equal(KS_STATE_ASKED, 34);
	assert_int_equal(KS_KIND_QUESTION, 8);
	assert_int_equal(KS_KIND_QUOTED, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_noted),
		cmocka_unit_test(test_states_are_appended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
