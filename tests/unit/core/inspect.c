// SPDX-License-Identifier: BSD-2-Clause
/*
 * The path of a packet. First the promise: any packet that is dropped changes
 * nothing in the table, and a dry run changes nothing at all. Then reasons,
 * classes, zones, counters and events, and packets whose flow another CPU writes.
 */
#include "tests/unit/core/test_home.h"

#include <sys/mman.h>

#include "core/verdict.h"

#define PAGE 4096
#define START (1000 * KS_NSEC_PER_SEC)
#define SYN KS_TCP_SYN
#define ACK KS_TCP_ACK
#define FIN KS_TCP_FIN
#define RST KS_TCP_RST

static struct ks_env *env;
static __u64 now;

static int setup(void **state)
{
	env = test_env_create(4);
	env->rules = &test_allow_all;
	env->config.rules = 1;
	now = START;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

static void tcp_frame(struct frame *f, bool back, __u32 seq, __u32 ack, __u8 flags, __u32 len)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, KS_PROTO_TCP, back ? 2 : 1, back ? 1 : 2, 0, 20 + len);
	frame_tcp(f, back ? 80 : 4000, back ? 4000 : 80, seq, ack, flags, 200);
	frame_zeros(f, len);
}

static void udp_frame(struct frame *f, bool back, __u16 port)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, 0x0800, 0);
	frame_ipv4(f, KS_PROTO_UDP, back ? 2 : 1, back ? 1 : 2, 0, 8);
	frame_udp(f, back ? 53 : port, back ? port : 53, 0);
}

static __u32 inspect(const struct frame *f, bool back, struct ks_inspection *insp)
{
	test_inspect(env, f, back ? ZONE_WAN : ZONE_LAN, back ? ZONE_LAN : ZONE_WAN, now, insp);
	return insp->verdict.reason;
}

static __u32 tcp(bool back, __u32 seq, __u32 ack, __u8 flags, __u32 len)
{
	struct ks_inspection insp;
	struct frame f;

	tcp_frame(&f, back, seq, ack, flags, len);
	return inspect(&f, back, &insp);
}

static __u32 udp(bool back, __u16 port)
{
	struct ks_inspection insp;
	struct frame f;

	udp_frame(&f, back, port);
	return inspect(&f, back, &insp);
}

/* --- the promise --- */

/* Segments near a real conversation, so that every check is the one that decides now and then. */
static void random_frame(__u64 *seed, struct frame *f, bool *back)
{
	static const __u8 flags[] = { SYN, SYN | ACK, ACK, ACK, ACK, ACK, FIN | ACK, FIN | ACK, RST, RST | ACK };
	static const __u32 steps[] = { 0,   0,	 0,   1,   1,	1,	    2,		2,     2,	  100,
				       101, 102, 200, 201, 301, 0xffffffff, 0xffffff00, 70000, 0x80000000 };
	static const __u32 isn[2] = { 0xffffff80, 0x7fffffb0 };
	static const __u32 lengths[] = { 0, 0, 0, 0, 1, 99, 100, 200 }; /* most segments end where others begin */
	__u32 len = test_below(seed, 4) ? lengths[test_below(seed, KS_ARRAY_SIZE(lengths))] : test_below(seed, 250);

	*back = test_below(seed, 2);
	tcp_frame(f, *back, isn[*back] + steps[test_below(seed, KS_ARRAY_SIZE(steps))],
		  isn[!*back] + steps[test_below(seed, KS_ARRAY_SIZE(steps))],
		  flags[test_below(seed, KS_ARRAY_SIZE(flags))], len);
}

