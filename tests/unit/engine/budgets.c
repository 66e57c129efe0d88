/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting anew: whatever another build has left in the budgets, they are what the table says, also while packets pass. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/table/share.h"
#include "engine/budgets.h"
#include "engine/engine.h"
#include "engine/internal.h"

enum { STATES = 4096, LONG = 3600000 };

static struct ks_config config;
static const struct ks_rule rules[] = {
	{ .from_zones = KS_ZONES_ANY,
	  .to_zones = KS_ZONES_ANY,
	  .id = 1,
	  .action = KS_ALLOW,
	  .flags = KS_RULE_ANY_PROTO },
};
static struct ks_budget want[KS_BUDGETS];

static struct ks_engine *engine_make(void)
{
	const struct ks_tables tables = { .config = &config, .rules = rules };
	struct ks_engine *engine = NULL;

	config = (struct ks_config){ .rules = 1, .limit_states = STATES, .limit_half_open = STATES };
	for (__u32 kind = 0; kind < KS_KIND_MAX; kind++)
		config.limit_kind[kind] = STATES;
	assert_int_equal(ks_engine_create(&tables, &engine), 0);
	return engine;
}

/* Seven flows a source. */
static struct ks_flow_key key_of(__u32 kind, __u32 n)
{
	struct ks_flow_key key = { .proto = KS_PROTO_UDP, .family = KS_IPV4, .port = { 80, (__u16)n } };

	key.kind = kind & (KS_KIND_MAX - 1);
	ks_addr_set_ipv4(&key.addr[0], n / 7);
	ks_addr_set_ipv4(&key.addr[1], 0xffffffff);
	return key;
}

static void put(struct ks_engine *engine, __u32 kind, __u32 state, __u32 flags, __u32 n)
{
	struct ks_flow_key key = key_of(kind, n);
	struct ks_flow flow = { .state = (__u8)state, .flags = (__u8)flags, .timeout = LONG };

	if (kind == KS_KIND_FLOW)
		flow.zone[KS_ORIGINAL] = (__u8)(KS_ZONE_FIRST + n % 3);

	if (kind == KS_KIND_MAPPING_IN)
		ks_addr_set_ipv4(&ks_record_edit(&flow)->mapping.addr, n / 5);
	assert_int_equal(ks_engine_add_flow(engine, &key, &flow), 0);
}

static void fill(struct ks_engine *engine)
{
	for (__u32 n = 0; n < 400; n++) {
		put(engine, KS_KIND_FLOW, KS_STATE_TCP_ESTABLISHED, KS_FLOW_ORIG_IS_HIGH, n);
		put(engine, KS_KIND_FLOW, KS_STATE_TCP_SYN_SENT, 0, 1000 + n);
		put(engine, KS_KIND_FLOW, KS_STATE_UDP_STREAM, n % 2 ? KS_FLOW_ASSURED : 0, 2000 + n);
		put(engine, KS_KIND_FLOW, KS_STATE_TCP_TIME_WAIT, 0, 3000 + n);
		put(engine, KS_KIND_FRAGMENT, KS_STATE_FRAGMENTS, 0, n);
		put(engine, KS_KIND_MAPPING_IN, KS_STATE_MAPPING, 0, n);
	}
}

static void test_exact(void **state)
{
	struct ks_engine *engine = engine_make();

	fill(engine);
	ks_budgets_count(engine->buckets, &engine->shape, want);
	assert_int_equal(want[KS_SHARE_SUM].entries, 600);
	assert_int_equal(want[KS_SHARE_ZONE + KS_ZONE_FIRST].entries, 133);
	assert_int_equal(want[KS_SHARE_ZONE + KS_ZONE_FIRST + 1].entries, 134);
	assert_memory_equal(engine->budgets, want, sizeof(want));
	for (__u32 n = 0; n < KS_BUDGETS; n++)
		engine->budgets[n] = (struct ks_budget){ .mappings = n % 3, .entries = (__u32)0 - n % 5 };
	assert_int_equal(ks_budgets_recount(engine->buckets, &engine->shape, engine->budgets), 0);
	assert_memory_equal(engine->budgets, want, sizeof(want));
	ks_engine_destroy(engine);
}

static struct ks_engine *owner;
static bool over;

/* Another CPU opens flows of its own and closes them again. */
static void *traffic(void *arg)
{
	const struct ks_tables tables = { .config = &config, .rules = rules };
	struct ks_engine *engine = NULL;

	assert_int_equal(ks_engine_create_beside(owner, &tables, &engine), 0);
	for (__u32 n = 0; !__atomic_load_n(&over, __ATOMIC_RELAXED); n++) {
		struct ks_entry entry = { .key = key_of(KS_KIND_FLOW, 100000 + n % 50) };

		put(engine, KS_KIND_FLOW, KS_STATE_TCP_ESTABLISHED, 0, 100000 + n % 50);
		assert_true(ks_table_kill(ks_engine_env(engine), &entry, KS_END_KILLED));
	}
	ks_engine_destroy(engine);
	return NULL;
}

/* With packets on their way a number is wrong by no more than what came and went while it was counted. */
static void test_under_way(void **state)
{
	pthread_t thread;

	owner = engine_make();
	fill(owner);
	ks_budgets_count(owner->buckets, &owner->shape, want);
	memset(owner->budgets, 0, sizeof(want));
	assert_int_equal(pthread_create(&thread, NULL, traffic, NULL), 0);
	assert_int_equal(ks_budgets_recount(owner->buckets, &owner->shape, owner->budgets), 0);
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	for (__u32 n = 0; n < KS_BUDGETS; n++) {
		assert_int_equal(owner->budgets[n].mappings, want[n].mappings);
		assert_in_range((__s32)owner->budgets[n].entries - (__s32)want[n].entries + 8, 0, 16);
	}
	ks_engine_destroy(owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
