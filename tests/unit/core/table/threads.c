// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUs that share one table: threads insert, update, expire, sweep and
 * kill a few keys as fast as they can. No flow that anybody reads may be torn
 * or another key's, no key may be in the table twice, and in the end the
 * counts must be those of the slots.
 */
#include "tests/unit/core/test_home.h"

#include <pthread.h>
#include <sched.h>

#include "core/verdict.h"

#define THREADS 4
#define KEYS 48
#ifdef __SANITIZE_THREAD__ /* ten times slower, and finds a race at the first meeting */
#define STEPS 30000
#else
#define STEPS 120000
#endif

static struct ks_env *env;
static unsigned clock_ms; /* moved by all */
static unsigned torn, strange; /* both must stay 0 */

static struct ks_flow_key key_of(__u32 n)
{
	struct ks_flow_key key = { .proto = KS_PROTO_UDP, .family = KS_IPV6, .port = { 53, (__u16)n } };

	key.addr[0].d[0] = n;
	key.addr[1].d[1] = ~(__u64)n;
	return key;
}

/* Every field of a flow follows from its key and one number, so that a mixture shows. */
static void flow_fill(struct ks_flow *flow, __u32 n, __u64 number)
{
	flow->rule = (__u16)n;
	flow->packets_low[0] = (__u32)number;
	flow->packets_low[1] = (__u32)number ^ n;
	flow->volume[0] = number;
	flow->volume[1] = ~number;
	flow->end[0] = (__u32)number;
	flow->end[1] = (__u32)~number;
	flow->max_end[0] = (__u32)number + n;
}

static __u64 flow_number(const struct ks_flow *flow)
{
	return flow->volume[0];
}

static void flow_check(const struct ks_flow *flow, __u32 n)
{
	struct ks_flow want = *flow;

	flow_fill(&want, n, flow_number(flow));
	if (flow->rule != n)
		__atomic_fetch_add(&strange, 1, __ATOMIC_RELAXED);
	else if (memcmp(&want, flow, sizeof(want)))
		__atomic_fetch_add(&torn, 1, __ATOMIC_RELAXED);
}

static void one_packet(__u64 *seed)
{
	static const __u8 kinds[] = { KS_STATE_TCP_SYN_SENT, KS_STATE_TCP_ESTABLISHED, KS_STATE_UDP_SINGLE,
				      KS_STATE_TCP_CLOSE };
	__u32 states = KS_ARRAY_SIZE(kinds), n = test_below(seed, KEYS),
	      ms = __atomic_add_fetch(&clock_ms, test_below(seed, 2), __ATOMIC_RELAXED);
	struct ks_inspection insp = { .home.now = ms * KS_NSEC_PER_MSEC, .flow.clock = ms, .flow.key = key_of(n) };

	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	if (insp.flow.busy)
		return;
	if (insp.flow.found)
		flow_check(&insp.flow.before, n);
	insp.flow.after = insp.flow.found ? insp.flow.before : (struct ks_flow){ 0 };
	flow_fill(&insp.flow.after, n, ((__u64)test_random(seed) << 32) | test_random(seed));
	if (!insp.flow.found || ks_state_is_closed(insp.flow.before.state))
		states--; /* nothing begins closed */
	insp.flow.after.state = kinds[test_below(seed, states)];
	insp.flow.after.seen = ms;
	insp.flow.after.timeout = test_below(seed, 40);
	if (!insp.flow.found)
		ks_table_admit(env, &insp.flow);
	else if (insp.flow.before.state == KS_STATE_TCP_CLOSE)
		ks_table_replace(env, &insp.flow);
	else
		ks_table_commit(env, &insp.flow);
}

static void *run(void *arg)
{
	__u64 seed = 77 + (uintptr_t)arg;

	for (unsigned i = 0; i < STEPS; i++) {
		__u64 now = __atomic_load_n(&clock_ms, __ATOMIC_RELAXED) * KS_NSEC_PER_MSEC;

		if (i % 16 == 0) {
			ks_table_sweep(env, test_below(&seed, env->shape.buckets), now);
		} else if (i % 64 == 1) {
			struct ks_inspection insp = { .home.now = now,
						      .flow.clock = ks_flow_clock(now),
						      .flow.key = key_of(test_below(&seed, KEYS)) };

			ks_table_kill(env, &insp.flow, KS_END_KILLED);
		} else {
			one_packet(&seed);
		}
		if (i % 1024 == 0)
			sched_yield();
	}
	return NULL;
}

static void census(void)
{
	__u32 flows = 0, half_open = 0, alive = 0;
	bool seen[KEYS] = { false };

	for (__u32 b = 0; b < env->shape.buckets; b++) {
		assert_int_equal(env->buckets[b].claim, 0);
		for (__u32 s = 0; s < KS_BUCKET_SLOTS; s++) {
			const struct ks_slot *slot = &env->buckets[b].slot[s];

			assert_false(slot->flow.version & 1);
			if (slot->flow.state == KS_STATE_NONE) {
				assert_int_equal(test_tag(env, b, s), 0);
				continue;
			}
			assert_true(slot->flow.rule < KEYS);
			assert_false(seen[slot->flow.rule]);
			seen[slot->flow.rule] = true;
			flows++;
			half_open += ks_state_is_half_open(slot->flow.state);
			alive += !ks_state_is_closed(slot->flow.state);
		}
	}
	assert_int_equal(env->counts.flows, flows);
	assert_int_equal(env->counts.half_open, half_open);
	assert_shares(env);
	assert_int_equal(env->counts.created, flows + env->ended);
	/* Each end was told once. */
	assert_int_equal(env->counts.created, alive + env->told[KS_EVENT_END]);
	assert_int_equal(env->ended, env->counts.expired + env->counts.recycled + env->counts.killed);
}

/* `buckets` few enough that keys fight for slots, or enough for all. */
static void stress(__u32 buckets, __u32 limit)
{
	pthread_t threads[THREADS];

	env = test_env_create(buckets);
	env->config.limit_states = limit;
	env->is_shared = true;
	clock_ms = 1000;
	torn = 0;
	strange = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(torn, 0);
	assert_int_equal(strange, 0);
	/* It was a fight: flows were made, recycled, expired and killed. */
	assert_true(env->counts.created > 1000 && env->counts.recycled > 100);
	assert_true(env->counts.expired > 100 && env->counts.killed > 100);
	census();
	test_env_destroy(env);
}

static void test_room_for_all(void **state)
{
	stress(16, 128);
}

static void test_room_for_few(void **state)
{
	stress(2, 16);
}

static void test_at_the_limit(void **state)
{
	stress(16, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room_for_all),
		cmocka_unit_test(test_room_for_few),
		cmocka_unit_test(test_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