static void test_what_is_dropped_changes_nothing(void **state)
{
	size_t size = ks_table_length(env->shape.buckets) * sizeof(*env->buckets);
	struct ks_bucket *before = malloc(size);
	unsigned passed = 0, dropped[KS_REASON_MAX] = { 0 }, states[KS_STATE_MAX] = { 0 };
	__u64 seed = 12345;

	assert_non_null(before);
	for (int i = 0; i < 400000; i++) {
		struct ks_table_counts counts = env->counts;
		struct ks_inspection insp;
		struct frame f;
		bool back;

		memcpy(before, env->buckets, size);
		random_frame(&seed, &f, &back);
		now += test_below(&seed, 1000) ? KS_NSEC_PER_MSEC : 100 * KS_NSEC_PER_SEC;
		inspect(&f, back, &insp);
		assert_int_equal(insp.verdict.action == KS_ALLOW, ks_reason_is_pass(insp.verdict.reason));
		if (insp.verdict.action == KS_ALLOW) {
			passed++;
			states[insp.verdict.state]++;
			continue;
		}
		dropped[insp.verdict.reason]++;
		assert_int_equal(memcmp(before, env->buckets, size), 0); /* cmocka would compare byte by byte */
		assert_memory_equal(&counts, &env->counts, sizeof(counts));
	}
	/* The walk saw every state and every way to be refused. */
	for (__u32 s = KS_STATE_TCP_SYN_SENT; s <= KS_STATE_TCP_CLOSE; s++)
		assert_true(states[s] > 0);
	for (__u32 r = KS_REASON_TCP_STATE; r <= KS_REASON_TCP_SPLIT; r++)
		assert_true(dropped[r] > 0);
	assert_true(passed > 1000);
	free(before);
}

/*
 * Memory that must not change. It is megabytes, and copying all of it each time takes most of the time of a test: whole pages of it are
 * read-only meanwhile, and only what lies before and behind them is copied.
 */
struct frozen {
	__u8 *begin, *pages, *pages_end, *end;
	__u8 head[PAGE], tail[PAGE];
};

static void freeze(struct frozen *frozen, void *begin, void *end)
{
	frozen->begin = begin;
	frozen->end = end;
	frozen->pages = frozen->begin + (PAGE - (uintptr_t)begin % PAGE) % PAGE;
	frozen->pages_end = frozen->end - (uintptr_t)end % PAGE;
	assert_true(frozen->pages < frozen->pages_end);
	memcpy(frozen->head, frozen->begin, frozen->pages - frozen->begin);
	memcpy(frozen->tail, frozen->pages_end, frozen->end - frozen->pages_end);
	assert_int_equal(mprotect(frozen->pages, frozen->pages_end - frozen->pages, PROT_READ), 0);
}

static void thaw(struct frozen *frozen)
{
	assert_int_equal(mprotect(frozen->pages, frozen->pages_end - frozen->pages, PROT_READ | PROT_WRITE), 0);
	assert_memory_equal(frozen->head, frozen->begin, frozen->pages - frozen->begin);
	assert_memory_equal(frozen->tail, frozen->pages_end, frozen->end - frozen->pages_end);
}

/* Dry, the outcome is what it then really is. */
static void test_dry_runs(void **state)
{
	size_t table = ks_table_length(env->shape.buckets) * sizeof(*env->buckets);
	struct ks_bucket *before = malloc(table);
	struct frozen frozen;
	__u64 seed = 2002;

	assert_non_null(before);
	for (int i = 0; i < 50000; i++) {
		struct ks_inspection dry = { .home = { .now = now, .dry = 1 } }, insp;
		__u8 head[KS_HEAD_SIZE] = { 0 };
		struct frame f;
		bool back;

		random_frame(&seed, &f, &back);
		memcpy(head, f.data, KS_MIN(f.len, KS_HEAD_MAX));
		memcpy(before, env->buckets, table);
		dry.home.from = back ? ZONE_WAN : ZONE_LAN;
		dry.home.to = back ? ZONE_LAN : ZONE_WAN;
		dry.pkt.wire_len = f.len;
		dry.pkt.head_len = KS_MIN(f.len, KS_HEAD_MAX);
		freeze(&frozen, &env->counts, env + 1);
		ks_inspect(env, &dry, head);
		thaw(&frozen);
		assert_int_equal(memcmp(before, env->buckets, table), 0);
		inspect(&f, back, &insp);
		assert_int_equal(dry.verdict.reason, insp.verdict.reason);
		if (dry.verdict.action != KS_REJECT) /* answers have a rate, which a dry run does not spend */
			assert_int_equal(dry.verdict.action, insp.verdict.action);
		assert_int_equal(dry.verdict.class, insp.verdict.class);
		assert_int_equal(dry.verdict.state, insp.verdict.state);
		now += 1 + test_below(&seed, 1000) * KS_NSEC_PER_MSEC;
	}
	free(before);
}

