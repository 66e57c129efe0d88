// SPDX-License-Identifier: BSD-2-Clause
/* Fragments come to their datagram: held, released, refused, or passed with the verdict of the first. */
#include "tests/unit/core/fragment/fragments.h"

/* The others share the verdict of the first, and count for its flow. */
static void test_first_then_others(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(last.verdict.state, KS_STATE_UDP_SINGLE);
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	assert_int_equal(last.verdict.action, KS_ALLOW);
	assert_int_equal(last.verdict.class, KS_CLASS_NEW);
	assert_int_equal(last.verdict.rule, 1);
	assert_int_equal(udp(false, 7, 128, false, 5), NEW);
	assert_int_equal(ks_flow_packets(&last.flow.after, KS_ORIGINAL), 3);
	assert_int_equal(ks_flow_bytes(&last.flow.after, KS_ORIGINAL), 133 + 3 * (v6 ? 48 : 20));
	assert_int_equal(udp(true, 9, 0, true, 64), EST);
	assert_int_equal(udp(true, 9, 64, false, 64), EST);
	assert_int_equal(last.dir, KS_REPLY);
	assert_int_equal(ks_flow_packets(&last.flow.after, KS_REPLY), 2);
	assert_int_equal(env->counts.flows, 1);
	assert_int_equal(env->matches[1], 1);
}

static void test_held(void **state)
{
	assert_int_equal(udp(false, 7, 128, false, 5), HELD);
	assert_int_equal(last.verdict.action, KS_HOLD);
	assert_int_equal(udp(false, 7, 64, true, 64), HELD);
	assert_int_equal(udp(false, 8, 64, true, 64), HELD);
	assert_int_equal(env->held_count, 3);
	assert_int_equal(env->counts.flows, 0);
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(env->released, 2);
	assert_int_equal(env->held_count, 1); /* that of another datagram */
	/* The same once more is no longer kept. */
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
}

/* A fragment that was held comes again with its mark, and is no repetition then. */
static void test_resumed(void **state)
{
	struct frame f;
	__u8 head[KS_HEAD_SIZE];

	assert_int_equal(udp(false, 7, 64, false, 40), HELD);
	header_put(&f, false, KS_PROTO_UDP, 7, 64, false, 40);
	frame_zeros(&f, 40);
	memcpy(head, f.data, sizeof(head));
	for (unsigned i = 0; i < 2; i++) {
		last.home.from = ZONE_LAN;
		last.home.to = ZONE_WAN;
		last.home.dry = 0;
		last.home.resumed = 1;
		last.home.now = now;
		last.pkt.wire_len = f.len;
		last.pkt.head_len = f.len;
		last.pkt.link = f.link;
		last.pkt.flags = 0;
		ks_inspect(env, &last, head);
		if (i == 0) { /* nobody has judged its datagram: a forged mark is worth nothing */
			assert_int_equal(last.verdict.reason, KS_REASON_FRAGMENT_EARLY);
			assert_int_equal(udp(false, 7, 0, true, 64), NEW);
		}
	}
	assert_int_equal(last.verdict.reason, NEW);
	assert_int_equal(ks_flow_packets(&last.flow.after, KS_ORIGINAL), 2);
}

static void test_no_room_to_hold(void **state)
{
	for (__u32 id = 0; id < TEST_HELD; id++)
		assert_int_equal(udp(false, id, 64, true, 8), HELD);
	assert_int_equal(udp(false, 0, 72, true, 8), KS_REASON_FRAGMENT_EARLY);
	assert_int_equal(last.verdict.action, KS_DENY);
	/* It is not noted either: sent again, behind the first one, it passes. */
	assert_int_equal(udp(false, 0, 0, true, 64), NEW);
	assert_int_equal(udp(false, 0, 72, true, 8), NEW);
}

static void test_denied(void **state)
{
	env->config.rules = 0;
	assert_int_equal(udp(false, 7, 128, false, 8), HELD);
	assert_int_equal(udp(false, 7, 0, true, 64), KS_REASON_NO_RULE);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(env->released, 0);
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_NO_RULE);
	assert_int_equal(last.verdict.action, KS_DENY);
}

