// SPDX-License-Identifier: BSD-2-Clause
/*
 * Another CPU is first while a helper is at work: at every moment at which that can be. What was expected is expected still when
 * its packet is judged again, and a segment that is read again is counted once.
 */
#include "tests/unit/core/test_home.h"

#include "core/helper/id.h"
#include "core/table/table.h"
#include "core/verdict.h"

#define ACK 0x10
#define HELD 300 /* looks; an insertion takes one for each of its tries */
#define MOMENTS 120U /* more than a packet of these looks at buckets */

enum { LAN = 2, WAN = 3 };

static const __u64 now = 1000 * KS_NSEC_PER_SEC;
static struct ks_env *env;
static struct ks_rule rules[2];
static unsigned looks, moment; /* at buckets: so far, and when the other CPU comes */

/* The filter allows everything, and everything has the helper. */
static void begin(__u8 helper)
{
	env = test_env_create(16);
	rules[0] = rules[1] = test_allow_all;
	rules[1].helper = helper;
	env->rules = rules;
	env->config.rules = 2;
	env->config.list[KS_LIST_HELPER] = (struct ks_rule_list){ .first = 1, .count = 1 };
	for (unsigned i = 0; i < KS_KIND_MAX; i++)
		env->config.limit_kind[i] = 16;
	env->zone_to = LAN;
	looks = 0;
}

static __u32 inspect(struct frame *f, bool back, struct ks_inspection *insp)
{
	__u32 action;

	env->frame = f;
	action = test_inspect(env, f, back ? WAN : LAN, back ? LAN : WAN, now, insp);
	env->frame = NULL;
	assert_int_equal(action == KS_ALLOW, ks_reason_is_pass(insp->verdict.reason));
	return insp->verdict.reason;
}

static void udp_frame(struct frame *f, bool back, __u16 sport, __u16 dport, const void *data, __u32 len)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, KS_PROTO_UDP, back ? 2 : 1, back ? 1 : 2, 0, 8 + len);
	frame_udp(f, sport, dport, len);
	frame_put(f, data, len);
}

static void tcp_frame(struct frame *f, bool back, __u32 seq, __u32 ack, __u8 flags, const char *text)
{
	__u32 len = (__u32)strlen(text);

	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, KS_PROTO_TCP, back ? 2 : 1, back ? 1 : 2, 0, 20 + len);
	frame_tcp(f, back ? 21 : 4000, back ? 4000 : 21, seq, ack, flags, 2000);
	frame_put(f, text, len);
}

static __u32 tcp(bool back, __u32 seq, __u32 ack, __u8 flags, const char *text)
{
	struct ks_inspection insp;
	struct frame f;

	tcp_frame(&f, back, seq, ack, flags, text);
	return inspect(&f, back, &insp);
}

/* Another CPU holds the claims of all buckets from one look of ours on, for longer than an insertion is tried. */
static void claim_all(struct ks_env *e, __u32 index)
{
	looks++;
	for (__u32 i = 0; i < e->shape.buckets; i++)
		e->buckets[i].claim = looks >= moment && looks < moment + HELD;
}

static void test_expectation_is_kept(void **state)
{
	unsigned judged_again = 0;

	for (moment = 1; moment < MOMENTS; moment++) {
		struct ks_inspection insp;
		struct frame f;

		begin(KS_HELPER_TFTP);
		udp_frame(&f, false, 4000, 69, "\0\1file\0octet", 13);
		assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_NEW);
		assert_int_equal(env->counts.records[KS_KIND_EXPECT], 1);
		rules[0].from_zones = rules[1].from_zones = 1ULL << LAN; /* else denied */
		looks = 0;
		env->on_bucket = claim_all;
		udp_frame(&f, true, 5000, 4000, "\0\3\0\1block", 9);
		assert_int_equal(inspect(&f, true, &insp), KS_REASON_OK_RELATED);
		env->on_bucket = NULL;
		judged_again += insp.retries;
		assert_int_equal(env->counts.records[KS_KIND_EXPECT], 0);
		assert_int_equal(env->counts.flows, 2);
		test_env_destroy(env);
	}
	assert_true(judged_again > 0);
}

