// SPDX-License-Identifier: BSD-2-Clause
/*
 * The state table: every operation against a plain map, limits, recycling, and
 * the interleavings of two CPUs, played one after the other by a hook
 * between the steps of one.
 */
#include "tests/unit/core/test_home.h"

#include "core/verdict.h"

#define SECOND KS_NSEC_PER_SEC

static struct ks_flow_key key_of(__u32 n)
{
	struct ks_flow_key key = { .proto = KS_PROTO_TCP, .family = KS_IPV4, .port = { 80, (__u16)n } };

	key.addr[0].w[3] = 1;
	key.addr[1].w[3] = 2 + (n >> 16);
	return key;
}

/* An inspection that has looked for flow n at `now`. */
static struct ks_inspection look(struct ks_env *env, __u32 n, __u64 now)
{
	struct ks_inspection insp = { .home.now = now, .flow.clock = ks_flow_clock(now), .flow.key = key_of(n) };

	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	return insp;
}

static struct ks_flow flow_of(__u32 state, __u64 now, __u32 timeout_ms)
{
	return (struct ks_flow){ .state = (__u8)state,
				 .seen = (__u32)(now / KS_NSEC_PER_MSEC),
				 .timeout = timeout_ms,
				 .packets_low = { 1 } };
}

static __u32 insert(struct ks_env *env, __u32 n, __u32 state, __u64 now, __u32 timeout_ms)
{
	struct ks_inspection insp = look(env, n, now);

	assert_false(insp.flow.found);
	insp.flow.after = flow_of(state, now, timeout_ms);
	return ks_table_insert(env, &insp.flow);
}

/* What is really in the table: slots in use, half-open ones, keys that are there twice. */
struct census {
	__u32 flows, half_open, twice;
};

static struct census count_slots(const struct ks_env *env)
{
	struct census c = { 0 };
	const struct ks_slot *used[1024];

	for (__u32 b = 0; b < env->shape.buckets; b++) {
		for (__u32 s = 0; s < KS_BUCKET_SLOTS; s++) {
			const struct ks_slot *slot = &env->buckets[b].slot[s];

			assert_false(slot->flow.version & 1);
			if (slot->flow.state == KS_STATE_NONE) {
				continue;
			}
			assert_int_not_equal(env->buckets[b].tag[s], 0);
			for (__u32 i = 0; i < c.flows; i++)
				c.twice += !memcmp(&used[i]->key, &slot->key, sizeof(slot->key));
			assert_true(c.flows < KS_ARRAY_SIZE(used));
			used[c.flows++] = slot;
			c.half_open += ks_state_is_half_open(slot->flow.state);
		}
		assert_int_equal(env->buckets[b].claim, 0);
	}
	return c;
}

static void assert_counts(const struct ks_env *env)
{
	struct census c = count_slots(env);

	assert_int_equal(c.twice, 0);
	assert_int_equal(env->counts.flows, c.flows);
	assert_int_equal(env->counts.half_open, c.half_open);
	/* Everything that was ever made is there, or its end was told exactly once. */
	assert_int_equal(env->counts.created, c.flows + env->ended);
	assert_int_equal(env->ended, env->counts.expired + env->counts.recycled + env->counts.killed);
}