/* --- classes, zones, policy --- */

static void test_udp_life(void **state)
{
	struct ks_inspection insp;
	struct frame f;

	udp_frame(&f, false, 4000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_NEW);
		assert_int_equal(insp.verdict.class, KS_CLASS_NEW);
		assert_int_equal(insp.verdict.state, KS_STATE_UDP_SINGLE);
	}
	udp_frame(&f, true, 4000);
	assert_int_equal(inspect(&f, true, &insp), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(insp.verdict.class, KS_CLASS_ESTABLISHED);
	assert_int_equal(insp.verdict.state, KS_STATE_UDP_STREAM);
	assert_int_equal(ks_flow_packets(&insp.flow.after, KS_ORIGINAL), 2);
	assert_int_equal(ks_flow_packets(&insp.flow.after, KS_REPLY), 1);
	assert_int_equal(ks_flow_bytes(&insp.flow.after, KS_ORIGINAL), 2 * 28);
	now += 180 * KS_NSEC_PER_SEC;
	assert_int_equal(udp(false, 4000), KS_REASON_OK_ESTABLISHED);
	now += 180 * KS_NSEC_PER_SEC + KS_NSEC_PER_MSEC;
	assert_int_equal(udp(false, 4000), KS_REASON_OK_NEW);
	assert_int_equal(env->counts.flows, 1);
}

static void test_zones(void **state)
{
	struct ks_inspection insp;
	struct frame f;

	assert_int_equal(udp(false, 4000), KS_REASON_OK_NEW);
	udp_frame(&f, true, 4000);
	for (__u8 from = 0; from < KS_ZONE_MAX; from++) {
		test_inspect(env, &f, from, ZONE_LAN, now, &insp);
		assert_int_equal(insp.verdict.reason, from == ZONE_WAN ? KS_REASON_OK_ESTABLISHED : KS_REASON_ZONE);
		assert_int_equal(insp.verdict.class, from == ZONE_WAN ? KS_CLASS_ESTABLISHED : KS_CLASS_INVALID);
	}
	/* Where an answer goes is a fact: it passes if the rules let the originator be there, as here in every zone. */
	for (__u8 to = KS_ZONE_FIRST; to < KS_ZONE_MAX; to++) {
		test_inspect(env, &f, ZONE_WAN, to, now, &insp);
		assert_int_equal(insp.verdict.reason, KS_REASON_OK_ESTABLISHED);
		assert_int_equal(insp.flow.after.zone[KS_ORIGINAL], ZONE_LAN);
	}
	/* On the way in it is not known yet where it will go. */
	test_inspect(env, &f, ZONE_WAN, KS_ZONE_UNKNOWN, now, &insp);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_ESTABLISHED);
}

static void test_asks_where_it_goes(void **state)
{
	struct ks_inspection insp;
	struct frame f;

	env->zone_to = ZONE_WAN + 3;
	udp_frame(&f, false, 4000);
	test_inspect(env, &f, ZONE_LAN, KS_ZONE_UNKNOWN, now, &insp);
	assert_int_equal(insp.to, ZONE_WAN + 3);
	assert_int_equal(insp.flow.after.zone[KS_REPLY], ZONE_WAN + 3);
}

