/* SPDX-License-Identifier: BSD-2-Clause */
/* Every live entry of a table is found in a larger one, and names the same entries there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/table/hash.h"
#include "core/table/internal.h"
#include "engine/table_copy.h"

#define CLOCK 100000U
#define FLOWS 20000U

struct table {
	struct ks_bucket *buckets;
	struct ks_table_shape shape;
	struct ks_table_counts counts;
};

static struct table table_make(__u32 flows, __u64 secret)
{
	struct table table = { .shape = { .key = { secret, ~secret }, .buckets = ks_table_buckets(flows) } };

	table.buckets = calloc(ks_table_length(table.shape.buckets), sizeof(*table.buckets));
	assert_non_null(table.buckets);
	return table;
}

static __u16 *tag_of(const struct table *table, __u32 bucket, __u32 slot)
{
	return &ks_tags_edit(table->buckets, table->shape.buckets, bucket)->tag[slot];
}

static struct ks_flow_key key_of(__u32 number, bool alias)
{
	struct ks_flow_key key = { .port = { 1, alias ? 3 : 2 }, .proto = 17, .family = KS_IPV4, .kind = KS_KIND_FLOW };

	ks_addr_set_ipv4(&key.addr[0], number);
	ks_addr_set_ipv4(&key.addr[1], 0xffffffff);
	return key;
}

/* Returns the place of a key, 0 if it is not there. */
static __u32 find(const struct table *table, const struct ks_flow_key *key)
{
	struct candidates p = candidates_of(ks_flow_key_hash(key, table->shape.key), &table->shape);

	for (__u32 n = 0; n < 2; n++) {
		for (__u32 i = 0; i < KS_BUCKET_SLOTS; i++) {
			struct ks_bucket *bucket = &table->buckets[p.bucket[n]];
			struct ks_flow_ref ref = { .bucket = p.bucket[n], .slot = i };

			if (*tag_of(table, ref.bucket, i) == p.tag && !memcmp(&bucket->slot[i].key, key, sizeof(*key)))
				return ks_slot_id(&ref);
		}
	}
	return 0;
}

static struct ks_flow *flow_at(const struct table *table, __u32 place)
{
	struct ks_flow_ref ref = ks_slot_at(place);

	return &table->buckets[ref.bucket].slot[ref.slot].flow;
}

/* Puts an entry where there is room. Returns its place. */
static __u32 put(struct table *table, const struct ks_flow_key *key, __u32 state)
{
	struct candidates p = candidates_of(ks_flow_key_hash(key, table->shape.key), &table->shape);

	for (__u32 n = 0; n < 2 * KS_BUCKET_SLOTS; n++) {
		struct ks_flow_ref ref = { .bucket = p.bucket[n / KS_BUCKET_SLOTS], .slot = n % KS_BUCKET_SLOTS };
		struct ks_bucket *bucket = &table->buckets[ref.bucket];

		if (*tag_of(table, ref.bucket, ref.slot))
			continue;
		*tag_of(table, ref.bucket, ref.slot) = p.tag;
		bucket->slot[ref.slot].key = *key;
		bucket->slot[ref.slot].flow =
			(struct ks_flow){ .version = 4, .state = (__u8)state, .seen = CLOCK, .timeout = 1000 };
		return ks_slot_id(&ref);
	}
	fail_msg("the table of the test is too small");
	return 0;
}

/* A flow and its alias, which name each other. */
static void put_pair(struct table *table, __u32 number)
{
	struct ks_flow_key key = key_of(number, false), alias_key = key_of(number, true);
	__u32 flow = put(table, &key, KS_STATE_UDP_STREAM), alias = put(table, &alias_key, KS_STATE_ALIAS);

	flow_at(table, flow)->alias[KS_REPLY] = alias;
	flow_at(table, flow)->volume[0] = number;
	flow_at(table, alias)->alias[0] = flow_at(table, alias)->alias[1] = flow;
	ks_record_edit(flow_at(table, alias))->alias.side = KS_REPLY;
}

static void assert_pair(const struct table *table, __u32 number)
{
	struct ks_flow_key key = key_of(number, false), alias_key = key_of(number, true);
	__u32 flow = find(table, &key), alias = find(table, &alias_key);

	assert_int_not_equal(flow, 0);
	assert_int_not_equal(alias, 0);
	assert_int_equal(flow_at(table, flow)->alias[KS_ORIGINAL], 0);
	assert_int_equal(flow_at(table, flow)->alias[KS_REPLY], alias);
	assert_int_equal(flow_at(table, flow)->volume[0], number);
	assert_int_equal(flow_at(table, alias)->alias[0], flow);
	assert_int_equal(flow_at(table, alias)->alias[1], flow);
	assert_int_equal(flow_at(table, flow)->version % 2, 0);
}