static void test_insert_find_commit(void **state)
{
	struct ks_env *env = test_env_create(4);
	struct ks_inspection insp;

	assert_int_equal(insert(env, 1, KS_STATE_TCP_SYN_SENT, SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 2, SECOND).flow.found);
	insp = look(env, 1, SECOND);
	assert_true(insp.flow.found);
	assert_int_equal(insp.flow.before.state, KS_STATE_TCP_SYN_SENT);
	assert_int_equal(env->counts.half_open, 1);
	insp.flow.after = insp.flow.before;
	insp.flow.after.state = KS_STATE_TCP_ESTABLISHED;
	assert_true(ks_table_commit(env, &insp.flow));
	assert_int_equal(look(env, 1, SECOND).flow.before.state, KS_STATE_TCP_ESTABLISHED);
	/* What was decided on an older version is refused, and nothing changes. */
	insp.flow.after.state = KS_STATE_TCP_CLOSE;
	assert_false(ks_table_commit(env, &insp.flow));
	assert_int_equal(look(env, 1, SECOND).flow.before.state, KS_STATE_TCP_ESTABLISHED);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_dead_is_not_found_and_is_taken_over(void **state)
{
	struct ks_env *env = test_env_create(4);

	insert(env, 1, KS_STATE_UDP_SINGLE, SECOND, 1000);
	assert_true(look(env, 1, 2 * SECOND).flow.found);
	assert_false(look(env, 1, 2 * SECOND + KS_NSEC_PER_MSEC).flow.found);
	assert_int_equal(insert(env, 1, KS_STATE_UDP_SINGLE, 3 * SECOND, 1000), KS_REASON_OK_NEW);
	assert_int_equal(env->counts.flows, 1);
	assert_int_equal(env->counts.recycled, 1);
	assert_int_equal(env->ended, 1);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_sweep_edges(void **state)
{
	struct ks_env *env = test_env_create(1);

	insert(env, 1, KS_STATE_TCP_SYN_SENT, SECOND, 1000);
	insert(env, 2, KS_STATE_TCP_ESTABLISHED, SECOND, 5000);
	assert_int_equal(ks_table_sweep(env, 0, 2 * SECOND), 0);
	assert_int_equal(ks_table_sweep(env, 0, 2 * SECOND + KS_NSEC_PER_MSEC), 1);
	assert_int_equal(ks_table_sweep(env, 0, 2 * SECOND + KS_NSEC_PER_MSEC), 0);
	assert_true(look(env, 2, 3 * SECOND).flow.found);
	assert_int_equal(env->counts.expired, 1);
	assert_counts(env);
	assert_int_equal(ks_table_sweep(env, 9, 3 * SECOND), 0); /* no such bucket */
	test_env_destroy(env);
}

static void test_kill(void **state)
{
	struct ks_env *env = test_env_create(4);
	struct ks_inspection insp = { .home.now = SECOND, .flow.clock = ks_flow_clock(SECOND), .flow.key = key_of(1) };

	assert_false(ks_table_kill(env, &insp.flow));
	insert(env, 1, KS_STATE_TCP_SYN_RECV, SECOND, 60000);
	insert(env, 2, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
	assert_true(ks_table_kill(env, &insp.flow));
	assert_false(look(env, 1, SECOND).flow.found);
	assert_true(look(env, 2, SECOND).flow.found);
	assert_false(ks_table_kill(env, &insp.flow));
	assert_int_equal(env->counts.killed, 1);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_limits(void **state)
{
	struct ks_env *env = test_env_create(8);
	__u32 n = 0;

	env->config.limit_states = 10;
	env->config.limit_half_open = 3;
	for (; n < 3; n++)
		assert_int_equal(insert(env, n, KS_STATE_TCP_SYN_SENT, SECOND, 60000), KS_REASON_OK_NEW);
	assert_int_equal(insert(env, 100, KS_STATE_TCP_SYN_SENT, SECOND, 60000), KS_REASON_HALF_OPEN_FULL);
	for (; n < 10; n++)
		assert_int_equal(insert(env, n, KS_STATE_UDP_SINGLE, SECOND, 60000), KS_REASON_OK_NEW);
	assert_int_equal(insert(env, 100, KS_STATE_UDP_SINGLE, SECOND, 60000), KS_REASON_TABLE_FULL);
	/* A full table forgets nobody who lives. */
	for (n = 0; n < 10; n++)
		assert_true(look(env, n, SECOND).flow.found);
	assert_counts(env);
	test_env_destroy(env);
}

/* A bucket with one flow of `state`, seen at SECOND, among live ones; returns what an insert at `now` says. */
static __u32 insert_beside(struct ks_env *env, __u32 state, __u64 now)
{
	for (__u32 n = 0; n < KS_BUCKET_SLOTS - 1; n++)
		assert_int_equal(insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000), KS_REASON_OK_NEW);
	assert_int_equal(insert(env, 7, state, SECOND, 60000), KS_REASON_OK_NEW);
	return insert(env, 8, KS_STATE_UDP_SINGLE, now, 1000);
}

/* Buckets full of live flows of every state: what is closed makes room, and what has stayed half-open; nothing else. */
static void test_recycling(void **state)
{
	for (__u32 kind = KS_STATE_NONE + 1; kind < KS_STATE_MAX; kind++) {
		struct ks_env *env = test_env_create(1);
		bool gives = ks_state_is_closed(kind) || ks_state_is_half_open(kind);

		if (kind == KS_STATE_ALIAS) {
			test_env_destroy(env);
			continue;
		}
		assert_int_equal(insert_beside(env, kind, 3 * SECOND), gives ? KS_REASON_OK_NEW : KS_REASON_TABLE_FULL);
		for (__u32 n = 0; n < KS_BUCKET_SLOTS - 1; n++)
			assert_true(look(env, n, 3 * SECOND).flow.found);
		assert_int_equal(look(env, 7, 3 * SECOND).flow.found, !gives);
		assert_counts(env);
		test_env_destroy(env);
	}
}

/* A handshake that is under way is not disturbed. */
static void test_a_fresh_handshake_is_live(void **state)
{
	struct ks_env *env = test_env_create(1);

	assert_int_equal(insert_beside(env, KS_STATE_TCP_SYN_SENT, 2 * SECOND), KS_REASON_TABLE_FULL);
	assert_true(look(env, 7, 2 * SECOND).flow.found);
	assert_int_equal(insert(env, 8, KS_STATE_UDP_SINGLE, 2 * SECOND + KS_NSEC_PER_MSEC, 1000), KS_REASON_OK_NEW);
	assert_false(look(env, 7, 2 * SECOND + KS_NSEC_PER_MSEC).flow.found);
	assert_counts(env);
	test_env_destroy(env);
}

/* Closed before half-open, whatever their age; of two half-open ones the one longest unseen. */
static void test_order_of_recycling(void **state)
{
	static const __u32 states[KS_BUCKET_SLOTS] = {
		KS_STATE_TCP_SYN_RECV, KS_STATE_TCP_ESTABLISHED, KS_STATE_TCP_SYN_SENT,	   KS_STATE_TCP_TIME_WAIT,
		KS_STATE_UDP_SINGLE,   KS_STATE_TCP_CLOSE,	 KS_STATE_TCP_ESTABLISHED, KS_STATE_TCP_SYN_SENT,
	};
	static const __u32 seen[KS_BUCKET_SLOTS] = { 3, 1, 2, 7, 1, 6, 1, 4 }; /* s */
	static const __u32 order[] = { 5, 3, 2, 0, 7 };
	struct ks_env *env = test_env_create(1);

	for (__u32 n = 0; n < KS_BUCKET_SLOTS; n++)
		insert(env, n, states[n], seen[n] * SECOND, 60000);
	for (__u32 i = 0; i < KS_ARRAY_SIZE(order); i++) {
		assert_true(look(env, order[i], 9 * SECOND).flow.found);
		assert_int_equal(insert(env, 100 + i, KS_STATE_UDP_STREAM, 9 * SECOND, 60000), KS_REASON_OK_NEW);
		assert_false(look(env, order[i], 9 * SECOND).flow.found);
	}
	assert_int_equal(insert(env, 200, KS_STATE_UDP_STREAM, 9 * SECOND, 60000), KS_REASON_TABLE_FULL);
	assert_counts(env);
	test_env_destroy(env);
}

/* The same at the limit of flows, with free slots beside. */
static void test_recycling_at_the_limit(void **state)
{
	struct ks_env *env = test_env_create(1);

	env->config.limit_states = 3;
	insert(env, 0, KS_STATE_TCP_SYN_SENT, SECOND, 60000);
	insert(env, 1, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
	insert(env, 2, KS_STATE_TCP_CLOSE, SECOND, 60000);
	assert_int_equal(insert(env, 3, KS_STATE_UDP_STREAM, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 2, 3 * SECOND).flow.found);
	assert_int_equal(insert(env, 4, KS_STATE_UDP_STREAM, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 0, 3 * SECOND).flow.found);
	assert_int_equal(insert(env, 5, KS_STATE_UDP_STREAM, 3 * SECOND, 60000), KS_REASON_TABLE_FULL);
	assert_int_equal(env->counts.flows, 3);
	assert_int_equal(env->counts.half_open, 0);
	assert_counts(env);
	test_env_destroy(env);
}

/* At the limit, with free slots but nobody in the key's own buckets who could go: one beside them goes. */
static void test_recycling_beside(void **state)
{
	enum { FLOWS = 2000 };
	struct ks_env *env = test_env_create(ks_table_buckets(FLOWS));
	__u32 refused = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < FLOWS; n++)
		insert(env, n, n % 4 ? KS_STATE_TCP_ESTABLISHED : KS_STATE_TCP_TIME_WAIT, SECOND, 60000);
	for (__u32 n = 0; n < FLOWS / 8; n++)
		refused += insert(env, FLOWS + n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000) != KS_REASON_OK_NEW;
	/* A quarter is closed: in two buckets alone some 30 would have found nobody. */
	assert_true(refused < 5);
	assert_int_equal(env->counts.flows, FLOWS);
	assert_int_equal(env->counts.recycled, FLOWS / 8 - refused);
	for (__u32 n = 0; n < FLOWS; n++)
		assert_true(n % 4 == 0 || look(env, n, SECOND).flow.found);
	test_env_destroy(env);
}

/* A translated flow that makes room takes its other names with it. */
static void test_recycling_frees_the_aliases(void **state)
{
	struct ks_env *env = test_env_create(1);
	struct ks_inspection flow = look(env, 1, SECOND), alias = look(env, 2, SECOND), again;

	flow.flow.after = flow_of(KS_STATE_TCP_TIME_WAIT, SECOND, 60000);
	assert_int_equal(ks_table_insert(env, &flow.flow), KS_REASON_OK_NEW);
	alias.flow.after = flow_of(KS_STATE_ALIAS, SECOND, 5000);
	alias.flow.after.alias[0] = alias.flow.after.alias[1] = ks_slot_id(&flow.flow.ref);
	assert_int_equal(ks_table_insert(env, &alias.flow), KS_REASON_OK_NEW);
	again = look(env, 1, SECOND);
	again.flow.after = again.flow.before;
	again.flow.after.alias[KS_REPLY] = ks_slot_id(&alias.flow.ref);
	assert_true(ks_table_commit(env, &again.flow));
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 1);

	env->config.limit_states = 1;
	assert_int_equal(insert(env, 3, KS_STATE_UDP_SINGLE, 20 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_false(look(env, 1, 20 * SECOND).flow.found);
	assert_false(look(env, 2, 20 * SECOND).flow.found);
	assert_int_equal(env->counts.records[KS_KIND_FLOW], 0);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_dead_before_closed(void **state)
{
	struct ks_env *env = test_env_create(1);

	for (__u32 n = 0; n < KS_BUCKET_SLOTS - 1; n++)
		insert(env, n, n == 3 ? KS_STATE_TCP_CLOSE : KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
	insert(env, 7, KS_STATE_TCP_ESTABLISHED, SECOND, 1000);
	assert_int_equal(insert(env, 8, KS_STATE_UDP_SINGLE, 3 * SECOND, 60000), KS_REASON_OK_NEW);
	assert_true(look(env, 3, 3 * SECOND).flow.found);
	assert_false(look(env, 7, 3 * SECOND).flow.found);
	assert_counts(env);
	test_env_destroy(env);
}

static void test_replace_keeps_the_budget(void **state)
{
	struct ks_env *env = test_env_create(8);

	env->config.limit_half_open = 1;
	insert(env, 1, KS_STATE_TCP_CLOSE, SECOND, 60000);
	insert(env, 2, KS_STATE_TCP_SYN_SENT, SECOND, 60000);
	{
		struct ks_inspection insp = look(env, 1, SECOND);

		assert_true(insp.flow.found);
		insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, SECOND, 60000);
		ks_table_replace(env, &insp.flow);
	}
	assert_true(env->counts.half_open <= 1);
	assert_int_equal(look(env, 1, SECOND).flow.before.state, KS_STATE_TCP_CLOSE);
	assert_counts(env);
	env->config.limit_half_open = 2;
	{
		struct ks_inspection insp = look(env, 1, SECOND);

		insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, SECOND, 60000);
		ks_table_replace(env, &insp.flow);
	}
	assert_int_equal(env->counts.half_open, 2);
	assert_int_equal(env->counts.recycled, 1);
	assert_counts(env);
	test_env_destroy(env);
}

/*
 * Two CPUs. The hook is called before each look at a bucket; on its
 * `race.at`th call it plays what the other one does.
 */
static struct {
	unsigned at, calls;
	void (*play)(struct ks_env *env);
} race;

static void race_hook(struct ks_env *env, __u32 index)
{
	if (race.calls++ != race.at)
		return;
	env->on_bucket = NULL;
	race.play(env);
	env->on_bucket = race_hook;
}

static void play_sweep(struct ks_env *env)
{
	for (__u32 b = 0; b < env->shape.buckets; b++)
		ks_table_sweep(env, b, 10 * SECOND);
}

static void play_kill(struct ks_env *env)
{
	struct ks_inspection insp = { .home.now = SECOND, .flow.clock = ks_flow_clock(SECOND), .flow.key = key_of(1) };

	ks_table_kill(env, &insp.flow);
}

/* A packet of the flow that was seen in time, by a slower CPU. */
static void play_revive(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 1, SECOND);

	if (!insp.flow.found)
		return;
	insp.flow.after = insp.flow.before;
	insp.flow.after.seen = 10 * KS_MSEC_PER_SEC;
	ks_table_commit(env, &insp.flow);
}

static void play_insert_same(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 1, 10 * SECOND);

	if (insp.flow.found)
		return;
	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, 10 * SECOND, 60000);
	ks_table_insert(env, &insp.flow);
}

static void play_insert_other(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 99, 10 * SECOND);

	if (insp.flow.found)
		return;
	insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, 10 * SECOND, 60000);
	ks_table_insert(env, &insp.flow);
}

