/* SPDX-License-Identifier: BSD-2-Clause */
/* Seats are given to entries that have none: once each, the longest unseen first, and nobody who fits is ended for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/table/hash.h"
#include "core/table/internal.h"
#include "engine/engine.h"
#include "engine/internal.h"
#include "engine/seats.h"

enum { STATES = 400, HALF_OPEN = 100, DATAGRAMS = 40, LONG = 3600000 };
#define START (1000 * KS_NSEC_PER_SEC)

static struct ks_config config;
static const struct ks_rule rules[] = {
	{ .from_zones = KS_ZONES_ANY,
	  .to_zones = KS_ZONES_ANY,
	  .id = 1,
	  .action = KS_ALLOW,
	  .flags = KS_RULE_ANY_PROTO },
};

static struct ks_engine *engine_make(void)
{
	const struct ks_tables tables = { .config = &config, .rules = rules };
	struct ks_engine *engine = NULL;

	config = (struct ks_config){ .rules = 1, .limit_states = STATES, .limit_half_open = HALF_OPEN };
	config.limit_kind[KS_KIND_FRAGMENT] = DATAGRAMS;
	assert_int_equal(ks_engine_create(&tables, &engine), 0);
	ks_engine_set_time(engine, START);
	return engine;
}

/* Each of a source of its own. */
static struct ks_flow_key key_of(__u32 kind, __u32 n)
{
	struct ks_flow_key key = { .proto = KS_PROTO_TCP, .family = KS_IPV4, .port = { 80, 81 } };

	key.kind = kind & (KS_KIND_MAX - 1);
	ks_addr_set_ipv4(&key.addr[0], n);
	ks_addr_set_ipv4(&key.addr[1], 0xffffffff);
	return key;
}

/* Seen `age` seconds before the start. */
static void put(struct ks_engine *engine, __u32 kind, __u32 state, __u32 n, __u32 age)
{
	struct ks_flow_key key = key_of(kind, n);
	struct ks_flow flow = { .state = (__u8)state,
				.seen = ks_flow_clock(START - age * KS_NSEC_PER_SEC),
				.timeout = LONG,
				.created = n };

	assert_int_equal(ks_engine_add_flow(engine, &key, &flow), 0);
}

static bool is_there(struct ks_engine *engine, __u32 kind, __u32 n)
{
	struct ks_entry entry = { .key = key_of(kind, n), .clock = ks_flow_clock(START) };

	ks_table_hash(ks_engine_env(engine), &entry);
	ks_table_find(ks_engine_env(engine), &entry);
	return entry.found;
}

/* As a build without seats leaves the table. */
static void forget_seats(struct ks_engine *engine)
{
	for (__u32 b = 0; b < engine->shape.buckets; b++) {
		memset(engine->buckets[b].seat, 0, sizeof(engine->buckets[b].seat));
		engine->buckets[b].joined = 0;
	}
}

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/* Returns how many seats of a queue have an owner, each another one. */
static __u32 owners(const struct ks_engine *engine, enum ks_queue queue)
{
	__u32 length = ks_queue_length(&config, engine->shape.buckets, queue), count = 0;
	__u64 owner[STATES], seat;

	for (__u32 n = 0; n < length; n++) {
		seat = *ks_seat_in(&engine->buckets[ks_seat_bucket(queue, n)], queue, n);
		if ((__u32)seat)
			owner[count++] = seat;
	}
	qsort(owner, count, sizeof(*owner), by_value);
	for (__u32 n = 1; n < count; n++)
		assert_true(owner[n] != owner[n - 1]);
	return count;
}

static void fill(struct ks_engine *engine)
{
	for (__u32 n = 0; n < 60; n++)
		put(engine, KS_KIND_FLOW, KS_STATE_TCP_SYN_SENT, n, 60 - n);
	for (__u32 n = 100; n < 120; n++)
		put(engine, KS_KIND_FLOW, KS_STATE_TCP_ESTABLISHED, n, 500);
	for (__u32 n = 0; n < 30; n++)
		put(engine, KS_KIND_FRAGMENT, KS_STATE_FRAGMENTS, n, 30 - n);
	put(engine, KS_KIND_EXPECT, KS_STATE_EXPECTED, 1, 500);
}