struct both {
	struct table from, to;
	struct ks_table_copy copy;
};

static void both_open(struct both *both)
{
	both->from = table_make(8 * FLOWS, 1234567);
	both->to = table_make(2 * FLOWS + 100, 7654321);
	both->copy = (struct ks_table_copy){
		.from = both->from.buckets,
		.from_buckets = both->from.shape.buckets,
		.to = both->to.buckets,
		.to_shape = both->to.shape,
		.counts = &both->to.counts,
	};
	assert_int_equal(ks_table_copy_init(&both->copy), 0);
	for (__u32 i = 1; i <= FLOWS; i++)
		put_pair(&both->from, i);
}

static void both_close(struct both *both)
{
	ks_table_copy_fini(&both->copy);
	free(both->from.buckets);
	free(both->to.buckets);
}

static void test_all_is_copied(void **state)
{
	struct both both;

	both_open(&both);
	ks_table_copy_pass(&both.copy, CLOCK + 10);
	for (__u32 i = 1; i <= FLOWS; i++)
		assert_pair(&both.to, i);
	assert_int_equal(both.copy.entries, 2 * FLOWS);
	assert_int_equal(both.copy.lost, 0);
	assert_int_equal(both.to.counts.flows, FLOWS);
	assert_int_equal(both.to.counts.records[KS_KIND_FLOW], FLOWS);
	ks_table_copy_pass(&both.copy, CLOCK + 10);
	assert_int_equal(both.copy.entries, 0);
	both_close(&both);
}

static void test_what_changed_is_copied_again(void **state)
{
	struct ks_flow_key key = key_of(7, false);
	struct ks_flow *old, *new;
	struct both both;

	both_open(&both);
	ks_table_copy_pass(&both.copy, CLOCK);
	old = flow_at(&both.from, find(&both.from, &key));
	old->volume[1] = 99;
	old->version += 2;
	put_pair(&both.from, FLOWS + 1);
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(both.copy.entries, 3);
	new = flow_at(&both.to, find(&both.to, &key));
	assert_int_equal(new->volume[1], 99);
	assert_pair(&both.to, 7);
	assert_pair(&both.to, FLOWS + 1);
	assert_int_equal(both.to.counts.flows, FLOWS + 1);
	both_close(&both);
}

static void test_half_open_ones_are_counted_as_they_are(void **state)
{
	struct ks_flow_key key = key_of(FLOWS + 1, false);
	struct ks_flow *old;
	struct both both;

	both_open(&both);
	put(&both.from, &key, KS_STATE_TCP_SYN_SENT);
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(both.to.counts.half_open, 1);
	old = flow_at(&both.from, find(&both.from, &key));
	old->state = KS_STATE_TCP_ESTABLISHED;
	old->version += 2;
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(both.to.counts.half_open, 0);
	assert_int_equal(both.to.counts.flows, FLOWS + 1);
	both_close(&both);
}

/* A packet opened the same flow in both tables while the hooks were switched one after the other. */
static void test_what_is_there_anew_is_not_lost(void **state)
{
	struct ks_flow_key key = key_of(FLOWS + 1, false);
	struct both both;

	both_open(&both);
	ks_table_copy_pass(&both.copy, CLOCK);
	put(&both.from, &key, KS_STATE_UDP_SINGLE);
	put(&both.to, &key, KS_STATE_UDP_STREAM);
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(both.copy.lost, 0);
	assert_int_equal(flow_at(&both.to, find(&both.to, &key))->state, KS_STATE_UDP_STREAM);
	both_close(&both);
}

/* A slot that another CPU is just freeing has no tag, and is not free yet. */
static void test_a_slot_in_other_hands_is_left_alone(void **state)
{
	struct ks_flow_key key = key_of(7, false);
	struct ks_bucket *bucket;
	struct candidates p;
	struct both both;

	both_open(&both);
	p = candidates_of(ks_flow_key_hash(&key, both.to.shape.key), &both.to.shape);
	for (unsigned n = 0; n < 2; n++) {
		bucket = &both.to.buckets[p.bucket[n]];
		for (unsigned i = 0; i < KS_BUCKET_SLOTS; i++)
			bucket->slot[i].flow = (struct ks_flow){ .version = 5, .state = KS_STATE_UDP_STREAM };
	}
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(find(&both.to, &key), 0);
	assert_int_equal(bucket->slot[0].flow.version, 5);
	assert_int_equal(*tag_of(&both.to, p.bucket[1], 0), 0);
	assert_true(both.copy.lost > 0);
	both_close(&both);
}