static void test_overlap(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 56, true, 64), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(udp(false, 7, 64, true, 64), DEAD);
	assert_int_equal(udp(false, 7, 0, true, 64), DEAD);
	/* Before the first one came: what waits is forgotten, and nothing passes. */
	assert_int_equal(udp(false, 8, 64, true, 64), HELD);
	assert_int_equal(udp(false, 8, 64, true, 72), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(udp(false, 8, 0, true, 64), DEAD);
	/* A first one over others. */
	assert_int_equal(udp(false, 9, 64, true, 64), HELD);
	assert_int_equal(udp(false, 9, 0, true, 72), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(udp(false, 9, 0, true, 64), DEAD);
	assert_int_equal(env->counts.flows, 1); /* the first datagram's */
}

static void test_again(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 0, true, 64), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	assert_int_equal(udp(false, 7, 128, true, 64), NEW);
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 256, false, 3), NEW);
	assert_int_equal(udp(false, 7, 256, false, 3), KS_REASON_FRAGMENT_AGAIN);
	assert_int_equal(udp(false, 7, 64, true, 64), KS_REASON_FRAGMENT_AGAIN);
	/* A complete one is forgotten at once. */
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 1);
	assert_int_equal(udp(false, 7, 192, true, 64), NEW);
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 0);
	/* Unless some of it were held, and may still be on their way. */
	assert_int_equal(udp(false, 8, 64, true, 64), HELD);
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	assert_int_equal(udp(false, 8, 128, false, 64), NEW);
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 1);
	assert_int_equal(udp(false, 8, 128, false, 64), KS_REASON_FRAGMENT_AGAIN);
}

/* A datagram's end is told once, and holds. */
static void test_end(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 128, false, 8), NEW);
	assert_int_equal(udp(false, 7, 136, true, 8), KS_REASON_FRAGMENT);
	assert_int_equal(udp(false, 7, 64, true, 64), DEAD);
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	assert_int_equal(udp(false, 8, 128, true, 8), NEW);
	assert_int_equal(udp(false, 8, 64, false, 8), KS_REASON_FRAGMENT);
	assert_int_equal(udp(false, 9, 0, true, 64), NEW);
	assert_int_equal(udp(false, 9, 128, false, 8), NEW);
	assert_int_equal(udp(false, 9, 200, false, 8), KS_REASON_FRAGMENT);
}

static void test_tiny(void **state)
{
	assert_int_equal(tcp(false, 7, 16, true, 16, 0, 0, 0), HELD);
	assert_int_equal(tcp(false, 7, 0, true, 16, 1, 0, KS_TCP_SYN), KS_REASON_FRAGMENT_TINY);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(tcp(false, 7, 32, false, 16, 0, 0, 0), DEAD);
	assert_int_equal(tcp(false, 7, 0, true, 24, 1, 0, KS_TCP_SYN), DEAD);
	assert_int_equal(env->counts.flows, 0);
}

static void test_too_long(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 65520, false, 64), KS_REASON_FRAGMENT_TOO_LONG);
	assert_int_equal(udp(false, 7, 64, true, 64), DEAD);
}

/* RFC 791: an identification may be used again when its datagram is over. */
static void test_reuse(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 64, false, 8), NEW);
	assert_int_equal(udp(false, 7, 0, true, 128), NEW);
	assert_int_equal(udp(false, 7, 128, false, 8), NEW);
	/* Not while it is not: the pieces of both would be mixed. */
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 7, 0, true, 128), KS_REASON_FRAGMENT_OVERLAP);
	assert_int_equal(udp(false, 7, 64, false, 8), DEAD);
	/* Or when its time is over. */
	now += 31 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
}

static void test_timeouts(void **state)
{
	assert_int_equal(udp(false, 7, 64, true, 64), HELD);
	now += (KS_FRAGMENT_HOLD_MS + 100) * KS_NSEC_PER_MSEC;
	/* It waited in vain, and is not of this datagram any more. */
	assert_int_equal(udp(false, 7, 0, true, 128), NEW);
	assert_int_equal(env->released, 0);
	now += 29 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 7, 128, true, 64), NEW);
	now += 2 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 7, 192, false, 64), HELD);
}

/* Nobody spoils a datagram from another zone. */
static void test_zones(void **state)
{
	struct frame f;

	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	header_put(&f, false, KS_PROTO_UDP, 7, 8, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect_from(&f, ZONE_WAN, ZONE_WAN), HELD);
	assert_int_equal(udp(false, 7, 64, false, 64), NEW);
	/* Nor does it leave elsewhere than its first fragment did. */
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	header_put(&f, false, KS_PROTO_UDP, 8, 64, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect_from(&f, ZONE_LAN, ZONE_LAN), KS_REASON_ZONE);
}