static void play_close(struct ks_env *env)
{
	struct ks_inspection insp = look(env, 1, SECOND);

	if (!insp.flow.found)
		return;
	insp.flow.after = insp.flow.before;
	insp.flow.after.state = KS_STATE_TCP_CLOSE;
	ks_table_commit(env, &insp.flow);
}

static void (*const plays[])(struct ks_env *) = {
	play_sweep, play_kill, play_revive, play_insert_same, play_insert_other, play_close,
};

/*
 * Flow 1 is dead (or closed), its bucket full or not; while flow `wanted` is
 * put in, the other CPU does something, at every point in turn.
 */
static void race_insert(__u32 fill, __u32 first_state, __u32 wanted, __u32 limit)
{
	for (size_t p = 0; p < KS_ARRAY_SIZE(plays); p++) {
		for (race.at = 0; race.at < 24; race.at++) {
			struct ks_env *env = test_env_create(1);
			struct ks_inspection insp;

			insert(env, 1, first_state, SECOND, 1000);
			for (__u32 n = 2; n < 2 + fill; n++)
				insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
			env->config.limit_states = limit;
			insp = look(env, wanted, 10 * SECOND);
			insp.flow.after = flow_of(KS_STATE_TCP_SYN_SENT, 10 * SECOND, 60000);
			race.calls = 0;
			race.play = plays[p];
			env->on_bucket = race_hook;
			ks_table_insert(env, &insp.flow);
			env->on_bucket = NULL;
			assert_counts(env);
			for (__u32 n = 2; n < 2 + fill; n++)
				assert_true(look(env, n, 10 * SECOND).flow.found);
			test_env_destroy(env);
		}
	}
}