static void test_policy_actions(void **state)
{
	static const struct {
		__u8 action, class;
		__u32 reason;
	} cases[] = {
		{ KS_ALLOW, KS_CLASS_NEW, KS_REASON_OK_NEW },
		{ KS_DENY, KS_CLASS_NEW, KS_REASON_RULE },
		{ KS_REJECT, KS_CLASS_NEW, KS_REASON_RULE },
		{ KS_BYPASS, KS_CLASS_UNTRACKED, KS_REASON_OK_BYPASS },
	};
	struct ks_rule rule = test_allow_all;
	struct ks_inspection insp;
	struct frame f;

	env->rules = &rule;
	rule.flags |= KS_RULE_LOG;
	for (__u32 i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		udp_frame(&f, false, (__u16)(4000 + i));
		rule.action = cases[i].action;
		assert_int_equal(inspect(&f, false, &insp), cases[i].reason);
		assert_int_equal(insp.verdict.action, cases[i].action);
		assert_int_equal(insp.verdict.class, cases[i].class);
		assert_int_equal(insp.verdict.rule, 1);
		assert_int_equal(insp.verdict.rule_index, 0);
		assert_int_equal(env->matches[1], i + 1);
		assert_int_equal(env->events, i + 1);
		assert_int_equal(env->counts.flows, 1);
	}
	env->config.rules = 0;
	udp_frame(&f, false, 5000);
	assert_int_equal(inspect(&f, false, &insp), KS_REASON_NO_RULE);
	assert_int_equal(insp.verdict.rule, KS_RULE_DEFAULT);
	assert_int_equal(env->events, KS_ARRAY_SIZE(cases));
	env->config.options = KS_OPT_LOG_DROPS;
	inspect(&f, false, &insp);
	assert_int_equal(env->events, KS_ARRAY_SIZE(cases) + 1);
}

/* Stray segments are invalid whatever a rule says, unless it bypasses them. */
static void test_strays(void **state)
{
	struct ks_rule rule = test_allow_all;

	assert_int_equal(tcp(false, 1, 1, ACK, 0), KS_REASON_NO_STATE);
	assert_int_equal(tcp(false, 1, 1, SYN | ACK, 0), KS_REASON_NO_STATE);
	assert_int_equal(tcp(false, 1, 1, RST, 0), KS_REASON_NO_STATE);
	assert_int_equal(env->matches[1], 0);
	env->rules = &rule;
	env->config.options = KS_OPT_BYPASS_RULES;
	assert_int_equal(tcp(false, 1, 1, ACK, 0), KS_REASON_NO_STATE);
	assert_int_equal(env->matches[1], 0);
	rule.action = KS_BYPASS;
	assert_int_equal(tcp(false, 1, 1, ACK, 0), KS_REASON_OK_BYPASS);
	assert_int_equal(env->counts.flows, 0);
}

static void test_checksum_option(void **state)
{
	env->checksum_ok = false;
	assert_int_equal(udp(false, 4000), KS_REASON_OK_NEW);
	env->config.options = KS_OPT_CHECKSUM;
	assert_int_equal(udp(false, 4000), KS_REASON_L4_CHECKSUM);
	env->checksum_ok = true;
	assert_int_equal(udp(false, 4000), KS_REASON_OK_NEW);
}

