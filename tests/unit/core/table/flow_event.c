// SPDX-License-Identifier: BSD-2-Clause
/* Events of flows: what is told, by whom, and that it is told once. threads.c has it with several CPUs. */
#include "tests/unit/core/table/table_home.h"

#include "core/nat/alias.h"
#include "core/table/tally.h"

static struct ks_env *env;

static int setup(void **state)
{
	env = test_env_create(4);
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* Since the last question so many events of a kind were told, and nothing else. */
static void assert_told(__u32 kind, __u32 count)
{
	for (__u32 i = 0; i < KS_EVENT_KINDS; i++)
		assert_int_equal(env->told[i], i == kind ? count : 0);
	memset(env->told, 0, sizeof(env->told));
}

static void assert_ended(__u32 why)
{
	assert_told(KS_EVENT_END, 1);
	assert_int_equal(env->told_last.why, why);
}

static void move_to(__u32 n, __u32 after)
{
	struct ks_inspection insp = look(env, n, SECOND);

	assert_true(insp.flow.found);
	insp.flow.after = insp.flow.before;
	insp.flow.after.state = (__u8)after;
	assert_true(ks_table_commit_flow(env, &insp.flow));
}

static void test_life_of_a_connection(void **state)
{
	struct ks_inspection insp;

	insert(env, 1, KS_STATE_TCP_SYN_SENT, SECOND, 1000);
	assert_told(0, 0); /* it is told by its caller, when all of it is there */
	insp = look(env, 1, SECOND);
	insp.flow.after = insp.flow.before;
	ks_flow_tell_begin(env, &insp.flow);
	assert_told(KS_EVENT_BEGIN, 1);
	move_to(1, KS_STATE_TCP_SYN_RECV);
	assert_told(0, 0);
	move_to(1, KS_STATE_TCP_ESTABLISHED);
	assert_told(KS_EVENT_ESTABLISHED, 1);
	assert_int_equal(env->told_last.flow.state, KS_STATE_TCP_ESTABLISHED);
	assert_memory_equal(&env->told_last.key, &insp.flow.key, sizeof(insp.flow.key));
	move_to(1, KS_STATE_TCP_FIN_WAIT);
	move_to(1, KS_STATE_TCP_LAST_ACK);
	assert_told(0, 0);
	move_to(1, KS_STATE_TCP_TIME_WAIT);
	assert_ended(KS_END_CLOSED);
	/* It has ended: neither a reset nor its slot's end is another one. */
	move_to(1, KS_STATE_TCP_CLOSE);
	assert_int_equal(ks_table_sweep(env, 0, 9 * SECOND) + ks_table_sweep(env, 1, 9 * SECOND) +
				 ks_table_sweep(env, 2, 9 * SECOND) + ks_table_sweep(env, 3, 9 * SECOND),
			 1);
	assert_told(0, 0);
}

/* Where a state begins and where it goes to, and what is told of it. */
static void test_states(void **state)
{
	static const struct {
		__u32 before, after, kind, why;
	} cases[] = {
		{ KS_STATE_TCP_SYN_SENT, KS_STATE_TCP_CLOSE, KS_EVENT_END, KS_END_RESET },
		{ KS_STATE_TCP_ESTABLISHED, KS_STATE_TCP_CLOSE, KS_EVENT_END, KS_END_RESET },
		{ KS_STATE_TCP_SYN_RECV, KS_STATE_TCP_FIN_WAIT, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_TAKEN_UP, KS_STATE_TCP_ESTABLISHED, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_UDP_SINGLE, KS_STATE_UDP_STREAM, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_ICMP_REQUEST, KS_STATE_ICMP_REPLIED, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_OTHER_SINGLE, KS_STATE_OTHER_STREAM, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_SCTP_COOKIE_WAIT, KS_STATE_SCTP_COOKIE_ECHOED, 0, 0 },
		{ KS_STATE_SCTP_COOKIE_ECHOED, KS_STATE_SCTP_ESTABLISHED, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_SCTP_SHUTDOWN_ACK_SENT, KS_STATE_SCTP_CLOSED, KS_EVENT_END, KS_END_CLOSED },
		{ KS_STATE_SCTP_ESTABLISHED, KS_STATE_SCTP_CLOSED, KS_EVENT_END, KS_END_RESET },
		{ KS_STATE_DCCP_RESPOND, KS_STATE_DCCP_PARTOPEN, KS_EVENT_ESTABLISHED, 0 },
		{ KS_STATE_DCCP_PARTOPEN, KS_STATE_DCCP_OPEN, 0, 0 },
		{ KS_STATE_DCCP_CLOSING, KS_STATE_DCCP_TIMEWAIT, KS_EVENT_END, KS_END_CLOSED },
		{ KS_STATE_DCCP_OPEN, KS_STATE_DCCP_TIMEWAIT, KS_EVENT_END, KS_END_RESET },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++) {
		insert(env, 1 + (__u32)i, cases[i].before, SECOND, 1000);
		move_to(1 + (__u32)i, cases[i].after);
		assert_told(cases[i].kind, cases[i].kind ? 1 : 0);
		if (cases[i].kind == KS_EVENT_END)
			assert_int_equal(env->told_last.why, cases[i].why);
	}
}

static void test_ends_without_a_packet(void **state)
{
	struct ks_inspection insp;

	insert(env, 1, KS_STATE_TCP_ESTABLISHED, SECOND, 1000);
	for (__u32 i = 0; i < 4; i++)
		ks_table_sweep(env, i, 3 * SECOND);
	assert_ended(KS_END_EXPIRED);
	insert(env, 2, KS_STATE_UDP_STREAM, SECOND, 1000);
	insert(env, 2, KS_STATE_UDP_SINGLE, 3 * SECOND, 1000); /* over the dead one, before it is swept */
	assert_ended(KS_END_EXPIRED);
	assert_int_equal(env->told_last.flow.state, KS_STATE_UDP_STREAM);
	insp = look(env, 2, 3 * SECOND);
	assert_true(ks_table_kill(env, &insp.flow, KS_END_DENIED));
	assert_ended(KS_END_DENIED);
	insert(env, 3, KS_STATE_UDP_SINGLE, SECOND, 1000);
	insp = look(env, 3, SECOND);
	assert_true(ks_table_free_flow(env, &insp.flow, KS_END_UNTOLD)); /* taken back */
	assert_told(0, 0);
}

/* In a full table a newcomer takes the place of another: told of the one that goes, with its own key. */
static void test_recycled(void **state)
{
	const __u32 first = 100, limit = 8;

	env->config.limit_states = limit;
	for (__u32 n = first; n < first + limit; n++)
		assert_int_equal(insert(env, n, KS_STATE_TCP_SYN_SENT, SECOND, 60000), KS_REASON_OK_NEW);
	assert_int_equal(insert(env, 1, KS_STATE_TCP_SYN_SENT, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_ended(KS_END_RECYCLED);
	assert_in_range(env->told_last.key.port[1], first, first + limit - 1);
	assert_false(look(env, env->told_last.key.port[1], 3 * SECOND).flow.found);
	assert_int_equal(env->counts.flows, limit);
	/* A queue that is full: who came first makes room. */
	env->config.limit_states = 4 * KS_BUCKET_SLOTS;
	env->config.limit_half_open = 1;
	for (__u32 n = 200; n < 208; n++) {
		struct ks_inspection insp = look(env, n, 3 * SECOND);

		insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, 3 * SECOND, 60000);
		assert_int_equal(ks_table_admit(env, &insp.flow), KS_REASON_OK_NEW);
	}
	assert_true(env->told[KS_EVENT_END] > 0);
	assert_int_equal(env->ends[KS_END_RECYCLED], 1 + env->told[KS_EVENT_END]);
}

/* By what name a side knows the flow is told with it, also when it ends and its aliases with it. */
static void test_aliases(void **state)
{
	struct ks_inspection insp, alias = look(env, 2, SECOND);

	alias.flow.after = (struct ks_flow){ .state = KS_STATE_ALIAS, .flags = KS_FLOW_ORIG_IS_HIGH };
	ks_record_after(&alias.flow)->alias.side = KS_REPLY;
	assert_int_equal(ks_table_insert(env, &alias.flow), KS_REASON_OK_NEW);
	insp = look(env, 1, SECOND);
	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, SECOND, 1000);
	insp.flow.after.alias[KS_REPLY] = ks_slot_id(&alias.flow.ref);
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_OK_NEW);
	ks_flow_tell_begin(env, &insp.flow);
	assert_told(KS_EVENT_BEGIN, 1);
	for (int ended = 0; ended < 2; ended++) {
		assert_int_equal(env->told_last.aliases, (KS_ALIAS_PRESENT | KS_ALIAS_ORIG_IS_HIGH) << KS_REPLY);
		assert_memory_equal(&env->told_last.alias[KS_REPLY], &alias.flow.key, sizeof(alias.flow.key));
		if (!ended)
			assert_true(ks_table_kill(env, &insp.flow, KS_END_KILLED));
	}
	assert_ended(KS_END_KILLED);
}