static bool other_taken;
static __u32 other;

/* The alias that we found left behind is swept, and its slot is another flow's new alias. */
static void play_alias_other(struct ks_env *env)
{
	struct ks_inspection insp = look(env, other, 10 * SECOND);

	play_sweep(env);
	insp.flow.after = flow_of(KS_STATE_ALIAS, 10 * SECOND, 60000);
	other_taken = ks_table_insert(env, &insp.flow) == KS_REASON_OK_NEW;
}

/* A key that is put in by way of the other bucket, but may lie in the first one of this hash. */
static __u32 of_other_bucket(struct ks_env *env, __u64 hash)
{
	__u32 bucket = ks_table_bucket(&env->shape, hash, 0);

	for (__u32 n = 100;; n++) {
		__u64 its = look(env, n, SECOND).flow.hash;

		if (ks_table_bucket(&env->shape, its, 0) != bucket && ks_table_bucket(&env->shape, its, 1) == bucket)
			return n;
	}
}

/* Whoever got it keeps it. */
static void test_race_insert_over_alias(void **state)
{
	for (race.at = 0; race.at < 24; race.at++) {
		struct ks_env *env = test_env_create(2);
		struct ks_inspection insp;
		bool taken;

		insert(env, 1, KS_STATE_ALIAS, SECOND, 1000);
		for (__u32 n = 2; n < 60; n++)
			insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000);
		insp = look(env, 1, 10 * SECOND);
		other = of_other_bucket(env, insp.flow.hash);
		insp.flow.after = flow_of(KS_STATE_ALIAS, 10 * SECOND, 60000);
		race.calls = 0;
		race.play = play_alias_other;
		other_taken = false;
		env->on_bucket = race_hook;
		taken = ks_table_insert(env, &insp.flow) == KS_REASON_OK_NEW;
		env->on_bucket = NULL;
		assert_true(look(env, other, 10 * SECOND).flow.found == other_taken);
		assert_int_equal(env->counts.records[KS_KIND_FLOW], taken + other_taken);
		test_env_destroy(env);
	}
}

