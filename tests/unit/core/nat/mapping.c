// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two CPUs and one mapping (core/nat/mapping.h): while a packet of an inner endpoint is judged, a whole other one is, at each
 * look into the table in turn. Whatever comes first, the endpoint has one outer port.
 */
#include "tests/unit/core/test_home.h"

#include "core/nat/port.h"

#include "core/verdict.h"

#define START (1000 * KS_NSEC_PER_SEC)
#define LIFE (300 * KS_NSEC_PER_SEC)
#define INNER 1
#define SERVER 2 /* and the following */
#define PORT 4000
#define LIMIT 32

static struct ks_target targets[] = {
	{ .kind = KS_TARGET_RANGE, .family = KS_IPV4, .lo = { 0, 0x0a000009 }, .hi = { 0, 0x0a000009 } },
};

static struct ks_rule rules[2];
static struct ks_env *env;

static int setup(void **state)
{
	env = test_env_create(16);
	test_env_translate(env, rules, targets);
	env->config.limit_host_mappings = LIMIT;
	for (unsigned kind = 0; kind < KS_KIND_MAX; kind++)
		env->config.limit_kind[kind] = LIMIT;
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* The packets of the two CPUs, and what became of them. */
struct packet {
	__u8 server;
	__u16 asks; /* the server's port; 0: 3478 */
	__u64 now;
	__u32 reason;
	__be16 port; /* of its source, as it leaves */
};

static void judge(struct packet *packet)
{
	struct ks_inspection *insp = calloc(1, sizeof(*insp));
	struct frame f = { 0 }, *interrupted = env->frame;

	assert_non_null(insp);
	frame_ethernet(&f, 0x0800, 0);
	frame_ipv4(&f, KS_PROTO_UDP, INNER, packet->server, 0, 8);
	frame_udp(&f, PORT, packet->asks ? packet->asks : 3478, 0);
	env->frame = &f;
	test_inspect(env, &f, ZONE_LAN, ZONE_WAN, packet->now, insp);
	packet->reason = insp->verdict.reason;
	packet->port = insp->sent.sport;
	env->frame = interrupted;
	free(insp);
}

static struct packet other;
static __u32 looks, other_at; /* into the table so far; the one at which the other CPU comes */

static void on_bucket(struct ks_env *home, __u32 index)
{
	if (looks++ != other_at)
		return;
	home->on_bucket = NULL;
	judge(&other);
}

/* Both judged, the other one at the n-th look. Returns false if there are not that many. */
static bool judge_both(struct packet *first, __u32 n)
{
	looks = 0;
	other_at = n;
	env->on_bucket = on_bucket;
	judge(first);
	if (env->on_bucket) {
		env->on_bucket = NULL;
		return false;
	}
	return true;
}

/* The other one may give up, because the first holds a claim that it needs: its packet is dropped, and that is all. */
static void assert_one_port(const struct packet *a, const struct packet *b)
{
	struct packet third = { .server = SERVER + 7, .now = b->now };

	judge(&third);
	assert_int_equal(third.reason, KS_REASON_OK_NEW);
	assert_int_equal(a->reason, KS_REASON_OK_NEW);
	assert_int_equal(third.port, a->port);
	if (b->reason != KS_REASON_CONTENDED) {
		assert_int_equal(b->reason, KS_REASON_OK_NEW);
		assert_int_equal(b->port, a->port);
	}
}

static void begin(__u8 flags, void **state)
{
	setup(state);
	targets[0].flags = flags;
}

static __u32 interleave_first(__u8 flags, void **state)
{
	struct packet first = { .server = SERVER, .now = START };
	__u32 n = 0;
	bool more = true;

	for (; more; n++) {
		begin(flags, state);
		other = (struct packet){ .server = SERVER + 1, .now = START };
		more = judge_both(&first, n);
		if (more)
			assert_one_port(&first, &other);
		teardown(state);
	}
	return n;
}

static void test_first_packets(void **state)
{
	assert_true(interleave_first(KS_TARGET_EIM | KS_TARGET_EIF, state) > 10);
	assert_true(interleave_first(KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_RANDOM, state) > 10);
	assert_true(interleave_first(KS_TARGET_EIM | KS_TARGET_ADF | KS_TARGET_RANDOM, state) > 10);
}

/* A mapping that is alive to one CPU and dead to the other, whose clock is a millisecond ahead. */
static void interleave_expiry(__u64 first_at, __u64 other_at_time, void **state)
{
	struct packet maker = { .server = SERVER + 3, .now = START }, first = { .server = SERVER };
	bool more = true;

	for (__u32 n = 0; more; n++) {
		begin(KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_RANDOM, state);
		judge(&maker);
		first.now = first_at;
		other = (struct packet){ .server = SERVER + 1, .now = other_at_time };
		more = judge_both(&first, n);
		if (more)
			assert_one_port(&first, &other);
		teardown(state);
	}
}

static void test_expiry_and_renewal(void **state)
{
	interleave_expiry(START + LIFE, START + LIFE + KS_NSEC_PER_MSEC, state);
	interleave_expiry(START + LIFE + KS_NSEC_PER_MSEC, START + LIFE, state);
}

/* A question to the DNS makes a mapping for half a minute; what else the endpoint asks right behind it has its full time. */
static void test_a_question_and_more(void **state)
{
	struct packet question = { .server = SERVER, .asks = 53, .now = START },
		      more = { .server = SERVER + 1, .now = START + KS_NSEC_PER_SEC },
		      later = { .server = SERVER + 2, .now = START + 100 * KS_NSEC_PER_SEC };

	begin(KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_RANDOM, state);
	judge(&question);
	judge(&more);
	judge(&later);
	assert_int_equal(later.reason, KS_REASON_OK_NEW);
	assert_int_equal(more.port, question.port);
	assert_int_equal(later.port, question.port);
	teardown(state);
}

/* Marks a record of the table as being written, or ends that: another CPU was interrupted in the middle of it. */
static bool record_write(__u32 kind, bool begin)
{
	for (__u32 i = 0; i < 16 * KS_BUCKET_SLOTS; i++) {
		struct ks_slot *slot = &env->buckets[i / KS_BUCKET_SLOTS].slot[i % KS_BUCKET_SLOTS];

		if (slot->flow.state != KS_STATE_MAPPING || slot->key.kind != kind)
			continue;
		slot->flow.version = begin ? slot->flow.version | 1 : slot->flow.version + 1;
		return true;
	}
	return false;
}

/* A CPU that is interrupted while it writes a record keeps it for as long as it is not run: nobody claims a second port. */
static void written_for_long(__u8 flags, __u32 kind, void **state)
{
	struct packet maker = { .server = SERVER + 3, .now = START }, first = { .server = SERVER, .now = START },
		      third = { .server = SERVER + 1, .now = START };

	begin(flags, state);
	judge(&maker);
	assert_true(record_write(kind, true));
	judge(&first);
	assert_true(record_write(kind, false));
	judge(&third);
	assert_int_equal(third.reason, KS_REASON_OK_NEW);
	assert_int_equal(third.port, maker.port);
	if (first.reason != KS_REASON_CONTENDED)
		assert_int_equal(first.port, maker.port);
	if (kind == KS_KIND_MAPPING_IN)
		assert_int_equal(first.reason, KS_REASON_OK_NEW);
	teardown(state);
}

static void test_written_for_long(void **state)
{
	written_for_long(KS_TARGET_EIM | KS_TARGET_EIF, KS_KIND_MAPPING_IN, state);
	written_for_long(KS_TARGET_EIM | KS_TARGET_EIF, KS_KIND_MAPPING_OUT, state);
	written_for_long(KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_RANDOM, KS_KIND_MAPPING_IN, state);
	written_for_long(KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_RANDOM, KS_KIND_MAPPING_OUT, state);
}

static void on_bucket_write(struct ks_env *home, __u32 index)
{
	if (looks++ != other_at)
		return;
	home->on_bucket = NULL;
	judge(&other);
	record_write(KS_KIND_MAPPING_OUT, true);
}

/* The claim of a packet that cannot read the name, and gives up, stays if another packet has found and named it. */
static void test_a_claim_in_use_is_not_given_back(void **state)
{
	bool more = true;

	for (__u32 n = 0; more; n++) {
		struct packet first = { .server = SERVER, .now = START };

		begin(KS_TARGET_EIM | KS_TARGET_EIF, state);
		other = (struct packet){ .server = SERVER + 1, .now = START };
		looks = 0;
		other_at = n;
		env->on_bucket = on_bucket_write;
		judge(&first);
		more = !env->on_bucket;
		env->on_bucket = NULL;
		if (more && other.reason == KS_REASON_OK_NEW) {
			record_write(KS_KIND_MAPPING_OUT, false);
			assert_true(env->counts.records[KS_KIND_MAPPING_IN] >= 1);
		}
		teardown(state);
	}
}

/* A claim that was not needed is given back. */
static void test_no_claim_is_left(void **state)
{
	struct packet first = { .server = SERVER, .now = START };
	bool more = true;

	for (__u32 n = 0; more; n++) {
		begin(KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_RANDOM, state);
		other = (struct packet){ .server = SERVER + 1, .now = START };
		more = judge_both(&first, n);
		if (other.reason != KS_REASON_CONTENDED)
			assert_int_equal(env->counts.records[KS_KIND_MAPPING_IN], 1);
		assert_int_equal(env->counts.records[KS_KIND_MAPPING_OUT], 1);
		teardown(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_packets),
		cmocka_unit_test(test_expiry_and_renewal),
		cmocka_unit_test(test_a_question_and_more),
		cmocka_unit_test(test_written_for_long),
		cmocka_unit_test(test_a_claim_in_use_is_not_given_back),
		cmocka_unit_test(test_no_claim_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
