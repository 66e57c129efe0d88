/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows by number in a table of a few buckets, and a census of it, for the tests of the table. */
#ifndef KS_TESTS_UNIT_CORE_TABLE_TABLE_HOME_H
#define KS_TESTS_UNIT_CORE_TABLE_TABLE_HOME_H

#include "tests/unit/core/test_home.h"

#include "core/verdict.h"

#define SECOND KS_NSEC_PER_SEC

static inline struct ks_flow_key key_of(__u32 n)
{
	struct ks_flow_key key = { .proto = KS_PROTO_TCP, .family = KS_IPV4, .port = { 80, (__u16)n } };

	key.addr[0].w[3] = 1;
	key.addr[1].w[3] = 2 + (n >> 16);
	return key;
}

/* An inspection that has looked for flow n at `now`. */
static inline struct ks_inspection look(struct ks_env *env, __u32 n, __u64 now)
{
	struct ks_inspection insp = { .home.now = now, .flow.clock = ks_flow_clock(now), .flow.key = key_of(n) };

	ks_table_hash(env, &insp.flow);
	ks_table_find(env, &insp.flow);
	return insp;
}

static inline struct ks_flow flow_of(__u32 state, __u64 now, __u32 timeout_ms)
{
	return (struct ks_flow){ .state = (__u8)state,
				 .seen = (__u32)(now / KS_NSEC_PER_MSEC),
				 .timeout = timeout_ms,
				 .packets_low = { 1 } };
}

static inline __u32 insert(struct ks_env *env, __u32 n, __u32 state, __u64 now, __u32 timeout_ms)
{
	struct ks_inspection insp = look(env, n, now);

	__u32 reason;

	assert_false(insp.flow.found);
	insp.flow.after = flow_of(state, now, timeout_ms);
	reason = ks_table_insert(env, &insp.flow);
	env->born_closed += reason == KS_REASON_OK_NEW && ks_state_is_closed(state);
	return reason;
}

/* Counted from the table itself: slots in use, half-open ones, those whose end was not told, keys that are there twice. */
struct census {
	__u32 flows, half_open, alive, twice;
};

static inline struct census count_slots(const struct ks_env *env)
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
			assert_int_not_equal(test_tag(env, b, s), 0);
			for (__u32 i = 0; i < c.flows; i++)
				c.twice += !memcmp(&used[i]->key, &slot->key, sizeof(slot->key));
			assert_true(c.flows < KS_ARRAY_SIZE(used));
			used[c.flows++] = slot;
			c.half_open += ks_state_is_half_open(slot->flow.state);
			c.alive += !ks_state_is_closed(slot->flow.state);
		}
		assert_int_equal(env->buckets[b].claim, 0);
	}
	return c;
}

static inline void assert_counts(const struct ks_env *env)
{
	struct census c = count_slots(env);

	assert_int_equal(c.twice, 0);
	assert_int_equal(env->counts.flows, c.flows);
	assert_int_equal(env->counts.half_open, c.half_open);
	assert_shares(env);
	/* Everything that was ever made is there, or its end was told exactly once. */
	assert_int_equal(env->counts.created, c.flows + env->ended);
	assert_int_equal(env->ended, env->counts.expired + env->counts.recycled + env->counts.killed);
	assert_int_equal(env->counts.created, c.alive + env->told[KS_EVENT_END] + env->born_closed);
}

#endif