static void test_race_insert_over_dead(void **state)
{
	race_insert(3, KS_STATE_TCP_SYN_SENT, 1, 8);
	race_insert(7, KS_STATE_TCP_SYN_SENT, 1, 8);
	race_insert(7, KS_STATE_TCP_SYN_SENT, 50, 8);
	race_insert(7, KS_STATE_TCP_ESTABLISHED, 50, 8);
	race_insert(3, KS_STATE_TCP_ESTABLISHED, 50, 4);
}

static void test_race_insert_over_closed(void **state)
{
	race_insert(7, KS_STATE_TCP_TIME_WAIT, 50, 8);
	race_insert(3, KS_STATE_TCP_CLOSE, 50, 4);
}

/* While a flow is being committed its key is there all the same. */
static void test_insert_sees_a_flow_being_written(void **state)
{
	struct ks_env *env = test_env_create(2);
	struct ks_inspection insp = look(env, 1, SECOND), found;
	__u32 *version;

	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, SECOND, 60000);
	assert_int_equal(insert(env, 1, KS_STATE_UDP_SINGLE, SECOND, 60000), KS_REASON_OK_NEW);
	found = look(env, 1, SECOND);
	version = &env->buckets[found.flow.ref.bucket].slot[found.flow.ref.slot].flow.version;
	(*version)++;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_CONTENDED);
	assert_true(look(env, 1, SECOND).flow.busy);
	(*version)++;
	assert_counts(env);
	test_env_destroy(env);
}