/* As the core frees a flow: its aliases go with it. */
static void end_pair(struct table *table, __u32 number)
{
	for (unsigned alias = 0; alias < 2; alias++) {
		struct ks_flow_key key = key_of(number, alias);
		struct ks_flow_ref ref = ks_slot_at(find(table, &key));

		*tag_of(table, ref.bucket, ref.slot) = 0;
		table->buckets[ref.bucket].slot[ref.slot].flow.state = KS_STATE_NONE;
		table->buckets[ref.bucket].slot[ref.slot].flow.version += 2;
	}
}

/* Else it would live on in the new table, and its end be told once more. */
static void test_what_has_ended_ends(void **state)
{
	struct ks_flow_key key = key_of(7, false), alias_key = key_of(7, true), half_open = key_of(FLOWS + 1, false);
	struct ks_flow *old;
	struct both both;

	both_open(&both);
	put(&both.from, &half_open, KS_STATE_TCP_SYN_SENT);
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(both.to.counts.half_open, 1);
	end_pair(&both.from, 7);
	old = flow_at(&both.from, find(&both.from, &half_open)); /* another one has got its slot */
	((struct ks_slot *)((char *)old - offsetof(struct ks_slot, flow)))->key.proto = 6;
	old->state = KS_STATE_UDP_SINGLE;
	old->version += 2;
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(find(&both.to, &key), 0);
	assert_int_equal(find(&both.to, &alias_key), 0);
	assert_int_equal(find(&both.to, &half_open), 0);
	assert_int_equal(both.to.counts.flows, FLOWS);
	assert_int_equal(both.to.counts.half_open, 0);
	assert_pair(&both.to, 8);
	both_close(&both);
}

/* A packet has moved the flow on in the new table: its name there is not taken from it. */
static void test_what_went_on_keeps_its_alias(void **state)
{
	struct ks_flow_key key = key_of(7, false);
	struct both both;

	both_open(&both);
	ks_table_copy_pass(&both.copy, CLOCK);
	flow_at(&both.to, find(&both.to, &key))->version += 2;
	end_pair(&both.from, 7);
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_pair(&both.to, 7);
	both_close(&both);
}

/* A packet that was judged by the new table is not undone. */
static void test_what_went_on_stays(void **state)
{
	struct ks_flow_key key = key_of(7, false);
	struct ks_flow *old, *new;
	struct both both;

	both_open(&both);
	ks_table_copy_pass(&both.copy, CLOCK);
	old = flow_at(&both.from, find(&both.from, &key));
	new = flow_at(&both.to, find(&both.to, &key));
	new->volume[1] = 200;
	new->version += 2;
	old->volume[1] = 99;
	old->version += 2;
	ks_table_copy_pass(&both.copy, CLOCK);
	assert_int_equal(new->volume[1], 200);
	both_close(&both);
}

static void test_what_is_dead_stays_behind(void **state)
{
	struct both both;

	both_open(&both);
	ks_table_copy_pass(&both.copy, CLOCK + 1001);
	assert_int_equal(both.to.counts.flows, 0);
	both_close(&both);
}

static bool renumber(struct ks_slot *slot)
{
	if (slot->flow.state == KS_STATE_UDP_STREAM)
		slot->flow.state = KS_STATE_UDP_SINGLE;
	return slot->flow.state != KS_STATE_ALIAS;
}

static void test_entries_are_converted(void **state)
{
	struct ks_flow_key key = key_of(7, false);
	struct both both;
	struct ks_flow *new;

	both_open(&both);
	both.copy.convert = renumber;
	ks_table_copy_pass(&both.copy, CLOCK);
	new = flow_at(&both.to, find(&both.to, &key));
	assert_int_equal(new->state, KS_STATE_UDP_SINGLE);
	assert_int_equal(new->alias[KS_REPLY], 0);
	assert_int_equal(both.copy.lost, FLOWS);
	both_close(&both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_copied),
		cmocka_unit_test(test_what_changed_is_copied_again),
		cmocka_unit_test(test_what_went_on_stays),
		cmocka_unit_test(test_what_is_dead_stays_behind),
		cmocka_unit_test(test_what_has_ended_ends),
		cmocka_unit_test(test_what_went_on_keeps_its_alias),
		cmocka_unit_test(test_entries_are_converted),
		cmocka_unit_test(test_half_open_ones_are_counted_as_they_are),
		cmocka_unit_test(test_what_is_there_anew_is_not_lost),
		cmocka_unit_test(test_a_slot_in_other_hands_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