static void test_limits(void **state)
{
	for (__u32 id = 0; id < 8; id++)
		assert_int_equal(udp(false, id, 0, true, 64), NEW);
	/* The first of them makes room; what is held of it is forgotten with it. */
	assert_int_equal(udp(false, 8, 0, true, 64), NEW);
	assert_int_equal(udp(false, 0, 64, true, 64), HELD);
	assert_int_equal(env->held_count, 1);
	for (__u32 id = 9; id < 16; id++)
		assert_int_equal(udp(false, id, 0, true, 64), NEW);
	assert_int_equal(env->held_count, 1);
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(udp(false, 6, 0, true, 64), NEW);
	assert_int_equal(env->held_count, 0);
	assert_int_equal(env->forgotten, 1);
	assert_int_equal(env->counts.records[KS_KIND_FRAGMENT], 8);
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	for (__u32 i = 1; i < KS_DATAGRAM_PARTS; i++)
		assert_int_equal(udp(false, 6, 128 * i, true, 64), NEW);
	assert_int_equal(udp(false, 6, 128 * KS_DATAGRAM_PARTS, true, 64), KS_REASON_FRAGMENT_LIMIT);
	assert_int_equal(udp(false, 6, 64, true, 64), DEAD);
}

/* An entry that always changes between the look and the commit is given up, and nothing passes unnoted. */
static unsigned interfere;

static void on_bucket(struct ks_env *e, __u32 index)
{
	if (!interfere)
		return;
	interfere--;
	for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
		if (e->buckets[index].slot[i].key.kind == KS_KIND_FRAGMENT)
			e->buckets[index].slot[i].flow.version += 2;
	}
}

static void test_contended(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	env->on_bucket = on_bucket;
	interfere = 4;
	assert_int_equal(udp(false, 7, 64, true, 64), NEW);
	interfere = 1000000;
	assert_int_equal(udp(false, 7, 128, true, 64), KS_REASON_CONTENDED);
	assert_int_equal(last.verdict.action, KS_DENY);
	interfere = 0;
	assert_int_equal(udp(false, 7, 128, true, 64), NEW);
}

static void test_dry(void **state)
{
	size_t size = ks_table_length(env->shape.buckets) * sizeof(*env->buckets);
	struct ks_bucket *before = malloc(size);
	struct frame f;
	__u8 head[KS_HEAD_SIZE];

	assert_non_null(before);
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	memcpy(before, env->buckets, size);
	for (__u32 off = 0; off < 128; off += 64) {
		for (__u32 id = 7; id < 9; id++) {
			header_put(&f, false, KS_PROTO_UDP, id, off, true, 64);
			if (off == 0)
				frame_udp(&f, 4000, 53, 500);
			frame_zeros(&f, off ? 64 : 56);
			memcpy(head, f.data, sizeof(head));
			last = (struct ks_inspection){
				.home = { .now = now, .from = ZONE_LAN, .to = ZONE_WAN, .dry = 1 }
			};
			last.pkt.wire_len = f.len;
			last.pkt.head_len = f.len;
			ks_inspect(env, &last, head);
			assert_int_equal(last.verdict.reason, id == 7 ? (off ? NEW : KS_REASON_FRAGMENT_AGAIN)
							      : off   ? HELD
								      : NEW);
		}
	}
	assert_memory_equal(before, env->buckets, size);
	assert_int_equal(env->held_count, 0);
	free(before);
}

/* RFC 8200 4.5: the next header may differ from fragment to fragment, and identifications have 32 bits. */
static void test_ipv6_only(void **state)
{
	struct frame f;

	assert_int_equal(udp(false, 0x12340007, 0, true, 64), NEW);
	header_put(&f, false, 99, 0x12340007, 64, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect(&f, false), NEW);
	header_put(&f, false, KS_PROTO_UDP, 0x00000007, 64, true, 64);
	frame_zeros(&f, 64);
	assert_int_equal(inspect(&f, false), HELD);
}

/* In IPv4 the protocol tells datagrams apart. */
static void test_ipv4_only(void **state)
{
	assert_int_equal(udp(false, 7, 0, true, 64), NEW);
	assert_int_equal(tcp(false, 7, 64, true, 64, 0, 0, 0), HELD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_first_then_others),
		BOTH(test_held),
		BOTH(test_resumed),
		BOTH(test_no_room_to_hold),
		BOTH(test_denied),
		BOTH(test_overlap),
		BOTH(test_again),
		BOTH(test_end),
		BOTH(test_tiny),
		BOTH(test_too_long),
		BOTH(test_reuse),
		BOTH(test_timeouts),
		BOTH(test_zones),
		BOTH(test_limits),
		BOTH(test_contended),
		BOTH(test_dry),
		{ "test_ipv6_only", test_ipv6_only, setup, teardown, (void *)1 },
		{ "test_ipv4_only", test_ipv4_only, setup, teardown, (void *)0 },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