/* An insert that finds its primary bucket claimed gives up, and leaves the claim to its owner. */
static void test_claimed_bucket(void **state)
{
	struct ks_env *env = test_env_create(1);
	struct ks_inspection insp = look(env, 1, SECOND);

	insp.flow.after = flow_of(KS_STATE_UDP_SINGLE, SECOND, 60000);
	env->buckets[0].claim = 1;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_CONTENDED);
	assert_int_equal(env->buckets[0].claim, 1);
	env->buckets[0].claim = 0;
	assert_int_equal(ks_table_insert(env, &insp.flow), KS_REASON_OK_NEW);
	assert_counts(env);
	test_env_destroy(env);
}

/* What the table should hold, kept the plain way. */
#define MODEL_KEYS 96

struct model {
	__u8 state[MODEL_KEYS]; /* NONE: not there */
	__u32 seen[MODEL_KEYS], timeout[MODEL_KEYS]; /* ms */
	__u64 mark[MODEL_KEYS]; /* payload, to tell flows apart */
};

static bool model_alive(const struct model *m, __u32 n, __u64 now)
{
	return m->state[n] != KS_STATE_NONE && now / KS_NSEC_PER_MSEC <= (__u64)m->seen[n] + m->timeout[n];
}

static __u32 model_live(const struct model *m, __u64 now)
{
	__u32 live = 0;

	for (__u32 n = 0; n < MODEL_KEYS; n++)
		live += model_alive(m, n, now);
	return live;
}

static void model_set(struct model *m, __u32 n, const struct ks_flow *flow)
{
	m->state[n] = flow->state;
	m->seen[n] = flow->seen;
	m->timeout[n] = flow->timeout;
	m->mark[n] = flow->volume[0];
}

static struct ks_flow random_flow(__u64 *seed, __u64 now)
{
	struct ks_flow flow = flow_of(1 + test_below(seed, KS_STATE_ALIAS - 1), now, 1000 + test_below(seed, 4000));

