// SPDX-License-Identifier: BSD-2-Clause
/*
 * Tallies on several CPUs: no more is ever let through than the limit allows, and all is given back in the end. Threads
 * take and give back as fast as they can, while another sweeps and others insert flows into the same few buckets.
 */
#include "tests/unit/core/test_home.h"

#include <pthread.h>
#include <sched.h>

#include "core/table/tally.h"

#define THREADS 4
#define SOURCES 3
#define MOST 5 /* connections of a source */
#define BURST 1000 /* of a rate */
#define RULE 7
#ifdef __SANITIZE_THREAD__
#define STEPS 20000
#else
#define STEPS 100000
#endif

static const struct ks_limit connections = {
	.amount = MOST, .rule = RULE, .unit = KS_LIMIT_CONNECTIONS, .per = KS_LIMIT_SOURCE, .bits = { 32, 64 }
};
static const struct ks_limit per_source = { .amount = 1,
					    .period = KS_NSEC_PER_SEC,
					    .burst = KS_NSEC_PER_SEC,
					    .rule = RULE,
					    .per = KS_LIMIT_SOURCE,
					    .bits = { 32, 64 } };
static const struct ks_limit rate = {
	.amount = 1, .period = KS_NSEC_PER_SEC, .burst = BURST * KS_NSEC_PER_SEC, .rule = RULE, .per = KS_LIMIT_RULE
};

static struct ks_env *env;
static unsigned held[SOURCES]; /* as the threads count */
static unsigned over, admitted, refused, lost;
static unsigned clock_ms = 1000;

static struct ks_flow_key flow_of(unsigned source)
{
	struct ks_flow_key key = { .proto = KS_PROTO_TCP, .family = KS_IPV4, .port = { 1, 2 } };

	ks_addr_set_ipv4(&key.addr[0], ks_be32(0xc6336400U + source));
	ks_addr_set_ipv4(&key.addr[1], ks_be32(0xc0000201U));
	return key;
}

static __u32 ask(const struct ks_limit *limit, const struct ks_flow_key *flow, enum ks_tally_mode mode)
{
	struct ks_tally_ask question = { .now = (__u64)__atomic_load_n(&clock_ms, __ATOMIC_RELAXED) * KS_NSEC_PER_MSEC,
					 .rule = RULE,
					 .unit = limit ? limit->unit : KS_TALLY_OF_RULE,
					 .mode = (__u8)mode };
	struct ks_entry e = { .clock = __atomic_load_n(&clock_ms, __ATOMIC_RELAXED) };
	struct ks_tally *tally = &ks_record_after(&e)->tally;

	if (limit) {
		question.amount = limit->amount;
		question.burst = limit->burst;
		question.time = limit->period;
		ks_tally_key(limit, flow, 0, &e.key);
	} else {
		tally->shapes = 1;
		tally->shape[0] = (struct ks_tally_shape){ .per = KS_LIMIT_SOURCE, .bits = { 32, 64 } };
		ks_tally_rule_key(RULE, &e.key);
	}
	ks_table_hash(env, &e);
	return ks_tally_ask_in(env, &e, &question);
}

/* A connection of the source begins and ends, if there is room for it. */
static void connect_once(unsigned source)
{
	struct ks_flow_key flow = flow_of(source);
	__u32 outcome = ask(NULL, &flow, KS_TALLY_TAKE);

	if (outcome != KS_TALLY_ADMITTED) {
		__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
		return;
	}
	outcome = ask(&connections, &flow, KS_TALLY_TAKE);
	if (outcome != KS_TALLY_ADMITTED) {
		__atomic_fetch_add(outcome == KS_TALLY_REFUSED ? &refused : &lost, 1, __ATOMIC_RELAXED);
		ask(NULL, &flow, KS_TALLY_UNDO);
		return;
	}
	if (__atomic_add_fetch(&held[source], 1, __ATOMIC_SEQ_CST) > MOST)
		__atomic_fetch_add(&over, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&admitted, 1, __ATOMIC_RELAXED);
	sched_yield();
	__atomic_sub_fetch(&held[source], 1, __ATOMIC_SEQ_CST);
	assert_int_equal(ks_tally_return_isolated(env, &flow, RULE, 0), 1);
}

/* A short flow beside: buckets are crowded, and idle tallies are recycled for it. */
static void disturb(unsigned n)
{
	struct ks_entry e = { .clock = __atomic_load_n(&clock_ms, __ATOMIC_RELAXED),
			      .key = { .proto = KS_PROTO_UDP, .family = KS_IPV4, .port = { (__u16)n, 53 } },
			      .after = { .state = KS_STATE_UDP_SINGLE, .timeout = 1 } };

	e.after.seen = e.clock;
	ks_table_hash(env, &e);
	ks_table_insert(env, &e);
}

static void *run(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < STEPS; i++) {
		seed = seed * 1103515245U + 12345U;
		connect_once((seed >> 16) % SOURCES);
		if (i % 4 == 0)
			disturb(seed >> 20);
		if (i % 64 == 0)
			__atomic_fetch_add(&clock_ms, 40, __ATOMIC_RELAXED);
		if (i % 16 == 0)
			ks_table_sweep(env, (seed >> 8) % env->shape.buckets,
				       (__u64)__atomic_load_n(&clock_ms, __ATOMIC_RELAXED) * KS_NSEC_PER_MSEC);
	}
	return NULL;
}