/* After the end either side may open again, with new roles. */
static void test_reopening(void **state)
{
	struct ks_inspection insp;
	struct frame f;

	assert_int_equal(tcp(false, 100, 0, SYN, 0), KS_REASON_OK_NEW);
	assert_int_equal(tcp(true, 0, 101, RST | ACK, 0), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(env->counts.half_open, 0);
	tcp_frame(&f, true, 900, 0, SYN, 0);
	assert_int_equal(inspect(&f, true, &insp), KS_REASON_OK_NEW);
	assert_int_equal(insp.verdict.class, KS_CLASS_NEW);
	assert_int_equal(insp.verdict.state, KS_STATE_TCP_SYN_SENT);
	assert_int_equal(insp.flow.after.zone[KS_ORIGINAL], ZONE_WAN);
	assert_int_equal(tcp(false, 300, 901, SYN | ACK, 0), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(env->counts.flows, 1);
	assert_int_equal(env->counts.half_open, 1);
	assert_int_equal(env->ended, 1);
	assert_int_equal(tcp(false, 301, 0, RST, 0), KS_REASON_OK_ESTABLISHED);
	env->config.limit_half_open = 1;
	assert_int_equal(tcp(false, 700, 0, SYN, 0), KS_REASON_OK_NEW);
}

/* --- another CPU is faster --- */

static unsigned looks; /* at buckets, so far */

/* Our packet has looked into both of its buckets in vain; before it claims one, the other CPU has an answer. */
static void rival(struct ks_env *e, __u32 index)
{
	if (++looks != 3)
		return;
	e->on_bucket = NULL;
	assert_int_equal(udp(true, 4000), KS_REASON_OK_NEW);
	e->on_bucket = rival;
}

static void test_outrun(void **state)
{
	struct ks_rule rule = test_allow_all;
	struct ks_inspection insp;
	struct frame f;

	env->rules = &rule;
	rule.flags |= KS_RULE_LOG;
	udp_frame(&f, false, 4000);
	env->on_bucket = rival;
	looks = 0;
	assert_true(ks_reason_is_pass(inspect(&f, false, &insp)));
	env->on_bucket = NULL;
	assert_true(looks > 3);
	assert_int_equal(env->counts.flows, 1);
	/* Ours found the flow in the end: the rule has opened one flow, not two, and told it once. */
	assert_int_equal(insp.retries, 1);
	assert_int_equal(insp.verdict.class, KS_CLASS_ESTABLISHED);
	assert_int_equal(insp.verdict.rule_index, KS_DECISION_DEFAULT);
	assert_int_equal(env->matches[1], 1);
	assert_int_equal(env->events, 1);
	assert_int_equal(ks_flow_packets(&insp.flow.after, 0) + ks_flow_packets(&insp.flow.after, 1), 2);
}

/* Whenever we look at a bucket the other CPU has just committed something: our own commits are always late. */
static void spoiler(struct ks_env *e, __u32 index)
{
	for (__u32 b = 0; b < e->shape.buckets; b++) {
		for (__u32 s = 0; s < KS_BUCKET_SLOTS; s++)
			e->buckets[b].slot[s].flow.version += 2;
	}
}

/* A packet that moves no state passes uncounted; one that would is dropped, and nothing has changed. */
static void test_always_outrun(void **state)
{
	struct ks_inspection insp;
	struct frame f;

	assert_int_equal(udp(false, 4000), KS_REASON_OK_NEW);
	env->on_bucket = spoiler;
	udp_frame(&f, true, 4000);
	assert_int_equal(inspect(&f, true, &insp), KS_REASON_CONTENDED);
	assert_int_equal(insp.verdict.action, KS_DENY);
	assert_true(insp.retries > 0);
	assert_int_equal(env->counts.uncounted, 0);
	udp_frame(&f, false, 4000);
	assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_NEW);
	assert_int_equal(insp.verdict.action, KS_ALLOW);
	assert_int_equal(env->counts.uncounted, 1);
	env->on_bucket = NULL;
	assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_NEW);
	assert_int_equal(insp.verdict.state, KS_STATE_UDP_SINGLE);
	assert_int_equal(ks_flow_packets(&insp.flow.after, KS_ORIGINAL), 2);
	assert_int_equal(ks_flow_packets(&insp.flow.after, KS_REPLY), 0);
}

/* A flow that somebody never gives back: refused after a bounded number of tries. */
static void test_held_for_ever(void **state)
{
	struct ks_inspection insp;
	struct frame f;
	__u32 *version;

	udp_frame(&f, false, 4000);
	inspect(&f, false, &insp);
	version = &env->buckets[insp.flow.ref.bucket].slot[insp.flow.ref.slot].flow.version;
	(*version)++;
	assert_int_equal(inspect(&f, false, &insp), KS_REASON_CONTENDED);
	assert_int_equal(insp.verdict.action, KS_DENY);
	(*version)++;
	assert_int_equal(inspect(&f, false, &insp), KS_REASON_OK_NEW);
}