/* Another CPU consumes the expectation when our flow is about to be inserted, or is already. */
static void consume(struct ks_env *e, __u32 index)
{
	if (++looks != moment)
		return;
	for (__u32 i = 0; i < e->shape.buckets; i++) {
		for (unsigned n = 0; n < KS_BUCKET_SLOTS; n++) {
			struct ks_slot *slot = &e->buckets[i].slot[n];

			if (!test_tag(e, i, n) || slot->key.kind != KS_KIND_EXPECT)
				continue;
			test_tag(e, i, n) = 0;
			slot->flow.state = KS_STATE_NONE;
			slot->flow.version += 2;
			e->counts.records[KS_KIND_EXPECT]--;
		}
	}
}

static void test_expectation_is_used_once(void **state)
{
	unsigned refused = 0;

	for (moment = 1; moment < MOMENTS; moment++) {
		struct ks_inspection insp;
		struct frame f;

		begin(KS_HELPER_TFTP);
		udp_frame(&f, false, 4000, 69, "\0\1file\0octet", 13);
		assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_NEW);
		rules[0].from_zones = rules[1].from_zones = 1ULL << LAN;
		looks = 0;
		env->on_bucket = consume;
		udp_frame(&f, true, 5000, 4000, "\0\3\0\1block", 9);
		inspect(&f, true, &insp);
		env->on_bucket = NULL;
		if (insp.verdict.reason != KS_REASON_OK_RELATED) {
			assert_int_equal(insp.verdict.reason, KS_REASON_NO_RULE);
			assert_int_equal(env->counts.flows, 1);
			refused++;
		}
		test_env_destroy(env);
	}
	assert_true(refused > 0 && refused < MOMENTS - 1);
}

/* Another CPU renews the memories of the connection. */
static void write_memories(struct ks_env *e, __u32 index)
{
	if (++looks != moment)
		return;
	for (__u32 i = 0; i < e->shape.buckets; i++) {
		for (unsigned n = 0; n < KS_BUCKET_SLOTS; n++) {
			struct ks_slot *slot = &e->buckets[i].slot[n];

			if (slot->key.kind == KS_KIND_HELPER_ORIGINAL || slot->key.kind == KS_KIND_HELPER_REPLY)
				slot->flow.version += 2;
		}
	}
}

static void connect_ftp(void)
{
	begin(KS_HELPER_FTP);
	assert_int_equal(tcp(false, 100, 0, KS_TCP_SYN, ""), KS_REASON_OK_NEW);
	assert_int_equal(tcp(true, 500, 101, KS_TCP_SYN | ACK, ""), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(tcp(false, 101, 501, ACK, ""), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(tcp(true, 501, 101, ACK, "220 hello\r\n"), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(env->counts.records[KS_KIND_HELPER_ORIGINAL], 1);
}

static void test_segment_is_counted_once(void **state)
{
	unsigned judged_again = 0;

	for (moment = 1; moment < MOMENTS; moment++) {
		struct ks_inspection insp;
		struct frame f;

		connect_ftp();
		looks = 0;
		env->on_bucket = write_memories;
		tcp_frame(&f, false, 101, 512, ACK, "USER me\r\n");
		assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_ESTABLISHED);
		env->on_bucket = NULL;
		judged_again += insp.retries;
		assert_int_equal(ks_flow_packets(&insp.flow.after, KS_ORIGINAL), 3);
		/* The announcement behind it is heard, so it was read to its end, once. */
		assert_int_equal(tcp(true, 512, 110, ACK, "331 password\r\n"), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(tcp(false, 110, 526, ACK, "PORT 10,0,0,1,8,1\r\n"), KS_REASON_OK_ESTABLISHED);
		assert_int_equal(env->counts.records[KS_KIND_EXPECT], 1);
		test_env_destroy(env);
	}
	assert_true(judged_again > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_expectation_is_kept),
		cmocka_unit_test(test_expectation_is_used_once),
		cmocka_unit_test(test_segment_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