static void run_threads(void *(*fn)(void *arg))
{
	pthread_t threads[THREADS];

	env->is_shared = true;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fn, (void *)(i + 1)), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static __u32 count_left(void)
{
	__u32 left = 0;

	for (__u32 b = 0; b < env->shape.buckets; b++) {
		for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
			if (test_tag(env, b, i) && env->buckets[b].slot[i].flow.state == KS_STATE_TALLY)
				left += ks_record_of(&env->buckets[b].slot[i].flow)->tally.count;
		}
	}
	return left;
}

static void test_connections(void **state)
{
	env = test_env_create(4);
	env->config.limit_states = 16;
	env->config.limit_kind[KS_KIND_TALLY] = 16;
	run_threads(run);
	assert_int_equal(over, 0);
	assert_true(admitted > STEPS / 10);
	assert_int_equal(count_left(), 0);
	for (__u32 b = 0; b < env->shape.buckets; b++)
		ks_table_sweep(env, b, (__u64)(clock_ms + KS_TALLY_IDLE_MS + 1) * KS_NSEC_PER_MSEC);
	assert_int_equal(env->counts.records[KS_KIND_TALLY], 0);
	test_env_destroy(env);
}

static void *run_rate(void *arg)
{
	struct ks_flow_key flow = flow_of(0);

	for (unsigned i = 0; i < 2 * BURST; i++) {
		if (ask(&rate, &flow, KS_TALLY_TAKE) == KS_TALLY_ADMITTED)
			__atomic_fetch_add(&admitted, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_rate(void **state)
{
	env = test_env_create(4);
	env->config.limit_kind[KS_KIND_TALLY] = 16;
	admitted = 0;
	run_threads(run_rate);
	assert_int_equal(admitted, BURST);
	clock_ms += 3000;
	run_threads(run_rate);
	assert_int_equal(admitted, BURST + 3);
	test_env_destroy(env);
}

/* --- a budget that is spent --- */

#define BUDGET 16U

static __u32 count_of(unsigned source)
{
	struct ks_flow_key flow = flow_of(source);
	struct ks_entry e = { .clock = clock_ms };

	ks_tally_key(&per_source, &flow, 0, &e.key);
	ks_table_hash(env, &e);
	ks_table_find(env, &e);
	return e.found;
}

/* Newcomers take the place of who was idle for longest, and of nobody whose connections are counted. */
static void test_a_spent_budget(void **state)
{
	struct ks_flow_key first = flow_of(0);

	env = test_env_create(16);
	env->config.limit_kind[KS_KIND_TALLY] = BUDGET;
	assert_int_equal(ask(&connections, &first, KS_TALLY_TAKE), KS_TALLY_ADMITTED);
	for (unsigned i = 0; i < 10 * BUDGET; i++) {
		struct ks_flow_key flow = flow_of(i);

		clock_ms += 5;
		assert_int_equal(ask(&per_source, &flow, KS_TALLY_TAKE), KS_TALLY_ADMITTED);
	}
	assert_int_equal(env->counts.records[KS_KIND_TALLY], BUDGET);
	for (unsigned i = 0; i < 10 * BUDGET; i++)
		assert_int_equal(count_of(i), i > 9 * BUDGET); /* the last fifteen, beside the connection */
	assert_int_equal(ask(&connections, &first, KS_TALLY_TAKE), KS_TALLY_ADMITTED);
	assert_int_equal(count_left(), 2);
	test_env_destroy(env);
}

/* Where all count connections, nobody makes room. */
static void test_a_budget_of_connections(void **state)
{
	env = test_env_create(16);
	env->config.limit_kind[KS_KIND_TALLY] = BUDGET;
	for (unsigned i = 0; i < 2 * BUDGET; i++) {
		struct ks_flow_key flow = flow_of(i);

		assert_int_equal(ask(&connections, &flow, KS_TALLY_TAKE),
				 i < BUDGET ? KS_TALLY_ADMITTED : KS_TALLY_SPENT);
	}
	assert_int_equal(count_left(), BUDGET);
	test_env_destroy(env);
}

/* Those that anybody can make make room. To one that is gone, or was made anew, nothing is given back that it does not count. */
static void test_a_budget_of_forged_ones(void **state)
{
	struct ks_flow_key flow;

	env = test_env_create(16);
	env->config.limit_kind[KS_KIND_TALLY] = BUDGET;
	for (unsigned i = 0; i < 2 * BUDGET; i++) {
		flow = flow_of(i);
		flow.proto = i < BUDGET ? KS_PROTO_UDP : KS_PROTO_TCP;
		assert_int_equal(ask(&connections, &flow, KS_TALLY_TAKE), KS_TALLY_ADMITTED);
	}
	for (unsigned i = 0; i < BUDGET; i++) {
		flow = flow_of(i);
		flow.proto = KS_PROTO_UDP;
		assert_int_equal(ask(&connections, &flow, KS_TALLY_UNDO), KS_TALLY_ADMITTED);
	}
	assert_int_equal(count_left(), BUDGET);
	flow = flow_of(BUDGET);
	for (unsigned i = 0; i < MOST; i++) {
		ask(&connections, &flow, KS_TALLY_UNDO);
		flow.proto = KS_PROTO_UDP; /* another tally than the same source's of TCP */
	}
	assert_int_equal(count_left(), BUDGET - 1);
	assert_int_equal(ask(&connections, &flow, KS_TALLY_TAKE), KS_TALLY_ADMITTED);
	for (unsigned i = 0; i < MOST; i++)
		ask(&connections, &flow, KS_TALLY_UNDO);
	assert_int_equal(count_left(), BUDGET - 1);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connections),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_a_spent_budget),
		cmocka_unit_test(test_a_budget_of_connections),
		cmocka_unit_test(test_a_budget_of_forged_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