/* Whichever the sweeper meets first, the flow or its alias. */
static void test_aliases_last_until_their_flow_is_told(void **state)
{
	for (__u32 n = 0; n < 64; n += 2) {
		struct ks_inspection flow = look(env, n, SECOND), alias = look(env, n + 1, SECOND);

		flow.flow.after = flow_of(KS_STATE_UDP_SINGLE, SECOND, 1000);
		assert_int_equal(ks_table_insert(env, &flow.flow), KS_REASON_OK_NEW);
		alias.flow.after = (struct ks_flow){ .state = KS_STATE_ALIAS, .seen = ks_flow_clock(SECOND) };
		ks_record_after(&alias.flow)->alias.flow[0] = ks_slot_id(&flow.flow.ref);
		assert_int_equal(ks_table_insert(env, &alias.flow), KS_REASON_OK_NEW);
		flow.flow.before = flow.flow.after;
		flow.flow.after.alias[KS_REPLY] = ks_slot_id(&alias.flow.ref);
		assert_true(ks_table_commit_flow(env, &flow.flow));
		for (__u32 i = 0; i < 4; i++)
			ks_table_sweep(env, i, 3 * SECOND);
		assert_ended(KS_END_EXPIRED);
		assert_int_equal(env->told_last.aliases, KS_ALIAS_PRESENT << KS_REPLY);
		assert_int_equal(env->counts.flows + env->counts.records[KS_KIND_FLOW], 0);
	}
}