	flow.volume[0] = test_random(seed);
	return flow;
}

static bool gives_way(__u32 state)
{
	return ks_state_is_closed(state) || ks_state_is_half_open(state);
}

/* One random operation on both. A closed or half-open flow may be recycled by an insert; the model learns it from the table. */
static void model_step(struct ks_env *env, struct model *m, __u64 *seed, __u64 now)
{
	__u32 n = test_below(seed, MODEL_KEYS), reason;
	struct ks_inspection insp = look(env, n, now);

	if (insp.flow.found || !gives_way(m->state[n]))
		assert_int_equal(insp.flow.found, model_alive(m, n, now));
	if (insp.flow.found)
		assert_int_equal(insp.flow.before.volume[0], m->mark[n]);
	insp.flow.after = random_flow(seed, now);
	switch (test_below(seed, 8)) {
	case 0:
		assert_int_equal(ks_table_kill(env, &insp.flow), insp.flow.found);
		m->state[n] = KS_STATE_NONE;
		return;
	case 1:
		ks_table_sweep(env, test_below(seed, env->shape.buckets), now);
		return;
	default:
		break;
	}
	if (insp.flow.found) {
		assert_true(ks_table_commit(env, &insp.flow));
		model_set(m, n, &insp.flow.after);
		return;
	}
	reason = ks_table_insert(env, &insp.flow);
	if (reason == KS_REASON_OK_NEW) {
		model_set(m, n, &insp.flow.after);
		return;
	}
	assert_int_equal(reason, KS_REASON_TABLE_FULL);
	/* Refused only with a bucket's worth of others alive. */
	assert_true(model_live(m, now) >= KS_BUCKET_SLOTS);
}

static void test_against_model(void **state)
{
	for (__u64 round = 1; round <= 20; round++) {
		struct ks_env *env = test_env_create(2 + (__u32)round);
		struct model m = { 0 };
		__u64 seed = round * 7919, now = SECOND;

		for (int i = 0; i < 4000; i++) {
			model_step(env, &m, &seed, now);
			now += test_below(&seed, 200) * KS_NSEC_PER_MSEC;
			if (i % 16 == 0)
				assert_counts(env);
		}
		for (__u32 n = 0; n < MODEL_KEYS; n++) {
			if (!gives_way(m.state[n]))
				assert_int_equal(look(env, n, now).flow.found, model_alive(&m, n, now));
		}
		now += 100 * SECOND;
		for (__u32 b = 0; b < env->shape.buckets; b++)
			ks_table_sweep(env, b, now);
		assert_counts(env);
		assert_int_equal(env->counts.flows, 0);
		assert_int_equal(env->counts.half_open, 0);
		test_env_destroy(env);
	}
}

/* As many buckets as the limit asks for take that many random keys, or nearly: what the sizing promises. */
static void test_fill_to_the_limit(void **state)
{
	enum { FLOWS = 50000 };
	struct ks_env *env = test_env_create(ks_table_buckets(FLOWS));
	__u32 refused = 0;

	env->config.limit_states = FLOWS;
	for (__u32 n = 0; n < FLOWS; n++)
		refused += insert(env, n, KS_STATE_TCP_ESTABLISHED, SECOND, 60000) != KS_REASON_OK_NEW;
	assert_true(refused < FLOWS / 1000);
	assert_int_equal(env->counts.flows, FLOWS - refused);
	test_env_destroy(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_insert_find_commit),
		cmocka_unit_test(test_dead_is_not_found_and_is_taken_over),
		cmocka_unit_test(test_sweep_edges),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_recycling),
		cmocka_unit_test(test_a_fresh_handshake_is_live),
		cmocka_unit_test(test_order_of_recycling),
		cmocka_unit_test(test_recycling_at_the_limit),
		cmocka_unit_test(test_recycling_beside),
		cmocka_unit_test(test_recycling_frees_the_aliases),
		cmocka_unit_test(test_dead_before_closed),
		cmocka_unit_test(test_replace_keeps_the_budget),
		cmocka_unit_test(test_race_insert_over_dead),
		cmocka_unit_test(test_race_insert_over_alias),
		cmocka_unit_test(test_race_insert_over_closed),
		cmocka_unit_test(test_insert_sees_a_flow_being_written),
		cmocka_unit_test(test_claimed_bucket),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_fill_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