static void test_each_gets_one(void **state)
{
	struct ks_engine *engine = engine_make();

	config.limit_kind[KS_KIND_EXPECT] = 1;
	fill(engine);
	forget_seats(engine);
	assert_int_equal(ks_engine_seat_all(engine), 0);
	assert_int_equal(owners(engine, KS_QUEUE_HALF_OPEN), 60);
	assert_int_equal(owners(engine, KS_QUEUE_DATAGRAMS), 30);
	/* Again: they have seats. */
	assert_int_equal(ks_engine_seat_all(engine), 0);
	assert_int_equal(owners(engine, KS_QUEUE_HALF_OPEN), 60);
	assert_int_equal(engine->buckets[KS_QUEUE_HALF_OPEN].joined, 60);
	assert_int_equal(engine->counts->half_open, 60);
	assert_int_equal(engine->counts->records[KS_KIND_FRAGMENT], 30);
	ks_engine_destroy(engine);
}

static void end_count(const struct ks_flow_event *event, void *arg)
{
	assert_int_equal(event->kind, KS_EVENT_END);
	assert_int_equal(event->why, KS_END_RECYCLED);
	++*(unsigned *)arg;
}

/* A limit that was lowered ends those who have no seat any more, and that is told. */
static void test_who_makes_room_is_told(void **state)
{
	struct ks_engine *engine = engine_make();
	unsigned ended = 0;

	config.limit_kind[KS_KIND_EXPECT] = 1;
	fill(engine);
	forget_seats(engine);
	config.limit_half_open = 40;
	ks_engine_tell_flows(engine, end_count, &ended);
	assert_int_equal(ks_engine_seat_all(engine), 0);
	assert_int_equal(ended, 20);
	assert_int_equal(engine->counts->half_open, 40);
	config.limit_half_open = HALF_OPEN;
	ks_engine_destroy(engine);
}

/* Those who come afterwards find the budgets as they would be: who was unseen longest makes room first. */
static void test_longest_unseen_first(void **state)
{
	struct ks_engine *engine = engine_make();

	config.limit_kind[KS_KIND_EXPECT] = 1;
	fill(engine);
	forget_seats(engine);
	assert_int_equal(ks_engine_seat_all(engine), 0);
	for (__u32 n = 200; n < 200 + HALF_OPEN - 60 + 10; n++)
		put(engine, KS_KIND_FLOW, KS_STATE_TCP_SYN_SENT, n, 0);
	for (__u32 n = 200; n < 200 + DATAGRAMS - 30 + 5; n++)
		put(engine, KS_KIND_FRAGMENT, KS_STATE_FRAGMENTS, n, 0);
	for (__u32 n = 0; n < 60; n++)
		assert_int_equal(is_there(engine, KS_KIND_FLOW, n), n >= 10);
	for (__u32 n = 0; n < 30; n++)
		assert_int_equal(is_there(engine, KS_KIND_FRAGMENT, n), n >= 5);
	for (__u32 n = 100; n < 120; n++)
		assert_true(is_there(engine, KS_KIND_FLOW, n));
	assert_int_equal(engine->counts->half_open, HALF_OPEN);
	ks_engine_destroy(engine);
}

/* A budget that is lowered ends those who waited longest, and no established connection. */
static void test_a_lower_limit(void **state)
{
	struct ks_engine *engine = engine_make();
	const struct ks_tables tables = { .config = &config, .rules = rules };
	struct ks_config before;

	config.limit_kind[KS_KIND_EXPECT] = 1;
	fill(engine);
	before = config;
	config.limit_half_open = 20;
	assert_true(ks_seats_differ(&before, &config));
	assert_int_equal(ks_engine_seat_all(engine), 0);
	ks_engine_set_tables(engine, &tables);
	assert_int_equal(engine->counts->half_open, 20);
	assert_int_equal(owners(engine, KS_QUEUE_HALF_OPEN), 20);
	for (__u32 n = 100; n < 120; n++)
		assert_true(is_there(engine, KS_KIND_FLOW, n));
	assert_true(is_there(engine, KS_KIND_FLOW, 59));
	assert_false(is_there(engine, KS_KIND_FLOW, 20));
	assert_int_equal(engine->counts->records[KS_KIND_FRAGMENT], 30);
	ks_engine_destroy(engine);
}

/* Only what a queue's length depends on makes a difference. */
static void test_differ(void **state)
{
	struct ks_config a = { .limit_half_open = 10 }, b = a;

	b.limit_states = 5;
	assert_false(ks_seats_differ(&a, &b));
	b.limit_kind[KS_KIND_FRAGMENT] = 5;
	assert_true(ks_seats_differ(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_gets_one),
		cmocka_unit_test(test_who_makes_room_is_told),
		cmocka_unit_test(test_longest_unseen_first),
		cmocka_unit_test(test_a_lower_limit),
		cmocka_unit_test(test_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