static void test_records_are_not_told(void **state)
{
	struct ks_inspection insp = look(env, 1, SECOND);

	insp.flow.key.kind = KS_KIND_QUESTION;
	ks_table_hash(env, &insp.flow);
	insp.flow.after = flow_of(KS_STATE_ASKED, SECOND, 1000);
	env->config.limit_kind[KS_KIND_QUESTION] = 10;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_OK_NEW);
	for (__u32 i = 0; i < 4; i++)
		ks_table_sweep(env, i, 3 * SECOND);
	assert_int_equal(env->counts.records[KS_KIND_QUESTION], 0);
	assert_told(0, 0);
}

static void test_nobody_asks(void **state)
{
	struct ks_inspection insp;

	env->nobody_asks = true;
	insert(env, 1, KS_STATE_TCP_SYN_SENT, SECOND, 1000);
	insp = look(env, 1, SECOND);
	insp.flow.after = insp.flow.before;
	ks_flow_tell_begin(env, &insp.flow);
	move_to(1, KS_STATE_TCP_ESTABLISHED);
	move_to(1, KS_STATE_TCP_TIME_WAIT);
	insert(env, 2, KS_STATE_UDP_SINGLE, SECOND, 1000);
	for (__u32 i = 0; i < 4; i++)
		ks_table_sweep(env, i, 3 * SECOND);
	assert_int_equal(env->counts.flows, 0);
	assert_told(0, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_life_of_a_connection),
		TEST(test_states),
		TEST(test_ends_without_a_packet),
		TEST(test_recycled),
		TEST(test_aliases),
		TEST(test_aliases_last_until_their_flow_is_told),
		TEST(test_records_are_not_told),
		TEST(test_nobody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
