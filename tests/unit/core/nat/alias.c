// SPDX-License-Identifier: BSD-2-Clause
/* A flow and its alias in one table: found by either, and what becomes of one that has lost the other; core/nat/alias.h. */
#include "tests/unit/core/test_home.h"

#include "core/verdict.h"

#define START (1000 * KS_NSEC_PER_SEC)
#define INNER 1 /* 10.0.0.1, in lan */
#define SERVER 2 /* 10.0.0.2, in wan */
#define OUTER 9 /* 10.0.0.9, what the server sees */
#define PORT 4000

static const struct ks_target targets[] = {
	{ .kind = KS_TARGET_RANGE, .family = KS_IPV4, .lo = { 0, 0x0a000009 }, .hi = { 0, 0x0a000009 } },
};

static struct ks_rule rules[2]; /* the filter's, and the source list's */
static struct ks_inspection last;
static struct ks_env *env;

static int setup(void **state)
{
	env = test_env_create(16);
	test_env_translate(env, rules, targets);
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

static __u32 udp(__u8 src, __u16 sport, __u8 dst, __u16 dport)
{
	bool out = src == INNER;
	struct frame f = { 0 };

	frame_ethernet(&f, 0x0800, 0);
	frame_ipv4(&f, KS_PROTO_UDP, src, dst, 0, 8);
	frame_udp(&f, sport, dport, 0);
	env->frame = &f;
	test_inspect(env, &f, out ? ZONE_LAN : ZONE_WAN, out ? ZONE_WAN : ZONE_LAN, START, &last);
	env->frame = NULL;
	return last.verdict.reason;
}

/* The alias of the only flow. */
static struct ks_record *alias_find(void)
{
	for (__u32 b = 0; b < env->shape.buckets; b++) {
		for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
			if (env->buckets[b].slot[i].flow.state == KS_STATE_ALIAS)
				return ks_record_edit(&env->buckets[b].slot[i].flow);
		}
	}
	return NULL;
}

static void test_both_ways(void **state)
{
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_equal(last.translate, KS_TRANSLATE_SRC);
	assert_int_equal(last.sent.src.b[15], OUTER);
	assert_int_equal(last.sent.sport, ks_be16(PORT)); /* the port is kept where it is free */
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 1);
	assert_int_equal(alias_find()->alias.side, KS_REPLY);
	assert_int_equal(alias_find()->alias.flow[0], ks_slot_id(&last.flow.ref));
	assert_int_equal(alias_find()->alias.flow[1], alias_find()->alias.flow[0]);

	assert_int_equal(udp(SERVER, 53, OUTER, PORT), KS_REASON_OK_ESTABLISHED);
	assert_int_equal(last.by_alias, 1 + KS_REPLY);
	assert_int_equal(last.translate, KS_TRANSLATE_DST);
	assert_int_equal(last.sent.dst.b[15], INNER);
}

/* An answer must come to the address by which its sender knows the flow. */
static void test_untranslated(void **state)
{
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_equal(udp(SERVER, 53, INNER, PORT), KS_REASON_UNTRANSLATED);
}

/* A second flow to the same server gets another port, because an alias has the first. */
static void test_port_is_taken(void **state)
{
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_equal(udp(3, PORT, SERVER, 53), KS_REASON_OK_NEW); /* from wan: not translated */
	assert_int_equal(last.translate, 0);
	rules[1].from_zones = KS_ZONES_ANY;
	assert_int_equal(udp(4, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_equal(last.sent.src.b[15], OUTER);
	assert_int_not_equal(last.sent.sport, ks_be16(PORT));
	assert_true(ks_be16(last.sent.sport) >= KS_PORT_UNPRIVILEGED);
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 2);
}

/* A port on which the box listens is not for translations. */
static void test_port_is_used(void **state)
{
	env->used_port = PORT;
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_not_equal(last.sent.sport, ks_be16(PORT));
}

/* Between its insertion and that of its flow an alias counts as busy. */
static void test_flow_to_come(void **state)
{
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	alias_find()->alias.flow[0] = 0;
	assert_int_equal(udp(SERVER, 53, OUTER, PORT), KS_REASON_CONTENDED);
	assert_int_equal(last.verdict.action, KS_DENY);
}

/* An alias whose flow does not name it in return is nobody's: slots are reused. */
static void test_flow_is_another(void **state)
{
	struct ks_flow_ref ref;

	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	ref = last.flow.ref;
	env->buckets[ref.bucket].slot[ref.slot].flow.alias[KS_REPLY] = 0;
	rules[0].action = KS_DENY;
	assert_int_equal(udp(SERVER, 53, OUTER, PORT), KS_REASON_RULE);
	assert_int_equal(last.by_alias, 0);
}

/* A flow of UDP knows its outer endpoint itself: its packets do not wait for the alias, which somebody may hold. */
static void test_flow_knows_its_name(void **state)
{
	struct ks_flow *flow;

	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	flow = &env->buckets[last.flow.ref.bucket].slot[last.flow.ref.slot].flow;
	assert_int_equal(flow->outer.addr, last.sent.src.w[3]);
	assert_int_equal(flow->outer.port, ks_be16(PORT));
	alias_find()->version++;
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_equal(last.translate, KS_TRANSLATE_SRC);
	assert_int_equal(last.sent.src.w[3], flow->outer.addr);
	assert_int_equal(last.sent.sport, ks_be16(PORT));
	assert_int_equal(last.sent.dport, ks_be16(53));
}

/* One that came from an older table does not, and asks its alias. */
static void test_name_is_only_in_the_alias(void **state)
{
	struct ks_flow *flow;
	__be32 outer;

	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	flow = &env->buckets[last.flow.ref.bucket].slot[last.flow.ref.slot].flow;
	outer = flow->outer.addr;
	flow->outer.addr = 0;
	flow->outer.port = 0;
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_int_equal(last.sent.src.w[3], outer);
	assert_int_equal(last.sent.sport, ks_be16(PORT));
}

/* An alias has no lifetime of its own: it goes with its flow. */
static void test_goes_with_its_flow(void **state)
{
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_OK_NEW);
	assert_true(ks_table_free(
		env, &(struct ks_entry){ .ref = last.flow.ref, .before.version = last.flow.after.version }));
	assert_null(alias_find());
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 0);
	assert_int_equal(env->counts.flows, 0);
}

/* A flow that finds no room leaves no alias behind. */
static void test_nothing_stays_reserved(void **state)
{
	env->config.limit_states = 0;
	assert_int_equal(udp(INNER, PORT, SERVER, 53), KS_REASON_TABLE_FULL);
	assert_null(alias_find());
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_both_ways),		TEST(test_untranslated),
		TEST(test_port_is_taken),	TEST(test_port_is_used),
		TEST(test_flow_to_come),	TEST(test_flow_is_another),
		TEST(test_flow_knows_its_name), TEST(test_name_is_only_in_the_alias),
		TEST(test_goes_with_its_flow),	TEST(test_nothing_stays_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