/* But what moves no state of an established flow passes, though its writer was interrupted. */
static void test_held_but_established(void **state)
{
	struct ks_inspection insp;
	struct frame f;
	__u32 *version;
	__u64 uncounted;

	udp_frame(&f, false, 4000);
	inspect(&f, false, &insp);
	udp_frame(&f, true, 4000);
	inspect(&f, true, &insp);
	assert_int_equal(insp.verdict.state, KS_STATE_UDP_STREAM);
	version = &env->buckets[insp.flow.ref.bucket].slot[insp.flow.ref.slot].flow.version;
	uncounted = env->counts.uncounted;
	(*version)++;
	assert_int_equal(inspect(&f, true, &insp), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(insp.verdict.action, KS_ALLOW);
	assert_int_equal(env->counts.uncounted, uncounted + 1);
	/* From where its sender is not it does not. */
	test_inspect(env, &f, ZONE_LAN, KS_ZONE_UNKNOWN, now, &insp);
	assert_int_equal(insp.verdict.action, KS_DENY);
	(*version)++;
}

static __u32 *held; /* the version of a flow that somebody writes */

/* The writer is done when the flow is read for the third time. */
static void writer_done(struct ks_env *e, __u32 index)
{
	if (++looks == 3)
		(*held)++;
}

/* A packet leaves for its source to be translated while another of its flow is committed. */
static void test_egress_while_others_write(void **state)
{
	__u8 head[KS_HEAD_SIZE] = { 0 };
	struct ks_inspection insp;
	struct frame f;

	udp_frame(&f, false, 4000);
	inspect(&f, false, &insp);
	memcpy(head, f.data, f.len);
	held = &env->buckets[insp.flow.ref.bucket].slot[insp.flow.ref.slot].flow.version;
	(*held)++;
	looks = 0;
	env->on_bucket = writer_done;
	insp.home.halves = KS_TRANSLATE_SRC;
	ks_inspect_egress(env, &insp, head);
	env->on_bucket = NULL;
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_ESTABLISHED);
	assert_int_equal(insp.verdict.action, KS_ALLOW);
	(*held)++;
	/* The fields that it needs do not change while the flow is written. */
	ks_inspect_egress(env, &insp, head);
	assert_int_equal(insp.verdict.reason, KS_REASON_OK_ESTABLISHED);
	assert_int_equal(insp.verdict.action, KS_ALLOW);
}

static void test_every_packet_is_counted_once(void **state)
{
	__u64 seed = 5, sum = 0;
	enum { PACKETS = 20000 };

	for (int i = 0; i < PACKETS; i++) {
		struct ks_inspection insp;
		struct frame f;
		bool back;

		random_frame(&seed, &f, &back);
		for (__u32 n = test_below(&seed, 3); n; n--)
			f.data[12 + test_below(&seed, 40)] ^= test_random(&seed) & 0xff;
		inspect(&f, back, &insp);
	}
	for (__u32 r = 0; r < KS_REASON_MAX; r++)
		sum += env->reasons[r];
	assert_int_equal(sum, PACKETS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_dropped_changes_nothing),
		TEST(test_dry_runs),
		TEST(test_udp_life),
		TEST(test_zones),
		TEST(test_asks_where_it_goes),
		TEST(test_policy_actions),
		TEST(test_strays),
		TEST(test_checksum_option),
		TEST(test_reopening),
		TEST(test_outrun),
		TEST(test_always_outrun),
		TEST(test_held_for_ever),
		TEST(test_held_but_established),
		TEST(test_egress_while_others_write),
		TEST(test_every_packet_is_counted_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
